//! How long something may last before it counts: every patience of the verdict in one place, with what it rests on. All
//! times are seconds.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::judge::cause::Sort;
use crate::snapshot::Snapshot;
use crate::snapshot::patience::Patience;

/// Seconds for which a state may last before it is more than a moment: a good pod may be unready for that long (hazard
/// H14), a pod that ends may take some time to go, a scheduler looks for a place.
pub const MOMENT: i64 = 10;
/// Seconds that a pod that was ready before has at least to get so again: what a probe allows that says nothing of its times
/// (three times ten seconds; pkg/apis/core/v1/defaults.go, `SetDefaults_Probe`).
pub(crate) const RECOVERY: i64 = 30;
/// Seconds after which a pod that could not be created counts: the controllers try again at once, and what they miss may
/// have been made a moment later, such as a new namespace's service account.
pub(crate) const CREATION: i64 = 2;
/// Runs of a container that end before it counts as crashing: one may be a dependency that came up later.
pub(crate) const CRASHES: u32 = 2;
/// Seconds after which a kubelet begins its back-off anew: twice its longest back-off of five minutes
/// (pkg/kubelet/kubelet.go, `MaxCrashLoopBackOff`). Runs that end further apart are no loop.
pub(crate) const BACK_OFF: i64 = 600;
/// Attempts that have to fail where they are counted: pulls of an image, probes that kill.
pub(crate) const ATTEMPTS: u32 = 2;
/// Pods in a row that end in the place of one that is meant to run.
pub(crate) const ENDED: u32 = 3;
/// Seconds for which a node may take to come after somebody has promised one (the default of cluster-autoscaler's
/// `--max-node-provision-time` is 15 minutes, karpenter's registration time-to-live is too).
pub(crate) const NODE: i64 = 900;
/// Seconds beyond which a pod that took that long to get ready was not starting: it has been unready meanwhile.
pub(crate) const START: i64 = 3600;

/// How many times the slowest start that is known a pod may take.
const STARTS: i64 = 3;

impl Patience {
    /// What may pass by itself in general. The second pull of an image comes 10 to 15 s after the first, the third 20 to
    /// 30 s after that (pkg/kubelet/images/image_manager.go, with the jitter of pkg/kubelet/pod_workers.go); operators make
    /// Secrets, and webhooks and registries come back, within seconds; an autoscaler looks every 10 s and takes some more to
    /// decide.
    pub fn usual(self) -> i64 {
        self.or(60)
    }

    /// When what is normal for a moment is named.
    pub(crate) fn moment(self) -> i64 {
        MOMENT.min(self.usual())
    }

    /// What takes minutes by itself, and says nothing of how many: an init container, a hook, a pull, a registration at a
    /// load balancer that opens a gate. As long as a Deployment's progress may take by default
    /// (`progressDeadlineSeconds`).
    pub fn long(self) -> i64 {
        self.or(600)
    }

    /// How long a readiness gate may stay closed once the containers are ready: load balancers register a target, and ask
    /// after its health, within minutes.
    pub fn gates(self) -> i64 {
        self.or(300)
    }

    /// How long a container that runs may take to become ready: what its own probes allow is a floor, and so is what others
    /// of the workload took.
    pub fn readiness(self, allowed: u32, slowest: Option<i64>) -> i64 {
        let starts = slowest.map_or(0, |slowest| slowest.saturating_mul(STARTS));
        self.usual().max(starts).max(i64::from(allowed))
    }
}

/// Returns what something does that has lasted since then and may for so many seconds. What was so before the server was
/// silent may have passed meanwhile without a word, and those who help it on could not: its time begins anew.
pub(crate) fn probation(since: Option<Timestamp>, snapshot: &Snapshot, seconds: i64) -> Sort {
    let now = snapshot.now;
    let since = since.max(snapshot.answering).unwrap_or(now).min(now);
    match since.checked_add(SignedDuration::from_secs(seconds)) {
        Ok(until) if until.as_second() <= now.as_second() => Sort::Fails,
        Ok(until) => Sort::OnProbation { since, until: Some(until) },
        Err(_) => Sort::OnProbation { since, until: None },
    }
}
