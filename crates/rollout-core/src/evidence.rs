//! What is read beside a snapshot where something looks wrong: events, nodes, the ends of logs. What of it is worth reading
//! is said here; `rollout-kube` reads it.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cause::{Cause, CauseId, Symptom};
use crate::causes;
use crate::kind::Kind;
use crate::pods::Pod;
use crate::snapshot::{Side, Snapshot};
use crate::status::{Progress, State};
use crate::workload::Strategy;

/// How many pods are looked at more closely: what they have in common shows in a few.
const CLOSELY: usize = 3;
/// How many nodes that have not been heard of are asked after: what their pods show says it of the others.
const NODES: usize = 16;
/// Seconds after which a pod that is not ready, or a missing one, is looked at more closely.
const SUSPICIOUS: i64 = 5;
/// Seconds for which nothing must have moved before a missing pod is more than one that is just being replaced.
const QUIET: i64 = 2;

/// What was read beside a snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Events of the workload and of its suspect pods.
    pub events: Vec<EventRecord>,
    /// The nodes of suspect pods.
    pub nodes: Vec<Node>,
    /// The ends of the logs of containers that end.
    pub logs: Vec<LogTail>,
    /// What may not be read.
    pub skipped: BTreeSet<Skipped>,
    /// What failed before the change whose rollout is judged, where somebody looked then.
    pub known: BTreeSet<Symptom>,
}

/// What may not be read by whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    /// Pods.
    Pods,
    /// Events.
    Events,
    /// Containers' logs.
    Logs,
    /// Nodes.
    Nodes,
}

impl Skipped {
    /// Returns the name as documents and messages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Skipped::Pods => "pods",
            Skipped::Events => "events",
            Skipped::Logs => "pod logs",
            Skipped::Nodes => "nodes",
        }
    }
}

impl Serialize for Skipped {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An event: what somebody has seen of an object, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "wire::Event")]
pub struct EventRecord {
    /// The UID of the object.
    pub uid: String,
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The container of a pod that it is about, where it says so.
    pub container: Option<String>,
    /// Whether it warns.
    pub warns: bool,
    /// The reason in one word, e.g. `FailedMount`.
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// How often it was seen.
    pub count: u32,
    /// When it was seen first.
    pub first: Option<Timestamp>,
    /// When it was seen last.
    pub last: Option<Timestamp>,
}

/// A node, as far as a rollout depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "wire::Node")]
pub struct Node {
    /// The name.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Why it is not, in one word.
    pub reason: String,
    /// Why it is not, in a sentence.
    pub message: String,
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

/// Something that is worth reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The events of an object.
    Events {
        /// Its UID.
        uid: String,
    },
    /// A node.
    Node {
        /// Its name.
        name: String,
    },
    /// The end of a container's log.
    Log {
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
        /// Whether the run that failed is the one before the present one.
        previous: bool,
    },
}

impl Evidence {
    /// Iterates over the events of an object, the newest first.
    pub fn events_of(&self, uid: &str) -> impl Iterator<Item = &EventRecord> {
        let mut events: Vec<&EventRecord> = self.events.iter().filter(|event| event.uid == uid).collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.last));
        events.into_iter()
    }

    /// Returns the node that a pod is bound to, where it is known not to be ready.
    pub fn dead_node(&self, pod: &Pod) -> Option<&Node> {
        self.nodes.iter().find(|node| !node.ready && Some(&node.name) == pod.node.as_ref())
    }

    /// Returns what a container has said last.
    pub fn log(&self, pod: &str, container: &str) -> Option<&LogTail> {
        self.logs.iter().find(|log| log.pod == pod && log.container == container)
    }
}

