//! StatefulSets.

use rollout_core::Kind;
use rollout_core::drive::Driver;
use rollout_core::machine::{Act, Ending, Why};
use rollout_core::model::{Behaviour, RevisionId};
use rollout_core::plan::steps::{self, StartOptions};
use rollout_core::plan::{Decision, Refusal, WarningId};
use rollout_core::stored::OnFailure;
use serde_json::{Value, json};

use crate::cluster::{Cluster, holder, template, to};

fn db(replicas: u32) -> Cluster {
    Cluster::rolling(Kind::StatefulSet, replicas)
}

fn with(replicas: u32, strategy: Value) -> Cluster {
    Cluster::new(Kind::StatefulSet, replicas, strategy)
}

fn partitioned(partition: u32) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}})
}

fn bad(cluster: &mut Cluster, revision: u32) {
    cluster.world.behaviours.insert(RevisionId(revision), Behaviour::NeverReady);
}

fn partition(cluster: &Cluster) -> u64 {
    cluster.strategy()["rollingUpdate"]["partition"].as_u64().unwrap()
}

#[test]
fn the_partition_goes_down_step_by_step_and_comes_back() {
    let mut cluster = db(8);
    let before = cluster.strategy().clone();
    let plan = cluster.start(&to(1, "1,25%,50%,100%"));
    let pods: Vec<Vec<String>> = plan.steps.iter().map(|it| it.pods.clone()).collect();
    assert_eq!(pods[..2], [vec!["web-7".to_string()], vec!["web-6".to_string()]]);
    assert_eq!(partition(&cluster), 2147483647);
    cluster.ticks(20);
    let mut driver = Driver::new(holder(1));
    for (done, lowest) in [(1, 7), (2, 6), (3, 4)] {
        cluster.run_until(&mut driver, |it| it.stored().unwrap().done == done);
        assert_eq!(partition(&cluster), lowest);
        cluster.ticks(30);
        assert!(
            cluster.world.pods.iter().all(|pod| (pod.revision.0 == 1) == (u64::from(pod.slot) >= lowest))
        );
    }
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!((cluster.strategy(), cluster.has_trace()), (&before, false));
    assert!(cluster.world.pods.iter().all(|pod| pod.revision.0 == 1));
    assert_eq!((cluster.outside(), cluster.deleted.len()), (0, 0));
}

#[test]
fn a_partition_that_was_there_comes_back_when_all_is_current() {
    let mut cluster = with(4, partitioned(2));
    cluster.start(&to(1, "50%,100%"));
    assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Complete);
    assert_eq!(partition(&cluster), 2);
    assert_eq!(cluster.object["status"]["currentRevision"], "web-h1");
    assert_eq!(cluster.shown(), ["0:1", "1:1", "2:1", "3:1"]);
}

#[test]
fn a_failed_step_leaves_the_rest_alone_and_abort_frees_the_set() {
    let mut cluster = db(4);
    bad(&mut cluster, 1);
    let kept = cluster.uids();
    cluster.start(&to(1, "50%,100%"));
    assert!(matches!(cluster.run(&mut Driver::new(holder(1))), Ending::StepFailed { step: 1, .. }));
    assert_eq!(partition(&cluster), 3);
    cluster.ticks(50);
    assert_eq!(cluster.shown(), ["0:0", "1:0", "2:0", "3:1!"]);
    assert!(matches!(cluster.abort(), Ending::Aborted { .. }));
    assert!(cluster.acts.contains(&Act::Delete { pod: "web-3".into(), why: Why::Blocks }));
    assert_eq!((cluster.strategy(), cluster.has_trace()), (&partitioned(0), false));
    cluster.ticks(20);
    assert_eq!(cluster.shown(), ["0:0", "1:0", "2:0", "3:0"]);
    assert_eq!(kept.iter().filter(|(slot, uid)| cluster.uids().get(slot) == Some(uid)).count(), 3);
}

