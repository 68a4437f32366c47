//! What the API server refuses or cannot do in the middle of a rollout, and pods that somebody else deletes first.

use std::thread;

use cluster::Output;
use e2e::{A_WHILE, Running, assert_code};
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::obstacle::{Brake, Obstacle, Requests};
use crate::rollout::{fleet, fleet_with, says};

/// How a failure of the server is told.
const UNANSWERED: &str = "the API server does not answer (Internal error occurred: failed calling webhook";
/// How the policy refuses.
const DENIED: &str = "denied request: not on a Friday";
/// The reasons with which a policy may refuse, 422 and 403.
const REASONS: [&str; 2] = ["Invalid", "Forbidden"];

/// Starts a rollout whose first step is new and available, and is not done before the brake is released.
fn braked(fleet: &Fleet<'_>, brake: &Brake) -> Running {
    let words = ["start", "web", "app=app:2", "--steps=1,100%", "--soak=1s", &brake.check()];
    let driver = fleet.running(&words);
    driver.says("have to stay so");
    driver
}

/// The set stands still in the middle of the rollout, with that many steps done, whoever drives it.
fn stands(fleet: &Fleet<'_>, done: u64) {
    assert_eq!((fleet.images().as_str(), fleet.strategy().as_str()), ("a:2 b:1 c:1", "OnDelete"));
    let stored = fleet.stored();
    assert_eq!((&stored["phase"], &stored["done"]), (&json!("running"), &json!(done)), "{stored}");
}

/// The driver has ended with the server's words.
fn is_denied(output: &Output) {
    assert_code(output, 1);
    says(output, &["error: ", DENIED]);
}

#[test]
fn a_deletion_that_the_server_cannot_do_is_tried_until_it_can() {
    let fleet = fleet(3);
    let (before, uids) = (fleet.kept(), fleet.uids());
    let webhook = Obstacle::webhook(&fleet.ns, Requests::PodDeletions);
    let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=1s"]);
    driver.says(UNANSWERED);
    thread::sleep(A_WHILE);
    assert_eq!((fleet.uids(), fleet.strategy().as_str()), (uids, "OnDelete"));
    assert_eq!(fleet.stored()["done"], 0);
    webhook.lift();
    assert_code(&driver.ends(), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:2 b:2 c:2", before));
}

#[test]
fn a_way_back_that_the_server_cannot_go_is_tried_until_it_can() {
    let fleet = fleet_with(3, &["updateStrategy: { type: OnDelete }"]);
    let before = fleet.kept();
    assert_code(&fleet.start(&["app=app:2", "--steps=1,100%", "--pause-after=1"]), 0);
    let uids = fleet.uids();
    let webhook = Obstacle::webhook(&fleet.ns, Requests::PodDeletions);
    let driver = fleet.running(&["abort", "web"]);
    driver.says(UNANSWERED);
    thread::sleep(A_WHILE);
    assert_eq!((fleet.uids(), &fleet.stored()["phase"]), (uids, &json!("aborting")));
    webhook.lift();
    assert_code(&driver.ends(), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
}

#[test]
fn a_step_that_the_server_cannot_note_is_not_over_until_it_can() {
    let (fleet, brake) = (fleet(3), Brake::of_step(1));
    let before = fleet.kept();
    let driver = braked(&fleet, &brake);
    let webhook = Obstacle::webhook(&fleet.ns, Requests::SetUpdates);
    brake.release();
    driver.says(UNANSWERED);
    thread::sleep(A_WHILE);
    stands(&fleet, 0);
    webhook.lift();
    assert_code(&driver.ends(), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:2 b:2 c:2", before));
}

#[test]
fn a_deletion_that_the_server_forbids_ends_the_driver_and_the_rollout_goes_on_when_it_may() {
    for reason in REASONS {
        let (fleet, brake) = (fleet(3), Brake::of_step(1));
        let (before, uids) = (fleet.kept(), fleet.uids());
        let driver = braked(&fleet, &brake);
        let policy = Obstacle::policy(&fleet.ns, Requests::PodDeletions, reason);
        brake.release();
        is_denied(&driver.ends());
        stands(&fleet, 1);
        // As long as it is forbidden, nothing changes.
        is_denied(&fleet.dsupdate(&["resume", "web", &brake.check()]));
        thread::sleep(A_WHILE);
        stands(&fleet, 1);
        let after = fleet.uids();
        assert_eq!((&after["b"], &after["c"]), (&uids["b"], &uids["c"]), "{reason}");
        let status = fleet.dsupdate(&["status", "web"]);
        assert_code(&status, 7);
        says(&status, &["held: a rollout in steps is running (step 2 of 2 is next)"]);
        policy.lift();
        assert_code(&fleet.dsupdate(&["resume", "web", &brake.check()]), 0);
        assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:2 b:2 c:2", before), "{reason}");
    }
}

#[test]
fn a_change_of_the_set_that_the_server_forbids_ends_the_driver_and_neither_way_on_is_lost() {
    for (reason, verb, images) in
        [(REASONS[0], "resume", "a:2 b:2 c:2"), (REASONS[1], "abort", "a:1 b:1 c:1")]
    {
        let (fleet, brake) = (fleet(3), Brake::of_step(1));
        let before = fleet.kept();
        let driver = braked(&fleet, &brake);
        let policy = Obstacle::policy(&fleet.ns, Requests::SetUpdates, reason);
        brake.release();
        is_denied(&driver.ends());
        stands(&fleet, 0);
        // It could not even let go.
        let again = ["resume", "web", "--take-over", &brake.check()];
        for words in [&again[..], &["abort", "web"]] {
            let refused = fleet.dsupdate(words);
            assert_code(&refused, 1);
            says(&refused, &[DENIED]);
        }
        stands(&fleet, 0);
        policy.lift();
        let words = if verb == "resume" { &again[..] } else { &[verb, "web"] };
        assert_code(&fleet.dsupdate(words), 0);
        assert_eq!((fleet.images().as_str(), fleet.kept()), (images, before), "{reason}");
    }
}

#[test]
fn pods_that_somebody_else_deletes_at_the_same_time_are_as_good_as_deleted() {
    let fleet = fleet(6);
    let old: Vec<String> = e2e::pods(&fleet.ns).into_iter().map(|(name, _, _)| name).rev().collect();
    let words = ["start", "web", "app=app:2", "--steps=100%", "--max-unavailable=100%", "--soak=0s"];
    let driver = fleet.running(&words);
    driver.says("deleting pod web-");
    let delete = ["delete", "pod", "--ignore-not-found", "--wait=false"];
    let rival: Vec<&str> = delete.into_iter().chain(old.iter().map(String::as_str)).collect();
    fleet.ns.kubectl(&rival).expect_ok();
    assert_code(&driver.ends(), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2 c:2 d:2 e:2 f:2", Value::Null));
}
