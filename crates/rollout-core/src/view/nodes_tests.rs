use serde_json::{Value, json};

use super::*;
use crate::fixture::{pod, revisions, snapshot, workload};
use crate::history::number::RevisionNumber;
use crate::objects::kind::Kind;
use crate::objects::node::{NodeFacts, Taint};
use crate::objects::pod::Pod;
use crate::snapshot::Snapshot;
use crate::stored::{STORED, Stored};
use crate::view::nodes::{Blocked, Nodes, Share};

fn node(name: &str, zone: Option<&str>) -> Node {
    Node::from(NodeFacts {
        name: name.to_string(),
        labels: zone.map(|zone| ("zone", zone)).into_iter().collect(),
        ready: true,
        ..NodeFacts::default()
    })
}

fn on(node: &str, hash: &str, ready: bool) -> Pod {
    pod(Kind::DaemonSet, &format!("web-{node}-{hash}"), hash, ready)
        .with(|it| it.node = Some(node.to_string()))
}

fn full_cluster() -> Option<Box<crate::objects::pod::Unplaced>> {
    let message = "0/3 nodes are available: 1 Insufficient cpu.".to_string();
    Some(Box::new(crate::objects::pod::Unplaced { reason: "Unschedulable".into(), message, since: None }))
}

fn rolling() -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}})
}

fn seen(strategy: Value, nodes: Vec<Node>, pods: Vec<Pod>) -> Snapshot {
    let object = workload(Kind::DaemonSet, "app:2", strategy);
    with(object, Some(nodes), pods)
}

fn with(object: Value, nodes: Option<Vec<Node>>, pods: Vec<Pod>) -> Snapshot {
    let revisions = revisions(Kind::DaemonSet, 2);
    let snapshot = snapshot(Kind::DaemonSet, object, revisions, pods);
    Snapshot { nodes, ..snapshot }
}

/// The rows as `node: reason`, in order.
fn told(snapshot: &Snapshot) -> Vec<String> {
    let nodes = Nodes::of(snapshot, None).unwrap();
    nodes.rows.iter().map(|row| format!("{}: {}", row.node, row.reason.as_deref().unwrap_or("-"))).collect()
}

fn reason(node: Node, pods: Vec<Pod>) -> String {
    let told = told(&seen(rolling(), vec![node], pods));
    assert_eq!(told.len(), 1, "{told:?}");
    told[0].split_once(": ").unwrap().1.to_string()
}

#[test]
fn a_node_has_one_row_and_its_newest_pod_counts() {
    let mut ending = on("a", "aaa", true);
    ending.terminating = true;
    let pods = vec![ending, on("a", "bbb", false), on("b", "bbb", true)];
    let snapshot = seen(rolling(), vec![node("a", None), node("b", None)], pods);
    let nodes = Nodes::of(&snapshot, None).unwrap();
    assert_eq!(nodes.rows.len(), 2);
    let first = &nodes.rows[0];
    assert_eq!((first.node, first.pod.unwrap().name.as_str()), ("a", "web-a-bbb"));
    assert_eq!((first.revision, first.updated, first.ready), (RevisionNumber::new(2), true, false));
    assert_eq!(nodes.revisions, [Share { revision: RevisionNumber::new(2), nodes: 2, ready: 1 }]);
}

#[test]
fn the_worst_trouble_is_on_top_and_names_break_ties() {
    let mut dead = node("e", None);
    dead.ready = false;
    let mut broken = on("d", "bbb", false);
    broken.containers[0].waiting = Some(("ImagePullBackOff".into(), "Back-off".into()));
    let nodes = ["a", "b", "c", "d", "f"].map(|name| node(name, None));
    let pods =
        vec![on("a", "bbb", true), on("b", "aaa", true), broken, on("e", "bbb", false), on("f", "aaa", true)];
    let snapshot = seen(rolling(), nodes.into_iter().chain([dead]).collect(), pods);
    assert_eq!(
        told(&snapshot),
        [
            "e: the node is not ready",
            "d: image-pull: image app:x cannot be pulled",
            "c: no pod yet",
            "b: waits for its turn",
            "f: waits for its turn",
            "a: -"
        ]
    );
    let nodes = Nodes::of(&snapshot, None).unwrap();
    assert_eq!(nodes.without_pod, 1);
    assert_eq!(nodes.blocked, [(Blocked::NotReady, vec!["e"])]);
    let share = |number, nodes, ready| Share { revision: RevisionNumber::new(number), nodes, ready };
    assert_eq!(nodes.revisions, [share(2, 3, 1), share(1, 2, 2)]);
}

