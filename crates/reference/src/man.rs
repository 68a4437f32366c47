//! Man pages, one for a plugin and one for each of its verbs.

use std::path::Path;

use crate::Result;

/// Writes `kubectl-rollback.1`, `kubectl-rollback-undo.1` and so on.
pub(crate) fn write(command: clap::Command, folder: &Path) -> Result {
    Ok(clap_mangen::generate_to(command, folder)?)
}
