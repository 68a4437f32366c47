//! The gates of a step: one for its places as they were when all of them were healthy for the first time, and one for each
//! place that came later. A node that joins soaks for itself and does not begin the soak of the others anew.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::places::Place;
use crate::gate::{Gate, GateOptions, GateState};
use crate::machine::Verdict;
use crate::pods::Pod;
use crate::snapshot::Snapshot;

/// The gates of one step.
#[derive(Clone, Debug)]
pub(super) struct Gates {
    /// The step, by how many are done before it, and when it began.
    pub step: (usize, Timestamp),
    options: GateOptions,
    first: Gate,
    /// The places of the first gate; none until all were healthy.
    covered: Option<BTreeSet<String>>,
    /// The gates of the places that came later.
    late: BTreeMap<String, Gate>,
    /// Who waits for the checks that run; the first gate has no name.
    asked: BTreeSet<Option<String>>,
    /// Who waits for those after them.
    queued: BTreeSet<Option<String>>,
}

impl Gates {
    pub fn new(step: (usize, Timestamp), options: GateOptions) -> Gates {
        Gates {
            step,
            options,
            first: Gate::new(options),
            covered: None,
            late: BTreeMap::new(),
            asked: BTreeSet::new(),
            queued: BTreeSet::new(),
        }
    }

    /// Looks at the places of the step; `counts` says which of their pods are to pass.
    pub fn look(
        &mut self,
        snapshot: &Snapshot,
        scope: &[Place<'_>],
        counts: &dyn Fn(&Pod) -> bool,
    ) -> GateState {
        let is_late =
            |place: &&Place<'_>| self.covered.as_ref().is_some_and(|known| !known.contains(&place.name));
        let (late, first): (Vec<&Place<'_>>, Vec<&Place<'_>>) = scope.iter().partition(is_late);
        let mut states = vec![(None, look_at(&mut self.first, snapshot, &first, counts))];
        if self.covered.is_none() && first.iter().all(|place| place.is_settled(snapshot)) {
            self.covered = Some(first.iter().map(|place| place.name.clone()).collect());
        }
        self.late.retain(|name, _| late.iter().any(|place| place.name == *name));
        for place in late {
            let gate = self.late.entry(place.name.clone()).or_insert_with(|| Gate::new(self.options));
            states.push((Some(place.name.clone()), look_at(gate, snapshot, &[place], counts)));
        }
        self.together(states)
    }

    /// Takes in what the checks came to.
    pub fn checked(&mut self, verdict: &Verdict) {
        for who in std::mem::take(&mut self.asked) {
            let gate = match who {
                None => Some(&mut self.first),
                Some(place) => self.late.get_mut(&place),
            };
            if let Some(gate) = gate {
                gate.checked(verdict.clone());
            }
        }
    }

    /// What fails counts first, then what has to be done; it is open when all are.
    fn together(&mut self, states: Vec<(Option<String>, GateState)>) -> GateState {
        let (mut closed, mut left) = (false, None);
        for (who, state) in states {
            match state {
                GateState::Failed(_) | GateState::Broken(_) => return state,
                // Only one run of the checks is under way at a time.
                GateState::Check => {
                    self.queued.insert(who);
                }
                GateState::Closed => closed = true,
                GateState::Soaking(seconds) => left = left.max(Some(seconds)),
                GateState::Open => {}
            }
        }
        if self.asked.is_empty() && !self.queued.is_empty() {
            self.asked = std::mem::take(&mut self.queued);
            return GateState::Check;
        }
        match (closed, left) {
            (true, _) => GateState::Closed,
            (false, Some(left)) => GateState::Soaking(left),
            (false, None) if self.asked.is_empty() => GateState::Open,
            (false, None) => GateState::Soaking(0),
        }
    }
}

fn look_at(
    gate: &mut Gate,
    snapshot: &Snapshot,
    places: &[&Place<'_>],
    counts: &dyn Fn(&Pod) -> bool,
) -> GateState {
    let pods: Vec<&Pod> = places.iter().flat_map(|place| place.living()).filter(|pod| counts(pod)).collect();
    gate.look(&pods, places.iter().all(|place| place.is_settled(snapshot)), snapshot.now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, revision, snapshot, workload};
    use crate::kind::Kind;
    use k8s_openapi::jiff::SignedDuration;
    use serde_json::json;

    const DS: Kind = Kind::DaemonSet;

    /// Looks at nodes with these pods, `true` where they are ready, so many seconds from now.
    fn look(gates: &mut Gates, nodes: &[(&str, bool)], seconds: i64) -> GateState {
        let pods: Vec<Pod> = nodes.iter().map(|(name, ready)| pod(DS, name, "aaa", *ready)).collect();
        let set = workload(DS, "app:1", json!({"type": "OnDelete"}));
        let mut seen = snapshot(DS, set, vec![revision(DS, 1, "app:1", "aaa")], pods.clone());
        seen.now += SignedDuration::from_secs(seconds);
        let place = |pod: &'_ Pod| pod.name.clone();
        let places: Vec<Place<'_>> = pods
            .iter()
            .map(|pod| Place { name: place(pod), node: None, index: None, pods: vec![pod], touchable: true })
            .collect();
        gates.look(&seen, &places, &|_| true)
    }

    fn gates(checks: bool) -> Gates {
        Gates::new((0, Timestamp::MIN), GateOptions { soak: 30, max_restarts: 0, checks })
    }

    #[test]
    fn a_node_that_joins_soaks_for_itself() {
        let mut gates = gates(false);
        assert_eq!(look(&mut gates, &[("a", true), ("b", false)], 0), GateState::Closed);
        assert_eq!(look(&mut gates, &[("a", true), ("b", true)], 10), GateState::Soaking(30));
        // The step is not over before the late one has soaked, and the others' time runs on.
        assert_eq!(look(&mut gates, &[("a", true), ("b", true), ("z", false)], 20), GateState::Closed);
        assert_eq!(look(&mut gates, &[("a", true), ("b", true), ("z", true)], 39), GateState::Soaking(30));
        assert_eq!(look(&mut gates, &[("a", true), ("b", true), ("z", true)], 69), GateState::Open);
        // One that leaves again is nobody's matter.
        assert_eq!(look(&mut gates, &[("a", true), ("b", true)], 70), GateState::Open);
        assert_eq!(look(&mut gates, &[("a", true), ("b", false)], 71), GateState::Closed);
    }

    #[test]
    fn checks_are_run_one_after_the_other_and_each_gate_gets_its_answer() {
        let mut gates = gates(true);
        assert_eq!(look(&mut gates, &[("a", true)], 0), GateState::Check);
        assert_eq!(look(&mut gates, &[("a", true), ("z", true)], 1), GateState::Soaking(29));
        gates.checked(&Verdict::Passed);
        assert_eq!(look(&mut gates, &[("a", true), ("z", true)], 2), GateState::Check);
        gates.checked(&Verdict::Broken("no".into()));
        assert_eq!(look(&mut gates, &[("a", true), ("z", true)], 3), GateState::Broken("no".into()));
    }
}
