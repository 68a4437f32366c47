//! Building the plugins for people: cargo's own progress shows, as a release takes minutes.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cluster::cargo_build;
use serde_json::{Value, json};

use crate::{Result, tools};

/// The cargo-auditable whose wrapper around rustc is called below.
const AUDITABLE: (&str, &str) = ("cargo-auditable", "0.7.7");

/// Builds the plugins with a profile, for this machine, and returns their paths.
pub(crate) fn build(profile: &str) -> Result<Vec<PathBuf>> {
    built(cargo_build(profile)?)
}

/// Builds the programs of another package so.
pub(crate) fn build_of(package: &str, profile: &str) -> Result<Vec<PathBuf>> {
    let mut command = cargo_build(profile)?;
    command.args(["--package", package]);
    built(command)
}

/// Builds the plugins as they are released: with a list of what is linked in each program, and by `Cargo.lock` as it is.
pub(crate) fn build_auditable(profile: &str, target: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut command = cargo_build(profile)?;
    command.arg("--locked").args(target.iter().flat_map(|triple| ["--target", triple]));
    audited(&mut command)?;
    built(command)
}

/// Has cargo-auditable's wrapper write the list, as `cargo auditable build` would. That names the wrapper by its path, which
/// cargo hashes into every symbol: each folder would yield other programs.
fn audited(command: &mut Command) -> Result {
    let (name, version) = AUDITABLE;
    let program = tools::installed(name, version)?;
    let folders = program.parent().map(PathBuf::from).into_iter();
    let path = env::var_os("PATH").unwrap_or_default();
    let path: OsString = env::join_paths(folders.chain(env::split_paths(&path)))?;
    // What it has to know of the build's own flags, to ask cargo what there is.
    let flags = json!({"offline": false, "locked": true, "frozen": false, "config": []});
    command.env("PATH", path).env("RUSTC_WORKSPACE_WRAPPER", name);
    command.env("CARGO_AUDITABLE_ORIG_ARGS", flags.to_string());
    Ok(())
}

fn built(mut command: Command) -> Result<Vec<PathBuf>> {
    command.arg("--message-format=json-render-diagnostics");
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the programs do not build".into());
    }
    let messages = String::from_utf8(output.stdout)?;
    let mut paths: Vec<PathBuf> = messages.lines().filter_map(executable).collect();
    paths.sort();
    Ok(paths)
}

fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    Some(PathBuf::from(message["executable"].as_str()?))
}
