//! `kubectl dsupdate`: Update DaemonSets, and roll them back.

mod args;
mod nodes;
mod strategy;

use std::process::ExitCode;

use args::DsupdateVerb;

/// Runs the plugin on the arguments of this process.
pub fn main() -> ExitCode {
    plugin_kit::run::<DsupdateVerb>(args::PLUGIN)
}

/// Returns its command line as it is declared, for what is generated from that.
pub fn command() -> clap::Command {
    plugin_kit::command::<DsupdateVerb>(args::PLUGIN)
}
