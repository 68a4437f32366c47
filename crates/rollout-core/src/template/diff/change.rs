//! One field that differs.

use serde::Serialize;
use serde_json::Value;

use crate::template::form::reduced;

pub(super) fn change(path: &str, from: Option<&Value>, to: Option<&Value>) -> Change {
    Change { path: path.to_string(), from: from.map(reduced), to: to.map(reduced) }
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
