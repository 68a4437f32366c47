//! StatefulSets that cannot get out by themselves, and what frees them.

use std::thread;

use cluster::{Namespace, Output};
use e2e::scene::{A_WHILE, broken, json_lines, meanwhile, roll, rollback, uids};
use e2e::{LONG, Web, assert_code, cluster, image, observed, pods, set_image};
use serde_json::{Value, json};

const SET: &str = "statefulset/web";

/// A set of three good pods whose rollout of a bad image hangs at the highest ordinal.
fn hanging(ns: &Namespace<'_>, bad: &str) {
    Web::new("statefulset", "app:1").create(ns);
    set_image(ns, SET, bad);
    broken(ns, bad, 1);
}

/// The pods that a plugin deleted, with the reason, as its events say it.
fn deletions(output: &Output) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let events = json_lines(&output.stdout);
    let deleting = events.iter().filter(|it| it["event"] == "deleting");
    deleting.map(|it| (text(&it["pod"]), text(&it["why"]))).collect()
}

#[test]
fn kubectl_alone_leaves_the_set_stuck_and_undo_frees_it_by_deleting_exactly_the_blocking_pod() {
    for bad in ["app:missing", "app:crash", "app:never"] {
        let ns = cluster().namespace("stuck");
        hanging(&ns, bad);
        let before = uids(&ns);
        let words = ["undo", SET, "-o", "json", "--output-watch-events", "--timeout=90s"];
        let output = rollback(&ns, &words);
        assert_code(&output, 0);
        assert_eq!(deletions(&output), [("web-2".to_string(), "blocks".to_string())], "{bad}");
        let after = uids(&ns);
        assert_eq!((&after["web-0"], &after["web-1"]), (&before["web-0"], &before["web-1"]), "{bad}");
        assert_ne!(after["web-2"], before["web-2"], "{bad}");
        assert!(pods(&ns).iter().all(|(_, _, image)| image == "app:1"), "{bad}");
    }
    let ns = cluster().namespace("stuck-kubectl");
    hanging(&ns, "app:missing");
    ns.kubectl(&["rollout", "undo", SET]).expect_ok();
    observed(&ns, SET);
    thread::sleep(A_WHILE);
    assert_eq!(
        pods(&ns)[2].2,
        "app:missing",
        "the controller freed the set by itself: this test proves nothing"
    );
    // The template has come back already, and still there is something to do.
    let freed = rollback(&ns, &["undo", SET, "--to-revision=3"]);
    assert_code(&freed, 0);
    assert!(freed.stderr.contains("pod web-2 blocks the set"), "{freed}");
    assert_eq!(pods(&ns)[2].2, "app:1");
}

#[test]
fn a_set_that_never_came_up_is_freed_at_its_lowest_pod() {
    let ns = cluster().namespace("stuck-first");
    let yaml = Web::new("statefulset", "app:missing").yaml();
    e2e::create(&ns, &yaml);
    broken(&ns, "app:missing", 1);
    set_image(&ns, SET, "app:2");
    set_image(&ns, SET, "app:3");
    let words = ["undo", SET, "--to-revision=2", "-o", "json", "--output-watch-events"];
    let output = rollback(&ns, &words);
    assert_code(&output, 0);
    assert_eq!(deletions(&output), [("web-0".to_string(), "blocks".to_string())]);
    let images: Vec<String> = pods(&ns).into_iter().map(|(_, _, image)| image).collect();
    assert_eq!(images, ["app:2", "app:2", "app:2"]);
}

