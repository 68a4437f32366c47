//! Which pod is deleted next, if any may be.

use std::collections::BTreeSet;

use super::places::{Place, Places};
use super::record::Rollout;
use crate::kind::Kind;
use crate::pods::Pod;
use crate::snapshot::{Side, Snapshot};

/// How many pods are deleted at once: between them it is looked at what the others came to, and whether the template and the
/// driver are still the same (hazard H18).
const TOGETHER: usize = 16;

/// Deletions that were sent, by the pods' UIDs: the picture may be older than they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    /// The server has answered.
    pub sure: BTreeSet<String>,
    /// It has not: they may be done or not.
    pub doubtful: BTreeSet<String>,
}

impl Sent {
    fn is_going(&self, pod: &Pod) -> bool {
        self.sure.contains(&pod.uid)
    }

    fn may_go(&self, pod: &Pod) -> bool {
        self.is_going(pod) || self.doubtful.contains(&pod.uid)
    }

    /// Forgets pods that are gone, so that thousands of them do not add up.
    pub fn forget(&mut self, snapshot: &Snapshot) {
        let there = || snapshot.pods.iter().flatten().filter(|pod| !pod.terminating).map(|pod| &pod.uid);
        for sent in [&mut self.sure, &mut self.doubtful] {
            *sent = there().filter(|uid| sent.contains(*uid)).cloned().collect();
        }
    }
}

/// Returns the pods that may be missing at once.
fn budget(rollout: &Rollout, places: &Places<'_>) -> usize {
    let amount = rollout.options.max_unavailable.unwrap_or(crate::Amount::Count(1));
    (amount.rounded_up(places.all.len() as u32) as usize).max(1)
}

/// Returns the pods to delete next among the places of a step, as if one after the other: those that `unwanted` names, within
/// what may be missing.
pub(super) fn next<'a>(
    snapshot: &Snapshot,
    rollout: &Rollout,
    places: &'a Places<'a>,
    scope: &'a [Place<'a>],
    sent: &Sent,
    unwanted: &dyn Fn(&Pod) -> bool,
) -> Vec<&'a Pod> {
    let mut sent = sent.clone();
    let mut pods = Vec::new();
    while pods.len() < TOGETHER {
        let next = match snapshot.workload.id.kind {
            Kind::StatefulSet => next_ordinal(snapshot, places, scope, &sent, unwanted),
            Kind::DaemonSet | Kind::Deployment => {
                next_on_node(snapshot, places, scope, &sent, unwanted, budget(rollout, places))
            }
        };
        let Some(pod) = next else { break };
        sent.sure.insert(pod.uid.clone());
        pods.push(pod);
    }
    pods
}

/// Pods that are not ready cost nothing and go first; unavailable places of the whole set count, those outside the step too.
fn next_on_node<'a>(
    snapshot: &Snapshot,
    places: &Places<'_>,
    scope: &'a [Place<'a>],
    sent: &Sent,
    unwanted: &dyn Fn(&Pod) -> bool,
    budget: usize,
) -> Option<&'a Pod> {
    let candidates: Vec<&Pod> = scope
        .iter()
        .filter(|place| place.touchable && !place.ends())
        .flat_map(Place::living)
        .filter(|pod| unwanted(pod) && !sent.is_going(pod))
        .collect();
    let free = candidates.iter().find(|pod| !pod.ready() || sent.may_go(pod));
    if let Some(pod) = free {
        return Some(pod);
    }
    let missing = |place: &&Place<'_>| !place.serves(snapshot) || place.living().any(|pod| sent.may_go(pod));
    let unavailable = places.all.iter().filter(missing).count();
    if unavailable >= budget {
        return None;
    }
    // One that is ready and not yet available is no broken one: it only has to be waited for.
    candidates.into_iter().find(|pod| snapshot.available(pod))
}

/// One at a time from the highest ordinal, and nothing while an index is missing, Terminating or not available: an
/// OrderedReady set with a hole loses what is deleted above it. But for the lowest blocker itself (hazard H15).
pub(crate) fn next_ordinal<'a>(
    snapshot: &Snapshot,
    places: &Places<'_>,
    scope: &'a [Place<'a>],
    sent: &Sent,
    unwanted: &dyn Fn(&Pod) -> bool,
) -> Option<&'a Pod> {
    if places.all.iter().flat_map(Place::living).any(|pod| sent.is_going(pod)) {
        return None;
    }
    let lowest = places.all.iter().rev().find(|place| place.ends() || !place.serves(snapshot));
    let mut pods = scope.iter().filter(|place| !place.ends()).flat_map(Place::living);
    match lowest {
        None => pods.find(|pod| unwanted(pod)),
        Some(blocker) => pods.find(|pod| {
            unwanted(pod) && !pod.ready() && snapshot.index(pod) == blocker.index && !blocker.ends()
        }),
    }
}

/// Tells whether a pod failed before the step that goes on after a failure: it is made anew.
pub(super) fn is_stale_failure(snapshot: &Snapshot, rollout: &Rollout, pod: &Pod) -> bool {
    rollout.retry
        && !pod.ready()
        && snapshot.side(pod) == Side::New
        && pod.created.is_some_and(|created| created < rollout.began)
}
