//! Planning where a StatefulSet's partition goes: how many of its pods, counted from the lowest ordinal, its controller leaves
//! at an older revision.
//!
//! The partition is a count, whatever `spec.ordinals.start` is (pkg/controller/statefulset/stateful_set_control.go,
//! `updateStatefulSet`). A pod below it that dies comes back at `status.currentRevision` (hazard H2), and raising it leaves
//! what is updated as it is until it dies.

use crate::judge::ordinals::{called, left_over, name_at, recreated_at};
use crate::judge::status::{State, evaluate};
use crate::objects::names::few;
use crate::objects::pod::Pod;
use crate::objects::strategy::{Amount, Strategy};
use crate::plan::after::{at_partition, strategy_at};
use crate::plan::decision::{Decision, Plan, nothing, unchanged};
use crate::plan::impact::{self, Impact, ReplacedPod};
use crate::plan::patch::Patch;
use crate::plan::refusal::Refusal;
use crate::plan::steps;
use crate::snapshot::{Side, Snapshot};
use crate::stored;

/// Plans a partition as it is given; with `recreate` the updated pods below it are put back.
pub fn set(snapshot: &Snapshot, partition: u32, recreate: bool) -> Result<Decision, Refusal> {
    let before = movable(snapshot)?;
    let after = at_partition(snapshot, partition);
    let back = match (recreate, &after.pods) {
        (true, None) => return Err(Refusal::Unread("pods")),
        (true, Some(_)) => left_over(&after),
        (false, _) => Vec::new(),
    };
    if before == partition && back.is_empty() {
        return Ok(nothing(snapshot));
    }
    Ok(Decision::Change(Box::new(moving(snapshot, &after, &back, Patch::of(&snapshot.workload)))))
}

/// Plans that so many pods may be new, or, where nobody says how many, one more than now; all of them end the partition.
pub fn advance(snapshot: &Snapshot, to: Option<Amount>) -> Result<Decision, Refusal> {
    let before = movable(snapshot)?;
    let replicas = snapshot.workload.desired;
    let Some(wanted) = to.map(|to| to.rounded_up(replicas)).or_else(|| one_more(snapshot)) else {
        return Ok(nothing(snapshot));
    };
    let now = replicas.saturating_sub(before);
    if wanted > replicas {
        return Err(Refusal::TooFar { asked: wanted, replicas });
    }
    if wanted == replicas && before == 0 {
        return Ok(nothing(snapshot));
    }
    if wanted <= now && wanted < replicas {
        return Err(Refusal::NotFurther { asked: wanted, now, replicas });
    }
    no_new_pod_fails(snapshot)?;
    let after = at_partition(snapshot, replicas - wanted);
    // The number is counted against the replicas, which must be what they were.
    let patch = Patch::of(&snapshot.workload).same_replicas();
    Ok(Decision::Change(Box::new(moving(snapshot, &after, &[], patch))))
}

