//! `kubectl rollback`: Roll Deployments, DaemonSets and StatefulSets back, and see what a rollback would do.

mod args;

use std::process::ExitCode;

use plugin_kit::verbs::SharedVerb;

fn main() -> ExitCode {
    plugin_kit::run::<SharedVerb>(args::PLUGIN)
}
