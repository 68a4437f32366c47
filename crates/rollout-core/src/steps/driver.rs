//! Driving a rollout in steps. The driver reads where it is from the workload and the pods every time, so that another one
//! can go on wherever it dies; only the time that a gate has run is lost.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::abort;
use super::hold::{Live, live, stand_still};
use super::moves;
use super::places::{Place, Places};
use super::put_back::Back;
use super::record::{
    self, Holder, OnFailure, Reached, Recorded, Rollout, Stage, Way, restored_limit, set_strategy,
};
use crate::causes::{Cause, CauseId};
use crate::event::{Event, StepProgress};
use crate::gate::{Gate, GateOptions, GateState};
use crate::json::text;
use crate::kind::Kind;
use crate::machine::{Act, CheckRun, Deadline, Ending, Machine, Order, Sent, Step, Verdict, Why};
use crate::plan::{self, Request};
use crate::pods::Pod;
use crate::snapshot::{Side, Snapshot};
use crate::status::{Progress, evaluate};
use crate::stored::Stored;
use crate::stuck::{self, Blockage};
use crate::workload::Strategy;

/// How often what holds the workload is put back before somebody's will counts.
const HOLDS: u32 = 3;
/// Seconds within which the first pictures may be older than what was written before.
const PATIENCE: i64 = 30;

/// A driver of one stored rollout.
#[derive(Clone, Debug)]
pub struct Driver {
    pub(super) holder: Holder,
    gate: Option<(usize, Timestamp, Gate)>,
    pub(super) deletions: moves::Sent,
    reported: BTreeSet<String>,
    /// What was sent last, and the version of the workload that it was sent on.
    last: Option<(Last, Option<String>)>,
    /// How it ends when what is stored is gone.
    pub(super) ending: Option<Ending>,
    /// The rollout that is taken back by the controller alone: nothing is stored of it any more.
    pub(super) back: Option<Back>,
    /// Why a step failed.
    pub(super) causes: Vec<Cause>,
    refused: Option<String>,
    /// What a disruption budget said last.
    forbidden: Option<String>,
    holds: u32,
    /// Whether a picture has shown what was written before this driver began: the first ones may be older.
    seen: bool,
    patience: Deadline,
    told: Option<StepProgress>,
    news: Vec<Event>,
}

#[derive(Clone, Debug)]
enum Last {
    Deletion { uid: String, pod: String },
    Patch,
}

impl Driver {
    /// Drives what is stored, as long as `holder` is who is stored with it.
    pub fn new(holder: Holder) -> Driver {
        Driver {
            holder,
            gate: None,
            deletions: moves::Sent::default(),
            reported: BTreeSet::new(),
            last: None,
            ending: None,
            back: None,
            causes: Vec::new(),
            refused: None,
            forbidden: None,
            holds: 0,
            seen: false,
            patience: Deadline::new(Some(PATIENCE)),
            told: None,
            news: Vec::new(),
        }
    }

    /// Drives the way back after the requests of an [`abort`](super::abort()) were sent; `rollout` is what was stored before.
    pub fn aborting(holder: Holder, rollout: Rollout) -> Driver {
        let rollout = Rollout { failure: None, ..rollout };
        Driver { back: Some(Back::new(rollout)), ..Driver::new(holder) }
    }

    fn decide(&mut self, snapshot: &Snapshot, progress: &Progress) -> Step {
        if let Some(words) = &self.refused {
            return Step::End(Ending::Refused(words.clone()));
        }
        if self.is_behind(snapshot) {
            return Step::Wait;
        }
        self.deletions.forget(snapshot);
        let rollout = match Stored::read(&snapshot.workload) {
            Err(unreadable) => return Step::End(Ending::Refused(unreadable.to_string())),
            Ok(stored) => stored.and_then(|it| it.rollout),
        };
        let Some(rollout) = rollout else { return self.nothing_stored(snapshot, progress) };
        if rollout.workload != snapshot.workload.id.uid {
            return Step::End(Ending::Gone);
        }
        let mine = rollout.holder.as_ref() == Some(&self.holder);
        let awaited = mine && (self.back.is_none() || self.seen || rollout.phase == Stage::Aborting);
        if !awaited && !self.seen && !self.patience.is_over(snapshot.now) {
            return Step::Wait;
        }
        self.seen |= awaited;
        match rollout.phase {
            Stage::Paused => self.paused(snapshot, &rollout),
            Stage::Failed => Step::End(Ending::StepFailed {
                step: rollout.done + 1,
                causes: std::mem::take(&mut self.causes),
            }),
            Stage::Running | Stage::Aborting if !mine => Step::End(Ending::TakenOver(rollout.holder)),
            Stage::Running => self.forward(snapshot, &rollout, progress),
            Stage::Aborting => self.put_back(snapshot, &rollout, progress),
        }
    }

