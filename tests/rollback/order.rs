//! Which pods an undo replaces, and in which order.

use std::collections::BTreeMap;

use cluster::{Namespace, Output};
use e2e::scene::{broken, json_lines, quiet, roll, rollback, uids};
use e2e::{LONG, Web, assert_code, cluster, pods, set_image};
use serde_json::Value;

/// When each pod of `web` was made, by its name.
fn made(ns: &Namespace<'_>) -> BTreeMap<String, String> {
    let list = ns.get(&["pods", "-l", "app=web"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    (list["items"].as_array().into_iter().flatten())
        .map(|pod| (text(&pod["metadata"]["name"]), text(&pod["metadata"]["creationTimestamp"])))
        .collect()
}

/// The pods that a plugin deleted because of the strategy, in order.
fn driven(output: &Output) -> Vec<String> {
    let events = json_lines(&output.stdout);
    let deleting = events.iter().filter(|it| it["event"] == "deleting" && it["why"] == "on-delete");
    deleting.map(|it| it["pod"].as_str().unwrap_or_default().to_string()).collect()
}

/// Deletes pods by hand and waits until there are as many again, all of them ready.
fn recreate(ns: &Namespace<'_>, names: &[&str]) {
    let before = uids(ns);
    ns.kubectl(&[["delete", "pods"].as_slice(), names].concat()).expect_ok();
    ns.wait_until("the pods are back", LONG, || {
        let list = ns.get(&["pods", "-l", "app=web"]);
        let pods: Vec<&Value> = list["items"].as_array().into_iter().flatten().collect();
        let ready = |pod: &&Value| {
            let conditions = pod["status"]["conditions"].as_array();
            pod["metadata"]["deletionTimestamp"].is_null()
                && conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True")
        };
        pods.len() == before.len() && pods.iter().all(ready)
    });
}

#[test]
fn a_daemon_set_rollback_restarts_no_pod_that_never_changed() {
    let (ns, target) = (cluster().namespace("order-daemonset"), "daemonset/web");
    Web::new("daemonset", "app:1").create(&ns);
    set_image(&ns, target, "app:missing");
    broken(&ns, "app:missing", 1);
    let before = pods(&ns);
    assert_code(&rollback(&ns, &["undo", target]), 0);
    quiet(&ns, target);
    let after = pods(&ns);
    assert_eq!(after.len(), before.len());
    assert!(after.iter().all(|(_, _, image)| image == "app:1"), "{after:?}");
    let kept = before.iter().filter(|pod| after.contains(pod)).count();
    assert_eq!(kept, before.len() - 1, "{before:?} became {after:?}");
}

#[test]
fn a_stateful_set_goes_back_from_the_highest_ordinal_down() {
    let (ns, target) = (cluster().namespace("order-statefulset"), "statefulset/web");
    // Each pod must be ready for two seconds before the next is made, so their times tell the order.
    Web::new("statefulset", "app:1").spec("minReadySeconds: 2").create(&ns);
    roll(&ns, target, "app:2");
    let before = uids(&ns);
    let output = rollback(&ns, &["undo", target]);
    assert_code(&output, 0);
    assert!(output.stderr.contains("pods: 3 replaced: web-2, web-1, web-0"), "{output}");
    let (made, after) = (made(&ns), uids(&ns));
    assert!(made["web-2"] < made["web-1"] && made["web-1"] < made["web-0"], "{made:?}");
    assert!(after.iter().all(|(name, uid)| before[name] != *uid), "{after:?}");
}

#[test]
fn an_on_delete_stateful_set_is_driven_from_the_highest_ordinal_down() {
    let (ns, target) = (cluster().namespace("order-driven"), "statefulset/web");
    let strategy = "updateStrategy: { type: OnDelete }";
    Web::new("statefulset", "app:1").spec(strategy).spec("minReadySeconds: 2").create(&ns);
    set_image(&ns, target, "app:2");
    recreate(&ns, &["web-2", "web-1", "web-0"]);
    quiet(&ns, target);
    assert!(pods(&ns).iter().all(|(_, _, image)| image == "app:2"));
    let output = rollback(&ns, &["undo", target, "-o", "json", "--output-watch-events"]);
    assert_code(&output, 0);
    assert_eq!(driven(&output), ["web-2", "web-1", "web-0"]);
    let made = made(&ns);
    assert!(made["web-2"] < made["web-1"] && made["web-1"] < made["web-0"], "{made:?}");
    assert!(pods(&ns).iter().all(|(_, _, image)| image == "app:1"));
}

#[test]
fn an_on_delete_daemon_set_is_driven_and_only_its_changed_pods_are_deleted() {
    let (ns, target) = (cluster().namespace("order-driven"), "daemonset/web");
    Web::new("daemonset", "app:1").spec("updateStrategy: { type: OnDelete }").create(&ns);
    set_image(&ns, target, "app:2");
    let first = pods(&ns).into_iter().map(|(name, _, _)| name).take(2).collect::<Vec<_>>();
    recreate(&ns, &first.iter().map(String::as_str).collect::<Vec<_>>());
    let before = pods(&ns);
    let mut changed: Vec<String> =
        before.iter().filter(|it| it.2 == "app:2").map(|(name, _, _)| name.clone()).collect();
    assert_eq!(changed.len(), 2, "{before:?}");
    let output = rollback(&ns, &["undo", target, "-o", "json", "--output-watch-events"]);
    assert_code(&output, 0);
    let mut deleted = driven(&output);
    deleted.sort();
    changed.sort();
    assert_eq!(deleted, changed);
    let after = pods(&ns);
    assert!(after.iter().all(|(_, _, image)| image == "app:1"), "{after:?}");
    assert_eq!(before.iter().filter(|pod| after.contains(pod)).count(), before.len() - 2);
}
