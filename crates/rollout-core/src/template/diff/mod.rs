//! What differs between two pod templates, field by field, in the way in which Kubernetes reads them.
//!
//! Lists are matched by the merge keys of the API (`patchMergeKey` in k8s.io/api/core/v1), so that one more variable is
//! one change and not a shift of all others.

pub(crate) mod change;
mod hunks;
mod key;
mod path;
mod summary;
mod walk;

use serde_json::Value;

use crate::template::{self, form};

pub use change::Change;
pub use summary::summary;

/// Returns what differs between two templates; nothing when, and only when, [`template::same`] holds.
pub fn changes(from: &Value, to: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    walk::values("", "", &form::bare(from), &form::bare(to), &mut changes);
    changes
}

/// Returns the JSON patch that turns the one template, as it is written, into the other.
pub fn json_patch(from: &Value, to: &Value) -> json_patch::Patch {
    json_patch::diff(&template::writable(from), &template::writable(to))
}
