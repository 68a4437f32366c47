//! What a driver has sent, and what came of it. Until that shows in a picture nothing is decided on it.

use std::collections::{BTreeMap, VecDeque};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::judge::deletion::Deletions;
use crate::machine::act::{Act, Why};
use crate::machine::contract::{Deadline, Outcome, Step};
use crate::machine::ending::Ending;
use crate::machine::event::Event;
use crate::objects::json::text;
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::objects::workload::Workload;
use crate::plan::patch::{self, Patch};
use crate::plan::request::Request;
use crate::snapshot::Snapshot;
use crate::stored::Stored;
use crate::stored::lease::{Holder, RENEW};
use crate::stored::rollout::{Phase, Reached, Rollout};

/// Seconds within which a picture may be older than what was written.
pub(super) const PATIENCE: i64 = 30;
/// Seconds until an eviction that a budget forbids is tried again: the first time, and at most.
const FORBIDDEN: (i64, i64) = (1, 30);

/// What was sent, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    pub deletions: Deletions,
    /// What comes when what is stored is gone, or stands still.
    pub after: Option<After>,
    /// What there is to tell.
    pub news: Vec<Event>,
    /// What was sent last, in this order, until it is known what came of it.
    last: VecDeque<Last>,
    /// What came of the last patch, until a picture shows it.
    written: Option<Written>,
    refused: Option<String>,
    /// UIDs of revision objects that what is stored was taken off.
    cleaned: Vec<String>,
    /// Evictions that disruption budgets forbid, by the pods' UIDs.
    forbidden: BTreeMap<String, Forbidden>,
    /// What was said of them last.
    said: Option<String>,
    /// When the last picture was.
    now: Timestamp,
    /// When it was last tried to renew the lease.
    renewal: Option<Timestamp>,
}

/// What comes after a patch that takes away what is stored, or has it stand still. The patch may not get through: what it meant
/// counts only once a picture shows that.
#[derive(Clone, Debug)]
pub(super) enum After {
    /// That is the end, once nothing is stored any more.
    End(Ending),
    /// That is the end, once it stands still.
    Still(Ending),
    /// The rollout is taken back by its controller alone.
    Back(Box<Rollout>),
}

impl After {
    /// A rollout is taken back; while its controller does that, nothing is stored of it any more.
    pub(super) fn back(rollout: Rollout) -> After {
        After::Back(Box::new(Rollout { phase: Phase::Aborting, ..rollout }))
    }
}

/// An eviction that is not allowed for now.
#[derive(Clone, Debug)]
struct Forbidden {
    /// What the server said.
    words: String,
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

impl Outbox {
    /// Nothing was sent yet.
    pub(super) fn new() -> Outbox {
        Outbox {
            deletions: Deletions::default(),
            after: None,
            news: Vec::new(),
            last: VecDeque::new(),
            written: None,
            refused: None,
            cleaned: Vec::new(),
            forbidden: BTreeMap::new(),
            said: None,
            now: Timestamp::MIN,
            renewal: None,
        }
    }

    /// Looks for what was sent in a picture; returns what has to be done before anything else is decided.
    pub(super) fn look(&mut self, snapshot: &Snapshot) -> Option<Step> {
        self.now = snapshot.now;
        if let Some(words) = &self.refused {
            return Some(Step::End(Ending::Refused(words.clone())));
        }
        if let Some(step) = self.is_behind(snapshot) {
            return Some(step);
        }
        self.deletions.forget(snapshot);
        self.forbidden.retain(|uid, _| snapshot.living().any(|pod| pod.uid == *uid));
        None
    }

