//! Guarding a rollout: it is followed to its end and through its gate, and taken back where it fails. A state machine over
//! snapshots.

use serde_json::Value;

use crate::drive::blame::{blamed, is_recent, is_starting, new, only_stuck, was_complete};
use crate::drive::follow::Follow;
use crate::history::number::RevisionNumber;
use crate::history::revision::Revision;
use crate::history::select::{NoRevision, RevisionSelector};
use crate::judge::cause::{Cause, Causes, Sort};
use crate::judge::status::{Progress, State, evaluate};
use crate::machine::act::Act;
use crate::machine::check::{CheckRun, Verdict};
use crate::machine::contract::{Deadline, Machine, Order, Outcome, Step};
use crate::machine::ending::{Ending, NoWayBack};
use crate::machine::event::Event;
use crate::machine::gate::{Gate, GateOptions, GateState};
use crate::objects::pod::Pod;
use crate::plan::decision::{Decision, Plan};
use crate::plan::needs::Needs;
use crate::plan::undo::{self, UndoOptions};
use crate::plan::{operations, steps};
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};
use crate::template::{self, diff};

/// How often the way back is planned anew because something else changed meanwhile.
const ATTEMPTS: u32 = 3;

/// How a rollout is guarded.
#[derive(Clone, Debug)]
pub struct GuardOptions {
    /// What has to hold once all pods are available.
    pub gate: GateOptions,
    /// Seconds that the pods may take to become available; none is for ever.
    pub limit: Option<i64>,
    /// Seconds that the way back may take.
    pub undo_limit: Option<i64>,
    /// Ids of warnings that do not stop the way back.
    pub allow: Vec<String>,
    /// The revision to go back to.
    pub back_to: Option<RevisionNumber>,
    /// What was live before the change, where somebody looked.
    pub before: Option<Box<Revision>>,
    /// Whether it ends well only when it is told that others do too.
    pub together: bool,
}

/// A rollout that is guarded.
#[derive(Clone, Debug)]
pub struct Guard {
    options: GuardOptions,
    /// The template that is guarded, in the form that is compared.
    template: Option<Value>,
    gate: Gate,
    /// How many pods there were when the rollout was complete; none before it was.
    settled: Option<u32>,
    /// Whether a pod of the new revision has been available.
    works: bool,
    /// While none was: one that was not ready for longer than a moment, with nothing to excuse it. Whoever deletes it says
    /// nothing for its revision.
    late: Option<Pod>,
    deadline: Deadline,
    /// The object of an older revision that was seen with Available pods: a proof that may be gone when it is needed.
    proven: Option<String>,
    /// Whether it was rolled out lately: what was at rest before anybody looked is nobody's failure.
    recent: Option<bool>,
    order: Option<Order>,
    phase: Phase,
    surveyed: bool,
    attempts: u32,
    /// What frees a set that hangs on a pod of a revision which it has left: that is no failure of the one that comes.
    freeing: Option<Follow>,
    /// Whether the pods of an OnDelete set are replaced, because nothing else does it.
    drives: bool,
    news: Vec<Event>,
}

#[derive(Clone, Debug)]
enum Phase {
    Forward,
    /// What is around the workload is looked at, because it may stop the way back.
    Surveying(Vec<Cause>),
    /// The way back is written, or was meant to be.
    Turning {
        back: Back,
        sent: Option<Outcome>,
    },
    Backward(Back),
}

/// The way back.
#[derive(Clone, Debug)]
struct Back {
    follow: Follow,
    template: Value,
    from: Option<RevisionNumber>,
    to: Option<RevisionNumber>,
    causes: Vec<Cause>,
}

impl Back {
    /// What is waited for is what the server stored; where that is not what was sent, that is to be said.
    fn stored(&mut self, outcome: &Outcome) -> Option<Event> {
        let Outcome::Done(Some(object)) = outcome else { return None };
        let stored = &object["spec"]["template"];
        let changes = diff::changes(&self.template, stored);
        self.template = template::normal(stored);
        self.follow.stored(stored);
        (!changes.is_empty()).then_some(Event::StoredOtherwise(changes))
    }
}

