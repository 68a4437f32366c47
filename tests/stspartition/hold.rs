//! What a rollout in steps lives through: pauses, drivers that die, others that get in its way, and scaled sets.

use std::thread;

use cluster::{Cluster, Namespace, Options, Part};
use e2e::{A_WHILE, Running, Web, assert_code, cluster, image, install, observed, set_image, uids};

use crate::scene::{SET, images, rests, scale, sts};
use crate::steps::{TWO, kept, no_trace, paused_after_one, same, start};

/// Starts a rollout in steps whose first pod takes eight seconds, and returns while that is in hand.
fn driven(ns: &Namespace<'_>) -> Running {
    let words = ["start", "web", "app=app:slow", "--soak=1s", TWO];
    let driver = Running::plugin("stspartition", ns, &words);
    driver.says("step 1 of 2 (1): 0 of 1, web-2 in hand");
    driver
}

fn three(ns: &Namespace<'_>) {
    Web::new("statefulset", "app:1").create(ns);
}

#[test]
fn a_rollout_that_pauses_keeps_what_is_new_and_goes_on_where_it_was() {
    let ns = cluster().namespace("hold");
    three(&ns);
    let before = kept(&ns);
    paused_after_one(&ns);
    let status = sts(&ns, &["status", "web"]);
    assert_code(&status, 7);
    let ways = format!(
        "to go on: kubectl stspartition resume statefulset/web -n {0}; to take it back: kubectl stspartition abort statefulset/web -n {0}",
        ns.name()
    );
    assert!(format!("{}{}", status.stdout, status.stderr).contains(&ways), "{status}");
    ns.kubectl(&["delete", "pod", "web-2"]).expect_ok();
    ns.kubectl(&["delete", "pod", "web-0"]).expect_ok();
    rests(&ns, &["app:1", "app:1", "app:2"]);
    let pods = uids(&ns);
    assert_code(&sts(&ns, &["resume", "web"]), 0);
    rests(&ns, &["app:2"; 3]);
    same(&ns, &pods, &["web-2"]);
    no_trace(&ns, &before);
}

#[test]
fn a_driver_that_dies_leaves_a_set_that_stands_still_and_goes_on_when_it_is_resumed() {
    thread::scope(|scope| {
        for (signal, code) in [("KILL", -1), ("INT", 130), ("TERM", 143)] {
            scope.spawn(move || {
                let ns = cluster().namespace("hold-dies");
                three(&ns);
                let before = kept(&ns);
                let driver = driven(&ns);
                driver.signal(signal);
                assert_code(&driver.ends(), code);
                rests(&ns, &["app:1", "app:1", "app:slow"]);
                thread::sleep(A_WHILE);
                assert_eq!(images(&ns), ["app:1", "app:1", "app:slow"], "nobody drives it");
                let pods = uids(&ns);
                assert_code(&sts(&ns, &["resume", "web"]), 0);
                rests(&ns, &["app:slow"; 3]);
                same(&ns, &pods, &["web-2"]);
                no_trace(&ns, &before);
            });
        }
    });
}

#[test]
fn a_second_driver_is_told_who_drives_and_may_take_it_over() {
    let ns = cluster().namespace("hold-two");
    three(&ns);
    let before = kept(&ns);
    let first = driven(&ns);
    for words in [&["resume", "web"][..], &["start", "web", "app=app:3"]] {
        let second = sts(&ns, words);
        assert_code(&second, 1);
        let says = "a rollout in steps is running (step 1 of 2 is next), held by ";
        assert!(second.stderr.contains(says) && second.stderr.contains("--take-over"), "{second}");
    }
    let second = Running::plugin("stspartition", &ns, &["resume", "web", "--take-over"]);
    let ended = first.ends();
    assert_code(&ended, 6);
    assert!(ended.stderr.contains("error: the rollout of statefulset \"web\" is driven by "), "{ended}");
    assert_code(&second.ends(), 0);
    rests(&ns, &["app:slow"; 3]);
    no_trace(&ns, &before);
}

