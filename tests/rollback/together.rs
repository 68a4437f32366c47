//! Several workloads that go back together, or not at all.

use cluster::Namespace;
use e2e::scene::{next_second, quiet, rollback};
use e2e::{Web, assert_code, cluster, image, json, set_image};

const BOTH: [&str; 2] = ["deployment/web", "deployment/shop"];

/// Two Deployments, each with a predecessor; that of the shop has this image.
fn two<'a>(before: &str) -> Namespace<'a> {
    let ns = cluster().namespace("together");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    // Its first pod may never get ready.
    e2e::create(&ns, &Web::new("deployment", before).named("shop").replicas(1).yaml());
    e2e::observed(&ns, BOTH[1]);
    for target in BOTH {
        set_image(&ns, target, "app:2");
        quiet(&ns, target);
    }
    ns
}

fn images(ns: &Namespace<'_>) -> [String; 2] {
    BOTH.map(|target| image(ns, target))
}

#[test]
fn one_that_does_not_get_healthy_takes_all_of_them_back() {
    let ns = two("app:missing");
    let words = ["undo", BOTH[0], BOTH[1], "-y", "--allow=target-unavailable", "--timeout=60s"];
    let undo = rollback(&ns, &[&words[..], &["--all-or-none", "-o", "json"]].concat());
    assert_code(&undo, 5);
    assert_eq!(images(&ns), ["app:2", "app:2"]);
    let document = json(&undo);
    let causes: Vec<&str> = document["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["causes"][0]["id"].as_str().unwrap())
        .collect();
    assert_eq!(causes, ["together", "image-pull"], "{document}");
}

#[test]
fn those_that_get_healthy_stay() {
    let ns = two("app:3");
    let undo = rollback(&ns, &["undo", BOTH[0], BOTH[1], "-y", "--all-or-none", "--timeout=60s"]);
    assert_code(&undo, 0);
    assert_eq!(images(&ns), ["app:1", "app:3"]);
}

#[test]
fn of_several_with_one_that_cannot_be_answered_nothing_is_done_unless_a_part_is_enough() {
    let ns = cluster().namespace("partial");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    next_second();
    Web::new("deployment", "app:1").named("shop").replicas(1).create(&ns);
    next_second();
    set_image(&ns, BOTH[0], "app:2");
    BOTH.iter().for_each(|target| quiet(&ns, target));
    // Before there was a shop.
    let shop = ns.get(&[BOTH[1]]);
    let at = shop["metadata"]["creationTimestamp"].as_str().unwrap().to_string();
    let words = ["undo", BOTH[0], BOTH[1], "-y", "--to-time", &at];
    let refused = rollback(&ns, &words);
    assert_code(&refused, 1);
    assert!(refused.stderr.contains("error: nothing was done to the other 1 workload either\n"), "{refused}");
    assert!(refused.stderr.ends_with("hint: --partial goes on with the others\n"), "{refused}");
    assert_eq!(image(&ns, BOTH[0]), "app:2");
    let part = rollback(&ns, &[&words[..], &["--partial"]].concat());
    assert_code(&part, 1);
    assert_eq!(image(&ns, BOTH[0]), "app:1", "{part}");
    let usage = rollback(&ns, &["undo", BOTH[0], "--partial"]);
    assert_code(&usage, 2);
}
