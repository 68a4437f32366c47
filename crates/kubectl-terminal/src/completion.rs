//! Completion two ways: static scripts for a plugin that is called by its own name, and answers in cobra's format for
//! kubectl, which runs `kubectl_complete-NAME` with the words typed so far.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_complete::engine::CompletionCandidate;

use crate::path;

/// What kubectl calls the completer of a plugin, before the plugin's name.
const COMPLETER: &str = "kubectl_complete-";
/// What kubectl calls a plugin, before its name.
const PLUGIN: &str = "kubectl-";

/// cobra's directive: no file names besides the candidates.
const NO_FILES: u8 = 4;
/// cobra's directive: no blank after the candidate.
const NO_SPACE: u8 = 2;

/// The subcommand `completion`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct CompletionArgs {
    /// The shell to write a script for, or `install` to let kubectl complete the plugin
    pub what: CompletionTarget,
}

/// What `completion` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CompletionTarget {
    /// Write a script for bash
    Bash,
    /// Write a script for zsh
    Zsh,
    /// Write a script for fish
    Fish,
    /// Write a script for PowerShell
    Powershell,
    /// Put a link beside the plugin, by which kubectl finds its completer
    Install,
}

impl CompletionTarget {
    /// Returns the shell, none for `install`.
    pub fn shell(self) -> Option<Shell> {
        match self {
            CompletionTarget::Bash => Some(Shell::Bash),
            CompletionTarget::Zsh => Some(Shell::Zsh),
            CompletionTarget::Fish => Some(Shell::Fish),
            CompletionTarget::Powershell => Some(Shell::PowerShell),
            CompletionTarget::Install => None,
        }
    }
}

