//! Building the plugins, as the tests, the demo and a contributor run them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::holds_within;
use crate::error::{Context, Error, Result};
use crate::paths::Folders;
use crate::workspace;

/// How long a build may take without a word: one that has nothing to do takes less.
const SHORT: Duration = Duration::from_secs(3);

/// What cargo tells a program that it runs about that program.
const TOLD: [&str; 6] = [
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_",
    "CARGO_PRIMARY_PACKAGE",
];

/// Returns the cargo that runs this program, to be started in the workspace.
///
/// It is not told about this program: build scripts that look at that, as ring's does, would run anew whenever another
/// program starts a build, and nearly everything with them.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if TOLD.iter().any(|told| name.to_string_lossy().starts_with(told)) {
            command.env_remove(name);
        }
    }
    command.current_dir(workspace());
    command
}

/// Returns a build of the plugins with a profile of the workspace, whose programs name no folder of this machine.
///
/// All of the project's own builds are this one: with other flags cargo builds everything once more.
pub fn cargo_build(profile: &str) -> Result<Command> {
    let mut command = cargo();
    command.args(["build", "--profile", profile]);
    Folders::of_this_machine()?.hidden(&mut command);
    Ok(command)
}

/// Builds the plugins with the profile `fast` and returns their paths.
pub fn build_plugins() -> Result<Vec<PathBuf>> {
    build_plugins_with("fast")
}

/// Builds the plugins with a profile of the workspace and returns their paths.
pub fn build_plugins_with(profile: &str) -> Result<Vec<PathBuf>> {
    let mut build = cargo_build(profile)?.arg("--quiet").spawn().context("cargo")?;
    if !holds_within(SHORT, || !matches!(build.try_wait(), Ok(None))) {
        eprintln!("building the plugins (the first time takes some minutes)");
    }
    if !build.wait().context("cargo")?.success() {
        return Err(Error::new("the plugins do not build"));
    }
    let target = target_folder()?;
    let packages = fs::read_dir(workspace().join("plugins"))
        .map_err(|error| Error::new(format!("cannot read the folder plugins: {error}")))?;
    let mut paths: Vec<PathBuf> =
        packages.flatten().map(|package| target.join(profile).join(package.file_name())).collect();
    paths.sort();
    Ok(paths)
}

/// This program lies somewhere in cargo's target folder, whatever folder cargo was told to use, and cargo keeps a file there.
fn target_folder() -> Result<PathBuf> {
    let this =
        env::current_exe().map_err(|error| Error::new(format!("cannot find this program: {error}")))?;
    let marked = |folder: &&Path| folder.join(".rustc_info.json").is_file();
    let found = this.ancestors().find(marked).map(Path::to_path_buf);
    found.ok_or_else(|| Error::new("this program does not lie in a target folder of cargo"))
}
