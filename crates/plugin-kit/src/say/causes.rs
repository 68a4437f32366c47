//! Why a rollout fails or is held up, and what of it nobody may see.

use kubectl_terminal::{Ui, escape};
use rollout_core::Snapshot;
use rollout_core::judge::Cause;
use rollout_core::snapshot::Skipped;

/// Says that the pods may not be read, where they may not.
pub fn warn_of_hidden_pods(ui: &mut Ui, snapshot: &Snapshot) {
    let id = &snapshot.workload.id;
    if snapshot.pods.is_none() {
        ui.warn(&format!(
            "the pods of {id} in namespace {} may not be listed: its counters are believed, and why pods fail is not seen",
            id.namespace
        ));
    }
}

/// Prints why a rollout fails or does not get on.
pub fn print_causes<'a>(ui: &mut Ui, causes: impl IntoIterator<Item = &'a Cause>) {
    for cause in causes {
        let evidence = cause
            .evidence
            .as_deref()
            .filter(|evidence| !cause.message.contains(evidence))
            .map(|evidence| format!(" ({})", escape::inline(evidence)))
            .unwrap_or_default();
        ui.note(&format!("  {}: {}{evidence}", cause.id.as_str(), escape::inline(&cause.message)));
        for line in &cause.log {
            ui.note(&format!("    | {}", escape::inline(line)));
        }
        if let Some(fix) = &cause.fix {
            ui.note(&format!("    to help: {}", escape::inline(fix)));
        }
    }
}

/// Prints what is not known because it may not be read.
pub fn print_skipped(ui: &mut Ui, skipped: &[Skipped]) {
    // Of hidden pods somebody has been warned already.
    for skipped in skipped.iter().filter(|it| **it != Skipped::Pods) {
        ui.note(&format!("  skipped: {} may not be read", skipped.as_str()));
    }
}
