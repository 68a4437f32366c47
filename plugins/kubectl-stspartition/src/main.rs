//! `kubectl stspartition`: Update StatefulSets, and roll them back.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_stspartition::main()
}
