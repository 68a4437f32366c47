//! The StatefulSet that cannot get out by itself (kubernetes#67250), and the one pod whose deletion frees it.
//!
//! With `OrderedReady` the controller walks the pods from the lowest ordinal up and returns at the first that is not
//! available; what replaces pods of an old revision comes after that walk, and so does what removes pods beyond the range
//! (pkg/controller/statefulset/stateful_set_control.go, `updateStatefulSet`). A pod that never becomes ready therefore
//! blocks for ever, also when the template that made it is long gone.

use std::collections::BTreeMap;

use crate::judge::health::{self, is_bad, refused_update, was_ready};
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::snapshot::{Side, Snapshot};

pub use crate::judge::times::MOMENT;

/// What the controller's walk over a StatefulSet's pods meets first.
#[derive(Clone, Debug, PartialEq)]
pub enum Blockage<'a> {
    /// Nothing: the controller goes on by itself.
    None,
    /// Something that passes by itself, or that is not for us to judge.
    Waiting {
        /// The pod that it waits for; none where the pod does not exist yet.
        pod: Option<&'a Pod>,
        /// Why it waits.
        why: Wait,
    },
    /// A pod that nothing will replace: its deletion frees the set.
    Stuck(&'a Pod),
}

/// Why the controller waits at a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The pod is on its way out.
    Terminating,
    /// The pod is about to be made.
    Missing,
    /// The pod has the revision that the set asks for and is not available (yet).
    TargetNotReady,
    /// The pod is old and has not been unready for long.
    Moment,
    /// The pod is below the partition: deleted, it would come back at the revision it has.
    BelowPartition,
    /// The pod is old, and another pod of its revision is ready: the revision works, the pod may recover.
    RevisionWorks,
}

/// Finds what the controller's walk meets first.
///
/// Says nothing of a set whose controller has not seen the last change (a pod deleted before comes back bad), and of one that
/// is not rolled out by its controller. One that creates pods in parallel waits for none of them, and hangs only on a pod that
/// it cannot update.
pub fn examine(snapshot: &Snapshot) -> Blockage<'_> {
    let workload = &snapshot.workload;
    let walked = workload.id.kind == Kind::StatefulSet && snapshot.observed();
    if !walked || !matches!(workload.strategy, Strategy::Partitioned { .. }) {
        return Blockage::None;
    }
    let mut at: BTreeMap<u32, &Pod> = BTreeMap::new();
    for pod in snapshot.pods.iter().flatten() {
        if let Some(index) = snapshot.index(pod) {
            at.entry(index).or_insert(pod);
        }
    }
    for index in 0..workload.desired {
        match at.get(&index).copied() {
            None if workload.parallel => {}
            None => return Blockage::Waiting { pod: None, why: Wait::Missing },
            // The walk itself replaces pods that have ended.
            Some(pod) if pod.ended() && !workload.parallel => {
                return Blockage::Waiting { pod: Some(pod), why: Wait::Missing };
            }
            Some(pod) if !snapshot.available(pod) && !workload.parallel => {
                return judge(snapshot, pod, index);
            }
            Some(pod) if !pod.terminating && refused_update(snapshot, pod).is_some() => {
                return Blockage::Stuck(pod);
            }
            Some(_) => {}
        }
    }
    if workload.parallel { Blockage::None } else { beyond_range(snapshot) }
}

/// Returns the pod at which the controller's walk ends for good while the revision of the pod is what it is: it is bad, and no
/// pod of its revision is ready. A set that never came up has one.
pub fn never_ready(snapshot: &Snapshot) -> Option<&Pod> {
    let pod = match examine(snapshot) {
        Blockage::Stuck(pod) => pod,
        Blockage::Waiting { pod: Some(pod), why: Wait::TargetNotReady | Wait::BelowPartition } => pod,
        Blockage::Waiting { .. } | Blockage::None => return None,
    };
    let works = snapshot.living().any(|other| other.revision == pod.revision && other.ready());
    (!pod.ready() && is_bad(snapshot, pod) && !works).then_some(pod)
}

fn judge<'a>(snapshot: &'a Snapshot, pod: &'a Pod, index: u32) -> Blockage<'a> {
    let waiting = |why| Blockage::Waiting { pod: Some(pod), why };
    if pod.terminating {
        waiting(Wait::Terminating)
    } else if snapshot.side(pod) == Side::New {
        waiting(Wait::TargetNotReady)
    } else if index < snapshot.workload.partition() {
        waiting(Wait::BelowPartition)
    } else if pod.ready() || !is_bad(snapshot, pod) || is_replaced_above(snapshot, pod, index) {
        waiting(Wait::Moment)
    } else if revision_works(snapshot, pod) {
        waiting(Wait::RevisionWorks)
    } else {
        Blockage::Stuck(pod)
    }
}

/// A pod that was ready is left alone while a higher one is being replaced: it may be without its quorum for so long.
fn is_replaced_above(snapshot: &Snapshot, pod: &Pod, index: u32) -> bool {
    let mut above =
        snapshot.pods.iter().flatten().filter(|other| {
            snapshot.index(other).is_some_and(|at| at > index && at < snapshot.workload.desired)
        });
    was_ready(pod) && above.any(|other| health::passes(snapshot, other))
}

