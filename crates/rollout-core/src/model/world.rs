//! The world of a model: what the API server would hold of one workload.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::objects::kind::Kind;
use crate::objects::strategy::{Amount, Strategy};

/// A revision of the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RevisionId(pub u32);

impl RevisionId {
    /// What the pods of a world built from a workload ran before.
    pub const OLD: RevisionId = RevisionId(0);
    /// What the pods of a world built from a workload are to run.
    pub const TARGET: RevisionId = RevisionId(1);
}

/// What becomes of the pods of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// They become ready that many ticks after the one that created them.
    Ready {
        /// The delay in ticks.
        after: u32,
    },
    /// They never become ready.
    NeverReady,
}

/// A pod of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPod {
    /// The name.
    pub name: String,
    /// What tells it from a later pod of the same name; higher is younger.
    pub uid: u64,
    /// The ordinal of a StatefulSet's, the index in [`World::nodes`] of a DaemonSet's, 0 for a Deployment's.
    pub slot: u32,
    /// The revision that it runs.
    pub revision: RevisionId,
    /// Whether it is ready.
    pub ready: bool,
    /// For how many ticks it has been ready, counted up to [`World::min_ready`].
    pub ready_for: u32,
    /// For how many ticks it has existed, counted while it starts.
    pub age: u32,
    /// Whether it never becomes ready, whatever its revision does.
    pub broken: bool,
    /// Whether it has ended by itself (phase `Failed`).
    pub failed: bool,
    /// For how many more ticks it ends; absent while nobody has deleted it.
    pub ending: Option<u32>,
}

impl ModelPod {
    /// Tells whether somebody has deleted the pod.
    pub fn terminating(&self) -> bool {
        self.ending.is_some()
    }
}

/// A node of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The name.
    pub name: String,
    /// Whether the DaemonSet's pods may be placed here; where not, those that run go on (a `NoSchedule` taint).
    pub accepts: bool,
    /// Whether its kubelet works: on a dead node no pod gets ready and none ends.
    pub alive: bool,
    /// Whether it has left the cluster.
    pub gone: bool,
}

impl Node {
    /// Returns a node that works and takes pods.
    pub fn new(name: &str) -> Node {
        Node { name: name.to_string(), accepts: true, alive: true, gone: false }
    }
}

/// A ReplicaSet of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSet {
    /// The revision that it is of.
    pub revision: RevisionId,
    /// The pods that it is to have.
    pub replicas: u32,
    /// The Deployment's size when this set was last sized (annotation `desired-replicas`).
    pub sized_for: u32,
    /// The Deployment's size and surge at that time (annotation `max-replicas`).
    pub sized_max: u32,
}

/// A workload, its pods, and what its controller remembers.
#[derive(Clone, Debug)]
pub struct World {
    /// The kind.
    pub kind: Kind,
    /// The workload's name, which its new pods' names start with.
    pub name: String,
    /// How pods are replaced.
    pub strategy: Strategy,
    /// The number of pods asked for; a DaemonSet's follows from [`World::nodes`].
    pub desired: u32,
    /// Ticks that a pod must be ready before it is available.
    pub min_ready: u32,
    /// The lowest ordinal of a StatefulSet.
    pub first_ordinal: u32,
    /// Whether a StatefulSet creates and deletes pods in parallel.
    pub parallel: bool,
    /// Whether a Deployment is paused.
    pub paused: bool,
    /// The revision of the template in the specification.
    pub template: RevisionId,
    /// Whether the controller has seen the specification.
    pub observed: bool,
    /// A StatefulSet's `status.currentRevision`.
    pub current_revision: RevisionId,
    /// A StatefulSet's `status.updateRevision`.
    pub update_revision: RevisionId,
    /// What becomes of new pods by revision; they are ready at once where nothing is said.
    pub behaviours: BTreeMap<RevisionId, Behaviour>,
    /// Ticks that a deleted pod takes to end, beside the one of its deletion.
    pub grace: u32,
    /// Where the order of nodes comes from; 0 keeps the order of [`World::nodes`].
    pub seed: u64,
    /// The nodes of a DaemonSet.
    pub nodes: Vec<Node>,
    /// The ReplicaSets of a Deployment, oldest first.
    pub sets: Vec<ReplicaSet>,
    /// The pods.
    pub pods: Vec<ModelPod>,
    /// The UID of the youngest pod.
    pub last_uid: u64,
    /// Names of pods that the controller deleted because they are not at the revision they should be, in order.
    pub replaced: Vec<String>,
}

impl World {
    /// Returns a world without pods.
    pub fn new(kind: Kind, name: &str, strategy: Strategy, desired: u32) -> World {
        World {
            kind,
            name: name.to_string(),
            strategy,
            desired,
            min_ready: 0,
            first_ordinal: 0,
            parallel: false,
            paused: false,
            template: RevisionId::OLD,
            observed: true,
            current_revision: RevisionId::OLD,
            update_revision: RevisionId::OLD,
            behaviours: BTreeMap::new(),
            grace: 0,
            seed: 0,
            nodes: Vec::new(),
            sets: Vec::new(),
            pods: Vec::new(),
            last_uid: 0,
            replaced: Vec::new(),
        }
    }

    /// Returns the number of pods that there should be.
    pub fn wanted(&self) -> u32 {
        match self.kind {
            Kind::Deployment | Kind::StatefulSet => self.desired,
            Kind::DaemonSet => self.nodes.iter().filter(|node| node.accepts && !node.gone).count() as u32,
        }
    }

