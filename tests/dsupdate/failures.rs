//! Steps that fail, and the ways on: standing still, going back, trying again.

use e2e::{A_WHILE, LONG, assert_code};
use serde_json::{Value, json};

use crate::obstacle::Brake;
use crate::rollout::{WEB, fleet, fleet_with, says};

#[test]
fn a_failed_step_stands_still_with_the_old_template_and_its_failed_pod() {
    let fleet = fleet(3);
    let (before, uids) = (fleet.kept(), fleet.uids());
    let failed = fleet.start(&["app=app:missing"]);
    assert_code(&failed, 3);
    says(
        &failed,
        &["error: step 1 of the rollout", "image-pull", "kubectl dsupdate resume", "kubectl dsupdate abort"],
    );
    assert_eq!(fleet.images(), "a:missing b:1 c:1");
    assert_eq!((e2e::image(&fleet.ns, WEB).as_str(), fleet.strategy().as_str()), ("app:1", "OnDelete"));
    let status = fleet.dsupdate(&["status", "web"]);
    assert_code(&status, 7);
    says(&status, &["held: a rollout in steps is failed (step 1 of 4 is next)"]);

    let aborted = fleet.dsupdate(&["abort", "web"]);
    assert_code(&aborted, 0);
    says(&aborted, &["daemon set \"web\" is back at revision 3"]);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
    let after = fleet.uids();
    assert_eq!((&after["b"], &after["c"]), (&uids["b"], &uids["c"]));
    assert_ne!(after["a"], uids["a"]);
}

#[test]
fn a_failed_step_is_tried_again_by_resume() {
    let fleet = fleet(3);
    let (before, uids) = (fleet.kept(), fleet.uids());
    assert_code(&fleet.start(&["app=app:config"]), 3);
    // Pods of the very second in which it goes on count as its own: the API keeps whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let still = fleet.dsupdate(&["resume", "web"]);
    assert_code(&still, 3);
    says(&still, &["app:1 -> app:config", "which failed before: it is tried again", "config-missing"]);
    assert_eq!(fleet.images(), "a:config b:1 c:1");
    fleet.ns.kubectl(&["create", "configmap", "app-config", "--from-literal=color=red"]).expect_ok();
    // The fake kubelet never starts what has this tag: the image is all that can be changed.
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
    assert_eq!(fleet.uids()["c"], uids["c"]);
}

#[test]
fn a_bad_first_step_is_taken_back_at_once_where_that_is_wanted() {
    for strategy in ["RollingUpdate", "OnDelete"] {
        let fleet = fleet_with(3, &[&format!("updateStrategy: {{ type: {strategy} }}")]);
        let (before, uids) = (fleet.kept(), fleet.uids());
        let undone = fleet.start(&["app=app:missing", "--on-failure=abort"]);
        assert_code(&undone, 5);
        says(&undone, &["going back to revision 1", "failed and was undone", "image-pull"]);
        assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
        let after = fleet.uids();
        assert_eq!((&after["b"], &after["c"]), (&uids["b"], &uids["c"]), "{strategy}");
    }
}

#[test]
fn a_crash_that_comes_late_is_caught_by_the_soak() {
    let fleet = fleet(3);
    let caught = fleet.dsupdate(&["start", "web", "app=app:late", "--soak=30s", "--on-failure=abort"]);
    assert_code(&caught, 5);
    says(&caught, &["have to stay so for 30s", "(restarts: pod web-", "going back to revision 1"]);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:1 b:1 c:1", Value::Null));
}

#[test]
fn an_abort_touches_only_what_was_updated() {
    for strategy in ["RollingUpdate", "OnDelete"] {
        let fleet = fleet_with(4, &[&format!("updateStrategy: {{ type: {strategy} }}")]);
        let (before, uids) = (fleet.kept(), fleet.uids());
        assert_code(&fleet.start(&["app=app:2", "--steps=2,100%", "--pause-after=1"]), 0);
        assert_eq!(fleet.images(), "a:2 b:2 c:1 d:1");
        let aborted = fleet.dsupdate(&["abort", "web"]);
        assert_code(&aborted, 0);
        assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1 d:1", before));
        let after = fleet.uids();
        assert_eq!((&after["c"], &after["d"]), (&uids["c"], &uids["d"]), "{strategy}");
    }
}

