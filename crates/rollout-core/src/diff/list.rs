//! Lists: matched by merge key, as a set, or by their longest common part.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::path;
use super::{Change, change, values};

/// A list of scalars up to this length is shown as a whole when it differs.
const SHORT: usize = 12;
/// Above this many pairs the longest common part is not looked for.
const MANY: usize = 1_000_000;

/// How the elements of a list are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// By one field.
    Field(&'static str),
    /// By container port and protocol.
    Port,
    /// By topology key and what happens when it cannot be satisfied.
    Spread,
    /// By all they say.
    Content,
}

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

/// The merge keys of k8s.io/api/core/v1/types.go; tolerations have none and are a set.
fn key_of(field: &str) -> Option<Key> {
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
    fn label(self, item: &Value) -> Option<String> {
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

/// Writes a value in one form whatever the order of its fields.
fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields: BTreeMap<_, _> = fields.iter().collect();
                fields.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }
    sorted(value).to_string()
}

/// An element's label and identity, and the how-manieth with that identity it is: a key may occur twice.
type Label = (String, (String, usize));

fn labels(key: Key, items: &[Value]) -> Option<Vec<Label>> {
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

type Hunk = (std::ops::Range<usize>, std::ops::Range<usize>);

/// Returns the stretches that differ, in order.
fn hunks(from: &[Value], to: &[Value]) -> Vec<Hunk> {
    let head = from.iter().zip(to).take_while(|(from, to)| from == to).count();
    let tail = from[head..].iter().rev().zip(to[head..].iter().rev()).take_while(|(f, t)| f == t).count();
    let (from_end, to_end) = (from.len() - tail, to.len() - tail);
    let (before, after) = (&from[head..from_end], &to[head..to_end]);
    if before.len() * after.len() > MANY {
        return vec![(head..from_end, head..to_end)];
    }
    let mut hunks: Vec<Hunk> = Vec::new();
    let (mut f, mut t) = (head, head);
    for (pair_f, pair_t) in common(before, after).into_iter().chain([(before.len(), after.len())]) {
        let (next_f, next_t) = (head + pair_f, head + pair_t);
        if f < next_f || t < next_t {
            hunks.push((f..next_f, t..next_t));
        }
        (f, t) = (next_f + 1, next_t + 1);
    }
    hunks
}

/// Returns the places of a longest common part.
fn common(from: &[Value], to: &[Value]) -> Vec<(usize, usize)> {
    let width = to.len() + 1;
    let mut longest = vec![0u32; (from.len() + 1) * width];
    for f in (0..from.len()).rev() {
        for t in (0..to.len()).rev() {
            longest[f * width + t] = match from[f] == to[t] {
                true => longest[(f + 1) * width + t + 1] + 1,
                false => longest[(f + 1) * width + t].max(longest[f * width + t + 1]),
            };
        }
    }
    let (mut f, mut t, mut pairs) = (0, 0, Vec::new());
    while f < from.len() && t < to.len() {
        if from[f] == to[t] {
            pairs.push((f, t));
            (f, t) = (f + 1, t + 1);
        } else if longest[(f + 1) * width + t] >= longest[f * width + t + 1] {
            f += 1;
        } else {
            t += 1;
        }
    }
    pairs
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(_) | Value::Object(_) => false,
    }
}
