//! Changing how a DaemonSet replaces its pods, with what follows from it told before.
//!
//! What the server refuses (pkg/apis/apps/validation/validation.go, `ValidateDaemonSetUpdateStrategy`) is refused here, in
//! clear words.

use serde_json::{Value, json};

use crate::objects::strategy::{Amount, Strategy};
use crate::objects::workload::Workload;
use crate::plan::decision::{self, Decision, Plan};
use crate::plan::patch::Patch;
use crate::plan::refusal::{BadStrategy, Refusal};
use crate::plan::request::Request;
use crate::plan::{impact, steps};
use crate::snapshot::{Side, Snapshot};
use crate::stored;

/// What somebody wants changed; what is not said stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrategyChange {
    /// The type.
    pub kind: Option<StrategyKind>,
    /// Pods that may be missing during a rollout.
    pub max_unavailable: Option<Amount>,
    /// Pods that may be there twice during a rollout.
    pub max_surge: Option<Amount>,
}

/// The types that a DaemonSet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrategyKind {
    /// The controller replaces old pods.
    RollingUpdate,
    /// Nothing replaces an old pod until it is deleted.
    OnDelete,
}

impl StrategyKind {
    /// Both.
    pub const ALL: [StrategyKind; 2] = [StrategyKind::RollingUpdate, StrategyKind::OnDelete];

    /// Returns the type as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            StrategyKind::RollingUpdate => "RollingUpdate",
            StrategyKind::OnDelete => "OnDelete",
        }
    }
}

impl StrategyChange {
    /// Tells whether anything is to be changed.
    pub fn is_empty(&self) -> bool {
        *self == StrategyChange::default()
    }