/// Says what is worth reading beside a snapshot: nothing while all is well.
pub fn wanted(snapshot: &Snapshot, progress: &Progress) -> Vec<Wanted> {
    match progress.state {
        State::Unobserved | State::Complete => return Vec::new(),
        State::Advancing | State::Held | State::Failed | State::Stalled => {}
    }
    let mut wanted = Vec::new();
    // A ReplicaSet says in its status why it cannot create pods; the sets only say it in events, and how many have ended.
    let ended = || snapshot.pods.iter().flatten().any(|pod| pod.ended() && snapshot.side(pod) == Side::New);
    if snapshot.workload.id.kind != Kind::Deployment && (cannot_create(snapshot) || ended()) {
        wanted.push(Wanted::Events { uid: snapshot.workload.id.uid.clone() });
    }
    wanted.extend(of_refused_update(snapshot));
    let suspects = suspects(snapshot);
    let events = |pod: &&Pod| Wanted::Events { uid: pod.uid.clone() };
    wanted.extend(suspects.iter().map(events));
    if !suspects.is_empty() {
        // Whether an old pod has the same trouble.
        wanted.extend(old_and_late(snapshot).next().as_ref().map(events));
    }
    let lost = snapshot.pods.iter().flatten().filter(|pod| pod.is_unheard_of() && !pod.ended());
    let pods = lost.take(NODES).chain(suspects).chain(holders(snapshot));
    let mut nodes: Vec<&String> = pods.filter_map(|pod| pod.node.as_ref()).collect();
    nodes.sort();
    nodes.dedup();
    wanted.extend(nodes.into_iter().map(|name| Wanted::Node { name: name.clone() }));
    wanted.extend(progress.causes.iter().filter_map(|cause| log_of(cause, snapshot)).take(CLOSELY));
    wanted
}

/// Returns the events of a set of whose pods none is replaced although nothing is wrong with any: they say why.
pub fn of_refused_update(snapshot: &Snapshot) -> Option<Wanted> {
    let workload = &snapshot.workload;
    let rolls = matches!(workload.strategy, Strategy::Partitioned { .. }) && snapshot.observed();
    let waits =
        |pod: &Pod| snapshot.side(pod) == Side::Old && snapshot.index(pod) >= Some(workload.partition());
    let stands = rolls
        && snapshot.missing() == 0
        && snapshot.living().any(waits)
        && snapshot.pods.iter().flatten().all(|pod| snapshot.available(pod))
        && snapshot.quiet_for() >= QUIET;
    stands.then(|| Wanted::Events { uid: workload.id.uid.clone() })
}

/// Pods are missing, nothing has moved for a moment, and what is there does not explain it.
fn cannot_create(snapshot: &Snapshot) -> bool {
    let ordered = snapshot.workload.id.kind == Kind::StatefulSet && !snapshot.workload.parallel;
    let waits = ordered && snapshot.living().any(|pod| !snapshot.available(pod));
    snapshot.missing() > 0 && !waits && snapshot.quiet_for() >= QUIET
}

/// New pods that look wrong, those that show the worst first.
fn suspects(snapshot: &Snapshot) -> Vec<&Pod> {
    let slowest = causes::slowest_start(snapshot);
    let new = snapshot.living().filter(|pod| !pod.ready() && snapshot.side(pod) == Side::New);
    let mut suspects: Vec<(u8, &Pod)> = new
        .map(|pod| {
            let worst = causes::of_pod_among(pod, snapshot, &|| slowest).into_iter().next();
            (worst.map_or(u8::MAX, |cause| causes::rank(&cause).0), pod)
        })
        .filter(|(rank, pod)| *rank < u8::MAX || pod.restarts() > 0 || is_late(snapshot, pod))
        .collect();
    suspects.sort_by_key(|(rank, pod)| (*rank, pod.unready_since));
    suspects.into_iter().map(|(_, pod)| pod).take(CLOSELY).collect()
}

fn is_late(snapshot: &Snapshot, pod: &Pod) -> bool {
    snapshot.seconds_since(pod.unready_since) >= SUSPICIOUS
}

fn old_and_late(snapshot: &Snapshot) -> impl Iterator<Item = &Pod> {
    let late = |pod: &&Pod| !pod.ready() && is_late(snapshot, pod);
    snapshot.living().filter(late).filter(|pod| snapshot.side(pod) == Side::Old)
}