#[test]
fn rows_are_grouped_by_a_label_and_those_without_it_come_last() {
    let nodes = vec![node("a", Some("z2")), node("b", Some("z1")), node("c", None), node("d", Some("z1"))];
    let pods = vec![on("a", "aaa", true), on("b", "bbb", true), on("c", "aaa", false), on("d", "aaa", true)];
    let snapshot = seen(rolling(), nodes, pods);
    let rows = Nodes::of(&snapshot, Some("zone")).unwrap().rows;
    let order: Vec<(Option<&str>, &str)> = rows.iter().map(|row| (row.group, row.node)).collect();
    assert_eq!(order, [(Some("z1"), "d"), (Some("z1"), "b"), (Some("z2"), "a"), (None, "c")]);
}

#[test]
fn a_taint_matters_where_a_pod_would_not_come_back_and_a_cordon_does_not() {
    let tainted = || {
        let mut tainted = node("a", None);
        tainted.taints = vec![Taint { key: "gpu".into(), value: "yes".into(), effect: "NoSchedule".into() }];
        tainted
    };
    assert_eq!(reason(tainted(), vec![on("a", "aaa", true)]), "untolerated taint gpu=yes:NoSchedule");
    assert_eq!(reason(tainted(), vec![on("a", "bbb", true)]), "-");
    let bare = seen(rolling(), vec![tainted()], Vec::new());
    let nodes = Nodes::of(&bare, None).unwrap();
    assert!(nodes.rows.is_empty());
    assert_eq!(nodes.tainted, [("gpu=yes:NoSchedule".to_string(), vec!["a"])]);

    let mut cordoned = node("a", None);
    cordoned.cordoned = true;
    cordoned.taints = vec![Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        value: String::new(),
        effect: "NoSchedule".into(),
    }];
    assert_eq!(reason(cordoned.clone(), vec![on("a", "bbb", true)]), "-");
    assert_eq!(reason(cordoned, vec![on("a", "aaa", true)]), "waits for its turn");
}

#[test]
fn nodes_that_the_template_leaves_out_are_rows_only_while_a_pod_is_there() {
    let mut object = workload(Kind::DaemonSet, "app:2", rolling());
    object["spec"]["template"]["spec"]["nodeSelector"] = json!({"zone": "z"});
    let nodes = vec![node("a", Some("z")), node("b", None), node("c", None)];
    let pods = vec![on("a", "bbb", true), on("b", "bbb", true)];
    let told = told(&with(object, Some(nodes), pods));
    assert_eq!(told[0], "b: the template does not select the node");
    assert_eq!(told.len(), 2);
}

#[test]
fn each_state_of_a_pod_has_its_reason() {
    let changed = |change: fn(&mut Pod)| {
        let mut pod = on("a", "bbb", false);
        change(&mut pod);
        reason(node("a", None), vec![pod])
    };
    assert_eq!(changed(|_| {}), "not-starting: does not get on: Running");
    assert_eq!(changed(|pod| pod.phase = "Pending".into()), "not-starting: does not get on: Pending");
    assert_eq!(changed(|pod| pod.terminating = true), "Terminating");
    let overdue = |pod: &mut Pod| {
        (pod.terminating, pod.ends_by) = (true, "2026-01-01T00:00:30Z".parse().ok());
    };
    assert_eq!(changed(overdue), "Terminating for longer than it was given");
    let evicted = |pod: &mut Pod| (pod.phase, pod.reason) = ("Failed".into(), Some("Evicted".into()));
    assert_eq!(changed(evicted), "Evicted");
    let full = |pod: &mut Pod| (pod.bound, pod.unplaced) = (false, full_cluster());
    assert_eq!(changed(full), "unschedulable: finds no node: 0/3 nodes are available: 1 Insufficient cpu.");
}

