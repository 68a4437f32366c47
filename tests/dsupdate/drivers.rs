//! Drivers that die, are interrupted, or are two.

use std::thread;
use std::time::Duration;

use cluster::{Cluster, Options, Part};
use e2e::scene::outlives_its_server;
use e2e::{A_WHILE, LONG, Running, Web, assert_code, broken, install};
use serde_json::{Value, json};

use crate::fleet::{Fleet, own_cluster};
use crate::obstacle::{Brake, Obstacle, Requests};
use crate::rollout::{STORED, WEB, fleet, fleet_with, says};

#[test]
fn a_driver_that_is_killed_leaves_a_set_that_another_one_takes_up() {
    // At the start, with a pod in hand, in the soak, between steps.
    for stage in ["rollout started", "in hand", "have to stay so", "step 1 is done"] {
        let fleet = fleet(3);
        let before = fleet.kept();
        let driver = fleet.running(&["start", "web", "app=app:flap", "--steps=1,100%", "--soak=2s"]);
        driver.says(stage);
        driver.signal("KILL");
        assert_eq!(driver.ends().code, -1, "{stage}");
        fleet.ns.wait_until("the pod in hand is there", e2e::LONG, || fleet.uids().len() == 3);
        let (uids, images) = (fleet.uids(), fleet.images());
        assert!(!images.contains("c:flap"), "{stage}: {images}");
        thread::sleep(Duration::from_secs(2));
        assert_eq!((fleet.uids(), fleet.strategy().as_str()), (uids, "OnDelete"), "{stage}");
        // Its lease is not over yet.
        let held = fleet.dsupdate(&["resume", "web"]);
        assert_code(&held, 1);
        says(&held, &["held by ", ", who renewed that ", "s ago"]);
        let resumed = fleet.dsupdate(&["resume", "web", "--take-over"]);
        assert_code(&resumed, 0);
        assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:flap b:flap c:flap", before), "{stage}");
    }
}

