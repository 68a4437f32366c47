//! `kubectl dsupdate`: Update DaemonSets, and roll them back.

mod args;

use std::process::ExitCode;

use plugin_kit::verbs::SharedVerb;

fn main() -> ExitCode {
    plugin_kit::run::<SharedVerb>(args::PLUGIN)
}
