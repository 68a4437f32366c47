//! Guarding a rollout: it is followed to its end and through its gate, and taken back where it fails. A state machine over
//! snapshots.

use serde_json::Value;

use crate::cause::{Cause, CauseId};
use crate::follow::Follow;
use crate::gate::{Gate, GateOptions, GateState};
use crate::history::{NoRevision, RevisionSelector};
use crate::machine::{Act, CheckRun, Deadline, Ending, Machine, NoWayBack, Order, Sent, Step, Verdict};
use crate::plan::{Decision, Plan};
use crate::pods::Pod;
use crate::revision::{Revision, RevisionNumber};
use crate::snapshot::{Side, Snapshot};
use crate::status::{Progress, State, evaluate};
use crate::surroundings::Needs;
use crate::template;
use crate::undo::{self, UndoOptions};

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
}

#[derive(Clone, Debug)]
enum Phase {
    Forward,
    /// What is around the workload is looked at, because it may stop the way back.
    Surveying(Vec<Cause>),
    /// The way back is written, or was meant to be.
    Turning {
        back: Back,
        sent: Option<Sent>,
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

impl Guard {
    /// Guards whatever template the first picture shows.
    pub fn new(options: GuardOptions) -> Guard {
        Guard {
            template: None,
            gate: Gate::new(options.gate),
            deadline: Deadline::new(options.limit),
            proven: None,
            recent: None,
            order: None,
            phase: Phase::Forward,
            surveyed: false,
            attempts: 0,
            freeing: None,
            options,
        }
    }

    /// Guards one template; another one in the first picture is somebody else's.
    pub fn of(template: &Value, options: GuardOptions) -> Guard {
        Guard { template: Some(template::normal(template)), ..Guard::new(options) }
    }

    fn forward(&mut self, snapshot: &Snapshot, progress: &Progress) -> Step {
        let live = template::normal(snapshot.workload.template());
        if *self.template.get_or_insert_with(|| live.clone()) != live {
            return Step::End(Ending::Superseded);
        }
        self.remember(snapshot);
        let over = self.deadline.is_over(snapshot.now);
        let recent = *self.recent.get_or_insert_with(|| is_recent(snapshot, progress, self.options.limit));
        if let Some(Order::TakeBack(words)) = self.order.as_ref().filter(|_| recent) {
            let cause = Cause::new(CauseId::Together, words.clone());
            return self.turn(snapshot, vec![cause]);
        }
        match (progress.state, progress.hold) {
            (State::Failed, _) if only_stuck(progress) => self.free(snapshot),
            (State::Failed, _) => self.turn(snapshot, progress.causes.failed.clone()),
            (State::Held, Some(hold)) => Step::End(Ending::Held(hold)),
            (State::Complete | State::Held | State::Advancing | State::Stalled | State::Unobserved, _) => {
                self.pass(snapshot, progress, over)
            }
        }
    }

    fn free(&mut self, snapshot: &Snapshot) -> Step {
        let template = snapshot.workload.template();
        self.freeing.get_or_insert_with(|| Follow::driving(template, None)).step(snapshot).1
    }

    fn pass(&mut self, snapshot: &Snapshot, progress: &Progress, over: bool) -> Step {
        let pods: Vec<&Pod> = snapshot.living().filter(|pod| snapshot.side(pod) == Side::New).collect();
        match self.gate.look(&pods, progress.state == State::Complete, snapshot.now) {
            GateState::Failed(cause) => self.turn(snapshot, vec![cause]),
            GateState::Broken(words) => Step::End(Ending::CheckBroken(words)),
            GateState::Check => Step::Check(check_run(snapshot, &pods)),
            GateState::Open if self.options.together && self.order.is_none() => Step::Passed,
            GateState::Open => Step::End(Ending::Complete),
            GateState::Closed if over => self.time_is_over(snapshot, progress),
            GateState::Closed => Step::Wait,
            GateState::Soaking(left) => Step::Soak(left),
        }
    }

    /// A rollout whose new pods are fine is not taken back because something else holds it up (hazard H11).
    fn time_is_over(&mut self, snapshot: &Snapshot, progress: &Progress) -> Step {
        let unhealthy = snapshot.living().find(|pod| {
            snapshot.side(pod) == Side::New
                && !pod.ready()
                && pod.node.is_some()
                && on_ready_node(snapshot, pod)
        });
        match unhealthy {
            None => Step::End(Ending::TimedOut),
            Some(pod) => {
                let mut causes = progress.causes.failed.clone();
                if causes.is_empty() {
                    let words = format!("pod {} is not ready within the time given", pod.name);
                    causes.insert(0, Cause::new(CauseId::Deadline, words));
                }
                self.turn(snapshot, causes)
            }
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
                | NoRevision::BeforeOldest { .. }),
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
            Ok(Decision::Change(plan)) => self.write(*plan, causes),
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

    fn write(&mut self, plan: Plan, causes: Vec<Cause>) -> Step {
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
        self.phase = Phase::Turning { back, sent: None };
        Step::Send { act: Act::GoBack { to: plan.to, causes }, request }
    }

    /// What was sent may not show yet, or may not have got through.
    fn turning(&mut self, snapshot: &Snapshot, back: Back, sent: Option<Sent>) -> Step {
        let live = template::normal(snapshot.workload.template());
        if live == back.template {
            return self.backward(snapshot, back);
        }
        if Some(&live) != self.template.as_ref() {
            return Step::End(Ending::Superseded);
        }
        match sent {
            None | Some(Sent::Done) => {
                self.phase = Phase::Turning { back, sent };
                Step::Wait
            }
            Some(Sent::Changed | Sent::Unanswered | Sent::NotNow(_)) => self.turn(snapshot, back.causes),
            Some(Sent::Gone) => Step::End(Ending::Gone),
            Some(Sent::Refused(words)) => {
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

    fn remember(&mut self, snapshot: &Snapshot) {
        let works = |revision: &&Revision| revision.pods.available > 0;
        if let Some(works) = snapshot.history.others().find(works).filter(|_| snapshot.observed()) {
            self.proven = Some(works.name.clone());
        }
    }
}

impl Machine for Guard {
    fn step(&mut self, snapshot: &Snapshot) -> (Progress, Step) {
        let progress = evaluate(snapshot);
        let step = match std::mem::replace(&mut self.phase, Phase::Forward) {
            Phase::Forward => self.forward(snapshot, &progress),
            Phase::Surveying(causes) => self.surveyed(snapshot, causes),
            Phase::Turning { back, sent } => self.turning(snapshot, back, sent),
            Phase::Backward(back) => self.backward(snapshot, back),
        };
        (progress, step)
    }

    fn sent(&mut self, outcome: &Sent) {
        match &mut self.phase {
            Phase::Forward => self.freeing.iter_mut().for_each(|freeing| freeing.sent(outcome)),
            Phase::Surveying(_) => {}
            Phase::Turning { sent, .. } => *sent = Some(outcome.clone()),
            Phase::Backward(back) => back.follow.sent(outcome),
        }
    }

    fn checked(&mut self, verdict: Verdict) {
        self.gate.checked(verdict);
    }

    fn told(&mut self, order: &Order) {
        self.order = Some(order.clone());
    }
}

/// A rollout goes on, or began within the time that one may take.
fn is_recent(snapshot: &Snapshot, progress: &Progress, limit: Option<i64>) -> bool {
    let since = snapshot.target().and_then(|target| target.live_since);
    let age = since.map_or(0, |since| snapshot.now.as_second() - since.as_second());
    progress.state != State::Complete || age <= limit.unwrap_or(i64::MAX)
}

/// The new revision is not to blame: no pod of it was made yet, or all that were made work.
fn only_stuck(progress: &Progress) -> bool {
    progress.causes.failed.iter().all(|cause| cause.id == CauseId::StsStuck)
}

fn on_ready_node(snapshot: &Snapshot, pod: &Pod) -> bool {
    snapshot.evidence.dead_node(pod).is_none()
}

/// Returns what checks of these pods are told.
pub(crate) fn check_run(snapshot: &Snapshot, pods: &[&Pod]) -> CheckRun {
    CheckRun {
        revision: snapshot.target().and_then(|target| target.number),
        step: 0,
        pods: pods.iter().map(|pod| pod.name.clone()).collect(),
        nodes: pods.iter().filter_map(|pod| pod.node.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{now, pod, pods, revision, snapshot, stateful, workload};
    use crate::kind::Kind;
    use k8s_openapi::jiff::SignedDuration;
    use serde_json::json;

    const KIND: Kind = Kind::DaemonSet;

    #[test]
    fn a_set_that_hangs_on_a_pod_of_a_revision_that_it_left_is_freed_and_guarded_on() {
        let sts = Kind::StatefulSet;
        let revisions = [(1, "aaa"), (2, "bbb"), (3, "ccc")]
            .map(|(number, hash)| revision(sts, number, &format!("app:{number}"), hash));
        let mut pods = pods(sts, "aaa");
        pods[2] = pod(sts, "web-2", "bbb", false);
        let hangs = snapshot(sts, stateful("app:3", 0, "aaa", "ccc"), revisions.to_vec(), pods.clone());
        let mut guard = Guard::new(options());
        let step = guard.step(&hangs).1;
        let deletes = |step: &Step| {
            let Step::Send { act: Act::Delete { pod, .. }, .. } = step else { return None };
            Some(pod.clone())
        };
        assert_eq!(deletes(&step).as_deref(), Some("web-2"));
        guard.sent(&Sent::Done);
        assert_eq!(guard.step(&hangs).1, Step::Wait);
        // What comes in its place is judged as any new pod.
        pods[2] = pod(sts, "web-2", "ccc", false);
        pods[2].uid = "another".into();
        pods[2].containers[0].waiting = Some(("ImagePullBackOff".into(), "Back-off".into()));
        let fails = snapshot(sts, stateful("app:3", 0, "aaa", "ccc"), revisions.to_vec(), pods);
        assert_eq!(goes_back(&look(&mut guard, &fails)), Some(1));
    }

    fn options() -> GuardOptions {
        GuardOptions {
            gate: GateOptions { soak: 30, max_restarts: 0, checks: false },
            limit: Some(600),
            undo_limit: Some(600),
            allow: Vec::new(),
            back_to: None,
            before: None,
            together: false,
        }
    }

    /// Three revisions; the workload is at one of them, with these pods, after so many seconds.
    fn at(image: u64, pods: Vec<Pod>, seconds: i64) -> Snapshot {
        let object = workload(KIND, &format!("app:{image}"), json!({"type": "RollingUpdate"}));
        let revisions = [(1, "aaa"), (2, "bbb"), (3, "ccc")]
            .map(|(number, hash)| revision(KIND, number, &format!("app:{number}"), hash));
        let mut seen = snapshot(KIND, object, revisions.to_vec(), pods);
        seen.now = now() + SignedDuration::from_secs(seconds);
        seen
    }

    fn failing(hash: &str, others: &str) -> Vec<Pod> {
        let mut pods = pods(KIND, others);
        pods[0] = pod(KIND, "web-0", hash, false);
        pods[0].containers[0].waiting = Some(("ImagePullBackOff".into(), "Back-off".into()));
        pods
    }

    /// Shows a picture, and shows it again where the surroundings were asked for.
    fn look(guard: &mut Guard, snapshot: &Snapshot) -> Step {
        match guard.step(snapshot).1 {
            Step::Survey(_) => guard.step(snapshot).1,
            step => step,
        }
    }

    fn goes_back(step: &Step) -> Option<u64> {
        match step {
            Step::Send { act: Act::GoBack { to, .. }, .. } => to.map(RevisionNumber::get),
            _ => None,
        }
    }

    #[test]
    fn a_good_rollout_soaks_and_ends() {
        let mut guard = Guard::new(options());
        assert_eq!(look(&mut guard, &at(3, pods(KIND, "bbb"), 0)), Step::Wait);
        assert_eq!(look(&mut guard, &at(3, pods(KIND, "ccc"), 10)), Step::Soak(30));
        assert_eq!(look(&mut guard, &at(3, pods(KIND, "ccc"), 40)), Step::End(Ending::Complete));
    }

    #[test]
    fn a_failed_one_goes_back_to_what_has_available_pods_and_is_undone_when_they_are_all_there() {
        let mut guard = Guard::new(options());
        let step = look(&mut guard, &at(3, failing("ccc", "aaa"), 0));
        assert_eq!(goes_back(&step), Some(1));
        guard.sent(&Sent::Done);
        assert_eq!(look(&mut guard, &at(3, failing("ccc", "aaa"), 1)), Step::Wait);
        assert_eq!(look(&mut guard, &at(1, failing("ccc", "aaa"), 2)), Step::Wait);
        match look(&mut guard, &at(1, pods(KIND, "aaa"), 3)) {
            Step::End(Ending::Undone { from, to, causes }) => {
                assert_eq!((from.map(RevisionNumber::get), to.map(RevisionNumber::get)), (Some(3), Some(1)));
                assert_eq!(causes[0].id, CauseId::ImagePull);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_proven_on_the_way_counts_when_its_pods_are_gone() {
        let mut guard = Guard::new(options());
        assert_eq!(look(&mut guard, &at(3, pods(KIND, "aaa"), 0)), Step::Wait);
        assert_eq!(goes_back(&look(&mut guard, &at(3, failing("ccc", "ccc"), 1))), Some(1));
        let mut late = Guard::new(options());
        let step = look(&mut late, &at(3, failing("ccc", "ccc"), 1));
        assert!(matches!(step, Step::End(Ending::NotUndone { why: NoWayBack::NoProof, .. })));
    }

    #[test]
    fn what_somebody_saw_before_or_asks_for_comes_first() {
        let seen = at(3, failing("ccc", "aaa"), 0);
        let before = seen.history.by_name("web-bbb").cloned().map(Box::new);
        let mut guard = Guard::new(GuardOptions { before, ..options() });
        assert_eq!(goes_back(&look(&mut guard, &seen)), Some(2));
        let mut guard = Guard::new(GuardOptions { back_to: RevisionNumber::new(2), ..options() });
        assert_eq!(goes_back(&look(&mut guard, &seen)), Some(2));
    }

    #[test]
    fn a_first_rollout_has_nothing_to_go_back_to() {
        let object = workload(KIND, "app:1", json!({"type": "RollingUpdate"}));
        let seen = snapshot(KIND, object, vec![revision(KIND, 1, "app:1", "aaa")], failing("aaa", "aaa"));
        let step = look(&mut Guard::new(options()), &seen);
        assert!(matches!(step, Step::End(Ending::NotUndone { why: NoWayBack::First, .. })));
    }

    #[test]
    fn somebody_elses_rollout_is_never_undone() {
        let mut guard = Guard::new(options());
        guard.step(&at(2, pods(KIND, "aaa"), 0));
        assert_eq!(look(&mut guard, &at(3, failing("ccc", "aaa"), 1)), Step::End(Ending::Superseded));
        let mut guard = Guard::new(options());
        assert!(goes_back(&look(&mut guard, &at(3, failing("ccc", "aaa"), 0))).is_some());
        guard.sent(&Sent::Changed);
        assert_eq!(look(&mut guard, &at(2, failing("ccc", "aaa"), 1)), Step::End(Ending::Superseded));
    }

    #[test]
    fn a_write_without_an_answer_is_looked_for_and_sent_again() {
        let bad = at(3, failing("ccc", "aaa"), 0);
        let mut guard = Guard::new(options());
        assert_eq!(goes_back(&look(&mut guard, &bad)), Some(1));
        guard.sent(&Sent::Unanswered);
        assert_eq!(goes_back(&look(&mut guard, &bad)), Some(1));
        guard.sent(&Sent::Unanswered);
        let step = look(&mut guard, &at(1, pods(KIND, "aaa"), 2));
        assert!(matches!(step, Step::End(Ending::Undone { .. })), "{step:?}");
    }

    #[test]
    fn it_does_not_write_for_ever() {
        let bad = at(3, failing("ccc", "aaa"), 0);
        let mut guard = Guard::new(options());
        for _ in 0..ATTEMPTS {
            assert!(goes_back(&look(&mut guard, &bad)).is_some());
            guard.sent(&Sent::Changed);
        }
        let step = look(&mut guard, &bad);
        assert!(matches!(step, Step::End(Ending::NotUndone { why: NoWayBack::Refused(_), .. })), "{step:?}");
    }

    #[test]
    fn when_the_time_is_over_unready_new_pods_fail_it_and_old_ones_do_not() {
        let mut unready = pods(KIND, "aaa");
        unready[0] = pod(KIND, "web-0", "ccc", false);
        let mut guard = Guard::new(GuardOptions { limit: Some(5), ..options() });
        assert_eq!(look(&mut guard, &at(3, unready.clone(), 0)), Step::Wait);
        assert_eq!(goes_back(&look(&mut guard, &at(3, unready, 5))), Some(1));
        let mut guard = Guard::new(GuardOptions { limit: Some(5), ..options() });
        guard.step(&at(3, pods(KIND, "aaa"), 0));
        assert_eq!(look(&mut guard, &at(3, pods(KIND, "aaa"), 5)), Step::End(Ending::TimedOut));
    }

    #[test]
    fn all_or_none_waits_for_the_others_and_is_taken_back_with_them() {
        let together = GuardOptions { together: true, ..options() };
        let good = |seconds| at(3, pods(KIND, "ccc"), seconds);
        let mut guard = Guard::new(together.clone());
        guard.step(&good(0));
        assert_eq!(look(&mut guard, &good(30)), Step::Passed);
        guard.told(&Order::Accept);
        assert_eq!(look(&mut guard, &good(31)), Step::End(Ending::Complete));
        let mut guard = Guard::new(GuardOptions { back_to: RevisionNumber::new(2), ..together });
        guard.step(&at(3, pods(KIND, "aaa"), 0));
        guard.step(&good(0));
        guard.told(&Order::TakeBack("deployment/other failed".into()));
        assert_eq!(goes_back(&look(&mut guard, &good(31))), Some(2));
    }

    #[test]
    fn a_way_back_that_fails_says_so() {
        let mut guard = Guard::new(options());
        look(&mut guard, &at(3, failing("ccc", "aaa"), 0));
        guard.sent(&Sent::Done);
        let step = look(&mut guard, &at(1, failing("aaa", "aaa"), 2));
        assert!(matches!(step, Step::End(Ending::NotUndone { why: NoWayBack::Failed(_), .. })), "{step:?}");
    }

    #[test]
    fn a_check_is_run_with_the_pods_and_its_failure_turns_back() {
        let gate = GateOptions { soak: 30, max_restarts: 0, checks: true };
        let mut guard = Guard::new(GuardOptions { gate, back_to: RevisionNumber::new(1), ..options() });
        let good = at(3, pods(KIND, "ccc"), 0);
        let Step::Check(run) = look(&mut guard, &good) else { panic!() };
        assert_eq!((run.pods.len(), run.revision.map(RevisionNumber::get)), (3, Some(3)));
        guard.checked(Verdict::Failed(Cause::new(CauseId::Check, "no".into())));
        assert_eq!(goes_back(&look(&mut guard, &good)), Some(1));
    }
}
