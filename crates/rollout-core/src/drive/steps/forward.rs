//! The way forward of a driver: steps, their gate, and the end.

use crate::drive::steps::backward::Back;
use crate::drive::steps::driver::{Driver, HOLDS};
use crate::judge::cause::{Cause, Causes, Sort};
use crate::judge::causes;
use crate::judge::deletion::{self, Wish};
use crate::judge::live::{Live, live};
use crate::judge::places::{Place, Places};
use crate::judge::status::Progress;
use crate::judge::stuck::{self, Blockage};
use crate::machine::act::{Act, Why};
use crate::machine::check::CheckRun;
use crate::machine::contract::Step;
use crate::machine::ending::Ending;
use crate::machine::event::{Event, StepProgress};
use crate::machine::gate::{Gate, GateOptions, GateState};
use crate::objects::kind::Kind;
use crate::objects::names::few;
use crate::objects::pod::Pod;
use crate::objects::strategy::{HIGHEST_PARTITION, Strategy};
use crate::plan::operations::{self, set_strategy};
use crate::plan::patch::stand_still;
use crate::plan::steps::abort;
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};
use crate::stored::lease;
use crate::stored::rollout::{OnFailure, Reached, RevisionRef, Rollout, Stage, Way};
use crate::template;

impl Driver {
    /// What was to be rolled out is: says what is next.
    pub(super) fn forward(&mut self, snapshot: &Snapshot, rollout: &Rollout, progress: &Progress) -> Step {
        // What was to end it did not get through.
        (self.ending, self.back) = (None, None);
        match live(snapshot, rollout) {
            Live::Previous => return Step::End(Ending::AbortedByHand),
            Live::Other => return Step::End(Ending::Superseded),
            Live::Target | Live::Unknown => {}
        }
        if let Some(step) = self.hold_again(snapshot, rollout) {
            return step;
        }
        let observed = snapshot.observed();
        match (snapshot.history.current(), &rollout.target) {
            (Some(current), None) if observed => {
                let target =
                    if self.is_replaced(snapshot) { RevisionRef::never() } else { RevisionRef::of(current) };
                let after = Rollout { target: Some(target), ..rollout.clone() };
                return self.write(snapshot, Act::Record, Some(&after), Vec::new());
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
            return self.wait(at);
        }
        self.report(snapshot, rollout, &places);
        if let Some(step) = self.clean(snapshot) {
            return step;
        }
        let causes = at.failures();
        if !causes.is_empty() {
            return self.fail(snapshot, rollout, causes);
        }
        if rollout.done >= places.ends.len() {
            return self.finish(at);
        }
        self.step_on(at)
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
    fn step_on(&mut self, at: At<'_>) -> Step {
        let At { snapshot, rollout, places, progress: _ } = at;
        if let Some(step) = self.move_on(snapshot, rollout, places, places.end(rollout.done + 1)) {
            return step;
        }
        let healthy = at.scope().iter().all(|place| place.is_settled(snapshot));
        if places.added(rollout.done).is_empty() && healthy {
            return self.step_done(snapshot, rollout, places);
        }
        self.pass(at)
    }

    fn pass(&mut self, at: At<'_>) -> Step {
        let At { snapshot, rollout, places, progress: _ } = at;
        let healthy = at.scope().iter().all(|place| place.is_settled(snapshot));
        let new: Vec<&Pod> = at.own().collect();
        let state = self.gate(rollout).look(&new, healthy, snapshot);
        match state {
            GateState::Failed(cause) => self.fail(snapshot, rollout, vec![cause]),
            GateState::Broken(words) => Step::End(Ending::CheckBroken(words)),
            GateState::Check => Step::Check(check_run(snapshot, rollout, places)),
            GateState::Open => self.step_done(snapshot, rollout, places),
            GateState::Soaking(left) => Step::Soak(left),
            GateState::Closed => self.wait(at),
        }
    }

    fn gate(&mut self, rollout: &Rollout) -> &mut Gate {
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
        snapshot: &Snapshot,
        rollout: &Rollout,
        places: &Places<'_>,
        end: usize,
    ) -> Option<Step> {
        if let Blockage::Stuck(pod) = stuck::examine(snapshot) {
            return self.delete(snapshot, rollout, &[pod], |_| Why::Blocks);
        }
        let scope = &places.all[..end];
        let retried = |pod: &Pod| rollout.is_stale_failure(snapshot, pod);
        let unwanted = |pod: &Pod| snapshot.side(pod) == Side::Old || retried(pod);
        let budget = places.budget(&rollout.options);
        match rollout.way(snapshot.workload.id.kind) {
            Way::Deletion => {
                let wish = Wish { unwanted: &unwanted, budget };
                let pods = deletion::next(snapshot, places, scope, &self.deletions, wish);
                let why = |pod: &Pod| if retried(pod) { Why::Retry } else { Why::OnDelete };
                self.delete(snapshot, rollout, &pods, why)
            }
            Way::Partition => {
                let partition = snapshot.workload.desired - end as u32;
                if snapshot.workload.partition() > partition {
                    return Some(self.lower(snapshot, rollout, partition));
                }
                let wish = Wish { unwanted: &retried, budget };
                let pods = deletion::next(snapshot, places, scope, &self.deletions, wish);
                self.delete(snapshot, rollout, &pods, |_| Why::Retry)
            }
        }
    }

    fn step_done(&mut self, snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>) -> Step {
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
            phase: if pauses { Stage::Paused } else { Stage::Running },
            holder: if pauses { None } else { rollout.holder.clone() },
            ..rollout.clone()
        };
        self.write(snapshot, Act::StepDone { done: rollout.done + 1 }, Some(&after), Vec::new())
    }

    /// After the last step: the strategy comes back when no node and no ordinal is old, since its controller would replace
    /// those at once (hazard H8).
    fn finish(&mut self, at: At<'_>) -> Step {
        let At { snapshot, rollout, places, progress: _ } = at;
        let end = places.end(places.ends.len());
        if let Some(step) = self.move_on(snapshot, rollout, places, end) {
            return step;
        }
        if !places.all[..end].iter().all(|place| place.is_settled(snapshot)) {
            return self.wait(at);
        }
        // A scale-up would take pods beyond the range in again, old as they are. An unready one may hang the set up: where
        // the controller replaces pods it is freed like any that does, and elsewhere it is not waited for for ever.
        match (places.beyond.is_empty(), rollout.way(snapshot.workload.id.kind)) {
            (true, _) => {}
            (false, Way::Partition) => {
                return self.wait(at);
            }
            (false, Way::Deletion) if !self.pace.is_over(rollout) => return Step::Wait,
            (false, Way::Deletion) => {}
        }
        let old = still_old(snapshot, places);
        if !old.is_empty() {
            self.ending = Some(Ending::HeldShort { old });
            let after = Rollout { phase: Stage::Paused, holder: None, ..rollout.clone() };
            return self.write(snapshot, Act::Finish, Some(&after), Vec::new());
        }
        if is_completing(snapshot, rollout) {
            return self.wait(at);
        }
        self.ending = Some(Ending::Complete);
        self.end(snapshot, rollout)
    }

    /// Waits for a step, but not for ever. When its time is over it fails by its own pods only; what only holds it up leaves
    /// it standing, to be resumed.
    fn wait(&mut self, at: At<'_>) -> Step {
        let At { snapshot, rollout, .. } = at;
        if !self.pace.is_over(rollout) {
            return Step::Wait;
        }
        let forbidden = self.forbidden.values().next().map(|it| it.words.clone());
        let cause = Cause { evidence: forbidden, ..Cause::new(CauseId::Deadline, at.late()) };
        match at.is_own_fault() {
            true => self.fail(snapshot, rollout, vec![cause]),
            false => {
                let causes = [vec![cause.holds_up()], at.holding_up()].concat();
                let words = in_words(&causes);
                self.ending = Some(Ending::StepHeld { step: rollout.done + 1, causes: causes.clone() });
                let request = stand_still(snapshot, rollout, Stage::Paused, Some(words));
                self.send(snapshot, Act::HeldUp { causes }, request)
            }
        }
    }

    fn fail(&mut self, snapshot: &Snapshot, rollout: &Rollout, causes: Vec<Cause>) -> Step {
        let words = in_words(&causes);
        self.causes = causes.clone();
        let back = match rollout.options.on_failure {
            OnFailure::Pause => None,
            OnFailure::Abort => {
                let holder = Some(self.holder.clone());
                abort::request(snapshot, rollout, holder, Some(words.clone())).ok()
            }
        };
        // Without a way back it stands still as well.
        match back {
            Some(request) => {
                self.back = Some(Back::new(rollout.clone()));
                let to = rollout.previous.find(snapshot).and_then(|it| it.number);
                self.send(snapshot, Act::GoBack { to, causes }, request)
            }
            None => {
                let request = stand_still(snapshot, rollout, Stage::Failed, Some(words));
                self.send(snapshot, Act::StandStill { causes }, request)
            }
        }
    }

    /// Somebody may have put the strategy back, or moved the partition: that is undone, a few times, and what they set comes
    /// back at the end.
    fn hold_again(&mut self, snapshot: &Snapshot, rollout: &Rollout) -> Option<Step> {
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
        let changes = vec![set_strategy(&rollout.held_strategy(workload.id.kind, partition))];
        Some(self.write(snapshot, Act::HoldAgain { found }, Some(&after), changes))
    }

    fn report(&mut self, snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>) {
        for pod in places.leaked(snapshot, rollout) {
            if self.reported.insert(pod.uid.clone()) {
                self.news.push(Event::OutsideStep { pod: pod.name.clone(), node: pod.node.clone() });
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
            self.news.push(Event::Step(progress));
        }
    }
}

fn in_words(causes: &[Cause]) -> String {
    causes.iter().map(|it| it.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// What a step is judged by.
#[derive(Clone, Copy)]
struct At<'a> {
    snapshot: &'a Snapshot,
    rollout: &'a Rollout,
    places: &'a Places<'a>,
    progress: &'a Progress,
}

impl<'a> At<'a> {
    /// The places that are new when the present step is done.
    fn scope(&self) -> &'a [Place<'a>] {
        let places = self.places;
        &places.all[..places.end(self.rollout.done + 1)]
    }

    /// The new pods in them, those that have ended too, but for those that failed before the rollout was resumed.
    fn own(&self) -> impl Iterator<Item = &'a Pod> {
        let At { snapshot, rollout, .. } = *self;
        let new = move |pod: &&Pod| {
            snapshot.side(pod) == Side::New && !pod.terminating && !rollout.is_stale_failure(snapshot, pod)
        };
        self.scope().iter().flat_map(|place| place.pods.iter().copied()).filter(new)
    }

    /// What the step fails by: the pods of its own places, and what keeps pods of them from being made. A blocker is freed,
    /// and what the old revision meets as well is waited for.
    fn failures(&self) -> Vec<Cause> {
        let At { snapshot, rollout, places, progress } = *self;
        let waits = self.scope().iter().any(|place| !place.is_settled(snapshot));
        let outside = &places.all[places.end(rollout.done + 1)..];
        let outside =
            || outside.iter().flat_map(|place| &place.pods).chain(&places.elsewhere).chain(&places.beyond);
        let stale = |name: &String| {
            let mut pods = snapshot.pods.iter().flatten().filter(|pod| pod.name == *name);
            pods.any(|pod| rollout.is_stale_failure(snapshot, pod))
        };
        let fails = |cause: &Cause| match &cause.pod {
            // One cause is shown for all that are alike: a pod of the step may show it too.
            Some(name) if outside().any(|pod| pod.name == *name) || stale(name) => {
                let unready = self.own().filter(|pod| !pod.ready());
                let mut own = unready.flat_map(|pod| causes::of_pod(pod, snapshot));
                own.find(|it| it.fails() && it.symptom() == cause.symptom())
            }
            Some(_) => Some(cause.clone()),
            None => waits.then(|| cause.clone()),
        };
        let failed = progress.causes.failed.iter().filter(|it| !it.id.is_stuck() && !it.old_too);
        failed.filter_map(fails).collect()
    }

    /// Tells whether a step whose time is over waits for its own new pods, and for nothing that holds them up.
    fn is_own_fault(&self) -> bool {
        let At { snapshot, progress, .. } = *self;
        if !snapshot.observed() {
            return false;
        }
        let held = |pod: &Pod| {
            let shown = causes::of_pod(pod, snapshot);
            snapshot.is_out_of_reach(pod)
                || !shown.is_empty() && shown.iter().all(|it| it.sort == Sort::HoldsUp || it.old_too)
        };
        let late = |place: &Place<'_>| {
            place.touchable
                && self.own().any(|pod| {
                    place.pods.iter().any(|it| it.uid == pod.uid) && !snapshot.available(pod) && !held(pod)
                })
        };
        let unmade = self.scope().iter().any(|place| place.living().next().is_none() && !place.ends());
        let mut probed = progress.causes.on_probation.iter().filter(|it| it.pod.is_none() && !it.old_too);
        self.scope().iter().any(late) || unmade && probed.next().is_some()
    }

