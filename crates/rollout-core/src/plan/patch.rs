//! Patches that hold a workload, write what is stored on it, or take it away.

use serde_json::{Value, json};

use crate::history::revision::Revision;
use crate::judge::ordinals::standing_from;
use crate::objects::workload::Workload;
use crate::plan::operations::{self, set_strategy, set_template, stored_is, strategy_of};
use crate::plan::patch;
use crate::plan::request::Request;
use crate::snapshot::Snapshot;
use crate::stored::rollout::{Reached, Rollout, Stage, Way};
use crate::stored::{STORED, Stored};

/// Makes the patch that writes a rollout, or takes it away: it holds only while the workload, its template, its strategy and
/// what is stored are what they were, so that two drivers never both go on.
pub(crate) fn write(workload: &Workload, rollout: Option<&Rollout>, changes: Vec<Value>) -> Request {
    let mut tests = vec![operations::test("/spec/updateStrategy", strategy_of(workload))];
    tests.extend(stored_is(workload));
    let text = rollout.map(|it| {
        let lease = it.lease.filter(|_| it.holder.is_some());
        Stored::rollout(Rollout { lease, ..it.clone() }).text()
    });
    let mut all = changes;
    let annotation = operations::annotation_operations(&workload.object, STORED, text.as_deref());
    all.extend(annotation);
    Request::patch(workload, tests, all)
}

/// Returns the revisions that carry a copy of what is stored.
pub(crate) fn copies(snapshot: &Snapshot) -> impl Iterator<Item = &Revision> {
    snapshot.history.iter().filter(|revision| {
        revision.object.pointer("/metadata/annotations").is_some_and(|map| map.get(STORED).is_some())
    })
}

/// Returns the requests that take those copies off.
pub(crate) fn cleaning(snapshot: &Snapshot) -> impl Iterator<Item = Request> {
    copies(snapshot).filter_map(|it| Request::forget_stored(&snapshot.workload.id, &it.object))
}

/// Returns the tests and operations that end a pause, beside which others may stand in one patch.
pub(crate) fn release(workload: &Workload) -> (Vec<Value>, Vec<Value>) {
    if workload.paused {
        return (
            vec![operations::test("/spec/paused", json!(true))],
            vec![json!({"op": "remove", "path": "/spec/paused"})],
        );
    }
    let Some(strategy) = Stored::of(workload).and_then(|stored| stored.paused_strategy) else {
        return (Vec::new(), Vec::new());
    };
    let tests = vec![operations::test("/spec/updateStrategy", strategy_of(workload))];
    let mut changes = vec![json!({"op": "replace", "path": "/spec/updateStrategy", "value": strategy})];
    changes.extend(operations::annotation_operations(&workload.object, STORED, None));
    (tests, changes)
}

pub(crate) fn hold(workload: &Workload, strategy: &Value, held: Value) -> Request {
    let tests = vec![operations::test("/spec/updateStrategy", strategy.clone())];
    let mut changes = vec![json!({"op": "replace", "path": "/spec/updateStrategy", "value": held})];
    let stored = Stored::pause(strategy.clone()).text();
    changes.extend(operations::annotation_operations(&workload.object, STORED, Some(&stored)));
    Request::patch(workload, tests, changes)
}

/// Makes the patch after which nothing more is updated: what is updated, or in hand, stays so.
///
/// A failed step of a workload whose pods are deleted gets the old template back at once: a node that joins at night, or a pod
/// that dies, must not come up bad (hazard H4). Below a partition nothing does.
pub(crate) fn stand_still(
    snapshot: &Snapshot,
    rollout: &Rollout,
    phase: Stage,
    failure: Option<String>,
) -> Request {
    let kind = snapshot.workload.id.kind;
    let mut after =
        Rollout { phase, holder: None, failure, pause_after: None, between: false, ..rollout.clone() };
    let mut changes = Vec::new();
    match rollout.way(kind) {
        Way::Partition => {
            let partition = standing_from(snapshot).max(snapshot.workload.partition());
            after.reached = Some(Reached::Index { partition, replicas: snapshot.workload.desired });
            changes.push(set_strategy(&rollout.held_strategy(kind, partition)));
        }
        Way::Deletion => {
            let old = rollout.previous_template(snapshot).filter(|_| phase == Stage::Failed);
            changes.extend(old.map(|template| set_template(&template)));
        }
    }
    patch::write(&snapshot.workload, Some(&after), changes)
}
