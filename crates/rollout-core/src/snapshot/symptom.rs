//! What is wrong with a pod or a workload, by a stable id: what was known before a rollout is remembered by it.

crate::words! {
    /// The stable id of a cause; `docs/causes.md` lists them.
    pub enum CauseId {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_documented_once_and_no_other_is() {
        let table = include_str!("../../../../docs/causes.md");
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
}
