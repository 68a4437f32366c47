//! The kubectl of the image: built from the modules that `tests/controlplane/go.sum` names by their sums, as the one of the tests
//! is, so that nothing is downloaded that nobody has verified.

use std::path::{Path, PathBuf};

use cluster::go_build;

use crate::Result;

const PACKAGE: &str = "k8s.io/kubernetes/cmd/kubectl";

/// Builds it for Linux on a processor, in Go's words, and returns where it is.
pub(super) fn build(arch: &str, folder: &Path) -> Result<PathBuf> {
    let program = folder.join("kubectl");
    // Without cgo it needs no library of a system.
    let target = [("CGO_ENABLED", "0"), ("GOOS", "linux"), ("GOARCH", arch)];
    go_build(PACKAGE, &program, &target)?;
    Ok(program)
}
