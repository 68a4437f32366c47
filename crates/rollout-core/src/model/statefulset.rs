//! The StatefulSet controller: statefulset/stateful_set_control.go and stateful_set_utils.go.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::model::world::{RevisionId, World};
use crate::objects::kind::Kind;
use crate::objects::strategy::Strategy;

/// The pods as one synchronisation of the controller sorts them.
struct Sorted {
    /// The pods of the range by index; absent where none exists.
    replicas: Vec<Option<usize>>,
    /// The pods outside the range, highest ordinal first.
    condemned: Vec<usize>,
    /// The first pod of all that is not available: an index into the pods, or absent for a pod that does not exist.
    first_unavailable: Option<Option<usize>>,
}

impl World {
    pub(super) fn control_stateful_set(&mut self) -> bool {
        let mut changed = self.update_revision != self.template;
        self.update_revision = self.template;
        let complete = self.complete();
        changed |= self.update_stateful_set();
        // updateStatefulSetStatus: what was counted before the pods were touched decides.
        if complete && self.current_revision != self.update_revision {
            self.current_revision = self.update_revision;
            changed = true;
        }
        changed
    }

    /// stateful_set_utils.go, completeUpdate; an old server asked for RollingUpdate too.
    fn complete(&self) -> bool {
        let (mut updated, mut ready) = (0, 0);
        for pod in &self.pods {
            updated += u32::from(!pod.terminating() && pod.revision == self.update_revision);
            ready += u32::from(pod.ready && !pod.failed);
        }
        updated == self.desired && ready == self.desired && self.pods.len() as u32 == self.desired
    }

    /// stateful_set_control.go, updateStatefulSet.
    fn update_stateful_set(&mut self) -> bool {
        let before = self.last_uid;
        let deleted = |world: &World| world.pods.iter().filter(|pod| pod.terminating()).count();
        let ending = deleted(self);
        // How far a synchronisation gets does not matter here, only whether it did something.
        let _ = self.synchronise();
        self.last_uid != before || deleted(self) != ending
    }

    fn synchronise(&mut self) -> ControlFlow<()> {
        let mut sorted = self.sorted();
        if self.strategy == Strategy::Recreate {
            self.recreate()?;
        }
        self.process_replicas(&mut sorted)?;
        self.process_condemned(&sorted)?;
        match &self.strategy {
            Strategy::Partitioned { partition, max_unavailable } => {
                let (lowest, gated) = (*partition as usize, max_unavailable.is_some());
                match (gated, self.parallel) {
                    (false, _) => self.update_one(&sorted, lowest),
                    (true, false) => self.update_some(&sorted, lowest),
                    (true, true) => self.update_in_parallel(&sorted, lowest),
                }
            }
            Strategy::OnDelete | Strategy::Recreate | Strategy::RollingUpdate { .. } | Strategy::Other(_) => {
            }
        }
        ControlFlow::Continue(())
    }

    fn sorted(&self) -> Sorted {
        let mut replicas = vec![None; self.desired as usize];
        let mut condemned = BTreeMap::new();
        for (index, pod) in self.pods.iter().enumerate() {
            let place = pod.slot.checked_sub(self.first_ordinal).map(|place| place as usize);
            match place.and_then(|place| replicas.get_mut(place)) {
                Some(place) => *place = Some(index),
                None => {
                    condemned.insert(pod.slot, index);
                }
            }
        }
        let condemned: Vec<usize> = condemned.into_values().rev().collect();
        let lowest_first = condemned.iter().rev().map(|index| Some(*index));
        let first_unavailable =
            replicas.iter().copied().chain(lowest_first).find(|index| !index.is_some_and(|i| self.serves(i)));
        Sorted { replicas, condemned, first_unavailable }
    }

    /// Returns the first pod that is not available, in whose place the ordered controller waits; none in other kinds.
    pub fn blocker(&self) -> Option<&str> {
        match self.kind {
            Kind::StatefulSet if !self.parallel => {
                self.sorted().first_unavailable.flatten().map(|index| self.pods[index].name.as_str())
            }
            Kind::StatefulSet | Kind::Deployment | Kind::DaemonSet => None,
        }
    }

