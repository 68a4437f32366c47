//! DaemonSets.

use rollout_core::Kind;
use rollout_core::drive::Driver;
use rollout_core::judge::Cause;
use rollout_core::machine::{Act, Ending, Machine, Outcome, Step, Verdict};
use rollout_core::model::{Behaviour, RevisionId};
use rollout_core::plan::steps::{self, StartOptions};
use rollout_core::plan::{Decision, Refusal};
use rollout_core::snapshot::CauseId;
use rollout_core::stored::{self, BadSteps, First, OnFailure, Phase, Rest, Rules};
use serde_json::{Value, json};

use crate::cluster::{Cluster, holder, image_of, options, rules, template, to};

pub fn agents(nodes: u32) -> Cluster {
    Cluster::rolling(Kind::DaemonSet, nodes)
}

pub fn bad(cluster: &mut Cluster, revision: u32) {
    cluster.world.behaviours.insert(RevisionId(revision), Behaviour::NeverReady);
}

fn good(cluster: &mut Cluster, revision: u32) {
    cluster.world.behaviours.remove(&RevisionId(revision));
}

pub fn on_delete(nodes: u32) -> Cluster {
    Cluster::new(Kind::DaemonSet, nodes, json!({"type": "OnDelete"}))
}

pub fn new(cluster: &Cluster) -> usize {
    cluster.world.pods.iter().filter(|pod| pod.revision.0 == 1).count()
}

#[test]
fn steps_to_the_end_and_no_trace_stays() {
    let mut cluster = agents(10);
    let before = cluster.object.clone();
    let plan = cluster.start(&to(1, "1,30%,100%"));
    let planned: Vec<(usize, usize)> = plan.steps.iter().map(|it| (it.step, it.nodes.len())).collect();
    assert_eq!(planned, [(1, 1), (2, 2), (3, 7)]);
    assert_eq!(cluster.strategy(), &json!({"type": "OnDelete"}));
    let mut driver = Driver::new(holder(1));
    assert_eq!(cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1), None);
    assert_eq!(new(&cluster), 1);
    assert_eq!(cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 2), None);
    assert_eq!(new(&cluster), 3);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(new(&cluster), 10);
    assert_eq!((cluster.strategy(), cluster.has_trace()), (&before["spec"]["updateStrategy"], false));
    assert_eq!(cluster.outside(), 0);
    cluster.ticks(20);
    assert_eq!((cluster.deleted.len(), new(&cluster)), (10, 10));
}