impl Guard {
    /// Guards whatever template the first picture shows.
    pub fn new(options: GuardOptions) -> Guard {
        Guard {
            template: None,
            gate: Gate::new(options.gate),
            settled: None,
            works: false,
            late: None,
            deadline: Deadline::new(options.limit),
            proven: None,
            recent: None,
            order: None,
            phase: Phase::Forward,
            surveyed: false,
            attempts: 0,
            freeing: None,
            drives: false,
            news: Vec::new(),
            options,
        }
    }

    /// Guards one template; another one in the first picture is somebody else's.
    pub fn of(template: &Value, options: GuardOptions) -> Guard {
        Guard { template: Some(template::normal(template)), ..Guard::new(options) }
    }

    /// Does what the controller leaves to others too: it replaces the pods of an OnDelete set.
    pub fn driving(self) -> Guard {
        Guard { drives: true, ..self }
    }

    fn forward(&mut self, snapshot: &Snapshot, progress: &mut Progress) -> Step {
        let live = template::normal(snapshot.workload.template());
        if *self.template.get_or_insert_with(|| live.clone()) != live {
            return Step::End(Ending::Superseded);
        }
        self.remember(snapshot, progress);
        let over_for = self.deadline.over_for(snapshot.now);
        if self.recent.is_none() && was_complete(snapshot) && progress.available > 0 {
            self.settled = Some(progress.available);
        }
        let recent = *self.recent.get_or_insert_with(|| is_recent(snapshot, progress, self.options.limit));
        if let Some(Order::TakeBack(words)) = self.order.as_ref().filter(|_| recent) {
            let cause = Cause::new(CauseId::Together, words.clone());
            return self.turn(snapshot, vec![cause]);
        }
        if self.drives {
            let step = self.free(snapshot);
            if matches!(step, Step::Send { .. } | Step::End(Ending::Held(_) | Ending::Refused(_))) {
                return step;
            }
        }
        if progress.state == State::Complete {
            self.settled = self.settled.max(Some(progress.desired));
        } else if self.settled.is_some() {
            progress.excuse(|cause| !self.is_own(snapshot, cause));
        }
        match (progress.state, progress.hold) {
            (State::Failed, _) if only_stuck(progress) => self.free(snapshot),
            (State::Failed, _) if progress.causes.is_old_better() => {
                self.turn(snapshot, progress.causes.failed.clone())
            }
            (State::Held, Some(hold)) if !self.drives => Step::End(Ending::Held(hold)),
            (
                State::Failed
                | State::Complete
                | State::Held
                | State::Advancing
                | State::Stalled
                | State::Unobserved,
                _,
            ) => {
                let step = self.pass(snapshot, progress, over_for);
                if !matches!(step, Step::End(_)) {
                    // To go back would not help, so that it is waited for.
                    progress.excuse(|cause| cause.old_too);
                }
                progress.causes.holding_up.extend(self.gate.ended().map(Cause::holds_up));
                step
            }
        }
    }

    fn free(&mut self, snapshot: &Snapshot) -> Step {
        let template = snapshot.workload.template();
        self.freeing.get_or_insert_with(|| Follow::driving(template, None)).step(snapshot).1
    }

    fn pass(&mut self, snapshot: &Snapshot, progress: &Progress, over_for: Option<i64>) -> Step {
        let pods: Vec<&Pod> = snapshot
            .pods
            .iter()
            .flatten()
            .filter(|pod| (!pod.terminating || pod.ended()) && snapshot.side(pod) == Side::New)
            .collect();
        match self.gate.look(&pods, self.is_whole(snapshot, progress), snapshot) {
            GateState::Failed(cause) => self.turn(snapshot, vec![cause]),
            GateState::Broken(words) => Step::End(Ending::CheckBroken(words)),
            GateState::Check => Step::Check(check_run(snapshot, &new(snapshot).collect::<Vec<_>>())),
            GateState::Open if self.options.together && self.order.is_none() => Step::Passed,
            GateState::Open => Step::End(Ending::Complete),
            GateState::Closed => {
                over_for.map_or(Step::Wait, |over_for| self.time_is_over(snapshot, progress, over_for))
            }
            GateState::Soaking(left) => Step::Soak(left),
        }
    }

