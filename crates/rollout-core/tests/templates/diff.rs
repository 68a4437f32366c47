//! Changes of templates as people read them.

use rollout_core::template::diff::{Change, changes, json_patch};
use serde_json::{Value, json};

/// Each change as `path: from -> to`, an absent side as `-`.
fn lines(from: Value, to: Value) -> Vec<String> {
    let side = |value: &Option<Value>| value.as_ref().map_or("-".to_string(), Value::to_string);
    changes(&from, &to)
        .iter()
        .map(|it| format!("{}: {} -> {}", it.path, side(&it.from), side(&it.to)))
        .collect()
}

fn container(fields: Value) -> Value {
    let mut container = json!({"name": "app", "image": "app:1"});
    for (key, value) in fields.as_object().expect("fields") {
        container[key] = value.clone();
    }
    json!({"spec": {"containers": [container]}})
}

#[test]
fn an_image_is_named_by_its_container() {
    let pod =
        |image: &str| json!({"spec": {"containers": [{"name": "side"}, {"name": "nginx", "image": image}]}});
    assert_eq!(
        lines(pod("nginx:1.7.9"), pod("nginx:1.9.1")),
        [r#"spec.containers[nginx].image: "nginx:1.7.9" -> "nginx:1.9.1""#]
    );
}

#[test]
fn elements_are_matched_by_their_keys_wherever_they_stand() {
    let env = |names: &[(&str, &str)]| {
        container(
            json!({"env": names.iter().map(|(n, v)| json!({"name": n, "value": v})).collect::<Vec<_>>()}),
        )
    };
    assert_eq!(
        lines(
            env(&[("A", "1"), ("LOG_LEVEL", "info"), ("OLD", "x")]),
            env(&[("NEW", "y"), ("A", "1"), ("LOG_LEVEL", "debug")])
        ),
        [
            r#"spec.containers[app].env[LOG_LEVEL].value: "info" -> "debug""#,
            r#"spec.containers[app].env[OLD]: {"name":"OLD","value":"x"} -> -"#,
            r#"spec.containers[app].env[NEW]: - -> {"name":"NEW","value":"y"}"#,
        ]
    );
}

#[test]
fn the_first_element_of_a_list_is_one_change_of_that_element() {
    assert_eq!(
        lines(
            container(json!({})),
            container(
                json!({"env": [{"name": "A"}], "resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "2"}}})
            )
        ),
        [
            r#"spec.containers[app].env[A]: - -> {"name":"A"}"#,
            r#"spec.containers[app].resources.limits.cpu: - -> "1""#,
            r#"spec.containers[app].resources.limits["nvidia.com/gpu"]: - -> "2""#,
        ]
    );
}

#[test]
fn ports_are_told_apart_by_number_and_protocol() {
    assert_eq!(
        lines(
            container(
                json!({"ports": [{"containerPort": 53, "name": "a"}, {"containerPort": 53, "protocol": "UDP"}]})
            ),
            container(json!({"ports": [{"containerPort": 53, "protocol": "TCP", "name": "a"}]})),
        ),
        [
            r#"spec.containers[app].ports[53].protocol: - -> "TCP""#,
            r#"spec.containers[app].ports[53/UDP]: {"containerPort":53,"protocol":"UDP"} -> -"#,
        ]
    );
}

#[test]
fn a_moved_element_is_a_change_of_order_only() {
    let order = |list: &str, names: [&str; 3]| json!({"spec": {list: names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}});
    for list in ["initContainers", "containers", "volumes"] {
        assert_eq!(
            lines(order(list, ["a", "b", "c"]), order(list, ["c", "a", "b"])),
            [format!(r#"spec.{list} order: ["a","b","c"] -> ["c","a","b"]"#)]
        );
    }
}

#[test]
fn a_key_that_occurs_twice_loses_nothing() {
    let env = |values: &[&str]| {
        container(json!({"env": values.iter().map(|v| json!({"name": "A", "value": v})).collect::<Vec<_>>()}))
    };
    assert_eq!(
        lines(env(&["1", "2"]), env(&["1", "3", "4"])),
        [
            r#"spec.containers[app].env[A#2].value: "2" -> "3""#,
            r#"spec.containers[app].env[A#3]: - -> {"name":"A","value":"4"}"#,
        ]
    );
}

#[test]
fn tolerations_are_a_set_of_what_they_say() {
    let one = json!({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"});
    let other = json!({"effect": "NoExecute", "key": "node", "value": "x", "tolerationSeconds": 60});
    assert_eq!(
        lines(
            json!({"spec": {"tolerations": [one, {"effect": "A"}]}}),
            json!({"spec": {"tolerations": [other, {"effect": "A"}]}})
        ),
        [
            format!("spec.tolerations[gpu:NoSchedule op=Exists]: {one} -> -"),
            format!("spec.tolerations[node=x:NoExecute for 60s]: - -> {other}"),
        ]
    );
}

#[test]
fn short_commands_are_shown_whole_and_long_ones_by_place() {
    assert_eq!(
        lines(container(json!({"args": ["a", "b"]})), container(json!({"args": ["a", "c", "b"]}))),
        [r#"spec.containers[app].args: ["a","b"] -> ["a","c","b"]"#]
    );
    let long: Vec<String> = (0..30).map(|n| format!("--flag={n}")).collect();
    let mut other = long.clone();
    other[3] = "--changed".into();
    other.insert(20, "--one-more".into());
    other.remove(25);
    assert_eq!(
        lines(container(json!({"args": long})), container(json!({"args": other}))),
        [
            r#"spec.containers[app].args[3]: "--flag=3" -> "--changed""#,
            r#"spec.containers[app].args[20]: - -> "--one-more""#,
            r#"spec.containers[app].args[24]: "--flag=24" -> -"#,
        ]
    );
}

#[test]
fn lists_of_objects_without_keys_are_followed_into() {
    let affinity = |value: &str| {
        json!({"spec": {"affinity": {"nodeAffinity": {"terms": [
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": [value]}]}, {"matchExpressions": []}]}}}})
    };
    assert_eq!(
        lines(affinity("a"), affinity("b")),
        [r#"spec.affinity.nodeAffinity.terms[0].matchExpressions[0].values: ["a"] -> ["b"]"#]
    );
}

#[test]
fn a_restart_is_a_change_of_one_annotation() {
    assert_eq!(
        lines(
            json!({"metadata": {}}),
            json!({"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "x"}}})
        ),
        [r#"metadata.annotations["kubectl.kubernetes.io/restartedAt"]: - -> "x""#]
    );
}

#[test]
fn what_is_no_template_at_all_is_one_change() {
    let all = changes(&Value::Null, &json!([1]));
    assert_eq!(all, [Change { path: String::new(), from: Some(Value::Null), to: Some(json!([1])) }]);
}

#[test]
fn absent_sides_are_left_out_of_documents() {
    let all = changes(&container(json!({"tty": true})), &container(json!({"stdin": true})));
    assert_eq!(
        serde_json::to_value(all).unwrap(),
        json!([
            {"path": "spec.containers[app].tty", "from": true},
            {"path": "spec.containers[app].stdin", "to": true},
        ])
    );
}

#[test]
fn the_patch_speaks_of_what_is_written() {
    let from = json!({"$patch": "replace", "metadata": {"labels": {"a": "1", "pod-template-hash": "x"}}});
    let to = json!({"metadata": {"labels": {"a": "2", "pod-template-hash": "y"}}});
    assert_eq!(
        serde_json::to_value(json_patch(&from, &to)).unwrap(),
        json!([{"op": "replace", "path": "/metadata/labels/a", "value": "2"}])
    );
}
