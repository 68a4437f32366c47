//! Why a rollout fails, or what holds it up: stable ids with evidence, read from its new pods, the workload's conditions,
//! and what was read beside them.

mod pod;
mod words;
mod workload;

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use crate::kind::Kind;
use crate::pods::Pod;
use crate::snapshot::{Side, Snapshot};
use crate::stuck;
use crate::workload::Strategy;

pub use pod::of_pod;
pub(crate) use pod::{of_pod_among, slowest_start};
pub(crate) use workload::unrecordable;

/// The stable id of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CauseId {
    /// The image cannot be had.
    ImagePull,
    /// A container ends again and again, or cannot be started.
    CrashLoop,
    /// A container was killed for using too much memory.
    OomKilled,
    /// A ConfigMap, a Secret or a key in one is missing.
    ConfigMissing,
    /// No node has room for the pod, or none is allowed.
    Unschedulable,
    /// A resource quota forbids the pod.
    Quota,
    /// An admission check forbids the pod.
    AdmissionDenied,
    /// A volume cannot be had.
    Volume,
    /// A container runs and does not become ready.
    Readiness,
    /// A container is killed because its liveness or startup probe fails.
    Liveness,
    /// A Deployment made no progress within `progressDeadlineSeconds`.
    Deadline,
    /// A pod is on a node that is not ready.
    NodeNotReady,
    /// A pod that should be gone is not, on a node that is ready.
    Terminating,
    /// An OrderedReady StatefulSet waits for a pod that nothing will replace (kubernetes#67250).
    StsStuck,
    /// The name of a DaemonSet leaves no room for that of its revision.
    RevisionName,
    /// A StatefulSet's controller cannot bring a pod in line with the set, and replaces none before it has.
    StsCannotUpdate,
    /// A pod was restarted more often than allowed.
    Restarts,
    /// Somebody's check of the rollout failed.
    Check,
    /// Somebody's query about the rollout gave another answer than it should.
    CheckQuery,
    /// Another rollout of the same command failed.
    Together,
}

impl CauseId {
    /// Returns the id as documents and messages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            CauseId::ImagePull => "image-pull",
            CauseId::CrashLoop => "crash-loop",
            CauseId::OomKilled => "oom-killed",
            CauseId::ConfigMissing => "config-missing",
            CauseId::Unschedulable => "unschedulable",
            CauseId::Quota => "quota",
            CauseId::AdmissionDenied => "admission-denied",
            CauseId::Volume => "volume",
            CauseId::Readiness => "readiness",
            CauseId::Liveness => "liveness",
            CauseId::Deadline => "deadline",
            CauseId::NodeNotReady => "node-not-ready",
            CauseId::Terminating => "terminating",
            CauseId::StsStuck => "sts-stuck",
            CauseId::RevisionName => "revision-name",
            CauseId::StsCannotUpdate => "sts-cannot-update",
            CauseId::Restarts => "restarts",
            CauseId::Check => "check",
            CauseId::CheckQuery => "check-query",
            CauseId::Together => "together",
        }
    }
}

impl CauseId {
    /// Tells whether the deletion of one pod helps, and nothing speaks against the revision that is rolled out.
    pub fn is_stuck(self) -> bool {
        matches!(self, CauseId::StsStuck | CauseId::StsCannotUpdate)
    }
}

impl Serialize for CauseId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One reason why a rollout fails, or does not get on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The stable id.
    pub id: CauseId,
    /// Whether the rollout fails by it; otherwise it is only held up.
    pub fails: bool,
    /// One sentence for people.
    pub message: String,
    /// The pod that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The container that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What the cluster said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The last lines that the container wrote.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// What would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What exactly is wrong, where one id can mean several things: the image, the missing object.
    #[serde(skip)]
    pub about: Option<String>,
}

/// What makes two causes the same: what failed like this before a rollout is not blamed on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symptom {
    /// The cause's id.
    pub id: CauseId,
    /// The container that shows it.
    pub container: Option<String>,
    /// What exactly is wrong, e.g. the image.
    pub about: Option<String>,
}

/// Seconds for which the scheduler may look for a place, and a first pull may fail.
const PATIENCE: i64 = 10;

impl Cause {
    /// Makes a cause that fails the rollout and of which nothing more is known.
    pub fn new(id: CauseId, message: String) -> Cause {
        Cause {
            id,
            fails: true,
            message,
            pod: None,
            container: None,
            evidence: None,
            log: Vec::new(),
            fix: None,
            about: None,
        }
    }

    fn of_pod(mut self, pod: &Pod) -> Cause {
        self.pod = Some(pod.name.clone());
        self
    }

    fn evidence(mut self, words: &str) -> Cause {
        self.evidence = Some(words.to_string()).filter(|words| !words.is_empty());
        self
    }

    fn fix(mut self, fix: Option<String>) -> Cause {
        self.fix = fix;
        self
    }

    fn about(mut self, about: Option<String>) -> Cause {
        self.about = about;
        self
    }

    fn fails(mut self, fails: bool) -> Cause {
        self.fails = fails;
        self
    }