    /// stateful_set_utils.go, isUnavailable turned round: available, and nobody has deleted it.
    fn serves(&self, index: usize) -> bool {
        let pod = &self.pods[index];
        self.available(pod) && !pod.terminating()
    }

    /// stateful_set_control.go, recreateDeleteAndWait.
    fn recreate(&mut self) -> ControlFlow<()> {
        let old: Vec<usize> =
            (0..self.pods.len()).filter(|i| self.pods[*i].revision != self.update_revision).collect();
        for index in &old {
            self.end(*index, true);
        }
        if old.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// stateful_set_control.go, processReplica: in order, and no further than a pod that is not available.
    fn process_replicas(&mut self, sorted: &mut Sorted) -> ControlFlow<()> {
        for place in 0..sorted.replicas.len() {
            let Some(index) = sorted.replicas[place] else {
                let ordinal = self.first_ordinal + place as u32;
                self.create(format!("{}-{ordinal}", self.name), ordinal, self.revision_at(place as u32));
                sorted.replicas[place] = Some(self.pods.len() - 1);
                if self.parallel {
                    continue;
                }
                return ControlFlow::Break(());
            };
            if self.pods[index].failed {
                self.end(index, false);
            }
            if !self.parallel && (self.pods[index].failed || !self.serves(index)) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// stateful_set_utils.go, newVersionedStatefulSetPod: the partition is a count from the bottom.
    fn revision_at(&self, place: u32) -> RevisionId {
        if place < self.partition() { self.current_revision } else { self.update_revision }
    }

    /// stateful_set_control.go, processCondemned: the highest one, unless it is not the first unavailable pod of all.
    fn process_condemned(&mut self, sorted: &Sorted) -> ControlFlow<()> {
        for index in sorted.condemned.iter().copied() {
            let blocked = self.pods[index].terminating()
                || (!self.available(&self.pods[index]) && sorted.first_unavailable != Some(Some(index)));
            if self.parallel || !blocked {
                self.end(index, false);
            }
            if !self.parallel {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// stateful_set_control.go, end of updateStatefulSet: without the gate MaxUnavailableStatefulSet, one at a time.
    fn update_one(&mut self, sorted: &Sorted, lowest: usize) {
        for index in sorted.replicas.iter().skip(lowest).rev().flatten().copied() {
            if self.behind(index) && !self.pods[index].terminating() {
                return self.end(index, true);
            }
            if !self.serves(index) {
                return;
            }
        }
    }

    /// stateful_set_control.go, updateStatefulSetAfterInvariantEstablished, OrderedReady.
    fn update_some(&mut self, sorted: &Sorted, lowest: usize) {
        let unavailable = self.unavailable(sorted);
        let mut budget = self.max_unavailable().saturating_sub(unavailable);
        for index in sorted.replicas.iter().skip(lowest).rev().flatten().copied() {
            if budget > 0 && self.behind(index) && !self.pods[index].terminating() {
                self.end(index, true);
                budget -= 1;
            }
        }
    }

    /// stateful_set_control.go, updateStatefulSetAfterInvariantEstablished, Parallel: unavailable old pods go without
    /// regard to the budget.
    fn update_in_parallel(&mut self, sorted: &Sorted, lowest: usize) {
        let mut budget = self.max_unavailable().saturating_sub(self.unavailable(sorted));
        let old: Vec<usize> = sorted
            .replicas
            .iter()
            .skip(lowest)
            .rev()
            .flatten()
            .copied()
            .filter(|i| self.behind(*i))
            .collect();
        let (serving, failing): (Vec<usize>, Vec<usize>) = old.into_iter().partition(|i| self.serves(*i));
        for index in failing {
            if !self.available(&self.pods[index]) {
                self.end(index, true);
            }
        }
        for index in serving {
            if budget > 0 {
                self.end(index, true);
                budget -= 1;
            }
        }
    }

    fn unavailable(&self, sorted: &Sorted) -> u32 {
        sorted.replicas.iter().filter(|index| !index.is_some_and(|i| self.serves(i))).count() as u32
    }

    fn behind(&self, index: usize) -> bool {
        self.pods[index].revision != self.update_revision
    }
}
