//! Programs that cargo builds for the project: each in a version that is written down, once, in the target folder.

use std::env::consts::EXE_EXTENSION;
use std::fs::{self, File};
use std::path::PathBuf;

use cluster::{cargo, workspace};

use crate::Result;

/// Returns a program of cargo's registry, after it was built where it is missing. Without optimisation it is there in a
/// third of the time.
pub(crate) fn installed(name: &str, version: &str) -> Result<PathBuf> {
    installed_with(name, version, &[])
}

/// The same with flags of `cargo install` that choose its features.
pub(crate) fn installed_with(name: &str, version: &str, features: &[&str]) -> Result<PathBuf> {
    let root = workspace().join("target").join(format!("{name}-{version}"));
    let program = root.join("bin").join(name).with_extension(EXE_EXTENSION);
    // Tests that run side by side want it at once: one builds it, and the others wait.
    fs::create_dir_all(&root)?;
    let lock = File::create(root.join("lock"))?;
    lock.lock()?;
    if program.exists() {
        return Ok(program);
    }
    println!("installing {name} {version} into {} (once, a minute or more)", root.display());
    let status = cargo()
        .args(["install", name, "--version", version, "--locked", "--debug", "--quiet", "--no-track"])
        .args(features)
        .arg("--root")
        .arg(&root)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .status()?;
    if status.success() { Ok(program) } else { Err(format!("{name} does not install ({status})").into()) }
}