#[test]
fn a_driver_that_is_killed_on_its_way_back_is_followed_by_another_one() {
    let fleet = fleet_with(3, &["updateStrategy: { type: OnDelete }"]);
    fleet.set_image("app:flap");
    assert_code(&fleet.start(&["--steps=100%", "--max-unavailable=3", "--soak=0s"]), 0);
    let before = fleet.kept();
    assert_code(&fleet.start(&["app=app:2", "--steps=2,100%", "--pause-after=1"]), 0);
    let driver = fleet.running(&["abort", "web"]);
    driver.says("the rollout is taken back");
    driver.signal("KILL");
    let _ = driver.ends();
    let stored = fleet.stored();
    assert_eq!(stored["phase"], "aborting", "{stored}");
    let resumed = fleet.dsupdate(&["resume", "web", "--take-over"]);
    assert_code(&resumed, 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:flap b:flap c:flap", before));
}

#[test]
fn an_undo_of_an_on_delete_set_that_is_killed_is_gone_on_with_by_the_next_one() {
    for verb in ["undo", "resume"] {
        let fleet = fleet_with(3, &["updateStrategy: { type: OnDelete }"]);
        let before = fleet.kept();
        fleet.set_image("app:flap");
        assert_code(&fleet.start(&["--steps=100%", "--max-unavailable=3", "--soak=0s"]), 0);
        fleet.set_image("app:2");
        assert_code(&fleet.start(&["--steps=100%", "--max-unavailable=3", "--soak=0s"]), 0);
        let driver = fleet.running(&["undo", "web"]);
        driver.says("its strategy is OnDelete");
        driver.signal("KILL");
        let _ = driver.ends();
        let stored = fleet.stored();
        assert_eq!((&stored["phase"], &stored["undo"]), (&json!("aborting"), &json!(true)), "{stored}");
        let status = fleet.dsupdate(&["status", "web"]);
        assert_code(&status, 7);
        says(&status, &["an undo whose pods have to be deleted is not over"]);
        says(&status, &["to go on: kubectl rollback undo"]);
        // Whoever resumes says that the one who has just driven it is gone.
        let more: &[&str] = if verb == "resume" { &["--take-over"] } else { &[] };
        assert_code(&fleet.dsupdate(&[&[verb, "web"], more].concat()), 0);
        assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:flap b:flap c:flap", before), "{verb}");
    }
}

#[test]
fn pods_that_a_template_left_behind_are_put_back_by_an_undo_to_it() {
    let fleet = fleet_with(3, &["updateStrategy: { type: OnDelete }"]);
    let before = fleet.kept();
    assert_code(&fleet.start(&["app=app:2", "--steps=100%", "--max-unavailable=3", "--soak=0s"]), 0);
    // As kubectl undoes: the template, and no pod.
    fleet.ns.kubectl(&["rollout", "undo", WEB]).expect_ok();
    let undone = fleet.dsupdate(&["undo", "web", "--to-revision=3"]);
    assert_code(&undone, 0);
    says(&undone, &["pods go back to revision 3"]);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
    let again = fleet.dsupdate(&["undo", "web", "--to-revision=3"]);
    assert_code(&again, 0);
    says(&again, &["skipped rollback"]);
}

/// The driver of a rollout whose first pod crashes dies; `before_it_sees` happens while it does not look.
fn dies_in_a_failure(fleet: &Fleet<'_>, last_words: &str, before_it_sees: impl FnOnce()) {
    let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=60s"]);
    driver.says("have to stay so");
    driver.signal("STOP");
    before_it_sees();
    fleet.crash("a");
    broken(&fleet.ns, "app:2", 1);
    if !last_words.is_empty() {
        driver.signal("CONT");
        driver.says(last_words);
    }
    driver.signal("KILL");
    assert_eq!(driver.ends().code, -1);
}

/// Nothing moves in a set with a failed pod, with the stored rollout at `phase`, and everybody is told.
fn rests(fleet: &Fleet<'_>, phase: &str, image: &str) {
    let uids = fleet.uids();
    thread::sleep(A_WHILE);
    assert_eq!((fleet.uids(), fleet.strategy().as_str()), (uids, "OnDelete"));
    assert_eq!((&fleet.stored()["phase"], e2e::image(&fleet.ns, WEB).as_str()), (&json!(phase), image));
    let status = fleet.dsupdate(&["status", "web"]);
    let said = format!("a rollout in steps is {phase} (step 1 of 2 is next)");
    says(&status, &[&said]);
    says(&status, &["kubectl dsupdate resume", "kubectl dsupdate abort"]);
    // With the old template back, the failed pod is one that is only left.
    assert_code(&status, if phase == "failed" { 7 } else { 3 });
}

#[test]
fn a_driver_that_dies_before_it_sees_the_failed_pod_leaves_that_to_the_next_one() {
    for verb in ["resume", "abort"] {
        let fleet = fleet(3);
        let (before, uids) = (fleet.kept(), fleet.uids());
        dies_in_a_failure(&fleet, "", || {});
        rests(&fleet, "running", "app:2");
        if verb == "resume" {
            let resumed = fleet.dsupdate(&["resume", "web", "--take-over"]);
            assert_code(&resumed, 3);
            says(&resumed, &["error: step 1 of the rollout", "failed: it stands still"]);
            rests(&fleet, "failed", "app:1");
        }
        assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
        assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
        assert_eq!((&fleet.uids()["b"], &fleet.uids()["c"]), (&uids["b"], &uids["c"]));
    }
}

#[test]
fn a_driver_that_dies_before_the_old_template_is_back_is_followed_by_one_that_puts_it_back() {
    let fleet = fleet(3);
    let before = fleet.kept();
    let mut webhook = None;
    dies_in_a_failure(&fleet, "the API server does not answer (Internal error", || {
        webhook = Some(Obstacle::webhook(&fleet.ns, Requests::SetUpdates));
    });
    rests(&fleet, "running", "app:2");
    webhook.unwrap().lift();
    assert_code(&fleet.dsupdate(&["resume", "web", "--take-over"]), 3);
    rests(&fleet, "failed", "app:1");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
}

#[test]
fn a_driver_that_dies_while_the_old_template_is_put_back_leaves_it_there_or_the_failure() {
    let fleet = fleet(3);
    let before = fleet.kept();
    let driver = fleet.running(&["start", "web", "app=app:missing", "--steps=1,100%"]);
    driver.says("the step failed");
    driver.signal("KILL");
    let _ = driver.ends();
    // The server may still be at it.
    thread::sleep(A_WHILE);
    let (phase, image) = match fleet.stored()["phase"].as_str() {
        Some("failed") => ("failed", "app:1"),
        _ => ("running", "app:missing"),
    };
    rests(&fleet, phase, image);
    // Tried again, or only seen.
    let resumed = fleet.dsupdate(&["resume", "web", "--take-over"]);
    assert_code(&resumed, 3);
    says(&resumed, &["error: step 1 of the rollout", "image-pull"]);
    rests(&fleet, "failed", "app:1");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
}

#[test]
fn a_driver_that_dies_as_it_takes_a_failed_step_back_is_followed_by_one_that_does() {
    for strategy in ["RollingUpdate", "OnDelete"] {
        let fleet = fleet_with(3, &[&format!("updateStrategy: {{ type: {strategy} }}")]);
        let (before, uids) = (fleet.kept(), fleet.uids());
        let words = ["start", "web", "app=app:missing", "--steps=1,100%", "--on-failure=abort"];
        let driver = fleet.running(&words);
        driver.says("going back to revision 1");
        driver.signal("KILL");
        let _ = driver.ends();
        // The server may still be at it.
        thread::sleep(A_WHILE);
        match fleet.stored() {
            // The controller goes back alone.
            Value::Null => assert_eq!(strategy, "RollingUpdate"),
            stored => {
                let phase = stored["phase"].as_str();
                assert!(phase == Some("running") || strategy == "OnDelete", "{stored}");
                let resumed = fleet.dsupdate(&["resume", "web", "--take-over"]);
                assert_code(&resumed, 5);
                says(&resumed, &["failed and was undone: revision "]);
            }
        }
        fleet.until_images("a:1 b:1 c:1");
        e2e::settled(&fleet.ns, WEB);
        assert_eq!(fleet.kept(), before, "{strategy}");
        assert_eq!((&fleet.uids()["b"], &fleet.uids()["c"]), (&uids["b"], &uids["c"]));
    }
}

#[test]
fn an_interruption_stops_after_what_was_sent_and_names_the_way_on() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let fleet = fleet(3);
        let before = fleet.kept();
        let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=60s"]);
        driver.says("have to stay so");
        driver.signal(signal);
        let ended = driver.ends();
        assert_code(&ended, code);
        assert_eq!(fleet.images(), "a:2 b:1 c:1");
        assert_ne!(fleet.stored(), Value::Null);
        // The soak is part of what is stored.
        let driver = fleet.running(&["resume", "web"]);
        driver.says("have to stay so for 60s");
        driver.signal(signal);
        assert_code(&driver.ends(), code);
        assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
        assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
    }
}

