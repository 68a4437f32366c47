//! The change of a template that is judged.

use serde_json::Value;

use crate::history::revision::Revision;
use crate::plan::impact::Impact;
use crate::snapshot::Snapshot;

/// A change of a template that is about to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TemplateChange<'a> {
    /// What was seen, with its surroundings; a strategy that the change itself brings is the workload's already.
    pub snapshot: &'a Snapshot,
    /// The template that will be written.
    pub wanted: &'a Value,
    /// The revision that has it; none where it is new.
    pub target: Option<&'a Revision>,
    /// Whether that revision was nobody's choice: a default that is a bad one stops.
    pub defaulted: bool,
    /// What the change does to the pods.
    pub impact: &'a Impact,
}

impl TemplateChange<'_> {
    /// Returns the template in running text.
    pub(super) fn named(&self) -> String {
        match self.target {
            Some(target) => format!("revision {}", target.label()),
            None => "the new template".to_string(),
        }
    }
}
