//! What a rollout in steps lives through: pauses, drivers that die, others that get in its way, and scaled sets.

use std::thread;

use cluster::{Cluster, Login, Namespace, Options};
use e2e::scene::outlives_its_server;
use e2e::{
    A_WHILE, LONG, Running, Web, assert_code, cluster, image, install, json as answer, observed, set_image,
    uids,
};
use serde_json::json;

use crate::scene::{SET, images, in_hand, rests, scale, sts};
use crate::steps::{STORED, TWO, kept, no_trace, paused_after_one, same, start};

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
                // Who is interrupted lets go; who is killed cannot.
                let words = ["resume", "web", "--take-over"];
                let words = if signal == "KILL" { &words[..] } else { &words[..2] };
                assert_code(&sts(&ns, words), 0);
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
    ns.wait_until("the first pod is theirs", LONG, || images(&ns)[..] == ["app:1", "app:1", "app:3"]);
    let status = sts(&ns, &["status", "web", "--timeout=60s"]);
    assert_code(&status, 7);
    let said = format!("{}{}", status.stdout, status.stderr);
    assert!(said.contains("stspartition resume") && said.contains("stspartition start"), "{status}");
    let shown = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(shown.contains("the rollout in steps is superseded") && shown.contains("--release"), "{shown}");
    let pods = answer(&sts(&ns, &["pods", "web", "-o", "json"]));
    assert_eq!(pods["rollout"]["superseded"], true, "{pods}");
    for verb in ["abort", "resume"] {
        let refused = sts(&ns, &[verb, "web", "-y"]);
        assert_code(&refused, 6);
        let says =
            ["is superseded, and nothing moves", "stspartition resume", "--release", "stspartition start"];
        assert!(says.iter().all(|words| refused.stderr.contains(words)), "{refused}");
    }
    thread::sleep(A_WHILE);
    assert_eq!(images(&ns), ["app:1", "app:1", "app:3"], "theirs is rolled out by nobody");
    let released = sts(&ns, &["resume", "web", "--release"]);
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
    no_trace(&ns, &before);
}

