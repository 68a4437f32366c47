//! How long it takes until a failing rollout is called one: `kubectl rollout status` and `kubectl rollback status` wait for the
//! same rollouts at the same time.

use std::thread;
use std::time::{Duration, Instant};

use cluster::{Cluster, Namespace};
use serde_json::{Value, json};

use crate::Result;

/// Seconds that a Deployment may be without progress; kubectl says nothing before. The default is ten times as many.
const DEADLINE: u32 = 60;
/// How long both wait at most.
pub(super) const LIMIT: Duration = Duration::from_secs(90);

/// A rollout that fails.
struct Case {
    name: &'static str,
    kind: &'static str,
    /// What is merged into the template of a workload that works.
    change: fn() -> Value,
}

/// How long one command took to say that it failed; none where it did not.
pub(super) type Called = Option<Duration>;

const CASES: [Case; 7] = [
    Case { name: "Deployment, the image is missing", kind: "Deployment", change: || image("app:missing") },
    Case { name: "DaemonSet, the image is missing", kind: "DaemonSet", change: || image("app:missing") },
    Case { name: "StatefulSet, the image is missing", kind: "StatefulSet", change: || image("app:missing") },
    Case { name: "Deployment, it crashes", kind: "Deployment", change: || image("app:crash") },
    Case { name: "Deployment, a ConfigMap is missing", kind: "Deployment", change: || image("app:config") },
    Case { name: "Deployment, no node has room", kind: "Deployment", change: too_large },
    Case { name: "Deployment, it never gets ready", kind: "Deployment", change: || image("app:never") },
];

pub(super) fn image(image: &str) -> Value {
    json!({ "containers": [{ "name": "app", "image": image }] })
}

fn too_large() -> Value {
    json!({ "containers": [{ "name": "app", "resources": { "requests": { "cpu": "1000" } } }] })
}

/// Measures all cases at once, each in a namespace of its own, and prints the table.
pub(super) fn run(cluster: &Cluster) -> Result {
    eprintln!("waiting for {} failing rollouts, {} s at most", CASES.len(), LIMIT.as_secs());
    let called: Vec<(Called, Called)> = thread::scope(|scope| {
        let running: Vec<_> = CASES.iter().map(|case| scope.spawn(|| measure(cluster, case))).collect();
        running.into_iter().map(|it| it.join().unwrap_or((None, None))).collect()
    });
    println!("\nSeconds until a failing rollout is called one (progressDeadlineSeconds: {DEADLINE})\n");
    println!("{:<36}{:>10}   kubectl rollout status", "", "HERE");
    for (case, (ours, theirs)) in CASES.iter().zip(called) {
        println!("{:<36}{:>10}   {}", case.name, seconds(ours), seconds(theirs));
    }
    Ok(())
}

pub(super) fn seconds(called: Called) -> String {
    called.map_or_else(
        || format!("not within {}", LIMIT.as_secs()),
        |took| format!("{:.1}", took.as_secs_f64()),
    )
}

fn measure(cluster: &Cluster, case: &Case) -> (Called, Called) {
    let namespace = cluster.namespace("failing");
    let target = format!("{}/web", case.kind.to_lowercase());
    namespace.apply(&manifest(case.kind).to_string());
    namespace.kubectl(&["rollout", "status", &target, "--timeout=120s"]).expect_ok();
    let patch = json!({ "spec": { "template": { "spec": (case.change)() } } }).to_string();
    namespace.kubectl(&["patch", &target, "--type", "strategic", "-p", &patch]).expect_ok();
    let limit = format!("--timeout={}s", LIMIT.as_secs());
    let wait = |verb: &str| until_called(&namespace, &[verb, "status", &target, &limit]);
    thread::scope(|scope| {
        let theirs = scope.spawn(|| wait("rollout"));
        (wait("rollback"), theirs.join().unwrap_or(None))
    })
}

fn until_called(namespace: &Namespace<'_>, words: &[&str]) -> Called {
    let start = Instant::now();
    let output = namespace.kubectl(words);
    let took = start.elapsed();
    (output.code != 0 && took < LIMIT).then_some(took)
}

pub(super) fn manifest(kind: &str) -> Value {
    let labels = json!({ "app": "web" });
    let mut spec = json!({
        "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": {
            "terminationGracePeriodSeconds": 0, "containers": [{ "name": "app", "image": "app:1" }] } },
    });
    match kind {
        "Deployment" => {
            spec["replicas"] = json!(3);
            spec["progressDeadlineSeconds"] = json!(DEADLINE);
        }
        "StatefulSet" => {
            spec["replicas"] = json!(3);
            spec["serviceName"] = json!("web");
        }
        _ => {}
    }
    json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": "web" }, "spec": spec })
}
