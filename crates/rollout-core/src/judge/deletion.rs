//! Which pod is deleted next, if any may be: the one place that decides it, for every machine that deletes pods.
//!
//! Of an ordered set one pod goes at a time, and none while another one is missing, on its way out, starting, or unready for
//! less than a moment: it may be the one that a quorum lives by. But for the lowest pod of all that are not available, where
//! a cause or time says that it is bad: an OrderedReady set waits for it for ever, and loses what is deleted above it (hazard
//! H15). On nodes as many pods may be missing as somebody said.

use std::collections::BTreeSet;

use crate::judge::health;
use crate::judge::places::{Place, Places};
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::snapshot::{Side, Snapshot};
use crate::template::placement::Placement;

/// How many pods are deleted at once: between them it is looked at what the others came to, and whether the template and the
/// driver are still the same (hazard H18).
const TOGETHER: usize = 16;

/// Deletions that were sent, by the pods' UIDs: the picture may be older than they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletions {
    /// The server has answered.
    pub sure: BTreeSet<String>,
    /// It has not: they may be done or not.
    pub doubtful: BTreeSet<String>,
}

impl Deletions {
    fn is_going(&self, pod: &Pod) -> bool {
        self.sure.contains(&pod.uid)
    }

    fn may_go(&self, pod: &Pod) -> bool {
        self.is_going(pod) || self.doubtful.contains(&pod.uid)
    }

    /// Forgets pods that are gone, so that thousands of them do not add up.
    pub(crate) fn forget(&mut self, snapshot: &Snapshot) {
        let there = || snapshot.pods.iter().flatten().filter(|pod| !pod.terminating).map(|pod| &pod.uid);
        for sent in [&mut self.sure, &mut self.doubtful].into_iter().filter(|sent| !sent.is_empty()) {
            *sent = there().filter(|uid| sent.contains(*uid)).cloned().collect();
        }
    }
}

/// What is to be deleted.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'w> {
    /// The pods that are not to stay.
    pub unwanted: &'w dyn Fn(&Pod) -> bool,
    /// How many places may be without an available pod at once; of a StatefulSet always one.
    pub budget: usize,
}

/// Returns the pods to delete next among the places of `scope`, as if one after the other.
pub(crate) fn next<'a>(
    snapshot: &Snapshot,
    places: &'a Places<'a>,
    scope: &'a [Place<'a>],
    sent: &Deletions,
    wish: Wish<'_>,
) -> Vec<&'a Pod> {
    match snapshot.workload.id.kind {
        // Of those one at a time.
        Kind::StatefulSet => next_ordinal(snapshot, places, scope, sent, wish).into_iter().collect(),
        Kind::DaemonSet | Kind::Deployment => next_on_nodes(snapshot, places, scope, sent, wish),
    }
}

/// Pods whose end costs nothing go first; unavailable places of the whole set count, those outside the scope too.
fn next_on_nodes<'a>(
    snapshot: &Snapshot,
    places: &Places<'_>,
    scope: &'a [Place<'a>],
    sent: &Deletions,
    wish: Wish<'_>,
) -> Vec<&'a Pod> {
    let here = scope.iter().enumerate().filter(|(_, place)| place.touchable && !place.ends());
    let candidates = here
        .flat_map(|(index, place)| place.living().map(move |pod| (index, pod)))
        .filter(|(_, pod)| (wish.unwanted)(pod) && !sent.is_going(pod));
    let mut candidates: Vec<(Turn, usize, &Pod)> =
        candidates.map(|(index, pod)| (Turn::of(snapshot, sent, pod), index, pod)).collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    candidates.sort_by_key(|(turn, ..)| *turn);
    let is_missing =
        |place: &Place<'_>| !place.serves(snapshot) || place.living().any(|pod| sent.may_go(pod));
    let mut unavailable = places.all.iter().filter(|place| is_missing(place)).count();
    // The places of the scope from which a pod goes now.
    let mut left: BTreeSet<usize> = BTreeSet::new();
    let mut pods = Vec::new();
    for (turn, index, pod) in candidates {
        let may_go = match turn {
            Turn::Costless => true,
            Turn::Missing => unavailable <= wish.budget,
            Turn::Serving => unavailable < wish.budget && snapshot.available(pod),
        };
        if !may_go {
            continue;
        }
        pods.push(pod);
        if pods.len() == TOGETHER {
            break;
        }
        if !is_missing(&scope[index]) && left.insert(index) {
            unavailable += 1;
        }
    }
    pods
}