    /// Returns what a budget says that forbids an eviction.
    pub(super) fn forbidden(&self) -> Option<String> {
        self.forbidden.values().next().map(|it| it.words.clone())
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

    /// Lowers the partition. It is counted against the replicas, which must be what they were.
    pub(super) fn lower(&mut self, snapshot: &Snapshot, rollout: &Rollout, partition: u32) -> Step {
        let workload = &snapshot.workload;
        let reached = Some(Reached::Index { partition, replicas: workload.desired });
        let after = Rollout { reached, ..rollout.clone() };
        let patch = counted(workload).strategy(&rollout.held_strategy(workload.id.kind, partition));
        self.write(snapshot, Act::Partition { to: partition }, Some(&after), patch)
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

    /// Stores what is so after a patch, or takes it away with it.
    pub(super) fn write(
        &mut self,
        snapshot: &Snapshot,
        act: Act,
        after: Option<&Rollout>,
        patch: Patch<'_>,
    ) -> Step {
        // Whatever is written says that the driver is there.
        let after = after.map(|it| it.renewed(snapshot.now));
        self.send(snapshot, act, patch.stores(after.as_ref()).request())
    }

    /// A driver that waits says now and then that it is still there. It goes on where it may not: what it holds is guarded by
    /// what each patch tests.
    pub(super) fn renew(&mut self, snapshot: &Snapshot, holder: &Holder) -> Option<Step> {
        let rollout = Stored::of(&snapshot.workload)?.rollout?;
        let mine = rollout.holder.as_ref() == Some(holder) && rollout.workload == snapshot.workload.id.uid;
        if !mine || !matches!(rollout.phase, Phase::Running | Phase::Aborting) || self.written.is_some() {
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
            request: Patch::guarded(&snapshot.workload).stores(Some(&after)).request(),
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
        let patch = counted(&snapshot.workload).strategy(&rollout.strategy).restored_limit(rollout);
        self.write(snapshot, Act::Finish, None, patch)
    }

    /// Takes in what came of the request that was sent first of those that are open.
    pub(super) fn sent(&mut self, sent: &Outcome) {
        let Some(last) = self.last.pop_front() else { return };
        match (last, sent) {
            (Last::Deletion { uid, .. }, Outcome::Done(_) | Outcome::Changed | Outcome::Gone) => {
                self.deletions.doubtful.remove(&uid);
                self.forbidden.remove(&uid);
                self.said = None;
                self.deletions.sure.insert(uid);
            }
            (Last::Deletion { uid, .. }, Outcome::Unanswered) => {
                self.deletions.doubtful.insert(uid);
            }
            (Last::Deletion { uid, pod }, Outcome::NotNow(words)) => self.not_now(uid, pod, words),
            (Last::Patch { version } | Last::Renewal { version }, Outcome::Done(_) | Outcome::Changed) => {
                let (refused, patience) = (*sent == Outcome::Changed, Deadline::new(Some(PATIENCE)));
                self.written = version.map(|version| Written { version, refused, patience });
            }
            // It is done or not: the next picture says which, and the patch tests what it stands on.
            (Last::Patch { .. }, Outcome::Unanswered | Outcome::Gone | Outcome::NotNow(_)) => {}
            (
                Last::Renewal { .. },
                Outcome::Unanswered | Outcome::Gone | Outcome::NotNow(_) | Outcome::Refused(_),
            ) => {}
            (Last::Cleaning, Outcome::Unanswered) => {
                self.cleaned.pop();
            }
            (
                Last::Cleaning,
                Outcome::Done(_)
                | Outcome::Changed
                | Outcome::Gone
                | Outcome::Refused(_)
                | Outcome::NotNow(_),
            ) => {}
            (Last::Deletion { .. } | Last::Patch { .. }, Outcome::Refused(words)) => {
                self.refused = Some(words.clone());
            }
        }
    }

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
fn counted(workload: &Workload) -> Patch<'_> {
    match workload.id.kind {
        Kind::StatefulSet => Patch::guarded(workload).same_replicas(),
        Kind::DaemonSet | Kind::Deployment => Patch::guarded(workload),
    }
}

fn version_of(snapshot: &Snapshot) -> Option<String> {
    text(&snapshot.workload.object, "/metadata/resourceVersion")
}