#[test]
fn a_pod_that_is_unready_and_whose_revision_works_is_not_deleted() {
    let ns = cluster().namespace("stuck-moment");
    Web::new("statefulset", "app:1").create(&ns);
    roll(&ns, SET, "app:2");
    let ready = |status: &str| {
        let patch = json!({ "status": { "conditions": [{ "type": "Ready", "status": status }] } });
        let words = ["patch", "pod", "web-0", "--subresource=status", "-p", &patch.to_string()];
        ns.kubectl(&words).expect_ok();
    };
    ready("False");
    let before = uids(&ns);
    // Longer than a pod may be unready before it is looked at more closely.
    let output = rollback(&ns, &["undo", SET, "--timeout=15s"]);
    assert_code(&output, 4);
    assert!(!output.stderr.contains("deleting"), "{output}");
    assert_eq!((uids(&ns), image(&ns, SET).as_str()), (before, "app:1"));
    ready("True");
    ns.wait_until("the set goes on", LONG, || pods(&ns).iter().all(|(_, _, image)| image == "app:1"));
}

#[test]
fn a_blocking_pod_that_is_on_its_way_out_is_waited_for() {
    let ns = cluster().namespace("stuck-lingering");
    hanging(&ns, "app:missing");
    ns.kubectl(&["annotate", "pod", "web-2", "linger=true"]).expect_ok();
    ns.kubectl(&["delete", "pod", "web-2", "--wait=false", "--grace-period=60"]).expect_ok();
    let before = uids(&ns);
    let output = meanwhile(&ns, &["undo", SET, "--timeout=60s"], || {
        ns.wait_until("the undo is written", LONG, || image(&ns, SET) == "app:1");
        thread::sleep(A_WHILE);
        assert_eq!(uids(&ns), before);
        ns.kubectl(&["annotate", "pod", "web-2", "linger-"]).expect_ok();
    });
    assert_code(&output, 0);
    assert!(!output.stderr.contains("deleting"), "{output}");
    assert_eq!(pods(&ns)[2].2, "app:1");
}

#[test]
fn a_set_whose_target_is_bad_too_loses_no_pod() {
    let ns = cluster().namespace("stuck-bad");
    hanging(&ns, "app:missing");
    set_image(&ns, SET, "app:crash");
    let before = uids(&ns);
    let output = rollback(&ns, &["undo", SET, "--to-revision=2"]);
    assert_code(&output, 3);
    assert!(output.stderr.contains("image app:missing cannot be pulled"), "{output}");
    assert_eq!(uids(&ns), before);
}

#[test]
fn pods_below_the_partition_are_left_alone_and_what_it_holds_is_said() {
    let ns = cluster().namespace("stuck-partition");
    let strategy = "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 2 } }";
    Web::new("statefulset", "app:1").spec(strategy).create(&ns);
    let top = |image: &str| {
        ns.wait_until(&format!("web-2 runs {image}"), LONG, || {
            ns.get(&[SET])["status"]["readyReplicas"] == 3 && pods(&ns).get(2).is_some_and(|it| it.2 == image)
        });
    };
    for image in ["app:2", "app:3"] {
        set_image(&ns, SET, image);
        top(image);
    }
    let before = uids(&ns);
    // To a revision that the pods below do not have: the partition still holds them.
    let held = rollback(&ns, &["undo", SET, "--to-revision=2"]);
    assert_code(&held, 0);
    assert!(held.stdout.contains("held: partition 2 keeps 2 pods at an older revision"), "{held}");
    let images = || pods(&ns).into_iter().map(|(_, _, image)| image).collect::<Vec<_>>();
    assert_eq!(images(), ["app:1", "app:1", "app:2"]);
    // To the one that they have: all are at one revision again.
    let whole = rollback(&ns, &["undo", SET, "--to-revision=1"]);
    assert_code(&whole, 0);
    assert!(whole.stdout.contains("successfully rolled out"), "{whole}");
    assert_eq!(images(), ["app:1", "app:1", "app:1"]);
    let after = uids(&ns);
    assert_eq!((&after["web-0"], &after["web-1"]), (&before["web-0"], &before["web-1"]));
    let set = ns.get(&[SET]);
    assert_eq!(set.pointer("/spec/updateStrategy/rollingUpdate/partition"), Some(&json!(2)), "{set}");
}
