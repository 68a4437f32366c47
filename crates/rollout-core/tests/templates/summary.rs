//! The line that a table shows of a change.

use rollout_core::template::diff::{changes, summary};
use serde_json::{Value, json};

fn line(from: Value, to: Value) -> String {
    summary(&changes(&from, &to))
}

fn images(from: &str, to: &str) -> String {
    let pod = |image: &str| json!({"spec": {"containers": [{"name": "nginx", "image": image}]}});
    line(pod(from), pod(to))
}

#[test]
fn images_come_first_and_only_as_far_as_they_differ() {
    assert_eq!(images("nginx:1.7.9", "nginx:1.9.1"), "nginx 1.7.9 -> 1.9.1");
    assert_eq!(images("nginx:1.7.9", "httpd:2.4"), "nginx nginx:1.7.9 -> httpd:2.4");
    assert_eq!(images("nginx", "nginx:1"), "nginx latest -> 1");
    assert_eq!(images("nginx", "nginx:latest"), "nginx nginx -> nginx:latest");
    assert_eq!(images("reg:5000/a/nginx:1", "reg:5000/a/nginx:2"), "nginx 1 -> 2");
    assert_eq!(images("reg:5000/nginx", "reg:5000/nginx:2"), "nginx latest -> 2");
    assert_eq!(images("reg:5000/nginx:1", "other/nginx:1"), "nginx reg:5000/nginx:1 -> other/nginx:1");
}

#[test]
fn digests_are_shortened() {
    let one = format!("nginx@sha256:{}", "0123456789abcdef".repeat(4));
    let two = format!("nginx:1@sha256:{}", "fedcba9876543210".repeat(4));
    assert_eq!(images(&one, &two), "nginx sha256:0123456 -> 1");
    assert_eq!(images(&two, "httpd:2"), "nginx nginx:1@sha256:fedcba9 -> httpd:2");
    let three = format!("nginx:1@sha256:{}", "00".repeat(32));
    assert_eq!(images(&two, &three), "nginx 1@sha256:fedcba9 -> 1@sha256:0000000");
}

#[test]
fn elements_are_counted_by_family_and_fields_are_named() {
    let from = json!({"spec": {
        "containers": [{"name": "nginx", "image": "nginx:1.7.9", "env": [{"name": "A", "value": "1"}, {"name": "B"}]}],
        "volumes": [{"name": "x"}, {"name": "y"}]}});
    let to = json!({"spec": {
        "containers": [{"name": "nginx", "image": "nginx:1.9.1", "env": [{"name": "A", "valueFrom": {}}, {"name": "C"}],
            "resources": {"limits": {"cpu": "1", "memory": "1"}}}],
        "hostNetwork": true}});
    assert_eq!(
        line(from, to),
        "nginx 1.7.9 -> 1.9.1; +1 env; -1 env; ~1 env; -2 volumes; resources; hostNetwork"
    );
}

#[test]
fn one_is_singular() {
    let from = json!({"spec": {"hostAliases": [{"ip": "1.1.1.1"}], "volumes": [{"name": "x"}]}});
    let to = json!({"metadata": {"labels": {"app": "b"}}, "spec": {"initContainers": [{"name": "wait"}]}});
    assert_eq!(line(from, to), "-1 hostAlias; -1 volume; +1 initContainer; +1 label");
}

#[test]
fn the_same_name_in_two_containers_counts_twice() {
    let pod = |value: &str| {
        let env = json!([{"name": "A", "value": value}]);
        json!({"spec": {"containers": [{"name": "a", "env": env}, {"name": "b", "env": env}]}})
    };
    assert_eq!(line(pod("1"), pod("2")), "~2 env");
}

#[test]
fn a_restart_is_called_a_restart() {
    let at = |time: &str| json!({"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": time}}});
    assert_eq!(line(json!({}), at("1")), "restart");
    assert_eq!(line(at("1"), at("2")), "restart");
}

#[test]
fn an_order_is_named() {
    let pod = |names: [&str; 2]| json!({"spec": {"containers": [{"name": "a", "env": names.map(|n| json!({"name": n}))}]}});
    assert_eq!(line(pod(["A", "B"]), pod(["B", "A"])), "env order");
}

#[test]
fn nothing_is_no_change() {
    assert_eq!(summary(&[]), "no change");
    assert_eq!(line(json!({}), json!({"metadata": {"creationTimestamp": null}})), "no change");
    assert_eq!(line(json!({}), json!([])), "template");
}
