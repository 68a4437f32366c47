//! Planning the deletion that frees a stuck StatefulSet: what blocks it, and whether that may go.

use crate::judge::cause::Cause;
use crate::judge::causes;
use crate::judge::stuck::{self, Blockage, Wait};
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::plan::decision::{Decision, freeing, nothing};
use crate::plan::refusal::Refusal;
use crate::snapshot::Snapshot;

/// Plans it; nothing is written, a pod is only deleted, and what blocks after it is too.
pub fn plan(snapshot: &Snapshot) -> Result<Decision, Refusal> {
    let workload = &snapshot.workload;
    if workload.id.kind != Kind::StatefulSet {
        return Err(Refusal::NotOrdered { kind: workload.id.kind });
    }
    let Some(target) = snapshot.target().filter(|_| snapshot.observed()) else {
        return Err(Refusal::Unobserved);
    };
    let pod = |pod: &Pod| pod.name.clone();
    match stuck::examine(snapshot) {
        Blockage::Stuck(pod) => Ok(Decision::Change(Box::new(freeing(snapshot, target, Some(pod))))),
        Blockage::None => Ok(nothing(snapshot)),
        Blockage::Waiting { pod: Some(it), why: Wait::TargetNotReady }
            if !causes::of_pod(it, snapshot).iter().any(Cause::fails) =>
        {
            Ok(nothing(snapshot))
        }
        Blockage::Waiting { pod: Some(it), why: Wait::TargetNotReady } => {
            Err(Refusal::TargetFails { pod: pod(it) })
        }
        Blockage::Waiting { pod: Some(it), why: Wait::BelowPartition } => {
            Err(Refusal::BelowPartition { pod: pod(it), partition: workload.partition() })
        }
        Blockage::Waiting { pod: Some(it), why: Wait::RevisionWorks } => {
            Err(Refusal::MayRecover { pod: pod(it) })
        }
        Blockage::Waiting { pod: None, why: _ } => Ok(nothing(snapshot)),
        Blockage::Waiting { pod: Some(_), why: Wait::Terminating | Wait::Missing | Wait::Moment } => {
            Ok(Decision::Change(Box::new(freeing(snapshot, target, None))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revisions, snapshot, stateful, workload};
    use serde_json::json;

    const STS: Kind = Kind::StatefulSet;

    fn seen(partition: u32, bad: usize, hash: &str) -> Snapshot {
        let revisions = revisions(STS, 2);
        let mut pods = pods(STS, "aaa");
        pods[bad] = pod(STS, &format!("web-{bad}"), hash, false);
        snapshot(STS, stateful("app:1", partition, "aaa", "aaa"), revisions, pods)
    }

    #[test]
    fn the_blocker_is_named_and_nothing_is_written() {
        let Decision::Change(plan) = plan(&seen(0, 2, "bbb")).unwrap() else { panic!() };
        assert_eq!((plan.impact.pods[0].name.as_str(), plan.requests.len()), ("web-2", 0));
    }

    #[test]
    fn a_target_that_fails_and_a_pod_below_the_partition_are_explained() {
        let mut bad = seen(0, 2, "aaa");
        bad.pods.as_mut().unwrap()[2].containers[0].waiting = Some(("ImagePullBackOff".into(), "no".into()));
        assert_eq!(plan(&bad).unwrap_err(), Refusal::TargetFails { pod: "web-2".into() });
        let below = Refusal::BelowPartition { pod: "web-1".into(), partition: 2 };
        assert_eq!(plan(&seen(2, 1, "bbb")).unwrap_err(), below);
    }

    #[test]
    fn a_terminating_pod_is_waited_for_and_a_starting_one_is_fine() {
        let mut ends = seen(0, 2, "bbb");
        ends.pods.as_mut().unwrap()[2].terminating = true;
        assert!(matches!(plan(&ends), Ok(Decision::Change(plan)) if plan.impact.pods.is_empty()));
        assert!(matches!(plan(&seen(0, 2, "aaa")), Ok(Decision::Nothing { .. })));
    }

    #[test]
    fn other_kinds_do_not_get_stuck_this_way() {
        let object = workload(Kind::DaemonSet, "app:1", json!({"type": "RollingUpdate"}));
        let seen = snapshot(Kind::DaemonSet, object, Vec::new(), Vec::new());
        assert_eq!(plan(&seen).unwrap_err(), Refusal::NotOrdered { kind: Kind::DaemonSet });
    }
}
