//! How long it takes until a failing rollout is called one: `kubectl rollout status` and `kubectl rollback status` wait for the
//! same rollouts at the same time.

use std::process::Stdio;
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
    /// Whether a pod shows by its containers that it certainly fails; what may pass by itself is waited for on purpose.
    certain: bool,
}

/// How long one command took to say that it failed; none where it did not.
pub(super) type Called = Option<Duration>;

/// When each was called, and when a pod had shown it.
struct Measured {
    here: Called,
    kubectl: Called,
    shown: Called,
}

const CASES: [Case; 12] = [
    certain("Deployment, the image is missing", "Deployment", || image("app:missing")),
    certain("DaemonSet, the image is missing", "DaemonSet", || image("app:missing")),
    certain("StatefulSet, the image is missing", "StatefulSet", || image("app:missing")),
    certain("Deployment, it crashes", "Deployment", || image("app:crash")),
    certain("Deployment, out of memory", "Deployment", || image("app:oom")),
    certain("Deployment, a bad command", "Deployment", || image("app:command")),
    waits("Deployment, a ConfigMap is missing", "Deployment", || image("app:config")),
    waits("Deployment, the registry is down", "Deployment", || image("app:outage")),
    waits("Deployment, no node has room", "Deployment", too_large),
    waits("Deployment, it never gets ready", "Deployment", || image("app:never")),
    waits("Deployment, its probe kills it", "Deployment", || image("app:liveness")),
    waits("Deployment, no sandbox", "Deployment", || image("app:sandbox")),
];

const fn certain(name: &'static str, kind: &'static str, change: fn() -> Value) -> Case {
    Case { name, kind, change, certain: true }
}

const fn waits(name: &'static str, kind: &'static str, change: fn() -> Value) -> Case {
    Case { name, kind, change, certain: false }
}

pub(super) fn image(image: &str) -> Value {
    json!({ "containers": [{ "name": "app", "image": image }] })
}

fn too_large() -> Value {
    json!({ "containers": [{ "name": "app", "resources": { "requests": { "cpu": "1000" } } }] })
}

/// Measures all cases at once, each in a namespace of its own, and prints the table.
pub(super) fn run(cluster: &Cluster) -> Result {
    eprintln!("waiting for {} failing rollouts, {} s at most", CASES.len(), LIMIT.as_secs());
    let measured: Vec<Measured> = thread::scope(|scope| {
        let running: Vec<_> = CASES.iter().map(|case| scope.spawn(|| measure(cluster, case))).collect();
        let nothing = Measured { here: None, kubectl: None, shown: None };
        running.into_iter().map(|it| it.join().unwrap_or(Measured { ..nothing })).collect()
    });
    println!("\nSeconds until a failing rollout is called one (progressDeadlineSeconds: {DEADLINE})\n");
    println!("{:<36}{:>10}{:>14}   kubectl rollout status", "", "HERE", "AFTER SHOWN");
    for (case, Measured { here, kubectl, shown }) in CASES.iter().zip(measured) {
        let after = match here.zip(shown) {
            _ if !case.certain => "on purpose".to_string(),
            Some((here, shown)) => format!("{:.1}", here.as_secs_f64() - shown.as_secs_f64()),
            None => "not called".to_string(),
        };
        println!("{:<36}{:>10}{after:>14}   {}", case.name, seconds(here), seconds(kubectl));
    }
    Ok(())
}

pub(super) fn seconds(called: Called) -> String {
    called.map_or_else(
        || format!("not within {}", LIMIT.as_secs()),
        |took| format!("{:.1}", took.as_secs_f64()),
    )
}

fn measure(cluster: &Cluster, case: &Case) -> Measured {
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
        let shown = scope.spawn(|| if case.certain { until_shown(&namespace) } else { None });
        let here = wait("rollback");
        Measured { here, kubectl: theirs.join().unwrap_or(None), shown: shown.join().unwrap_or(None) }
    })
}

/// Waits until a pod shows that it certainly fails: a second end, or what needs no second one.
fn until_shown(namespace: &Namespace<'_>) -> Called {
    let start = Instant::now();
    let limit = format!("--request-timeout={}s", LIMIT.as_secs());
    let mut watch = namespace
        .cluster()
        .command("kubectl")
        .args(["get", "pods", "--namespace", namespace.name(), "--watch", "-o", "json", &limit])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut pods = serde_json::Deserializer::from_reader(watch.stdout.take()?).into_iter::<Value>();
    let shown = pods.any(|pod| pod.is_ok_and(|pod| shows(&pod["status"]["containerStatuses"][0])));
    let took = start.elapsed();
    // It may have ended by itself.
    let _ = watch.kill();
    let _ = watch.wait();
    shown.then_some(took)
}

fn shows(container: &Value) -> bool {
    let state = |field: &str| container.pointer(field).and_then(Value::as_str).unwrap_or_default();
    let waiting = state("/state/waiting/reason");
    let ended = container.pointer("/state/terminated").is_some() || waiting == "CrashLoopBackOff";
    let ends = container["restartCount"].as_u64().unwrap_or(0) + u64::from(ended);
    let out_of_memory = ["/state/terminated/reason", "/lastState/terminated/reason"];
    matches!(waiting, "ErrImagePull" | "ImagePullBackOff" | "RunContainerError")
        || out_of_memory.iter().any(|field| state(field) == "OOMKilled")
        || ends >= 2
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