/// A rollout in steps whose template somebody replaced while its first pod was in hand.
fn superseded(ns: &Namespace<'_>) {
    three(ns);
    let driver = driven(ns);
    set_image(ns, SET, "app:3");
    let ended = driver.ends();
    assert_code(&ended, 6);
    assert!(ended.stderr.contains("somebody rolled out something else to statefulset \"web\""), "{ended}");
    let ways = ["to let the controller go on: kubectl stspartition resume", "kubectl stspartition start"];
    assert!(ways.iter().all(|way| ended.stderr.contains(way)), "{ended}");
    assert_eq!(image(ns, SET), "app:3", "theirs is left alone");
}

#[test]
fn a_rollout_that_somebody_superseded_is_held_until_it_is_let_go() {
    let ns = cluster().namespace("hold-theirs");
    superseded(&ns);
    ns.wait_until("the first pod is theirs", e2e::LONG, || images(&ns)[..] == ["app:1", "app:1", "app:3"]);
    let status = sts(&ns, &["status", "web", "--timeout=60s"]);
    assert_code(&status, 7);
    let said = format!("{}{}", status.stdout, status.stderr);
    assert!(said.contains("stspartition resume") && said.contains("stspartition start"), "{status}");
    let abort = sts(&ns, &["abort", "web"]);
    assert_code(&abort, 1);
    assert!(abort.stderr.contains("superseded"), "{abort}");
    let released = sts(&ns, &["resume", "web"]);
    assert_code(&released, 0);
    rests(&ns, &["app:3"; 3]);
    let [annotations, strategy, _] = kept(&ns);
    assert!(annotations.is_null(), "{annotations}");
    assert_eq!(strategy.pointer("/rollingUpdate/partition"), Some(&0.into()), "{strategy}");
}

#[test]
fn a_template_that_superseded_a_rollout_may_be_driven_in_steps() {
    let ns = cluster().namespace("hold-theirs");
    superseded(&ns);
    rests(&ns, &["app:1", "app:1", "app:3"]);
    let pods = uids(&ns);
    assert_code(&sts(&ns, &["start", "web", TWO, "--soak=1s"]), 0);
    rests(&ns, &["app:3"; 3]);
    same(&ns, &pods, &["web-2"]);
    let [annotations, strategy, _] = kept(&ns);
    assert!(annotations.is_null(), "{annotations}");
    assert_eq!(strategy.pointer("/rollingUpdate/partition"), Some(&0.into()), "{strategy}");
}

#[test]
fn a_set_that_is_paused_at_rest_gets_old_pods_when_it_grows() {
    let ns = cluster().namespace("hold-grows");
    three(&ns);
    let before = kept(&ns);
    assert_code(&sts(&ns, &["pause", "web"]), 0);
    set_image(&ns, SET, "app:2");
    scale(&ns, 5);
    rests(&ns, &["app:1"; 5]);
    let started = start(&ns, "app:2", &[TWO]);
    assert_code(&started, 1);
    assert!(started.stderr.contains("is paused"), "{started}");
    assert_code(&sts(&ns, &["resume", "web"]), 0);
    rests(&ns, &["app:2"; 5]);
    assert_eq!(kept(&ns), before);
}

#[test]
fn a_set_that_is_scaled_while_its_rollout_is_paused_goes_on_or_back() {
    thread::scope(|scope| {
        for (replicas, way) in [(5, "resume"), (5, "abort"), (2, "resume"), (2, "abort")] {
            scope.spawn(move || {
                let ns = cluster().namespace("hold-scaled");
                three(&ns);
                let (before, pods) = (kept(&ns), uids(&ns));
                paused_after_one(&ns);
                scale(&ns, replicas);
                observed(&ns, SET);
                let old = 2;
                let new = (replicas as usize).saturating_sub(old);
                rests(&ns, &[&vec!["app:1"; old][..], &vec!["app:2"; new]].concat());
                assert_code(&sts(&ns, &[way, "web"]), 0);
                let wanted = if way == "abort" { "app:1" } else { "app:2" };
                rests(&ns, &vec![wanted; replicas as usize]);
                if way == "abort" {
                    same(&ns, &pods, &["web-0", "web-1"]);
                }
                no_trace(&ns, &before);
            });
        }
    });
}

