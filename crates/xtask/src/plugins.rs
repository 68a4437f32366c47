//! Building the plugins for people: cargo's own progress shows, as a release takes minutes.

use std::path::PathBuf;
use std::process::Stdio;

use cluster::cargo;
use serde_json::Value;

use crate::Result;

/// Builds the plugins with a profile, for another target than this machine where one is given, and returns their paths.
pub(crate) fn build(profile: &str, target: Option<&str>) -> Result<Vec<PathBuf>> {
    build_of(&[], profile, target)
}

/// Builds other programs so, which cargo's arguments choose.
pub(crate) fn build_of(which: &[&str], profile: &str, target: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut command = cargo();
    command.args(["build", "--message-format=json-render-diagnostics", "--profile", profile]);
    command.args(which);
    command.args(target.iter().flat_map(|triple| ["--target", triple]));
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
