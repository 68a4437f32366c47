//! Completion scripts of the shells, for a plugin that is called by its own name.

use std::fs;
use std::path::Path;

use clap::ValueEnum;
use kubectl_terminal::completion::{self, CompletionTarget};

use crate::Result;

/// Writes `kubectl-rollback.bash` and so on.
pub(crate) fn write(command: clap::Command, folder: &Path) -> Result {
    let binary = command.get_name().to_string();
    for target in CompletionTarget::value_variants() {
        let (Some(shell), Some(name)) = (target.shell(), target.to_possible_value()) else { continue };
        let file = folder.join(format!("{binary}.{}", name.get_name()));
        fs::write(file, completion::script(command.clone(), &binary, shell))?;
    }
    Ok(())
}
