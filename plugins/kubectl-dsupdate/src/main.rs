//! `kubectl dsupdate`: Update DaemonSets, and roll them back.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_dsupdate::main()
}
