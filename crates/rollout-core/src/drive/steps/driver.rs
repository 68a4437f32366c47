//! Driving a rollout in steps. The driver reads where it is from the workload and the pods every time, so that another one
//! can go on wherever it dies; only the time that a gate has run is lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::drive::steps::backward::Back;
use crate::drive::steps::pace::Pace;
use crate::judge::cause::Cause;
use crate::judge::deletion;
use crate::judge::places::Places;
use crate::judge::status::{Progress, evaluate};
use crate::machine::act::{Act, Why};
use crate::machine::check::Verdict;
use crate::machine::contract::{Deadline, Machine, Order, Sent, Step};
use crate::machine::ending::Ending;
use crate::machine::event::{Event, StepProgress};
use crate::machine::gate::Gate;
use crate::objects::json::text;
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::plan::operations::{self, restored_limit, set_strategy};
use crate::plan::patch;
use crate::plan::request::Request;
use crate::snapshot::Snapshot;
use crate::stored::Stored;
use crate::stored::lease::{Holder, RENEW};
use crate::stored::rollout::{Reached, Rollout, Stage};

/// How often what holds the workload is put back before somebody's will counts.
pub(super) const HOLDS: u32 = 3;
/// Seconds within which a picture may be older than what was written.
const PATIENCE: i64 = 30;
/// Seconds until an eviction that a budget forbids is tried again: the first time, and at most.
const FORBIDDEN: (i64, i64) = (1, 30);

/// A driver of one stored rollout.
#[derive(Clone, Debug)]
pub struct Driver {
    pub(super) holder: Holder,
    /// The template that was written, and the generation before that.
    pub(super) started: Option<(Value, i64)>,
    /// The gate of a step: by how many are done before it, and when it began.
    pub(super) gate: Option<(usize, Timestamp, Gate)>,
    pub(super) pace: Pace,
    pub(super) deletions: deletion::Deletions,
    pub(super) reported: BTreeSet<String>,
    /// What was sent last, in this order, until it is known what came of it.
    last: VecDeque<Last>,
    /// What came of the last patch, until a picture shows it.
    written: Option<Written>,
    /// How it ends when what is stored is gone.
    pub(super) ending: Option<Ending>,
    /// The rollout that is taken back by the controller alone: nothing is stored of it any more.
    pub(super) back: Option<Back>,
    /// Why a step failed.
    pub(super) causes: Vec<Cause>,
    refused: Option<String>,
    /// UIDs of revision objects that what is stored was taken off.
    cleaned: Vec<String>,
    /// Evictions that disruption budgets forbid, by the pods' UIDs.
    pub(super) forbidden: BTreeMap<String, Forbidden>,
    /// What was said of them last.
    said: Option<String>,
    /// When the last picture was.
    now: Timestamp,
    pub(super) holds: u32,
    /// Whether a picture has shown what was written before this driver began: the first ones may be older.
    seen: bool,
    patience: Deadline,
    /// When it was last tried to renew the lease.
    renewal: Option<Timestamp>,
    pub(super) told: Option<StepProgress>,
    pub(super) news: Vec<Event>,
}

/// An eviction that is not allowed for now.
#[derive(Clone, Debug)]
pub(super) struct Forbidden {
    /// What the server said.
    pub words: String,
    /// Seconds from the last time to the next one.
    pause: i64,
    /// When it is tried again.
    until: Timestamp,
}

#[derive(Clone, Debug)]
enum Last {
    Deletion {
        uid: String,
        pod: String,
    },
    /// A patch of the workload as it was in this version.
    Patch {
        version: Option<String>,
    },
    /// A patch that may fail, of the workload as it was in this version.
    Renewal {
        version: Option<String>,
    },
    /// Something that may fail.
    Cleaning,
}

/// A patch that was answered.
#[derive(Clone, Debug)]
struct Written {
    /// The version of the workload that it was sent on.
    version: String,
    /// Whether what it tested was no more.
    refused: bool,
    patience: Deadline,
}

impl Driver {
    /// Drives what is stored, as long as `holder` is who is stored with it.
    pub fn new(holder: Holder) -> Driver {
        Driver {
            holder,
            started: None,
            gate: None,
            pace: Pace::default(),
            deletions: deletion::Deletions::default(),
            reported: BTreeSet::new(),
            last: VecDeque::new(),
            written: None,
            ending: None,
            back: None,
            causes: Vec::new(),
            refused: None,
            cleaned: Vec::new(),
            forbidden: BTreeMap::new(),
            said: None,
            now: Timestamp::MIN,
            holds: 0,
            seen: false,
            patience: Deadline::new(Some(PATIENCE)),
            renewal: None,
            told: None,
            news: Vec::new(),
        }
    }