/// What it costs to delete a pod, in the order in which they go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// Nothing: it never served, or it is bad.
    Costless,
    /// It is among the missing already: it is unready for a moment, or its deletion got no answer and may be done. If it is
    /// not done, another pod that is missing since then is one more.
    Missing,
    /// It is ready. One that is not yet available is no broken one: it only has to be waited for.
    Serving,
}

impl Turn {
    fn of(snapshot: &Snapshot, sent: &Deletions, pod: &Pod) -> Turn {
        match pod.ready() {
            false if !health::was_ready(pod) || health::is_bad(snapshot, pod) => Turn::Costless,
            true if !sent.may_go(pod) => Turn::Serving,
            true | false => Turn::Missing,
        }
    }
}

fn next_ordinal<'a>(
    snapshot: &Snapshot,
    places: &Places<'_>,
    scope: &'a [Place<'a>],
    sent: &Deletions,
    wish: Wish<'_>,
) -> Option<&'a Pod> {
    if places.all.iter().flat_map(Place::living).any(|pod| sent.is_going(pod)) {
        return None;
    }
    let passes = |pod: &&Pod| health::passes(snapshot, pod);
    // Pods beyond the range may be members of a quorum as well. That one of them is bad says that it may go itself, not that
    // another one may so soon: a moment ago it may have been ready, and its controller is about to remove it.
    if places.beyond.iter().any(|pod| passes(pod) || health::has_just_fallen(snapshot, pod)) {
        return None;
    }
    let mut pods = scope.iter().filter(|place| !place.ends()).flat_map(Place::living);
    let lowest = places.all.iter().rev().find(|place| place.ends() || !place.serves(snapshot));
    let Some(lowest) = lowest else { return pods.find(|pod| (wish.unwanted)(pod)) };
    let others = places.all.iter().filter(|place| place.index != lowest.index);
    if lowest.ends() || others.flat_map(|place| &place.pods).any(passes) {
        return None;
    }
    pods.find(|pod| {
        (wish.unwanted)(pod) && snapshot.index(pod) == lowest.index && health::is_bad(snapshot, pod)
    })
}

/// The places where a pod that is deleted comes back: a DaemonSet's does not on a node that is not ready, or has a taint
/// that it does not tolerate (hazard H13).
pub(crate) struct Reach<'a> {
    /// The nodes of a DaemonSet, where they were read; everywhere otherwise.
    nodes: Option<BTreeSet<&'a str>>,
    /// How many pods there should be in them.
    wanted: u32,
}

impl Reach<'_> {
    pub(crate) fn of(snapshot: &Snapshot) -> Reach<'_> {
        let workload = &snapshot.workload;
        let nodes = snapshot.nodes.as_ref().filter(|_| workload.id.kind == Kind::DaemonSet).map(|nodes| {
            let placement = Placement::of(workload.template());
            let fine = nodes.iter().filter(|node| node.ready && placement.obstacle(node).is_none());
            fine.map(|node| node.name.as_str()).collect::<BTreeSet<_>>()
        });
        let wanted = nodes.as_ref().map_or(workload.desired, |nodes| nodes.len() as u32);
        Reach { nodes, wanted }
    }

    pub(crate) fn has(&self, pod: &Pod) -> bool {
        let is_here = |nodes: &BTreeSet<&str>| pod.node.as_deref().is_some_and(|node| nodes.contains(node));
        self.nodes.as_ref().is_none_or(is_here)
    }
}

/// Every pod within reach is new and available, and old ones are left on nodes on which they would not come back.
pub(crate) fn only_out_of_reach_are_old(snapshot: &Snapshot) -> bool {
    let reach = Reach::of(snapshot);
    let settled = |pod: &&Pod| snapshot.side(pod) == Side::New && snapshot.available(pod);
    let (here, away): (Vec<&Pod>, Vec<&Pod>) = snapshot.living().partition(|pod| reach.has(pod));
    let any_old = away.iter().any(|pod| snapshot.side(pod) == Side::Old);
    here.len() as u32 == reach.wanted && here.iter().all(settled) && any_old
}

