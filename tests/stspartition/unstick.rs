//! `unstick`: what the tests of `kubectl rollback unstick` do not have.

use std::thread;

use cluster::{Cluster, Namespace, Options, Part};
use e2e::{
    A_WHILE, LONG, Running, Web, assert_code, broken, cluster, install, observed, pods, set_image, uids,
};
use serde_json::json;

use crate::scene::{SET, deletions, images, in_hand, is_current, never_up, ready, rests, scale, sts};

const TOLD: [&str; 4] = ["unstick", "web", "-o", "json"];

fn told(more: &[&'static str]) -> Vec<&'static str> {
    [&TOLD[..], &["--output-watch-events"], more].concat()
}

fn blockers<const N: usize>(names: [&str; N]) -> Vec<(String, String)> {
    names.map(|pod| (pod.to_string(), "blocks".to_string())).to_vec()
}

/// Changes how pods are replaced.
fn strategy(ns: &Namespace<'_>, name: &str) {
    let strategy = json!({ "spec": { "updateStrategy": { "type": name, "rollingUpdate": null } } });
    ns.kubectl(&["patch", SET, "-p", &strategy.to_string()]).expect_ok();
}

#[test]
fn a_blocker_in_the_middle_goes_and_the_good_pods_above_and_below_stay() {
    let ns = cluster().namespace("unstick-middle");
    Web::new("statefulset", "app:1").spec("updateStrategy: { type: OnDelete }").create(&ns);
    set_image(&ns, SET, "app:missing");
    ns.kubectl(&["delete", "pod", "web-1"]).expect_ok();
    broken(&ns, "app:missing", 1);
    set_image(&ns, SET, "app:1");
    strategy(&ns, "RollingUpdate");
    observed(&ns, SET);
    let before = uids(&ns);
    let freed = sts(&ns, &told(&[]));
    assert_code(&freed, 0);
    assert_eq!(deletions(&freed), blockers(["web-1"]), "{freed}");
    let after = uids(&ns);
    assert_eq!((&after["web-0"], &after["web-2"]), (&before["web-0"], &before["web-2"]));
    rests(&ns, &["app:1", "app:1", "app:1"]);
}

#[test]
fn a_set_whose_first_revision_never_worked_is_freed() {
    let ns = cluster().namespace("unstick-first");
    never_up(&ns, "app:crash");
    set_image(&ns, SET, "app:2");
    let freed = sts(&ns, &told(&[]));
    assert_code(&freed, 0);
    assert_eq!(deletions(&freed), blockers(["web-0"]), "{freed}");
    rests(&ns, &["app:2", "app:2", "app:2"]);
}

#[test]
fn a_pod_that_gets_ready_after_a_moment_frees_its_set_by_itself() {
    let ns = cluster().namespace("unstick-flap");
    Web::new("statefulset", "app:1").create(&ns);
    set_image(&ns, SET, "app:flap");
    ns.wait_until("web-2 starts", LONG, || images(&ns) == ["app:1", "app:1", "app:flap"]);
    set_image(&ns, SET, "app:1");
    let waited = sts(&ns, &told(&["--timeout=60s"]));
    assert_code(&waited, 0);
    assert!(deletions(&waited).is_empty(), "{waited}");
    rests(&ns, &["app:1", "app:1", "app:1"]);
}

#[test]
fn a_revision_that_was_ready_for_moments_and_never_again_is_freed_pod_by_pod() {
    let ns = cluster().namespace("unstick-moments");
    Web::new("statefulset", "app:1").create(&ns);
    set_image(&ns, SET, "app:never");
    let all = ["web-2", "web-1", "web-0"];
    for pod in all {
        in_hand(&ns, pod, "app:never");
        ready(&ns, pod, "True");
    }
    // It worked by all that the controller knows: it is the current revision.
    e2e::until(&ns, SET, "is complete", is_current);
    all.iter().for_each(|pod| ready(&ns, pod, "False"));
    set_image(&ns, SET, "app:1");
    let freed = sts(&ns, &told(&[]));
    assert_code(&freed, 0);
    assert_eq!(deletions(&freed), blockers(["web-0", "web-1", "web-2"]), "{freed}");
    rests(&ns, &["app:1", "app:1", "app:1"]);
}

#[test]
fn a_good_old_pod_that_is_unready_is_waited_for_and_never_deleted() {
    let ns = cluster().namespace("unstick-recovers");
    Web::new("statefulset", "app:1").create(&ns);
    ready(&ns, "web-0", "False");
    set_image(&ns, SET, "app:2");
    let before = uids(&ns);
    // Longer than the moment for which nothing is said about it.
    let waited = sts(&ns, &told(&["--timeout=12s"]));
    assert!([1, 4].contains(&waited.code), "{waited}");
    assert!(deletions(&waited).is_empty(), "{waited}");
    let refused = sts(&ns, &["unstick", "web"]);
    assert_code(&refused, 1);
    let why = "error: pod web-0 is not ready, and others of its revision are: it may recover, so nothing was deleted";
    assert!(refused.stderr.starts_with(why), "{refused}");
    assert_eq!(uids(&ns), before);
    ready(&ns, "web-0", "True");
    rests(&ns, &["app:2", "app:2", "app:2"]);
}

#[test]
fn two_unready_pods_beyond_the_range_are_freed_from_the_highest() {
    let ns = cluster().namespace("unstick-beyond");
    Web::new("statefulset", "app:1").replicas(4).create(&ns);
    ready(&ns, "web-2", "False");
    ready(&ns, "web-3", "False");
    scale(&ns, 2);
    observed(&ns, SET);
    thread::sleep(A_WHILE);
    assert_eq!(pods(&ns).len(), 4, "the controller scaled down by itself: this test proves nothing");
    let freed = sts(&ns, &told(&["--timeout=60s"]));
    assert_code(&freed, 0);
    assert_eq!(deletions(&freed), blockers(["web-3"]), "{freed}");
    ns.wait_until("the pods beyond the range are gone", LONG, || pods(&ns).len() == 2);
}

#[test]
fn nothing_is_deleted_while_the_controller_manager_is_down_and_what_was_comes_back_with_it() {
    let cluster = Cluster::start(&Options { nodes: 3, ..Options::default() }).unwrap();
    install(&cluster);
    let ns = cluster.namespace("unstick-down");
    Web::new("statefulset", "app:1").create(&ns);
    set_image(&ns, SET, "app:missing");
    broken(&ns, "app:missing", 1);
    cluster.stop(Part::ControllerManager).unwrap();
    ns.kubectl(&["rollout", "undo", SET]).expect_ok();
    let before = uids(&ns);
    // The way back has not been seen: what is deleted now comes back bad.
    let unseen = Running::plugin("stspartition", &ns, &["unstick", "web"]);
    unseen.says("waiting for the controller to act upon the last change");
    thread::sleep(A_WHILE);
    assert_eq!(uids(&ns), before);
    cluster.restart(Part::ControllerManager).unwrap();
    unseen.says("pod web-2 blocks the set");
    assert_code(&unseen.ends(), 0);
    rests(&ns, &["app:1", "app:1", "app:1"]);

    // It goes down after it has seen the way back: the blocker is deleted once, and waited for until it is back.
    set_image(&ns, SET, "app:missing");
    broken(&ns, "app:missing", 1);
    ns.kubectl(&["rollout", "undo", SET]).expect_ok();
    observed(&ns, SET);
    ns.wait_until("the revision is recorded", LONG, || {
        let status = ns.get(&[SET])["status"].clone();
        status["updateRevision"] == status["currentRevision"]
    });
    cluster.stop(Part::ControllerManager).unwrap();
    let words = told(&["--timeout=120s"]);
    let waiting = Running::plugin("stspartition", &ns, &words);
    waiting.says("\"event\":\"deleting\"");
    ns.wait_until("web-2 is gone", LONG, || pods(&ns).len() == 2);
    thread::sleep(A_WHILE);
    assert_eq!(pods(&ns).len(), 2);
    cluster.restart(Part::ControllerManager).unwrap();
    let freed = waiting.ends();
    assert_code(&freed, 0);
    assert_eq!(deletions(&freed), blockers(["web-2"]), "{freed}");
    rests(&ns, &["app:1", "app:1", "app:1"]);
}
