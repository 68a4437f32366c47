//! The Deployment controller and the ReplicaSet controller: deployment/{rolling,recreate,sync}.go,
//! deployment/util/deployment_util.go and replicaset/replica_set.go.

use std::cmp::Reverse;

use crate::model::world::{ReplicaSet, World};
use crate::objects::strategy::Strategy;

/// What a ReplicaSet's status says.
#[derive(Clone, Copy, Default)]
struct Counts {
    available: u32,
}

impl World {
    pub(super) fn control_deployment(&mut self) -> bool {
        let counts = self.counts();
        let sized = if self.paused || self.scaling_event() {
            self.scale_sets(&counts)
        } else {
            match &self.strategy {
                Strategy::RollingUpdate { .. } => self.roll(counts),
                Strategy::Recreate => self.recreate_sets(),
                Strategy::OnDelete | Strategy::Partitioned { .. } | Strategy::Other(_) => false,
            }
        };
        self.control_replica_sets() || sized
    }

    fn counts(&self) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.sets.len()];
        for pod in &self.pods {
            let set = self.sets.iter().position(|set| set.revision == pod.revision);
            if let (Some(set), false) = (set, pod.terminating() || pod.failed) {
                counts[set].available += u32::from(self.available(pod));
            }
        }
        counts
    }

    fn new_set(&self) -> Option<usize> {
        self.sets.iter().position(|set| set.revision == self.template)
    }

    fn old_sets(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|set| self.sets[*set].revision != self.template).collect()
    }

    fn total(&self) -> u32 {
        self.sets.iter().map(|set| set.replicas).sum()
    }

    /// deployment/sync.go, scaleReplicaSet; tells whether the size differs.
    fn resize(&mut self, set: usize, replicas: u32) -> bool {
        let sized = (self.desired, self.desired.saturating_add(self.surge()));
        let set = &mut self.sets[set];
        let differs = set.replicas != replicas;
        if differs {
            (set.sized_for, set.sized_max) = sized;
            set.replicas = replicas;
        }
        differs
    }

    /// Makes the ReplicaSet of the template (deployment/sync.go, getNewReplicaSet).
    fn make_set(&mut self, replicas: u32) -> usize {
        let sized_max = self.desired.saturating_add(self.surge());
        let revision = self.template;
        self.sets.push(ReplicaSet { revision, replicas, sized_for: self.desired, sized_max });
        self.sets.len() - 1
    }

    /// deployment/rolling.go, rolloutRolling: a set made in this synchronisation does not end it, one sized up does.
    fn roll(&mut self, mut counts: Vec<Counts>) -> bool {
        let (new, made) = match self.new_set() {
            Some(new) => (new, false),
            None => {
                counts.push(Counts::default());
                (self.make_set(self.new_size(0)), true)
            }
        };
        let size = self.sets[new].replicas;
        let size = if size > self.desired { self.desired } else { self.new_size(size) };
        self.resize(new, size) || self.scale_down_old(new, &counts) || made
    }

    /// deployment/util/deployment_util.go, NewRSNewReplicas.
    fn new_size(&self, size: u32) -> u32 {
        let room = self.desired.saturating_add(self.surge()).saturating_sub(self.total());
        size + room.min(self.desired.saturating_sub(size))
    }

    /// deployment/rolling.go, reconcileOldReplicaSets.
    fn scale_down_old(&mut self, new: usize, counts: &[Counts]) -> bool {
        let least = self.desired - self.max_unavailable();
        let starting = self.sets[new].replicas.saturating_sub(counts[new].available);
        let most = self.total().saturating_sub(least).saturating_sub(starting);
        if most == 0 {
            return false;
        }
        // cleanupUnhealthyReplicas: those that are not available go first and cost nothing.
        let mut left = most;
        for set in self.old_sets() {
            let replicas = self.sets[set].replicas;
            let unhealthy = replicas.saturating_sub(counts[set].available).min(left);
            left -= unhealthy;
            self.resize(set, replicas - unhealthy);
        }
        // scaleDownOldReplicaSetsForRollingUpdate.
        let available: u32 = counts.iter().map(|counts| counts.available).sum();
        let mut spare = available.saturating_sub(least);
        let cleaned = left < most;
        let mut scaled = false;
        for set in self.old_sets() {
            let replicas = self.sets[set].replicas;
            let fewer = replicas.min(spare);
            spare -= fewer;
            scaled |= self.resize(set, replicas - fewer);
        }
        cleaned || scaled
    }

    /// deployment/recreate.go, rolloutRecreate.
    fn recreate_sets(&mut self) -> bool {
        let mut scaled = false;
        for set in self.old_sets() {
            scaled |= self.resize(set, 0);
        }
        // oldPodsRunning: a terminating pod still runs.
        if scaled || self.pods.iter().any(|pod| pod.revision != self.template && !pod.failed) {
            return scaled;
        }
        match self.new_set() {
            Some(new) => self.resize(new, self.desired),
            None => {
                self.make_set(self.desired);
                true
            }
        }
    }

    /// deployment/sync.go, isScalingEvent.
    fn scaling_event(&self) -> bool {
        self.sets.iter().any(|set| set.replicas > 0 && set.sized_for != self.desired)
    }

    /// deployment/sync.go, scale.
    fn scale_sets(&mut self, counts: &[Counts]) -> bool {
        let active: Vec<usize> = (0..self.sets.len()).filter(|set| self.sets[*set].replicas > 0).collect();
        let before = self.sets.clone();
        match active.as_slice() {
            // FindActiveOrLatest.
            [] => {
                if let Some(latest) = self.new_set().or(self.sets.len().checked_sub(1)) {
                    self.resize(latest, self.desired);
                }
            }
            [only] => {
                self.resize(*only, self.desired);
            }
            _ if self.saturated(counts) => {
                for set in self.old_sets() {
                    self.resize(set, 0);
                }
            }
            _ if matches!(self.strategy, Strategy::RollingUpdate { .. }) => {
                self.scale_in_proportion(active.clone());
            }
            _ => {}
        }
        let sized = (self.desired, self.desired.saturating_add(self.surge()));
        for set in active {
            (self.sets[set].sized_for, self.sets[set].sized_max) = sized;
        }
        self.sets != before
    }

    /// deployment/util/deployment_util.go, IsSaturated.
    fn saturated(&self, counts: &[Counts]) -> bool {
        self.new_set().is_some_and(|new| {
            let set = &self.sets[new];
            [set.replicas, set.sized_for, counts[new].available].iter().all(|count| *count == self.desired)
        })
    }

    /// deployment/sync.go, scale: all active sets share what is to be added or removed, the largest takes what is left.
    fn scale_in_proportion(&mut self, mut active: Vec<usize>) {
        let allowed = if self.desired > 0 { self.desired.saturating_add(self.surge()) } else { 0 };
        let add =
            i64::from(allowed) - active.iter().map(|set| i64::from(self.sets[*set].replicas)).sum::<i64>();
        match add > 0 {
            true => active.sort_by_key(|set| (Reverse(self.sets[*set].replicas), Reverse(*set))),
            false => active.sort_by_key(|set| (Reverse(self.sets[*set].replicas), *set)),
        }
        let mut added = 0;
        let mut sizes = Vec::new();
        for set in &active {
            let share = if add == added { 0 } else { self.share(*set, i64::from(allowed)) };
            let share = if add > 0 { share.min(add - added) } else { share.max(add - added) };
            added += share;
            sizes.push(i64::from(self.sets[*set].replicas) + share);
        }
        if let Some(first) = sizes.first_mut() {
            *first = (*first + add - added).max(0);
        }
        for (set, size) in active.into_iter().zip(sizes) {
            self.resize(set, u32::try_from(size).unwrap_or(0));
        }
    }

    /// deployment/util/deployment_util.go, getReplicaSetFraction.
    fn share(&self, set: usize, allowed: i64) -> i64 {
        let set = &self.sets[set];
        let replicas = i64::from(set.replicas);
        if self.desired == 0 {
            return -replicas;
        }
        let before = match set.sized_max {
            0 => self.pods.len() as i64,
            max => i64::from(max),
        };
        // Rounded to the nearest: half is added before the division.
        if before == 0 { 0 } else { (2 * replicas * allowed + before) / (2 * before) - replicas }
    }

    /// replicaset/replica_set.go, manageReplicas, with the order of controller_utils.go, ActivePodsWithRanks: pods that
    /// are not ready go first, then the youngest.
    fn control_replica_sets(&mut self) -> bool {
        let before = self.pods.len();
        self.pods.retain(|pod| !pod.failed);
        let mut changed = self.pods.len() < before;
        for set in self.sets.clone() {
            let mut pods: Vec<usize> = (0..self.pods.len())
                .filter(|index| {
                    let pod = &self.pods[*index];
                    pod.revision == set.revision && !pod.terminating()
                })
                .collect();
            changed |= pods.len() != set.replicas as usize;
            for _ in pods.len()..set.replicas as usize {
                let name = format!("{}-{}-{}", self.name, set.revision.0, self.last_uid + 1);
                self.create(name, 0, set.revision);
            }
            let surplus = pods.len().saturating_sub(set.replicas as usize);
            if surplus > 0 {
                pods.sort_by_key(|index| (self.pods[*index].ready, Reverse(self.pods[*index].uid)));
                for index in &pods[..surplus] {
                    self.end(*index, set.revision != self.template);
                }
            }
        }
        changed
    }
}
