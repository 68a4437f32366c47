//! Lists: matched by merge key, as a set, or by their longest common part.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::template::form::members;

/// How the elements of a list are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// By one field.
    Field(&'static str),
    /// By container port and protocol.
    Port,
    /// By topology key and what happens when it cannot be satisfied.
    Spread,
    /// By all they say.
    Content,
}

/// The merge keys of k8s.io/api/core/v1/types.go; tolerations have none and are a set.
pub(super) fn key_of(field: &str) -> Option<Key> {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims"
        | "claims"
        | "schedulingGates" => Some(Key::Field("name")),
        "volumeMounts" => Some(Key::Field("mountPath")),
        "volumeDevices" => Some(Key::Field("devicePath")),
        "hostAliases" => Some(Key::Field("ip")),
        "readinessGates" => Some(Key::Field("conditionType")),
        "ports" => Some(Key::Port),
        "topologySpreadConstraints" => Some(Key::Spread),
        "tolerations" => Some(Key::Content),
        _ => None,
    }
}

impl Key {
    /// Returns what an element is called in a path; absent where it lacks the key.
    pub(super) fn label(self, item: &Value) -> Option<String> {
        let text = |name: &str| item.get(name)?.as_str();
        match self {
            Key::Field(name) => text(name).map(str::to_string),
            Key::Port => {
                let port = item.get("containerPort")?.as_u64()?;
                Some(match text("protocol").unwrap_or("TCP") {
                    "TCP" => port.to_string(),
                    protocol => format!("{port}/{protocol}"),
                })
            }
            Key::Spread => Some(format!("{}/{}", text("topologyKey")?, text("whenUnsatisfiable")?)),
            Key::Content => item.is_object().then(|| toleration(item)),
        }
    }

    /// Returns what makes an element the same one on both sides.
    fn identity(self, item: &Value, label: &str) -> String {
        match self {
            Key::Field(_) | Key::Port | Key::Spread => label.to_string(),
            Key::Content => canonical(item),
        }
    }
}

/// Writes a toleration as `kubectl describe` does.
fn toleration(item: &Value) -> String {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut words = text("key").to_string();
    for (lead, name) in [("=", "value"), (":", "effect"), (" op=", "operator")] {
        if !text(name).is_empty() {
            words.push_str(lead);
            words.push_str(text(name));
        }
    }
    if let Some(seconds) = item.get("tolerationSeconds").and_then(Value::as_i64) {
        words.push_str(&format!(" for {seconds}s"));
    }
    words
}

/// Writes a value's normal form, whatever the order of its fields.
fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields: BTreeMap<_, _> = members(fields).collect();
                fields.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }
    sorted(value).to_string()
}

/// An element's label and identity, and the how-manieth with that identity it is: a key may occur twice.
pub(super) type Label = (String, (String, usize));

pub(super) fn labels(key: Key, items: &[Value]) -> Option<Vec<Label>> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut label = |item: &Value| {
        let label = key.label(item)?;
        let identity = key.identity(item, &label);
        let count = seen.entry(identity.clone()).or_default();
        *count += 1;
        let label = if *count == 1 { label } else { format!("{label}#{count}") };
        Some((label, (identity, *count)))
    };
    items.iter().map(&mut label).collect()
}