#[test]
fn it_pauses_and_another_process_goes_on() {
    let mut cluster = agents(4);
    cluster.start(&StartOptions { pause_after: Some(1), ..to(1, "1,50%,100%") });
    let ending = cluster.run(&mut Driver::new(holder(1)));
    assert_eq!(ending, Ending::Paused { done: 1, of: 3 });
    cluster.ticks(50);
    assert_eq!(cluster.shown(), ["n0:1", "n1:0", "n2:0", "n3:0"]);
    let stored = cluster.stored().unwrap();
    assert_eq!((stored.phase, stored.holder), (Phase::Paused, None));
    let mut driver = cluster.resume(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(new(&cluster), 4);
}

#[test]
fn steps_that_add_nothing_are_passed_with_the_one_before_them() {
    let mut cluster = agents(4);
    let plan = cluster.start(&StartOptions { pause_after: Some(3), ..to(1, "1,10%,50%,100%") });
    let planned: Vec<(usize, usize)> = plan.steps.iter().map(|it| (it.step, it.nodes.len())).collect();
    assert_eq!(planned, [(1, 1), (2, 0), (3, 1), (4, 2)]);
    let mut driver = Driver::new(holder(1));
    assert_eq!(cluster.run(&mut driver), Ending::Paused { done: 3, of: 4 });
    assert_eq!(new(&cluster), 2);
    let done = cluster.acts.iter().filter(|act| matches!(act, Act::StepDone { .. })).collect::<Vec<_>>();
    assert_eq!(done, [&Act::StepDone { done: 1 }, &Act::StepDone { done: 3 }]);
}

#[test]
fn a_patch_that_is_refused_although_nothing_changed_is_not_waited_for_for_ever() {
    let mut cluster = agents(2);
    cluster.start(&to(1, "100%"));
    let mut driver = Driver::new(holder(1));
    loop {
        match driver.step(&cluster.snapshot()).1 {
            Step::Send { act: Act::Record, .. } => break driver.sent(&Outcome::Changed),
            _ => cluster.tick(),
        }
    }
    let before = cluster.now;
    assert!(matches!(cluster.run(&mut driver), Ending::Refused(_)));
    assert!((10..60).contains(&(cluster.now - before)), "{}", cluster.now - before);
    // What is stored is still there, and goes on.
    let mut driver = cluster.resume(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
}

#[test]
fn a_pause_from_elsewhere_is_obeyed() {
    let mut cluster = agents(4);
    cluster.start(&to(1, "1,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    let plan = steps::pause(&cluster.snapshot());
    cluster.apply(plan);
    assert_eq!(cluster.run(&mut driver), Ending::Paused { done: 1, of: 2 });
    assert_eq!(steps::pause(&cluster.snapshot()).unwrap_err(), Refusal::AlreadyPaused);
    assert_eq!(new(&cluster), 1);
}

#[test]
fn a_failed_step_puts_the_old_template_back_at_once() {
    let mut cluster = agents(4);
    let before = cluster.object.clone();
    bad(&mut cluster, 1);
    cluster.start(&to(1, "1,100%"));
    let Ending::StepFailed { step, causes } = cluster.run(&mut Driver::new(holder(1))) else { panic!() };
    assert_eq!((step, causes[0].id), (1, CauseId::Deadline));
    // A node that joins at night gets the old one, and the bad pod stays to be looked at.
    cluster.join("late");
    cluster.ticks(20);
    assert_eq!(cluster.shown(), ["late:0", "n0:1!", "n1:0", "n2:0", "n3:0"]);
    assert_eq!(cluster.strategy(), &json!({"type": "OnDelete"}));
    let kept = cluster.uids();
    assert_eq!(cluster.abort(), Ending::Aborted { to: rollout_core::RevisionNumber::new(3) });
    assert_eq!(cluster.shown(), ["late:0", "n0:0", "n1:0", "n2:0", "n3:0"]);
    assert_eq!((cluster.strategy(), cluster.has_trace()), (&before["spec"]["updateStrategy"], false));
    assert_eq!(kept.iter().filter(|(slot, uid)| cluster.uids().get(slot) == Some(uid)).count(), 4);
}

#[test]
fn a_failed_step_is_tried_again_when_it_is_resumed() {
    let mut cluster = agents(3);
    bad(&mut cluster, 1);
    cluster.start(&to(1, "1,100%"));
    assert!(matches!(cluster.run(&mut Driver::new(holder(1))), Ending::StepFailed { .. }));
    good(&mut cluster, 1);
    let mut driver = cluster.resume(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(new(&cluster), 3);
}

#[test]
fn a_failure_with_abort_is_undone() {
    for strategy in [
        json!({"type": "OnDelete"}),
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}),
    ] {
        let mut cluster = Cluster::new(Kind::DaemonSet, 4, strategy.clone());
        bad(&mut cluster, 1);
        let mut start = to(1, "1,100%");
        start.options.on_failure = OnFailure::Abort;
        let kept = cluster.uids();
        cluster.start(&start);
        let Ending::Undone { causes, .. } = cluster.run(&mut Driver::new(holder(1))) else { panic!() };
        assert_eq!(causes[0].id, CauseId::Deadline);
        assert_eq!(cluster.shown(), ["n0:0", "n1:0", "n2:0", "n3:0"]);
        assert_eq!((cluster.strategy(), cluster.has_trace()), (&strategy, false));
        assert_eq!(kept.iter().filter(|(slot, uid)| cluster.uids().get(slot) == Some(uid)).count(), 3);
    }
}

#[test]
fn a_late_crash_is_caught_by_the_soak() {
    let mut cluster = agents(3);
    let mut start = to(1, "1,100%");
    start.options.soak = 20;
    cluster.start(&start);
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| new(it) == 1 && it.world.pods.iter().all(|pod| pod.ready));
    for _ in 0..5 {
        cluster.turn(&mut driver);
    }
    let crashed = cluster.world.pods.iter().find(|pod| pod.revision.0 == 1).unwrap().uid;
    cluster.restarted.insert(crashed, 1);
    let Ending::StepFailed { causes, .. } = cluster.run(&mut driver) else { panic!() };
    assert_eq!(causes[0].id, CauseId::Restarts);
    assert_eq!(new(&cluster), 1);
}

#[test]
fn checks_decide_about_a_step() {
    for passes in [true, false] {
        let mut cluster = agents(2);
        let cause = Cause::new(CauseId::Check, "no".into());
        cluster.verdict = if passes { Verdict::Passed } else { Verdict::Failed(cause) };
        let mut start = to(1, "1,100%");
        start.options.checks = vec!["true".into()];
        cluster.start(&start);
        let ending = cluster.run(&mut Driver::new(holder(1)));
        match passes {
            true => assert_eq!(ending, Ending::Complete),
            false => assert!(matches!(ending, Ending::StepFailed { step: 1, .. })),
        }
    }
}

#[test]
fn by_label_one_node_goes_first_and_those_without_it_last() {
    let mut cluster = agents(5);
    for (node, zone) in [("n0", "b"), ("n1", "a"), ("n3", "a"), ("n4", "b")] {
        cluster.labels.insert(node.into(), ("zone".into(), zone.into()));
    }
    let zones = Rules { first: None, rest: Rest::Label("zone".into()) };
    let plan = cluster.start(&StartOptions { rules: zones, ..to(1, "1") });
    let steps: Vec<(&str, Vec<String>)> =
        plan.steps.iter().map(|it| (it.words.as_str(), it.nodes.clone())).collect();
    let nodes = |names: &[&str]| names.iter().map(std::string::ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        steps,
        [
            ("one node", nodes(&["n1"])),
            ("zone=a", nodes(&["n3"])),
            ("zone=b", nodes(&["n0", "n4"])),
            ("no zone", nodes(&["n2"]))
        ]
    );
    assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Complete);
    let order: Vec<&str> = cluster.deleted.iter().map(String::as_str).collect();
    assert_eq!(order.len(), 5);
    assert_eq!(new(&cluster), 5);
}

#[test]
fn named_nodes_and_selected_ones_are_the_first_step() {
    let mut cluster = agents(4);
    cluster.labels.insert("n3".into(), ("pool".into(), "canary".into()));
    for first in [First::Nodes(vec!["n3".into()]), First::Selector("pool=canary".into())] {
        let mut cluster = cluster.clone();
        let rules = Rules { first: Some(first), rest: rules("100%").rest };
        let plan = cluster.start(&StartOptions { rules, pause_after: Some(1), ..to(1, "1") });
        assert_eq!(plan.steps[0].nodes, ["n3"]);
        assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Paused { done: 1, of: 2 });
        assert_eq!(cluster.shown(), ["n0:0", "n1:0", "n2:0", "n3:1"]);
        assert_eq!(cluster.outside(), 0);
    }
}

