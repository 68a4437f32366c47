//! The way forward of a driver: steps, their gate, and the end.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::drive::steps::judged::{At, check_run, in_words, is_completing, still_old};
use crate::drive::steps::outbox::{After, Outbox};
use crate::drive::steps::pace::Pace;
use crate::judge::cause::Cause;
use crate::judge::deletion::{self, Wish};
use crate::judge::live::{Live, live};
use crate::judge::places::{Place, Places};
use crate::judge::status::Progress;
use crate::judge::stuck::{self, Blockage};
use crate::machine::act::{Act, Why};
use crate::machine::check::Verdict;
use crate::machine::contract::Step;
use crate::machine::ending::Ending;
use crate::machine::event::{Event, StepProgress};
use crate::machine::gate::{Gate, GateOptions, GateState};
use crate::objects::pod::Pod;
use crate::objects::strategy::{HIGHEST_PARTITION, Strategy};
use crate::plan::operations;
use crate::plan::patch::{Patch, stand_still};
use crate::plan::steps::abort;
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};
use crate::stored::lease;
use crate::stored::rollout::{OnFailure, Phase, Reached, RevisionRef, Rollout, Way};
use crate::template;

/// How often what holds the workload is put back before somebody's will counts.
const HOLDS: u32 = 3;

/// The way forward of a driver.
#[derive(Clone, Debug, Default)]
pub(super) struct Forward {
    /// Why a step failed.
    pub causes: Vec<Cause>,
    /// The template that was written, and the generation before that.
    started: Option<(Value, i64)>,
    /// The gate of a step: by how many are done before it, and when it began.
    gate: Option<(usize, Timestamp, Gate)>,
    pace: Pace,
    /// The pods outside their step that were named, by their UIDs.
    reported: BTreeSet<String>,
    holds: u32,
    told: Option<StepProgress>,
}

impl Forward {
    /// The start was just written: with that template, on a workload of that generation.
    pub(super) fn starting(template: Value, generation: i64) -> Forward {
        Forward { started: Some((template, generation)), ..Forward::default() }
    }

    /// Takes in what the checks came to.
    pub(super) fn checked(&mut self, verdict: Verdict) {
        if let Some((_, _, gate)) = &mut self.gate {
            gate.checked(verdict);
        }
    }

    /// What was to be rolled out is: says what is next.
    pub(super) fn step(
        &mut self,
        outbox: &mut Outbox,
        snapshot: &Snapshot,
        rollout: &Rollout,
        progress: &Progress,
    ) -> Step {
        // What was to end it did not get through.
        outbox.after = None;
        match live(snapshot, rollout) {
            Live::Previous => return Step::End(Ending::AbortedByHand),
            Live::Other => return Step::End(Ending::Superseded),
            Live::Target | Live::Unknown => {}
        }
        if let Some(step) = self.hold_again(outbox, snapshot, rollout) {
            return step;
        }
        let observed = snapshot.observed();
        match (snapshot.history.current(), &rollout.target) {
            (Some(current), None) if observed => {
                let target =
                    if self.is_replaced(snapshot) { RevisionRef::never() } else { RevisionRef::of(current) };
                let after = Rollout { target: Some(target), ..rollout.clone() };
                return outbox.write(snapshot, Act::Record, Some(&after), Patch::guarded(&snapshot.workload));
            }
            (Some(_) | None, _) => {}
        }
        let Some(places) = Places::of(snapshot, rollout) else {
            let words = "the pods, or the nodes, cannot be read";
            return Step::End(Ending::Refused(words.to_string()));
        };
        let at = At { snapshot, rollout, places: &places, progress };
        self.measure(at);
        if !observed {
            return self.wait(outbox, at);
        }
        self.report(outbox, snapshot, rollout, &places);
        if let Some(step) = outbox.clean(snapshot) {
            return step;
        }
        let causes = at.failures();
        if !causes.is_empty() {
            return self.fail(outbox, snapshot, rollout, causes);
        }
        if rollout.done >= places.ends.len() {
            return self.finish(outbox, at);
        }
        self.step_on(outbox, at)
    }

