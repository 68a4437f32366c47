//! Programs that cargo builds for the project: each in a version that is written down, once, in the target folder.

use std::path::PathBuf;

use cluster::{cargo, workspace};

use crate::Result;

/// Returns a program of cargo's registry, after it was built where it is missing. Without optimisation it is there in a
/// third of the time.
pub(crate) fn installed(name: &str, version: &str) -> Result<PathBuf> {
    let root = workspace().join("target").join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if program.exists() {
        return Ok(program);
    }
    println!("installing {name} {version} into {} (once, a minute or more)", root.display());
    let status = cargo()
        .args(["install", name, "--version", version, "--locked", "--debug", "--quiet", "--no-track"])
        .arg("--root")
        .arg(&root)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .status()?;
    if status.success() { Ok(program) } else { Err(format!("{name} does not install ({status})").into()) }
}