/// Returns the partition of a set where nothing else has a hand on it.
fn movable(snapshot: &Snapshot) -> Result<u32, Refusal> {
    let workload = &snapshot.workload;
    steps::none_under_way(snapshot)?;
    if stored::is_paused(workload) {
        return Err(Refusal::PausedPartition);
    }
    match &workload.strategy {
        Strategy::Partitioned { partition, max_unavailable: _ } if snapshot.observed() => Ok(*partition),
        Strategy::Partitioned { partition: _, max_unavailable: _ } => Err(Refusal::Unobserved),
        Strategy::RollingUpdate { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => {
            let (kind, strategy) = (workload.id.kind, workload.strategy.name().to_string());
            Err(Refusal::NoPartition { kind, strategy })
        }
    }
}

/// More pods of a revision that fails are no progress.
fn no_new_pod_fails(snapshot: &Snapshot) -> Result<(), Refusal> {
    let progress = evaluate(snapshot);
    let mut causes = progress.causes.failed.into_iter().filter(|cause| !cause.id.is_stuck());
    match causes.next().filter(|_| progress.state == State::Failed) {
        Some(cause) => Err(Refusal::NewPodFails { why: cause.message }),
        None => Ok(()),
    }
}

/// The number of new pods with the next one that is not; none where the partition holds no old pod.
fn one_more(snapshot: &Snapshot) -> Option<u32> {
    let workload = &snapshot.workload;
    let held = workload.partition().min(workload.desired);
    let is_new = |place: u32| {
        let mut pods = snapshot.living().filter(|pod| snapshot.index(pod) == Some(place));
        pods.any(|pod| snapshot.side(pod) == Side::New)
    };
    (0..held).rev().find(|place| !is_new(*place)).map(|place| workload.desired - place)
}

fn moving(snapshot: &Snapshot, after: &Snapshot, back: &[&Pod], patch: Patch<'_>) -> Plan {
    let workload = &snapshot.workload;
    // A partition that stays is tested all the same: pods are deleted because of it.
    let mut patch = patch.same_strategy().same_stored();
    if workload.partition() != after.workload.partition() {
        patch = patch.strategy(&strategy_at(workload, after.workload.partition()));
    }
    Plan {
        requests: vec![patch.request()],
        impact: impact(after, back),
        notes: notes(snapshot, after, back),
        ..unchanged(snapshot)
    }
}

fn impact(after: &Snapshot, back: &[&Pod]) -> Impact {
    let mut impact = impact::impact(after, after.history.current());
    if let Some(first) = back.first() {
        let available = after.count_available();
        let least = available - u32::from(after.available(first));
        impact.least_available = impact.least_available.min(least);
        impact.moves_by_itself = false;
        impact.pods.extend(back.iter().map(|pod| ReplacedPod::of(pod)));
    }
    impact
}

/// Which pods will be new and which old, and what becomes of those that die below the partition.
fn notes(snapshot: &Snapshot, after: &Snapshot, back: &[&Pod]) -> Vec<String> {
    let (from, to) = (snapshot.workload.partition(), after.workload.partition());
    let mut notes = vec![match from == to {
        true => format!("partition: stays {to}"),
        false => format!("partition: {from} -> {to}"),
    }];
    notes.extend(fates(after, back));
    let current = recreated_at(after).map_or_else(|| "its old revision".to_string(), called);
    if to > 0 && after.workload.desired > 0 {
        notes.push(format!("a pod below the partition that dies comes back at {current}"));
    }
    let stay: Vec<&Pod> =
        left_over(after).into_iter().filter(|pod| !back.iter().any(|it| it.uid == pod.uid)).collect();
    if !stay.is_empty() && from <= to {
        let target = after.target().map_or_else(|| "the new revision".to_string(), called);
        notes.push(format!(
            "below the partition and updated, {} at {target} until deleted: --recreate puts back to {current}",
            stays(&stay)
        ));
    }
    notes
}

fn stays(pods: &[&Pod]) -> String {
    let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
    format!("{} {}", few(&names), if names.len() == 1 { "stays" } else { "stay" })
}

/// The ordinals from the highest down by the revision that they will have, those of one revision together.
fn fates(after: &Snapshot, back: &[&Pod]) -> Vec<String> {
    if after.pods.is_none() {
        return Vec::new();
    }
    let workload = &after.workload;
    let mut groups: Vec<(&str, String, Vec<String>)> = Vec::new();
    for place in (0..workload.desired).rev() {
        let pod = after.living().find(|pod| after.index(pod) == Some(place));
        let returns = pod.is_none_or(|pod| back.iter().any(|it| it.uid == pod.uid));
        let (side, revision) = match pod {
            _ if place >= workload.partition() => ("new", after.target()),
            Some(pod) if !returns && after.side(pod) == Side::New => ("new", after.target()),
            Some(pod) if !returns => ("old", after.history.of_pod(pod)),
            Some(_) | None => ("old", recreated_at(after)),
        };
        let revision = revision.map_or_else(|| "an unknown revision".to_string(), called);
        let name = name_at(workload, place);
        match groups.iter_mut().find(|(at, label, _)| *at == side && *label == revision) {
            Some((_, _, names)) => names.push(name),
            None => groups.push((side, revision, vec![name])),
        }
    }
    let words = |(side, revision, names): &(&str, String, Vec<String>)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("{side}, at {revision}: {}", few(&names))
    };
    groups.iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revisions, snapshot, stateful};
    use crate::objects::kind::Kind;
    use crate::objects::strategy::HIGHEST_PARTITION;
    use crate::plan::operations;
    use crate::stored::Stored;
    use serde_json::Value;
    use serde_json::json;

    const STS: Kind = Kind::StatefulSet;

    fn seen(set: Value, pods: Vec<Pod>) -> Snapshot {
        snapshot(STS, set, revisions(STS, 3), pods)
    }

    fn set_at(partition: u32) -> Value {
        stateful("app:2", partition, "aaa", "bbb")
    }

    /// A set at that partition whose pods from that ordinal up are new.
    fn updated(partition: u32, from: usize) -> Snapshot {
        let mut all = pods(STS, "aaa");
        for (index, pod_at) in all.iter_mut().enumerate().skip(from) {
            *pod_at = pod(STS, &format!("web-{index}"), "bbb", true);
        }
        seen(set_at(partition), all)
    }

    fn planned(decision: Result<Decision, Refusal>) -> Plan {
        match decision.unwrap() {
            Decision::Change(plan) => *plan,
            Decision::Nothing { .. } => panic!("nothing to do"),
        }
    }

    fn is_nothing(decision: Result<Decision, Refusal>) -> bool {
        matches!(decision, Ok(Decision::Nothing { .. }))
    }

    fn written(snapshot: &Snapshot, plan: &Plan) -> Option<u32> {
        let mut object = snapshot.workload.object.clone();
        object["metadata"]["annotations"] = json!({"a": "b"});
        let mut body = plan.requests[0].body.clone();
        // json-patch fails a test of what is missing, which the server reads as null.
        body.as_array_mut().unwrap().retain(|it| it["path"] != "/metadata/annotations");
        json_patch::patch(&mut object, &serde_json::from_value::<json_patch::Patch>(body).unwrap()).unwrap();
        let partition = object.pointer("/spec/updateStrategy/rollingUpdate/partition")?;
        partition.as_u64().map(|it| u32::try_from(it).unwrap())
    }

    fn replaced(plan: &Plan) -> Vec<&str> {
        plan.impact.pods.iter().map(|pod| pod.name.as_str()).collect()
    }

    #[test]
    fn lowering_says_which_pods_will_be_new_and_which_old() {
        let before = updated(3, 3);
        let plan = planned(set(&before, 1, false));
        assert_eq!((written(&before, &plan), replaced(&plan)), (Some(1), vec!["web-2", "web-1"]));
        assert_eq!(
            plan.notes,
            [
                "partition: 3 -> 1",
                "new, at revision 2: web-2, web-1",
                "old, at revision 1: web-0",
                "a pod below the partition that dies comes back at revision 1",
            ]
        );
        assert!(is_nothing(set(&before, 3, false)));
        let whole = planned(set(&before, 0, false));
        assert_eq!(whole.notes, ["partition: 3 -> 0", "new, at revision 2: web-2, web-1, web-0"]);
    }

    #[test]
    fn raising_leaves_what_is_updated_and_says_so_and_recreate_puts_it_back() {
        let before = updated(1, 1);
        let raised = planned(set(&before, HIGHEST_PARTITION, false));
        assert_eq!((written(&before, &raised), replaced(&raised)), (Some(HIGHEST_PARTITION), vec![]));
        assert_eq!(raised.notes[1], "new, at revision 2: web-2, web-1");
        assert_eq!(
            raised.notes.last().unwrap(),
            "below the partition and updated, web-2, web-1 stay at revision 2 until deleted: --recreate puts back to \
             revision 1"
        );
        let back = planned(set(&before, 3, true));
        assert_eq!(replaced(&back), ["web-2", "web-1"]);
        assert_eq!((back.impact.least_available, back.impact.moves_by_itself), (2, false));
        assert_eq!(back.notes[1], "old, at revision 1: web-2, web-1, web-0");
        // The partition is there already, and only pods are put back.
        let there = updated(3, 1);
        assert!(is_nothing(set(&there, 3, false)));
        assert_eq!(replaced(&planned(set(&there, 3, true))), ["web-2", "web-1"]);
        assert!(is_nothing(set(&updated(3, 3), 3, true)));
    }

    #[test]
    fn pods_whose_revision_is_the_current_one_are_not_put_back() {
        let mut all = pods(STS, "bbb");
        all[0] = pod(STS, "web-0", "aaa", true);
        let mut set_there = stateful("app:2", 3, "bbb", "bbb");
        set_there["status"]["currentRevision"] = json!("web-bbb");
        assert!(is_nothing(set(&seen(set_there, all), 3, true)));
    }

    #[test]
    fn one_more_is_the_next_pod_that_is_not_new_and_amounts_are_rounded_up() {
        let partition = |before: &Snapshot, to| written(before, &planned(advance(before, to)));
        assert_eq!(partition(&updated(3, 3), None), Some(2));
        assert_eq!(partition(&updated(2, 2), None), Some(1));
        assert_eq!(partition(&updated(HIGHEST_PARTITION, 3), None), Some(2));
        assert_eq!(partition(&updated(3, 2), None), Some(1), "what is new already is passed over");
        assert_eq!(partition(&updated(3, 3), Some(Amount::Percent(34))), Some(1));
        assert_eq!(partition(&updated(3, 3), Some(Amount::Percent(100))), Some(0));
        assert_eq!(partition(&updated(1, 1), Some(Amount::Count(3))), Some(0));
        assert_eq!(replaced(&planned(advance(&updated(2, 2), None))), ["web-1"]);
    }

    #[test]
    fn what_is_no_advance_is_refused() {
        let asked = |before: &Snapshot, count| advance(before, Some(Amount::Count(count))).unwrap_err();
        assert_eq!(asked(&updated(3, 3), 4), Refusal::TooFar { asked: 4, replicas: 3 });
        for count in [1, 2] {
            let refusal = Refusal::NotFurther { asked: count, now: 2, replicas: 3 };
            assert_eq!(asked(&updated(1, 1), count), refusal);
        }
        assert!(is_nothing(advance(&updated(0, 0), None)));
        assert!(is_nothing(advance(&updated(2, 0), None)));
        assert!(is_nothing(advance(&updated(0, 0), Some(Amount::Percent(100)))));
        let mut bad = updated(2, 2);
        bad.pods.as_mut().unwrap()[2] = pod(STS, "web-2", "bbb", false);
        bad.pods.as_mut().unwrap()[2].containers[0].waiting = Some(("ImagePullBackOff".into(), "no".into()));
        assert!(matches!(advance(&bad, None), Err(Refusal::NewPodFails { .. })));
        assert!(!is_nothing(set(&bad, 3, true)), "the way back stays open");
    }

    #[test]
    fn the_number_is_counted_from_the_lowest_ordinal_and_tested_against_the_replicas() {
        let mut set_there = set_at(3);
        set_there["spec"]["ordinals"] = json!({"start": 5});
        let all = ["web-5", "web-6", "web-7"].map(|name| pod(STS, name, "aaa", true)).to_vec();
        let before = seen(set_there, all);
        let plan = planned(advance(&before, Some(Amount::Count(2))));
        assert_eq!((written(&before, &plan), replaced(&plan)), (Some(1), vec!["web-7", "web-6"]));
        assert_eq!(plan.notes[2], "old, at revision 1: web-5");
        let tests = plan.requests[0].body.as_array().unwrap();
        assert!(tests.contains(&operations::test("/spec/replicas", json!(3))), "{tests:?}");
    }

    #[test]
    fn what_others_have_a_hand_on_is_refused() {
        let mut on_delete = set_at(0);
        on_delete["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        let strategy = Refusal::NoPartition { kind: STS, strategy: "OnDelete".into() };
        assert_eq!(set(&seen(on_delete, pods(STS, "aaa")), 1, false).unwrap_err(), strategy);
        let mut paused = set_at(HIGHEST_PARTITION);
        let stored = Stored::pause(json!({"type": "RollingUpdate"})).text();
        paused["metadata"]["annotations"] = json!({crate::stored::STORED: stored});
        assert_eq!(advance(&seen(paused, pods(STS, "aaa")), None).unwrap_err(), Refusal::PausedPartition);
        let mut unseen = set_at(3);
        unseen["metadata"]["generation"] = json!(2);
        assert_eq!(advance(&seen(unseen, pods(STS, "aaa")), None).unwrap_err(), Refusal::Unobserved);
        let daemons = crate::fixture::workload(Kind::DaemonSet, "app:1", json!({"type": "RollingUpdate"}));
        let daemons = snapshot(Kind::DaemonSet, daemons, Vec::new(), Vec::new());
        assert!(matches!(set(&daemons, 1, false), Err(Refusal::NoPartition { .. })));
    }

    #[test]
    fn without_the_pods_only_numbers_are_planned() {
        let mut hidden = updated(2, 2);
        hidden.pods = None;
        assert_eq!(set(&hidden, 3, true).unwrap_err(), Refusal::Unread("pods"));
        let plan = planned(advance(&hidden, None));
        assert_eq!((written(&hidden, &plan), plan.impact.known), (Some(1), false));
    }
}
