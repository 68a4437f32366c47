//! DaemonSets that others have a hand on, and what is around them.

use rollout_core::Kind;
use rollout_core::drive::Driver;
use rollout_core::machine::{Act, Ending};
use rollout_core::plan::steps::{self, StartOptions};
use rollout_core::plan::{Decision, Refusal, WarningId};
use rollout_core::snapshot::Budget;
use serde_json::{Value, json};

use crate::cluster::{Cluster, holder, template, to};
use crate::daemonset::{agents, new};

#[test]
fn somebody_elses_template_supersedes_it_and_theirs_is_left_alone() {
    let mut cluster = agents(3);
    let original = cluster.strategy().clone();
    cluster.start(&to(1, "1,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    cluster.change(|it| it["spec"]["template"] = template(2));
    assert_eq!(cluster.run(&mut driver), Ending::Superseded);
    cluster.ticks(5);
    assert_eq!(steps::abort(&cluster.snapshot(), None).unwrap_err(), Refusal::Superseded);
    // One way on: in steps.
    let mut stepped = cluster.clone();
    stepped.start(&StartOptions { template: None, ..to(2, "1,100%") });
    assert_eq!(stepped.run(&mut Driver::new(holder(1))), Ending::Complete);
    assert_eq!(stepped.shown(), ["n0:2", "n1:2", "n2:2"]);
    assert_eq!((stepped.strategy(), stepped.has_trace()), (&original, false));
    // The other: the controller.
    let plan = steps::release(&cluster.snapshot());
    cluster.apply(plan);
    cluster.ticks(30);
    assert_eq!(cluster.shown(), ["n0:2", "n1:2", "n2:2"]);
    assert!(!cluster.has_trace());
}

#[test]
fn a_template_that_replaces_ours_before_it_is_recorded_supersedes_it_too() {
    let mut cluster = agents(3);
    let generation = cluster.object["metadata"]["generation"].as_i64().unwrap();
    cluster.start(&to(1, "1,100%"));
    let mut driver = Driver::starting(holder(1), template(1), generation);
    let mut kept = (cluster.clone(), driver.clone());
    cluster.change(|it| it["spec"]["template"] = template(2));
    assert_eq!(cluster.run(&mut driver), Ending::Superseded);
    assert_eq!((cluster.deleted.len(), new(&cluster)), (0, 0));
    assert!(steps::is_superseded(&cluster.snapshot()));
    let release = steps::release(&cluster.snapshot());
    cluster.apply(release);
    assert!(!cluster.has_trace());
    // Another change than the template's is none.
    kept.0.change(|it| it["spec"]["minReadySeconds"] = json!(1));
    assert_eq!(kept.0.run(&mut kept.1), Ending::Complete);
}

#[test]
fn the_old_template_put_back_by_hand_is_an_abort_to_be_finished() {
    let mut cluster = agents(3);
    cluster.start(&to(1, "1,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    cluster.change(|it| it["spec"]["template"] = template(0));
    assert_eq!(cluster.run(&mut driver), Ending::AbortedByHand);
    assert!(matches!(cluster.abort(), Ending::Aborted { .. }));
    assert_eq!(cluster.shown(), ["n0:0", "n1:0", "n2:0"]);
}

#[test]
fn a_strategy_that_somebody_restored_is_held_again_and_comes_back_at_the_end() {
    let mut cluster = agents(6);
    cluster.start(&to(1, "1,50%,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    let theirs = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}});
    cluster.change(|it| it["spec"]["updateStrategy"] = theirs.clone());
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert!(cluster.acts.contains(&Act::HoldAgain { found: "RollingUpdate".into() }));
    assert_eq!(cluster.strategy(), &theirs);
}

#[test]
fn two_drivers_never_both_go_on() {
    let mut cluster = agents(3);
    cluster.start(&to(1, "1,100%"));
    let mut first = Driver::new(holder(1));
    cluster.run_until(&mut first, |it| it.stored().unwrap().target.is_some());
    let resume = steps::ResumeOptions {
        holder: holder(2),
        take_over: false,
        pause_after: None,
        given: steps::GivenChecks::default(),
    };
    let refusal = steps::resume(&cluster.snapshot(), &resume).unwrap_err();
    let words = "a rollout in steps is running (step 1 of 2 is next), held by me on host, who renewed that ";
    assert!(refusal.to_string().starts_with(words), "{refusal}");
    assert_eq!(steps::start(&cluster.snapshot(), &to(2, "1")).unwrap_err(), refusal);
    let mut second = cluster.resume(2);
    assert_eq!(cluster.run(&mut first), Ending::TakenOver(Some(holder(2))));
    assert_eq!(cluster.run(&mut second), Ending::Complete);
}

#[test]
fn the_way_back_is_kept_whatever_the_limit_says() {
    let mut cluster = agents(2);
    cluster.change(|it| it["spec"]["revisionHistoryLimit"] = json!(0));
    cluster.ticks(2);
    cluster.start(&to(1, "1,100%"));
    assert_eq!(cluster.object["spec"]["revisionHistoryLimit"], 1);
    assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Complete);
    assert_eq!(cluster.object["spec"]["revisionHistoryLimit"], 0);
}

#[test]
fn an_eviction_waits_for_its_budget_and_one_that_can_never_allow_it_is_said() {
    let mut cluster = agents(2);
    let mut start = to(1, "1,100%");
    start.options.evict = true;
    cluster.start(&start);
    cluster.forbids = Some("The disruption budget web needs 2 healthy pods and has 2 currently".into());
    let mut driver = Driver::new(holder(1));
    for _ in 0..20 {
        assert_eq!(cluster.turn(&mut driver), None);
    }
    assert_eq!(cluster.deleted.len(), 0);
    let mut never = (cluster.clone(), driver.clone());
    cluster.forbids = None;
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    let words = "The disruption budget web does not allow evicting pods currently because it failed sync: x";
    never.0.forbids = Some(words.into());
    assert_eq!(never.0.run(&mut never.1), Ending::Refused(words.into()));
}

#[test]
fn a_paused_set_is_not_started_and_a_stored_rollout_of_another_object_is_refused() {
    let mut cluster = agents(2);
    let mut paused = cluster.clone();
    let plan = rollout_core::plan::pause::pause(&paused.snapshot());
    paused.apply(plan);
    assert_eq!(steps::start(&paused.snapshot(), &to(1, "1")).unwrap_err(), Refusal::IsPaused);
    cluster.start(&to(1, "1,100%"));
    cluster.change(|it| {
        let text = it["metadata"]["annotations"]["rollout-plugins.dev/rollout"].as_str().unwrap().to_string();
        it["metadata"]["annotations"]["rollout-plugins.dev/rollout"] =
            json!(text.replace("\"workload\":\"set\"", "\"workload\":\"other\""));
    });
    let recreated = Refusal::Recreated { kind: Kind::DaemonSet };
    assert_eq!(steps::abort(&cluster.snapshot(), None).unwrap_err(), recreated);
    // It is not under way here, so that nobody is sent to an abort that is refused.
    assert_eq!(steps::start(&cluster.snapshot(), &to(2, "1")).unwrap_err(), recreated);
    cluster
        .change(|it| it["metadata"]["annotations"]["rollout-plugins.dev/rollout"] = json!("{\"version\":9}"));
    let words = "the annotation rollout-plugins.dev/rollout was written by another version of this plugin (format 9, known is 1)";
    assert_eq!(steps::pause(&cluster.snapshot()).unwrap_err().to_string(), words);
    assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Refused(words.into()));
}

fn stops(cluster: &Cluster, start: &StartOptions) -> Vec<WarningId> {
    let Decision::Change(plan) = steps::start(&cluster.snapshot(), start).unwrap() else { panic!() };
    plan.stopped_by(&[]).map(|it| it.id).collect()
}

#[test]
fn a_moved_placement_and_a_lost_surge_stop() {
    let mut cluster = agents(2);
    cluster.labels.insert("n0".into(), ("pool".into(), "x".into()));
    let mut moved = to(1, "1");
    let mut selected = template(1);
    selected["spec"]["nodeSelector"] = json!({"pool": "x"});
    moved.template = Some(selected);
    assert_eq!(stops(&cluster, &moved), [WarningId::Placement]);
    assert_eq!(stops(&cluster, &to(1, "1")), []);
    let surging = Cluster::new(
        Kind::DaemonSet,
        2,
        json!({"type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
    );
    assert_eq!(stops(&surging, &to(1, "1")), [WarningId::SurgeLost]);
    let mut said = to(1, "1");
    said.options.max_unavailable = Some(rollout_core::Amount::Count(1));
    assert_eq!(stops(&surging, &said), []);
}

#[test]
fn who_puts_the_change_back_stops_a_start_and_is_only_named_by_an_abort() {
    let mut cluster = agents(2);
    cluster.start(&StartOptions { pause_after: Some(1), ..to(1, "1,100%") });
    cluster.run(&mut Driver::new(holder(1)));
    let owned = |it: &mut Value| it["metadata"]["annotations"]["argocd.argoproj.io/instance"] = json!("shop");
    cluster.change(owned);
    let Ok(Decision::Change(plan)) = steps::abort(&cluster.snapshot(), None) else { panic!() };
    let warned: Vec<_> = plan.warnings.iter().map(|it| (it.id, it.stops)).collect();
    assert_eq!(warned, [(WarningId::GitopsOwner, false)]);
    let mut fresh = agents(2);
    fresh.object["metadata"]["annotations"] = json!({});
    fresh.change(owned);
    assert_eq!(stops(&fresh, &to(1, "1,100%")), [WarningId::GitopsOwner]);
}

#[test]
fn a_budget_that_never_allows_an_eviction_stops_before_anything_is_evicted() {
    let cluster = agents(2);
    let mut snapshot = cluster.snapshot();
    let failed = json!({"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed",
        "message": "daemonsets.apps does not implement the scale subresource"});
    let budget = json!({"metadata": {"name": "web"}, "spec": {"maxUnavailable": 1,
        "selector": {"matchLabels": {"app": "web"}}}, "status": {"conditions": [failed]}});
    snapshot.surroundings.budgets.extend(Budget::from_object(&budget));
    let mut start = to(1, "1,100%");
    let warned = |start: &StartOptions| {
        let Ok(Decision::Change(plan)) = steps::start(&snapshot, start) else { panic!() };
        plan.warnings.into_iter().filter(|it| it.stops).map(|it| it.message).collect::<Vec<_>>()
    };
    assert_eq!(warned(&start), [""; 0]);
    start.options.evict = true;
    assert_eq!(
        warned(&start),
        [
            "poddisruptionbudget web never allows an eviction: daemonsets.apps does not implement the scale subresource"
        ]
    );
}
