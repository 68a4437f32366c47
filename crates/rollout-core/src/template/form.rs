//! Pod templates as JSON values: what is compared, and what is written back.
//!
//! A template stays a [`Value`] from read to patch, so that fields which this program does not know survive.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use fnv::FnvHasher;
use serde_json::{Map, Value};

/// The label that the Deployment controller adds to the templates of its ReplicaSets.
pub const HASH_LABEL: &str = "pod-template-hash";
/// The annotation that `kubectl rollout restart` sets in the template.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Objects whose absence means the same as being empty: structs that Go always writes, and maps.
pub(super) const EMPTY_IS_ABSENT: [&str; 8] =
    ["metadata", "labels", "annotations", "nodeSelector", "resources", "limits", "requests", "matchLabels"];

/// Returns the template as it is written into a workload: without what a revision object adds (`$patch` of a
/// ControllerRevision, `pod-template-hash` of a ReplicaSet, `creationTimestamp: null` of servers before 1.34).
pub fn writable(template: &Value) -> Value {
    into_writable(template.clone())
}

/// Returns the template as [`writable`] does, without a copy.
pub(crate) fn into_writable(mut template: Value) -> Value {
    if let Some(fields) = template.as_object_mut() {
        fields.shift_remove("$patch");
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        if metadata.get("creationTimestamp").is_some_and(Value::is_null) {
            metadata.shift_remove("creationTimestamp");
        }
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.shift_remove(HASH_LABEL);
        }
    }
    template
}

/// Returns the template in the one form in which equal templates are equal: [`writable`], without nulls and without
/// what is empty where empty means absent. Not for writing.
pub fn normal(template: &Value) -> Value {
    reduced(&bare(template))
}

/// Returns the normal form of a part of a template.
pub(super) fn reduced(part: &Value) -> Value {
    let mut reduced = part.clone();
    reduce(&mut reduced);
    reduced
}

/// Returns the template as [`writable`] does; without a copy where it is so.
pub(super) fn bare(template: &Value) -> Cow<'_, Value> {
    let more = template.get("$patch").is_some()
        || template.pointer("/metadata/labels").is_some_and(|it| it.get(HASH_LABEL).is_some());
    match more {
        true => Cow::Owned(writable(template)),
        // A null is gone in the normal form anyway.
        false => Cow::Borrowed(template),
    }
}

/// Returns a number that all templates have which mean the same as this one, and hardly another: of many templates not each has
/// to be compared with each. Not [`writable`] ones have others.
pub fn fingerprint(template: &Value) -> u64 {
    let mut state = FnvHasher::default();
    match template {
        Value::Object(fields) => {
            // In whatever order they are.
            let members = members(fields).map(|(key, value)| {
                let mut member = FnvHasher::default();
                (key, fingerprint(value)).hash(&mut member);
                member.finish()
            });
            members.fold(0, u64::wrapping_add).hash(&mut state);
        }
        Value::Array(items) => items.iter().for_each(|item| fingerprint(item).hash(&mut state)),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            scalar.hash(&mut state);
        }
    }
    state.finish()
}

/// Returns the members of an object that are left of it in the normal form.
pub(super) fn members(fields: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    fields.iter().filter(|(key, value)| !is_absent(key, value))
}

/// Returns a member of an object where it is left in the normal form.
pub(super) fn member<'v>(fields: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    fields.get(key).filter(|value| !is_absent(key, value))
}

/// Tells whether nothing is left of a field in the normal form.
fn is_absent(key: &str, value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            EMPTY_IS_ABSENT.contains(&key) && fields.iter().all(|(key, value)| is_absent(key, value))
        }
        Value::Null | Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            means_absent(key, value)
        }
    }
}

/// Tells whether two templates mean the same. Bytes differ between server versions (kubernetes#134773), meanings do not.
pub fn same(one: &Value, other: &Value) -> bool {
    equal(&bare(one), &bare(other))
}

/// Tells whether two values of one field have the same normal form, without making it.
pub(super) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let in_other =
                |(key, value): (&String, &Value)| member(other, key).is_some_and(|it| equal(value, it));
            members(one).all(in_other) && members(one).count() == members(other).count()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
            _,
        ) => one == other,
    }
}

/// Tells whether two templates mean the same but for the time of a restart.
pub fn same_but_restart(one: &Value, other: &Value) -> bool {
    let without = |template: &Value| {
        let mut template = template.clone();
        if let Some(annotations) =
            template.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
        {
            annotations.shift_remove(RESTARTED_AT);
        }
        normal(&template)
    };
    without(one) == without(other)
}

/// Returns the template as `kubectl rollout restart` leaves it.
pub fn restarted(template: &Value, at: &str) -> Value {
    let mut restarted = template.clone();
    // What is absent becomes an object; a null may stand there too.
    restarted["metadata"]["annotations"][RESTARTED_AT] = Value::String(at.to_string());
    restarted
}

/// Returns the images by container, init containers first.
pub fn images(template: &Value) -> Vec<(String, String)> {
    let containers = |list: &str| template.pointer(list).and_then(Value::as_array).into_iter().flatten();
    containers("/spec/initContainers")
        .chain(containers("/spec/containers"))
        .filter_map(|container| {
            Some((container["name"].as_str()?.to_string(), container["image"].as_str()?.to_string()))
        })
        .collect()
}

/// Returns the pointers of all nulls in a template.
pub fn nulls(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    find_nulls(template, &mut String::new(), &mut found);
    found
}

fn find_nulls(value: &Value, at: &mut String, found: &mut Vec<String>) {
    let mut below = |step: &str, child: &Value| {
        let end = at.len();
        at.push('/');
        at.push_str(&step.replace('~', "~0").replace('/', "~1"));
        find_nulls(child, at, found);
        at.truncate(end);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, child)| below(key, child)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, child)| below(&n.to_string(), child)),
        Value::Null => found.push(at.clone()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn reduce(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(reduce);
            fields.retain(|key, value| !means_absent(key, value));
        }
        Value::Array(items) => items.iter_mut().for_each(reduce),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn means_absent(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty() && EMPTY_IS_ABSENT.contains(&key),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
