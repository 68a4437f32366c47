//! Forecasts of thousands of pods look at a few hundred at a time.
//!
//! Pods that are done, and old ones whose turn is far away, change nothing in what a controller does next: all its
//! decisions are differences of counts. They are taken out of the world, and put back before it is their turn.

use crate::model::world::{ModelPod, Node, RevisionId, World};
use crate::objects::kind::Kind;
use crate::objects::strategy::{Amount, Strategy};

/// What was taken out of a world.
pub(super) struct Window {
    pods: Vec<ModelPod>,
    /// All nodes, and the places in them of those that are left in the world.
    nodes: Vec<Node>,
    slots: Vec<u32>,
    desired: u32,
    first_ordinal: u32,
    strategy: Strategy,
    current_revision: RevisionId,
    /// How many old pods, and how many new ones, were taken out; all of them are available.
    pub(super) old: u32,
    pub(super) new: u32,
}

impl Window {
    /// Takes out what can wait, so that about `keep` old pods are left; none where that is not worth it or not safe.
    pub(super) fn open(world: &mut World, keep: usize) -> Option<Window> {
        let waiting = world.pods.iter().filter(|pod| world.waits(pod)).count();
        if waiting <= keep || world.seed != 0 {
            return None;
        }
        let out = match world.kind {
            Kind::Deployment => world.idle_of_deployment(keep)?,
            Kind::DaemonSet => world.idle_of_daemon_set(keep)?,
            Kind::StatefulSet => world.idle_of_stateful_set(keep)?,
        };
        Some(Window::take(world, &out))
    }

    fn take(world: &mut World, out: &[bool]) -> Window {
        let mut place = 0;
        let taken = |_: &mut ModelPod| {
            place += 1;
            out[place - 1]
        };
        let pods: Vec<ModelPod> = world.pods.extract_if(.., taken).collect();
        let new = pods.iter().filter(|pod| pod.revision == world.template).count() as u32;
        let mut window = Window {
            old: pods.len() as u32 - new,
            new,
            pods,
            nodes: Vec::new(),
            slots: Vec::new(),
            desired: world.desired,
            first_ordinal: world.first_ordinal,
            strategy: world.strategy.clone(),
            current_revision: world.current_revision,
        };
        match world.kind {
            Kind::Deployment => window.shrink_deployment(world),
            Kind::DaemonSet => window.shrink_daemon_set(world),
            Kind::StatefulSet => window.shrink_stateful_set(world),
        }
        window
    }

    /// Puts everything back.
    pub(super) fn close(mut self, world: &mut World) {
        match world.kind {
            Kind::Deployment => {
                for set in &mut world.sets {
                    set.replicas += if set.revision == world.template { self.new } else { self.old };
                    set.sized_for = self.desired;
                }
            }
            Kind::DaemonSet => {
                world.nodes = self.nodes;
                for pod in &mut world.pods {
                    pod.slot = self.slots[pod.slot as usize];
                }
            }
            Kind::StatefulSet => {
                world.first_ordinal = self.first_ordinal;
                world.strategy = self.strategy;
                // Whether all pods are new is not to be seen in a part of them.
                world.current_revision = self.current_revision;
            }
        }
        world.desired = self.desired;
        world.pods.append(&mut self.pods);
    }

    fn shrink_deployment(&self, world: &mut World) {
        world.desired -= self.old + self.new;
        for set in &mut world.sets {
            set.replicas -= if set.revision == world.template { self.new } else { self.old };
            set.sized_for = world.desired;
        }
    }

    fn shrink_daemon_set(&mut self, world: &mut World) {
        let mut left = vec![true; world.nodes.len()];
        for pod in &self.pods {
            left[pod.slot as usize] = false;
        }
        self.slots = (0..left.len()).filter(|slot| left[*slot]).map(|slot| slot as u32).collect();
        let mut renumbered = vec![0; left.len()];
        for (new, old) in self.slots.iter().enumerate() {
            renumbered[*old as usize] = new as u32;
        }
        let nodes = self.slots.iter().map(|slot| world.nodes[*slot as usize].clone()).collect();
        self.nodes = std::mem::replace(&mut world.nodes, nodes);
        for pod in &mut world.pods {
            pod.slot = renumbered[pod.slot as usize];
        }
    }

