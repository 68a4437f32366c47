//! A world made from what was read of a real workload.

use std::collections::HashMap;

use crate::model::world::{ModelPod, Node, ReplicaSet, RevisionId, World};
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::objects::workload::Workload;
use crate::snapshot::Snapshot;

/// Where a pod belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Anywhere: a Deployment's.
    Anywhere,
    /// On one node: a DaemonSet's.
    Node(String),
    /// At one ordinal: a StatefulSet's.
    Ordinal(u32),
}

/// A pod that exists when a rollout starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentPod {
    /// The name.
    pub name: String,
    /// Where it belongs.
    pub place: Place,
    /// Whether it is at the revision to be rolled out.
    pub target: bool,
    /// Whether it is available.
    pub available: bool,
    /// Whether somebody has asked for its end.
    pub terminating: bool,
    /// Whether it has ended by itself.
    pub ended: bool,
}

impl CurrentPod {
    /// Returns what the model needs of a pod; none for a StatefulSet's pod without an ordinal.
    fn of(snapshot: &Snapshot, pod: &Pod, target: bool) -> Option<CurrentPod> {
        let place = match snapshot.workload.id.kind {
            Kind::Deployment => Place::Anywhere,
            Kind::DaemonSet => {
                Place::Node(pod.node.clone().unwrap_or_else(|| format!("node of {}", pod.name)))
            }
            Kind::StatefulSet => Place::Ordinal(pod.ordinal()?),
        };
        Some(CurrentPod {
            name: pod.name.clone(),
            place,
            target,
            available: snapshot.available(pod),
            terminating: pod.terminating,
            ended: pod.ended(),
        })
    }
}

impl World {
    /// Returns the world at the moment in which the workload of a snapshot is given another template, whose pods are told
    /// by `is_target`.
    ///
    /// Strategy, pause and numbers are the workload's: where a plan changes them too, change them in the world.
    pub fn of(snapshot: &Snapshot, pods: &[Pod], is_target: impl Fn(&Pod) -> bool) -> World {
        let current = pods.iter().filter_map(|pod| CurrentPod::of(snapshot, pod, is_target(pod)));
        let mut world = World::from_pods(&snapshot.workload, current);
        let recorded = snapshot.workload.status.current_revision.as_deref();
        let recreated = pods.iter().find(|pod| recorded.is_some() && pod.revision.as_deref() == recorded);
        if recreated.is_some_and(&is_target) {
            world.current_revision = RevisionId::TARGET;
        }
        world
    }

    /// Returns the world of a workload and its pods at the moment in which its template becomes [`RevisionId::TARGET`].
    ///
    /// Old pods that are not available stay so; pods of the target get ready in one tick. A StatefulSet's
    /// `currentRevision` is taken for the old one.
    pub fn from_pods(workload: &Workload, pods: impl IntoIterator<Item = CurrentPod>) -> World {
        let mut world =
            World::new(workload.id.kind, &workload.id.name, workload.strategy.clone(), workload.desired);
        world.first_ordinal = workload.first_ordinal;
        world.parallel = workload.parallel;
        world.paused = workload.paused;
        world.min_ready = workload.min_ready_seconds;
        world.template = RevisionId::TARGET;
        world.observed = false;
        let mut slots = HashMap::new();
        for pod in pods {
            world.take_in(pod, &mut slots);
        }
        world.complete_objects();
        world
    }

    fn take_in(&mut self, pod: CurrentPod, slots: &mut HashMap<String, u32>) {
        let CurrentPod { name, place, target, available, terminating, ended } = pod;
        let slot = match place {
            Place::Anywhere => 0,
            Place::Ordinal(ordinal) => ordinal,
            Place::Node(node) => *slots.entry(node).or_insert_with_key(|node| {
                self.nodes.push(Node::new(node));
                (self.nodes.len() - 1) as u32
            }),
        };
        self.last_uid += 1;
        self.pods.push(ModelPod {
            name,
            uid: self.last_uid,
            slot,
            revision: if target { RevisionId::TARGET } else { RevisionId::OLD },
            ready: available,
            ready_for: if available { self.min_ready } else { 0 },
            age: 0,
            broken: !available && !target,
            failed: ended,
            ending: terminating.then_some(self.grace),
        });
    }

    /// Adds what the pods alone do not tell: ReplicaSets, and nodes that have no pod yet.
    fn complete_objects(&mut self) {
        match self.kind {
            Kind::Deployment => {
                let sized_max = self.desired.saturating_add(self.surge());
                for revision in [RevisionId::OLD, RevisionId::TARGET] {
                    let of: Vec<_> = self.pods.iter().filter(|pod| pod.revision == revision).collect();
                    let replicas = of.iter().filter(|pod| !pod.terminating() && !pod.failed).count() as u32;
                    if !of.is_empty() {
                        let sized_for = self.desired;
                        self.sets.push(ReplicaSet { revision, replicas, sized_for, sized_max });
                    }
                }
            }
            Kind::DaemonSet => {
                for missing in self.nodes.len()..self.desired as usize {
                    self.nodes.push(Node::new(&format!("node {missing} without a pod")));
                }
            }
            Kind::StatefulSet => {}
        }
    }
}
