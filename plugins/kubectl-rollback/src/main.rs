//! `kubectl rollback`: Roll Deployments, DaemonSets and StatefulSets back, and see what a rollback would do.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_rollback::main()
}
