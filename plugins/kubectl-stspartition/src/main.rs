//! `kubectl stspartition`: Update StatefulSets, and roll them back.

mod args;
mod partition;
mod pods;

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_kit::run::<args::StspartitionVerb>(args::PLUGIN)
}
