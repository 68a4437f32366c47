//! Finds the program of a credential helper as Go's `os/exec` does, once, so that what is allowed is what runs.
//!
//! The search is in this process's `PATH`: a kubeconfig, which may be somebody else's, can set `PATH` for the helper but not for
//! the search. A hit in the current folder is refused, for that is often a checkout of somebody else's code.

use std::ffi::OsStr;
use std::path::{Component, MAIN_SEPARATOR, Path, PathBuf};

use crate::Environment;
use crate::words::io_words;

/// Why a command leads to no program; its text follows `exec: "NAME": ` in Go.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Unfound {
    /// No folder of `PATH` has it.
    #[error("executable file not found in $PATH")]
    Nowhere,
    /// `PATH` leads to it through a folder that depends on the current one.
    #[error("cannot run executable found relative to current directory")]
    Relative,
    /// It is named by a path, and there is no program at it.
    #[error("{0}")]
    Unfit(String),
}

/// Shortens a command as Go's `filepath.Clean` does; kuberc's entries have to be written like this.
pub(crate) fn clean(command: &str) -> String {
    let mut cleaned = PathBuf::new();
    for part in Path::new(command).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match cleaned.components().next_back() {
                Some(Component::Normal(_)) => {
                    cleaned.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                Some(Component::CurDir | Component::ParentDir) | None => cleaned.push(part),
            },
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => cleaned.push(part),
        }
    }
    if cleaned.as_os_str().is_empty() { ".".to_owned() } else { cleaned.to_string_lossy().into_owned() }
}

/// Finds the program of a command: the path itself when it is one, else the first hit in `PATH`.
pub(crate) fn look_path(command: &str, env: &dyn Environment) -> Result<PathBuf, Unfound> {
    if is_path(command) {
        let path = with_extension(Path::new(command), env)?;
        return std::path::absolute(path).map_err(|error| Unfound::Unfit(io_words(&error)));
    }
    let search = env.var("PATH").unwrap_or_default();
    for folder in std::env::split_paths(&search) {
        let Ok(found) = with_extension(&folder.join(command), env) else { continue };
        // An empty entry means the current folder.
        return if folder.is_absolute() { Ok(found) } else { Err(Unfound::Relative) };
    }
    Err(Unfound::Nowhere)
}

/// Says whether a command names a file rather than something to look for.
pub(crate) fn is_path(command: &str) -> bool {
    command.contains('/') || command.contains(MAIN_SEPARATOR)
}

/// Returns the program at a path, on Windows also with one of the extensions of programs.
fn with_extension(path: &Path, env: &dyn Environment) -> Result<PathBuf, Unfound> {
    if cfg!(windows) && path.extension().is_none() {
        let known = env.text("PATHEXT").unwrap_or_else(|| ".com;.exe;.bat;.cmd".to_owned());
        for extension in known.split(';').filter_map(|extension| extension.strip_prefix('.')) {
            let candidate = path.with_extension(OsStr::new(extension));
            if candidate.is_file() {
                return Ok(candidate);
            }
        }
        return Err(Unfound::Nowhere);
    }
    let metadata = std::fs::metadata(path)
        .map_err(|error| Unfound::Unfit(format!("stat {}: {}", path.display(), io_words(&error))))?;
    if metadata.is_dir() {
        return Err(Unfound::Unfit("is a directory".to_owned()));
    }
    if !metadata.is_file() || !executable(&metadata) {
        return Err(Unfound::Unfit("permission denied".to_owned()));
    }
    Ok(path.to_owned())
}

#[cfg(unix)]
fn executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn executable(_: &std::fs::Metadata) -> bool {
    true
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::FixedEnvironment;
    use std::os::unix::fs::PermissionsExt;

    fn program(path: &Path, mode: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path_of(folders: &[&Path]) -> FixedEnvironment {
        FixedEnvironment::default().with("PATH", std::env::join_paths(folders).unwrap())
    }

    #[test]
    fn cleans_as_go_does() {
        for (command, cleaned) in [
            ("helper", "helper"),
            ("./helper", "helper"),
            ("/a//b/./c/", "/a/b/c"),
            ("/a/../../b", "/b"),
            ("bin/../bin/h.sh", "bin/h.sh"),
            ("../a/../b", "../b"),
            ("", "."),
        ] {
            assert_eq!(clean(command), cleaned, "{command}");
        }
    }

    #[test]
    fn what_cannot_be_executed_does_not_shadow_what_can() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, third] = ["a", "b", "c"].map(|name| dir.path().join(name));
        std::fs::create_dir_all(first.join("h.sh")).unwrap();
        program(&second.join("h.sh"), 0o644);
        program(&third.join("h.sh"), 0o755);
        let env = path_of(&[&first, &second, &third]);
        assert_eq!(look_path("h.sh", &env), Ok(third.join("h.sh")));
        let wrong = look_path(second.join("h.sh").to_str().unwrap(), &env);
        assert_eq!(wrong, Err(Unfound::Unfit("permission denied".to_owned())));
    }

    #[test]
    fn a_program_of_the_current_folder_is_never_run() {
        let here = std::env::current_dir().unwrap();
        let dir = tempfile::tempdir_in(&here).unwrap();
        program(&dir.path().join("h.sh"), 0o755);
        let relative = dir.path().strip_prefix(&here).unwrap();
        assert_eq!(look_path("h.sh", &path_of(&[relative])), Err(Unfound::Relative));
        // As in Go, the first hit decides.
        assert_eq!(look_path("h.sh", &path_of(&[relative, dir.path()])), Err(Unfound::Relative));
        assert_eq!(look_path("h.sh", &path_of(&[dir.path(), relative])), Ok(dir.path().join("h.sh")));
        assert_eq!(look_path("h.sh", &path_of(&[Path::new("")])), Err(Unfound::Nowhere));
        assert_eq!(look_path("h.sh", &FixedEnvironment::default()), Err(Unfound::Nowhere));
    }
}
