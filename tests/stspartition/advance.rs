//! `advance`: more pods at the new revision, up to all of them.

use std::thread;
use std::time::{Duration, Instant};

use e2e::{LONG, Running, Web, assert_code, broken, cluster, json, pods, set_image, uids};
use serde_json::json;

use crate::scene::{SET, images, partition, partitioned, rests, rolled, scale, sts};

/// What a set of four pods runs.
fn four(wanted: [&str; 4]) -> Vec<String> {
    wanted.map(String::from).to_vec()
}

#[test]
fn a_set_is_advanced_pod_by_pod_by_per_cent_and_to_the_end() {
    let ns = cluster().namespace("advance");
    partitioned(4).replicas(4).create(&ns);
    set_image(&ns, SET, "app:2");
    let one = sts(&ns, &["advance", "web"]);
    assert_code(&one, 0);
    let says = "statefulset.apps/web partition lowered: web-3 becomes new\n\
                held: partition 3 keeps 3 pods at an older revision\n";
    assert_eq!(one.stdout, says, "{one}");
    assert!(one.stderr.contains("  new, at revision 2: web-3\n  old, at revision 1: web-2, web-1, web-0\n"));
    assert_eq!(images(&ns), four(["app:1", "app:1", "app:1", "app:2"]));

    // Three quarters of four, and a little more, is all but none: rounded up.
    let most = sts(&ns, &["advance", "web", "--to", "51%", "-o", "json"]);
    assert_code(&most, 0);
    let document = json(&most);
    assert_eq!((&document["kind"], &document["outcome"]), (&json!("Result"), &json!("held")), "{most}");
    assert_eq!(document["plan"]["impact"]["pods"][1]["name"], "web-1", "{most}");
    assert_eq!((images(&ns), partition(&ns)), (four(["app:1", "app:2", "app:2", "app:2"]), 1));

    let end = sts(&ns, &["advance", "web", "--to=100%"]);
    assert_code(&end, 0);
    assert!(end.stdout.ends_with("statefulset \"web\" successfully rolled out\n"), "{end}");
    assert_eq!((images(&ns), partition(&ns)), (four(["app:2"; 4]), 0));
    let before = uids(&ns);
    for words in [&["advance", "web"][..], &["advance", "web", "--to=100%"], &["advance", "web", "--to=4"]] {
        let nothing = sts(&ns, words);
        assert_code(&nothing, 0);
        let says = "statefulset.apps/web unchanged: no old pod is held back by its partition\n";
        assert_eq!(nothing.stdout, says);
    }
    assert_eq!(uids(&ns), before);
}

#[test]
fn a_revision_that_fails_is_not_advanced_and_what_is_no_advance_is_refused() {
    let ns = cluster().namespace("advance-fails");
    partitioned(2).create(&ns);
    set_image(&ns, SET, "app:missing");
    broken(&ns, "app:missing", 1);
    let before = uids(&ns);
    let fails = sts(&ns, &["advance", "web"]);
    assert_code(&fails, 1);
    assert!(
        fails.stderr.starts_with("error: what is new already fails, and more would: pod web-2"),
        "{fails}"
    );
    let hint = format!("hint: to go back: kubectl stspartition undo web -n {}\n", ns.name());
    assert!(fails.stderr.ends_with(&hint), "{fails}");
    for (to, why) in [
        ("4", "4 pods cannot be new: there are 3"),
        ("1", "1 of 3 pods is no advance: its partition lets 1 be new already"),
        ("1%", "1 of 3 pods is no advance: its partition lets 1 be new already"),
    ] {
        let refused = sts(&ns, &["advance", "web", "--to", to]);
        assert_code(&refused, 1);
        assert!(refused.stderr.starts_with(&format!("error: {why} (")), "{refused}");
    }
    assert_eq!((uids(&ns), partition(&ns)), (before, 2));
    // The old template brings the old pod back.
    assert_code(&sts(&ns, &["undo", "web"]), 0);
    rests(&ns, &["app:1", "app:1", "app:1"]);
}

