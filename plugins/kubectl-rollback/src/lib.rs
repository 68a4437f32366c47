//! `kubectl rollback`: Roll Deployments, DaemonSets and StatefulSets back, and see what a rollback would do.

mod args;
mod attempt;
mod guard;
mod timeline;

use std::process::ExitCode;

use args::RollbackVerb;

/// Runs the plugin on the arguments of this process.
pub fn main() -> ExitCode {
    plugin_kit::run::<RollbackVerb>(args::PLUGIN)
}

/// Returns its command line as it is declared, for what is generated from that.
pub fn command() -> clap::Command {
    plugin_kit::command::<RollbackVerb>(args::PLUGIN)
}