    /// Says what is wrong with the change itself, whatever the strategy is now.
    pub fn check(&self) -> Result<(), BadStrategy> {
        let numbers = [("maxUnavailable", self.max_unavailable), ("maxSurge", self.max_surge)];
        for (field, amount) in numbers {
            match (self.kind, amount) {
                (_, Some(amount @ Amount::Percent(101..))) => {
                    return Err(BadStrategy::TooMany { field, amount });
                }
                (Some(StrategyKind::OnDelete), Some(_)) => return Err(BadStrategy::NumbersOfOnDelete(field)),
                (Some(StrategyKind::OnDelete | StrategyKind::RollingUpdate) | None, _) => {}
            }
        }
        match (self.max_unavailable, self.max_surge) {
            (Some(max_unavailable), Some(max_surge)) => fits(max_unavailable, max_surge),
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Returns what the strategy of a workload becomes.
    fn applied(&self, workload: &Workload) -> Result<Strategy, BadStrategy> {
        self.check()?;
        let numbers = self.max_unavailable.map(|_| "maxUnavailable").or(self.max_surge.map(|_| "maxSurge"));
        let now = match &workload.strategy {
            Strategy::RollingUpdate { max_unavailable, max_surge } => Some((*max_unavailable, *max_surge)),
            Strategy::OnDelete | Strategy::Other(_) => None,
            Strategy::Partitioned { .. } | Strategy::Recreate => {
                return Err(BadStrategy::NotADaemonSet { kind: workload.id.kind });
            }
        };
        match (self.kind, now, numbers) {
            (Some(StrategyKind::OnDelete), _, _) => Ok(Strategy::OnDelete),
            (None, None, Some(field)) => Err(BadStrategy::NumbersOfOnDelete(field)),
            (None, None, None) => Ok(workload.strategy.clone()),
            (Some(StrategyKind::RollingUpdate), _, _) | (None, Some(_), _) => {
                // What the server fills in (pkg/apis/apps/v1/defaults.go).
                let (unavailable, surge) = now.unwrap_or_else(|| self.filled_in());
                let max_unavailable = self.max_unavailable.unwrap_or(unavailable);
                let max_surge = self.max_surge.unwrap_or(surge);
                fits(max_unavailable, max_surge)?;
                Ok(Strategy::RollingUpdate { max_unavailable, max_surge })
            }
        }
    }

    /// Where nothing was there, a surge leaves no room for missing pods.
    fn filled_in(&self) -> (Amount, Amount) {
        let surges = self.max_surge.is_some_and(|surge| !is_zero(surge));
        (Amount::Count(u32::from(!surges)), Amount::Count(0))
    }
}

/// The server looks at the numbers as they are written: 1% of three pods is not 0.
fn is_zero(amount: Amount) -> bool {
    matches!(amount, Amount::Count(0) | Amount::Percent(0))
}

fn fits(max_unavailable: Amount, max_surge: Amount) -> Result<(), BadStrategy> {
    match (is_zero(max_unavailable), is_zero(max_surge)) {
        (false, false) => Err(BadStrategy::BothSet { max_unavailable, max_surge }),
        (true, true) => Err(BadStrategy::BothZero),
        (false, true) | (true, false) => Ok(()),
    }
}

/// Returns how many pods may be missing, and be there twice, of so many: pkg/controller/daemon/update.go,
/// `updatedDesiredNodeCounts`.
pub fn resolved(max_unavailable: Amount, max_surge: Amount, desired: u32) -> (u32, u32) {
    match (max_unavailable.rounded_up(desired), max_surge.rounded_up(desired)) {
        (0, 0) if desired > 0 => (1, 0),
        resolved => resolved,
    }
}

/// Says a strategy in words.
pub fn words(strategy: &Strategy) -> String {
    match strategy {
        Strategy::RollingUpdate { max_unavailable, max_surge } => {
            format!("RollingUpdate (maxUnavailable {max_unavailable}, maxSurge {max_surge})")
        }
        Strategy::Partitioned { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => {
            strategy.name().to_string()
        }
    }
}

/// Plans the change of a DaemonSet's strategy: one patch that holds only while the strategy is what it was.
pub fn plan(snapshot: &Snapshot, change: &StrategyChange) -> Result<Decision, Refusal> {
    let workload = &snapshot.workload;
    steps::none_under_way(snapshot)?;
    if stored::is_paused(workload) {
        return Err(BadStrategy::Paused { kind: workload.id.kind }.into());
    }
    let strategy = change.applied(workload)?;
    if strategy == workload.strategy {
        let revision = snapshot.history.current().and_then(|current| current.number);
        return Ok(Decision::Nothing { revision, warning: None });
    }
    // Which pods are old is not known before.
    if !snapshot.observed() {
        return Err(Refusal::Unobserved);
    }
    let mut plan = decision::unchanged(snapshot);
    plan.impact.known = snapshot.pods.is_some();
    plan.requests = vec![request(workload, &strategy)];
    plan.notes.push(format!("strategy: {} -> {}", words(&workload.strategy), words(&strategy)));
    consequences(snapshot, &strategy, &mut plan);
    Ok(Decision::Change(Box::new(plan)))
}

fn request(workload: &Workload, strategy: &Strategy) -> Request {
    Patch::of(workload).same_strategy().stored_stays().strategy(&value(strategy)).request()
}

fn value(strategy: &Strategy) -> Value {
    match strategy {
        Strategy::RollingUpdate { max_unavailable, max_surge } => json!({
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": max_unavailable, "maxSurge": max_surge},
        }),
        Strategy::Partitioned { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => {
            json!({"type": strategy.name()})
        }
    }
}

/// Foretells what the other strategy does to pods that are old now, and says it.
fn consequences(snapshot: &Snapshot, strategy: &Strategy, plan: &mut Plan) {
    let old = snapshot.living().filter(|pod| snapshot.side(pod) == Side::Old).count();
    let desired = snapshot.workload.desired;
    match (strategy, &snapshot.workload.strategy) {
        (Strategy::RollingUpdate { max_unavailable, max_surge }, before) => {
            let mut after = snapshot.clone();
            after.workload.strategy = strategy.clone();
            plan.impact = impact::impact(&after, snapshot.history.current());
            let (missing, twice) = resolved(*max_unavailable, *max_surge, desired);
            plan.notes.push(match twice {
                0 => format!("in a rollout at most {missing} of {desired} pods are missing at a time"),
                _ => format!("in a rollout at most {twice} of {desired} nodes have both pods at a time"),
            });
            let starts = *before == Strategy::OnDelete && old > 0;
            plan.notes.extend(starts.then(|| {
                "a rollout starts at once: the controller replaces the old pods, in no order that is known"
                    .to_string()
            }));
        }
        (
            Strategy::OnDelete | Strategy::Partitioned { .. } | Strategy::Recreate | Strategy::Other(_),
            Strategy::RollingUpdate { .. },
        ) if old > 0 => {
            plan.notes.push(format!(
                "the rollout stops where it is: {old} of {desired} pods stay old until they are deleted"
            ));
            plan.notes.push("a pod that dies meanwhile comes back at the newest revision".to_string());
        }
        (Strategy::OnDelete | Strategy::Partitioned { .. } | Strategy::Recreate | Strategy::Other(_), _) => {
            plan.notes.push("from now on a pod is replaced only when somebody deletes it".to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, revisions, snapshot, workload};
    use crate::objects::kind::Kind;
    use crate::objects::pod::Pod;
    use crate::stored::{STORED, Stored};

    const ROLLING: StrategyChange =
        StrategyChange { kind: Some(StrategyKind::RollingUpdate), max_unavailable: None, max_surge: None };
    const ON_DELETE: StrategyChange = StrategyChange { kind: Some(StrategyKind::OnDelete), ..ROLLING };

    fn numbers(max_unavailable: Option<Amount>, max_surge: Option<Amount>) -> StrategyChange {
        StrategyChange { kind: None, max_unavailable, max_surge }
    }

    fn rolling(unavailable: Value, surge: Value) -> Value {
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}})
    }

    /// Three nodes, the pods of the first so many are new.
    fn seen(strategy: Value, new: usize) -> Snapshot {
        let object = workload(Kind::DaemonSet, "app:2", strategy);
        let revisions = revisions(Kind::DaemonSet, 2);
        let hash = |index: usize| if index < new { "bbb" } else { "aaa" };
        let pods: Vec<Pod> =
            (0..3).map(|it| pod(Kind::DaemonSet, &format!("web-{it}"), hash(it), true)).collect();
        snapshot(Kind::DaemonSet, object, revisions, pods)
    }

    fn planned(snapshot: &Snapshot, change: StrategyChange) -> Plan {
        match plan(snapshot, &change).unwrap() {
            Decision::Change(plan) => *plan,
            Decision::Nothing { .. } => panic!("nothing to do"),
        }
    }

    fn refused(snapshot: &Snapshot, change: StrategyChange) -> String {
        plan(snapshot, &change).unwrap_err().to_string()
    }

    #[test]
    fn the_patch_tests_the_old_strategy_and_brings_the_new_one() {
        let mut before = seen(rolling(json!(1), json!(0)), 3);
        for annotations in [None, Some(json!({})), Some(json!({"a": "b"}))] {
            if let Some(annotations) = annotations {
                before.workload.object["metadata"]["annotations"] = annotations;
            }
            let plan = planned(&before, ON_DELETE);
            let patch: json_patch::Patch = serde_json::from_value(plan.requests[0].body.clone()).unwrap();
            let apply = |strategy: Value, stored: bool| {
                let mut object = before.workload.object.clone();
                object["spec"]["updateStrategy"] = strategy;
                if stored {
                    object["metadata"]["annotations"] = json!({STORED: "{}"});
                }
                // The server takes what is absent for null.
                if object["metadata"].get("annotations").is_none() {
                    object["metadata"]["annotations"] = Value::Null;
                } else if !stored {
                    object["metadata"]["annotations"][STORED] = Value::Null;
                }
                json_patch::patch(&mut object, &patch).map(|()| object["spec"]["updateStrategy"].clone())
            };
            assert_eq!(apply(rolling(json!(1), json!(0)), false).unwrap(), json!({"type": "OnDelete"}));
            assert!(apply(rolling(json!(2), json!(0)), false).is_err());
            assert!(apply(rolling(json!(1), json!(0)), true).is_err());
        }
    }

    #[test]
    fn what_is_not_said_stays_and_what_was_not_there_is_the_servers_default() {
        let becomes = |strategy: Value, change: StrategyChange| {
            value(&change.applied(&seen(strategy, 3).workload).unwrap())
        };
        let now = || rolling(json!(1), json!(0));
        let (one, zero, tenth) = (Amount::Count(1), Amount::Count(0), Amount::Percent(10));
        assert_eq!(becomes(now(), numbers(Some(tenth), None)), rolling(json!("10%"), json!(0)));
        assert_eq!(becomes(now(), numbers(Some(zero), Some(one))), rolling(json!(0), json!(1)));
        assert_eq!(becomes(now(), ROLLING), now());
        let held = || json!({"type": "OnDelete"});
        assert_eq!(becomes(held(), ROLLING), now());
        let surge = StrategyChange { max_surge: Some(tenth), ..ROLLING };
        assert_eq!(becomes(held(), surge), rolling(json!(0), json!("10%")));
    }

    #[test]
    fn what_the_server_refuses_is_refused_in_clear_words() {
        let now = || seen(rolling(json!(1), json!(0)), 3);
        let (one, zero) = (Amount::Count(1), Amount::Count(0));
        assert_eq!(
            refused(&now(), numbers(None, Some(one))),
            "maxSurge 1 and maxUnavailable 1: one of them must be 0"
        );
        let both_zero = "maxUnavailable and maxSurge are both 0: no pod could be replaced";
        assert_eq!(refused(&now(), numbers(Some(zero), None)), both_zero);
        assert_eq!(numbers(Some(Amount::Percent(0)), Some(zero)).check(), Err(BadStrategy::BothZero));
        let over = numbers(None, Some(Amount::Percent(101))).check().unwrap_err();
        assert_eq!(over.to_string(), "maxSurge 101%: must not be greater than 100%");
        assert_eq!(numbers(Some(Amount::Percent(100)), Some(zero)).check(), Ok(()));
        let held = seen(json!({"type": "OnDelete"}), 3);
        let words = "OnDelete has no maxUnavailable: nothing replaces pods there";
        assert_eq!(refused(&held, numbers(Some(one), None)), words);
        let with = StrategyChange { max_unavailable: Some(one), ..ON_DELETE };
        assert_eq!(with.check().unwrap_err().to_string(), words);
    }

    #[test]
    fn a_rollout_that_starts_at_once_is_told_with_its_pods() {
        let held = seen(json!({"type": "OnDelete"}), 1);
        let plan = planned(&held, ROLLING);
        let mut names: Vec<&str> = plan.impact.pods.iter().map(|pod| pod.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!((names.as_slice(), plan.impact.least_available), (["web-1", "web-2"].as_slice(), 2));
        assert!(plan.impact.moves_by_itself);
        assert_eq!(
            plan.notes,
            [
                "strategy: OnDelete -> RollingUpdate (maxUnavailable 1, maxSurge 0)",
                "in a rollout at most 1 of 3 pods are missing at a time",
                "a rollout starts at once: the controller replaces the old pods, in no order that is known",
            ]
        );
        let settled = planned(&seen(json!({"type": "OnDelete"}), 3), ROLLING);
        assert!(settled.impact.pods.is_empty());
        assert_eq!(settled.notes.len(), 2);
    }

    #[test]
    fn a_rollout_that_stops_is_told_and_one_that_goes_on_otherwise_too() {
        let during = seen(rolling(json!(1), json!(0)), 1);
        let stops = planned(&during, ON_DELETE);
        assert!(stops.impact.pods.is_empty());
        assert_eq!(
            stops.notes[1],
            "the rollout stops where it is: 2 of 3 pods stay old until they are deleted"
        );
        let faster = planned(&during, numbers(Some(Amount::Percent(60)), None));
        assert_eq!((faster.impact.pods.len(), faster.impact.least_available), (2, 1));
        assert_eq!(faster.notes[1], "in a rollout at most 2 of 3 pods are missing at a time");
        let rest = planned(&seen(rolling(json!(1), json!(0)), 3), ON_DELETE);
        assert_eq!(rest.notes[1], "from now on a pod is replaced only when somebody deletes it");
    }

    #[test]
    fn nothing_is_changed_where_it_is_so_and_while_something_holds_it() {
        let now = seen(rolling(json!(1), json!(0)), 1);
        assert!(matches!(plan(&now, &ROLLING), Ok(Decision::Nothing { .. })));
        let mut paused = workload(Kind::DaemonSet, "app:2", json!({"type": "OnDelete"}));
        let note = Stored::pause(rolling(json!(1), json!(0))).text();
        paused["metadata"]["annotations"] = json!({STORED: note});
        let paused = snapshot(Kind::DaemonSet, paused, Vec::new(), Vec::new());
        assert!(refused(&paused, ROLLING).starts_with("a paused daemonset has the strategy that holds it"));
        let unrecorded = workload(Kind::DaemonSet, "app:9", rolling(json!(1), json!(0)));
        let unrecorded = snapshot(Kind::DaemonSet, unrecorded, Vec::new(), Vec::new());
        assert_eq!(plan(&unrecorded, &ON_DELETE).unwrap_err(), Refusal::Unobserved);
    }

    #[test]
    fn numbers_resolve_as_the_controller_does() {
        let (zero, tenth) = (Amount::Count(0), Amount::Percent(10));
        assert_eq!(resolved(tenth, zero, 11), (2, 0));
        assert_eq!(resolved(zero, tenth, 3), (0, 1));
        assert_eq!(resolved(zero, zero, 3), (1, 0));
        assert_eq!(resolved(tenth, zero, 0), (0, 0));
    }
}
