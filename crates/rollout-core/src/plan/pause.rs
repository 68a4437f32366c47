//! Planning a pause and its end, for all three kinds.
//!
//! Only Deployments have a field for it. A StatefulSet is held by its partition: at rest by one that no scale reaches, in a
//! rollout where it stands, so that what is updated stays, also when it dies (hazards H2, H3). A DaemonSet is held by
//! `OnDelete`, which holds neither a pod that dies nor its placement (hazards H1, H4); the plan says so.

use serde_json::{Value, json};

use crate::history::revision::Revision;
use crate::judge::ordinals::{name_at, standing};
use crate::objects::kind::Kind;
use crate::objects::strategy::Strategy;
use crate::plan::after::released;
use crate::plan::decision::{Decision, unchanged};
use crate::plan::operations::{strategy_of, with_partition};
use crate::plan::patch::{self, Patch};
use crate::plan::refusal::Refusal;
use crate::plan::warning::{Warning, WarningId};
use crate::plan::{impact, steps, warnings};
use crate::snapshot::Snapshot;
use crate::stored::{Stored, is_paused};

/// Plans a pause.
pub fn pause(snapshot: &Snapshot) -> Result<Decision, Refusal> {
    let workload = &snapshot.workload;
    if Stored::read(workload)?.is_some_and(|stored| stored.rollout.is_some()) {
        return steps::pause(snapshot);
    }
    if is_paused(workload) || workload.strategy == Strategy::OnDelete {
        return Err(Refusal::AlreadyPaused);
    }
    let mut plan = unchanged(snapshot);
    plan.impact.known = snapshot.pods.is_some();
    match workload.id.kind {
        Kind::Deployment => {
            let patch =
                Patch::of(workload).test("/spec/paused", Value::Null).set("/spec/paused", json!(true));
            plan.requests = vec![patch.request()];
            plan.warnings.extend(cut_off(snapshot));
        }
        Kind::StatefulSet => {
            let partition = standing(snapshot);
            let held = json!({"type": "RollingUpdate", "rollingUpdate": with_partition(&strategy_of(workload), partition)});
            plan.requests = vec![Patch::of(workload).holds(&held).request()];
            if partition < workload.desired {
                plan.notes
                    .push(format!("pods from {} up stay at the new revision", name_at(workload, partition)));
            }
        }
        Kind::DaemonSet => {
            plan.requests = vec![Patch::of(workload).holds(&json!({"type": "OnDelete"})).request()];
            plan.notes.push("a pod that dies meanwhile comes back at the newest revision".to_string());
            plan.notes.push(
                "placement is not held: node selector, affinity and tolerations take effect at once"
                    .to_string(),
            );
        }
    }
    Ok(Decision::Change(Box::new(plan)))
}

/// Plans the end of a pause.
pub fn resume(snapshot: &Snapshot) -> Result<Decision, Refusal> {
    let workload = &snapshot.workload;
    steps::none_under_way(snapshot)?;
    if !is_paused(workload) {
        return Err(Refusal::NotPaused);
    }
    let mut plan = unchanged(snapshot);
    plan.requests = vec![Patch::of(workload).released().request()];
    // A revision that was recorded meanwhile has a copy of what is stored (hazard H23).
    plan.requests.extend(patch::cleaning(snapshot));
    plan.impact = impact::impact(&released(snapshot), snapshot.history.current());
    Ok(Decision::Change(Box::new(plan)))
}

