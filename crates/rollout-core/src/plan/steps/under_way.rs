//! What is stored of a rollout in steps, for plans that go on with it or that it is in the way of.

use crate::judge::places::Places;
use crate::plan::refusal::Refusal;
use crate::snapshot::Snapshot;
use crate::stored::Stored;
use crate::stored::rollout::Rollout;

/// Reads the rollout that is stored, and refuses what is not this workload's.
pub(crate) fn stored(snapshot: &Snapshot) -> Result<Rollout, Refusal> {
    let rollout = Stored::read(&snapshot.workload)?.and_then(|it| it.rollout).ok_or(Refusal::NoRollout)?;
    if rollout.workload != snapshot.workload.id.uid {
        return Err(Refusal::Recreated { kind: snapshot.workload.id.kind });
    }
    Ok(rollout)
}

/// Refuses what would get in the way of a rollout that is stored.
pub fn none_under_way(snapshot: &Snapshot) -> Result<(), Refusal> {
    match Stored::read(&snapshot.workload)?.and_then(|stored| stored.rollout) {
        Some(rollout) => Err(rollout.under_way(snapshot)),
        None => Ok(()),
    }
}

impl Rollout {
    /// Returns the refusal of whatever would get in its way; of another object's rollout nothing is under way.
    pub fn under_way(&self, snapshot: &Snapshot) -> Refusal {
        if self.workload != snapshot.workload.id.uid {
            return Refusal::Recreated { kind: snapshot.workload.id.kind };
        }
        if self.undo {
            return Refusal::UndoUnderWay { held: self.held(snapshot.now) };
        }
        let of = Places::of(snapshot, self).map_or_else(|| self.rules.count(), |places| places.ends.len());
        let held = self.held(snapshot.now);
        Refusal::UnderWay { phase: self.phase, done: self.done, of, held }
    }
}
