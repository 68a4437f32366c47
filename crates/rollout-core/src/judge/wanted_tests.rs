use serde_json::json;

use super::*;
use crate::fixture::{pod, revision, revisions, snapshot, workload};
use crate::judge::status::evaluate;
use crate::judge::wanted::Wanted;
use crate::objects::event::EventRecord;
use crate::objects::kind::Kind;
use crate::objects::node::NodeReadiness;
use crate::objects::pod::{End, Pod};
use crate::snapshot::Snapshot;

const RS: Kind = Kind::Deployment;
const DS: Kind = Kind::DaemonSet;

/// A workload at its second revision, whose rollout began half a minute ago.
fn seen(kind: Kind, pods: Vec<Pod>) -> Snapshot {
    let revisions = [(1, "aaa"), (2, "bbb")].map(|(number, hash)| {
        let mut revision = revision(kind, number, &format!("app:{number}"), hash);
        revision["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:00:{}0Z", number + 1));
        revision
    });
    snapshot(kind, workload(kind, "app:2", json!({"type": "RollingUpdate"})), revisions.to_vec(), pods)
}

fn wants(snapshot: &Snapshot) -> Vec<Wanted> {
    wanted(snapshot, &evaluate(snapshot))
}

fn events(uid: &str) -> Wanted {
    Wanted::Events { uid: uid.to_string() }
}

fn node(name: &str) -> Wanted {
    Wanted::Node { name: name.to_string() }
}

#[test]
fn nothing_is_worth_reading_while_all_is_well() {
    for kind in [RS, DS] {
        let new = |ready| (0..3).map(|n| pod(kind, &format!("web-{n}"), "bbb", ready)).collect::<Vec<_>>();
        assert_eq!(wants(&seen(kind, new(true))), []);
        let mut starting = new(false);
        starting.iter_mut().for_each(|pod| pod.unready_since = "2026-01-01T00:00:56Z".parse().ok());
        assert_eq!(wants(&seen(kind, starting)), [], "{kind}");
    }
}

#[test]
fn a_pod_that_looks_wrong_is_looked_at_with_its_node_and_no_more_than_three_are() {
    let late: Vec<Pod> = (0..9).map(|n| pod(RS, &format!("web-{n}"), "bbb", false)).collect();
    let wanted = wants(&seen(RS, late));
    assert_eq!(wanted[..3], [events("uid-web-0"), events("uid-web-1"), events("uid-web-2")]);
    assert_eq!(wanted[3..], [node("node-web-0"), node("node-web-1"), node("node-web-2")]);
}

#[test]
fn logs_are_read_of_containers_that_end_and_those_pods_come_first() {
    let mut pods: Vec<Pod> = (0..9).map(|n| pod(RS, &format!("web-{n}"), "bbb", false)).collect();
    pods[7].containers[0].restarts = 2;
    pods[7].containers[0].waiting = Some(("CrashLoopBackOff".into(), String::new()));
    let ended = "2026-01-01T00:00:50Z".parse().ok();
    pods[7].containers[0].ended_before = Some(Box::new(End { at: ended, ..End::default() }));
    let wanted = wants(&seen(RS, pods));
    assert_eq!(wanted[0], events("uid-web-7"));
    let log = Wanted::Log { pod: "web-7".into(), container: "app".into(), previous: false, ended };
    assert_eq!(wanted.last(), Some(&log));
}

#[test]
fn a_pod_that_has_ended_without_a_reason_is_asked_for_it() {
    let with = |reason: Option<&str>| {
        let mut pods: Vec<Pod> = (0..2).map(|n| pod(RS, &format!("web-{n}"), "bbb", true)).collect();
        (pods[1].phase, pods[1].reason) = ("Succeeded".into(), reason.map(str::to_string));
        pods[1].created = "2026-01-01T00:00:50Z".parse().ok();
        wants(&seen(RS, pods))
    };
    assert_eq!(with(None), [events("uid-web-1")]);
    assert_eq!(with(Some("Evicted")), []);
}