#[test]
fn a_failed_step_goes_on_when_its_cause_is_gone() {
    let mut cluster = db(3);
    bad(&mut cluster, 1);
    cluster.start(&to(1, "1,100%"));
    assert!(matches!(cluster.run(&mut Driver::new(holder(1))), Ending::StepFailed { step: 1, .. }));
    cluster.world.behaviours.clear();
    let mut driver = cluster.resume(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(cluster.shown(), ["0:1", "1:1", "2:1"]);
}

#[test]
fn a_failure_with_abort_is_undone_for_every_strategy() {
    for strategy in [partitioned(0), partitioned(1), json!({"type": "OnDelete"})] {
        let mut cluster = with(4, strategy.clone());
        bad(&mut cluster, 1);
        let mut start = to(1, "50%,100%");
        start.options.on_failure = OnFailure::Abort;
        cluster.start(&start);
        let ending = cluster.run(&mut Driver::new(holder(1)));
        assert!(matches!(ending, Ending::Undone { .. }), "{ending:?}");
        cluster.ticks(30);
        assert_eq!(cluster.shown(), ["0:0", "1:0", "2:0", "3:0"]);
        assert_eq!((cluster.strategy(), cluster.has_trace()), (&strategy, false));
    }
}

#[test]
fn updated_pods_stay_through_a_pause_and_abort_puts_back_those_only() {
    let mut cluster = db(4);
    let before = cluster.uids();
    cluster.start(&StartOptions { pause_after: Some(1), ..to(1, "50%,100%") });
    assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Paused { done: 1, of: 2 });
    cluster.ticks(20);
    assert_eq!(cluster.shown(), ["0:0", "1:0", "2:1", "3:1"]);
    assert!(matches!(cluster.abort(), Ending::Aborted { .. }));
    assert_eq!(cluster.shown(), ["0:0", "1:0", "2:0", "3:0"]);
    assert_eq!((0..2).filter(|slot| cluster.uids()[slot] == before[slot]).count(), 2);
}