#[test]
fn a_pod_without_room_blocks_its_node() {
    let mut full = on("a", "bbb", false);
    (full.bound, full.unplaced) = (false, full_cluster());
    let snapshot = seen(rolling(), vec![node("a", None)], vec![full]);
    assert_eq!(Nodes::of(&snapshot, None).unwrap().blocked, [(Blocked::NoRoom, vec!["a"])]);
}

#[test]
fn a_container_is_named_where_there_are_several() {
    let mut crashing = on("a", "bbb", false);
    crashing.containers[0].waiting = Some(("CrashLoopBackOff".into(), String::new()));
    crashing.containers[0].ended_before =
        Some(Box::new(crate::objects::pod::End { code: 1, ..Default::default() }));
    crashing.containers[0].restarts = 3;
    let words = "crashes (exit code 1, 3 restarts)";
    assert_eq!(reason(node("a", None), vec![crashing.clone()]), format!("crash-loop: {words}"));
    let side = crate::objects::pod::Container { name: "side".into(), ..crashing.containers[0].clone() };
    crashing.containers.push(crate::objects::pod::Container { waiting: None, ..side });
    assert_eq!(reason(node("a", None), vec![crashing]), format!("crash-loop: app: {words}"));
}

#[test]
fn an_old_pod_says_what_it_waits_for() {
    let why = |object: Value| {
        told(&with(object, Some(vec![node("a", None)]), vec![on("a", "aaa", true)]))[0].clone()
    };
    let object = |strategy| workload(Kind::DaemonSet, "app:2", strategy);
    assert_eq!(why(object(rolling())), "a: waits for its turn");
    let held = object(json!({"type": "OnDelete"}));
    assert_eq!(why(held.clone()), "a: waits until its pod is deleted (OnDelete)");
    let mut paused = held;
    paused["metadata"]["annotations"] = json!({STORED: Stored::pause(rolling()).text()});
    assert_eq!(why(paused), "a: paused");
    let unrecorded = workload(Kind::DaemonSet, "app:9", rolling());
    assert_eq!(why(unrecorded), "a: the template is not rolled out yet");

    let mut recreated = object(rolling());
    recreated["metadata"]["annotations"] = json!({"deprecated.daemonset.template.generation": "4"});
    let mut old = on("a", "aaa", true);
    old.template_generation = Some("4".into());
    let snapshot = with(recreated, Some(vec![node("a", None)]), vec![old]);
    assert_eq!(told(&snapshot), ["a: taken for new by its template generation"]);
}

#[test]
fn a_surge_has_both_pods_and_min_ready_seconds_are_counted_down() {
    let pods =
        vec![on("a", "aaa", true), on("a", "bbb", true).with(|it| it.created = Some(crate::fixture::now()))];
    let snapshot = seen(rolling(), vec![node("a", None)], pods);
    let nodes = Nodes::of(&snapshot, None).unwrap();
    assert_eq!(
        (nodes.rows[0].updated, nodes.rows[0].reason.as_deref()),
        (true, Some("the old pod has yet to go"))
    );

    let mut object = workload(Kind::DaemonSet, "app:2", rolling());
    object["spec"]["minReadySeconds"] = json!(90);
    let snapshot = with(object, Some(vec![node("a", None)]), vec![on("a", "bbb", true)]);
    assert_eq!(told(&snapshot), ["a: ready, available in 30s"]);
}

#[test]
fn without_the_nodes_the_pods_tell_and_without_the_pods_nothing_does() {
    let object = workload(Kind::DaemonSet, "app:2", rolling());
    let snapshot = with(object, None, vec![on("b", "bbb", true), on("a", "bbb", true)]);
    assert_eq!(told(&snapshot), ["a: -", "b: -"]);
    let hidden = Snapshot { pods: None, ..snapshot.clone() };
    assert!(Nodes::of(&hidden, None).is_none());
    let gone = Snapshot { nodes: Some(vec![node("a", None)]), ..snapshot };
    assert_eq!(told(&gone), ["b: the node is gone", "a: -"]);
}
