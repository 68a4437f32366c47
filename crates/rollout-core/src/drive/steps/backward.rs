//! Putting the updated pods back when a rollout in steps is taken back.

use crate::drive::steps::outbox::{After, Outbox};
use crate::drive::steps::pace::Pace;
use crate::judge::cause::Cause;
use crate::judge::deletion::{self, Wish};
use crate::judge::live::{Live, live};
use crate::judge::places::{Place, Places};
use crate::judge::status::{Hold, Progress};
use crate::judge::stuck::{self, Blockage};
use crate::machine::act::Why;
use crate::machine::contract::Step;
use crate::machine::ending::{Ending, NoWayBack};
use crate::objects::pod::Pod;
use crate::plan::steps::abort::partition_back;
use crate::snapshot::Snapshot;
use crate::stored::rollout::{Rollout, Way};

/// The way back of a driver.
#[derive(Clone, Debug, Default)]
pub(super) struct Backward {
    pace: Pace,
}

/// What the way back is gone by.
#[derive(Clone, Copy)]
pub(super) struct Behind<'a> {
    pub snapshot: &'a Snapshot,
    /// What is taken back.
    pub rollout: &'a Rollout,
    pub progress: &'a Progress,
    /// Why a step failed.
    pub causes: &'a [Cause],
}

impl Backward {
    /// The old template is there, and what is stored says that pods are put back.
    pub(super) fn step(&mut self, outbox: &mut Outbox, behind: Behind<'_>) -> Step {
        let Behind { snapshot, rollout, .. } = behind;
        let (places, over) = match self.look(behind) {
            Ok(seen) => seen,
            Err(ending) => return Step::End(ending),
        };
        let moved = if snapshot.observed() { move_back(outbox, behind, &places) } else { None };
        match moved {
            Some(step) => step,
            None if snapshot.observed() && is_back(snapshot, rollout, &places, over) => {
                if let Some(step) = outbox.clean(snapshot) {
                    return step;
                }
                outbox.after = Some(After::End(behind.undone()));
                outbox.end(snapshot, rollout)
            }
            None if over => behind.late(&places),
            None => Step::Wait,
        }
    }

    /// The controller puts the pods back; it is only watched.
    pub(super) fn follow(&mut self, outbox: &mut Outbox, behind: Behind<'_>) -> Step {
        let Behind { snapshot, rollout, .. } = behind;
        let (places, over) = match self.look(behind) {
            Ok(seen) => seen,
            Err(ending) => return Step::End(ending),
        };
        let goes_on = After::back(rollout.clone());
        if snapshot.observed() && is_back(snapshot, rollout, &places, false) {
            return match outbox.clean(snapshot) {
                Some(step) => {
                    outbox.after = Some(goes_on);
                    step
                }
                None => Step::End(behind.undone()),
            };
        }
        if over {
            return behind.late(&places);
        }
        outbox.after = Some(goes_on);
        Step::Wait
    }

    /// Returns the places, and whether the time of the way back is over; or how it ends, where it leads nowhere.
    fn look<'a>(&mut self, behind: Behind<'a>) -> Result<(Places<'a>, bool), Ending> {
        let Behind { snapshot, rollout, progress, causes: _ } = behind;
        if live(snapshot, rollout) != Live::Previous {
            return Err(Ending::Superseded);
        }
        let failed = failures(snapshot, rollout, progress);
        if !failed.is_empty() {
            return Err(behind.not_undone(NoWayBack::Failed(failed)));
        }
        let Some(places) = Places::of(snapshot, rollout) else {
            return Err(behind.not_undone(NoWayBack::Refused("the pods cannot be read".to_string())));
        };
        let updated = |pod: &Pod| rollout.is_updated(snapshot, pod);
        let back = places.all.iter().filter(|it| it.serves(snapshot) && !it.living().any(updated));
        self.pace.look(rollout, back.map(|it| it.name.as_str()), false, snapshot.now);
        let over = self.pace.is_over(rollout);
        Ok((places, over))
    }
}

