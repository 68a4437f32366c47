//! `kubectl rollback`: Roll Deployments, DaemonSets and StatefulSets back, and see what a rollback would do.

mod args;

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_kit::run::<args::Verb>(args::PLUGIN)
}
