//! `cargo xtask install`: the plugins on the PATH.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use cluster::cargo_home;

use crate::{Result, plugins};

pub(crate) fn run(args: &[String]) -> Result {
    let folder = match args {
        // Where `cargo install` puts programs.
        [] => cargo_home()?.join("bin"),
        [flag, folder] if flag == "--to" => PathBuf::from(folder),
        _ => return Err("there is only --to DIR".into()),
    };
    fs::create_dir_all(&folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    let folder = fs::canonicalize(folder)?;
    let plugins = plugins::build("release")?;
    for plugin in &plugins {
        let path = place(plugin, &folder)?;
        println!("{}: {}", path.display(), found(&path));
    }
    if !search_path().contains(&folder) {
        println!(
            "\nkubectl finds plugins on the PATH, and {0} is not on it:\n\n  export PATH={0}:$PATH",
            folder.display()
        );
    }
    Ok(())
}

/// Puts a program into a folder at once: one that runs there at the moment is left to its end.
fn place(program: &Path, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(name(program));
    let new = path.with_extension("new");
    let written = fs::copy(program, &new).and_then(|_| fs::rename(&new, &path));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(path)
}

/// Says what `kubectl plugin list` would: kubectl takes the first of a name.
fn found(path: &Path) -> String {
    let candidates = search_path().into_iter().map(|folder| folder.join(name(path)));
    match candidates.into_iter().find(|candidate| candidate.is_file()) {
        Some(first) if first == path => format!("installed, called by `{}`", called(path)),
        Some(first) => format!("installed, but hidden by {}, which comes first on the PATH", first.display()),
        None => "installed, not on the PATH".to_string(),
    }
}

fn called(path: &Path) -> String {
    name(path).to_string_lossy().replacen("kubectl-", "kubectl ", 1)
}

fn search_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| fs::canonicalize(&folder).unwrap_or(folder)).collect()
}

fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}
