//! Why a rollout fails, read from its new pods and the workload's conditions: stable ids with evidence.

use serde::{Serialize, Serializer};

use crate::kind::Kind;
use crate::pods::{Container, Pod};
use crate::snapshot::{Side, Snapshot};

/// The stable id of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CauseId {
    /// The image cannot be had.
    ImagePull,
    /// A container ends again and again.
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
    /// A Deployment made no progress within `progressDeadlineSeconds`.
    Deadline,
    /// An OrderedReady StatefulSet waits for a pod that nothing will replace (kubernetes#67250).
    StsStuck,
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
            CauseId::Deadline => "deadline",
            CauseId::StsStuck => "sts-stuck",
            CauseId::Restarts => "restarts",
            CauseId::Check => "check",
            CauseId::CheckQuery => "check-query",
            CauseId::Together => "together",
        }
    }
}

impl Serialize for CauseId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One reason why a rollout fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The stable id.
    pub id: CauseId,
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
}

/// Restarts after which a container that waits to be started again counts as crashing: one may be a dependency that came
/// up later.
const CRASHES: u32 = 2;
/// Seconds for which the scheduler may look for a place, and a first pull may fail.
const PATIENCE: i64 = 10;

/// Returns the causes that the new pods and the workload's conditions show, one for each id and container name.
pub fn of(snapshot: &Snapshot) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    let new = snapshot.living().filter(|pod| snapshot.side(pod) == Side::New);
    for cause in new.flat_map(|pod| of_pod(pod, snapshot)).chain(of_conditions(snapshot)) {
        if !causes.iter().any(|seen| seen.id == cause.id && seen.container == cause.container) {
            causes.push(cause);
        }
    }
    causes
}

/// Returns the causes that one pod shows.
pub fn of_pod(pod: &Pod, snapshot: &Snapshot) -> Vec<Cause> {
    if pod.ready() {
        return Vec::new();
    }
    let age = pod.created.map_or(0, |created| snapshot.now.as_second() - created.as_second());
    let mut causes: Vec<Cause> =
        pod.containers.iter().filter_map(|container| of_container(pod, container, age)).collect();
    if let Some(words) = pod.unschedulable.as_deref().filter(|_| age >= PATIENCE) {
        causes.push(Cause {
            id: CauseId::Unschedulable,
            message: format!("pod {} finds no node: {words}", pod.name),
            pod: Some(pod.name.clone()),
            container: None,
            evidence: Some(words.to_string()),
        });
    }
    causes
}

fn of_container(pod: &Pod, container: &Container, age: i64) -> Option<Cause> {
    let (reason, words) = container.waiting.as_ref()?;
    let (ended, code) =
        container.terminated.as_ref().map_or(("", 0), |(reason, code)| (reason.as_str(), *code));
    let image = &container.image;
    let (id, message) = match reason.as_str() {
        "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
            (CauseId::ImagePull, format!("image {image} cannot be pulled"))
        }
        "ErrImagePull" if age >= PATIENCE => (CauseId::ImagePull, format!("image {image} cannot be pulled")),
        "CreateContainerConfigError" => (CauseId::ConfigMissing, format!("cannot be configured: {words}")),
        "CrashLoopBackOff" if ended == "OOMKilled" => (
            CauseId::OomKilled,
            format!(
                "was killed for using too much memory (exit code {code}, {} restarts)",
                container.restarts
            ),
        ),
        "CrashLoopBackOff" if container.restarts >= CRASHES => {
            (CauseId::CrashLoop, format!("crashes (exit code {code}, {} restarts)", container.restarts))
        }
        _ => return None,
    };
    Some(Cause {
        id,
        message: format!("pod {}, container {}: {message}", pod.name, container.name),
        pod: Some(pod.name.clone()),
        container: Some(container.name.clone()),
        evidence: Some(if words.is_empty() { reason.clone() } else { words.clone() }),
    })
}

/// A Deployment's own words. `ProgressDeadlineExceeded` lingers after an undo, so it counts only where its message names
/// the ReplicaSet that is being rolled out (hazard H22).
fn of_conditions(snapshot: &Snapshot) -> Vec<Cause> {
    let workload = &snapshot.workload;
    let Some(target) = snapshot.target().filter(|_| workload.id.kind == Kind::Deployment) else {
        return Vec::new();
    };
    let mut causes = Vec::new();
    for condition in &workload.status.conditions {
        let (id, message) = match (condition.kind.as_str(), condition.holds, condition.reason.as_str()) {
            ("Progressing", false, "ProgressDeadlineExceeded")
                if condition.message.contains(&format!("\"{}\"", target.name)) =>
            {
                (CauseId::Deadline, format!("{} exceeded its progress deadline", workload.id))
            }
            ("ReplicaFailure", true, _) if condition.message.contains("exceeded quota") => {
                (CauseId::Quota, format!("{}: {}", workload.id, condition.message))
            }
            ("ReplicaFailure", true, _) => {
                (CauseId::AdmissionDenied, format!("{}: {}", workload.id, condition.message))
            }
            _ => continue,
        };
        causes.push(Cause {
            id,
            message,
            pod: None,
            container: None,
            evidence: Some(condition.message.clone()),
        });
    }
    causes
}
