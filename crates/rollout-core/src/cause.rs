//! What keeps a rollout from getting on: stable ids with evidence, and what each does to the rollout that shows it.

use k8s_openapi::jiff::Timestamp;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::pods::Pod;

/// Declares the ids of causes with the words in which documents and messages spell them.
macro_rules! cause_ids {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// The stable id of a cause; `docs/causes.md` lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum CauseId {
            $($(#[$doc])* $name,)*
        }

        impl CauseId {
            /// All ids.
            pub const ALL: &[CauseId] = &[$(CauseId::$name,)*];

            /// Returns the id as documents and messages spell it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(CauseId::$name => $word,)*
                }
            }
        }
    };
}

cause_ids! {
    /// The image cannot be had.
    ImagePull = "image-pull",
    /// A container ends again and again, or cannot be started.
    CrashLoop = "crash-loop",
    /// A container was killed for using too much memory.
    OomKilled = "oom-killed",
    /// A hook after a container's start fails, or takes its time.
    PostStart = "post-start",
    /// A ConfigMap, a Secret or a key in one is missing.
    ConfigMissing = "config-missing",
    /// What the template asks of a container cannot be had: a user, a path.
    ContainerConfig = "container-config",
    /// Something that the pod names does not exist: a ServiceAccount, a PriorityClass, a RuntimeClass, a ResourceClaim.
    ReferenceMissing = "reference-missing",
    /// No node has room for the pod, or none is allowed.
    Unschedulable = "unschedulable",
    /// The pod waits for its scheduling gates to be taken off, or no scheduler looks at it.
    NotScheduled = "not-scheduled",
    /// A resource quota forbids the pod.
    Quota = "quota",
    /// An admission check forbids the pod.
    AdmissionDenied = "admission-denied",
    /// A webhook that has to be asked does not answer.
    Webhook = "webhook",
    /// A volume cannot be had.
    Volume = "volume",
    /// The pod's sandbox or its network cannot be made on the node.
    Sandbox = "sandbox",
    /// Init containers run on and on.
    Init = "init",
    /// A container runs and does not become ready.
    Readiness = "readiness",
    /// A container is killed because its liveness or startup probe fails.
    Liveness = "liveness",
    /// Kubelets do not take the pods: they end before they begin.
    Rejected = "rejected",
    /// Pods are evicted again and again.
    Evicted = "evicted",
    /// Pods end, although they are meant to run.
    Ended = "ended",
    /// A pod does not get on for a reason that only its newest warning tells.
    NotStarting = "not-starting",
    /// A Deployment made no progress within `progressDeadlineSeconds`.
    Deadline = "deadline",
    /// A pod is on a node that is not ready.
    NodeNotReady = "node-not-ready",
    /// A pod that should be gone is not, on a node that is ready.
    Terminating = "terminating",
    /// An OrderedReady StatefulSet waits for a pod that nothing will replace (kubernetes#67250).
    StsStuck = "sts-stuck",
    /// The name of a DaemonSet leaves no room for that of its revision.
    RevisionName = "revision-name",
    /// A StatefulSet's controller cannot bring a pod in line with the set, and replaces none before it has.
    StsCannotUpdate = "sts-cannot-update",
    /// A pod was restarted more often than allowed.
    Restarts = "restarts",
    /// Somebody's check of the rollout failed.
    Check = "check",
    /// Somebody's query about the rollout gave another answer than it should.
    CheckQuery = "check-query",
    /// Another rollout of the same command failed.
    Together = "together",
}

impl CauseId {
    /// Tells whether the deletion of one pod helps, and nothing speaks against the revision that is rolled out.
    pub fn is_stuck(self) -> bool {
        matches!(self, CauseId::StsStuck | CauseId::StsCannotUpdate)
    }

