//! The walk over two values, field by field: what is an object, a list, or differs. They are read as if they were in their
//! normal form, which is not made: of templates in a long history that would be a copy for each neighbour.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::template::diff::change::{Change, change};
use crate::template::diff::hunks::hunks;
use crate::template::diff::key::{Key, Label, key_of, labels};
use crate::template::diff::path;
use crate::template::form::{self, EMPTY_IS_ABSENT, equal, members};

/// Compares two values of one field.
pub(super) fn values(path: &str, field: &str, from: &Value, to: &Value, changes: &mut Vec<Change>) {
    match (from, to) {
        _ if equal(from, to) => {}
        (Value::Object(from), Value::Object(to)) => objects(path, from, to, changes),
        (Value::Array(from), Value::Array(to)) => lists(path, field, from, to, changes),
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
    let both = members(from).map(|(key, value)| (key, Some(value), form::member(to, key)));
    let new = members(to).filter(|(key, _)| form::member(from, key).is_none());
    for (key, from, to) in both.chain(new.map(|(key, value)| (key, None, Some(value)))) {
        member(&path::field(path, key), key, from, to, changes);
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
        // One more entry is one change, and not a change of the whole map.
        Value::Object(_) if EMPTY_IS_ABSENT.contains(&key) => Some(Value::Object(Map::new())),
        Value::Array(items) if keyed(key, items) => Some(Value::Array(Vec::new())),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    }
}

/// A list of scalars up to this length is shown as a whole when it differs.
const SHORT: usize = 12;

/// Tells whether the list has a merge key that all its elements carry.
pub(super) fn keyed(field: &str, items: &[Value]) -> bool {
    !items.is_empty() && key_of(field).is_some_and(|key| items.iter().all(|item| key.label(item).is_some()))
}

/// Compares two lists of one field.
pub(super) fn lists(path: &str, field: &str, from: &[Value], to: &[Value], changes: &mut Vec<Change>) {
    let labelled = |key: Key| Some((labels(key, from)?, labels(key, to)?));
    match key_of(field).and_then(labelled) {
        Some((from_labels, to_labels)) => by_key(path, (from, from_labels), (to, to_labels), changes),
        None if from.iter().chain(to).all(is_scalar) && from.len().max(to.len()) <= SHORT => {
            changes.push(Change {
                path: path.to_string(),
                from: Some(Value::Array(from.to_vec())),
                to: Some(Value::Array(to.to_vec())),
            });
        }
        None => by_place(path, from, to, changes),
    }
}

fn by_key(path: &str, from: (&[Value], Vec<Label>), to: (&[Value], Vec<Label>), changes: &mut Vec<Change>) {
    let place = |labels: &[Label]| -> HashMap<(String, usize), usize> {
        labels.iter().enumerate().map(|(place, (_, identity))| (identity.clone(), place)).collect()
    };
    let (in_from, in_to) = (place(&from.1), place(&to.1));
    let mut common = Vec::new();
    for (item, (label, identity)) in from.0.iter().zip(&from.1) {
        let path = path::element(path, label);
        match in_to.get(identity) {
            Some(&place) => {
                common.push(place);
                values(&path, "", item, &to.0[place], changes);
            }
            None => changes.push(change(&path, Some(item), None)),
        }
    }
    for (item, (label, identity)) in to.0.iter().zip(&to.1) {
        if !in_from.contains_key(identity) {
            changes.push(change(&path::element(path, label), None, Some(item)));
        }
    }
    if !common.is_sorted() {
        let names =
            |labels: &[Label]| Some(labels.iter().map(|(label, _)| Value::from(label.as_str())).collect());
        changes.push(Change {
            path: format!("{path}{}", path::ORDER),
            from: names(&from.1),
            to: names(&to.1),
        });
    }
}

/// Compares lists without a key by what their longest common part leaves over.
fn by_place(path: &str, from: &[Value], to: &[Value], changes: &mut Vec<Change>) {
    for (gone, come) in hunks(from, to) {
        let (before, after) = (&from[gone.clone()], &to[come.clone()]);
        if before.len() == after.len() {
            for (place, (from, to)) in come.zip(before.iter().zip(after)) {
                values(&path::element(path, &place.to_string()), "", from, to, changes);
            }
        } else {
            let gone = gone.zip(before).map(|(place, item)| (place, Some(item), None));
            let come = come.zip(after).map(|(place, item)| (place, None, Some(item)));
            for (place, from, to) in gone.chain(come) {
                changes.push(change(&path::element(path, &place.to_string()), from, to));
            }
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(_) | Value::Object(_) => false,
    }
}