    /// Takes the time of the step.
    fn measure(&mut self, at: At<'_>) {
        let At { snapshot, rollout, places, progress: _ } = at;
        let scope = at.scope();
        let settled = || scope.iter().filter(|place| place.is_settled(snapshot));
        let soaks =
            snapshot.observed() && rollout.done < places.ends.len() && settled().count() == scope.len();
        self.pace.look(rollout, settled().map(|place| place.name.as_str()), soaks, snapshot.now);
    }

    /// Tells whether somebody replaced the template before the controller recorded it. A template that a webhook has changed
    /// is no other one, and the generation of a start is the next one.
    fn is_replaced(&self, snapshot: &Snapshot) -> bool {
        let live = snapshot.workload.template();
        self.started.as_ref().is_some_and(|(template, before)| {
            snapshot.workload.generation > before + 1 && !template::same(template, live)
        })
    }

    /// One step: its pods are moved, and then they have to pass the gate.
    fn step_on(&mut self, outbox: &mut Outbox, at: At<'_>) -> Step {
        let At { snapshot, rollout, places, progress: _ } = at;
        if let Some(step) = self.move_on(outbox, snapshot, rollout, places, places.end(rollout.done + 1)) {
            return step;
        }
        let healthy = at.scope().iter().all(|place| place.is_settled(snapshot));
        if places.added(rollout.done).is_empty() && healthy {
            return self.step_done(outbox, snapshot, rollout, places);
        }
        self.pass(outbox, at)
    }

    fn pass(&mut self, outbox: &mut Outbox, at: At<'_>) -> Step {
        let At { snapshot, rollout, places, progress: _ } = at;
        let healthy = at.scope().iter().all(|place| place.is_settled(snapshot));
        let new: Vec<&Pod> = at.own().collect();
        let state = self.gate_of(rollout).look(&new, healthy, snapshot);
        match state {
            GateState::Failed(cause) => self.fail(outbox, snapshot, rollout, vec![cause]),
            GateState::Broken(words) => Step::End(Ending::CheckBroken(words)),
            GateState::Check => Step::Check(check_run(snapshot, rollout, places)),
            GateState::Open => self.step_done(outbox, snapshot, rollout, places),
            GateState::Soaking(left) => Step::Soak(left),
            GateState::Closed => self.wait(outbox, at),
        }
    }

    fn gate_of(&mut self, rollout: &Rollout) -> &mut Gate {
        let options = &rollout.options;
        let made = (rollout.done, rollout.began);
        if self.gate.as_ref().is_none_or(|(done, began, _)| (*done, *began) != made) {
            self.gate = None;
        }
        let (_, _, gate) = self.gate.get_or_insert_with(|| {
            let gate = Gate::new(GateOptions {
                soak: options.soak,
                max_restarts: options.max_restarts,
                checks: !(options.checks.is_empty() && options.queries.is_empty()),
            });
            (made.0, made.1, gate)
        });
        gate
    }

    /// Moves the pods of the first `end` places, one request at a time; nothing where all are moved or have to be waited for.
    fn move_on(
        &mut self,
        outbox: &mut Outbox,
        snapshot: &Snapshot,
        rollout: &Rollout,
        places: &Places<'_>,
        end: usize,
    ) -> Option<Step> {
        if let Blockage::Stuck(pod) = stuck::examine(snapshot) {
            return outbox.delete(snapshot, rollout, &[pod], |_| Why::Blocks);
        }
        let scope = &places.all[..end];
        let retried = |pod: &Pod| rollout.is_stale_failure(snapshot, pod);
        let unwanted = |pod: &Pod| snapshot.side(pod) == Side::Old || retried(pod);
        let budget = places.budget(&rollout.options);
        match rollout.way(snapshot.workload.id.kind) {
            Way::Deletion => {
                let wish = Wish { unwanted: &unwanted, budget };
                let pods = deletion::next(snapshot, places, scope, &outbox.deletions, wish);
                let why = |pod: &Pod| if retried(pod) { Why::Retry } else { Why::OnDelete };
                outbox.delete(snapshot, rollout, &pods, why)
            }
            Way::Partition => {
                let partition = snapshot.workload.desired - end as u32;
                if snapshot.workload.partition() > partition {
                    return Some(outbox.lower(snapshot, rollout, partition));
                }
                let wish = Wish { unwanted: &retried, budget };
                let pods = deletion::next(snapshot, places, scope, &outbox.deletions, wish);
                outbox.delete(snapshot, rollout, &pods, |_| Why::Retry)
            }
        }
    }

