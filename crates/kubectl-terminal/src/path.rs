//! Programs on PATH.

use std::ffi::OsStr;
use std::path::PathBuf;

/// Finds a program where a shell would, given its PATH.
pub fn find(program: &OsStr, path_variable: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path_variable?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Tells whether kubectl finds a plugin, by the words it is called with, such as `kubectl dsupdate`: what is not installed
/// is no way on.
pub fn has_plugin(words: &str) -> bool {
    let program = words.replace(' ', "-") + std::env::consts::EXE_SUFFIX;
    find(OsStr::new(&program), std::env::var_os("PATH").as_deref()).is_some()
}
