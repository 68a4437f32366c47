//! What a verb wants of each workload.

use std::collections::BTreeSet;

use rollout_core::machine::{CheckRun, Machine, Verdict};
use rollout_core::plan::{Decision, Plan, Refusal};
use rollout_core::snapshot::Symptom;
use rollout_core::stored::STORED;
use rollout_core::{Kind, RevisionNumber, Snapshot, Strategy, Workload, WorkloadId};
use rollout_kube::{Checking, Depth};

/// What somebody wants of each workload.
pub trait Intent {
    /// Plans it; `resolved` is what a word like "previous" came to when the question was asked before.
    fn plan(&self, snapshot: &Snapshot, resolved: Option<RevisionNumber>) -> Result<Decision, Refusal>;
    /// Returns how much of a workload has to be read: nodes where a DaemonSet's pods may have to be deleted.
    fn depth(&self, workload: &Workload) -> Depth {
        depth(workload)
    }
    /// Tells whether what is around the workload takes part in it.
    fn looks_around(&self, plan: &Plan) -> bool {
        !plan.changes.is_empty()
    }
    /// Returns the question for one workload or several.
    fn question(&self, plans: &[&Plan]) -> String;
    /// Returns what was done, as kubectl's success lines say it behind the object's name.
    fn done(&self, plan: &Plan) -> String;
    /// Returns what is said behind the object's name where there is nothing to do; a verb that refuses then never says it.
    fn nothing(&self, _revision: Option<RevisionNumber>) -> String {
        "unchanged".to_string()
    }
    /// Returns what follows the change, for that many seconds at most; none where the write is all.
    fn machine(&self, plan: &Plan, before: &Snapshot, limit: Option<i64>) -> Option<Box<dyn Machine>>;
    /// Returns what failed before the change and is not held against it.
    fn known(&self, _before: &Snapshot) -> BTreeSet<Symptom> {
        BTreeSet::new()
    }
    /// Runs the checks that the machine asks for.
    fn check(&self, _id: &WorkloadId, _run: CheckRun) -> Checking {
        Box::pin(std::future::ready(Verdict::Passed))
    }
    /// Tells whether all are taken back when one fails.
    fn together(&self) -> bool {
        false
    }
    /// Returns what is said where nothing is done because one of several cannot be planned; none where the others go on.
    fn whole(&self) -> Option<&'static str> {
        None
    }
    /// Tells whether it is a success that something holds the rollout.
    fn held_ok(&self) -> bool {
        true
    }
    /// Takes the revision that a warning named instead.
    fn prefer(&mut self, _better: RevisionNumber) {}
}

/// Names what is asked about: the workload, or how many there are.
pub fn subject(plans: &[&Plan]) -> String {
    match plans {
        [plan] => plan.workload.to_string(),
        several => format!("{} workloads", several.len()),
    }
}

/// Returns how much of a workload has to be read before it is changed.
pub fn depth(workload: &Workload) -> Depth {
    let driven = workload.strategy == Strategy::OnDelete || workload.annotation(STORED).is_some();
    // Which pods do not come back depends on the nodes.
    if driven || workload.id.kind == Kind::DaemonSet { Depth::Nodes } else { Depth::Pods }
}
