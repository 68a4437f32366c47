//! What a step waits for: its own pods, evictions, nodes that join; and what is said of what it does not come to.

use rollout_core::drive::Driver;
use rollout_core::machine::{Act, Ending};
use rollout_core::model::{Behaviour, RevisionId};
use rollout_core::plan::Decision;
use rollout_core::plan::steps::{self, StartOptions};
use rollout_core::stored::OnFailure;
use rollout_core::view::ordinals::{NoticeId, notices};
use serde_json::{Value, json};

use crate::cluster::{Cluster, holder, to};
use crate::daemonset::{agents, new};

#[test]
fn a_step_takes_its_time_for_each_pod_and_not_for_all_of_them() {
    let mut cluster = agents(30);
    let began = cluster.now;
    cluster.world.behaviours.insert(RevisionId(1), Behaviour::Ready { after: 12 });
    let mut start = to(1, "100%");
    start.options.timeout = Some(20);
    cluster.start(&start);
    assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Complete);
    assert!(cluster.now - began > 30 * 12, "{}", cluster.now - began);
    // One that is slower than that is late all the same.
    let mut cluster = agents(3);
    cluster.world.behaviours.insert(RevisionId(1), Behaviour::Ready { after: 25 });
    cluster.start(&start);
    assert!(matches!(cluster.run(&mut Driver::new(holder(1))), Ending::StepFailed { step: 1, .. }));
}

#[test]
fn a_pod_that_falls_and_rises_again_and_again_does_not_hold_a_step_for_ever() {
    let mut cluster = agents(2);
    let mut start = to(1, "100%");
    (start.options.soak, start.options.timeout) = (15, Some(20));
    cluster.start(&start);
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| new(it) == 2 && it.world.pods.iter().all(|pod| pod.ready));
    let pod = cluster.on(0);
    let before = cluster.now;
    let ending = cluster.run_until(&mut driver, |it| {
        if (it.now - before) % 10 < 4 {
            it.world.unready_pod(&pod);
            it.remember();
        }
        false
    });
    assert!(matches!(ending, Some(Ending::StepFailed { step: 1, .. })), "{ending:?}");
}

#[test]
fn a_crash_elsewhere_fails_no_step_and_one_in_it_does() {
    for inside in [false, true] {
        let mut cluster = agents(4);
        let mut start = to(1, "1,100%");
        start.options.soak = 20;
        cluster.start(&start);
        let mut driver = Driver::new(holder(1));
        cluster.run_until(&mut driver, |it| new(it) == 1 && it.world.pods.iter().all(|pod| pod.ready));
        // A pod on a node that no step has come to dies, comes back new, and crashes.
        let died = cluster.on(3);
        cluster.world.delete_pod(&died);
        cluster.run_until(&mut driver, |it| new(it) == 2 && it.world.pods.iter().all(|pod| pod.ready));
        let crashes = |it: &mut Cluster, slot: u32| {
            let uid = it.world.pods.iter().find(|pod| pod.slot == slot).unwrap().uid;
            it.crashing.insert(uid);
        };
        crashes(&mut cluster, 3);
        if inside {
            crashes(&mut cluster, 0);
        }
        let ending = cluster.run_until(&mut driver, |it| it.stored().is_none_or(|it| it.done == 1));
        match inside {
            false => assert_eq!(ending, None),
            true => assert!(matches!(ending, Some(Ending::StepFailed { step: 1, .. })), "{ending:?}"),
        }
    }
}

#[test]
fn a_node_that_joins_in_the_soak_does_not_begin_that_of_the_others_anew() {
    let mut cluster = agents(2);
    let mut start = to(1, "100%");
    start.options.soak = 60;
    cluster.start(&start);
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| new(it) == 2 && it.world.pods.iter().all(|pod| pod.ready));
    let began = cluster.now;
    for node in ["x", "y", "z"] {
        let next = cluster.now + 15;
        cluster.run_until(&mut driver, |it| it.now >= next);
        cluster.join(node);
    }
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    // The last of them joined after 45 seconds, and soaked for its own minute.
    assert!((105..115).contains(&(cluster.now - began)), "{}", cluster.now - began);
}