    /// After a patch nothing is decided on a picture that does not show what came of it.
    fn is_behind(&self, snapshot: &Snapshot) -> bool {
        let Some((Last::Patch, Some(version))) = &self.last else { return false };
        version_of(snapshot).as_ref() == Some(version)
    }

    fn nothing_stored(&mut self, snapshot: &Snapshot, progress: &Progress) -> Step {
        if let Some(ending) = self.ending.take() {
            return Step::End(ending);
        }
        match self.back.take() {
            Some(back) => self.follow_back(snapshot, progress, back),
            None if self.seen => Step::End(Ending::Superseded),
            None if !self.patience.is_over(snapshot.now) => Step::Wait,
            None => Step::End(Ending::Refused("no rollout in steps is stored".to_string())),
        }
    }

    fn paused(&mut self, snapshot: &Snapshot, rollout: &Rollout) -> Step {
        if let Some(ending) = self.ending.take() {
            return Step::End(ending);
        }
        let of = Places::of(snapshot, rollout).map_or(0, |places| places.ends.len());
        Step::End(Ending::Paused { done: rollout.done, of })
    }

    fn forward(&mut self, snapshot: &Snapshot, rollout: &Rollout, progress: &Progress) -> Step {
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
                let after = Rollout { target: Some(Recorded::of(current)), ..rollout.clone() };
                return self.write(snapshot, Act::Record, Some(&after), Vec::new());
            }
            (Some(_) | None, _) => {}
        }
        let Some(places) = Places::of(snapshot, rollout) else {
            let words = "the pods, or the nodes, cannot be read";
            return Step::End(Ending::Refused(words.to_string()));
        };
        if !observed {
            return self.wait(snapshot, rollout, &places, rollout.done);
        }
        self.report(snapshot, rollout, &places);
        let causes = failures(snapshot, rollout, progress);
        if !causes.is_empty() {
            return self.fail(snapshot, rollout, causes);
        }
        if rollout.done >= places.ends.len() {
            return self.finish(snapshot, rollout, &places);
        }
        self.step_on(snapshot, rollout, &places)
    }

    /// One step: its pods are moved, and then they have to pass the gate.
    fn step_on(&mut self, snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>) -> Step {
        let end = places.end(rollout.done + 1);
        if let Some(step) = self.move_on(snapshot, rollout, places, end) {
            return step;
        }
        let scope = &places.all[..end];
        let healthy = scope.iter().all(|place| place.is_settled(snapshot));
        if places.added(rollout.done).is_empty() && healthy {
            return self.step_done(snapshot, rollout, places);
        }
        self.pass(snapshot, rollout, places, healthy)
    }

    fn pass(&mut self, snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>, healthy: bool) -> Step {
        let scope = &places.all[..places.end(rollout.done + 1)];
        let new: Vec<&Pod> = scope
            .iter()
            .flat_map(Place::living)
            .filter(|pod| snapshot.side(pod) == Side::New && !moves::is_stale_failure(snapshot, rollout, pod))
            .collect();
        let state = self.gate(rollout).look(&new, healthy, snapshot.now);
        match state {
            GateState::Failed(cause) => self.fail(snapshot, rollout, vec![cause]),
            GateState::Broken(words) => Step::End(Ending::CheckBroken(words)),
            GateState::Check => Step::Check(check_run(snapshot, rollout, places)),
            GateState::Open => self.step_done(snapshot, rollout, places),
            GateState::Soaking(left) => Step::Soak(left),
            GateState::Closed => self.wait(snapshot, rollout, places, rollout.done),
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
            return self.delete(snapshot, rollout, pod, Why::Blocks);
        }
        let scope = &places.all[..end];
        let retried = |pod: &Pod| moves::is_stale_failure(snapshot, rollout, pod);
        let unwanted = |pod: &Pod| snapshot.side(pod) == Side::Old || retried(pod);
        match rollout.way(snapshot.workload.id.kind) {
            Way::Deletion => {
                let pod = moves::next(snapshot, rollout, places, scope, &self.deletions, &unwanted)?;
                let why = if retried(pod) { Why::Retry } else { Why::OnDelete };
                self.delete(snapshot, rollout, pod, why)
            }
            Way::Partition => {
                let partition = snapshot.workload.desired - end as u32;
                if snapshot.workload.partition() > partition {
                    return Some(self.lower(snapshot, rollout, partition));
                }
                let pod = moves::next(snapshot, rollout, places, scope, &self.deletions, &retried)?;
                self.delete(snapshot, rollout, pod, Why::Retry)
            }
        }
    }

    /// Lowers the partition. It is counted against the replicas, which must be what they were.
    pub(super) fn lower(&mut self, snapshot: &Snapshot, rollout: &Rollout, partition: u32) -> Step {
        let workload = &snapshot.workload;
        let reached = Some(Reached::Index { partition, replicas: workload.desired });
        let after = Rollout { reached, ..rollout.clone() };
        let replicas = workload.object.pointer("/spec/replicas");
        let mut changes: Vec<_> =
            replicas.map(|it| plan::test("/spec/replicas", it.clone())).into_iter().collect();
        changes.push(set_strategy(&rollout.held_strategy(workload.id.kind, partition)));
        self.write(snapshot, Act::Partition { to: partition }, Some(&after), changes)
    }

    /// Deletes or evicts a pod, unless that was asked for already.
    pub(super) fn delete(
        &mut self,
        snapshot: &Snapshot,
        rollout: &Rollout,
        pod: &Pod,
        why: Why,
    ) -> Option<Step> {
        if self.deletions.sure.contains(&pod.uid) {
            return None;
        }
        let namespace = &snapshot.workload.id.namespace;
        let name = pod.name.clone();
        self.last = Some((Last::Deletion { uid: pod.uid.clone(), pod: name.clone() }, None));
        // A budget counts a pod that is not ready as disrupted already and would forbid to end it.
        Some(if rollout.options.evict && pod.ready() {
            let request = Request::evict_pod(namespace, &pod.name, &pod.uid);
            Step::Send { act: Act::Evict { pod: name, why }, request }
        } else {
            let request = Request::delete_pod(namespace, &pod.name, &pod.uid);
            Step::Send { act: Act::Delete { pod: name, why }, request }
        })
    }

    pub(super) fn write(
        &mut self,
        snapshot: &Snapshot,
        act: Act,
        after: Option<&Rollout>,
        changes: Vec<serde_json::Value>,
    ) -> Step {
        self.send(snapshot, act, record::write(&snapshot.workload, after, changes))
    }

    fn send(&mut self, snapshot: &Snapshot, act: Act, request: Request) -> Step {
        self.last = Some((Last::Patch, version_of(snapshot)));
        Step::Send { act, request }
    }

    fn step_done(&mut self, snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>) -> Step {
        let done = rollout.done + 1;
        let pauses = rollout.pause_at.is_some_and(|at| done >= at) && done < places.ends.len();
        let partition = snapshot.workload.partition();
        let after = Rollout {
            done,
            began: snapshot.now,
            reached: places.reached(snapshot, done, partition).or_else(|| rollout.reached.clone()),
            retry: false,
            phase: if pauses { Stage::Paused } else { Stage::Running },
            holder: if pauses { None } else { rollout.holder.clone() },
            ..rollout.clone()
        };
        self.write(snapshot, Act::StepDone { done }, Some(&after), Vec::new())
    }

    /// After the last step: the strategy comes back when no node and no ordinal is old, since its controller would replace
    /// those at once (hazard H8).
    fn finish(&mut self, snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>) -> Step {
        let end = places.end(places.ends.len());
        if let Some(step) = self.move_on(snapshot, rollout, places, end) {
            return step;
        }
        if !places.all[..end].iter().all(|place| place.is_settled(snapshot)) {
            return self.wait(snapshot, rollout, places, places.ends.len() - 1);
        }
        let old = still_old(snapshot, places);
        if !old.is_empty() {
            self.ending = Some(Ending::HeldShort { old });
            let after = Rollout { phase: Stage::Paused, holder: None, ..rollout.clone() };
            return self.write(snapshot, Act::Finish, Some(&after), Vec::new());
        }
        if is_completing(snapshot, rollout) {
            return self.wait(snapshot, rollout, places, places.ends.len() - 1);
        }
        self.ending = Some(Ending::Complete);
        self.end(snapshot, rollout)
    }

    /// Puts back what was there, and leaves no trace.
    pub(super) fn end(&mut self, snapshot: &Snapshot, rollout: &Rollout) -> Step {
        let mut changes = vec![set_strategy(&rollout.strategy)];
        changes.extend(restored_limit(rollout));
        self.write(snapshot, Act::Finish, None, changes)
    }

    /// Waits for a step, but not for ever.
    fn wait(&mut self, snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>, done: usize) -> Step {
        if !is_over(snapshot, rollout) {
            return Step::Wait;
        }
        let scope = &places.all[..places.end(done + 1)];
        let waits: Vec<&str> = scope
            .iter()
            .filter(|place| !place.is_settled(snapshot))
            .map(|place| place.name.as_str())
            .collect();
        let missing = places.all.iter().filter(|place| !place.serves(snapshot));
        let blocks: Vec<&str> = missing.map(|place| place.name.as_str()).collect();
        let message = match (snapshot.observed(), waits.is_empty()) {
            (false, _) => "the controller has not acted upon the change within the time given".to_string(),
            (true, false) => {
                let mut words = format!("not new and available within the time given: {}", some(&waits));
                if !blocks.is_empty() {
                    words += &format!("; without an available pod: {}", some(&blocks));
                }
                words
            }
            (true, true) => "the step is not over within the time given".to_string(),
        };
        let cause = Cause { evidence: self.forbidden.clone(), ..Cause::new(CauseId::Deadline, message) };
        self.fail(snapshot, rollout, vec![cause])
    }

    fn fail(&mut self, snapshot: &Snapshot, rollout: &Rollout, causes: Vec<Cause>) -> Step {
        let words = causes.iter().map(|it| it.message.as_str()).collect::<Vec<_>>().join("; ");
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
            Some(Reached::Node { .. }) | None => record::ALL,
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
            after.strategy = record::strategy_of(workload);
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

impl Machine for Driver {
    fn step(&mut self, snapshot: &Snapshot) -> (Progress, Step) {
        let progress = evaluate(snapshot);
        let step = self.decide(snapshot, &progress);
        (progress, step)
    }

    fn sent(&mut self, sent: &Sent) {
        let Some((last, version)) = self.last.take() else { return };
        match (last, sent) {
            (Last::Deletion { uid, .. }, Sent::Done | Sent::Changed | Sent::Gone) => {
                self.deletions.doubtful.retain(|it| *it != uid);
                self.deletions.sure.push(uid);
                self.forbidden = None;
            }
            (Last::Deletion { uid, .. }, Sent::Unanswered) => {
                if !self.deletions.doubtful.contains(&uid) {
                    self.deletions.doubtful.push(uid);
                }
            }
            (Last::Deletion { pod, .. }, Sent::NotNow(words)) => self.not_now(pod, words),
            (Last::Patch, Sent::Done | Sent::Changed) => self.last = Some((Last::Patch, version)),
            // It is done or not: the next picture says which, and the patch tests what it stands on.
            (Last::Patch, Sent::Unanswered | Sent::Gone | Sent::NotNow(_)) => {}
            (_, Sent::Refused(words)) => self.refused = Some(words.clone()),
        }
    }

    fn checked(&mut self, verdict: Verdict) {
        if let Some((_, _, gate)) = &mut self.gate {
            gate.checked(verdict);
        }
    }

    fn told(&mut self, _: &Order) {}

    fn news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.news)
    }
}

