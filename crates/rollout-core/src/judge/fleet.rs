//! A DaemonSet on nodes that change: which of its pods no node wants any more.

use std::collections::HashSet;

use crate::objects::kind::Kind;
use crate::objects::names::few;
use crate::objects::pod::Pod;
use crate::snapshot::Snapshot;
use crate::template::placement::Placement;

/// Says what a change of the nodes has done to a DaemonSet; nothing where all is as it is asked for.
pub(crate) fn notes(snapshot: &Snapshot) -> Vec<String> {
    let mut notes = Vec::new();
    if snapshot.workload.id.kind != Kind::DaemonSet || !snapshot.workload.observed() {
        return notes;
    }
    if snapshot.workload.desired == 0 {
        let why = "its node selector and affinity fit none, or all are tainted";
        notes.push(format!("no node wants a pod of {}: {why}", snapshot.workload.id));
    }
    let count = snapshot.workload.unwanted();
    if count > 0 {
        let names = on_unwilling_nodes(snapshot);
        let names = if names.is_empty() { String::new() } else { format!(": {}", few(&names)) };
        let (are, them) = if count == 1 { ("pod is", "it") } else { ("pods are", "them") };
        notes.push(format!("{count} {are} on nodes that no longer want {them}, and not replaced{names}"));
    }
    notes
}

/// The nodes are read only where pods are to be moved over them.
fn on_unwilling_nodes(snapshot: &Snapshot) -> Vec<&str> {
    let placement = Placement::of(snapshot.workload.template());
    let nodes = snapshot.nodes.iter().flatten().filter(|node| placement.obstacle(node).is_some());
    let unwilling: HashSet<&str> = nodes.map(|node| node.name.as_str()).collect();
    let is_there = |pod: &&Pod| pod.node.as_deref().is_some_and(|node| unwilling.contains(node));
    snapshot.living().filter(is_there).map(|pod| pod.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pods, revisions, snapshot, workload};
    use crate::judge::status::{State, evaluate};
    use crate::objects::node::{Node, NodeFacts, Taint};
    use serde_json::json;

    const DS: Kind = Kind::DaemonSet;

    fn seen(desired: u32, misscheduled: u32, hash: &str) -> Snapshot {
        let mut object = workload(DS, "app:2", json!({"type": "RollingUpdate"}));
        object["status"]["desiredNumberScheduled"] = json!(desired);
        object["status"]["numberMisscheduled"] = json!(misscheduled);
        let revisions = revisions(DS, 2);
        let mut all = pods(DS, "bbb");
        all[2] = crate::fixture::pod(DS, "web-2", hash, true);
        snapshot(DS, object, revisions, all)
    }

    #[test]
    fn a_pod_on_a_node_that_no_longer_wants_it_keeps_no_rollout_unfinished() {
        for hash in ["aaa", "bbb"] {
            assert_eq!(evaluate(&seen(2, 1, hash)).state, State::Complete, "{hash}");
            assert_eq!(evaluate(&seen(2, 0, hash)).state, State::Advancing, "{hash}");
        }
        assert_eq!(evaluate(&seen(3, 0, "aaa")).state, State::Advancing);
        let mut it = seen(2, 1, "bbb");
        let words = "1 pod is on nodes that no longer want it, and not replaced";
        assert_eq!(evaluate(&it).notes, [words]);
        let tainted = Taint { key: "a".into(), effect: "NoSchedule".into(), ..Taint::default() };
        it.nodes = Some(vec![Node::from(NodeFacts {
            name: "node-web-2".into(),
            ready: true,
            taints: vec![tainted],
            ..NodeFacts::default()
        })]);
        assert_eq!(evaluate(&it).notes, [format!("{words}: web-2")]);
    }

    #[test]
    fn a_set_that_no_node_wants_is_said() {
        let mut it = seen(0, 0, "bbb");
        it.pods = Some(Vec::new());
        let progress = evaluate(&it);
        assert_eq!(progress.state, State::Complete);
        assert!(
            progress.notes[0].starts_with("no node wants a pod of daemonset/web"),
            "{:?}",
            progress.notes
        );
    }
}
