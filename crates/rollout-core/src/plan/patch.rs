//! Patches of a workload: what they test first, then what they change.

use serde_json::{Value, json};

use crate::history::revision::Revision;
use crate::judge::ordinals::standing_from;
use crate::objects::workload::Workload;
use crate::plan::operations::{self, strategy_of};
use crate::plan::request::Request;
use crate::snapshot::Snapshot;
use crate::stored::rollout::{Phase, Reached, Rollout, Way};
use crate::stored::{STORED, Stored};

/// A patch of a workload as it is put together: it holds only while the workload and its template are what they are, and
/// while all that it tests holds too.
#[derive(Clone, Debug)]
pub(crate) struct Patch<'w> {
    workload: &'w Workload,
    tests: Vec<Value>,
    changes: Vec<Value>,
    /// Whether it writes an annotation, before which it makes the map of them where there is none.
    annotates: bool,
}

impl<'w> Patch<'w> {
    /// A patch that changes nothing yet.
    pub(crate) fn of(workload: &'w Workload) -> Patch<'w> {
        Patch { workload, tests: Vec::new(), changes: Vec::new(), annotates: false }
    }

    /// One that holds only while the strategy and what is stored are what they are, so that two drivers never both go on.
    pub(crate) fn guarded(workload: &'w Workload) -> Patch<'w> {
        Patch::of(workload).same_strategy().same_stored()
    }

    /// Tests that something has that value.
    pub(crate) fn test(mut self, path: &str, value: Value) -> Patch<'w> {
        self.tests.push(operations::test(path, value));
        self
    }

    /// Tests that the strategy is what it is.
    pub(crate) fn same_strategy(self) -> Patch<'w> {
        let strategy = strategy_of(self.workload);
        self.test("/spec/updateStrategy", strategy)
    }

    /// Tests that what is stored is what it is, as far as the annotation that is written does not.
    pub(crate) fn same_stored(mut self) -> Patch<'w> {
        self.tests.extend(operations::stored_is(self.workload));
        self
    }

    /// Tests that what is stored stays what it is, where no annotation is written.
    pub(crate) fn stored_stays(mut self) -> Patch<'w> {
        self.tests.push(operations::stored_stays(self.workload));
        self
    }

    /// Tests that the replicas are what they are: something is counted against them.
    pub(crate) fn same_replicas(self) -> Patch<'w> {
        match self.workload.object.pointer("/spec/replicas").cloned() {
            Some(replicas) => self.test("/spec/replicas", replicas),
            None => self,
        }
    }

    /// Writes a field.
    pub(crate) fn set(self, path: &str, value: Value) -> Patch<'w> {
        self.change(json!({"op": "add", "path": path, "value": value}))
    }

    /// Writes the template.
    pub(crate) fn template(self, template: &Value) -> Patch<'w> {
        self.change(json!({"op": "replace", "path": "/spec/template", "value": template}))
    }

    /// Writes the strategy.
    pub(crate) fn strategy(self, strategy: &Value) -> Patch<'w> {
        self.set("/spec/updateStrategy", strategy.clone())
    }

    /// Puts the history limit back where a rollout had to raise it.
    pub(crate) fn restored_limit(self, rollout: &Rollout) -> Patch<'w> {
        match rollout.history_limit {
            Some(limit) => self.set("/spec/revisionHistoryLimit", json!(limit)),
            None => self,
        }
    }

    /// Stores a rollout, or takes away what is stored.
    pub(crate) fn stores(self, rollout: Option<&Rollout>) -> Patch<'w> {
        let text = rollout.map(|it| {
            let lease = it.lease.filter(|_| it.holder.is_some());
            Stored::rollout(Rollout { lease, ..it.clone() }).text()
        });
        self.annotation(text.as_deref())
    }

    /// Writes the reason of the change; that of the last one is none of this one's.
    pub(crate) fn reason(mut self, reason: Option<&str>) -> Patch<'w> {
        self.changes.extend(match self.annotates {
            true => operations::cause_operations(&operations::with_annotations(self.workload), reason),
            false => operations::cause_operations(&self.workload.object, reason),
        });
        self
    }

    /// Holds the workload by another strategy, and remembers what it was.
    pub(crate) fn holds(self, held: &Value) -> Patch<'w> {
        let stored = Stored::pause(strategy_of(self.workload)).text();
        self.same_strategy().replaced_strategy(held).annotation(Some(&stored))
    }

    /// Ends a pause, where there is one.
    pub(crate) fn released(self) -> Patch<'w> {
        if self.workload.paused {
            let patch = self.test("/spec/paused", json!(true));
            return patch.change(json!({"op": "remove", "path": "/spec/paused"}));
        }
        match Stored::of(self.workload).and_then(|stored| stored.paused_strategy) {
            Some(strategy) => self.same_strategy().replaced_strategy(&strategy).annotation(None),
            None => self,
        }
    }

    /// Makes the request of it.
    pub(crate) fn request(self) -> Request {
        Request::patch(self.workload, self.tests, self.changes)
    }

    fn replaced_strategy(self, strategy: &Value) -> Patch<'w> {
        self.change(json!({"op": "replace", "path": "/spec/updateStrategy", "value": strategy}))
    }

    fn annotation(mut self, text: Option<&str>) -> Patch<'w> {
        self.annotates |= text.is_some();
        self.changes.extend(operations::annotation_operations(&self.workload.object, STORED, text));
        self
    }

    fn change(mut self, operation: Value) -> Patch<'w> {
        self.changes.push(operation);
        self
    }
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

/// Makes the patch after which nothing more is updated: what is updated, or in hand, stays so.
///
/// A failed step of a workload whose pods are deleted gets the old template back at once: a node that joins at night, or a pod
/// that dies, must not come up bad (hazard H4). Below a partition nothing does.
pub(crate) fn stand_still(
    snapshot: &Snapshot,
    rollout: &Rollout,
    phase: Phase,
    failure: Option<String>,
) -> Request {
    let kind = snapshot.workload.id.kind;
    let mut after =
        Rollout { phase, holder: None, failure, pause_after: None, between: false, ..rollout.clone() };
    let mut patch = Patch::guarded(&snapshot.workload);
    match rollout.way(kind) {
        Way::Partition => {
            let partition = standing_from(snapshot).max(snapshot.workload.partition());
            after.reached = Some(Reached::Index { partition, replicas: snapshot.workload.desired });
            patch = patch.strategy(&rollout.held_strategy(kind, partition));
        }
        Way::Deletion => {
            if let Some(old) = rollout.previous_template(snapshot).filter(|_| phase == Phase::Failed) {
                patch = patch.template(&old);
            }
        }
    }
    patch.stores(Some(&after)).request()
}