#[test]
fn steps_that_make_no_sense_here_are_refused_and_nothing_changes() {
    let mut cluster = agents(3);
    cluster.world.nodes[2].accepts = false;
    cluster.tick();
    let refused = |rules: Rules| {
        let start = StartOptions { rules, ..to(1, "1") };
        steps::start(&cluster.snapshot(), &start).unwrap_err().to_string()
    };
    let first = |first| Rules { first: Some(first), rest: rules("100%").rest };
    assert_eq!(refused(first(First::Nodes(vec!["nope".into()]))), "nodes \"nope\" not found");
    assert_eq!(
        refused(first(First::Nodes(vec!["n2".into()]))),
        "no pod of daemonset/web may run on node n2: untolerated taint gpu:NoSchedule"
    );
    assert_eq!(
        refused(first(First::Selector("a=b".into()))),
        "no node that a pod of it runs on has labels that match \"a=b\""
    );
    assert_eq!(
        refused(Rules { first: None, rest: Rest::Label("zone".into()) }),
        "no node that a pod of it runs on has the label \"zone\""
    );
    assert_eq!(refused(rules("2,10%")), "steps must ascend: 10% (1 of 2) comes after 2 (2 of 2)");
}

#[test]
fn the_budget_is_held_and_what_is_broken_goes_first_for_nothing() {
    let mut cluster = agents(8);
    let broken = cluster.on(6);
    cluster.world.break_pod(&broken);
    cluster.remember();
    // It may get ready again for as long as its probes allow.
    cluster.ticks(30);
    let mut start = to(1, "100%");
    start.options.max_unavailable = Some(rollout_core::Amount::Count(2));
    cluster.start(&start);
    let mut least = u32::MAX;
    let ending = cluster.run_until(&mut Driver::new(holder(1)), |it| {
        let pods = it.world.pods.iter().filter(|pod| pod.ready && !pod.terminating());
        least = least.min(pods.count() as u32);
        false
    });
    assert_eq!((ending, least), (Some(Ending::Complete), 6));
    assert_eq!(cluster.deleted[0], broken);
}

