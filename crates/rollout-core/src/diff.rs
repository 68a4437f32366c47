//! What differs between two pod templates, field by field, in the way in which Kubernetes reads them.
//!
//! Lists are matched by the merge keys of the API (`patchMergeKey` in k8s.io/api/core/v1), so that one more variable is
//! one change and not a shift of all others.

mod list;
mod path;
mod summary;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::template;

pub use summary::summary;

/// Maps whose absence means the same as being empty: one more entry is one change, not a change of the whole map.
const MAPS: [&str; 8] =
    ["metadata", "labels", "annotations", "nodeSelector", "resources", "limits", "requests", "matchLabels"];

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The field, e.g. `spec.containers[nginx].image`; empty when the templates have no field in common.
    pub path: String,
    /// The value before; absent when the field is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The value after; absent when the field is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// Returns what differs between two templates; nothing when, and only when, [`template::same`] holds.
pub fn changes(from: &Value, to: &Value) -> Vec<Change> {
    changes_of_normal(&template::normal(from), &template::normal(to))
}

/// Returns the same of templates that are in their normal form already.
pub(crate) fn changes_of_normal(from: &Value, to: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    values("", "", from, to, &mut changes);
    changes
}

/// Returns the JSON patch that turns the one template, as it is written, into the other.
pub fn json_patch(from: &Value, to: &Value) -> json_patch::Patch {
    json_patch::diff(&template::writable(from), &template::writable(to))
}

/// Compares two values of one field.
fn values(path: &str, field: &str, from: &Value, to: &Value, changes: &mut Vec<Change>) {
    match (from, to) {
        _ if from == to => {}
        (Value::Object(from), Value::Object(to)) => objects(path, from, to, changes),
        (Value::Array(from), Value::Array(to)) => list::lists(path, field, from, to, changes),
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
            _,
        ) => changes.push(change(path, Some(from), Some(to))),
    }
}

fn objects(path: &str, from: &Map<String, Value>, to: &Map<String, Value>, changes: &mut Vec<Change>) {
    for key in from.keys().chain(to.keys().filter(|key| !from.contains_key(*key))) {
        member(&path::field(path, key), key, from.get(key), to.get(key), changes);
    }
}

/// Compares a member that one side may lack.
fn member(path: &str, key: &str, from: Option<&Value>, to: Option<&Value>, changes: &mut Vec<Change>) {
    let one = from.or(to);
    match one.and_then(|value| empty_like(key, value)) {
        Some(empty) => values(path, key, from.unwrap_or(&empty), to.unwrap_or(&empty), changes),
        None => match (from, to) {
            (Some(from), Some(to)) => values(path, key, from, to, changes),
            (Some(_), None) | (None, Some(_)) => changes.push(change(path, from, to)),
            (None, None) => {}
        },
    }
}

/// Returns the empty value that stands for an absent one, where what is inside is to be told one by one.
fn empty_like(key: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) if !fields.is_empty() && MAPS.contains(&key) => Some(Value::Object(Map::new())),
        Value::Array(items) if list::keyed(key, items) => Some(Value::Array(Vec::new())),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    }
}

fn change(path: &str, from: Option<&Value>, to: Option<&Value>) -> Change {
    Change { path: path.to_string(), from: from.cloned(), to: to.cloned() }
}