#[test]
fn a_set_that_was_scaled_to_nothing_and_up_again_goes_back_all_the_same() {
    thread::scope(|scope| {
        for (partition, way) in [(0, "resume"), (0, "abort"), (2, "abort")] {
            scope.spawn(move || {
                let ns = cluster().namespace("hold-zero");
                crate::scene::partitioned(partition).create(&ns);
                let before = kept(&ns);
                paused_after_one(&ns);
                scale(&ns, 0);
                rests(&ns, &[]);
                observed(&ns, SET);
                scale(&ns, 3);
                // Nothing holds against this: the current revision moves when there is no pod.
                rests(&ns, &["app:2"; 3]);
                assert_code(&sts(&ns, &[way, "web"]), 0);
                let wanted = if way == "abort" { "app:1" } else { "app:2" };
                rests(&ns, &[wanted; 3]);
                no_trace(&ns, &before);
            });
        }
    });
}

#[test]
fn an_undo_without_a_revision_is_an_abort_and_one_with_is_refused() {
    let ns = cluster().namespace("hold-undo");
    three(&ns);
    let (before, pods) = (kept(&ns), uids(&ns));
    paused_after_one(&ns);
    for plugin in ["stspartition", "rollback"] {
        let refused = ns.kubectl(&[plugin, "undo", SET, "--to-revision=1"]);
        assert_code(&refused, 1);
        assert!(refused.stderr.contains("a rollout in steps is paused (step 2 of 2 is next)"), "{refused}");
    }
    assert_eq!(image(&ns, SET), "app:2");
    assert_code(&ns.kubectl(&["rollback", "undo", SET]), 0);
    rests(&ns, &["app:1"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    no_trace(&ns, &before);
}

#[test]
fn kubectl_rollback_pauses_and_resumes_what_is_stored() {
    let ns = cluster().namespace("hold-rollback");
    three(&ns);
    let before = kept(&ns);
    let driver = driven(&ns);
    let paused = ns.kubectl(&["rollback", "pause", SET]);
    assert_code(&paused, 0);
    assert_eq!(paused.stdout, "statefulset.apps/web paused\n");
    let ended = driver.ends();
    assert_code(&ended, 0);
    assert!(ended.stdout.contains("held: 0 of 2 steps of statefulset \"web\" are done"), "{ended}");
    rests(&ns, &["app:1", "app:1", "app:slow"]);
    let again = ns.kubectl(&["rollback", "pause", SET]);
    assert_code(&again, 1);
    assert!(again.stderr.contains("is already paused"), "{again}");
    let pods = uids(&ns);
    assert_code(&ns.kubectl(&["rollback", "resume", SET]), 0);
    rests(&ns, &["app:slow"; 3]);
    same(&ns, &pods, &["web-2"]);
    no_trace(&ns, &before);
}

#[test]
fn an_api_server_that_dies_between_steps_and_comes_back_does_not_end_it() {
    let cluster = Cluster::start(&Options { nodes: 2, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    let ns = cluster.namespace("hold-server");
    three(&ns);
    let before = kept(&ns);
    // While the first step soaks nothing is scheduled: a scheduler whose last binding was not answered may give up.
    let driver = Running::plugin("stspartition", &ns, &["start", "web", "app=app:2", "--soak=20s", TWO]);
    driver.says("step 1 of 2 (1): 1 of 1");
    cluster.stop(Part::ApiServer).unwrap();
    driver.says("the API server does not answer (");
    cluster.restart(Part::ApiServer).unwrap();
    driver.says("the API server answers again");
    let ended = driver.ends();
    assert_code(&ended, 0);
    rests(&ns, &["app:2"; 3]);
    no_trace(&ns, &before);
}
