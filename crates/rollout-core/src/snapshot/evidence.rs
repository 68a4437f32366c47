//! What is read beside a snapshot where something looks wrong: events, nodes, the ends of logs. What of it is worth reading
//! is said here; `rollout-kube` reads it.

use std::collections::BTreeSet;

use crate::objects::event::EventRecord;
use crate::objects::node::NodeReadiness;
use crate::objects::pod::Pod;
use crate::snapshot::symptom::Symptom;

/// What was read beside a snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Events of the workload and of its suspect pods.
    pub events: Vec<EventRecord>,
    /// The nodes of suspect pods.
    pub nodes: Vec<NodeReadiness>,
    /// The ends of the logs of containers that end.
    pub logs: Vec<LogTail>,
    /// What may not be read.
    pub skipped: BTreeSet<Skipped>,
    /// What failed before the change whose rollout is judged, where somebody looked then.
    pub known: BTreeSet<Symptom>,
}

crate::words! {
    /// What may not be read by whoever asks.
    pub enum Skipped {
        /// Pods.
        Pods = "pods",
        /// Events.
        Events = "events",
        /// Containers' logs.
        Logs = "pod logs",
        /// Nodes.
        Nodes = "nodes",
    }
}

/// The end of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTail {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// Whether it is the log of the run before this one.
    pub previous: bool,
    /// The last lines.
    pub lines: Vec<String>,
}

impl Evidence {
    /// Iterates over the events of an object, the newest first.
    pub fn events_of(&self, uid: &str) -> impl Iterator<Item = &EventRecord> {
        let mut events: Vec<&EventRecord> = self.events.iter().filter(|event| event.uid == uid).collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.last));
        events.into_iter()
    }

    /// Returns the node that a pod is bound to, where it is known not to be ready.
    pub fn dead_node(&self, pod: &Pod) -> Option<&NodeReadiness> {
        self.nodes.iter().find(|node| !node.ready && Some(&node.name) == pod.node.as_ref())
    }

    /// Returns what a container has said last.
    pub fn log(&self, pod: &str, container: &str) -> Option<&LogTail> {
        self.logs.iter().find(|log| log.pod == pod && log.container == container)
    }
}