/// Pausing a Deployment cleans its old ReplicaSets up (pkg/controller/deployment/sync.go), also the one to go back to.
fn cut_off(snapshot: &Snapshot) -> Option<Warning> {
    let history = &snapshot.history;
    let current = history.current().map(|it| it.name.clone()).unwrap_or_default();
    let empty = |revision: &&Revision| revision.pods.total == 0;
    let lost: Vec<&Revision> =
        warnings::beyond_limit(&snapshot.workload, history, &current).into_iter().filter(empty).collect();
    let good = history.last_good().map(|good| good.name.clone());
    let cuts = good.is_ok_and(|good| lost.iter().any(|revision| revision.name == good));
    (!lost.is_empty()).then(|| Warning {
        id: WarningId::HistoryLimit,
        message: format!(
            "pausing makes the controller delete revision {}: there is no way back to it",
            warnings::numbers(&lost)
        ),
        fix: Some(warnings::raise_limit(&snapshot.workload)),
        stops: cuts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revisions, snapshot, stateful, workload};
    use crate::judge::status::{Hold, State, evaluate};
    use crate::objects::pod::Pod;
    use crate::objects::strategy::HIGHEST_PARTITION;
    use crate::plan::decision::Plan;

    fn seen(kind: Kind, object: Value, pods: Vec<Pod>) -> Snapshot {
        snapshot(kind, object, revisions(kind, 2), pods)
    }

    fn planned(decision: Result<Decision, Refusal>) -> Plan {
        match decision.unwrap() {
            Decision::Change(plan) => *plan,
            Decision::Nothing { .. } => panic!("nothing to do"),
        }
    }

    fn applied(snapshot: &Snapshot, plan: &Plan) -> Snapshot {
        let mut object = snapshot.workload.object.clone();
        object["spec"]["paused"] = object["spec"]["paused"].clone();
        if object["metadata"].get("annotations").is_none() {
            object["metadata"]["annotations"] = Value::Null;
        }
        let patch: json_patch::Patch = serde_json::from_value(plan.requests[0].body.clone()).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        seen(snapshot.workload.id.kind, object, snapshot.pods.clone().unwrap())
    }

    fn rolling(kind: Kind) -> Value {
        match kind {
            Kind::StatefulSet => stateful("app:2", 1, "aaa", "bbb"),
            Kind::Deployment | Kind::DaemonSet => workload(
                kind,
                "app:2",
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}),
            ),
        }
    }

    #[test]
    fn what_was_there_comes_back_exactly_and_no_trace_stays() {
        for kind in Kind::ALL {
            let before = seen(kind, rolling(kind), pods(kind, "aaa"));
            let paused = applied(&before, &planned(pause(&before)));
            assert!(is_paused(&paused.workload), "{kind}");
            assert_eq!(evaluate(&paused).state, State::Held, "{kind}");
            assert_eq!(evaluate(&paused).hold, Some(Hold::Paused), "{kind}");
            assert_eq!(pause(&paused).unwrap_err(), Refusal::AlreadyPaused, "{kind}");
            let mut after = applied(&paused, &planned(resume(&paused))).workload.object;
            assert!(
                after["metadata"]["annotations"].as_object().is_none_or(serde_json::Map::is_empty),
                "{kind}"
            );
            after["metadata"].as_object_mut().unwrap().shift_remove("annotations");
            let spec = after["spec"].as_object_mut().unwrap();
            if spec.get("paused").is_some_and(Value::is_null) {
                spec.shift_remove("paused");
            }
            assert_eq!(after, before.workload.object, "{kind}");
            assert_eq!(resume(&before).unwrap_err(), Refusal::NotPaused, "{kind}");
        }
    }

    #[test]
    fn a_set_is_held_where_it_stands_or_for_all_that_may_come() {
        let kind = Kind::StatefulSet;
        let partition = |hashes: [&str; 3]| {
            let pods = hashes
                .iter()
                .enumerate()
                .map(|(n, hash)| pod(kind, &format!("web-{n}"), hash, true))
                .collect();
            let before = seen(kind, stateful("app:2", 0, "aaa", "bbb"), pods);
            applied(&before, &planned(pause(&before))).workload.partition()
        };
        assert_eq!(partition(["bbb", "bbb", "bbb"]), HIGHEST_PARTITION);
        assert_eq!(partition(["aaa", "aaa", "aaa"]), HIGHEST_PARTITION);
        assert_eq!(partition(["aaa", "aaa", "bbb"]), 2);
        assert_eq!(partition(["aaa", "bbb", "bbb"]), 1);
    }

    #[test]
    fn a_pause_that_cuts_off_the_way_back_stops() {
        let mut object = workload(Kind::Deployment, "app:2", json!({}));
        object["spec"]["revisionHistoryLimit"] = json!(0);
        let snapshot = seen(Kind::Deployment, object, pods(Kind::Deployment, "bbb"));
        let plan = planned(pause(&snapshot));
        assert_eq!(plan.stopped_by(&[]).map(|it| it.id).collect::<Vec<_>>(), [WarningId::HistoryLimit]);
    }
}
