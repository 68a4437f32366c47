//! Workloads that are being deleted, and that something keeps: they are said to be, and nothing is written to them.

use cluster::Namespace;
use e2e::scene::{for_each_kind, roll, rollback, version};
use e2e::{Web, assert_code, cluster, image, json};

/// Deletes a workload that a finalizer keeps.
fn deleted(ns: &Namespace<'_>, target: &str) {
    let patch = r#"{"metadata":{"finalizers":["example.com/keeps"]}}"#;
    ns.kubectl(&["patch", target, "--type=merge", "-p", patch]).expect_ok();
    ns.kubectl(&["delete", target, "--wait=false"]).expect_ok();
}

fn let_go(ns: &Namespace<'_>, target: &str) {
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    ns.kubectl(&["patch", target, "--type=merge", "-p", patch]).expect_ok();
}

#[test]
fn what_is_being_deleted_is_not_complete_and_not_written_to() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("deleting"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        deleted(&ns, &target);
        let before = version(&ns, &target);
        let status = rollback(&ns, &["status", &target, "-o", "json"]);
        assert_code(&status, 7);
        assert_eq!(json(&status)["state"], "held", "{status}");
        let said = rollback(&ns, &["status", &target]);
        assert!(
            said.stderr.contains("held: it is being deleted") || said.stdout.contains("it is being deleted")
        );
        for words in [&["undo", &target][..], &["pause", &target], &["try", &target, "app=app:3"]] {
            let refused = rollback(&ns, words);
            assert_code(&refused, 1);
            let sentence = format!("error: {kind}s.apps \"web\" is being deleted\n");
            assert_eq!(
                (refused.stderr.as_str(), refused.stdout.as_str()),
                (sentence.as_str(), ""),
                "{words:?}"
            );
        }
        let command =
            ["try", &target, "--", "kubectl", "set", "image", &target, "app=app:3", "-n", ns.name()];
        assert_code(&rollback(&ns, &command), 1);
        assert_eq!((version(&ns, &target), image(&ns, &target)), (before, "app:2".to_string()), "{kind}");
        let_go(&ns, &target);
    });
}

#[test]
fn one_that_is_deleted_while_it_is_guarded_is_not_taken_back() {
    let ns = cluster().namespace("deleting-guard");
    Web::new("deployment", "app:1").create(&ns);
    e2e::set_image(&ns, "deployment/web", "app:never");
    deleted(&ns, "deployment/web");
    let guard = rollback(&ns, &["guard", "deployment/web", "--timeout=10s"]);
    assert_code(&guard, 7);
    assert!(guard.stderr.contains("it is being deleted"), "{guard}");
    assert_eq!(image(&ns, "deployment/web"), "app:never");
    let_go(&ns, "deployment/web");
}
