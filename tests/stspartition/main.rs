//! `kubectl stspartition` end to end.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

mod advance;
mod budget;
mod changes;
mod claims;
mod hazards;
mod hold;
mod input;
mod pods;
mod scene;
mod set;
mod steps;
mod unstick;

use e2e::{Web, assert_code, cluster, image, set_image};

#[test]
fn the_type_may_be_left_out_and_another_kind_is_refused() {
    let ns = cluster().namespace("stspartition");
    Web::new("statefulset", "app:1").create(&ns);
    set_image(&ns, "statefulset/web", "app:2");
    assert_code(&ns.kubectl(&["stspartition", "status", "web", "--timeout=60s"]), 0);
    let history = ns.kubectl(&["stspartition", "history", "web"]).expect_ok();
    assert!(history.contains("app 1 -> 2"), "{history}");
    let undo = ns.kubectl(&["stspartition", "undo", "web"]);
    assert_code(&undo, 0);
    assert_eq!(image(&ns, "statefulset/web"), "app:1");
    let wrong = ns.kubectl(&["stspartition", "history", "deployment/web"]);
    assert_code(&wrong, 2);
    assert!(wrong.stderr.contains("deployment/web is not a statefulset"), "{wrong}");
}
