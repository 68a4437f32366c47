//! Small readers of JSON by pointer.

use serde_json::Value;

/// Returns the text at a pointer.
pub(crate) fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_string)
}

/// Returns the integer at a pointer.
pub(crate) fn int(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer)?.as_i64()
}

/// Returns the length of the list at a pointer, 0 where there is none.
pub(crate) fn list_len(value: &Value, pointer: &str) -> usize {
    value.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len)
}

pub(crate) fn count(object: &Value, pointer: &str) -> Option<u32> {
    int(object, pointer).map(|n| u32::try_from(n.max(0)).unwrap_or(u32::MAX))
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
