//! How often a rollout that works in the end is taken back: each is guarded, and none should be undone.

use std::thread;

use cluster::{Cluster, Namespace};
use serde_json::{Value, json};

use super::failures::{image, manifest};
use crate::Result;

const KINDS: [&str; 3] = ["Deployment", "DaemonSet", "StatefulSet"];

/// What real clusters do to rollouts that work in the end.
const STARTS: [(&str, &str); 9] = [
    ("a Secret is not synced for 4 s", "app:secret-sync"),
    ("a ConfigMap comes 12 s later", "app:config-late"),
    ("the registry answers 503, then 429", "app:registry"),
    ("it ends once at its first start", "app:once"),
    ("its startup probe passes after 25 s", "app:startup"),
    ("its readiness probe passes after 40 s", "app:warm"),
    ("its postStart hook takes 8 s", "app:hook"),
    ("a volume is mounted after 12 s", "app:mount-late"),
    ("nothing at all", "app:2"),
];

/// Guards each start on each kind, all at once, and prints how many were taken back.
pub(super) fn run(cluster: &Cluster) -> Result {
    eprintln!("guarding {} rollouts that work", STARTS.len() * KINDS.len());
    let codes: Vec<Vec<i32>> = thread::scope(|scope| {
        let running: Vec<Vec<_>> = STARTS
            .iter()
            .map(|(_, tag)| KINDS.iter().map(|kind| scope.spawn(|| guarded(cluster, kind, tag))).collect())
            .collect();
        let code = |it: thread::ScopedJoinHandle<'_, i32>| it.join().unwrap_or(-1);
        running.into_iter().map(|kinds| kinds.into_iter().map(code).collect()).collect()
    });
    println!("\nExit codes of `kubectl rollback guard` on rollouts that work in the end\n");
    println!("{:<40}{:>12}{:>12}{:>12}", "", KINDS[0], KINDS[1], KINDS[2]);
    for ((name, _), codes) in STARTS.iter().zip(&codes) {
        let cells: String = codes.iter().map(|code| format!("{code:>12}")).collect();
        println!("{name:<40}{cells}");
    }
    let undone = codes.iter().flatten().filter(|code| **code == 5).count();
    let other = codes.iter().flatten().filter(|code| ![0, 5].contains(*code)).count();
    println!("\nundone: {undone} of {}; ended otherwise: {other}", STARTS.len() * KINDS.len());
    Ok(())
}

fn guarded(cluster: &Cluster, kind: &str, tag: &str) -> i32 {
    let namespace: Namespace<'_> = cluster.namespace("good");
    let target = format!("{}/web", kind.to_lowercase());
    let mut object = manifest(kind);
    if kind == "StatefulSet" {
        // One pod after the other would take minutes, and show nothing more.
        object["spec"]["replicas"] = json!(1);
    }
    namespace.apply(&object.to_string());
    namespace.kubectl(&["rollout", "status", &target, "--timeout=120s"]).expect_ok();
    let patch: Value = json!({ "spec": { "template": { "spec": image(tag) } } });
    namespace.kubectl(&["patch", &target, "--type", "strategic", "-p", &patch.to_string()]).expect_ok();
    namespace.kubectl(&["rollback", "guard", &target, "--soak=5s", "--timeout=300s"]).code
}