impl Driver {
    /// A budget that can never be computed never allows it (hazard H21): `pkg/registry/core/pod/storage/eviction.go` says so.
    fn not_now(&mut self, pod: String, words: &str) {
        if words.contains("failed sync") {
            self.refused = Some(words.to_string());
        }
        if self.forbidden.as_deref() != Some(words) {
            self.news.push(Event::EvictionForbidden { pod, words: words.to_string() });
        }
        self.forbidden = Some(words.to_string());
    }
}

/// What fails, but for what failed before the rollout was resumed, and a blocker, which is freed.
fn failures(snapshot: &Snapshot, rollout: &Rollout, progress: &Progress) -> Vec<Cause> {
    let stale = |cause: &Cause| {
        snapshot.pods.iter().flatten().any(|pod| {
            Some(&pod.name) == cause.pod.as_ref() && moves::is_stale_failure(snapshot, rollout, pod)
        })
    };
    progress.causes.iter().filter(|it| it.id != CauseId::StsStuck && !stale(it)).cloned().collect()
}

/// Returns what stays old although all steps are done: nodes, also those in no step, or pods.
fn still_old(snapshot: &Snapshot, places: &Places<'_>) -> Vec<String> {
    let old = |pod: &Pod| snapshot.side(pod) == Side::Old;
    let within = places.all.iter().filter(|place| place.living().any(old)).map(|place| place.name.clone());
    let elsewhere = places.elsewhere.iter().filter(|pod| !pod.terminating && !pod.ended() && old(pod));
    within.chain(elsewhere.map(|pod| pod.node.clone().unwrap_or_else(|| pod.name.clone()))).collect()
}

/// A partition that was there before may come back only when the set's current revision is the new one: a pod below it would
/// come back old (hazard H2).
fn is_completing(snapshot: &Snapshot, rollout: &Rollout) -> bool {
    let status = &snapshot.workload.status;
    rollout.way(snapshot.workload.id.kind) == Way::Partition
        && rollout.partition_before() > 0
        && snapshot.workload.desired > 0
        && status.current_revision != status.update_revision
}

pub(super) fn is_over(snapshot: &Snapshot, rollout: &Rollout) -> bool {
    let limit = rollout.options.timeout.map(|limit| limit.saturating_add(rollout.options.soak));
    limit.is_some_and(|limit| snapshot.now.as_second() - rollout.began.as_second() >= limit)
}

fn version_of(snapshot: &Snapshot) -> Option<String> {
    text(&snapshot.workload.object, "/metadata/resourceVersion")
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

fn some(names: &[&str]) -> String {
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 5 { format!("{shown} and {} more", names.len() - 5) } else { shown }
}