#[test]
fn a_set_that_lacks_pods_is_asked_why_once_nothing_moves() {
    let two = |created: &str| {
        let mut pods: Vec<Pod> = (0..2).map(|n| pod(DS, &format!("web-{n}"), "aaa", true)).collect();
        pods[0].created = created.parse().ok();
        seen(DS, pods)
    };
    assert_eq!(wants(&two("2026-01-01T00:00:50Z")), [events("uid-web")]);
    assert_eq!(wants(&two("2026-01-01T00:00:59Z")), []);
}

#[test]
fn the_nodes_of_pods_that_are_waited_for_are_looked_at_where_they_are_waited_for() {
    for (kind, expected) in [(DS, vec![node("node-web-1"), node("node-web-2")]), (RS, vec![])] {
        let mut pods: Vec<Pod> = (0..3).map(|n| pod(kind, &format!("web-{n}"), "aaa", n == 0)).collect();
        pods[1].terminating = true;
        pods[1].ends_by = "2026-01-01T00:00:40Z".parse().ok();
        assert_eq!(wants(&seen(kind, pods)), expected, "{kind}");
    }
}

#[test]
fn events_of_both_generations_are_read() {
    let old: EventRecord = serde_json::from_value(json!({
        "metadata": {"name": "a"}, "type": "Warning", "reason": "Unhealthy", "message": "m", "count": 4,
        "involvedObject": {"kind": "Pod", "name": "web-0", "uid": "u", "fieldPath": "spec.containers{app}"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:30Z", "eventTime": null}))
    .unwrap();
    assert_eq!((old.container.as_deref(), old.count, old.warns), (Some("app"), 4, true));
    assert_eq!(old.last, "2026-01-01T00:00:30Z".parse().ok());
    let new: EventRecord = serde_json::from_value(json!({
        "metadata": {"name": "a"}, "type": "Normal", "reason": "TriggeredScaleUp", "message": "m",
        "involvedObject": {"kind": "Pod", "name": "web-0", "uid": "u", "fieldPath": "spec"},
        "firstTimestamp": null, "lastTimestamp": null, "eventTime": "2026-01-01T00:00:00.123456Z",
        "series": {"count": 7, "lastObservedTime": "2026-01-01T00:00:20.000000Z"}}))
    .unwrap();
    assert_eq!((new.container.as_deref(), new.count, new.warns), (None, 7, false));
    assert_eq!(new.last, "2026-01-01T00:00:20Z".parse().ok());
}

#[test]
fn a_node_is_dead_when_its_ready_condition_does_not_hold() {
    let with = |status: &str| -> NodeReadiness {
        serde_json::from_value(json!({"metadata": {"name": "n"}, "status": {"conditions": [
            {"type": "MemoryPressure", "status": "False", "reason": "Enough"},
            {"type": "Ready", "status": status, "reason": "NodeStatusUnknown", "message": "gone"}]}}))
        .unwrap()
    };
    assert!(with("True").ready);
    assert_eq!((with("Unknown").ready, with("Unknown").reason.as_str()), (false, "NodeStatusUnknown"));
    let new: NodeReadiness = serde_json::from_value(json!({"metadata": {"name": "n"}})).unwrap();
    assert!(!new.ready);
}

#[test]
fn a_set_of_which_no_pod_is_replaced_although_all_are_fine_says_why_in_its_events() {
    let sts = Kind::StatefulSet;
    let see = |partition: u32, hashes: [&str; 3]| {
        let revisions = revisions(sts, 2);
        let set = crate::fixture::stateful("app:2", partition, "aaa", "bbb");
        let pods = (0..3).map(|n| pod(sts, &format!("web-{n}"), hashes[n], true)).collect();
        snapshot(sts, set, revisions, pods)
    };
    assert_eq!(wants(&see(0, ["aaa", "aaa", "aaa"])), [events("uid-web")]);
    assert_eq!(wants(&see(0, ["bbb", "bbb", "bbb"])), []);
    // What a partition keeps old stands still on purpose.
    assert_eq!(wants(&see(1, ["aaa", "bbb", "bbb"])), []);
    let mut moves = see(0, ["aaa", "aaa", "aaa"]);
    moves.pods.as_mut().unwrap()[2].terminating = true;
    assert_eq!(wants(&moves), []);
    moves.pods.as_mut().unwrap()[2] = pod(sts, "web-2", "bbb", false);
    assert!(!wants(&moves).contains(&events("uid-web")));
}
