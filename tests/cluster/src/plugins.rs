//! Building the plugins, as the tests, the demo and a contributor run them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::workspace;

/// Builds the plugins with the profile `fast` and returns their paths.
pub fn build_plugins() -> Result<Vec<PathBuf>> {
    build_plugins_with("fast")
}

/// Builds the plugins with a profile of the workspace and returns their paths.
pub fn build_plugins_with(profile: &str) -> Result<Vec<PathBuf>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--profile", profile]).current_dir(workspace());
    let status = command.status().map_err(|error| Error::new(format!("cannot run cargo: {error}")))?;
    if !status.success() {
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
