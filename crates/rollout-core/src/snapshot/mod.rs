//! What was seen of a workload at one moment: the object, its revisions and its pods.

pub(crate) mod evidence;
pub(crate) mod patience;
pub(crate) mod surroundings;
pub(crate) mod symptom;

pub use evidence::{Evidence, LogTail, Skipped};
pub use patience::Patience;
pub use surroundings::{Autoscaler, Budget, Presence, Quota, Surroundings};
pub use symptom::{CauseId, Symptom};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::history::History;
use crate::history::revision::Revision;
use crate::objects::json::int;
use crate::objects::kind::Kind;
use crate::objects::node::Node;
use crate::objects::pod::Pod;
use crate::objects::workload::Workload;

/// A workload, its revisions and its pods at one moment of the server's clock.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The workload.
    pub workload: Workload,
    /// Its revisions.
    pub history: History,
    /// Its pods; absent where they were not read, or may not be.
    pub pods: Option<Vec<Pod>>,
    /// Pods that ended by themselves and were removed since, where somebody watches: a set's controller does that at once.
    pub gone: Vec<Pod>,
    /// The nodes; absent where they were not read. Only rollouts of DaemonSets in steps need them.
    pub nodes: Option<Vec<Node>>,
    /// The moment, by the server's clock (a laptop's is not the cluster's).
    pub now: Timestamp,
    /// Since when the server has answered again, which it did not for a while; the moment itself as long as it does not.
    /// Nothing where it always has.
    pub answering: Option<Timestamp>,
    /// What is around the workload; empty until a change of the template is planned.
    pub surroundings: Surroundings,
    /// What was read beside it because something looked wrong; nothing while all is well.
    pub evidence: Evidence,
    /// How patient whoever looks is with what may pass by itself.
    pub patience: Patience,
}

/// The side of a rollout that a pod is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The revision that the workload asks for.
    New,
    /// Any other.
    Old,
}

impl Snapshot {
    /// Puts together what was read; pods of other owners are left out (list by selector, keep by owner's UID).
    pub fn new(
        workload: Workload,
        revisions: Vec<Value>,
        pods: Option<Vec<Pod>>,
        now: Timestamp,
    ) -> Snapshot {
        let history = History::new(&workload, revisions, pods.as_deref().unwrap_or_default(), now);
        let pods = pods.map(|pods| pods.into_iter().filter(|pod| owns(&workload, &history, pod)).collect());
        Snapshot {
            workload,
            history,
            pods,
            gone: Vec::new(),
            nodes: None,
            now,
            answering: None,
            surroundings: Surroundings::default(),
            evidence: Evidence::default(),
            patience: Patience::default(),
        }
    }

    /// Adds pods that ended and are gone, those of other owners left out.
    #[must_use]
    pub fn remembering(mut self, gone: Vec<Pod>) -> Snapshot {
        self.gone = gone.into_iter().filter(|pod| owns(&self.workload, &self.history, pod)).collect();
        self
    }

    /// Iterates over the pods that count: neither ended nor on their way out.
    pub fn living(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().flatten().filter(|pod| !pod.terminating && !pod.ended())
    }

    /// Returns the revision that new pods get; none until the controller has recorded it.
    pub fn target(&self) -> Option<&Revision> {
        let current = self.history.current()?;
        let recorded = self.workload.status.update_revision.as_deref();
        match self.workload.id.kind {
            Kind::StatefulSet => self.history.by_name(recorded?).filter(|it| it.name == current.name),
            Kind::Deployment | Kind::DaemonSet => Some(current),
        }
    }

    /// Tells which side a pod is on.
    pub fn side(&self, pod: &Pod) -> Side {
        let new = self
            .target()
            .zip(pod.revision.as_deref())
            .is_some_and(|(target, label)| target.owns_label(self.workload.id.kind, label));
        if new { Side::New } else { Side::Old }
    }

    /// Tells whether a pod is available by the workload's `minReadySeconds`.
    pub fn available(&self, pod: &Pod) -> bool {
        !pod.terminating && pod.available(self.workload.min_ready_seconds, self.now)
    }

    /// Returns how many pods are available.
    pub(crate) fn count_available(&self) -> u32 {
        self.living().filter(|pod| self.available(pod)).count() as u32
    }

