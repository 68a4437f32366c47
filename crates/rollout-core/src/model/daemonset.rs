//! The DaemonSet controller: daemon/daemon_controller.go and daemon/update.go.

use crate::model::world::World;
use crate::objects::strategy::Strategy;

/// The pods of one node as the controller sorts them.
#[derive(Clone, Copy, Default)]
struct OnNode {
    /// Any pod at all, a terminating one too.
    any: bool,
    /// A pod of the template's revision.
    new: Option<usize>,
    /// A pod of another revision.
    old: Option<usize>,
    /// More than one of a sort, or one that has failed: `manage` comes first.
    disorder: bool,
}

impl World {
    pub(super) fn control_daemon_set(&mut self) -> bool {
        let nodes = self.by_node();
        // updateDaemonSet: the update waits until what `manage` asked for has been seen.
        if self.manage(&nodes) {
            return true;
        }
        match &self.strategy {
            Strategy::RollingUpdate { .. } => match self.surge() {
                0 => self.replace_in_place(&nodes),
                surge => self.replace_beside(&nodes, surge),
            },
            Strategy::OnDelete | Strategy::Partitioned { .. } | Strategy::Recreate | Strategy::Other(_) => {
                false
            }
        }
    }

    /// daemon/update.go, findUpdatedPodsOnNode.
    fn by_node(&self) -> Vec<OnNode> {
        let mut nodes = vec![OnNode::default(); self.nodes.len()];
        for (index, pod) in self.pods.iter().enumerate() {
            let node = &mut nodes[pod.slot as usize];
            node.any = true;
            if pod.terminating() {
                continue;
            }
            if pod.failed {
                node.disorder = true;
                continue;
            }
            let sort = if pod.revision == self.template { &mut node.new } else { &mut node.old };
            node.disorder |= sort.is_some();
            sort.get_or_insert(index);
        }
        nodes
    }

    /// daemon/daemon_controller.go, manage and podsShouldBeOnNode.
    fn manage(&mut self, nodes: &[OnNode]) -> bool {
        let surging = self.surge() > 0;
        let (mut create, mut delete) = (Vec::new(), Vec::new());
        for (slot, on) in nodes.iter().enumerate() {
            let node = &self.nodes[slot];
            if node.gone {
                continue;
            }
            let empty = if surging { on.new.is_none() && on.old.is_none() } else { !on.any };
            if node.accepts && empty {
                create.push(slot as u32);
            }
            if on.disorder || (on.new.is_some() && on.old.is_some()) {
                delete.extend(self.surplus(slot as u32, surging));
            }
        }
        for slot in &create {
            self.create(format!("{}-{}", self.name, self.last_uid + 1), *slot, self.template);
        }
        for index in &delete {
            let replaced = self.pods[*index].revision != self.template;
            self.end(*index, replaced);
        }
        !create.is_empty() || !delete.is_empty()
    }

    /// Returns the pods of a node that are too many: failed ones, all but the oldest, and with a surge the old one when
    /// the new one is available or the old one is not ready.
    fn surplus(&self, slot: u32, surging: bool) -> Vec<usize> {
        let here = |pod: &super::ModelPod| pod.slot == slot && !pod.terminating();
        let places: Vec<usize> = (0..self.pods.len()).filter(|i| here(&self.pods[*i])).collect();
        let (mut surplus, mut running): (Vec<usize>, Vec<usize>) =
            places.into_iter().partition(|index| self.pods[*index].failed);
        running.sort_by_key(|index| self.pods[*index].uid);
        if !surging {
            surplus.extend(running.into_iter().skip(1));
            return surplus;
        }
        let (new, old): (Vec<usize>, Vec<usize>) =
            running.into_iter().partition(|index| self.pods[*index].revision == self.template);
        surplus.extend(new.iter().skip(1).chain(old.iter().skip(1)));
        if let (Some(new), Some(old)) = (new.first(), old.first())
            && (!self.pods[*old].ready || self.available(&self.pods[*new]))
        {
            surplus.push(*old);
        }
        surplus
    }

    /// daemon/update.go, rollingUpdate without a surge.
    fn replace_in_place(&mut self, nodes: &[OnNode]) -> bool {
        let budget = self.max_unavailable();
        let mut unavailable = 0;
        let (mut allowed, mut candidates) = (Vec::new(), Vec::new());
        for slot in self.node_order() {
            let on = nodes[slot];
            if !on.any && (self.nodes[slot].gone || !self.nodes[slot].accepts) {
                continue;
            }
            match (on.new, on.old) {
                _ if on.disorder => unavailable += 1,
                (None, None) | (Some(_), Some(_)) => unavailable += 1,
                (Some(new), None) => unavailable += u32::from(!self.available(&self.pods[new])),
                (None, Some(old)) if !self.available(&self.pods[old]) => {
                    allowed.push(old);
                    unavailable += 1;
                }
                (None, Some(_)) if unavailable >= budget => {}
                (None, Some(old)) => candidates.push(old),
            }
        }
        candidates.truncate(budget.saturating_sub(unavailable) as usize);
        allowed.extend(candidates);
        for index in &allowed {
            self.end(*index, true);
        }
        !allowed.is_empty()
    }

    /// daemon/update.go, rollingUpdate with a surge.
    fn replace_beside(&mut self, nodes: &[OnNode], max_surge: u32) -> bool {
        let (mut surging, mut available) = (0, 0);
        let (mut allowed, mut candidates) = (Vec::new(), Vec::new());
        let (mut delete, mut misplaced) = (Vec::new(), Vec::new());
        for slot in self.node_order() {
            let on = nodes[slot];
            if on.disorder {
                surging += 1;
                continue;
            }
            let counted = on.old.or(on.new).is_some_and(|index| self.available(&self.pods[index]));
            available += u32::from(counted);
            let Some(old) = on.old else { continue };
            let accepts = self.nodes[slot].accepts;
            match on.new {
                Some(new) if self.available(&self.pods[new]) => delete.push(old),
                Some(_) => surging += 1,
                None if !counted && !accepts => delete.push(old),
                None if !counted => allowed.push(slot),
                None if !accepts => misplaced.push(old),
                None if surging >= max_surge => {}
                None => candidates.push(slot),
            }
        }
        delete.extend(misplaced.into_iter().take(available.saturating_sub(self.wanted()) as usize));
        candidates.truncate(max_surge.saturating_sub(surging) as usize);
        allowed.extend(candidates);
        for index in &delete {
            self.end(*index, true);
        }
        for slot in &allowed {
            self.create(format!("{}-{}", self.name, self.last_uid + 1), *slot as u32, self.template);
        }
        !delete.is_empty() || !allowed.is_empty()
    }

    /// Returns the nodes in the order in which the controller comes upon them: that of a Go map, which is random.
    fn node_order(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        if self.seed != 0 {
            for last in (1..order.len()).rev() {
                let pick = self.random() % (last as u64 + 1);
                order.swap(last, pick as usize);
            }
        }
        order
    }

    /// A step of xorshift64.
    fn random(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }
}