    fn shrink_stateful_set(&self, world: &mut World) {
        let lowest = world.pods.iter().map(|pod| pod.slot).min().unwrap_or(world.first_ordinal);
        let below = lowest - world.first_ordinal;
        world.desired -= self.old + self.new;
        world.first_ordinal = lowest;
        if let Strategy::Partitioned { partition, max_unavailable: _ } = &mut world.strategy {
            *partition = partition.saturating_sub(below);
        }
    }
}

impl World {
    /// Turns shares into numbers, which do not depend on how many pods are looked at.
    pub(super) fn resolve_amounts(&mut self) {
        let (unavailable, surge) = (Amount::Count(self.max_unavailable()), Amount::Count(self.surge()));
        match &mut self.strategy {
            Strategy::RollingUpdate { max_unavailable, max_surge } => {
                (*max_unavailable, *max_surge) = (unavailable, surge);
            }
            Strategy::Partitioned { partition: _, max_unavailable } => {
                *max_unavailable = max_unavailable.map(|_| unavailable);
            }
            Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => {}
        }
    }

    /// Tells whether the pod is available and will be replaced when it is its turn.
    fn waits(&self, pod: &ModelPod) -> bool {
        pod.revision != self.template && self.idle(pod)
    }

    /// Tells whether nothing happens to the pod by itself.
    fn idle(&self, pod: &ModelPod) -> bool {
        self.available(pod) && !pod.terminating() && !pod.failed
    }

    /// All that is done, and the oldest pods: the youngest go first.
    fn idle_of_deployment(&self, keep: usize) -> Option<Vec<bool>> {
        let old_sets =
            self.sets.iter().filter(|set| set.revision != self.template && set.replicas > 0).count();
        let rolling = matches!(self.strategy, Strategy::RollingUpdate { .. }) && !self.paused;
        if old_sets > 1 || !rolling || self.sets.iter().any(|set| set.sized_for != self.desired) {
            return None;
        }
        let mut waiting: Vec<usize> = (0..self.pods.len()).filter(|i| self.waits(&self.pods[*i])).collect();
        waiting.sort_by_key(|index| self.pods[*index].uid);
        let mut out: Vec<bool> =
            self.pods.iter().map(|pod| pod.revision == self.template && self.idle(pod)).collect();
        for index in &waiting[..waiting.len() - keep] {
            out[*index] = true;
        }
        let taken = out.iter().filter(|out| **out).count();
        (taken <= self.desired as usize).then_some(out)
    }

    /// Nodes that are done, and nodes far down the list.
    fn idle_of_daemon_set(&self, keep: usize) -> Option<Vec<bool>> {
        if self.nodes.iter().any(|node| !node.accepts || !node.alive || node.gone) {
            return None;
        }
        let mut alone = vec![0u32; self.nodes.len()];
        for pod in &self.pods {
            alone[pod.slot as usize] += 1;
        }
        let mut waiting: Vec<u32> =
            self.pods.iter().filter(|pod| self.waits(pod)).map(|pod| pod.slot).collect();
        waiting.sort_unstable();
        let last = waiting[keep - 1];
        let out = |pod: &ModelPod| {
            let turn_is_far = pod.revision == self.template || pod.slot > last;
            turn_is_far && self.idle(pod) && alone[pod.slot as usize] == 1
        };
        Some(self.pods.iter().map(out).collect())
    }

    /// What is done from the top down, and the lowest pods, if nothing among them blocks.
    fn idle_of_stateful_set(&self, keep: usize) -> Option<Vec<bool>> {
        let mut places: Vec<Option<&ModelPod>> = vec![None; self.desired as usize];
        for pod in &self.pods {
            let place = pod.slot.checked_sub(self.first_ordinal)?;
            *places.get_mut(place as usize)? = Some(pod);
        }
        let done = |place: &&Option<&ModelPod>| {
            place.is_some_and(|pod| pod.revision == self.template && self.idle(pod))
        };
        let top = places.len() - places.iter().rev().take_while(done).count();
        let waiting = |place: &usize| places[*place].is_some_and(|pod| self.waits(pod));
        let bottom = (0..top).rev().filter(waiting).nth(keep - 1)?;
        let clear = places[..bottom].iter().all(|place| place.is_some_and(|pod| self.idle(pod)));
        let inside = self.first_ordinal + bottom as u32..self.first_ordinal + top as u32;
        clear.then(|| self.pods.iter().map(|pod| !inside.contains(&pod.slot)).collect())
    }
}