#[test]
fn an_undo_of_what_is_stored_is_an_abort_and_other_changes_are_refused() {
    let fleet = fleet(3);
    let before = fleet.kept();
    assert_code(&fleet.start(&["app=app:2", "--steps=1,100%", "--pause-after=1"]), 0);
    let stored = fleet.untouched();
    for words in [
        &["rollback", "undo", "ds/web", "--to-revision=1"][..],
        &["rollback", "try", "ds/web", "app=app:3"],
        &["rollback", "guard", "ds/web"],
        &["dsupdate", "start", "web", "app=app:3"],
        &["dsupdate", "strategy", "web", "--type=RollingUpdate"],
    ] {
        let refused = fleet.ns.kubectl(words);
        assert_code(&refused, 1);
        says(&refused, &["a rollout in steps is paused (step 2 of 2 is next)"]);
    }
    assert_eq!(fleet.untouched(), stored);
    let undone = fleet.ns.kubectl(&["rollback", "undo", "ds/web"]);
    assert_code(&undone, 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
}

#[test]
fn a_guarded_change_is_refused_while_a_rollout_is_driven_and_its_command_is_not_run() {
    let fleet = fleet(3);
    let before = fleet.kept();
    let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=60s"]);
    driver.says("have to stay so");
    let (stored, uids) = (fleet.untouched(), fleet.uids());
    let host = fleet.stored()["holder"]["host"].as_str().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let mark_path = mark.to_string_lossy();
    for what in [&["app=app:2"][..], &["app=app:3"], &["--", "touch", &mark_path]] {
        let refused = fleet.ns.kubectl(&[&["rollback", "try", WEB], what].concat());
        assert_code(&refused, 1);
        says(&refused, &["a rollout in steps is running (step 1 of 2 is next), held by ", &host, "'abort'"]);
    }
    assert!(!mark.exists(), "the command was run");
    assert_eq!((fleet.untouched(), fleet.uids()), (stored, uids));
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_code(&driver.ends(), 6);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
}

#[test]
fn a_pod_of_an_earlier_step_that_fails_later_fails_the_step_at_hand() {
    let (fleet, brake) = (fleet(3), Brake::of_step(2));
    let (before, uids) = (fleet.kept(), fleet.uids());
    let words = ["start", "web", "app=app:2", "--steps=1,2,100%", "--soak=1s", &brake.check()];
    let driver = fleet.running(&words);
    driver.says("step 2 of 3 (2): 1 of 1");
    fleet.crash("a");
    let failed = driver.ends();
    assert_code(&failed, 3);
    let pod = format!("pod {} ", fleet.pod("a"));
    says(&failed, &["error: step 2 of the rollout", &pod, "kubectl dsupdate abort"]);
    assert_eq!((fleet.images().as_str(), e2e::image(&fleet.ns, WEB).as_str()), ("a:2 b:2 c:1", "app:1"));
    assert_eq!((&fleet.stored()["phase"], &fleet.stored()["done"]), (&json!("failed"), &json!(1)));
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
    assert_eq!(fleet.uids()["c"], uids["c"]);
}

#[test]
fn checks_see_the_step_and_decide() {
    let fleet = fleet(3);
    let file = tempfile::NamedTempFile::new().unwrap();
    let seen = |what: &str| format!("echo \"{what}\" >> {}", file.path().display());
    let check = seen(
        "$ROLLOUT_STEP|$ROLLOUT_WORKLOAD|$ROLLOUT_NAMESPACE|$ROLLOUT_REVISION|$ROLLOUT_PODS|$ROLLOUT_NODES|$(cat $ROLLOUT_PODS_FILE)|$(tr '\\n' ' ' < $ROLLOUT_NODES_FILE)",
    );
    assert_code(&fleet.start(&["app=app:2", "--steps=1,100%", "--check", &check]), 0);
    let text = std::fs::read_to_string(file.path()).unwrap();
    let text = fleet.plain(&text).replace(fleet.ns.name(), "NS");
    let first = format!("1|daemonset/web|NS|2|{}|a|{0}|a ", fleet.pod("a"));
    assert!(text.lines().any(|line| line == first), "{first} is not in {text}");
    assert!(text.lines().any(|line| line.starts_with("2|") && line.contains("|b c|")), "{text}");

    let failed = fleet.start(&["app=app:3", "--check=echo 'five errors'; exit 4"]);
    assert_code(&failed, 3);
    says(&failed, &["check", "ended with exit code 4", "five errors"]);
    assert_eq!(fleet.images(), "a:3 b:2 c:2");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);

    let broken = fleet.start(&["app=app:3", "--check=no-such-program"]);
    assert_code(&broken, 1);
    says(&broken, &["error: a check cannot be run: ", "no-such-program"]);
    assert_eq!(fleet.images(), "a:3 b:2 c:2");
    assert_eq!(fleet.stored()["options"]["checks"], json!(["no-such-program"]));
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2 c:2", Value::Null));
}

#[test]
fn a_check_that_passes_first_and_fails_in_the_soak_fails_the_step() {
    let fleet = fleet(2);
    let file = tempfile::tempdir().unwrap();
    let mark = file.path().join("mark");
    let check = format!("test ! -e {0} && touch {0}", mark.display());
    let failed = fleet.dsupdate(&["start", "web", "app=app:2", "--soak=2s", "--check", &check]);
    assert_code(&failed, 3);
    says(&failed, &["ended with exit code 1"]);
}

#[test]
fn a_pod_outside_its_step_is_told_and_put_back() {
    let fleet = fleet(3);
    let (before, uids) = (fleet.kept(), fleet.uids());
    let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=60s"]);
    driver.says("have to stay so");
    fleet.ns.kubectl(&["delete", "pod", &fleet.pod("c")]).expect_ok();
    driver.says("outside-step: pod web-");
    driver.signal("INT");
    assert_code(&driver.ends(), 130);
    assert_eq!(fleet.images(), "a:2 b:1 c:2");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
    assert_eq!(fleet.uids()["b"], uids["b"]);
}

#[test]
fn a_node_that_joins_after_a_failure_gets_the_old_image() {
    let fleet = fleet(2);
    assert_code(&fleet.start(&["app=app:missing"]), 3);
    fleet.join("z");
    fleet.until_images("a:missing b:1 z:1");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:1 b:1 z:1", Value::Null));
}

#[test]
fn a_step_that_does_not_get_healthy_fails_when_its_time_is_over() {
    let fleet = fleet(2);
    let late = fleet.start(&["app=app:never", "--timeout=3s"]);
    assert_code(&late, 3);
    says(&late, &["deadline: not new and available within the time given: a"]);
    assert_eq!(fleet.images(), "a:never b:1");
    std::thread::sleep(A_WHILE);
    assert_eq!(fleet.images(), "a:never b:1");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    fleet.ns.wait_until("all is back", LONG, || fleet.images() == "a:1 b:1");
}