    /// What holds up a step whose time is over, as far as it is known.
    fn holding_up(&self) -> Vec<Cause> {
        let Causes { failed, on_probation: _, holding_up } = &self.progress.causes;
        let both = failed.iter().filter(|it| it.old_too).chain(holding_up);
        both.cloned().map(Cause::holds_up).collect()
    }

    /// Says what a step whose time is over waits for.
    fn late(&self) -> String {
        let At { snapshot, places, .. } = *self;
        let unsettled = self.scope().iter().filter(|place| !place.is_settled(snapshot));
        let beyond = places.beyond.iter().map(|pod| pod.name.as_str());
        let waits: Vec<&str> = unsettled.map(|place| place.name.as_str()).chain(beyond).collect();
        let missing = places.all.iter().filter(|place| !place.serves(snapshot));
        let blocks: Vec<&str> = missing.map(|place| place.name.as_str()).collect();
        match (snapshot.observed(), waits.is_empty()) {
            (false, _) => "the controller has not acted upon the change within the time given".to_string(),
            (true, false) => {
                let mut words = format!("not new and available within the time given: {}", few(&waits));
                if !blocks.is_empty() {
                    words += &format!("; without an available pod: {}", few(&blocks));
                }
                words
            }
            (true, true) => "the step is not over within the time given".to_string(),
        }
    }
}

