//! `kubectl stspartition`: Update StatefulSets, and roll them back.

mod args;
mod partition;
mod pods;

use std::process::ExitCode;

use args::StspartitionVerb;

/// Runs the plugin on the arguments of this process.
pub fn main() -> ExitCode {
    plugin_kit::run::<StspartitionVerb>(args::PLUGIN)
}

/// Returns its command line as it is declared, for what is generated from that.
pub fn command() -> clap::Command {
    plugin_kit::command::<StspartitionVerb>(args::PLUGIN)
}