#[test]
fn a_pod_is_new_only_when_it_is_available() {
    let ns = cluster().namespace("advance-min-ready");
    partitioned(3).spec("minReadySeconds: 4").create(&ns);
    set_image(&ns, SET, "app:2");
    let start = Instant::now();
    let advanced = sts(&ns, &["advance", "web", "--to=2"]);
    // Twice four seconds, of which the API knows whole ones only. The controller's own count comes a little later.
    assert!(start.elapsed() >= Duration::from_secs(6), "{advanced}");
    assert_code(&advanced, 0);
    assert!(advanced.stdout.contains("web-2, web-1 become new"), "{advanced}");
    assert_eq!(images(&ns), ["app:1", "app:2", "app:2"]);
    ns.wait_until("all are available", LONG, || ns.get(&[SET])["status"]["availableReplicas"] == 3);
}

#[test]
fn parallel_sets_and_those_with_a_budget_are_advanced_too() {
    let budget =
        "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 4, maxUnavailable: 2 } }";
    let held = "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 4 } }";
    let spaces = [
        (cluster().namespace("advance-parallel"), held, Some("podManagementPolicy: Parallel")),
        (cluster().namespace("advance-budget"), budget, None),
        (cluster().namespace("advance-both"), budget, Some("podManagementPolicy: Parallel")),
    ];
    thread::scope(|scope| {
        for (ns, strategy, policy) in &spaces {
            scope.spawn(move || {
                let web = Web::new("statefulset", "app:1").replicas(4).spec(strategy);
                policy.iter().fold(web, |web, policy| web.spec(policy)).create(ns);
                // Not every server keeps it.
                let kept =
                    ns.get(&[SET])["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"].clone();
                set_image(ns, SET, "app:2");
                let half = sts(ns, &["advance", "web", "--to=50%"]);
                assert_code(&half, 0);
                assert_eq!(images(ns), four(["app:1", "app:1", "app:2", "app:2"]), "{half}");
                let least = if kept == 2 { "at least 2 of 4" } else { "at least 3 of 4" };
                assert!(half.stderr.contains(least), "{half}");
                assert_code(&sts(ns, &["advance", "web", "--to=100%"]), 0);
                assert_eq!(images(ns), four(["app:2"; 4]));
                let strategy = &ns.get(&[SET])["spec"]["updateStrategy"]["rollingUpdate"];
                assert_eq!((&strategy["partition"], &strategy["maxUnavailable"]), (&json!(0), &kept));
            });
        }
    });
}

#[test]
fn a_set_that_is_scaled_meanwhile_is_followed_all_the_same() {
    let ns = cluster().namespace("advance-scaled");
    partitioned(3).create(&ns);
    set_image(&ns, SET, "app:slow");
    let running = Running::plugin("stspartition", &ns, &["advance", "web", "--to=2", "--timeout=120s"]);
    running.says("partition lowered");
    scale(&ns, 4);
    let ended = running.ends();
    assert_code(&ended, 0);
    assert!(ended.stdout.ends_with("held: partition 1 keeps 1 pod at an older revision\n"), "{ended}");
    assert_eq!(images(&ns), four(["app:1", "app:slow", "app:slow", "app:slow"]));

    let ns = cluster().namespace("advance-down");
    rolled(&ns, 3, "app:slow");
    let running = Running::plugin("stspartition", &ns, &["advance", "web", "--to=2", "--timeout=120s"]);
    running.says("partition lowered");
    scale(&ns, 2);
    let ended = running.ends();
    assert_code(&ended, 0);
    assert!(ended.stdout.ends_with("held: partition 1 keeps 1 pod at an older revision\n"), "{ended}");
    ns.wait_until("one is old, one is new", LONG, || images(&ns) == ["app:1", "app:slow"]);

    // Nothing is held in a set without pods; its partition can still be ended.
    scale(&ns, 0);
    ns.wait_until("the pods are gone", LONG, || pods(&ns).is_empty());
    let nothing = sts(&ns, &["advance", "web"]);
    assert_code(&nothing, 0);
    assert!(nothing.stdout.contains("unchanged"), "{nothing}");
    let end = sts(&ns, &["advance", "web", "--to=100%"]);
    assert_code(&end, 0);
    assert_eq!(partition(&ns), 0);
}

#[test]
fn a_set_that_is_scaled_to_nothing_meanwhile_ends_the_advance() {
    let ns = cluster().namespace("advance-zero");
    rolled(&ns, 3, "app:slow");
    let running = Running::plugin("stspartition", &ns, &["advance", "web", "--timeout=120s"]);
    running.says("partition lowered");
    scale(&ns, 0);
    assert_code(&running.ends(), 0);
    assert!(pods(&ns).is_empty());
}
