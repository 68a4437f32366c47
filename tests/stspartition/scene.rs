//! What the tests of this plugin share: a set that its partition holds, and what became of it.

use std::collections::BTreeMap;

use cluster::{Namespace, Output};
use e2e::{LONG, Running, Web, broken, json_lines, plain, pods, set_image};
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

/// Creates a set whose first pod shows why none of them ever gets ready.
pub fn never_up(ns: &Namespace<'_>, image: &str) {
    e2e::create(ns, &Web::new("statefulset", image).yaml());
    broken(ns, image, 1);
}

/// Deletes the set, leaves its pods and revisions, and returns it as it would be made anew.
pub fn orphaned(ns: &Namespace<'_>) -> Value {
    let set = plain(&ns.get(&[SET]));
    ns.kubectl(&["delete", SET, "--cascade=orphan"]).expect_ok();
    set
}

/// Makes a set anew, and waits until the pods and revisions that there are belong to it.
pub fn adopted(ns: &Namespace<'_>, set: &Value) {
    e2e::create(ns, &set.to_string());
    let uid = ns.get(&[SET])["metadata"]["uid"].clone();
    ns.wait_until("pods and revisions are adopted", LONG, || {
        let all = ns.get(&["pods,controllerrevisions", "-l", "app=web"]);
        let mut all = all["items"].as_array().into_iter().flatten();
        all.all(|it| it["metadata"]["ownerReferences"][0]["uid"] == uid)
    });
    // Its controller may write the status that it had for the old set once more, whose generation may be the higher one.
    ns.wait_until("its template is recorded", LONG, || {
        let (set, list) = (ns.get(&[SET]), ns.get(&["controllerrevisions", "-l", "app=web"]));
        let status = &set["status"];
        let update = |it: &&Value| it["metadata"]["name"] == status["updateRevision"];
        let image = "/spec/containers/0/image";
        let recorded = list["items"].as_array().into_iter().flatten().find(update);
        let recorded = recorded.and_then(|it| it["data"]["spec"]["template"].pointer(image));
        status["observedGeneration"].as_u64() >= set["metadata"]["generation"].as_u64()
            && recorded == set["spec"]["template"].pointer(image)
    });
}

/// Waits until the pods, from the lowest up, have these images and are ready.
#[track_caller]
pub fn rests(ns: &Namespace<'_>, wanted: &[&str]) {
    ns.wait_until(&format!("the pods run {wanted:?}"), LONG, || {
        let counted = ns.get(&[SET])["status"]["readyReplicas"].as_u64().unwrap_or(0);
        // The set's own count may be of the pods before these.
        images(ns) == wanted && counted == wanted.len() as u64 && are_ready(ns)
    });
}

fn are_ready(ns: &Namespace<'_>) -> bool {
    let list = ns.get(&["pods", "-l", "app=web"]);
    list["items"].as_array().is_some_and(|pods| pods.iter().all(|pod| e2e::ready(pod).is_some()))
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

/// Tells whether a set's update revision is its current one too, at which pods below a partition come back.
pub fn is_current(set: &Value) -> bool {
    set["status"]["currentRevision"] == set["status"]["updateRevision"]
}

/// Scales the set.
pub fn scale(ns: &Namespace<'_>, replicas: u32) {
    ns.kubectl(&["scale", SET, &format!("--replicas={replicas}")]).expect_ok();
}

/// Makes a pod ready or not, as its kubelet would.
pub fn ready(ns: &Namespace<'_>, pod: &str, status: &str) {
    e2e::set_ready(ns, pod, status);
}

/// Waits until a pod runs an image and is not ready.
pub fn in_hand(ns: &Namespace<'_>, pod: &str, image: &str) {
    ns.wait_until(&format!("{pod} runs {image}"), LONG, || {
        let list = ns.get(&["pods", "-l", "app=web"]);
        let mut pods = list["items"].as_array().into_iter().flatten();
        pods.any(|it| {
            let container = &it["status"]["containerStatuses"][0];
            it["metadata"]["name"] == pod && container["image"] == image && container["ready"] == false
        })
    });
}

/// Returns the pods that a plugin deleted, with the reason, as its events say it.
pub fn deletions(output: &Output) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let events = json_lines(&output.stdout);
    let deleting = events.iter().filter(|it| it["event"] == "deleting");
    deleting.map(|it| (text(&it["pod"]), text(&it["why"]))).collect()
}

/// Does something, and returns the least number of ready pods meanwhile, by every change that the server tells.
pub fn least_ready(ns: &Namespace<'_>, all: usize, act: impl FnOnce()) -> usize {
    const POD: &str = r#"jsonpath={.type} {.object.metadata.name} {.object.status.conditions[?(@.type=="Ready")].status} {.object.metadata.deletionTimestamp}{"\n"}"#;
    let mut command = ns.cluster().command("kubectl");
    command.args(["get", "pods", "-l", "app=web", "-n", ns.name()]);
    command.args(["--watch", "--output-watch-events", "-o", POD]);
    let watch = Running::start(command);
    let all_are = |what: &str| ns.wait_until(what, LONG, || ready_counts(&watch.said()).last() == Some(&all));
    all_are("all pods are seen ready");
    act();
    all_are("all pods are seen ready again");
    ready_counts(&watch.said()).into_iter().skip_while(|ready| *ready < all).min().unwrap()
}

/// Returns how many pods were ready after each line that tells of one.
fn ready_counts(text: &str) -> Vec<usize> {
    let mut pods = BTreeMap::new();
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let after = |line| {
        let mut words = str::split(line, ' ');
        let [event, name, ready, ends] = std::array::from_fn(|_| words.next().unwrap_or_default());
        pods.insert(name, event != "DELETED" && ready == "True" && ends.is_empty());
        pods.values().filter(|ready| **ready).count()
    };
    lines.map(after).collect()
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