#[test]
fn an_eviction_that_is_refused_is_tried_more_and_more_seldom_and_its_step_ends_held() {
    let mut cluster = agents(2);
    let mut start = to(1, "1,100%");
    (start.options.evict, start.options.timeout) = (true, Some(100));
    start.options.on_failure = OnFailure::Abort;
    cluster.start(&start);
    cluster.forbids = Some("The disruption budget web needs 2 healthy pods and has 2 currently".into());
    let (mut driver, began) = (Driver::new(holder(1)), cluster.now);
    let ending = cluster.run(&mut driver);
    let Ending::StepHeld { step: 1, causes } = &ending else { panic!("{ending:?}") };
    assert_eq!(causes[0].evidence, cluster.forbids);
    assert!((100..110).contains(&(cluster.now - began)), "{}", cluster.now - began);
    let tried = cluster.acts.iter().filter(|it| matches!(it, Act::Evict { .. })).count();
    assert_eq!(tried, 8, "after 1, 2, 4, 8, 16, 30 and 30 seconds");
    let said = cluster
        .events
        .iter()
        .filter(|it| matches!(it, rollout_core::machine::Event::EvictionForbidden { .. }));
    assert_eq!((said.count(), cluster.deleted.len()), (1, 0));
    cluster.forbids = None;
    let mut driver = cluster.resume(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
}

#[test]
fn what_came_up_new_while_a_rollout_is_paused_is_named_and_what_a_step_moved_is_not() {
    let outside = |it: &Cluster| {
        let snapshot = it.snapshot();
        rollout_core::view::nodes::Nodes::of(&snapshot, None).unwrap().outside
    };
    let mut cluster = agents(4);
    cluster.start(&StartOptions { pause_after: Some(1), ..to(1, "1,100%") });
    cluster.run(&mut Driver::new(holder(1)));
    assert_eq!(outside(&cluster), [""; 0]);
    let died = cluster.on(3);
    cluster.world.delete_pod(&died);
    cluster.ticks(10);
    assert_eq!(outside(&cluster), ["n3"]);
    let mut driver = cluster.resume(2);
    // Within its step it is where it belongs.
    assert_eq!(outside(&cluster), [""; 0]);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    assert_eq!(outside(&cluster), [""; 0]);
    // So it is with a set whose pods are deleted from the highest ordinal.
    let mut set = Cluster::new(rollout_core::Kind::StatefulSet, 3, json!({"type": "OnDelete"}));
    set.start(&StartOptions { pause_after: Some(1), ..to(1, "1,100%") });
    set.run(&mut Driver::new(holder(1)));
    let said = |it: &Cluster| notices(&it.snapshot());
    assert!(said(&set).iter().all(|it| it.id != NoticeId::OutsideStep));
    set.world.delete_pod("web-0");
    set.ticks(10);
    let notice = said(&set).into_iter().find(|it| it.id == NoticeId::OutsideStep).unwrap();
    assert!(notice.message.starts_with("web-0 is new"), "{}", notice.message);
    // Paused in the middle of a step, what the step has moved is no leak.
    let mut cluster = agents(4);
    cluster.start(&to(1, "100%"));
    let mut driver = Driver::new(holder(1));
    cluster.run_until(&mut driver, |it| new(it) == 2);
    let plan = steps::pause(&cluster.snapshot());
    cluster.apply(plan);
    assert!(matches!(cluster.run(&mut driver), Ending::Paused { .. }));
    assert_eq!(outside(&cluster), [""; 0]);
}

#[test]
fn an_abort_that_a_dead_node_holds_up_is_no_failure() {
    let mut cluster = agents(4);
    let mut start = StartOptions { pause_after: Some(1), ..to(1, "2,100%") };
    start.options.max_unavailable = Some(rollout_core::Amount::Count(2));
    let dead = cluster.on(3);
    (cluster.world.nodes[3].alive, cluster.world.nodes[3].accepts) = (false, false);
    cluster.world.break_pod(&dead);
    cluster.remember();
    cluster.start(&start);
    assert!(matches!(cluster.run(&mut Driver::new(holder(1))), Ending::Paused { done: 1, of: 2 }));
    // The controller, which puts the pods back, may have one missing, and that one is on the dead node.
    assert_eq!(cluster.abort(), Ending::TimedOut);
}

#[test]
fn a_budget_that_asks_for_all_never_allows_an_eviction() {
    let budget = |spec: Value| {
        let mut spec = spec;
        spec["selector"] = json!({"matchLabels": {"app": "web"}});
        let mut snapshot = agents(3).snapshot();
        let object = json!({"metadata": {"name": "web"}, "spec": spec,
            "status": {"expectedPods": 3, "currentHealthy": 3}});
        snapshot.surroundings.budgets.extend(rollout_core::snapshot::Budget::from_object(&object));
        let mut start = to(1, "1,100%");
        start.options.evict = true;
        let Ok(Decision::Change(plan)) = steps::start(&snapshot, &start) else { panic!() };
        assert!(plan.notes.iter().any(|it| it.starts_with("evictions heed")), "{:?}", plan.notes);
        plan.stopped_by(&[]).map(|it| it.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(budget(json!({"minAvailable": 2})), [""; 0]);
    let all =
        "poddisruptionbudget web never allows an eviction: it asks for 3 available pods, and there are 3";
    assert_eq!(budget(json!({"minAvailable": 3})), [all]);
    for uncountable in
        [json!({"minAvailable": "100%"}), json!({"maxUnavailable": 0}), json!({"maxUnavailable": "50%"})]
    {
        assert!(
            budget(uncountable)[0].ends_with("only a number as minAvailable can be counted for a daemon set")
        );
    }
}

#[test]
fn a_set_that_no_node_takes_a_pod_of_is_said() {
    let mut cluster = agents(2);
    cluster.world.nodes.iter_mut().for_each(|node| node.accepts = false);
    let Ok(Decision::Change(plan)) = steps::start(&cluster.snapshot(), &to(1, "1,100%")) else { panic!() };
    assert!(
        plan.notes.iter().any(|it| it == "no node gets a pod of it: untolerated taints (gpu:NoSchedule)"),
        "{:?}",
        plan.notes
    );
}
