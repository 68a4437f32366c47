//! How long it takes from a bad image to ready pods again: `kubectl rollout undo` and `kubectl rollback undo`, each on a workload
//! of its own, at the same time.

use std::thread;
use std::time::{Duration, Instant};

use cluster::{Cluster, Namespace};
use serde_json::json;

use super::failures::{Called, LIMIT, image, manifest, seconds};
use crate::Result;

const KINDS: [&str; 3] = ["Deployment", "DaemonSet", "StatefulSet"];
/// How long a bad pod may take to show why it does not start.
const LONG: Duration = Duration::from_secs(120);

/// Measures each kind, and prints the table.
pub(super) fn run(cluster: &Cluster) -> Result {
    eprintln!("taking back a missing image on {} kinds, {} s at most", KINDS.len(), LIMIT.as_secs());
    println!("\nSeconds from the undo of a missing image until all pods are ready again\n");
    println!("{:<16}{:>10}   kubectl rollout undo", "", "HERE");
    for kind in KINDS {
        let (ours, theirs) = thread::scope(|scope| {
            let theirs = scope.spawn(|| kubectl(&broken(cluster, kind), kind));
            let ours = rollback(&broken(cluster, kind), kind);
            (ours, theirs.join().unwrap_or(None))
        });
        println!("{kind:<16}{:>10}   {}", seconds(ours), seconds(theirs));
    }
    Ok(())
}

/// A workload whose new pod cannot pull its image.
fn broken<'c>(cluster: &'c Cluster, kind: &str) -> Namespace<'c> {
    let namespace = cluster.namespace("recovery");
    let target = format!("{kind}/web");
    namespace.apply(&manifest(kind).to_string());
    namespace.kubectl(&["rollout", "status", &target, "--timeout=120s"]).expect_ok();
    let patch = json!({ "spec": { "template": { "spec": image("app:missing") } } }).to_string();
    namespace.kubectl(&["patch", &target, "--type", "strategic", "-p", &patch]).expect_ok();
    namespace.wait_until("a pod cannot pull its image", LONG, || {
        namespace.get(&["pods"]).to_string().contains("ImagePullBackOff")
    });
    namespace
}

fn rollback(namespace: &Namespace<'_>, kind: &str) -> Called {
    timed(|| namespace.kubectl(&["rollback", "undo", &format!("{kind}/web"), &limit()]).ok())
}

fn kubectl(namespace: &Namespace<'_>, kind: &str) -> Called {
    let target = format!("{kind}/web");
    timed(|| {
        namespace.kubectl(&["rollout", "undo", &target]).ok()
            && namespace.kubectl(&["rollout", "status", &target, &limit()]).ok()
    })
}

fn limit() -> String {
    format!("--timeout={}s", LIMIT.as_secs())
}

fn timed(recovers: impl FnOnce() -> bool) -> Called {
    let start = Instant::now();
    recovers().then(|| start.elapsed())
}
