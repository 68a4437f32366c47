//! An undo of a workload whose pods are replaced only when somebody deletes them: a rollout of one step on its way back. It is
//! stored like any other, so that whoever finds it half done goes on with it.

use super::lease::{Holder, Lease};
use super::record::{self, OnFailure, Recorded, Rollout, Stage, StepOptions, strategy_of};
use super::rules::{Rest, Rules};
use crate::revision::Revision;
use crate::snapshot::Snapshot;
use crate::workload::Amount;

/// Returns what is stored while `holder` puts the pods back to a revision, for at most so many seconds without progress.
pub(crate) fn undoing(
    snapshot: &Snapshot,
    target: &Revision,
    holder: Holder,
    timeout: Option<i64>,
) -> Rollout {
    let current = snapshot.history.current().filter(|it| it.name != target.name);
    let now = record::whole(snapshot.now);
    Rollout {
        workload: snapshot.workload.id.uid.clone(),
        target: Some(current.map_or_else(Recorded::never, Recorded::of)),
        previous: Recorded::of(target),
        strategy: strategy_of(&snapshot.workload),
        history_limit: None,
        rules: Rules { first: None, rest: Rest::Amounts(vec![Amount::Percent(100)]) },
        done: 0,
        reached: None,
        pause_after: None,
        phase: Stage::Aborting,
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
