//! What is remembered on the workload itself while something holds it, so that another machine can go on: one annotation.

pub(crate) mod bounds;
pub(crate) mod lease;
pub(crate) mod query;
pub(crate) mod rollout;
pub(crate) mod rules;

pub use lease::{Held, Holder, Lease, RENEW};
pub use query::{NoCondition, Query};
pub use rollout::{OnFailure, Phase, Reached, RevisionRef, Rollout, StepOptions};
pub use rules::{BadSteps, First, Rest, Rules};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::objects::workload::{Workload, WorkloadId};
use crate::snapshot::Snapshot;

/// The annotation; no trace of it stays when nothing is held any more.
pub const STORED: &str = "rollout-plugins.dev/rollout";

const VERSION: u32 = 1;
/// What the API server takes for all annotations of an object (`TotalAnnotationSizeLimitB`).
const LONGEST: usize = 256 * 1024;
/// Characters of what is wrong that are said: it may quote what is stored.
const SAID: usize = 300;

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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

impl Unreadable {
    /// Says what is wrong with what is stored.
    pub fn broken(why: impl ToString) -> Unreadable {
        let mut why = why.to_string();
        if let Some((end, _)) = why.char_indices().nth(SAID) {
            why.truncate(end);
            why.push('…');
        }
        Unreadable::Broken { why }
    }

    /// Returns how somebody gets rid of it.
    pub fn way_off(id: &WorkloadId) -> String {
        format!(
            "without it nothing is held, and its strategy stays what it is now: kubectl annotate {id} -n {} {STORED}-",
            id.namespace
        )
    }
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
        if text.len() > LONGEST {
            return Err(Unreadable::broken("it is longer than an annotation can be"));
        }
        let value: Value = serde_json::from_str(text).map_err(Unreadable::broken)?;
        let stored: Stored = match value.get("version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {
                serde_json::from_value(value).map_err(Unreadable::broken)?
            }
            Some(version) => return Err(Unreadable::Version { version }),
            None => return Err(Unreadable::broken("it has no version")),
        };
        let Stored { version: _, paused_strategy, rollout } = &stored;
        paused_strategy.as_ref().map_or(Ok(()), bounds::strategy).map_err(Unreadable::broken)?;
        rollout.as_ref().map_or(Ok(()), bounds::check).map_err(Unreadable::broken)?;
        Ok(Some(stored))
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

/// Tells whether a workload is paused: by its field, or by what a pause remembered.
pub fn is_paused(workload: &Workload) -> bool {
    workload.paused || Stored::of(workload).is_some_and(|stored| stored.paused_strategy.is_some())
}

/// Tells whether a rollout of this very workload is stored.
pub(crate) fn is_stored(snapshot: &Snapshot) -> bool {
    let rollout = Stored::of(&snapshot.workload).and_then(|stored| stored.rollout);
    rollout.is_some_and(|rollout| rollout.workload == snapshot.workload.id.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::objects::kind::Kind;
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