    fn symptom(&self) -> Symptom {
        Symptom { id: self.id, container: self.container.clone(), about: self.about.clone() }
    }
}

/// Names a StatefulSet's pod that nothing will replace.
pub(crate) fn stuck(pod: &Pod, snapshot: &Snapshot) -> Cause {
    if let Some(event) = stuck::refused_update(snapshot, pod) {
        let message = format!(
            "pod {} blocks the set: the controller tries to bring it in line with the set, which the API forbids, and gets \
             no further",
            pod.name
        );
        // What follows is the difference, field by field.
        let said = event.message.lines().next().unwrap_or_default();
        return Cause::new(CauseId::StsCannotUpdate, message).of_pod(pod).evidence(said);
    }
    let message = format!(
        "pod {} blocks the set: it is not ready, nothing will replace it, and the controller waits for it for ever",
        pod.name
    );
    Cause::new(CauseId::StsStuck, message).of_pod(pod).evidence(pod.status_word())
}

/// Returns what the new pods, the workload and what holds its controller up show, one cause for each id and container name;
/// those that fail the rollout first.
pub fn of(snapshot: &Snapshot) -> Vec<Cause> {
    let new = snapshot.living().filter(|pod| snapshot.side(pod) == Side::New);
    let mut shown: Vec<Cause> = new.flat_map(|pod| of_pod(pod, snapshot)).collect();
    acquit(snapshot, &mut shown);
    shown.extend(workload::of_workload(snapshot));
    shown.extend(holding_up(snapshot));
    excuse_deadline(&mut shown);
    shown.sort_by_key(|cause| !cause.fails);
    let mut causes: Vec<Cause> = Vec::new();
    for cause in shown {
        if !causes.iter().any(|seen| seen.id == cause.id && seen.container == cause.container) {
            causes.push(cause);
        }
    }
    causes
}

/// Returns everything that any pod shows now, so that a rollout that starts later is not blamed for it.
pub fn symptoms(snapshot: &Snapshot) -> BTreeSet<Symptom> {
    let pods = snapshot.living().flat_map(|pod| pod::symptoms(pod, snapshot));
    pods.chain(workload::of_workload(snapshot).iter().map(Cause::symptom)).collect()
}

/// What old pods show too, or what was known before, is not this rollout's doing.
fn acquit(snapshot: &Snapshot, causes: &mut [Cause]) {
    if causes.is_empty() {
        return;
    }
    let old = snapshot.living().filter(|pod| snapshot.side(pod) == Side::Old);
    let old: BTreeSet<Symptom> = old.flat_map(|pod| pod::symptoms(pod, snapshot)).collect();
    for cause in causes {
        let symptom = cause.symptom();
        cause.fails &= !old.contains(&symptom) && !snapshot.evidence.known.contains(&symptom);
    }
}

/// Where nothing is wrong but a node, the deadline that passes over it is nobody's fault either (hazard H11).
fn excuse_deadline(causes: &mut [Cause]) {
    let dead = causes.iter().any(|cause| cause.id == CauseId::NodeNotReady);
    let only = causes.iter().all(|cause| !cause.fails || cause.id == CauseId::Deadline);
    if dead && only {
        causes.iter_mut().for_each(|cause| cause.fails = false);
    }
}

/// Tells whether the controller waits for old and ending pods before it goes on (hazard H11): a Deployment's rolling update
/// does not.
pub(crate) fn waits_for_old(snapshot: &Snapshot) -> bool {
    match (snapshot.workload.id.kind, &snapshot.workload.strategy) {
        (Kind::DaemonSet | Kind::StatefulSet, _) | (Kind::Deployment, Strategy::Recreate) => true,
        (
            Kind::Deployment,
            Strategy::RollingUpdate { .. }
            | Strategy::Partitioned { .. }
            | Strategy::OnDelete
            | Strategy::Other(_),
        ) => false,
    }
}

/// Tells whether a pod should have been gone for more than a moment.
pub(crate) fn is_overdue(pod: &Pod, snapshot: &Snapshot) -> bool {
    pod.terminating && snapshot.seconds_since(pod.ends_by) >= PATIENCE
}

/// Pods that keep the controller waiting through no fault of the new revision.
fn holding_up(snapshot: &Snapshot) -> Vec<Cause> {
    if !waits_for_old(snapshot) {
        return Vec::new();
    }
    let pods = snapshot.pods.iter().flatten().filter(|pod| !pod.ended() && !pod.ready() || pod.terminating);
    let held = pods.filter_map(|pod| match (snapshot.evidence.dead_node(pod), is_overdue(pod, snapshot)) {
        (Some(node), _) if pod.terminating || snapshot.side(pod) == Side::Old => {
            Some(pod::on_dead_node(pod, node))
        }
        (None, true) => {
            let message =
                format!("pod {} is Terminating for longer than it was given, and is waited for", pod.name);
            Some(Cause::new(CauseId::Terminating, message).of_pod(pod).fails(false))
        }
        (Some(_), _) | (None, false) => None,
    });
    held.collect()
}

#[cfg(test)]
mod tests;
