//! What is remembered on the workload itself while something holds it, so that another machine can go on: one annotation.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::steps::Rollout;
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
    /// A rollout in steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
}

/// Why what is remembered cannot be used. It is never ignored: somebody's strategy may be in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A later version of this program wrote it.
    #[error(
        "the annotation {STORED} was written by another version of this plugin (format {version}, known is {VERSION})"
    )]
    Version {
        /// The version of its form.
        version: u64,
    },
    /// It is not what this program writes.
    #[error("the annotation {STORED} cannot be read: {why}")]
    Broken {
        /// What is wrong with it.
        why: String,
    },
}

impl Stored {
    /// Remembers the strategy that a pause replaces.
    pub fn pause(strategy: Value) -> Stored {
        Stored { version: VERSION, paused_strategy: Some(strategy), rollout: None }
    }

    /// Remembers a rollout in steps.
    pub fn rollout(rollout: Rollout) -> Stored {
        Stored { version: VERSION, paused_strategy: None, rollout: Some(rollout) }
    }

    /// Reads what is remembered on a workload.
    pub fn read(workload: &Workload) -> Result<Option<Stored>, Unreadable> {
        let Some(text) = workload.annotation(STORED) else { return Ok(None) };
        let broken = |error: serde_json::Error| Unreadable::Broken { why: error.to_string() };
        let value: Value = serde_json::from_str(text).map_err(broken)?;
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {
                serde_json::from_value(value).map(Some).map_err(broken)
            }
            Some(version) => Err(Unreadable::Version { version }),
            None => Err(Unreadable::Broken { why: "it has no version".to_string() }),
        }
    }

    /// Reads what is remembered on a workload, for those who only show it: what cannot be read is nothing.
    pub fn of(workload: &Workload) -> Option<Stored> {
        Stored::read(workload).ok().flatten()
    }

    /// Writes the annotation's value.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::kind::Kind;
    use serde_json::json;

    fn with(text: &str) -> Result<Option<Stored>, Unreadable> {
        let mut object = fixture::workload(Kind::DaemonSet, "app:1", json!({"type": "OnDelete"}));
        object["metadata"]["annotations"] = json!({STORED: text});
        Stored::read(&Workload::from_object(Kind::DaemonSet, object).unwrap())
    }

    #[test]
    fn what_another_version_wrote_is_refused_and_said() {
        assert_eq!(with(r#"{"version": 2, "x": 1}"#), Err(Unreadable::Version { version: 2 }));
        assert_eq!(
            Unreadable::Version { version: 2 }.to_string(),
            "the annotation rollout-plugins.dev/rollout was written by another version of this plugin (format 2, known is 1)"
        );
        assert!(matches!(with("nonsense"), Err(Unreadable::Broken { .. })));
        assert!(matches!(with(r#"{"version": 1, "rollout": {}}"#), Err(Unreadable::Broken { .. })));
    }

    #[test]
    fn a_pause_is_read_as_it_was_written() {
        let pause = Stored::pause(json!({"type": "RollingUpdate"}));
        assert_eq!(with(&pause.text()), Ok(Some(pause)));
    }
}
