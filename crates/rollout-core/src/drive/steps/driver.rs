//! Driving a rollout in steps. The driver reads where it is from the workload and the pods every time, so that another one
//! can go on wherever it dies; only the time that a gate has run is lost.

use serde_json::Value;

use crate::drive::steps::backward::{Backward, Behind};
use crate::drive::steps::forward::Forward;
use crate::drive::steps::outbox::{After, Outbox, PATIENCE};
use crate::judge::places::Places;
use crate::judge::status::{Progress, evaluate};
use crate::machine::check::Verdict;
use crate::machine::contract::{Deadline, Machine, Order, Outcome, Step};
use crate::machine::ending::Ending;
use crate::machine::event::Event;
use crate::snapshot::Snapshot;
use crate::stored::Stored;
use crate::stored::lease::Holder;
use crate::stored::rollout::{Phase, Rollout};

/// A driver of one stored rollout.
#[derive(Clone, Debug)]
pub struct Driver {
    holder: Holder,
    outbox: Outbox,
    forward: Forward,
    backward: Backward,
    /// Whether a picture has shown what was written before this driver began: the first ones may be older.
    seen: bool,
    patience: Deadline,
}

impl Driver {
    /// Drives what is stored, as long as `holder` is who is stored with it.
    pub fn new(holder: Holder) -> Driver {
        Driver {
            holder,
            outbox: Outbox::new(),
            forward: Forward::default(),
            backward: Backward::default(),
            seen: false,
            patience: Deadline::new(Some(PATIENCE)),
        }
    }

    /// Drives a rollout whose start was just written: with that template, on a workload of that generation. Until the
    /// controller has recorded the template, nothing that is stored tells it from somebody else's.
    pub fn starting(holder: Holder, template: Value, generation: i64) -> Driver {
        Driver { forward: Forward::starting(template, generation), ..Driver::new(holder) }
    }

    /// Drives the way back after the requests of an [`abort`](crate::plan::steps::abort()) were sent; `rollout` is what was
    /// stored before.
    pub fn aborting(holder: Holder, rollout: Rollout) -> Driver {
        let mut driver = Driver::new(holder);
        driver.outbox.after = Some(After::back(Rollout { failure: None, ..rollout }));
        driver
    }

    fn decide(&mut self, snapshot: &Snapshot, progress: &Progress) -> Step {
        if let Some(step) = self.outbox.look(snapshot) {
            return step;
        }
        let rollout = match Stored::read(&snapshot.workload) {
            Err(unreadable) => return Step::End(Ending::Refused(unreadable.to_string())),
            Ok(stored) => stored.and_then(|it| it.rollout),
        };
        let Some(rollout) = rollout else { return self.nothing_stored(snapshot, progress) };
        if rollout.workload != snapshot.workload.id.uid {
            return Step::End(Ending::Gone);
        }
        let mine = rollout.holder.as_ref() == Some(&self.holder);
        let awaited = mine && (self.outbox.after.is_none() || self.seen || rollout.phase == Phase::Aborting);
        if !awaited && !self.seen && !self.patience.is_over(snapshot.now) {
            return Step::Wait;
        }
        self.seen |= awaited;
        match rollout.phase {
            Phase::Paused => self.paused(snapshot, &rollout),
            Phase::Failed => Step::End(Ending::StepFailed {
                step: rollout.done + 1,
                causes: std::mem::take(&mut self.forward.causes),
            }),
            Phase::Running | Phase::Aborting if !mine => Step::End(Ending::TakenOver(rollout.holder)),
            Phase::Running => self.forward.step(&mut self.outbox, snapshot, &rollout, progress),
            Phase::Aborting => self.backward.step(
                &mut self.outbox,
                Behind { snapshot, rollout: &rollout, progress, causes: &self.forward.causes },
            ),
        }
    }

    fn nothing_stored(&mut self, snapshot: &Snapshot, progress: &Progress) -> Step {
        match self.outbox.after.take() {
            Some(After::End(ending)) => Step::End(ending),
            Some(After::Back(rollout)) => self.backward.follow(
                &mut self.outbox,
                Behind { snapshot, rollout: &rollout, progress, causes: &self.forward.causes },
            ),
            Some(After::Still(_)) | None if self.seen => Step::End(Ending::Superseded),
            Some(After::Still(_)) | None if !self.patience.is_over(snapshot.now) => Step::Wait,
            Some(After::Still(_)) | None => {
                Step::End(Ending::Refused("no rollout in steps is stored".to_string()))
            }
        }
    }

    fn paused(&mut self, snapshot: &Snapshot, rollout: &Rollout) -> Step {
        if let Some(After::Still(ending)) = self.outbox.after.take() {
            return Step::End(ending);
        }
        let of = Places::of(snapshot, rollout).map_or(0, |places| places.ends.len());
        Step::End(Ending::Paused { done: rollout.done, of })
    }
}

impl Machine for Driver {
    fn step(&mut self, snapshot: &Snapshot) -> (Progress, Step) {
        let progress = evaluate(snapshot);
        let step = match self.decide(snapshot, &progress) {
            step @ (Step::Wait | Step::Soak(_)) if self.seen => {
                self.outbox.renew(snapshot, &self.holder).unwrap_or(step)
            }
            step => step,
        };
        (progress, step)
    }

    fn sent(&mut self, sent: &Outcome) {
        self.outbox.sent(sent);
    }

    fn checked(&mut self, verdict: Verdict) {
        self.forward.checked(verdict);
    }

    fn told(&mut self, _: &Order) {}

    fn news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.outbox.news)
    }
}
