//! Workloads, revisions and pods for the tests of this crate, as the API server writes them.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::objects::workload::Workload;
use crate::snapshot::Snapshot;

pub(crate) const UID: &str = "uid-web";

/// The moment of all snapshots: everything else happened a minute before it.
pub(crate) fn now() -> Timestamp {
    "2026-01-01T00:01:00Z".parse().unwrap()
}

/// A template of one container.
pub(crate) fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": image}]}})
}

/// A workload called `web` at `image`, observed, with three replicas.
pub(crate) fn workload(kind: Kind, image: &str, strategy: Value) -> Value {
    let field = if kind == Kind::Deployment { "strategy" } else { "updateStrategy" };
    json!({
        "metadata": {"name": "web", "namespace": "default", "uid": UID, "generation": 1},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template(image), field: strategy},
        "status": {"observedGeneration": 1, "desiredNumberScheduled": 3},
    })
}

/// The revision object of `image` under that number; its pods' label is `hash`.
pub(crate) fn revision(kind: Kind, number: u64, image: &str, hash: &str) -> Value {
    let owner = json!([{"controller": true, "uid": UID}]);
    match kind {
        Kind::Deployment => json!({
            "metadata": {"name": format!("web-{hash}"), "uid": format!("rs-{hash}"), "ownerReferences": owner,
                "labels": {"pod-template-hash": hash},
                "annotations": {"deployment.kubernetes.io/revision": number.to_string()}},
            "spec": {"template": {"metadata": {"labels": {"app": "web", "pod-template-hash": hash}},
                "spec": template(image)["spec"]}},
            "status": {"replicas": 0},
        }),
        Kind::DaemonSet | Kind::StatefulSet => {
            let mut template = template(image);
            template["$patch"] = json!("replace");
            json!({
                "metadata": {"name": format!("web-{hash}"), "uid": format!("cr-{hash}"), "ownerReferences": owner,
                    "labels": {"controller-revision-hash": hash}},
                "revision": number,
                "data": {"spec": {"template": template}},
            })
        }
    }
}

/// The first so many revisions, each with its own image.
pub(crate) fn revisions(kind: Kind, count: u64) -> Vec<Value> {
    let numbered = (1..=count).zip(["aaa", "bbb", "ccc"]);
    numbered.map(|(number, hash)| revision(kind, number, &format!("app:{number}"), hash)).collect()
}

/// A pod of the revision `hash`, ready or not for a minute.
pub(crate) fn pod(kind: Kind, name: &str, hash: &str, ready: bool) -> Pod {
    let (owner, label, value) = match kind {
        Kind::Deployment => (format!("rs-{hash}"), "pod-template-hash", hash.to_string()),
        Kind::DaemonSet => (UID.to_string(), "controller-revision-hash", hash.to_string()),
        Kind::StatefulSet => (UID.to_string(), "controller-revision-hash", format!("web-{hash}")),
    };
    serde_json::from_value(json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {label: value}, "ownerReferences": [{"controller": true, "uid": owner}]},
        "spec": {"nodeName": format!("node-{name}"), "containers": [{"name": "app", "image": "app:x"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" },
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    }))
    .unwrap()
}

/// Three pods of one revision.
pub(crate) fn pods(kind: Kind, hash: &str) -> Vec<Pod> {
    (0..3).map(|index| pod(kind, &format!("web-{index}"), hash, true)).collect()
}

/// A snapshot of what the other functions make.
pub(crate) fn snapshot(kind: Kind, workload: Value, revisions: Vec<Value>, pods: Vec<Pod>) -> Snapshot {
    Snapshot::new(Workload::from_object(kind, workload).unwrap(), revisions, Some(pods), now())
}

/// Applies a patch as the server does, which takes `test PATH null` for a path that is absent (hazard H16); none where a test
/// does not hold.
pub(crate) fn patched(object: &Value, patch: &Value) -> Option<Value> {
    let holds = |it: &&Value| {
        let is_null = it["op"] == "test" && it["value"].is_null();
        !is_null || it["path"].as_str().is_some_and(|path| object.pointer(path).is_some())
    };
    let operations: Value = patch.as_array()?.iter().filter(holds).cloned().collect();
    let mut object = object.clone();
    json_patch::patch(&mut object, &serde_json::from_value::<json_patch::Patch>(operations).ok()?).ok()?;
    Some(object)
}

/// A StatefulSet at `update` whose pods below a partition are at `current`.
pub(crate) fn stateful(image: &str, partition: u32, current: &str, update: &str) -> Value {
    let mut set = workload(
        Kind::StatefulSet,
        image,
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}),
    );
    set["status"]["currentRevision"] = json!(format!("web-{current}"));
    set["status"]["updateRevision"] = json!(format!("web-{update}"));
    set
}
