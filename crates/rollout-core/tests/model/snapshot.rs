//! Worlds made from what a server sent.

use rollout_core::model::{CurrentPod, Place, RevisionId, World, forecast};
use rollout_core::objects::Pod;
use rollout_core::{Kind, Snapshot, Workload};
use serde_json::{Value, json};

use crate::{A, B, frames};

fn workload(kind: Kind, spec: Value, status: Value) -> Workload {
    let mut object =
        json!({"metadata": {"name": "db", "namespace": "ns", "uid": "u"}, "spec": spec, "status": status});
    object["spec"]["template"] = json!({});
    Workload::from_object(kind, object).expect("a workload")
}

fn pod(name: &str, place: Place, target: bool) -> CurrentPod {
    CurrentPod { name: name.to_string(), place, target, available: true, terminating: false, ended: false }
}

#[test]
fn a_half_done_deployment_goes_on_from_where_it_is() {
    let deployment = workload(Kind::Deployment, json!({"replicas": 3}), json!({}));
    let pods =
        [("a", false), ("b", false), ("c", true)].map(|(name, target)| pod(name, Place::Anywhere, target));
    let foretold = forecast(World::from_pods(&deployment, pods));
    assert_eq!(frames(&foretold.frames)[..2], [(2, 1, 3, 3), (2, 2, 3, 4)]);
    assert_eq!(foretold.replaced, ["b", "a"]);
}

#[test]
fn minimal_ready_time_does_not_lengthen_the_forecast() {
    let spec = json!({"replicas": 3, "minReadySeconds": 600});
    let deployment = workload(Kind::Deployment, spec, json!({}));
    let pods = ["a", "b", "c"].map(|name| pod(name, Place::Anywhere, false));
    let foretold = forecast(World::from_pods(&deployment, pods));
    assert_eq!((foretold.frames.len(), foretold.least_available, foretold.left_old), (7, 3, 0));
}

#[test]
fn nodes_without_a_pod_count_as_missing() {
    let daemon_set = workload(Kind::DaemonSet, json!({}), json!({"desiredNumberScheduled": 4}));
    let pods = ["a", "b", "c"].map(|node| pod(node, Place::Node(node.to_string()), false));
    let foretold = forecast(World::from_pods(&daemon_set, pods));
    assert_eq!((foretold.least_available, foretold.most_existing), (3, 4));
    assert_eq!((foretold.replaced.len(), foretold.left_old), (3, 0));
}

#[test]
fn old_pods_that_are_not_available_stay_so() {
    let set = workload(Kind::StatefulSet, json!({"replicas": 2}), json!({}));
    let mut bad = pod("db-1", Place::Ordinal(1), false);
    bad.available = false;
    let foretold = forecast(World::from_pods(&set, [pod("db-0", Place::Ordinal(0), true), bad]));
    assert_eq!((foretold.blocked_by.as_deref(), foretold.moves_without_help), (Some("db-1"), false));
}

#[test]
fn pods_of_a_snapshot_keep_node_ordinal_and_revision() {
    let strategy = json!({"rollingUpdate": {"partition": 2}});
    let spec = json!({"replicas": 2, "updateStrategy": strategy});
    let set =
        workload(Kind::StatefulSet, spec, json!({"currentRevision": "db-good", "updateRevision": "db-bad"}));
    let pods: Vec<Pod> = [("db-0", "db-good"), ("db-1", "db-bad")]
        .map(|(name, revision)| {
            serde_json::from_value(
                json!({"metadata": {"name": name, "labels": {"controller-revision-hash": revision},
                "ownerReferences": [{"uid": "u", "controller": true}]}, "spec": {"nodeName": "n"},
                "status": {"phase": "Running", "conditions": [
                    {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}),
            )
            .unwrap()
        })
        .into();
    let snapshot =
        Snapshot::new(set, Vec::new(), Some(pods.clone()), "2026-01-02T00:00:00Z".parse().unwrap());
    let to = |name: &'static str| {
        let is_target = move |pod: &Pod| pod.revision.as_deref() == Some(name);
        World::of(&snapshot, &pods, is_target)
    };
    let back = to("db-good");
    assert_eq!(back.pods.iter().map(|pod| (pod.slot, pod.revision)).collect::<Vec<_>>(), [(0, B), (1, A)]);
    assert!(back.pods.iter().all(|pod| back.available(pod)));
    // Below the partition a pod would come back at the good revision, which is the target here.
    assert_eq!((back.current_revision, to("db-bad").current_revision), (RevisionId::TARGET, RevisionId::OLD));
}
