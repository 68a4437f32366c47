//! The conditions in an object's status.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::objects::json::{list_len, text};

/// One condition of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The type, e.g. `Progressing`.
    pub kind: String,
    /// Whether it holds.
    pub holds: bool,
    /// The reason in one word.
    pub reason: String,
    /// The controller's sentence.
    pub message: String,
    /// Since when it holds, or does not.
    pub since: Option<Timestamp>,
}

impl Condition {
    /// Tells whether its sentence names a ReplicaSet: a missed deadline lingers after an undo (hazard H22).
    pub fn names(&self, replica_set: &str) -> bool {
        self.message.contains(&format!("\"{replica_set}\""))
    }
}

/// Reads the conditions of an object that has some.
pub(crate) fn conditions(object: &Value) -> Vec<Condition> {
    let field = |condition: &Value, name: &str| text(condition, &format!("/{name}")).unwrap_or_default();
    (0..list_len(object, "/status/conditions"))
        .filter_map(|index| object.pointer(&format!("/status/conditions/{index}")))
        .map(|condition| Condition {
            kind: field(condition, "type"),
            holds: field(condition, "status") == "True",
            reason: field(condition, "reason"),
            message: field(condition, "message"),
            since: field(condition, "lastTransitionTime").parse().ok(),
        })
        .collect()
}