    /// Tells whether all pods are there that have to be: once the rollout was complete, as many as there were, however many
    /// are asked for meanwhile; those on dead nodes are nobody's fault.
    fn is_whole(&self, snapshot: &Snapshot, progress: &Progress) -> bool {
        let Some(settled) = self.settled else { return false };
        let wanted = settled.min(progress.desired);
        let dead = new(snapshot)
            .filter(|pod| !snapshot.available(pod) && snapshot.is_out_of_reach(pod))
            .count() as u32;
        progress.old == 0 && progress.available + dead >= wanted && (progress.available > 0 || wanted == 0)
    }

    /// Tells whether a cause counts against a rollout that was complete: what the pods of its revision do themselves. That
    /// there is no room for more of them, or that they may not be made, is nothing that going back would mend.
    fn is_own(&self, snapshot: &Snapshot, cause: &Cause) -> bool {
        let was_healthy = || {
            let pod = snapshot.living().find(|pod| Some(&pod.name) == cause.pod.as_ref());
            pod.is_some_and(|pod| self.gate.was_healthy(pod))
        };
        cause.id.shows_in_running() || was_healthy()
    }

    /// A rollout whose new pods are fine is not taken back because something else holds it up (hazard H11), and none is where
    /// the older revision would do no better. A pod that has only begun to start is waited for, beside others that run as long
    /// as any may take, and so is one that fell for a moment while all soaked.
    fn time_is_over(&mut self, snapshot: &Snapshot, progress: &Progress, over_for: i64) -> Step {
        if self.settled.is_some() && over_for < self.options.gate.soak.saturating_mul(2) {
            return Step::Wait;
        }
        let Causes { failed, on_probation, holding_up: _ } = &progress.causes;
        let (starting, unhealthy): (Vec<&Pod>, Vec<&Pod>) = blamed(snapshot, progress)
            .filter(|pod| self.settled.is_none() || self.gate.was_healthy(pod))
            .partition(|pod| is_starting(pod, self.works, snapshot));
        let late = self.late.as_ref().filter(|pod| !snapshot.is_out_of_reach(pod));
        // One that has ended just now is replaced.
        let ended = snapshot.pods.iter().flatten().filter(|pod| pod.ended());
        let ended =
            ended.filter(|pod| snapshot.side(pod) == Side::New && is_starting(pod, self.works, snapshot));
        let starting: Vec<&Pod> = starting.into_iter().chain(ended).collect();
        let late = unhealthy.first().copied().or(late).map(|pod| {
            Cause::new(CauseId::Deadline, format!("pod {} is not ready within the time given", pod.name))
        });
        let of_starting = |cause: &&Cause| starting.iter().any(|pod| Some(&pod.name) == cause.pod.as_ref());
        let tried = on_probation.iter().filter(|cause| !of_starting(cause));
        let mut causes: Vec<Cause> = late.into_iter().collect();
        causes.extend(failed.iter().chain(tried).cloned().map(|cause| cause.sort(Sort::Fails)));
        if causes.iter().any(|cause| !cause.old_too) {
            return self.turn(snapshot, causes);
        }
        match causes.is_empty() {
            _ if !starting.is_empty() && over_for < snapshot.patience.usual() => Step::Wait,
            true => Step::End(Ending::TimedOut),
            false => Step::End(Ending::NotUndone { why: NoWayBack::NoBetter, causes }),
        }
    }

    /// The way back, by the order of proof: what somebody asked for, what was live before the change, an older revision
    /// that had Available pods, and what the history says.
    fn way_back<'a>(&'a self, snapshot: &'a Snapshot) -> Result<&'a Revision, NoRevision> {
        let history = &snapshot.history;
        if let Some(number) = self.options.back_to {
            return history.select(RevisionSelector::Number(number));
        }
        if let Some(before) = &self.options.before {
            return Ok(history.by_name(&before.name).unwrap_or(before));
        }
        let proven = self.proven.as_deref().and_then(|name| history.by_name(name));
        proven.map_or_else(|| history.last_good(), Ok)
    }