    fn step_done(
        &mut self,
        outbox: &mut Outbox,
        snapshot: &Snapshot,
        rollout: &Rollout,
        places: &Places<'_>,
    ) -> Step {
        // Steps that add nothing are done with the one before them.
        let empty = |done: &usize| *done < places.ends.len() && places.added(*done).is_empty();
        let done = (rollout.done + 1..).find(|done| !empty(done)).unwrap_or(places.ends.len());
        let pause_after = rollout.pause_after.map(|steps| steps.saturating_sub(done - rollout.done));
        let pauses = pause_after == Some(0) && done < places.ends.len();
        let partition = match rollout.way(snapshot.workload.id.kind) {
            Way::Partition => snapshot.workload.partition(),
            Way::Deletion => (places.all.len() - places.end(done)) as u32,
        };
        let after = Rollout {
            done,
            pause_after: pause_after.filter(|_| !pauses),
            began: lease::whole(snapshot.now),
            reached: places.reached(snapshot, rollout, done, partition).or_else(|| rollout.reached.clone()),
            retry: false,
            between: pauses,
            phase: if pauses { Phase::Paused } else { Phase::Running },
            holder: if pauses { None } else { rollout.holder.clone() },
            ..rollout.clone()
        };
        outbox.write(
            snapshot,
            Act::StepDone { done: rollout.done + 1 },
            Some(&after),
            Patch::guarded(&snapshot.workload),
        )
    }

    /// After the last step: the strategy comes back when no node and no ordinal is old, since its controller would replace
    /// those at once (hazard H8).
    fn finish(&mut self, outbox: &mut Outbox, at: At<'_>) -> Step {
        let At { snapshot, rollout, places, progress: _ } = at;
        let end = places.end(places.ends.len());
        if let Some(step) = self.move_on(outbox, snapshot, rollout, places, end) {
            return step;
        }
        if !places.all[..end].iter().all(|place| place.is_settled(snapshot)) {
            return self.wait(outbox, at);
        }
        // A scale-up would take pods beyond the range in again, old as they are. An unready one may hang the set up: where
        // the controller replaces pods it is freed like any that does, and elsewhere it is not waited for for ever.
        match (places.beyond.is_empty(), rollout.way(snapshot.workload.id.kind)) {
            (true, _) => {}
            (false, Way::Partition) => {
                return self.wait(outbox, at);
            }
            (false, Way::Deletion) if !self.pace.is_over(rollout) => return Step::Wait,
            (false, Way::Deletion) => {}
        }
        let old = still_old(snapshot, places);
        if !old.is_empty() {
            outbox.after = Some(After::Still(Ending::HeldShort { old }));
            let after = Rollout { phase: Phase::Paused, holder: None, ..rollout.clone() };
            return outbox.write(snapshot, Act::Finish, Some(&after), Patch::guarded(&snapshot.workload));
        }
        if is_completing(snapshot, rollout) {
            return self.wait(outbox, at);
        }
        outbox.after = Some(After::End(Ending::Complete));
        outbox.end(snapshot, rollout)
    }

    /// Waits for a step, but not for ever. When its time is over it fails by its own pods only; what only holds it up leaves
    /// it standing, to be resumed.
    fn wait(&mut self, outbox: &mut Outbox, at: At<'_>) -> Step {
        let At { snapshot, rollout, .. } = at;
        if !self.pace.is_over(rollout) {
            return Step::Wait;
        }
        let forbidden = outbox.forbidden();
        let cause = Cause { evidence: forbidden, ..Cause::new(CauseId::Deadline, at.late()) };
        match at.is_own_fault() {
            true => self.fail(outbox, snapshot, rollout, vec![cause]),
            false => {
                let causes = [vec![cause.holds_up()], at.holding_up()].concat();
                let words = in_words(&causes);
                outbox.after =
                    Some(After::Still(Ending::StepHeld { step: rollout.done + 1, causes: causes.clone() }));
                let request = stand_still(snapshot, rollout, Phase::Paused, Some(words));
                outbox.send(snapshot, Act::HeldUp { causes }, request)
            }
        }
    }