    /// Tells whether it is what pods do once they run; others keep pods from being made, placed or started.
    pub fn shows_in_running(self) -> bool {
        match self {
            CauseId::CrashLoop
            | CauseId::OomKilled
            | CauseId::PostStart
            | CauseId::Readiness
            | CauseId::Liveness
            | CauseId::Evicted
            | CauseId::Ended
            | CauseId::Restarts
            | CauseId::Check
            | CauseId::CheckQuery
            | CauseId::Together => true,
            CauseId::ImagePull
            | CauseId::ConfigMissing
            | CauseId::ContainerConfig
            | CauseId::ReferenceMissing
            | CauseId::Unschedulable
            | CauseId::NotScheduled
            | CauseId::Quota
            | CauseId::AdmissionDenied
            | CauseId::Webhook
            | CauseId::Volume
            | CauseId::Sandbox
            | CauseId::Init
            | CauseId::Rejected
            | CauseId::NotStarting
            | CauseId::Deadline
            | CauseId::NodeNotReady
            | CauseId::Terminating
            | CauseId::StsStuck
            | CauseId::RevisionName
            | CauseId::StsCannotUpdate => false,
        }
    }
}

impl Serialize for CauseId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a cause does to the rollout that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// It fails the rollout: it will not pass, or has lasted for longer than it may.
    Fails,
    /// It may pass by itself, and fails the rollout when it lasts.
    OnProbation {
        /// When the state began.
        since: Timestamp,
        /// When it has lasted for too long; none where something else than time has to show it.
        until: Option<Timestamp>,
    },
    /// It holds the rollout up, and never fails it.
    HoldsUp,
}

/// One reason why a rollout fails, or does not get on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The stable id.
    pub id: CauseId,
    /// What it does to the rollout.
    pub sort: Sort,
    /// Whether pods of the older revision would meet it too: to go back would not help.
    pub old_too: bool,
    /// One sentence for people.
    pub message: String,
    /// The pod that shows it.
    pub pod: Option<String>,
    /// The container that shows it.
    pub container: Option<String>,
    /// What the cluster said.
    pub evidence: Option<String>,
    /// The last lines that the container wrote.
    pub log: Vec<String>,
    /// What would help.
    pub fix: Option<String>,
    /// What exactly is wrong, where one id can mean several things: the image, the missing object.
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

impl Cause {
    /// Makes a cause that fails the rollout and of which nothing more is known.
    pub fn new(id: CauseId, message: String) -> Cause {
        Cause {
            id,
            sort: Sort::Fails,
            old_too: false,
            message,
            pod: None,
            container: None,
            evidence: None,
            log: Vec::new(),
            fix: None,
            about: None,
        }
    }

    /// Tells whether the rollout fails by it.
    pub fn fails(&self) -> bool {
        self.sort == Sort::Fails
    }

    pub(crate) fn of_pod(mut self, pod: &Pod) -> Cause {
        self.pod = Some(pod.name.clone());
        self
    }

    pub(crate) fn evidence(mut self, words: &str) -> Cause {
        self.evidence = Some(words.trim().to_string()).filter(|words| !words.is_empty());
        self
    }

    pub(crate) fn fix(mut self, fix: Option<String>) -> Cause {
        self.fix = fix;
        self
    }

    pub(crate) fn about(mut self, about: Option<String>) -> Cause {
        self.about = about;
        self
    }

    pub(crate) fn sort(mut self, sort: Sort) -> Cause {
        self.sort = sort;
        self
    }

    pub(crate) fn holds_up(self) -> Cause {
        self.sort(Sort::HoldsUp)
    }