    fn turn(&mut self, snapshot: &Snapshot, causes: Vec<Cause>) -> Step {
        let not_undone = |why, causes| Step::End(Ending::NotUndone { why, causes });
        if self.attempts == ATTEMPTS {
            let words = "the workload changes all the time".to_string();
            return not_undone(NoWayBack::Refused(words), causes);
        }
        self.attempts += 1;
        if let Err(refusal) = steps::none_under_way(snapshot) {
            return not_undone(NoWayBack::Refused(refusal.to_string()), causes);
        }
        let options =
            UndoOptions { target: RevisionSelector::LastGood, resume: false, reason: None, drive: None };
        let decision = match self.way_back(snapshot) {
            Ok(target) => undo::to_revision(snapshot, target, &options),
            Err(NoRevision::OnlyOne | NoRevision::Empty) => return not_undone(NoWayBack::First, causes),
            Err(NoRevision::NoneGood) => return not_undone(NoWayBack::NoProof, causes),
            Err(
                other @ (NoRevision::NotFound { .. }
                | NoRevision::Corrupt { .. }
                | NoRevision::Hidden { .. }
                | NoRevision::BeforeOldest { .. }
                | NoRevision::Ambiguous { .. }),
            ) => {
                return not_undone(NoWayBack::Refused(other.to_string()), causes);
            }
        };
        match decision {
            Ok(Decision::Change(plan)) if !self.surveyed && !plan.changes.is_empty() => {
                self.surveyed = true;
                self.attempts -= 1;
                let needs = Needs::of(snapshot, &plan.template, &plan.impact);
                self.phase = Phase::Surveying(causes);
                Step::Survey(needs)
            }
            Ok(Decision::Change(plan)) => self.write(snapshot, *plan, causes),
            Ok(Decision::Nothing { .. }) => {
                let words = "the revision to go back to is the one that fails".to_string();
                not_undone(NoWayBack::Refused(words), causes)
            }
            Err(refusal) => not_undone(NoWayBack::Refused(refusal.to_string()), causes),
        }
    }

    fn surveyed(&mut self, snapshot: &Snapshot, causes: Vec<Cause>) -> Step {
        match Some(&template::normal(snapshot.workload.template())) == self.template.as_ref() {
            true => self.turn(snapshot, causes),
            false => Step::End(Ending::Superseded),
        }
    }

    fn write(&mut self, snapshot: &Snapshot, plan: Plan, causes: Vec<Cause>) -> Step {
        let stopped: Vec<&'static str> =
            plan.stopped_by(&self.options.allow).map(|warning| warning.id.as_str()).collect();
        if !stopped.is_empty() {
            return Step::End(Ending::NotUndone { why: NoWayBack::Stopped(stopped), causes });
        }
        let back = Back {
            follow: Follow::driving(&plan.template, self.options.undo_limit),
            template: template::normal(&plan.template),
            from: plan.from,
            to: plan.to,
            causes: causes.clone(),
        };
        // Without a request the old template is there already, and only a stuck set is freed.
        let Some(request) = plan.requests.into_iter().next() else {
            self.phase = Phase::Backward(back);
            return Step::Wait;
        };
        let request = request.only_if(operations::stored_stays(&snapshot.workload));
        self.phase = Phase::Turning { back, sent: None };
        Step::Send { act: Act::GoBack { to: plan.to, causes }, request }
    }

    /// What was sent may not show yet, or may not have got through.
    fn turning(&mut self, snapshot: &Snapshot, back: Back, sent: Option<Outcome>) -> Step {
        let live = template::normal(snapshot.workload.template());
        if live == back.template {
            return self.backward(snapshot, back);
        }
        if Some(&live) != self.template.as_ref() {
            return Step::End(Ending::Superseded);
        }
        match sent {
            None | Some(Outcome::Done(_)) => {
                self.phase = Phase::Turning { back, sent };
                Step::Wait
            }
            Some(Outcome::Changed) => self.turn(snapshot, back.causes),
            // It says nothing of the workload. A server that comes back may send several of them home first.
            Some(Outcome::Unanswered | Outcome::NotNow(_)) => {
                self.attempts -= 1;
                self.turn(snapshot, back.causes)
            }
            Some(Outcome::Gone) => Step::End(Ending::Gone),
            Some(Outcome::Refused(words)) => {
                Step::End(Ending::NotUndone { why: NoWayBack::Refused(words), causes: back.causes })
            }
        }
    }

