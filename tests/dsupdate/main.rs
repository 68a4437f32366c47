//! `kubectl dsupdate` end to end.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

mod drivers;
mod failures;
mod fleet;
mod hazards;
mod nodes;
mod obstacle;
mod refusals;
mod rollout;
mod steps;
mod stored;
mod strategy;

use e2e::{Web, assert_code, cluster, image, set_image};

#[test]
fn the_type_may_be_left_out_and_another_kind_is_refused() {
    let ns = cluster().namespace("dsupdate");
    Web::new("daemonset", "app:1").create(&ns);
    set_image(&ns, "daemonset/web", "app:2");
    assert_code(&ns.kubectl(&["dsupdate", "status", "web", "--timeout=60s"]), 0);
    let history = ns.kubectl(&["dsupdate", "history", "web"]).expect_ok();
    assert!(history.contains("app 1 -> 2"), "{history}");
    let undo = ns.kubectl(&["dsupdate", "undo", "web"]);
    assert_code(&undo, 0);
    assert_eq!(image(&ns, "daemonset/web"), "app:1");
    let wrong = ns.kubectl(&["dsupdate", "history", "deployment/web"]);
    assert_code(&wrong, 2);
    assert!(wrong.stderr.contains("deployment/web is not a daemonset"), "{wrong}");
}
