//! What others do beside a machine, and what pods and nodes do by themselves.

use std::collections::BTreeSet;

use rollout_core::Kind;
use rollout_core::model::World as Model;
use serde_json::json;

use crate::cluster::{Cluster, template};

/// Something that no machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Somebody rolls out something else.
    Rival,
    /// Somebody sets the strategy.
    Strategy,
    /// Something changes that does not matter.
    Touched,
    /// The workload is deleted and made anew around its pods.
    Recreated,
    /// Somebody scales.
    Scaled(u32),
    /// A pod is deleted, ends, or is not ready for a moment.
    Dies(u32),
    Fails(u32),
    Falls(u32),
    /// A node joins, or one dies.
    Joins,
    NodeDies(u32),
}

/// What of it has been.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    pub rival: bool,
    pub strategy: bool,
    pub recreated: bool,
    pub scaled: bool,
    pub joined: bool,
    /// Nodes that have been dead.
    pub died: BTreeSet<u32>,
}

impl Marks {
    /// What may happen to a cluster.
    pub fn events(&self, cluster: &Cluster) -> Vec<Beside> {
        let mut events = vec![Beside::Touched];
        if !self.recreated {
            events.push(Beside::Recreated);
        }
        if !self.rival {
            events.push(Beside::Rival);
        }
        if !self.strategy {
            events.push(Beside::Strategy);
        }
        for pod in cluster.world.pods.iter().filter(|pod| !pod.terminating()) {
            events.extend([Beside::Dies(pod.slot), Beside::Fails(pod.slot)]);
            if pod.ready {
                events.push(Beside::Falls(pod.slot));
            }
        }
        match cluster.kind {
            Kind::DaemonSet => {
                let nodes = &cluster.world.nodes;
                let alive = (0..nodes.len() as u32).filter(|slot| nodes[*slot as usize].alive);
                events.extend(alive.map(Beside::NodeDies));
                if !self.joined {
                    events.push(Beside::Joins);
                }
            }
            Kind::StatefulSet | Kind::Deployment if !self.scaled => {
                let desired = cluster.world.desired;
                events.extend([desired - 1, desired + 1].map(Beside::Scaled));
            }
            Kind::StatefulSet | Kind::Deployment => {}
        }
        events
    }

    pub fn happens(&mut self, cluster: &mut Cluster, event: Beside) {
        match event {
            Beside::Rival => {
                self.rival = true;
                cluster.change(|it| it["spec"]["template"] = template(2));
            }
            Beside::Strategy => {
                self.strategy = true;
                let rolling = Cluster::rolling_update(cluster.kind);
                cluster.change(|it| it["spec"]["updateStrategy"] = rolling);
            }
            Beside::Touched => cluster.change(|it| {
                let mark = it["metadata"]["labels"]["touched"] != "once";
                it["metadata"]["labels"] = json!({"touched": if mark { "once" } else { "twice" }});
            }),
            Beside::Recreated => {
                self.recreated = true;
                cluster.change(|it| it["metadata"]["uid"] = json!("another"));
            }
            Beside::Scaled(replicas) => {
                self.scaled = true;
                cluster.scale(replicas);
            }
            Beside::Dies(slot) => pod(cluster, slot, Model::delete_pod),
            Beside::Fails(slot) => pod(cluster, slot, Model::fail_pod),
            Beside::Falls(slot) => pod(cluster, slot, Model::unready_pod),
            Beside::Joins => {
                self.joined = true;
                cluster.join("late");
            }
            Beside::NodeDies(slot) => {
                self.died.insert(slot);
                let node = &mut cluster.world.nodes[slot as usize];
                (node.alive, node.accepts) = (false, false);
                pod(cluster, slot, Model::unready_pod);
            }
        }
        cluster.remember();
    }

    /// The world stands still from now on, and everything works but for a revision that never does.
    pub fn heal(cluster: &mut Cluster) {
        for node in &mut cluster.world.nodes {
            (node.alive, node.accepts) = (true, true);
        }
        cluster.ticks(5);
    }
}

/// Does something to the pods of a place.
pub fn pod(cluster: &mut Cluster, slot: u32, act: impl Fn(&mut Model, &str) -> bool) {
    let world = &mut cluster.world;
    let here = world.pods.iter().filter(|pod| pod.slot == slot).map(|pod| pod.name.clone());
    for name in here.collect::<Vec<_>>() {
        let _ = act(world, &name);
    }
}
