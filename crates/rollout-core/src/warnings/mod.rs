//! What speaks against a change of a workload's template: every warning has a stable id, says what it means here, and what
//! to do about it.

mod around;
mod hazards;
mod owners;
mod target;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::plan::{Impact, Warning};
use crate::revision::{Revision, RevisionNumber};
use crate::snapshot::Snapshot;

pub(crate) use around::never_evicted;
pub(crate) use hazards::{comes_back, way_back_restarts};
pub(crate) use target::{beyond_limit, numbers, raise_limit};

/// A change of a template that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct TemplateChange<'a> {
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
    fn named(&self) -> String {
        match self.target {
            Some(target) => format!("revision {}", target.label()),
            None => "the new template".to_string(),
        }
    }
}

/// Returns what speaks against a change, and the revision to choose instead where there is a better one.
pub fn of_template_change(change: &TemplateChange<'_>) -> (Vec<Warning>, Option<RevisionNumber>) {
    let mut warnings = Vec::new();
    let better = target::warnings(change, &mut warnings);
    owners::warnings(change, &mut warnings);
    hazards::warnings(change, &mut warnings);
    around::warnings(change, &mut warnings);
    (warnings, better)
}

/// Returns what speaks against a template that goes out in steps, or comes back from them: who puts the change back, and what
/// it lacks. How its pods move is for the steps to say.
pub fn of_steps(change: &TemplateChange<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    owners::warnings(change, &mut warnings);
    around::warnings(change, &mut warnings);
    warnings
}

/// Returns what could not be looked at, a sentence each.
pub fn skipped(snapshot: &Snapshot) -> Vec<String> {
    snapshot.surroundings.hidden.iter().map(|what| format!("skipped: {what}")).collect()
}
