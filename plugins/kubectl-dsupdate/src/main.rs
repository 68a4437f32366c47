//! `kubectl dsupdate`: Update DaemonSets, and roll them back.

mod args;
mod nodes;
mod strategy;

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_kit::run::<args::DsupdateVerb>(args::PLUGIN)
}