    /// Returns a StatefulSet's partition; 0 where there is none.
    pub fn partition(&self) -> u32 {
        match &self.strategy {
            Strategy::Partitioned { partition, max_unavailable: _ } => *partition,
            Strategy::RollingUpdate { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => {
                0
            }
        }
    }

    /// Tells whether a pod has been ready for long enough. A pod that ends may still be available.
    pub fn available(&self, pod: &ModelPod) -> bool {
        pod.ready && pod.ready_for >= self.min_ready
    }

    /// Returns the pod of a name.
    pub fn pod(&self, name: &str) -> Option<&ModelPod> {
        self.pods.iter().find(|pod| pod.name == name)
    }

    /// Runs one synchronisation of the controller and one step of the kubelets; tells whether anything has changed.
    pub fn tick(&mut self) -> bool {
        let controlled = self.control();
        self.run_pods() || controlled
    }

    /// Ticks until nothing changes any more, at most so often; tells whether the world has come to rest.
    pub fn settle(&mut self, ticks: u32) -> bool {
        (0..ticks).any(|_| !self.tick())
    }

    /// Runs one synchronisation of the controller; tells whether it changed anything.
    pub fn control(&mut self) -> bool {
        let unobserved = !std::mem::replace(&mut self.observed, true);
        let changed = match self.kind {
            Kind::Deployment => self.control_deployment(),
            Kind::DaemonSet => self.control_daemon_set(),
            Kind::StatefulSet => self.control_stateful_set(),
        };
        changed || unobserved
    }

    /// Runs one step of the kubelets: pods that end go, pods that start get ready, ready pods become available.
    pub fn run_pods(&mut self) -> bool {
        let before = self.pods.len();
        let mut changed = false;
        let World { pods, nodes, behaviours, min_ready, kind, .. } = self;
        pods.retain_mut(|pod| {
            if *kind == Kind::DaemonSet && !nodes[pod.slot as usize].alive {
                return true;
            }
            if let Some(left) = &mut pod.ending {
                changed |= *left > 0;
                return left.checked_sub(1).map(|less| *left = less).is_some();
            }
            changed |= pod.live(behaviours.get(&pod.revision).copied(), *min_ready);
            true
        });
        changed || self.pods.len() < before
    }

    /// Creates a pod.
    pub(super) fn create(&mut self, name: String, slot: u32, revision: RevisionId) {
        self.last_uid += 1;
        self.pods.push(ModelPod {
            name,
            uid: self.last_uid,
            slot,
            revision,
            ready: false,
            ready_for: 0,
            age: 0,
            broken: false,
            failed: false,
            ending: None,
        });
    }

    /// Deletes a pod for the controller, and remembers those that are replaced for their revision.
    pub(super) fn end(&mut self, index: usize, replaced: bool) {
        let grace = self.grace;
        let pod = &mut self.pods[index];
        if pod.ending.is_none() {
            pod.ending = Some(grace);
            if replaced {
                self.replaced.push(pod.name.clone());
            }
        }
    }

    /// Returns the Deployment's or DaemonSet's surge in pods (both round up).
    pub(super) fn surge(&self) -> u32 {
        match &self.strategy {
            Strategy::RollingUpdate { max_surge, max_unavailable: _ } => max_surge.rounded_up(self.wanted()),
            Strategy::Partitioned { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => 0,
        }
    }

    /// Returns the pods that may be missing, as each controller rounds it.
    pub fn max_unavailable(&self) -> u32 {
        let wanted = self.wanted();
        match (&self.strategy, self.kind) {
            // deployment/util/deployment_util.go, MaxUnavailable and ResolveFenceposts: down, and 1 when both are 0.
            (Strategy::RollingUpdate { max_unavailable, max_surge }, Kind::Deployment) => {
                let unavailable = max_unavailable.rounded_down(wanted);
                let none = unavailable == 0 && max_surge.rounded_up(wanted) == 0;
                if none { wanted.min(1) } else { unavailable.min(wanted) }
            }
            // daemon/update.go, updatedDesiredNodeCounts: up, and 1 when both are 0.
            (Strategy::RollingUpdate { max_unavailable, max_surge }, Kind::DaemonSet | Kind::StatefulSet) => {
                let unavailable = max_unavailable.rounded_up(wanted);
                let none = unavailable == 0 && max_surge.rounded_up(wanted) == 0;
                if none { wanted.min(1) } else { unavailable }
            }
            // statefulset/stateful_set_utils.go, getStatefulSetMaxUnavailable: down, at least 1.
            (Strategy::Partitioned { partition: _, max_unavailable }, _) => {
                max_unavailable.unwrap_or(Amount::Count(1)).rounded_down(wanted).max(1)
            }
            (Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_), _) => 0,
        }
    }
}

impl ModelPod {
    /// Lets the pod live for one tick; tells whether that changed it.
    fn live(&mut self, behaviour: Option<Behaviour>, min_ready: u32) -> bool {
        if self.failed || self.broken {
            return false;
        }
        if self.ready {
            let grows = self.ready_for < min_ready;
            self.ready_for += u32::from(grows);
            return grows;
        }
        match behaviour.unwrap_or(Behaviour::Ready { after: 0 }) {
            Behaviour::Ready { after } => {
                self.ready = self.age >= after;
                self.age = self.age.saturating_add(1);
                true
            }
            Behaviour::NeverReady => false,
        }
    }
}