/// Sorts pods into the order in which they are deleted: first those that are not ready, since their end costs nothing, from
/// the bottom; then by node, or from the highest ordinal.
pub(crate) fn sort_for_deletion(snapshot: &Snapshot, pods: &mut [&Pod]) {
    let kind = snapshot.workload.id.kind;
    pods.sort_by(|a, b| {
        a.ready().cmp(&b.ready()).then_with(|| match (a.ready(), kind) {
            (true, Kind::StatefulSet) => b.ordinal().cmp(&a.ordinal()),
            (true, Kind::DaemonSet | Kind::Deployment) => (&a.node, &a.name).cmp(&(&b.node, &b.name)),
            (false, _) => (a.ordinal(), &a.name).cmp(&(b.ordinal(), &b.name)),
        })
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{now, pod, pods, revisions, snapshot, stateful, workload};
    use crate::judge::stuck::{Blockage, Wait, examine};
    use k8s_openapi::jiff::SignedDuration;
    use serde_json::json;

    /// A set whose second pod, an old one of a revision that it left, was ready and has not been so for that long.
    fn fell(seconds: i64, edit: impl FnOnce(&mut Vec<Pod>)) -> Snapshot {
        let kind = Kind::StatefulSet;
        let revisions = revisions(kind, 2);
        let mut all = pods(kind, "aaa");
        all[1] = pod(kind, "web-1", "bbb", false);
        all[1].created = Some(now() - SignedDuration::from_hours(1));
        all[1].unready_since = Some(now() - SignedDuration::from_secs(seconds));
        all[1].containers[0].readiness = 25;
        edit(&mut all);
        snapshot(kind, stateful("app:1", 0, "aaa", "aaa"), revisions, all)
    }

    #[test]
    fn an_available_pod_waits_a_moment_for_one_beyond_the_range_that_crashes() {
        let kind = Kind::StatefulSet;
        let chosen = |fell: i64| {
            let mut set = stateful("app:1", 0, "aaa", "aaa");
            set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
            set["spec"]["replicas"] = json!(2);
            let mut all = pods(kind, "bbb");
            all[2] = pod(kind, "web-2", "aaa", false);
            all[2].unready_since = Some(now() - SignedDuration::from_secs(fell));
            all[2].containers[0].restarts = 3;
            all[2].containers[0].waiting = Some(("CrashLoopBackOff".into(), String::new()));
            let seen = snapshot(kind, set, revisions(kind, 2), all);
            assert!(health::is_bad(&seen, &seen.pods.as_ref().unwrap()[2]));
            let places = Places::within_reach(&seen).unwrap();
            let wish = Wish { unwanted: &|pod| seen.side(pod) == Side::Old, budget: 1 };
            let next = next(&seen, &places, &places.all, &Deletions::default(), wish);
            next.first().map(|pod| pod.name.clone())
        };
        assert_eq!(chosen(9), None);
        assert_eq!(chosen(10).as_deref(), Some("web-1"));
    }

    /// It may not be done, and then another pod that is missing since it was sent is one more.
    #[test]
    fn a_deletion_without_an_answer_is_sent_again_only_while_no_other_pod_is_missing() {
        let kind = Kind::DaemonSet;
        let again = |others_are_ready: bool| {
            let mut all = pods(kind, "bbb");
            all[2] = pod(kind, "web-2", "aaa", others_are_ready);
            let set = workload(kind, "app:1", json!({"type": "OnDelete"}));
            let seen = snapshot(kind, set, revisions(kind, 2), all);
            let places = Places::within_reach(&seen).unwrap();
            let wish = Wish { unwanted: &|pod| seen.side(pod) == Side::Old, budget: 1 };
            let sent = Deletions { doubtful: ["uid-web-1".to_string()].into(), ..Deletions::default() };
            let next = next(&seen, &places, &places.all, &sent, wish);
            next.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(again(true), ["web-1"]);
        assert_eq!(again(false), [""; 0]);
    }

    fn is_freed(snapshot: &Snapshot) -> bool {
        match examine(snapshot) {
            Blockage::Stuck(_) => true,
            Blockage::Waiting { why, .. } => {
                assert_eq!(why, Wait::Moment);
                false
            }
            other @ Blockage::None => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pod_that_was_ready_has_its_probes_time_and_that_of_a_higher_one_that_is_replaced() {
        assert!(!is_freed(&fell(24, |_| {})));
        assert!(is_freed(&fell(25, |_| {})));
        assert!(!is_freed(&fell(60, |all| all[2].terminating = true)));
        assert!(!is_freed(&fell(60, |all| {
            all[2] = pod(Kind::StatefulSet, "web-2", "aaa", false);
            all[2].unready_since = Some(now());
        })));
        // One that never was ready is known as bad after a moment, whatever is above it.
        let never = |all: &mut Vec<Pod>| {
            all[1].created = all[1].unready_since;
            all[2].terminating = true;
        };
        assert!(is_freed(&fell(12, never)));
        assert!(!is_freed(&fell(9, never)));
    }
}
