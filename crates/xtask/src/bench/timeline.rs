//! `timeline -A` over thousands of ReplicaSets against `kubectl get rs -A -o json`, which answers the same question.

use std::thread;
use std::time::Duration;

use cluster::Namespace;
use serde_json::{Value, json};

use super::workloads::{numbered, pod};
use super::{Comparison, Pair, compare_reading, words};
use crate::Result;
use crate::measure::Cost;

const DEPLOYMENTS: u32 = 250;
/// How many revisions each of them has at each stage: memory must not grow with their number.
const STAGES: [u32; 2] = [10, 40];
/// How many processes create them.
const CREATORS: usize = 8;
const LONG: Duration = Duration::from_secs(300);

/// What is compared at each stage.
pub(super) fn pairs() -> Vec<Pair> {
    let count = |stage| DEPLOYMENTS * stage;
    let pair = |stage: &u32| Pair {
        name: format!("timeline -A, {} ReplicaSets", count(*stage)),
        here: words("kubectl-rollback timeline -A"),
        kubectl: words("kubectl get replicasets -A -o json"),
        writes: false,
        bounds: Some(Cost { wall: 4.0, cpu: 0.0, memory: 16.0 }),
    };
    STAGES.iter().map(pair).collect()
}

/// Creates the ReplicaSets stage by stage and compares at each.
pub(super) fn compare<'a>(
    namespace: &Namespace<'_>,
    pairs: &'a [Pair],
    runs: usize,
) -> Result<Vec<Comparison<'a>>> {
    let mut comparisons = Vec::new();
    grow(namespace, DEPLOYMENTS, STAGES, |stage| {
        comparisons.push(compare_reading(namespace.cluster(), &pairs[stage], runs)?);
        Ok(())
    })?;
    Ok(comparisons)
}

/// Creates Deployments, gives each of them more revisions stage by stage, and measures at each.
pub(super) fn grow(
    namespace: &Namespace<'_>,
    count: u32,
    stages: [u32; 2],
    mut measure: impl FnMut(usize) -> Result,
) -> Result {
    let uids = deployments(namespace, count)?;
    let mut from = 0;
    for (stage, to) in stages.into_iter().enumerate() {
        eprintln!("creating ReplicaSets until each of {count} Deployments has {to}");
        create(namespace, &uids, from..to);
        from = to;
        measure(stage)?;
    }
    Ok(())
}

/// Creates the Deployments, without pods, that own the ReplicaSets: what nobody owns is collected as garbage, and a history
/// limit would cut off more than a few. Returns their UIDs.
fn deployments(namespace: &Namespace<'_>, count: u32) -> Result<Vec<String>> {
    let items: Vec<Value> = (0..count)
        .map(|number| {
            let mut deployment = numbered(number, 0);
            let spec = &mut deployment["spec"];
            spec["replicas"] = json!(0);
            spec["revisionHistoryLimit"] = json!(20_000);
            spec["paused"] = json!(true);
            deployment
        })
        .collect();
    in_parallel(namespace, "create", &items);
    let list = namespace.get(&["deployments"]);
    let uid = |number: u32| {
        let mut items = list["items"].as_array().into_iter().flatten();
        let it = items.find(|it| it["metadata"]["name"] == format!("app-{number}"))?;
        it["metadata"]["uid"].as_str().map(str::to_string)
    };
    (0..count).map(|number| uid(number).ok_or_else(|| format!("no app-{number}").into())).collect()
}

/// Creates revisions of each of them.
fn create(namespace: &Namespace<'_>, uids: &[String], revisions: std::ops::Range<u32>) {
    let before = count(namespace);
    let sets: Vec<Value> = revisions
        .flat_map(|revision| {
            uids.iter().zip(0..).map(move |(uid, number)| replica_set(number, uid, revision))
        })
        .collect();
    in_parallel(namespace, "create", &sets);
    namespace.wait_until("all ReplicaSets are there", LONG, || count(namespace) == before + sets.len());
}

fn count(namespace: &Namespace<'_>) -> usize {
    namespace.kubectl(&["get", "replicasets", "-o", "name"]).expect_ok().lines().count()
}

fn replica_set(number: u32, owner: &str, revision: u32) -> Value {
    let labels = json!({ "app": format!("app-{number}"), "pod-template-hash": format!("{revision}") });
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": format!("app-{number}-{revision}"),
            "labels": labels,
            "annotations": {
                "deployment.kubernetes.io/revision": (revision + 1).to_string(),
                "deployment.kubernetes.io/desired-replicas": "0",
                "kubernetes.io/change-cause": format!("release 1.{revision}: what the pipeline writes here"),
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": format!("app-{number}"),
                "uid": owner,
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "replicas": 0,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod(revision) },
        },
    })
}

/// kubectl writes one object after another, and only so many a second.
pub(super) fn in_parallel(namespace: &Namespace<'_>, verb: &str, items: &[Value]) {
    thread::scope(|scope| {
        for some in items.chunks(items.len().div_ceil(CREATORS).max(1)) {
            scope.spawn(move || {
                let list = json!({ "apiVersion": "v1", "kind": "List", "items": some }).to_string();
                let args = [verb, "-n", namespace.name(), "-f", "-", "-o", "name", "--validate=false"];
                namespace.cluster().kubectl_with(&args, &list).expect_ok();
            });
        }
    });
}
