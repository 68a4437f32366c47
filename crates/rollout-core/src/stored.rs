//! What is remembered on the workload itself while something holds it, so that another machine can go on: one annotation.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workload::Workload;

/// The annotation; no trace of it stays when nothing is held any more.
pub const STORED: &str = "rollout-plugins.dev/rollout";

const VERSION: u32 = 1;

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    version: u32,
    /// The `updateStrategy` that a pause replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_strategy: Option<Value>,
}

impl Stored {
    /// Remembers the strategy that a pause replaces.
    pub fn pause(strategy: Value) -> Stored {
        Stored { version: VERSION, paused_strategy: Some(strategy) }
    }

    /// Reads what is remembered on a workload; what another version wrote, or nobody can read, is nothing.
    pub fn of(workload: &Workload) -> Option<Stored> {
        let stored: Stored = serde_json::from_str(workload.annotation(STORED)?).ok()?;
        (stored.version == VERSION).then_some(stored)
    }

    /// Writes the annotation's value.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