    /// Drives a rollout whose start was just written: with that template, on a workload of that generation. Until the
    /// controller has recorded the template, nothing that is stored tells it from somebody else's.
    pub fn starting(holder: Holder, template: Value, generation: i64) -> Driver {
        Driver { started: Some((template, generation)), ..Driver::new(holder) }
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
        if let Some(step) = self.is_behind(snapshot) {
            return step;
        }
        self.deletions.forget(snapshot);
        self.forbidden.retain(|uid, _| snapshot.living().any(|pod| pod.uid == *uid));
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

    /// After a patch nothing is decided on a picture that does not show what came of it, for as long as that may take.
    fn is_behind(&mut self, snapshot: &Snapshot) -> Option<Step> {
        let written = self.written.as_mut()?;
        if version_of(snapshot).as_ref() != Some(&written.version) {
            self.written = None;
            return None;
        }
        if !written.patience.is_over(snapshot.now) {
            return Some(Step::Wait);
        }
        let refused = written.refused;
        self.written = None;
        let words = "the server refuses the change as if the workload had changed, and shows no change";
        refused.then(|| Step::End(Ending::Refused(words.to_string())))
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

    /// Lowers the partition. It is counted against the replicas, which must be what they were.
    pub(super) fn lower(&mut self, snapshot: &Snapshot, rollout: &Rollout, partition: u32) -> Step {
        let workload = &snapshot.workload;
        let reached = Some(Reached::Index { partition, replicas: workload.desired });
        let after = Rollout { reached, ..rollout.clone() };
        let mut changes: Vec<_> = replicas_are(snapshot).into_iter().collect();
        changes.push(set_strategy(&rollout.held_strategy(workload.id.kind, partition)));
        self.write(snapshot, Act::Partition { to: partition }, Some(&after), changes)
    }

    /// Deletes or evicts pods, unless that was asked for already, or a budget has just forbidden it.
    pub(super) fn delete(
        &mut self,
        snapshot: &Snapshot,
        rollout: &Rollout,
        pods: &[&Pod],
        why: impl Fn(&Pod) -> Why,
    ) -> Option<Step> {
        let namespace = &snapshot.workload.id.namespace;
        let waits = |pod: &Pod| self.forbidden.get(&pod.uid).is_some_and(|it| snapshot.now < it.until);
        let fresh = pods.iter().filter(|pod| !self.deletions.sure.contains(&pod.uid) && !waits(pod));
        let (last, requests): (VecDeque<Last>, Vec<(Act, Request)>) = fresh
            .map(|pod| {
                let (name, why) = (pod.name.clone(), why(pod));
                // A budget counts a pod that is not ready as disrupted already and would forbid to end it.
                let request = if rollout.options.evict && pod.ready() {
                    let request = Request::evict_pod(namespace, &pod.name, &pod.uid);
                    let again = self.forbidden.contains_key(&pod.uid);
                    (Act::Evict { pod: name.clone(), why, again }, request)
                } else {
                    let request = Request::delete_pod(namespace, &pod.name, &pod.uid);
                    (Act::Delete { pod: name.clone(), why }, request)
                };
                (Last::Deletion { uid: pod.uid.clone(), pod: name }, request)
            })
            .unzip();
        self.last = last;
        (!requests.is_empty()).then_some(Step::SendAll(requests))
    }

    pub(super) fn write(
        &mut self,
        snapshot: &Snapshot,
        act: Act,
        after: Option<&Rollout>,
        changes: Vec<serde_json::Value>,
    ) -> Step {
        // Whatever is written says that the driver is there.
        let after = after.map(|it| it.renewed(snapshot.now));
        self.send(snapshot, act, patch::write(&snapshot.workload, after.as_ref(), changes))
    }

    /// A driver that waits says now and then that it is still there. It goes on where it may not: what it holds is guarded by
    /// what each patch tests.
    fn renew(&mut self, snapshot: &Snapshot) -> Option<Step> {
        let rollout = Stored::of(&snapshot.workload)?.rollout?;
        let mine =
            rollout.holder.as_ref() == Some(&self.holder) && rollout.workload == snapshot.workload.id.uid;
        if !mine || !matches!(rollout.phase, Stage::Running | Stage::Aborting) || self.written.is_some() {
            return None;
        }
        let age = rollout.held(snapshot.now)?.renewed;
        let tried = self.renewal.map(|time| snapshot.now.as_second() - time.as_second());
        if age < RENEW || tried.is_some_and(|tried| tried < RENEW) {
            return None;
        }
        self.renewal = Some(snapshot.now);
        self.last = VecDeque::from([Last::Renewal { version: version_of(snapshot) }]);
        let after = rollout.renewed(snapshot.now);
        Some(Step::Send {
            act: Act::Renew,
            request: patch::write(&snapshot.workload, Some(&after), Vec::new()),
        })
    }

    /// A revision that was recorded meanwhile carries a copy of what is stored (hazard H23), which is taken off where that is
    /// allowed: no trace stays.
    pub(super) fn clean(&mut self, snapshot: &Snapshot) -> Option<Step> {
        let mut revisions = patch::copies(snapshot);
        let revision = revisions.find(|it| !self.cleaned.contains(&it.uid))?;
        self.cleaned.push(revision.uid.clone());
        self.last = VecDeque::from([Last::Cleaning]);
        let request = Request::forget_stored(&snapshot.workload.id, &revision.object)?;
        Some(Step::Send { act: Act::Clean { object: revision.name.clone() }, request })
    }

    pub(super) fn send(&mut self, snapshot: &Snapshot, act: Act, request: Request) -> Step {
        self.last = VecDeque::from([Last::Patch { version: version_of(snapshot) }]);
        Step::Send { act, request }
    }

    /// Puts back what was there, and leaves no trace.
    pub(super) fn end(&mut self, snapshot: &Snapshot, rollout: &Rollout) -> Step {
        let mut changes: Vec<_> = replicas_are(snapshot).into_iter().collect();
        changes.push(set_strategy(&rollout.strategy));
        changes.extend(restored_limit(rollout));
        self.write(snapshot, Act::Finish, None, changes)
    }
}

impl Machine for Driver {
    fn step(&mut self, snapshot: &Snapshot) -> (Progress, Step) {
        self.now = snapshot.now;
        let progress = evaluate(snapshot);
        let step = match self.decide(snapshot, &progress) {
            step @ (Step::Wait | Step::Soak(_)) if self.seen => self.renew(snapshot).unwrap_or(step),
            step => step,
        };
        (progress, step)
    }

    fn sent(&mut self, sent: &Sent) {
        let Some(last) = self.last.pop_front() else { return };
        match (last, sent) {
            (Last::Deletion { uid, .. }, Sent::Done(_) | Sent::Changed | Sent::Gone) => {
                self.deletions.doubtful.remove(&uid);
                self.forbidden.remove(&uid);
                self.said = None;
                self.deletions.sure.insert(uid);
            }
            (Last::Deletion { uid, .. }, Sent::Unanswered) => {
                self.deletions.doubtful.insert(uid);
            }
            (Last::Deletion { uid, pod }, Sent::NotNow(words)) => self.not_now(uid, pod, words),
            (Last::Patch { version } | Last::Renewal { version }, Sent::Done(_) | Sent::Changed) => {
                let (refused, patience) = (*sent == Sent::Changed, Deadline::new(Some(PATIENCE)));
                self.written = version.map(|version| Written { version, refused, patience });
            }
            // It is done or not: the next picture says which, and the patch tests what it stands on.
            (Last::Patch { .. }, Sent::Unanswered | Sent::Gone | Sent::NotNow(_)) => {}
            (Last::Renewal { .. }, Sent::Unanswered | Sent::Gone | Sent::NotNow(_) | Sent::Refused(_)) => {}
            (Last::Cleaning, Sent::Unanswered) => {
                self.cleaned.pop();
            }
            (
                Last::Cleaning,
                Sent::Done(_) | Sent::Changed | Sent::Gone | Sent::Refused(_) | Sent::NotNow(_),
            ) => {}
            (Last::Deletion { .. } | Last::Patch { .. }, Sent::Refused(words)) => {
                self.refused = Some(words.clone())
            }
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
    fn not_now(&mut self, uid: String, pod: String, words: &str) {
        if words.contains("failed sync") {
            self.refused = Some(words.to_string());
        }
        if self.said.as_deref() != Some(words) {
            self.news.push(Event::EvictionForbidden { pod, words: words.to_string() });
            self.said = Some(words.to_string());
        }
        let (first, most) = FORBIDDEN;
        let pause = self.forbidden.get(&uid).map_or(first, |before| (2 * before.pause).min(most));
        let until = self.now + SignedDuration::from_secs(pause);
        self.forbidden.insert(uid, Forbidden { words: words.to_string(), pause, until });
    }
}

/// What is counted against a StatefulSet's replicas holds only while they are what they were.
fn replicas_are(snapshot: &Snapshot) -> Option<serde_json::Value> {
    let workload = &snapshot.workload;
    let replicas =
        workload.object.pointer("/spec/replicas").filter(|_| workload.id.kind == Kind::StatefulSet);
    replicas.map(|it| operations::test("/spec/replicas", it.clone()))
}

fn version_of(snapshot: &Snapshot) -> Option<String> {
    text(&snapshot.workload.object, "/metadata/resourceVersion")
}
