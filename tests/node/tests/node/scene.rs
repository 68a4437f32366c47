//! What the tests share: workloads of real containers, and what their pods do.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use cluster::{Namespace, Output};
use e2e::{Web, image, observed};
use node::Lab;
use serde_json::{Value, json};

/// The name under which the registry is known.
pub const APP: &str = "registry.test/app";

/// Whoever does something in a moment.
pub const MOMENT: Duration = Duration::from_secs(8);

/// Returns an image whose program does as these words say.
pub fn app(words: &str) -> String {
    format!("{APP}:{words}")
}

/// A workload of two pods, or of one a node, that runs `app:1` and is about to be created.
pub fn web(kind: &'static str, replicas: u32) -> Web {
    Web::new(kind, &app("1")).replicas(replicas)
}

/// How long the slowest thing may take that a test waits for: real containers, many at a time, on a machine that does much else.
pub const LONG: Duration = Duration::from_secs(240);

/// Waits until the condition holds. It asks rarely: real containers take seconds, and each question takes the machine's time.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "not within {LONG:?}: {what}");
        thread::sleep(Duration::from_secs(1));
    }
}

/// Waits until a rollout is over, by kubectl's own word.
#[track_caller]
pub fn settled(ns: &Namespace<'_>, target: &str) {
    let limit = format!("--timeout={}s", LONG.as_secs());
    ns.kubectl(&["rollout", "status", target, &limit]).expect_ok();
}

/// Creates a workload, and waits for nothing. Real pods are given a moment to end.
pub fn create(ns: &Namespace<'_>, web: &Web) {
    let yaml = web.yaml().replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 1");
    e2e::create(ns, &yaml);
}

/// A namespace with a healthy workload of two pods.
pub fn healthy<'a>(lab: &'a Lab, name: &str, kind: &'static str) -> (Namespace<'a>, String) {
    let ns = lab.cluster.namespace(name);
    let target = format!("{kind}/web");
    create(&ns, &web(kind, 2));
    settled(&ns, &target);
    (ns, target)
}

/// What makes each kind replace all of its pods at once.
pub fn at_once(kind: &str) -> &'static str {
    match kind {
        "deployment" => "strategy: { type: Recreate }",
        "daemonset" => "updateStrategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 100% } }",
        _ => "podManagementPolicy: OrderedReady",
    }
}

/// Changes the image of the container `app` and anything else of the pod's specification.
pub fn change(ns: &Namespace<'_>, target: &str, image: &str, spec: &Value) {
    let mut spec = spec.clone();
    if spec["containers"][0].is_object() {
        spec["containers"][0]["name"] = "app".into();
        spec["containers"][0]["image"] = image.into();
    } else {
        spec["containers"] = json!([{ "name": "app", "image": image }]);
    }
    let patch = json!({ "spec": { "template": { "spec": spec } } });
    ns.kubectl(&["patch", target, "--type", "strategic", "-p", &patch.to_string()]).expect_ok();
    observed(ns, target);
}

/// Returns the pods of `web` that are not on their way out.
pub fn living(ns: &Namespace<'_>) -> Vec<Value> {
    let list = ns.get(&["pods", "-l", "app=web"]);
    let pods = list["items"].as_array().cloned().unwrap_or_default();
    pods.into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).collect()
}

/// Returns the image that a pod was made with.
pub fn image_of(pod: &Value) -> &str {
    let containers = pod["spec"]["containers"].as_array();
    let app = containers.into_iter().flatten().find(|it| it["name"] == "app");
    app.and_then(|it| it["image"].as_str()).unwrap_or_default()
}

/// Tells whether all pods that there are, and so many at least, run an image and are ready.
pub fn all_run(ns: &Namespace<'_>, image: &str, count: usize) -> bool {
    let pods = living(ns);
    // What ends well when it is evicted has succeeded.
    let is_over = |pod: &Value| ["Failed", "Succeeded"].iter().any(|phase| pod["status"]["phase"] == *phase);
    let pods: Vec<&Value> = pods.iter().filter(|pod| !is_over(pod)).collect();
    pods.len() >= count && pods.iter().all(|pod| image_of(pod) == image && e2e::ready(pod).is_some())
}

/// Waits until the pods run an image and are ready, and nothing else is left of the workload.
#[track_caller]
pub fn rests(ns: &Namespace<'_>, target: &str, wanted: &str, said: &Output) {
    assert_eq!(image(ns, target), wanted, "{said}");
    wait_until(&format!("all pods of {target} run {wanted}, after {said}"), || {
        let object = ns.get(&[target]);
        let wanted_pods = match object["kind"].as_str() {
            Some("DaemonSet") => &object["status"]["desiredNumberScheduled"],
            _ => &object["spec"]["replicas"],
        };
        all_run(ns, wanted, usize::try_from(wanted_pods.as_u64().unwrap_or(1)).unwrap())
    });
}

/// Returns the pods that are there by name, with their UIDs.
pub fn uids(ns: &Namespace<'_>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    living(ns).iter().map(|pod| (text(&pod["metadata"]["name"]), text(&pod["metadata"]["uid"]))).collect()
}

/// Returns how a container of a pod is, whichever sort of container it is.
pub fn container<'p>(pod: &'p Value, name: &str) -> &'p Value {
    let lists = ["containerStatuses", "initContainerStatuses"];
    let mut all = lists.iter().filter_map(|list| pod["status"][list].as_array()).flatten();
    all.find(|it| it["name"] == name).unwrap_or(&Value::Null)
}

/// Tells whether a container has ended so, now or the last time.
pub fn ended(pod: &Value, name: &str, code: u64, reason: &str) -> bool {
    let container = container(pod, name);
    ["state", "lastState"].iter().any(|state| {
        let end = &container[state]["terminated"];
        end["exitCode"] == code && end["reason"] == reason
    })
}

/// Tells whether a container waits for a reason.
pub fn waits(pod: &Value, name: &str, reasons: &[&str]) -> bool {
    let reason = container(pod, name)["state"]["waiting"]["reason"].as_str().unwrap_or_default();
    reasons.contains(&reason)
}

/// Tells whether a container runs and is not ready.
pub fn unready(pod: &Value, name: &str) -> bool {
    let container = container(pod, name);
    container["state"]["running"].is_object() && container["ready"] == false
}

/// A probe that runs the program of the image with a word: dearer than one over HTTP.
pub fn exec(word: &str, more: &Value) -> Value {
    let probe = json!({ "exec": { "command": ["/app", word] }, "periodSeconds": 2, "timeoutSeconds": 10 });
    with(probe, more)
}

/// A probe that asks the container over HTTP.
pub fn http(path: &str, more: &Value) -> Value {
    let probe = json!({ "httpGet": { "path": format!("/{path}"), "port": 8080 }, "periodSeconds": 2,
        "timeoutSeconds": 10 });
    with(probe, more)
}

/// Readiness that a container does not reach before it ends.
pub fn unready_before_its_end() -> Value {
    json!({ "readinessProbe": http("after-600", &json!({})) })
}

/// Adds fields to an object.
pub fn with(mut object: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
    object
}
