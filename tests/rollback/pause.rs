//! `pause` and `resume`.

use e2e::scene::{for_each_kind, rollback};
use e2e::{LONG, Web, assert_code, cluster, image, observed, pods, settled};
use serde_json::Value;

/// What a pause touches, and nothing that the controllers write.
fn held_fields(object: &Value) -> (Value, Value, Value) {
    let note = object["metadata"]["annotations"]["rollout-plugins.dev/rollout"].clone();
    (object["spec"]["updateStrategy"].clone(), object["spec"]["paused"].clone(), note)
}

#[test]
fn a_paused_workload_stands_still_and_goes_on_when_it_is_resumed() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("pause");
        let target = format!("{kind}/web");
        Web::new(kind, "app:1").create(&ns);
        let (fields, before) = (held_fields(&ns.get(&[&target])), pods(&ns));

        let paused = rollback(&ns, &["pause", &target]);
        assert_code(&paused, 0);
        assert_eq!(paused.stdout, format!("{kind}.apps/web paused\n"));
        ns.kubectl(&["set", "image", &target, "app=app:2"]).expect_ok();
        observed(&ns, &target);
        let status = rollback(&ns, &["status", &target]);
        assert_code(&status, 7);
        assert_eq!(status.stdout, "held: it is paused\n");
        assert_eq!(pods(&ns), before, "{kind}");

        let again = rollback(&ns, &["pause", &target]);
        assert_code(&again, 1);
        assert_eq!(again.stderr, format!("error: {kind}s.apps \"web\" is already paused\n"));

        assert_code(&rollback(&ns, &["resume", &target]), 0);
        settled(&ns, &target);
        assert!(pods(&ns).iter().all(|(_, _, image)| image == "app:2"), "{kind}");
        assert_eq!(held_fields(&ns.get(&[&target])), fields, "{kind}");

        let idle = rollback(&ns, &["resume", &target]);
        assert_code(&idle, 1);
        assert_eq!(idle.stderr, format!("error: {kind}s.apps \"web\" is not paused\n"));
    });
}

#[test]
fn an_undo_of_what_is_paused_is_refused_and_may_resume_it_too() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("pause");
        let target = format!("{kind}/web");
        Web::new(kind, "app:1").create(&ns);
        e2e::set_image(&ns, &target, "app:2");
        settled(&ns, &target);
        let fields = held_fields(&ns.get(&[&target]));
        assert_code(&rollback(&ns, &["pause", &target]), 0);
        let refused = rollback(&ns, &["undo", &target]);
        assert_code(&refused, 1);
        let sentence = format!("error: you cannot rollback a paused {kind}; resume it first with");
        assert!(refused.stderr.lines().any(|line| line.starts_with(&sentence)), "{refused}");
        assert_eq!(image(&ns, &target), "app:2");
        assert_code(&rollback(&ns, &["undo", &target, "--resume"]), 0);
        assert_eq!(image(&ns, &target), "app:1");
        assert_eq!(held_fields(&ns.get(&[&target])), fields, "{kind}");
    });
}

#[test]
fn a_set_in_the_middle_keeps_what_is_new_also_when_it_dies() {
    let ns = cluster().namespace("pause");
    Web::new("statefulset", "app:1").create(&ns);
    ns.kubectl(&["set", "image", "sts/web", "app=app:slow"]).expect_ok();
    ns.wait_until("web-2 is new", LONG, || {
        pods(&ns).iter().any(|(name, _, image)| name == "web-2" && image == "app:slow")
    });
    let paused = rollback(&ns, &["pause", "sts/web"]);
    assert_code(&paused, 0);
    assert!(paused.stderr.contains("pods from web-2 up stay at the new revision"), "{paused}");
    let images = |ns: &cluster::Namespace<'_>| -> Vec<String> {
        pods(ns).into_iter().map(|(_, _, image)| image).collect()
    };
    assert_code(&rollback(&ns, &["status", "sts/web", "--timeout=60s"]), 7);
    assert_eq!(images(&ns), ["app:1", "app:1", "app:slow"]);
    let uid = pods(&ns)[2].1.clone();
    ns.kubectl(&["delete", "pod", "web-2", "--wait=false"]).expect_ok();
    ns.wait_until("web-2 came back", LONG, || pods(&ns).get(2).is_some_and(|(_, other, _)| *other != uid));
    assert_eq!(images(&ns), ["app:1", "app:1", "app:slow"]);
}
