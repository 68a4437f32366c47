//! `dsupdate nodes` and `status` of a DaemonSet on thousands of nodes against `kubectl get pods -o json` of the same set.

use std::ops::Range;
use std::time::Duration;

use cluster::{Namespace, Node};
use serde_json::json;

use super::workloads::pod;
use super::{Comparison, Pair, compare_reading, words};
use crate::Result;
use crate::measure::Cost;

/// How many nodes there are at each stage.
const STAGES: [usize; 2] = [2_000, 5_000];
/// How many nodes are created at once.
const TOGETHER: usize = 500;
const LONG: Duration = Duration::from_secs(900);

/// The verbs that are compared at each stage.
const VERBS: [&str; 2] = ["nodes web", "status web --watch=false"];

/// What is compared, stage by stage.
pub(super) fn pairs(namespace: &str) -> Vec<Pair> {
    let pair = |nodes: usize, verb: &str| Pair {
        name: format!("dsupdate {}, {nodes} nodes", verb.split(' ').next().unwrap_or_default()),
        here: words(&format!("kubectl-dsupdate {verb} --namespace {namespace}")),
        kubectl: words(&format!("kubectl get pods --selector app=web -o json --namespace {namespace}")),
        writes: false,
        bounds: Some(Cost { wall: 2.0, cpu: 0.0, memory: 8.0 }),
    };
    STAGES.iter().flat_map(|nodes| VERBS.iter().map(move |verb| pair(*nodes, verb))).collect()
}

/// Adds the nodes stage by stage, and compares at each.
pub(super) fn compare<'a>(
    namespace: &Namespace<'_>,
    pairs: &'a [Pair],
    runs: usize,
) -> Result<Vec<Comparison<'a>>> {
    let mut comparisons = Vec::new();
    let mut made = 0;
    for (pairs, nodes) in pairs.chunks(VERBS.len()).zip(STAGES) {
        create(namespace, made..nodes)?;
        made = nodes;
        namespace.apply(&manifest().to_string());
        available(namespace, nodes);
        for pair in pairs {
            comparisons.push(compare_reading(namespace.cluster(), pair, runs)?);
        }
    }
    Ok(comparisons)
}

/// Creates the nodes of these numbers, some at a time.
pub(super) fn create(namespace: &Namespace<'_>, numbers: Range<usize>) -> Result {
    eprintln!("creating nodes up to {}", numbers.end);
    let mut made = numbers.start;
    while made < numbers.end {
        let some: Vec<Node> = (made..numbers.end.min(made + TOGETHER)).map(node).collect();
        namespace.cluster().create_nodes(&some)?;
        made += some.len();
    }
    Ok(())
}

/// Waits until all pods of the set are new and available.
pub(super) fn available(namespace: &Namespace<'_>, nodes: usize) {
    namespace.wait_until("all pods are available", LONG, || {
        let set = namespace.get(&["daemonset/web"]);
        let all = |count: &str| set["status"][count].as_u64().is_some_and(|it| it as usize >= nodes);
        all("numberAvailable")
            && all("updatedNumberScheduled")
            && set["status"]["observedGeneration"] == set["metadata"]["generation"]
    });
}

/// With labels as nodes of a cloud have them.
fn node(number: usize) -> Node {
    let zone = ["a", "b", "c"][number % 3];
    Node::new(format!("ip-10-0-{}-{}.eu-central-1.compute.internal", number / 250, number % 250))
        .label("topology.kubernetes.io/zone", &format!("eu-central-1{zone}"))
        .label("topology.kubernetes.io/region", "eu-central-1")
        .label("node.kubernetes.io/instance-type", "m7g.2xlarge")
        .label("example.com/nodegroup", "workers")
        .label("example.com/lifecycle", "on-demand")
}

/// A DaemonSet with what real templates have.
pub(super) fn manifest() -> serde_json::Value {
    let labels = json!({ "app": "web" });
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": { "name": "web" },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod(1) },
        },
    })
}