#[test]
fn a_pause_in_the_middle_of_a_step_holds_where_it_stands() {
    let mut cluster = db(4);
    cluster.start(&to(1, "100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.shown() == ["0:0", "1:0", "2:0", "3:1"]);
    let plan = steps::pause(&cluster.snapshot());
    cluster.apply(plan);
    assert_eq!(cluster.run(&mut driver), Ending::Paused { done: 0, of: 1 });
    cluster.ticks(30);
    assert_eq!(
        (partition(&cluster), cluster.shown()),
        (3, ["0:0", "1:0", "2:0", "3:1"].map(String::from).to_vec())
    );
    let mut driver = cluster.resume(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
}

#[test]
fn an_on_delete_set_goes_from_the_highest_ordinal_and_never_with_a_hole() {
    let mut cluster = with(4, json!({"type": "OnDelete"}));
    cluster.start(&to(1, "50%,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    assert_eq!(cluster.deleted, ["web-3", "web-2"]);
    // While one below is unready and of a good revision, nothing above it goes.
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(cluster.deleted, ["web-3", "web-2", "web-1", "web-0"]);
    assert_eq!(cluster.strategy(), &json!({"type": "OnDelete"}));
}

#[test]
fn the_lowest_broken_pod_of_an_on_delete_set_goes_when_its_step_comes() {
    let mut cluster = with(3, json!({"type": "OnDelete"}));
    cluster.world.break_pod("web-0");
    cluster.remember();
    let broken = cluster.now;
    cluster.start(&to(1, "100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| !it.deleted.is_empty());
    // It was ready before, and may get so again for as long as its probes allow.
    assert!((30..35).contains(&(cluster.now - broken)), "{}", cluster.now - broken);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(cluster.deleted, ["web-0", "web-2", "web-1"]);
}

#[test]
fn an_unready_pod_below_the_step_holds_an_on_delete_set_up_and_is_named() {
    let mut cluster = with(3, json!({"type": "OnDelete"}));
    cluster.world.break_pod("web-0");
    cluster.remember();
    cluster.start(&to(1, "1,100%"));
    let Ending::StepHeld { causes, .. } = cluster.run(&mut Driver::new(holder(1))) else { panic!() };
    assert!(causes[0].message.ends_with("without an available pod: web-0"), "{causes:?}");
    assert_eq!(cluster.deleted.len(), 0);
}

#[test]
fn a_quorum_never_loses_a_second_member_that_is_unready_for_a_moment() {
    let mut cluster = with(3, json!({"type": "OnDelete"}));
    cluster.world.behaviours.insert(RevisionId(1), Behaviour::Ready { after: 8 });
    cluster.start(&to(1, "100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.deleted == ["web-2"]);
    let starts = |it: &Cluster| it.shown().contains(&"2:1!".to_string());
    cluster.run_until(&mut driver, |it| starts(it));
    cluster.world.unready_pod("web-1");
    cluster.remember();
    for _ in 0..3 {
        cluster.turn(&mut driver);
    }
    assert_eq!(cluster.deleted, ["web-2"]);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(cluster.deleted, ["web-2", "web-1", "web-0"]);
}

#[test]
fn a_set_scaled_in_the_middle_goes_on_and_what_came_up_new_is_said() {
    let mut cluster = db(4);
    cluster.start(&to(1, "1,50%,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    cluster.scale(8);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(cluster.world.pods.iter().filter(|pod| pod.revision.0 == 1).count(), 8);
    let mut cluster = db(6);
    cluster.start(&to(1, "1,50%,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    cluster.scale(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(cluster.shown(), ["0:1", "1:1"]);
}

#[test]
fn a_set_that_scales_before_its_first_step_stays_old() {
    let mut cluster = db(3);
    cluster.start(&StartOptions { holder: None, ..to(1, "1,100%") });
    cluster.scale(5);
    cluster.ticks(20);
    assert_eq!(cluster.shown(), ["0:0", "1:0", "2:0", "3:0", "4:0"]);
}

#[test]
fn a_partition_that_somebody_lowered_is_raised_again_and_said() {
    let mut cluster = db(6);
    cluster.start(&to(1, "1,50%,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    cluster.change(|it| it["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(0));
    cluster.tick();
    cluster.turn(&mut driver);
    assert!(cluster.acts.contains(&Act::HoldAgain { found: "RollingUpdate".into() }));
    assert_eq!(partition(&cluster), 5);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(partition(&cluster), 0);
}

#[test]
fn back_from_a_set_whose_current_revision_has_moved_the_partition_goes_down_and_comes_back() {
    let mut cluster = with(4, partitioned(2));
    cluster.start(&to(1, "50%,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    // Scaled to nothing and up: everything is new, and so is the current revision.
    cluster.scale(0);
    cluster.ticks(30);
    cluster.scale(4);
    cluster.ticks(30);
    assert_eq!(cluster.object["status"]["currentRevision"], "web-h1");
    assert!(matches!(cluster.abort(), Ending::Aborted { .. }));
    assert_eq!(cluster.shown(), ["0:0", "1:0", "2:0", "3:0"]);
    assert_eq!(
        (partition(&cluster), cluster.object["status"]["currentRevision"].as_str()),
        (2, Some("web-h0"))
    );
}

#[test]
fn a_rolling_update_in_progress_is_taken_over_where_it_stands() {
    let mut cluster = db(4);
    cluster.change(|it| it["spec"]["template"] = template(1));
    while cluster.shown() != ["0:0", "1:0", "2:0", "3:1"] {
        cluster.tick();
    }
    cluster.start(&StartOptions { template: None, ..to(1, "1,50%,100%") });
    assert_eq!(partition(&cluster), 3);
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    cluster.ticks(20);
    assert_eq!(cluster.shown(), ["0:0", "1:0", "2:0", "3:1"]);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!((cluster.outside(), partition(&cluster)), (0, 0));
}

#[test]
fn a_set_at_two_revisions_stops() {
    let mut cluster = with(4, partitioned(2));
    cluster.change(|it| it["spec"]["template"] = template(1));
    cluster.ticks(30);
    assert_eq!(cluster.shown(), ["0:0", "1:0", "2:1", "3:1"]);
    let Decision::Change(plan) = steps::start(&cluster.snapshot(), &to(2, "1")).unwrap() else { panic!() };
    assert_eq!(plan.stopped_by(&[]).map(|it| it.id).collect::<Vec<_>>(), [WarningId::MixedRevisions]);
}

#[test]
fn a_revision_that_its_controller_would_not_find_again_stops_where_it_restarts_pods() {
    let stopped = vec![WarningId::RevisionBytes];
    let on_delete = json!({"type": "OnDelete"});
    for (strategy, stops) in [
        (partitioned(0), stopped.clone()),
        (partitioned(2), stopped),
        (partitioned(3), Vec::new()),
        (on_delete, Vec::new()),
    ] {
        let mut cluster = with(3, strategy);
        cluster.revisions[0]["data"]["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
        let Decision::Change(plan) = steps::start(&cluster.snapshot(), &to(1, "1")).unwrap() else {
            panic!()
        };
        assert_eq!(plan.stopped_by(&[]).map(|it| it.id).collect::<Vec<_>>(), stops);
    }
}

#[test]
fn a_set_that_never_came_up_is_freed_by_one_step_and_more_of_them_are_refused() {
    let mut cluster = db(3);
    assert!(["web-0", "web-1", "web-2"].iter().all(|pod| cluster.world.break_pod(pod)));
    cluster.ticks(40);
    let refusal = steps::start(&cluster.snapshot(), &to(1, "1,100%")).unwrap_err();
    assert_eq!(refusal, Refusal::NeverReady { pod: "web-0".into() });
    cluster.start(&to(1, "100%"));
    assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Complete);
    assert_eq!(cluster.shown(), ["0:1", "1:1", "2:1"]);
    // While one pod of it is ready, the revision works, and the others may recover.
    let mut cluster = db(3);
    cluster.world.break_pod("web-0");
    cluster.ticks(20);
    assert!(steps::start(&cluster.snapshot(), &to(1, "1,100%")).is_ok());
}

#[test]
fn somebody_elses_template_supersedes_it() {
    let mut cluster = db(3);
    cluster.start(&to(1, "1,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    cluster.change(|it| it["spec"]["template"] = template(2));
    assert_eq!(cluster.run(&mut driver), Ending::Superseded);
    cluster.ticks(20);
    assert!(cluster.has_trace());
    let plan = steps::release(&cluster.snapshot());
    cluster.apply(plan);
    cluster.ticks(40);
    assert_eq!(
        (cluster.shown(), cluster.has_trace()),
        (["0:2", "1:2", "2:2"].map(String::from).to_vec(), false)
    );
}

#[test]
fn undo_without_a_revision_is_abort_while_a_rollout_is_stored() {
    let mut cluster = db(3);
    cluster.start(&StartOptions { pause_after: Some(1), ..to(1, "1,100%") });
    cluster.run(&mut Driver::new(holder(1)));
    let undo = |target| {
        let options =
            rollout_core::plan::undo::UndoOptions { target, resume: false, reason: None, drive: None };
        rollout_core::plan::undo::plan(&cluster.snapshot(), &options)
    };
    let Decision::Change(plan) = undo(rollout_core::RevisionSelector::Previous).unwrap() else { panic!() };
    assert_eq!(plan.requests[0].body.as_array().unwrap().len(), 7);
    let number = rollout_core::RevisionNumber::new(1).unwrap();
    let refusal = undo(rollout_core::RevisionSelector::Number(number)).unwrap_err();
    assert_eq!(refusal.to_string(), "a rollout in steps is paused (step 2 of 2 is next)");
}
