//! `kubectl rollback`: Roll Deployments, DaemonSets and StatefulSets back, and see what a rollback would do.

mod args;
mod attempt;
mod guard;
mod timeline;

use std::process::ExitCode;

use args::RollbackVerb;

fn main() -> ExitCode {
    plugin_kit::run::<RollbackVerb>(args::PLUGIN)
}
