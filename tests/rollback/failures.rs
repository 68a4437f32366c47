//! `status` of rollouts that fail: the cause is named with its evidence, and what is only slow is not called failed.

use cluster::{Namespace, Output};
use e2e::scene::{broken, rollback};
use e2e::{KINDS, Web, assert_code, cluster, json, set_image};

/// Waits for the end of a rollout; the time is only there so that a wrong answer ends too.
fn status(ns: &Namespace<'_>, target: &str, more: &[&str]) -> Output {
    rollback(ns, &[&["status", target, "--timeout=60s"], more].concat())
}

/// Rolls an image out and returns how `status` ends, for people and as a document.
fn failing(ns: &Namespace<'_>, target: &str, image: &str, more: &[&str]) -> (Output, serde_json::Value) {
    set_image(ns, target, image);
    let told = status(ns, target, more);
    let document = json(&status(ns, target, &[more, &["-o", "json"]].concat()));
    (told, document)
}

#[test]
fn an_image_that_cannot_be_pulled_is_named_on_each_kind() {
    for kind in KINDS {
        let ns = cluster().namespace("pull");
        let target = format!("{kind}/web");
        Web::new(kind, "app:1").create(&ns);
        let (told, document) = failing(&ns, &target, "app:missing", &[]);
        assert_code(&told, 3);
        assert!(told.stderr.contains("error: the rollout of "), "{told}");
        assert!(told.stderr.contains("container app: image app:missing cannot be pulled"), "{told}");
        let way_back = format!("hint: to go back: kubectl rollback undo {target} -n {}", ns.name());
        assert!(told.stderr.contains(&way_back), "{told}");
        assert_eq!(told.stdout, "", "{told}");
        assert_eq!(document["state"], "failed", "{document}");
        let cause = &document["causes"][0];
        assert_eq!([&cause["id"], &cause["container"]], ["image-pull", "app"], "{document}");
        assert!(cause["pod"].as_str().is_some_and(|pod| pod.starts_with("web-")), "{document}");
        assert!(cause["evidence"].as_str().is_some_and(|it| it.contains("not found")), "{document}");
        let snapshot = rollback(&ns, &["status", &target, "--watch=false"]);
        assert_code(&snapshot, 3);
    }
}

#[test]
fn containers_that_do_not_run_are_told_apart() {
    for (image, id, words) in [
        ("app:crash", "crash-loop", "crashes (exit code 1, "),
        ("app:oom", "oom-killed", "was killed for using too much memory (exit code 137"),
        (
            "app:config",
            "config-missing",
            "ConfigMap app-config does not exist (configmap \"app-config\" not found)",
        ),
    ] {
        let ns = cluster().namespace("broken");
        Web::new("deployment", "app:1").create(&ns);
        let (told, document) = failing(&ns, "deployment/web", image, &["--patience=5s"]);
        assert_code(&told, 3);
        assert!(told.stderr.contains(&format!("  {id}: pod web-")), "{told}");
        assert!(told.stderr.contains(words), "{told}");
        assert_eq!(document["causes"][0]["id"], id, "{document}");
    }
}

#[test]
fn slow_but_healthy_pods_are_no_failure() {
    for kind in KINDS {
        let ns = cluster().namespace("slow");
        let target = format!("{kind}/web");
        Web::new(kind, "app:1").replicas(1).create(&ns);
        if kind == "daemonset" {
            let all = r#"{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":"100%"}}}}"#;
            ns.kubectl(&["patch", &target, "-p", all]).expect_ok();
        }
        set_image(&ns, &target, "app:slow");
        let complete = status(&ns, &target, &["-o", "json"]);
        assert_code(&complete, 0);
        assert_eq!(json(&complete)["causes"], serde_json::json!([]), "{complete}");
    }
}

#[test]
fn a_deployment_that_makes_no_progress_within_its_deadline_has_failed() {
    let ns = cluster().namespace("deadline");
    Web::new("deployment", "app:1").spec("progressDeadlineSeconds: 2").create(&ns);
    let (told, document) = failing(&ns, "deployment/web", "app:never", &[]);
    assert_code(&told, 3);
    assert!(told.stderr.contains("deadline: deployment/web exceeded its progress deadline"), "{told}");
    assert_eq!(document["causes"][0]["id"], "deadline", "{document}");
    let kubectl = ns.kubectl(&["rollout", "status", "deployment/web"]);
    assert_code(&kubectl, 1);
    assert!(kubectl.stderr.contains("exceeded its progress deadline"), "{kubectl}");

    // Healthy pods must not meet the deadline by being started on a slow machine.
    let patch = r#"{"spec":{"progressDeadlineSeconds":600}}"#;
    ns.kubectl(&["patch", "deployment/web", "-p", patch]).expect_ok();
    set_image(&ns, "deployment/web", "app:2");
    assert_code(&status(&ns, "deployment/web", &[]), 0);
}

#[test]
fn a_stuck_set_is_named_with_its_pod_and_with_what_frees_it() {
    let ns = cluster().namespace("stuckstatus");
    Web::new("statefulset", "app:1").create(&ns);
    set_image(&ns, "statefulset/web", "app:missing");
    broken(&ns, "app:missing", 1);
    set_image(&ns, "statefulset/web", "app:1");
    let (told, document) =
        (status(&ns, "statefulset/web", &[]), json(&status(&ns, "statefulset/web", &["-o", "json"])));
    assert_code(&told, 3);
    assert!(told.stderr.contains("  sts-stuck: pod web-2 blocks the set"), "{told}");
    let causes = document["causes"].as_array().cloned().unwrap_or_default();
    assert!(causes.iter().any(|it| it["id"] == "sts-stuck" && it["pod"] == "web-2"), "{document}");
    let way_on =
        document["hint"].as_str().and_then(|hint| hint.strip_prefix("to free it: kubectl ")).unwrap();
    assert_code(&ns.cluster().kubectl(&way_on.split(' ').collect::<Vec<_>>()), 0);
    assert_code(&status(&ns, "statefulset/web", &[]), 0);
}
