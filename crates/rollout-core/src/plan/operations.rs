//! The operations of JSON patches: what is tested, and what is written.

use serde_json::{Value, json};

use crate::history::revision::CHANGE_CAUSE;
use crate::objects::workload::Workload;
use crate::stored::STORED;

/// Returns the `updateStrategy` as it is.
pub(crate) fn strategy_of(workload: &Workload) -> Value {
    workload.object.pointer("/spec/updateStrategy").cloned().unwrap_or(Value::Null)
}

/// Returns the workload's metadata as it is when the annotation is written: the map of annotations exists by then.
pub(crate) fn with_annotations(workload: &Workload) -> Value {
    match workload.object.pointer("/metadata/annotations") {
        Some(map) if map.is_object() => json!({"metadata": {"annotations": map}}),
        Some(_) | None => json!({"metadata": {"annotations": {}}}),
    }
}

/// The key must be absent where it was: without the map, [`annotation_operations`] tests that (hazard H16).
pub(crate) fn stored_is(workload: &Workload) -> Option<Value> {
    let map = workload.object.pointer("/metadata/annotations").filter(|it| it.is_object())?;
    Some(test(&stored_path(), map.get(STORED).cloned().unwrap_or(Value::Null)))
}

/// Tests that what is stored stays what it is. Without annotations there is no path to a key (hazard H16).
pub(crate) fn stored_stays(workload: &Workload) -> Value {
    stored_is(workload).unwrap_or_else(|| test("/metadata/annotations", Value::Null))
}

/// Returns where a patch finds what is stored on an object.
pub(crate) fn stored_path() -> String {
    format!("/metadata/annotations/{}", STORED.replace('/', "~1"))
}

/// Makes a `test` operation of a JSON patch.
pub(crate) fn test(path: &str, value: Value) -> Value {
    json!({"op": "test", "path": path, "value": value})
}

/// Returns the operations that set an object's change cause, or take it away, and touch no other annotation.
pub(crate) fn cause_operations(object: &Value, cause: Option<&str>) -> Vec<Value> {
    let operations = annotation_operations(object, CHANGE_CAUSE, cause);
    match (cause, operations.is_empty()) {
        // The same reason may be left over from another change: this one is to carry it to its revision.
        (Some(cause), true) => vec![json!({"op": "add", "path": cause_path(), "value": cause})],
        (Some(_) | None, _) => operations,
    }
}

pub(crate) fn cause_path() -> String {
    format!("/metadata/annotations/{}", CHANGE_CAUSE.replace('/', "~1"))
}

/// Returns the operations that set an annotation of an object, or take it away, and touch no other.
///
/// Where the object has no annotations at all, the map is made first, guarded by a test that it is still absent: both
/// `test …/key null` and `add …/key` fail below a path that does not exist (hazard H16).
pub(crate) fn annotation_operations(object: &Value, key: &str, value: Option<&str>) -> Vec<Value> {
    const MAP: &str = "/metadata/annotations";
    let path = format!("{MAP}/{}", key.replace('~', "~0").replace('/', "~1"));
    let map = object.pointer(MAP).filter(|map| map.is_object());
    let known = map.and_then(|map| map.get(key));
    match (value, known) {
        (Some(value), Some(known)) if known == value => Vec::new(),
        (None, None) => Vec::new(),
        (None, Some(known)) => vec![test(&path, known.clone()), json!({"op": "remove", "path": path})],
        (Some(value), _) => {
            let add = json!({"op": "add", "path": path, "value": value});
            match map {
                Some(_) => vec![add],
                None => vec![test(MAP, Value::Null), json!({"op": "add", "path": MAP, "value": {}}), add],
            }
        }
    }
}

pub(crate) fn with_partition(strategy: &Value, partition: u32) -> Value {
    let mut rolling =
        strategy.get("rollingUpdate").filter(|it| it.is_object()).cloned().unwrap_or_else(|| json!({}));
    rolling["partition"] = json!(partition);
    rolling
}