/// Returns what stays old although all steps are done: nodes, also those in no step, or pods.
fn still_old(snapshot: &Snapshot, places: &Places<'_>) -> Vec<String> {
    let old = |pod: &Pod| snapshot.side(pod) == Side::Old;
    let within = places.all.iter().filter(|place| place.living().any(old)).map(|place| place.name.clone());
    let elsewhere = places.elsewhere.iter().filter(|pod| !pod.terminating && !pod.ended() && old(pod));
    within.chain(elsewhere.map(|pod| pod.node.clone().unwrap_or_else(|| pod.name.clone()))).collect()
}

/// The set's current revision has to be the new one: a pod below a partition, one that comes back here or that of the next
/// rollout, would come back old (hazard H2).
fn is_completing(snapshot: &Snapshot, rollout: &Rollout) -> bool {
    let status = &snapshot.workload.status;
    rollout.way(snapshot.workload.id.kind) == Way::Partition
        && snapshot.workload.desired > 0
        && status.current_revision != status.update_revision
}

fn check_run(snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>) -> CheckRun {
    let added = places.added(rollout.done);
    let pods = added.iter().flat_map(Place::living).map(|pod| pod.name.clone()).collect();
    let nodes = match snapshot.workload.id.kind {
        Kind::DaemonSet => added.iter().map(|place| place.name.clone()).collect(),
        Kind::StatefulSet | Kind::Deployment => {
            added.iter().flat_map(Place::living).filter_map(|pod| pod.node.clone()).collect()
        }
    };
    CheckRun {
        revision: snapshot.target().and_then(|target| target.number),
        step: rollout.done + 1,
        pods,
        nodes,
    }
}