    fn fail(
        &mut self,
        outbox: &mut Outbox,
        snapshot: &Snapshot,
        rollout: &Rollout,
        causes: Vec<Cause>,
    ) -> Step {
        let words = in_words(&causes);
        self.causes = causes.clone();
        let back = match rollout.options.on_failure {
            OnFailure::Pause => None,
            OnFailure::Abort => {
                let holder = rollout.holder.clone();
                abort::request(snapshot, rollout, holder, Some(words.clone())).ok()
            }
        };
        // Without a way back it stands still as well.
        match back {
            Some(request) => {
                outbox.after = Some(After::back(rollout.clone()));
                let to = rollout.previous.find(snapshot).and_then(|it| it.number);
                outbox.send(snapshot, Act::GoBack { to, causes }, request)
            }
            None => {
                let request = stand_still(snapshot, rollout, Phase::Failed, Some(words));
                outbox.send(snapshot, Act::StandStill { causes }, request)
            }
        }
    }

    /// Somebody may have put the strategy back, or moved the partition: that is undone, a few times, and what they set comes
    /// back at the end.
    fn hold_again(&mut self, outbox: &mut Outbox, snapshot: &Snapshot, rollout: &Rollout) -> Option<Step> {
        let workload = &snapshot.workload;
        let partition = match &rollout.reached {
            Some(Reached::Index { partition, replicas: _ }) => *partition,
            Some(Reached::Node { .. }) | None => HIGHEST_PARTITION,
        };
        let held = match (rollout.way(workload.id.kind), &workload.strategy) {
            (Way::Deletion, strategy) => *strategy == Strategy::OnDelete,
            (Way::Partition, Strategy::Partitioned { partition: now, max_unavailable: _ }) => {
                *now >= partition
            }
            (
                Way::Partition,
                Strategy::RollingUpdate { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_),
            ) => false,
        };
        if held {
            return None;
        }
        let found = workload.strategy.name().to_string();
        if self.holds == HOLDS {
            let words = format!("somebody sets the strategy {found} again and again");
            return Some(Step::End(Ending::Refused(words)));
        }
        self.holds += 1;
        let mut after = rollout.clone();
        if rollout.way(workload.id.kind) == Way::Deletion {
            // Theirs is the newer will.
            after.strategy = operations::strategy_of(workload);
        }
        let held = rollout.held_strategy(workload.id.kind, partition);
        let patch = Patch::guarded(workload).strategy(&held);
        Some(outbox.write(snapshot, Act::HoldAgain { found }, Some(&after), patch))
    }

    fn report(&mut self, outbox: &mut Outbox, snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>) {
        for pod in places.leaked(snapshot, rollout) {
            if self.reported.insert(pod.uid.clone()) {
                outbox.news.push(Event::OutsideStep { pod: pod.name.clone(), node: pod.node.clone() });
            }
        }
        if rollout.done >= places.ends.len() {
            return;
        }
        let added = places.added(rollout.done);
        let in_hand = |place: &&Place<'_>| {
            place.ends()
                || !place.living().any(|pod| snapshot.side(pod) == Side::Old) && !place.is_settled(snapshot)
        };
        let progress = StepProgress {
            step: rollout.done + 1,
            of: places.ends.len(),
            words: places.words[rollout.done].clone(),
            total: added.len(),
            settled: added.iter().filter(|place| place.is_settled(snapshot)).count(),
            in_hand: added.iter().filter(in_hand).map(|place| place.name.clone()).collect(),
        };
        if self.told.as_ref() != Some(&progress) {
            self.told = Some(progress.clone());
            outbox.news.push(Event::Step(progress));
        }
    }
}
