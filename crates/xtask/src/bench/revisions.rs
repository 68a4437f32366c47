//! The history of a Deployment of which nobody ever cut anything off: thousands of revisions.

use cluster::Namespace;

use super::{Comparison, Pair, timeline, words};
use crate::Result;
use crate::measure::Cost;

/// How many revisions it has at each stage: time must not grow with the square of their number.
const STAGES: [u32; 2] = [2_000, 10_000];

/// What is compared at each stage.
pub(super) fn pairs(namespace: &str) -> Vec<Pair> {
    let pair = |stage: &u32| Pair {
        name: format!("history of {stage} revisions"),
        here: words(&format!("kubectl-rollback history deployment/app-0 -n {namespace}")),
        kubectl: words(&format!("kubectl rollout history deployment/app-0 -n {namespace}")),
        writes: false,
        bounds: Some(Cost { wall: 3.0, cpu: 0.0, memory: 0.0 }),
    };
    STAGES.iter().map(pair).collect()
}

/// Creates the revisions stage by stage and compares at each.
pub(super) fn compare<'a>(
    namespace: &Namespace<'_>,
    pairs: &'a [Pair],
    runs: usize,
) -> Result<Vec<Comparison<'a>>> {
    timeline::compare_stages(namespace, pairs, runs, 1, STAGES)
}
