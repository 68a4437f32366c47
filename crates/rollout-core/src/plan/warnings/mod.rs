//! What speaks against a change of a workload's template: every warning has a stable id, says what it means here, and what
//! to do about it.

mod around;
pub(crate) mod change;
mod hazards;
mod owners;
mod target;
#[cfg(test)]
mod tests;

use crate::history::number::RevisionNumber;
use crate::plan::warning::Warning;
use crate::plan::warnings::change::TemplateChange;
use crate::snapshot::Snapshot;

pub(crate) use around::never_evicted;
pub(crate) use hazards::way_back_restarts;
pub(crate) use target::{beyond_limit, numbers, raise_limit};

/// Returns what speaks against a change, and the revision to choose instead where there is a better one.
pub(crate) fn of_template_change(change: &TemplateChange<'_>) -> (Vec<Warning>, Option<RevisionNumber>) {
    let mut warnings = Vec::new();
    let better = target::warnings(change, &mut warnings);
    owners::warnings(change, &mut warnings);
    hazards::warnings(change, &mut warnings);
    around::warnings(change, &mut warnings);
    (warnings, better)
}

/// Returns what speaks against a template that goes out in steps, or comes back from them: who puts the change back, and what
/// it lacks. How its pods move is for the steps to say.
pub(crate) fn of_steps(change: &TemplateChange<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    owners::warnings(change, &mut warnings);
    around::warnings(change, &mut warnings);
    warnings
}

/// Returns what could not be looked at, a sentence each.
pub(crate) fn skipped(snapshot: &Snapshot) -> Vec<String> {
    snapshot.surroundings.hidden.iter().map(|what| format!("skipped: {what}")).collect()
}
