//! Whether the older revision would meet the same: then to go back does not help.

use serde_json::{Map, Value};

use crate::history::revision::Revision;
use crate::judge::cause::Cause;
use crate::snapshot::Snapshot;

/// What decides on where a pod may run, and what it takes there.
const PLACING: [&str; 12] = [
    "nodeSelector",
    "nodeName",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "schedulerName",
    "schedulingGates",
    "priorityClassName",
    "runtimeClassName",
    "hostNetwork",
    "overhead",
    "resourceClaims",
];

/// Marks a cause that the older revision would meet too, where its template is like the present one in what it depends on.
pub(super) fn meets(snapshot: &Snapshot, cause: Cause, alike: impl Fn(&Value, &Value) -> bool) -> Cause {
    let older = older(snapshot).and_then(|it| it.template.as_ref());
    let old_too = older.is_some_and(|older| alike(snapshot.workload.template(), older));
    Cause { old_too: cause.old_too || old_too, ..cause }
}

/// Returns the revision to which one would go back.
fn older(snapshot: &Snapshot) -> Option<&Revision> {
    let history = &snapshot.history;
    history.last_good().ok().or_else(|| history.others().next())
}

/// Tells whether two templates ask for the same place: the same nodes, and as much of them.
pub(super) fn is_placed_alike(one: &Value, other: &Value) -> bool {
    placing(one) == placing(other)
}

fn placing(template: &Value) -> Value {
    let spec = &template["spec"];
    let mut parts: Map<String, Value> =
        PLACING.iter().filter_map(|field| Some((field.to_string(), spec.get(field)?.clone()))).collect();
    for list in ["initContainers", "containers"] {
        let takes = spec[list].as_array().into_iter().flatten().map(|container| {
            let ports = container["ports"].as_array().into_iter().flatten();
            let host = ports.filter_map(|port| port.get("hostPort")).cloned().collect();
            Value::Array(vec![container["resources"].clone(), Value::Array(host)])
        });
        parts.insert(list.to_string(), Value::Array(takes.collect()));
    }
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let claims = volumes.filter_map(|volume| volume.get("persistentVolumeClaim")).cloned().collect();
    parts.insert("claims".to_string(), Value::Array(claims));
    crate::template::form::normal(&Value::Object(parts))
}

/// Tells whether two templates both name an object.
pub(super) fn name_both(name: &str) -> impl Fn(&Value, &Value) -> bool {
    move |one, other| [one, other].into_iter().all(|template| mentions(template, name))
}

fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|it| mentions(it, name)),
        Value::Object(fields) => fields.values().any(|it| mentions(it, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Holds of whatever templates: nothing of them has a say.
pub(super) fn always(_: &Value, _: &Value) -> bool {
    true
}