/// Writes the static script of a shell for a plugin called by its own name, e.g. `kubectl-rollback`.
pub fn script(mut command: Command, binary: &str, shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command, binary, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns whether a program was started as a completer, by the name that it was called by.
pub fn is_completer(argv0: &OsStr) -> bool {
    file_name(argv0).starts_with(COMPLETER)
}

/// Answers in cobra's format: a candidate a line, its help after a tab, the directive last.
///
/// `words` are what stands after the plugin's name; the last is the one under the cursor, maybe empty.
pub fn answer(mut command: Command, words: &[OsString]) -> String {
    let mut args = vec![OsString::from(command.get_name().to_string())];
    args.extend_from_slice(words);
    if words.is_empty() {
        args.push(OsString::new());
    }
    let index = args.len() - 1;
    let folder = std::env::current_dir().ok();
    // A line that cannot be completed has no candidates; there is nobody to tell.
    let candidates =
        clap_complete::engine::complete(&mut command, args, index, folder.as_deref()).unwrap_or_default();
    let mut lines = String::new();
    let mut directive = NO_FILES;
    for candidate in candidates.iter().filter(|candidate| !candidate.is_hide_set()) {
        let value = candidate.get_value().to_string_lossy();
        if value.ends_with(['/', '=']) {
            directive |= NO_SPACE;
        }
        lines.push_str(&line(&value, candidate));
    }
    lines.push_str(&format!(":{directive}\n"));
    lines
}

fn line(value: &str, candidate: &CompletionCandidate) -> String {
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    match help.lines().next().map(str::trim).filter(|help| !help.is_empty()) {
        Some(help) => format!("{value}\t{help}\n"),
        None => format!("{value}\n"),
    }
}

/// The ways in which the link cannot be put in its place.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The program does not bear a plugin's name.
    #[error("{0:?} is not called kubectl-NAME, so kubectl would not look for its completer")]
    NotAPlugin(String),
    /// The plugin's file is not found again.
    #[error("cannot find {0:?} on PATH")]
    NotFound(String),
    /// Something else has the link's name.
    #[error("{0} exists and is no link to this plugin")]
    Occupied(PathBuf),
    /// The link cannot be made.
    #[error("cannot create {path}: {source}")]
    Link {
        /// The link.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Puts `kubectl_complete-NAME` beside the plugin, as a link to it, and returns its path; a link that is there stays.
///
/// The plugin is looked for where the shell found it, not where its own links lead: that folder is on PATH.
pub fn install(argv0: &OsStr, path_variable: Option<&OsStr>) -> Result<PathBuf, InstallError> {
    let name = file_name(argv0);
    let stem = name.strip_suffix(".exe").unwrap_or(&name);
    let Some(plugin) = stem.strip_prefix(PLUGIN) else {
        return Err(InstallError::NotAPlugin(name));
    };
    let found = if Path::new(argv0).components().count() > 1 {
        Some(PathBuf::from(argv0)).filter(|path| path.is_file())
    } else {
        path::find(argv0, path_variable)
    };
    let program = found.ok_or_else(|| InstallError::NotFound(name.clone()))?;
    let ending = name.strip_prefix(stem).unwrap_or_default();
    let link = program.with_file_name(format!("{COMPLETER}{plugin}{ending}"));
    match std::fs::canonicalize(&link) {
        Ok(target) if std::fs::canonicalize(&program).is_ok_and(|program| program == target) => {
            return Ok(link);
        }
        Ok(_) => return Err(InstallError::Occupied(link)),
        Err(_) => {}
    }
    // A link that leads nowhere is one of ours whose plugin has moved; anything else makes the next step fail.
    if link.is_symlink() {
        let _ = std::fs::remove_file(&link);
    }
    place(&program, &name, &link).map_err(|source| InstallError::Link { path: link.clone(), source })?;
    Ok(link)
}

#[cfg(unix)]
fn place(_: &Path, name: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(name, link)
}

/// Links need a privilege on Windows, so a second name for the file has to do.
#[cfg(not(unix))]
fn place(program: &Path, _: &str, link: &Path) -> io::Result<()> {
    std::fs::hard_link(program, link).or_else(|_| std::fs::copy(program, link).map(|_| ()))
}

fn file_name(argv0: &OsStr) -> String {
    Path::new(argv0).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ValueHint};

    use super::*;

    fn command() -> Command {
        Command::new("kubectl-rollback")
            .subcommand(Command::new("history").about("Show revisions\nand more"))
            .subcommand(
                Command::new("undo")
                    .about("Go back")
                    .arg(Arg::new("target"))
                    .arg(Arg::new("dry-run").long("dry-run").value_parser(["client", "server"]))
                    .arg(Arg::new("file").short('f').value_hint(ValueHint::FilePath)),
            )
            .subcommand(Command::new("secret").hide(true))
            .disable_help_subcommand(true)
    }

    fn ask(words: &[&str]) -> String {
        answer(command(), &words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn kubectl_is_answered_in_cobras_format() {
        assert_eq!(ask(&["h"]), "history\tShow revisions\n:4\n");
        assert_eq!(ask(&["undo", "--dry-run", ""]), "client\nserver\n:4\n");
        assert_eq!(ask(&["undo", "--dry-run=s"]), "--dry-run=server\n:4\n");
        assert_eq!(ask(&["nothing-like-it"]), ":4\n");
        let all = ask(&[""]);
        assert!(all.contains("undo\tGo back\n") && !all.contains("secret"), "{all}");
        assert_eq!(ask(&[]), all);
    }

    #[test]
    fn the_name_tells_a_completer() {
        for (argv0, expected) in [
            ("kubectl_complete-rollback", true),
            ("/usr/local/bin/kubectl_complete-rollback", true),
            ("/usr/local/bin/kubectl-rollback", false),
            ("rollback", false),
        ] {
            assert_eq!(is_completer(OsStr::new(argv0)), expected, "{argv0}");
        }
    }

    #[test]
    fn every_shell_has_a_script() {
        for target in [
            CompletionTarget::Bash,
            CompletionTarget::Zsh,
            CompletionTarget::Fish,
            CompletionTarget::Powershell,
        ] {
            let script = script(command(), "kubectl-rollback", target.shell().unwrap());
            assert!(script.contains("kubectl-rollback") && script.contains("undo"), "{target:?}");
        }
        assert_eq!(CompletionTarget::Install.shell(), None);
    }

    #[cfg(unix)]
    #[test]
    fn the_link_is_put_beside_the_plugin_once() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("kubectl-rollback");
        std::fs::write(&plugin, "").unwrap();
        let expected = folder.path().join("kubectl_complete-rollback");
        for _ in 0..2 {
            assert_eq!(install(plugin.as_os_str(), None).unwrap(), expected);
            assert_eq!(std::fs::read_link(&expected).unwrap(), Path::new("kubectl-rollback"));
        }
        std::fs::remove_file(&expected).unwrap();
        std::os::unix::fs::symlink("gone", &expected).unwrap();
        let found = install(OsStr::new("kubectl-rollback"), Some(folder.path().as_os_str()));
        assert_eq!(found.unwrap(), expected, "found on PATH, a dead link replaced");
        std::fs::remove_file(&expected).unwrap();
        std::fs::write(&expected, "somebody else's").unwrap();
        assert!(matches!(install(plugin.as_os_str(), None), Err(InstallError::Occupied(_))));
    }

    #[test]
    fn only_a_plugin_has_a_completer() {
        assert!(matches!(install(OsStr::new("rollback"), None), Err(InstallError::NotAPlugin(_))));
        assert!(matches!(install(OsStr::new("kubectl-gone"), None), Err(InstallError::NotFound(_))));
    }
}