#[test]
fn what_a_pause_stored_is_gone_from_the_revisions_too_when_an_undo_resumes() {
    thread::scope(|scope| {
        for plugin in ["rollback", "stspartition"] {
            scope.spawn(move || {
                let ns = cluster().namespace("hold-resumes");
                three(&ns);
                let (before, pods) = (kept(&ns), uids(&ns));
                assert_code(&sts(&ns, &["pause", "web"]), 0);
                set_image(&ns, SET, "app:2");
                let revisions = ns.get(&["controllerrevisions", "-l", "app=web"]).to_string();
                assert!(
                    revisions.contains(STORED),
                    "no copy was made: this test proves nothing: {revisions}"
                );
                assert_code(&ns.kubectl(&[plugin, "undo", SET, "--resume"]), 0);
                assert_eq!(image(&ns, SET), "app:1");
                rests(&ns, &["app:1"; 3]);
                same(&ns, &pods, &["web-0", "web-1", "web-2"]);
                no_trace(&ns, &before);
            });
        }
    });
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
fn a_copy_of_what_a_pause_stored_that_may_not_be_taken_off_is_said_and_nothing_fails() {
    let ns = cluster().namespace("hold-rights");
    three(&ns);
    assert_code(&sts(&ns, &["pause", "web"]), 0);
    set_image(&ns, SET, "app:2");
    let here =
        [("get,list,watch,patch", "statefulsets.apps"), ("list,watch", "pods,controllerrevisions.apps")];
    let kubeconfig = ns.user(Login::Token, &here, &[]);
    let resumed = sts(&ns, &["resume", "web", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    assert_code(&resumed, 0);
    let says = "Warning: a copy of what was stored stays on controllerrevision web-";
    assert!(resumed.stderr.contains(says) && resumed.stderr.contains("forbidden"), "{resumed}");
    rests(&ns, &["app:2"; 3]);
}

/// Kills the API server while a rollout in steps is at what `reached` waits for, and starts it again.
fn without_its_server(image: &str, soak: &str, reached: impl FnOnce(&Namespace<'_>, &Running)) {
    let cluster = Cluster::start(&Options { nodes: 2, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    let ns = cluster.namespace("hold-server");
    three(&ns);
    let before = kept(&ns);
    let words = ["start", "web", &format!("app={image}"), soak, TWO];
    let driver = Running::plugin("stspartition", &ns, &words);
    reached(&ns, &driver);
    outlives_its_server(&cluster, driver);
    rests(&ns, &[image; 3]);
    no_trace(&ns, &before);
}

#[test]
fn an_api_server_that_dies_between_steps_and_comes_back_does_not_end_it() {
    // While the first step soaks nothing is scheduled: a scheduler whose last binding was not answered may give up.
    without_its_server("app:2", "--soak=20s", |_, driver| driver.says("step 1 of 2 (1): 1 of 1"));
}

#[test]
fn an_api_server_that_dies_while_a_pod_is_in_hand_and_comes_back_does_not_end_it() {
    without_its_server("app:slow", "--soak=1s", |ns, driver| {
        driver.says("step 1 of 2 (1): 0 of 1, web-2 in hand");
        // It has its node, and does not get ready before its kubelet reaches the server again.
        in_hand(ns, "web-2", "app:slow");
    });
}

#[test]
fn a_driver_that_is_killed_while_pods_are_put_back_is_followed_by_another_one() {
    thread::scope(|scope| {
        for old in [0, 1] {
            scope.spawn(move || {
                let ns = cluster().namespace("hold-back");
                // What is put back takes its time.
                let strategy = format!(
                    "updateStrategy: {{ type: RollingUpdate, rollingUpdate: {{ partition: {old} }} }}"
                );
                Web::new("statefulset", "app:flap").spec(&strategy).create(&ns);
                let (before, pods) = (kept(&ns), uids(&ns));
                assert_code(&start(&ns, "app:2", &["--steps=2,100%", "--pause-after=1"]), 0);
                rests(&ns, &["app:flap", "app:2", "app:2"]);
                let driver = Running::plugin("stspartition", &ns, &["abort", "web"]);
                in_hand(&ns, "web-2", "app:flap");
                driver.signal("KILL");
                assert_code(&driver.ends(), -1);
                let shown = sts(&ns, &["pods", "web"]).expect_ok();
                assert!(
                    shown.contains("stored: a rollout in steps is aborting (step 2 of 2 is next)"),
                    "{shown}"
                );
                let status = answer(&sts(&ns, &["status", "web", "--watch=false", "-o", "json"]));
                assert_eq!(status["rollout"]["phase"], "aborting", "{status}");
                let resumed = sts(&ns, &["resume", "web", "--take-over"]);
                assert_code(&resumed, 0);
                assert!(resumed.stdout.ends_with("statefulset \"web\" is back at revision 3\n"), "{resumed}");
                rests(&ns, &["app:flap"; 3]);
                same(&ns, &pods, &["web-0"]);
                no_trace(&ns, &before);
            });
        }
    });
}

#[test]
fn an_abort_waits_for_a_pod_that_somebody_keeps_from_ending() {
    let ns = cluster().namespace("hold-ends");
    three(&ns);
    let (before, pods) = (kept(&ns), uids(&ns));
    paused_after_one(&ns);
    let kept_by = |finalizers: &str| {
        let patch = format!("{{\"metadata\":{{\"finalizers\":{finalizers}}}}}");
        ns.kubectl(&["patch", "pod", "web-2", "--type=merge", "-p", &patch]).expect_ok();
    };
    kept_by("[\"example.com/backup\"]");
    let last = uids(&ns);
    let abort = Running::plugin("stspartition", &ns, &["abort", "web"]);
    ns.wait_until("web-2 is to end", LONG, || {
        ns.get(&["pod", "web-2"])["metadata"]["deletionTimestamp"].is_string()
    });
    thread::sleep(A_WHILE);
    assert_eq!(uids(&ns), last);
    let shown = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(
        shown.contains("Terminating") && shown.contains("stored: a rollout in steps is aborting"),
        "{shown}"
    );
    kept_by("null");
    let ended = abort.ends();
    assert_code(&ended, 0);
    assert!(!ended.stderr.contains("deleting pod"), "{ended}");
    rests(&ns, &["app:1"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    no_trace(&ns, &before);
}

/// Makes the container of a pod crash again and again, as its kubelet would tell.
fn crashes(ns: &Namespace<'_>, pod: &str) {
    let mut container = ns.get(&["pod", pod])["status"]["containerStatuses"][0].clone();
    container["ready"] = false.into();
    container["started"] = false.into();
    container["restartCount"] = 3.into();
    container["lastState"] = json!({ "terminated": { "exitCode": 1, "reason": "Error" } });
    container["state"] = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s" } });
    let conditions = json!([{ "type": "Ready", "status": "False" }]);
    let patch = json!({ "status": { "containerStatuses": [container], "conditions": conditions } });
    ns.kubectl(&["patch", "pod", pod, "--subresource=status", "-p", &patch.to_string()]).expect_ok();
}

#[test]
fn a_pod_that_crashes_when_its_step_is_over_stops_the_next_one() {
    let ns = cluster().namespace("hold-late");
    three(&ns);
    let (before, pods) = (kept(&ns), uids(&ns));
    paused_after_one(&ns);
    crashes(&ns, "web-2");
    let failed = sts(&ns, &["resume", "web"]);
    assert_code(&failed, 3);
    assert!(failed.stderr.contains("step 2 of the rollout of statefulset \"web\" failed"), "{failed}");
    assert!(failed.stderr.contains("crash-loop"), "{failed}");
    assert_eq!(images(&ns), ["app:1", "app:1", "app:2"]);
    same(&ns, &pods, &["web-0", "web-1"]);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:1"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    no_trace(&ns, &before);
}
