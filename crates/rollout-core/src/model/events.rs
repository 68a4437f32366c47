//! What happens to a workload from outside.

use crate::model::world::{Node, RevisionId, World};
use crate::objects::strategy::Strategy;

impl World {
    /// Deletes a pod as a user does; tells whether there is one that nobody has deleted yet.
    pub fn delete_pod(&mut self, name: &str) -> bool {
        let found = self.pods.iter().position(|pod| pod.name == name && !pod.terminating());
        if let Some(index) = found {
            self.end(index, false);
        }
        found.is_some()
    }

    /// Asks for another number of pods.
    pub fn scale(&mut self, desired: u32) {
        self.desired = desired;
        self.observed = false;
    }

    /// Asks for another template.
    pub fn set_template(&mut self, revision: RevisionId) {
        self.template = revision;
        self.observed = false;
    }

    /// Asks for another strategy.
    pub fn set_strategy(&mut self, strategy: Strategy) {
        self.strategy = strategy;
        self.observed = false;
    }

    /// Asks for another partition; sets that have none are left alone.
    pub fn set_partition(&mut self, count: u32) {
        match &mut self.strategy {
            Strategy::Partitioned { partition, max_unavailable: _ } => {
                *partition = count;
                self.observed = false;
            }
            Strategy::RollingUpdate { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => {
            }
        }
    }

    /// Makes a pod unready for good; tells whether there is one.
    pub fn break_pod(&mut self, name: &str) -> bool {
        self.change_pod(name, |pod| {
            (pod.broken, pod.ready, pod.ready_for) = (true, false, 0);
        })
    }

    /// Makes a pod unready until the next tick; tells whether there is one.
    pub fn unready_pod(&mut self, name: &str) -> bool {
        self.change_pod(name, |pod| (pod.ready, pod.ready_for) = (false, 0))
    }

    /// Ends a pod by itself (phase `Failed`): its controller replaces it; tells whether there is one.
    pub fn fail_pod(&mut self, name: &str) -> bool {
        self.change_pod(name, |pod| {
            (pod.failed, pod.ready, pod.ready_for) = (true, false, 0);
        })
    }

    /// Adds a node that a DaemonSet's pods may run on.
    pub fn add_node(&mut self, name: &str) {
        self.nodes.push(Node::new(name));
    }

    /// Takes a node out of the cluster, and its pods with it; tells whether there is one.
    pub fn remove_node(&mut self, name: &str) -> bool {
        let Some(index) = self.nodes.iter().position(|node| node.name == name && !node.gone) else {
            return false;
        };
        self.nodes[index].gone = true;
        self.pods.retain(|pod| pod.slot as usize != index);
        true
    }

    fn change_pod(&mut self, name: &str, change: impl FnOnce(&mut super::ModelPod)) -> bool {
        let pod = self.pods.iter_mut().find(|pod| pod.name == name && !pod.terminating());
        pod.map(change).is_some()
    }
}