/// Moves the next pods back; nothing where all are, or have to be waited for.
fn move_back(outbox: &mut Outbox, behind: Behind<'_>, places: &Places<'_>) -> Option<Step> {
    let Behind { snapshot, rollout, .. } = behind;
    if let Blockage::Stuck(pod) = stuck::examine(snapshot) {
        return outbox.delete(snapshot, rollout, &[pod], |_| Why::Blocks);
    }
    match rollout.way(snapshot.workload.id.kind) {
        Way::Deletion => {
            let updated = |pod: &Pod| rollout.is_updated(snapshot, pod);
            let wish = Wish { unwanted: &updated, budget: places.budget(&rollout.options) };
            let pods = deletion::next(snapshot, places, &places.all, &outbox.deletions, wish);
            outbox.delete(
                snapshot,
                rollout,
                &pods,
                |_| if rollout.undo { Why::OnDelete } else { Why::PutBack },
            )
        }
        Way::Partition => {
            let partition = partition_back(snapshot, rollout);
            (snapshot.workload.partition() > partition).then(|| outbox.lower(snapshot, rollout, partition))
        }
    }
}

impl Behind<'_> {
    /// The time is over: where nobody's pod failed, and none that came back does, somebody's abort is only held up.
    fn late(&self, places: &Places<'_>) -> Step {
        let Behind { snapshot, rollout, .. } = *self;
        let unready = |pod: &Pod| !rollout.is_updated(snapshot, pod) && !snapshot.available(pod);
        let came_back = |pod: &Pod| pod.created.is_some_and(|created| created >= rollout.began);
        let mut touchable = places.all.iter().filter(|place| place.touchable);
        let fails = touchable.any(|place| place.living().any(|pod| unready(pod) && came_back(pod)));
        match fails || !self.causes.is_empty() || rollout.failure.is_some() {
            true => Step::End(self.not_undone(NoWayBack::TimedOut)),
            false => Step::End(Ending::TimedOut),
        }
    }

    fn undone(&self) -> Ending {
        let Behind { snapshot, rollout, .. } = *self;
        if rollout.undo {
            // What is left is where it would not come back.
            let left = snapshot.living().any(|pod| rollout.is_updated(snapshot, pod));
            return if left { Ending::Held(Hold::OnDelete) } else { Ending::Complete };
        }
        let to = rollout.previous.find(snapshot).and_then(|it| it.number);
        if self.causes.is_empty() && rollout.failure.is_none() {
            return Ending::Aborted { to };
        }
        let failed = rollout.target.as_ref().and_then(|it| it.find(snapshot));
        Ending::Undone { from: failed.and_then(|it| it.number), to, causes: self.causes.to_vec() }
    }

    fn not_undone(&self, why: NoWayBack) -> Ending {
        let causes = self.causes.to_vec();
        match (self.rollout.undo, why) {
            (true, NoWayBack::Failed(_)) => Ending::Failed,
            (true, NoWayBack::TimedOut) => Ending::TimedOut,
            (true, NoWayBack::Refused(words)) => Ending::Refused(words),
            (_, why) => Ending::NotUndone { why, causes },
        }
    }
}

/// What pods that were put back fail with; those that failed before are nobody's fault.
fn failures(snapshot: &Snapshot, rollout: &Rollout, progress: &Progress) -> Vec<Cause> {
    let late = |name: &String| {
        let pod = snapshot.pods.iter().flatten().find(|pod| pod.name == *name);
        pod.is_some_and(|pod| pod.created.is_some_and(|created| created >= rollout.began))
    };
    let causes = progress.causes.failed.iter().filter(|it| !it.id.is_stuck() && !it.old_too);
    causes.filter(|it| it.pod.as_ref().is_none_or(late)).cloned().collect()
}

/// No updated pod is left where one may be touched, and those in their place are available; what was not before need not be.
fn is_back(snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>, over: bool) -> bool {
    let updated = |pod: &Pod| rollout.is_updated(snapshot, pod);
    let settled = |place: &&Place<'_>| {
        let mut pods = place.living();
        place.serves(snapshot) || pods.any(|pod| pod.created.is_some_and(|created| created < rollout.started))
    };
    // A current revision that is still the one taken back would bring it back below the partition (hazard H3).
    let status = &snapshot.workload.status;
    let current = status.current_revision.as_ref();
    let leaves = rollout.way(snapshot.workload.id.kind) == Way::Partition
        && rollout.partition_before() > 0
        && snapshot.workload.desired > 0
        && current.is_some()
        && current == rollout.target.as_ref().map(|it| &it.object);
    let hangs = match rollout.way(snapshot.workload.id.kind) {
        Way::Partition => !places.beyond.is_empty(),
        Way::Deletion => !places.beyond.is_empty() && !over,
    };
    let mut touchable = places.all.iter().filter(|place| place.touchable);
    !leaves && !hangs && touchable.all(|place| !place.pods.iter().any(|pod| updated(pod)) && settled(&place))
}