/// A revision that the set has already left for good is not worth waiting for; currentRevision is, while it has Ready pods.
fn revision_works(snapshot: &Snapshot, pod: &Pod) -> bool {
    pod.revision.as_deref() == snapshot.workload.status.current_revision.as_deref()
        && snapshot.living().any(|other| other.revision == pod.revision && other.ready())
}

/// Pods beyond the range go from the highest ordinal down, and an unready one only when it is the lowest unready one.
fn beyond_range(snapshot: &Snapshot) -> Blockage<'_> {
    let mut condemned: Vec<&Pod> = snapshot
        .pods
        .iter()
        .flatten()
        .filter(|pod| pod.ordinal().is_some() && snapshot.is_beyond_range(pod))
        .collect();
    condemned.sort_by_key(|pod| pod.ordinal());
    let Some(highest) = condemned.last() else { return Blockage::None };
    let first_unready = condemned.iter().find(|pod| !snapshot.available(pod));
    let blocks =
        !snapshot.available(highest) && first_unready.is_some_and(|first| first.name != highest.name);
    match (highest.terminating, blocks) {
        (true, _) => Blockage::Waiting { pod: Some(highest), why: Wait::Terminating },
        (false, true) if is_bad(snapshot, highest) && !highest.ready() => Blockage::Stuck(highest),
        (false, true) => Blockage::Waiting { pod: Some(highest), why: Wait::Moment },
        (false, false) => Blockage::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revisions, snapshot, stateful};
    use crate::objects::pod::Pod;
    use serde_json::{Value, json};

    const STS: Kind = Kind::StatefulSet;

    fn seen(set: Value, pods: Vec<Pod>) -> Snapshot {
        snapshot(STS, set, revisions(STS, 3), pods)
    }

    fn with(mut pods: Vec<Pod>, index: usize, hash: &str, ready: bool) -> Vec<Pod> {
        pods[index] = pod(STS, &format!("web-{index}"), hash, ready);
        pods
    }

    fn stuck(snapshot: &Snapshot) -> Option<&str> {
        match examine(snapshot) {
            Blockage::Stuck(pod) => Some(&pod.name),
            Blockage::None | Blockage::Waiting { .. } => None,
        }
    }

    fn waits(snapshot: &Snapshot) -> Option<Wait> {
        match examine(snapshot) {
            Blockage::Waiting { why, .. } => Some(why),
            Blockage::None | Blockage::Stuck(_) => None,
        }
    }

    fn refused(mut snapshot: Snapshot, pod: &str, at: &str) -> Snapshot {
        let message = format!(
            "Update Pod {pod} in StatefulSet web failed error: Pod \"{pod}\" is invalid: spec: Forbidden: pod updates"
        );
        let event = json!({
            "metadata": {"name": "e"}, "involvedObject": {"kind": "StatefulSet", "name": "web", "uid": "uid-web"},
            "type": "Warning", "reason": "FailedUpdate", "lastTimestamp": at, "message": message});
        snapshot.evidence.events.push(serde_json::from_value(event).unwrap());
        snapshot
    }

    #[test]
    fn a_ready_pod_that_the_controller_cannot_bring_in_line_blocks_the_set() {
        let set = || stateful("app:2", 0, "aaa", "bbb");
        let late = "2026-01-01T00:00:30Z";
        assert_eq!(stuck(&seen(set(), pods(STS, "aaa"))), None);
        let hangs = refused(seen(set(), pods(STS, "aaa")), "web-0", late);
        assert_eq!(stuck(&hangs), Some("web-0"));
        let cause = crate::judge::status::evaluate(&hangs).causes.failed.remove(0);
        assert_eq!((cause.id.as_str(), cause.pod.as_deref()), ("sts-cannot-update", Some("web-0")));
        // What was said of the pod before it says nothing, nor what passes, nor a claim.
        let before = refused(seen(set(), pods(STS, "aaa")), "web-0", "2026-01-01T00:00:00Z");
        assert_eq!(stuck(&before), None);
        for (from, to) in [("is invalid", "was changed"), ("Update Pod", "Update Claim data-web-0 for Pod")] {
            let mut other = hangs.clone();
            let message = &mut other.evidence.events[0].message;
            *message = message.replace(from, to);
            assert_eq!(stuck(&other), None, "{to}");
        }
        // What is not ready below it is met first; a set in parallel does not wait for that.
        let mut above = refused(seen(set(), pods(STS, "aaa")), "web-1", late);
        assert_eq!(stuck(&above), Some("web-1"));
        above.pods.as_mut().unwrap()[0].terminating = true;
        assert_eq!(stuck(&above), None);
        above.workload.parallel = true;
        assert_eq!(stuck(&above), Some("web-1"));
    }

    #[test]
    fn a_large_set_is_walked_once() {
        let count = 20_000;
        let mut set = stateful("app:1", 0, "aaa", "aaa");
        set["spec"]["replicas"] = json!(count);
        let one = pod(STS, "web-0", "aaa", true);
        let large = (0..count).map(|index| one.clone().with(|it| it.name = format!("web-{index}"))).collect();
        let large = seen(set, large);
        let started = std::time::Instant::now();
        assert_eq!(examine(&large), Blockage::None);
        // Walking all pods for each of them takes half a minute.
        assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    }

    #[test]
    fn a_bad_pod_of_a_revision_that_was_left_blocks_after_the_template_came_back() {
        let it = seen(stateful("app:1", 0, "aaa", "aaa"), with(pods(STS, "aaa"), 2, "bbb", false));
        assert_eq!(stuck(&it), Some("web-2"));
    }

    #[test]
    fn a_set_that_never_came_up_is_freed_although_the_pod_is_at_current_revision() {
        let it = seen(stateful("app:2", 0, "aaa", "bbb"), vec![pod(STS, "web-0", "aaa", false)]);
        assert_eq!(stuck(&it), Some("web-0"));
    }

    #[test]
    fn the_lowest_blocker_is_named_even_where_a_higher_one_is_bad_too() {
        let both = with(with(pods(STS, "aaa"), 1, "bbb", false), 2, "ccc", false);
        assert_eq!(stuck(&seen(stateful("app:1", 0, "aaa", "aaa"), both)), Some("web-1"));
    }

    #[test]
    fn what_passes_by_itself_is_waited_for() {
        let bad = with(pods(STS, "aaa"), 2, "bbb", false);
        let mut terminating = bad.clone();
        terminating[2].terminating = true;
        let mut moment = bad.clone();
        moment[2].unready_since = Some("2026-01-01T00:00:55Z".parse().unwrap());
        let mut ended = bad.clone();
        ended[2].phase = "Failed".into();
        let set = || stateful("app:1", 0, "aaa", "aaa");
        let cases = [
            (set(), terminating, Wait::Terminating),
            (set(), moment, Wait::Moment),
            (set(), ended, Wait::Missing),
            (set(), bad[..2].to_vec(), Wait::Missing),
            (stateful("app:2", 0, "aaa", "bbb"), bad.clone(), Wait::TargetNotReady),
            (stateful("app:1", 3, "aaa", "aaa"), bad, Wait::BelowPartition),
            (
                stateful("app:2", 0, "aaa", "bbb"),
                with(pods(STS, "aaa"), 0, "aaa", false),
                Wait::RevisionWorks,
            ),
        ];
        for (set, pods, wait) in cases {
            assert_eq!(waits(&seen(set, pods)), Some(wait));
        }
    }

    #[test]
    fn nothing_is_said_before_the_controller_has_seen_the_change() {
        let mut set = stateful("app:1", 0, "aaa", "bbb");
        set["status"]["observedGeneration"] = json!(0);
        let bad = with(pods(STS, "aaa"), 2, "bbb", false);
        assert_eq!(examine(&seen(set, bad.clone())), Blockage::None);
        // Observed, but the update revision is still the bad one: the status is from before.
        assert_eq!(examine(&seen(stateful("app:1", 0, "aaa", "bbb"), bad)), Blockage::None);
    }

    #[test]
    fn parallel_and_on_delete_sets_are_left_alone() {
        let bad = with(pods(STS, "aaa"), 2, "bbb", false);
        let mut parallel = stateful("app:1", 0, "aaa", "aaa");
        parallel["spec"]["podManagementPolicy"] = json!("Parallel");
        let mut on_delete = stateful("app:1", 0, "aaa", "aaa");
        on_delete["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        for set in [parallel, on_delete] {
            assert_eq!(examine(&seen(set, bad.clone())), Blockage::None);
        }
    }

    #[test]
    fn ordinals_that_start_higher_shift_the_partition() {
        let mut set = stateful("app:1", 2, "aaa", "aaa");
        set["spec"]["ordinals"] = json!({"start": 5});
        let pods: Vec<Pod> = [(5, "aaa", true), (6, "aaa", true), (7, "bbb", false)]
            .map(|(n, hash, ready)| pod(STS, &format!("web-{n}"), hash, ready))
            .to_vec();
        assert_eq!(stuck(&seen(set, pods)), Some("web-7"));
    }

    #[test]
    fn two_unready_pods_beyond_the_range_block_the_scale_down_and_one_does_not() {
        let beyond =
            |last: Vec<Pod>| seen(stateful("app:1", 0, "aaa", "aaa"), [pods(STS, "aaa"), last].concat());
        let (three, four) = (pod(STS, "web-3", "aaa", false), pod(STS, "web-4", "aaa", false));
        assert_eq!(stuck(&beyond(vec![three.clone(), four.clone()])), Some("web-4"));
        assert_eq!(examine(&beyond(vec![four.clone()])), Blockage::None);
        assert_eq!(examine(&beyond(vec![pod(STS, "web-3", "aaa", true), four])), Blockage::None);
    }
}
