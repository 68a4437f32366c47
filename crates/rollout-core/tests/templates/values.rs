//! Generated pod templates: few names, so that keys meet and repeat, and every kind of list that the diff knows.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any JSON value of a small depth.
pub fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let keys = prop_oneof![
            Just("metadata"),
            Just("labels"),
            Just("env"),
            Just("ports"),
            Just("name"),
            Just("tolerations"),
            Just("a b\"]"),
            Just("spec"),
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((keys, inner), 0..4).prop_map(|fields| object(fields)),
        ]
    })
}

/// A pod template as a server, a client or a revision object would write it.
pub fn template() -> impl Strategy<Value = Value> {
    let metadata = (
        option::of(map(&["app", "tier", "pod-template-hash"])),
        option::of(map(&["kubectl.kubernetes.io/restartedAt", "note"])),
        option::of(Just(Value::Null)),
    )
        .prop_map(|(labels, annotations, created)| {
            fields([("labels", labels), ("annotations", annotations), ("creationTimestamp", created)])
        });
    (metadata, spec(), option::of(Just(json!("replace")))).prop_map(|(metadata, spec, patch)| {
        fields([("metadata", Some(metadata)), ("spec", Some(spec)), ("$patch", patch)])
    })
}

/// Two templates that are often nearly the same.
pub fn templates() -> impl Strategy<Value = (Value, Value)> {
    let spec_only = (template(), spec()).prop_map(|(from, spec)| {
        let mut to = from.clone();
        to["spec"] = spec;
        (from, to)
    });
    let one_list = (template(), container(), container()).prop_map(|(mut from, one, other)| {
        let mut to = from.clone();
        for (template, list) in [(&mut from, one), (&mut to, other)] {
            template["spec"]["containers"] = json!([list]);
        }
        (from, to)
    });
    let shuffled = (template(), any::<u8>()).prop_map(|(from, turn)| {
        let to = turned(&from, turn as usize);
        (from, to)
    });
    prop_oneof![(template(), template()), spec_only, one_list, shuffled]
}

/// The value with the fields of all objects turned round, and a null and an empty map where they mean nothing.
pub fn disguised(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut fields: Map<String, Value> =
                map.iter().rev().map(|(key, value)| (key.clone(), disguised(value))).collect();
            fields.insert("nothing".into(), Value::Null);
            fields.entry("nodeSelector").or_insert(json!({}));
            Value::Object(fields)
        }
        Value::Array(items) => items.iter().map(disguised).collect(),
        scalar => scalar.clone(),
    }
}

/// The value with all lists rotated.
fn turned(value: &Value, by: usize) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), turned(value, by))).collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| turned(item, by)).collect();
            let places = by % items.len().max(1);
            items.rotate_left(places);
            Value::from(items)
        }
        scalar => scalar.clone(),
    }
}

fn spec() -> impl Strategy<Value = Value> {
    let containers = || vec(container(), 0..3).prop_map(Value::from);
    let volumes = vec(named(json!({"emptyDir": {}})), 0..3).prop_map(Value::from);
    let aliases =
        vec("1.1.1.[12]".prop_map(|ip| json!({"ip": ip, "hostnames": ["a"]})), 0..3).prop_map(Value::from);
    let spread = vec(("[ab]", 1..3i64), 0..3).prop_map(|all| {
        all.into_iter()
            .map(|(key, skew)| json!({"topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "maxSkew": skew}))
            .collect()
    });
    (
        containers(),
        option::of(containers()),
        option::of(volumes),
        option::of(vec(toleration(), 0..3).prop_map(Value::from)),
        option::of(aliases),
        option::of(spread),
        option::of(map(&["disk", "zone"])),
        option::of(0..3i64),
    )
        .prop_map(|(containers, init, volumes, tolerations, aliases, spread, selector, grace)| {
            fields([
                ("containers", Some(containers)),
                ("initContainers", init),
                ("volumes", volumes),
                ("tolerations", tolerations),
                ("hostAliases", aliases),
                ("topologySpreadConstraints", spread),
                ("nodeSelector", selector),
                ("terminationGracePeriodSeconds", grace.map(Value::from)),
                ("unknownToAll", grace.map(|grace| json!([[grace], {"deep": [grace]}, []]))),
            ])
        })
}

/// A container.
fn container() -> impl Strategy<Value = Value> {
    let env = vec(named(json!({"value": "1"})), 0..4).prop_map(Value::from);
    let ports = vec((80..82u32, option::of("TCP|UDP"), option::of("[ab]")), 0..4).prop_map(|all| {
        let port = |(port, protocol, name): (u32, Option<String>, Option<String>)| {
            fields([
                ("containerPort", Some(json!(port))),
                ("protocol", protocol.map(Value::from)),
                ("name", name.map(Value::from)),
            ])
        };
        all.into_iter().map(port).collect()
    });
    let mounts = vec(("/[ab]", "[ab]"), 0..3).prop_map(|all| {
        all.into_iter().map(|(path, name)| json!({"mountPath": path, "name": name})).collect::<Value>()
    });
    (
        "[ab]",
        "app:[12]",
        option::of(env),
        option::of(ports),
        option::of(mounts),
        option::of(vec("[abc]", 0..5).prop_map(Value::from)),
        option::of(vec("[abc]", 10..20).prop_map(Value::from)),
        option::of(map(&["cpu", "memory"])),
    )
        .prop_map(|(name, image, env, ports, mounts, command, args, limits)| {
            fields([
                ("name", Some(json!(name))),
                ("image", Some(json!(image))),
                ("env", env),
                ("ports", ports),
                ("volumeMounts", mounts),
                ("command", command),
                ("args", args),
                ("resources", limits.map(|limits| json!({"limits": limits}))),
            ])
        })
}

fn toleration() -> impl Strategy<Value = Value> {
    (option::of("[ab]"), option::of("NoSchedule|NoExecute"), option::of(1..3i64)).prop_map(
        |(key, effect, seconds)| {
            fields([
                ("key", key.map(Value::from)),
                ("effect", effect.map(Value::from)),
                ("tolerationSeconds", seconds.map(Value::from)),
            ])
        },
    )
}

fn named(rest: Value) -> impl Strategy<Value = Value> {
    ("[abc]", any::<bool>()).prop_map(move |(name, bare)| {
        let mut item = if bare { json!({}) } else { rest.clone() };
        item["name"] = json!(name);
        item
    })
}

fn map(keys: &[&'static str]) -> impl Strategy<Value = Value> + use<> {
    let keys = keys.to_vec();
    vec((proptest::sample::select(keys), "[12]"), 0..3)
        .prop_map(|fields| object(fields.into_iter().map(|(key, value)| (key, Value::from(value))).collect()))
}

fn object(fields: Vec<(&str, Value)>) -> Value {
    fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

fn fields<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    object(fields.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}