    pub(crate) fn symptom(&self) -> Symptom {
        Symptom { id: self.id, container: self.container.clone(), about: self.about.clone() }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (sort, since, until) = match self.sort {
            Sort::Fails => ("fails", None, None),
            Sort::OnProbation { since, until } => ("probation", Some(since), until),
            Sort::HoldsUp => ("holdsUp", None, None),
        };
        let mut document = serializer.serialize_struct("Cause", 11)?;
        document.serialize_field("id", &self.id)?;
        document.serialize_field("sort", sort)?;
        optional(&mut document, "since", since.as_ref())?;
        optional(&mut document, "until", until.as_ref())?;
        if self.old_too {
            document.serialize_field("oldToo", &true)?;
        }
        document.serialize_field("message", &self.message)?;
        optional(&mut document, "pod", self.pod.as_ref())?;
        optional(&mut document, "container", self.container.as_ref())?;
        optional(&mut document, "evidence", self.evidence.as_ref())?;
        optional(&mut document, "log", Some(&self.log).filter(|log| !log.is_empty()))?;
        optional(&mut document, "fix", self.fix.as_ref())?;
        document.end()
    }
}

fn optional<S: SerializeStruct, T: Serialize>(
    document: &mut S,
    name: &'static str,
    value: Option<&T>,
) -> Result<(), S::Error> {
    match value {
        Some(value) => document.serialize_field(name, value),
        None => document.skip_field(name),
    }
}

/// The causes that a rollout shows, told apart by what they do to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// The rollout fails by these.
    pub failed: Vec<Cause>,
    /// These may pass by themselves, and fail the rollout when they last.
    pub on_probation: Vec<Cause>,
    /// These hold the rollout up, and never fail it.
    pub holding_up: Vec<Cause>,
}

impl Causes {
    /// Tells causes apart, each list in the order given.
    pub fn of(causes: impl IntoIterator<Item = Cause>) -> Causes {
        let mut all = Causes::default();
        for cause in causes {
            all.push(cause);
        }
        all
    }

    /// Adds one to its list.
    pub fn push(&mut self, cause: Cause) {
        match cause.sort {
            Sort::Fails => self.failed.push(cause),
            Sort::OnProbation { .. } => self.on_probation.push(cause),
            Sort::HoldsUp => self.holding_up.push(cause),
        }
    }

    /// Iterates over all, what fails the rollout first: for showing them.
    pub fn iter(&self) -> impl Iterator<Item = &Cause> {
        self.failed.iter().chain(&self.on_probation).chain(&self.holding_up)
    }

    /// Iterates over those that have not failed the rollout: they are named while it is waited for.
    pub fn pending(&self) -> impl Iterator<Item = &Cause> {
        self.on_probation.iter().chain(&self.holding_up)
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Tells whether the older revision would do better: something fails that its pods would not meet.
    pub fn is_old_better(&self) -> bool {
        self.failed.iter().any(|cause| !cause.old_too)
    }
}

impl Serialize for Causes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_id_is_documented_once_and_no_other_is() {
        let table = include_str!("../../../docs/causes.md");
        let listed: Vec<&str> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|it| it.0)
            .collect();
        let mut ids: Vec<&str> = CauseId::ALL.iter().map(|id| id.as_str()).collect();
        let mut sorted = listed.clone();
        sorted.sort_unstable();
        ids.sort_unstable();
        assert_eq!(sorted, ids);
    }

    #[test]
    fn a_cause_says_what_it_does_and_until_when() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (since, until) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:01:00Z"));
        let cause = Cause::new(CauseId::Quota, "no room".into());
        let waits = cause.clone().sort(Sort::OnProbation { since, until: Some(until) });
        assert_eq!(
            serde_json::to_value(&waits).unwrap(),
            json!({"id": "quota", "sort": "probation", "since": "2026-01-01T00:00:00Z",
                "until": "2026-01-01T00:01:00Z", "message": "no room"})
        );
        let causes = Causes::of([waits, cause.clone().holds_up(), Cause { old_too: true, ..cause.clone() }]);
        let sorts: Vec<bool> = causes.iter().map(Cause::fails).collect();
        assert_eq!((sorts, causes.pending().count()), (vec![true, false, false], 2));
        assert!(!causes.is_old_better());
        assert!(Causes::of([cause]).is_old_better());
    }
}