    /// Tells whether a pod is a StatefulSet's beyond its range: its controller is about to remove it.
    pub(crate) fn is_beyond_range(&self, pod: &Pod) -> bool {
        self.workload.id.kind == Kind::StatefulSet
            && self.index(pod).is_none_or(|index| index >= self.workload.desired)
    }

    /// Tells whether a pod is on a node that is known not to be ready or to be gone, or that has not been heard of: nothing it
    /// shows is its own doing.
    pub fn is_out_of_reach(&self, pod: &Pod) -> bool {
        let read = self.evidence.nodes.iter().find(|it| Some(&it.name) == pod.node.as_ref());
        match (read, &self.nodes, &pod.node) {
            (Some(node), _, _) => !node.ready,
            (None, Some(_), Some(name)) => !self.node(name).is_some_and(|it| it.ready),
            (None, _, _) => pod.is_unheard_of(),
        }
    }

    /// Returns a node that was read. There may be thousands, and each is asked for: servers list them by name.
    fn node(&self, name: &str) -> Option<&Node> {
        let nodes = self.nodes.as_ref()?;
        match nodes.binary_search_by(|it| it.name.as_str().cmp(name)) {
            Ok(place) => nodes.get(place),
            Err(_) => nodes.iter().find(|it| it.name == name),
        }
    }

    /// Tells whether the server does not answer, so that this is how it was, and not how it is.
    pub(crate) fn is_old(&self) -> bool {
        self.answering == Some(self.now)
    }

    /// Returns for how many seconds something has been so by what the server says, without those before it was silent.
    pub(crate) fn seconds_seen(&self, since: Option<Timestamp>) -> i64 {
        self.seconds_since(since.max(since.and(self.answering)))
    }

    /// Returns how many seconds ago something was; 0 where that is not known, or yet to come.
    pub fn seconds_since(&self, time: Option<Timestamp>) -> i64 {
        time.map_or(0, |time| (self.now.as_second() - time.as_second()).max(0))
    }

    /// Returns how many pods the controller should have created and has not: pods on their way out have yet to be replaced.
    pub fn missing(&self) -> u32 {
        match (self.workload.id.kind, self.target()) {
            // What a ReplicaSet should have is its own affair.
            (Kind::Deployment, Some(target)) => {
                let wanted = int(&target.object, "/spec/replicas").unwrap_or(0);
                let new = self.living().filter(|pod| self.side(pod) == Side::New).count() as u32;
                let there = if self.pods.is_some() { new } else { target.pods.total };
                u32::try_from(wanted - i64::from(there)).unwrap_or(0)
            }
            (Kind::Deployment, None) => 0,
            (Kind::DaemonSet | Kind::StatefulSet, _) => {
                let there = self.pods.iter().flatten().filter(|pod| !pod.ended()).count() as u32;
                let there = if self.pods.is_some() { there } else { self.workload.status.total };
                self.workload.desired.saturating_sub(there)
            }
        }
    }

    /// Returns for how many seconds no pod has come, or become ready or unready, since the rollout began.
    pub fn quiet_for(&self) -> i64 {
        let pods = self.pods.iter().flatten();
        let times = pods.flat_map(|pod| [pod.created, pod.ready_since, pod.unready_since]);
        let began = self.target().and_then(|target| target.live_since);
        self.seconds_since(times.chain([began]).flatten().max())
    }

    /// Tells whether the controller has acted upon the newest specification and recorded its revision.
    pub fn observed(&self) -> bool {
        self.workload.observed() && (self.target().is_some() || self.workload.paused)
    }

    /// Returns a StatefulSet pod's place counted from the lowest ordinal; the partition counts the same way.
    /// Pods below `spec.ordinals.start` have none.
    pub fn index(&self, pod: &Pod) -> Option<u32> {
        pod.ordinal()?.checked_sub(self.workload.first_ordinal)
    }
}

fn owns(workload: &Workload, history: &History, pod: &Pod) -> bool {
    let Some(owner) = pod.owner.as_deref() else { return false };
    match workload.id.kind {
        Kind::Deployment => {
            history.iter().any(|it| it.uid == owner || it.duplicates.iter().any(|twin| twin.uid == owner))
        }
        Kind::DaemonSet | Kind::StatefulSet => owner == workload.id.uid,
    }
}