/// Pods that keep the controller waiting, and that may be on a dead node: those that should be gone, and old ones that are
/// not ready. Where the containers are still told to be ready, nobody is there to tell otherwise.
fn holders(snapshot: &Snapshot) -> Vec<&Pod> {
    if !causes::waits_for_old(snapshot) {
        return Vec::new();
    }
    let ending = snapshot.pods.iter().flatten().filter(|pod| pod.terminating);
    let ending =
        ending.filter(|pod| causes::is_overdue(pod, snapshot) || !pod.ready() && is_late(snapshot, pod));
    let mut holders: Vec<&Pod> = ending.chain(old_and_late(snapshot)).collect();
    holders.sort_by_key(|pod| (!pod.terminating, pod.containers.iter().any(|it| !it.ready)));
    holders.truncate(CLOSELY);
    holders
}

/// A container that runs again has another log than the run that failed.
fn log_of(cause: &Cause, snapshot: &Snapshot) -> Option<Wanted> {
    let ends = matches!(cause.id, CauseId::CrashLoop | CauseId::OomKilled | CauseId::PostStart);
    let (pod, container) = cause.pod.clone().zip(cause.container.clone()).filter(|_| ends)?;
    let seen = snapshot.pods.iter().flatten().find(|it| it.name == pod)?;
    let runs = seen.containers.iter().any(|it| it.name == container && it.running_since.is_some());
    Some(Wanted::Log { pod, container, previous: runs })
}

/// The shapes in which the API server writes events and nodes.
mod wire {
    use super::{Deserialize, Timestamp};

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Event {
        metadata: Metadata,
        #[serde(default)]
        involved_object: Object,
        #[serde(default, rename = "type")]
        kind: String,
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
        count: Option<u32>,
        first_timestamp: Option<Timestamp>,
        last_timestamp: Option<Timestamp>,
        event_time: Option<Timestamp>,
        series: Option<Series>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        #[serde(default)]
        name: String,
        creation_timestamp: Option<Timestamp>,
    }

    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Object {
        #[serde(default)]
        kind: String,
        #[serde(default)]
        name: String,
        #[serde(default)]
        uid: String,
        field_path: Option<String>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Series {
        #[serde(default)]
        count: u32,
        last_observed_time: Option<Timestamp>,
    }

    impl From<Event> for super::EventRecord {
        fn from(event: Event) -> super::EventRecord {
            let first = event.first_timestamp.or(event.event_time).or(event.metadata.creation_timestamp);
            let series = event.series.as_ref();
            super::EventRecord {
                uid: event.involved_object.uid,
                kind: event.involved_object.kind,
                name: event.involved_object.name,
                container: event.involved_object.field_path.as_deref().and_then(container),
                warns: event.kind == "Warning",
                reason: event.reason,
                message: event.message,
                count: series.map(|it| it.count).or(event.count).unwrap_or(1).max(1),
                last: series.and_then(|it| it.last_observed_time).or(event.last_timestamp).or(first),
                first,
            }
        }
    }

    /// Reads the name out of `spec.containers{app}` or `spec.initContainers{app}`.
    fn container(path: &str) -> Option<String> {
        Some(path.split_once('{')?.1.strip_suffix('}')?.to_string())
    }

    #[derive(Deserialize)]
    pub(super) struct Node {
        metadata: Metadata,
        #[serde(default)]
        status: NodeStatus,
    }

    #[derive(Default, Deserialize)]
    struct NodeStatus {
        #[serde(default)]
        conditions: Vec<Condition>,
    }

    #[derive(Deserialize)]
    struct Condition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
    }

    impl From<Node> for super::Node {
        fn from(node: Node) -> super::Node {
            let ready = node.status.conditions.into_iter().find(|condition| condition.kind == "Ready");
            let (is_ready, reason, message) = match ready {
                Some(it) => (it.status == "True", it.reason, it.message),
                None => (false, "NodeStatusNeverUpdated".to_string(), String::new()),
            };
            super::Node { name: node.metadata.name, ready: is_ready, reason, message }
        }
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
