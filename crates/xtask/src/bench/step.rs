//! A step of a rollout in steps against the controller's own rolling update of as many nodes, with as many pods missing at once.

use cluster::Namespace;
use serde_json::json;

use super::nodes::{available, create, manifest, node};
use super::{Comparison, Pair, cost, words};
use crate::Result;
use crate::measure::Cost;

/// How many nodes the set in steps has at each stage: the driver's memory must not grow much with them.
const STAGES: [usize; 2] = [2_000, 5_000];
/// The nodes of the step, and those of the set that its controller updates.
const STEP: usize = 200;
const UNAVAILABLE: usize = 50;

/// What is compared, stage by stage.
pub(super) fn pairs(namespace: &str) -> Vec<Pair> {
    let pair = |nodes: &usize| Pair {
        name: format!("dsupdate start, a step of {STEP} of {nodes} nodes"),
        here: words(&format!(
            "kubectl-dsupdate start web app={IMAGE} --steps {STEP},100% --pause-after 1 --soak 0s \
             --max-unavailable {UNAVAILABLE} --yes --namespace {namespace}"
        )),
        kubectl: ["/bin/sh", "-c", &rolling_update(namespace, IMAGE)].map(str::to_string).to_vec(),
        writes: true,
        bounds: Some(Cost { wall: 1.0 / 1.5, cpu: 0.0, memory: 0.0 }),
    };
    STAGES.iter().map(pair).collect()
}

const IMAGE: &str = "registry.example/team/app:2";

fn rolling_update(namespace: &str, image: &str) -> String {
    format!(
        "kubectl set image daemonset/few app={image} --namespace {namespace} && \
         kubectl rollout status daemonset/few --namespace {namespace}"
    )
}

/// Adds the nodes stage by stage, and compares at each.
pub(super) fn compare<'a>(
    namespace: &Namespace<'_>,
    pairs: &'a [Pair],
    runs: usize,
) -> Result<Vec<Comparison<'a>>> {
    let few = |number: usize| match number < STEP {
        true => node(number).label("example.com/few", "true"),
        false => node(number),
    };
    let strategy = json!({ "rollingUpdate": { "maxUnavailable": UNAVAILABLE } });
    let mut all = manifest("web");
    all["spec"]["updateStrategy"] = strategy.clone();
    let mut part = manifest("few");
    part["spec"]["updateStrategy"] = strategy;
    part["spec"]["template"]["spec"]["nodeSelector"] = json!({ "example.com/few": "true" });
    let mut comparisons = Vec::new();
    let mut made = 0;
    for (pair, nodes) in pairs.iter().zip(STAGES) {
        create(namespace, made..nodes, few)?;
        made = nodes;
        namespace.apply(&all.to_string());
        namespace.apply(&part.to_string());
        available(namespace, "web", nodes);
        available(namespace, "few", STEP);
        eprintln!("{}: {runs} runs each", pair.name);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            ours.push(cost(namespace.cluster(), &pair.here)?);
            namespace.kubectl(&["dsupdate", "abort", "web", "--yes"]).expect_ok();
            available(namespace, "web", nodes);
            theirs.push(cost(namespace.cluster(), &pair.kubectl)?);
            namespace.apply(&part.to_string());
            available(namespace, "few", STEP);
        }
        comparisons.push(Comparison {
            pair,
            here: Cost::median(&ours),
            kubectl: Cost::median(&theirs),
            requests: None,
        });
    }
    Ok(comparisons)
}
