//! Drivers that die, are interrupted, or are two.

use std::thread;
use std::time::Duration;

use cluster::{Cluster, Options, Part};
use e2e::{Running, Web, assert_code, install};
use serde_json::Value;

use crate::rollout::{WEB, fleet, says};

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
        // Its process is gone, so nobody holds it.
        let resumed = fleet.dsupdate(&["resume", "web"]);
        assert_code(&resumed, 0);
        assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:flap b:flap c:flap", before), "{stage}");
    }
}

#[test]
fn a_driver_that_is_killed_on_its_way_back_is_followed_by_another_one() {
    let fleet = crate::rollout::fleet_with(3, &["updateStrategy: { type: OnDelete }"]);
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
    let resumed = fleet.dsupdate(&["resume", "web"]);
    assert_code(&resumed, 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:flap b:flap c:flap", before));
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
    let pid = fleet.stored()["holder"]["pid"].to_string();
    for words in [&["resume", "web"][..], &["start", "web", "app=app:3"]] {
        let second = fleet.dsupdate(words);
        assert_code(&second, 1);
        says(&second, &["a rollout in steps is running (step 1 of 2 is next), held by ", &pid]);
    }
    let second = fleet.running(&["resume", "web", "--take-over"]);
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
    cluster.stop(Part::ApiServer).unwrap();
    driver.says("the API server does not answer (");
    cluster.restart(Part::ApiServer).unwrap();
    driver.says("the API server answers again");
    let ended = driver.ends();
    assert_code(&ended, 0);
    assert!(e2e::pods(&ns).iter().all(|(_, _, image)| image == "app:slow"));
    let object = ns.get(&[WEB]);
    assert_eq!(object["spec"]["updateStrategy"]["type"], "RollingUpdate");
    assert!(!object.to_string().contains(crate::rollout::STORED));
}