    fn backward(&mut self, snapshot: &Snapshot, mut back: Back) -> Step {
        let (progress, step) = back.follow.step(snapshot);
        let ending = match step {
            Step::End(ending) => ending,
            Step::Wait
            | Step::Soak(_)
            | Step::Passed
            | Step::Survey(_)
            | Step::Send { .. }
            | Step::SendAll(_)
            | Step::Check(_) => {
                self.phase = Phase::Backward(back);
                return step;
            }
        };
        let why = match ending {
            Ending::Complete => {
                return Step::End(Ending::Undone { from: back.from, to: back.to, causes: back.causes });
            }
            Ending::Superseded | Ending::Gone => return Step::End(ending),
            Ending::Failed => NoWayBack::Failed(progress.causes.failed),
            Ending::TimedOut => NoWayBack::TimedOut,
            Ending::Held(hold) => NoWayBack::Held(hold),
            Ending::Refused(words) | Ending::CheckBroken(words) => NoWayBack::Refused(words),
            // What is followed is no rollout in steps.
            Ending::Undone { .. }
            | Ending::NotUndone { .. }
            | Ending::Paused { .. }
            | Ending::HeldShort { .. }
            | Ending::StepFailed { .. }
            | Ending::StepHeld { .. }
            | Ending::Aborted { .. }
            | Ending::AbortedByHand
            | Ending::TakenOver(_) => return Step::End(ending),
        };
        Step::End(Ending::NotUndone { why, causes: back.causes })
    }

    fn remember(&mut self, snapshot: &Snapshot, progress: &Progress) {
        let works = |revision: &&Revision| revision.pods.available > 0;
        if let Some(works) = snapshot.history.others().find(works).filter(|_| snapshot.observed()) {
            self.proven = Some(works.name.clone());
        }
        self.works |= new(snapshot).any(|pod| snapshot.available(pod));
        if self.works {
            self.late = None;
        } else if let Some(pod) = blamed(snapshot, progress).find(|pod| !is_starting(pod, false, snapshot)) {
            self.late = Some(pod.clone());
        } else if snapshot.living().any(|pod| self.late.as_ref().is_some_and(|late| late.uid == pod.uid)) {
            self.late = None;
        }
    }
}

impl Machine for Guard {
    fn step(&mut self, snapshot: &Snapshot) -> (Progress, Step) {
        let mut progress = evaluate(snapshot);
        let step = match std::mem::replace(&mut self.phase, Phase::Forward) {
            Phase::Forward => self.forward(snapshot, &mut progress),
            Phase::Surveying(causes) => self.surveyed(snapshot, causes),
            Phase::Turning { back, sent } => self.turning(snapshot, back, sent),
            Phase::Backward(back) => self.backward(snapshot, back),
        };
        (progress, step)
    }

    fn sent(&mut self, outcome: &Outcome) {
        match &mut self.phase {
            Phase::Forward => self.freeing.iter_mut().for_each(|freeing| freeing.sent(outcome)),
            Phase::Surveying(_) => {}
            Phase::Turning { back, sent } => {
                self.news.extend(back.stored(outcome));
                *sent = Some(outcome.clone());
            }
            Phase::Backward(back) => back.follow.sent(outcome),
        }
    }

    fn checked(&mut self, verdict: Verdict) {
        self.gate.checked(verdict);
    }

    fn told(&mut self, order: &Order) {
        self.order = Some(order.clone());
    }

    fn news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.news)
    }
}

/// Returns what checks of these pods are told.
fn check_run(snapshot: &Snapshot, pods: &[&Pod]) -> CheckRun {
    CheckRun {
        revision: snapshot.target().and_then(|target| target.number),
        step: 0,
        pods: pods.iter().map(|pod| pod.name.clone()).collect(),
        nodes: pods.iter().filter_map(|pod| pod.node.clone()).collect(),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