#[test]
fn of_two_drivers_the_second_is_told_who_holds_it_and_may_take_over() {
    let fleet = fleet(3);
    let first = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=8s"]);
    first.says("have to stay so");
    let host = fleet.stored()["holder"]["host"].as_str().unwrap().to_string();
    for words in [&["resume", "web"][..], &["start", "web", "app=app:3"]] {
        let second = fleet.dsupdate(words);
        assert_code(&second, 1);
        says(
            &second,
            &["a rollout in steps is running (step 1 of 2 is next), held by ", &host, "renewed that "],
        );
    }
    let second = fleet.running(&["resume", "web", "--take-over"]);
    second.says("taken over from ");
    let ended = first.ends();
    assert_code(&ended, 6);
    says(&ended, &["is driven by "]);
    assert_code(&second.ends(), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2 c:2", Value::Null));
}

#[test]
fn an_abort_takes_a_rollout_from_its_driver() {
    let fleet = fleet(3);
    let before = fleet.kept();
    let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=60s"]);
    driver.says("have to stay so");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    let ended = driver.ends();
    assert_code(&ended, 6);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
}

#[test]
fn a_server_that_dies_in_a_step_and_comes_back_does_not_end_it() {
    let cluster = Cluster::start(&Options { nodes: 3, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    let ns = cluster.namespace("restart");
    Web::new("daemonset", "app:1").create(&ns);
    let words = ["start", "web", "app=app:slow", "--steps=1,100%", "--soak=1s"];
    let driver = Running::plugin("dsupdate", &ns, &words);
    driver.says("in hand");
    outlives_its_server(&cluster, driver);
    assert!(e2e::pods(&ns).iter().all(|(_, _, image)| image == "app:slow"));
    let object = ns.get(&[WEB]);
    assert_eq!(object["spec"]["updateStrategy"]["type"], "RollingUpdate");
    assert!(!object.to_string().contains(STORED));
}

#[test]
fn a_controller_that_is_down_is_waited_for_and_nothing_more_is_deleted() {
    let cluster = own_cluster();
    let fleet = Fleet::of(&cluster, &[""; 3]);
    fleet.web("app:1", &[]);
    let (before, uids) = (fleet.kept(), fleet.uids());
    cluster.stop(Part::ControllerManager).unwrap();
    let brake = Brake::of_step(1);
    let words = ["start", "web", "app=app:2", "--steps=1,100%", "--soak=1s", &brake.check()];
    let driver = fleet.running(&words);
    driver.says("rollout started");
    thread::sleep(A_WHILE);
    assert_eq!((fleet.uids(), &fleet.stored()["target"]), (uids, &Value::Null));
    cluster.restart(Part::ControllerManager).unwrap();
    driver.says("have to stay so");

    // The second time it is not there to replace what is deleted.
    cluster.stop(Part::ControllerManager).unwrap();
    brake.release();
    fleet.until_images("a:2 c:1");
    thread::sleep(A_WHILE);
    assert_eq!(fleet.images(), "a:2 c:1");
    cluster.restart(Part::ControllerManager).unwrap();
    assert_code(&driver.ends(), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:2 b:2 c:2", before));
}

#[test]
fn a_set_that_keeps_no_history_has_its_way_back_even_when_its_controller_starts_anew() {
    let cluster = own_cluster();
    let fleet = Fleet::of(&cluster, &[""; 3]);
    fleet.web("app:1", &["revisionHistoryLimit: 0"]);
    let (before, uids) = (fleet.kept(), fleet.uids());
    let starts_anew = |letter: &str| {
        let old = fleet.uids()[letter].clone();
        cluster.restart(Part::ControllerManager).unwrap();
        fleet.ns.kubectl(&["delete", "pod", &fleet.pod(letter)]).expect_ok();
        // By then it has seen the set, and cleaned up.
        fleet.ns.wait_until("the pod is replaced", LONG, || {
            fleet.uids().get(letter).is_some_and(|uid| *uid != old)
        });
        let revisions = fleet.ns.get(&["controllerrevisions"]).to_string();
        assert!(revisions.contains(r#""image":"app:1""#), "{revisions}");
    };
    assert_code(&fleet.start(&["app=app:2", "--steps=1,100%", "--pause-after=1"]), 0);
    starts_anew("a");
    assert_eq!(fleet.images(), "a:2 b:1 c:1");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before.clone()));
    assert_eq!((&fleet.uids()["b"], &fleet.uids()["c"]), (&uids["b"], &uids["c"]));

    // No pod runs the old revision any more.
    let driver = fleet.running(&["start", "web", "app=app:3", "--steps=100%", "--soak=60s"]);
    driver.says("have to stay so");
    starts_anew("b");
    assert_eq!(fleet.images(), "a:3 b:3 c:3");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_code(&driver.ends(), 6);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
}
