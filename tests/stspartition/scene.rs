//! What the tests of this plugin share: a set that its partition holds, and what became of it.

use cluster::{Namespace, Output};
use e2e::{LONG, Web, json_lines, pods, set_image};
use serde_json::{Value, json};

/// The set of all tests.
pub const SET: &str = "statefulset/web";

/// Runs `kubectl stspartition` with these words.
#[track_caller]
pub fn sts(ns: &Namespace<'_>, words: &[&str]) -> Output {
    ns.kubectl(&[&["stspartition"], words].concat())
}

/// A set of three pods at `app:1` before it is created, with that partition.
pub fn partitioned(partition: u32) -> Web {
    let strategy =
        format!("updateStrategy: {{ type: RollingUpdate, rollingUpdate: {{ partition: {partition} }} }}");
    Web::new("statefulset", "app:1").spec(&strategy)
}

/// Creates such a set, and rolls `image` out to the pods that the partition lets go.
pub fn rolled(ns: &Namespace<'_>, partition: u32, image: &str) {
    partitioned(partition).create(ns);
    set_image(ns, SET, image);
    let new = 3 - usize::try_from(partition).unwrap().min(3);
    rests(ns, &[&vec!["app:1"; 3 - new][..], &vec![image; new]].concat());
}

/// Waits until the pods, from the lowest up, have these images and are ready.
#[track_caller]
pub fn rests(ns: &Namespace<'_>, wanted: &[&str]) {
    ns.wait_until(&format!("the pods run {wanted:?}"), LONG, || {
        let status = &ns.get(&[SET])["status"];
        let ready = status["readyReplicas"].as_u64().unwrap_or(0);
        images(ns) == wanted && ready == wanted.len() as u64
    });
}

/// Returns the images of the pods, from the lowest up.
pub fn images(ns: &Namespace<'_>) -> Vec<String> {
    let mut pods = pods(ns);
    pods.sort_by_key(|(name, _, _)| name.rsplit('-').next().and_then(|it| it.parse::<u32>().ok()));
    pods.into_iter().map(|(_, _, image)| image).collect()
}

/// Returns the partition.
pub fn partition(ns: &Namespace<'_>) -> u64 {
    let set = ns.get(&[SET]);
    set.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_u64).unwrap_or(0)
}

/// Scales the set.
pub fn scale(ns: &Namespace<'_>, replicas: u32) {
    ns.kubectl(&["scale", SET, &format!("--replicas={replicas}")]).expect_ok();
}

/// Makes a pod ready or not, as its kubelet would.
pub fn ready(ns: &Namespace<'_>, pod: &str, status: &str) {
    let patch = json!({ "status": { "conditions": [{ "type": "Ready", "status": status }] } }).to_string();
    ns.kubectl(&["patch", "pod", pod, "--subresource=status", "-p", &patch]).expect_ok();
}

/// Returns the pods that a plugin deleted, with the reason, as its events say it.
pub fn deletions(output: &Output) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let events = json_lines(&output.stdout);
    let deleting = events.iter().filter(|it| it["event"] == "deleting");
    deleting.map(|it| (text(&it["pod"]), text(&it["why"]))).collect()
}

/// Stores a rollout in steps on the set, as another machine would have left it.
pub fn store_rollout(ns: &Namespace<'_>) {
    let set = ns.get(&[SET]);
    let revisions = ns.get(&["controllerrevisions", "-l", "app=web"]);
    let revision = &revisions["items"][0]["metadata"];
    let stored = json!({
        "version": 1,
        "rollout": {
            "workload": set["metadata"]["uid"],
            "previous": { "object": revision["name"], "hash": revision["name"] },
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
            "rules": { "rest": { "amounts": [1, "50%", "100%"] } },
            "done": 1,
            "phase": "paused",
            "options": { "soak": 0, "maxRestarts": 0, "onFailure": "pause", "evict": false, "skipUnreadyNodes": false },
            "started": "2026-01-01T00:00:00Z",
            "began": "2026-01-01T00:00:00Z",
        },
    });
    ns.kubectl(&["annotate", SET, &format!("rollout-plugins.dev/rollout={stored}")]).expect_ok();
}