#[test]
fn a_leak_is_reported_once_and_put_back() {
    let mut cluster = agents(4);
    cluster.start(&StartOptions { pause_after: Some(1), ..to(1, "1,100%") });
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| new(it) == 1 && it.world.pods.iter().all(|pod| pod.ready));
    let died = cluster.on(3);
    cluster.world.delete_pod(&died);
    cluster.run(&mut driver);
    assert_eq!((cluster.outside(), new(&cluster)), (1, 2));
    assert!(matches!(cluster.abort(), Ending::Aborted { .. }));
    assert_eq!(cluster.shown(), ["n0:0", "n1:0", "n2:0", "n3:0"]);
}

#[test]
fn nodes_come_and_go_in_the_middle() {
    let mut cluster = agents(4);
    cluster.start(&to(1, "1,50%,100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    cluster.join("late");
    cluster.world.remove_node("n1");
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(cluster.shown(), ["late:1", "n0:1", "n2:1", "n3:1"]);
}

#[test]
fn a_dead_node_is_waited_for_or_left_out() {
    for skip in [false, true] {
        let mut cluster = agents(4);
        let before = cluster.strategy().clone();
        (cluster.world.nodes[0].alive, cluster.world.nodes[0].accepts) = (false, false);
        let dead = cluster.on(0);
        cluster.world.break_pod(&dead);
        cluster.remember();
        let mut start = to(1, "1,100%");
        start.options.skip_unready_nodes = skip;
        cluster.start(&start);
        let ending = cluster.run(&mut Driver::new(holder(1)));
        match skip {
            false => {
                let Ending::StepHeld { causes, .. } = ending else { panic!("{ending:?}") };
                assert!(causes[0].message.contains("n0"), "{causes:?}");
                // The template is a good one, and it goes on when the node is back.
                let stored = cluster.stored().unwrap();
                assert_eq!((stored.phase, image_of(&cluster.object["spec"]["template"])), (Phase::Paused, 1));
                (cluster.world.nodes[0].alive, cluster.world.nodes[0].accepts) = (true, true);
                let mut driver = cluster.resume(2);
                assert_eq!(cluster.run(&mut driver), Ending::Complete);
                continue;
            }
            true => {
                assert_eq!(ending, Ending::HeldShort { old: vec!["n0".into()] });
                assert_eq!(cluster.shown(), ["n0:0!", "n1:1", "n2:1", "n3:1"]);
                assert_ne!(cluster.strategy(), &before);
            }
        }
        assert!(!cluster.deleted.contains(&dead));
    }
}

#[test]
fn tainted_nodes_are_never_touched_and_keep_the_strategy_held() {
    let mut cluster = agents(3);
    cluster.world.nodes[1].accepts = false;
    let plan = cluster.start(&to(1, "1,100%"));
    assert_eq!(plan.notes[1..], ["node n1 is never touched: untolerated taint gpu:NoSchedule"]);
    let ending = cluster.run(&mut Driver::new(holder(1)));
    assert_eq!(ending, Ending::HeldShort { old: vec!["n1".into()] });
    assert_eq!(cluster.shown(), ["n0:1", "n1:0", "n2:1"]);
    // When the taint is gone, to resume finishes it.
    cluster.world.nodes[1].accepts = true;
    let mut driver = cluster.resume(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert!(!cluster.has_trace());
}

#[test]
fn steps_that_stop_short_end_held() {
    let mut cluster = agents(4);
    let plan = cluster.start(&to(1, "1,50%"));
    assert_eq!(
        plan.notes[1..],
        ["the steps end before all nodes are new: 2 of 4 stay old, and the workload stays held"]
    );
    let ending = cluster.run(&mut Driver::new(holder(1)));
    assert_eq!(ending, Ending::HeldShort { old: vec!["n2".into(), "n3".into()] });
    assert!(matches!(cluster.abort(), Ending::Aborted { .. }));
}

#[test]
fn an_on_delete_set_that_somebody_changed_is_driven() {
    let mut cluster = on_delete(4);
    cluster.change(|it| it["spec"]["template"] = template(1));
    cluster.ticks(3);
    let start = StartOptions { template: None, ..to(1, "1,100%") };
    cluster.start(&start);
    assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Complete);
    assert_eq!((new(&cluster), cluster.strategy()), (4, &json!({"type": "OnDelete"})));
    let again = steps::start(&cluster.snapshot(), &start).unwrap();
    assert!(matches!(again, Decision::Nothing { .. }));
}

#[test]
fn what_was_new_before_counts_first_and_is_no_leak() {
    let mut cluster = agents(6);
    cluster.change(|it| it["spec"]["template"] = template(1));
    while new(&cluster) < 3 || !cluster.world.pods.iter().all(|pod| pod.ready && !pod.terminating()) {
        cluster.tick();
    }
    cluster.start(&StartOptions { template: None, pause_after: Some(1), ..to(1, "50%,100%") });
    let ending = cluster.run(&mut Driver::new(holder(1)));
    assert_eq!((ending, cluster.deleted.len()), (Ending::Paused { done: 1, of: 2 }, 0));
    assert_eq!((cluster.outside(), new(&cluster)), (0, 3));
    let mut driver = cluster.resume(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(cluster.outside(), 0);
}

#[test]
fn what_cannot_be_started_is_refused() {
    let cluster = agents(2);
    let same = steps::start(&cluster.snapshot(), &to(0, "1")).unwrap();
    assert!(matches!(same, Decision::Nothing { .. }));
    let mut unread = cluster.snapshot();
    unread.nodes = None;
    assert_eq!(steps::start(&unread, &to(1, "1")).unwrap_err(), Refusal::Unread("nodes"));
    assert_eq!(steps::abort(&cluster.snapshot(), None).unwrap_err(), Refusal::NoRollout);
    let sts = Cluster::rolling(Kind::StatefulSet, 2);
    let zones = Rules { first: None, rest: Rest::Label("zone".into()) };
    assert_eq!(
        steps::start(&sts.snapshot(), &StartOptions { rules: zones, ..to(1, "1") }).unwrap_err(),
        Refusal::Steps(BadSteps::NoNodes)
    );
}

#[test]
fn the_reason_becomes_the_change_cause_whatever_annotations_there_were() {
    for annotations in [Value::Null, json!({"a": "b"})] {
        let mut cluster = agents(1);
        if annotations.is_object() {
            cluster.change(|it| it["metadata"]["annotations"] = annotations.clone());
        }
        cluster.start(&StartOptions { reason: Some("because".into()), ..to(1, "1") });
        assert_eq!(cluster.object["metadata"]["annotations"]["kubernetes.io/change-cause"], "because");
        assert!(cluster.has_trace());
    }
}

#[test]
fn a_rollout_of_thousands_of_nodes_is_stored_in_few_bytes() {
    let mut cluster = agents(300);
    let mut start = to(1, "10%,100%");
    start.options =
        stored::StepOptions { max_unavailable: Some(rollout_core::Amount::Count(50)), ..options() };
    cluster.start(&start);
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
    let text = cluster.object["metadata"]["annotations"]["rollout-plugins.dev/rollout"].to_string();
    assert!(text.len() < 1200, "{text}");
}
