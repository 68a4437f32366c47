//! An undo of a workload whose pods are replaced only when somebody deletes them: a rollout of one step on its way back. It is
//! stored like any other, so that whoever finds it half done goes on with it.

use crate::history::revision::Revision;
use crate::objects::strategy::Amount;
use crate::plan::operations::strategy_of;
use crate::snapshot::Snapshot;
use crate::stored::lease::{self, Holder, Lease};
use crate::stored::rollout::{OnFailure, Phase, RevisionRef, Rollout, StepOptions};
use crate::stored::rules::{Rest, Rules};

/// Returns what is stored while `holder` puts the pods back to a revision, for at most so many seconds without progress.
pub(crate) fn undoing(
    snapshot: &Snapshot,
    target: &Revision,
    holder: Holder,
    timeout: Option<i64>,
) -> Rollout {
    let current = snapshot.history.current().filter(|it| it.name != target.name);
    let now = lease::whole(snapshot.now);
    Rollout {
        workload: snapshot.workload.id.uid.clone(),
        target: Some(current.map_or_else(RevisionRef::never, RevisionRef::of)),
        previous: RevisionRef::of(target),
        strategy: strategy_of(&snapshot.workload),
        history_limit: None,
        rules: Rules { first: None, rest: Rest::Amounts(vec![Amount::Percent(100)]) },
        done: 0,
        reached: None,
        pause_after: None,
        phase: Phase::Aborting,
        failure: None,
        retry: false,
        between: false,
        undo: true,
        options: StepOptions {
            soak: 0,
            max_restarts: 0,
            max_unavailable: Some(Amount::Count(1)),
            checks: Vec::new(),
            queries: Vec::new(),
            prometheus: None,
            on_failure: OnFailure::Pause,
            evict: false,
            skip_unready_nodes: false,
            timeout,
        },
        holder: Some(holder),
        lease: Some(Lease::begins(snapshot.now)),
        started: now,
        began: now,
    }
}
