//! Completion two ways: scripts of shells for a plugin that is called by its own name, and answers in cobra's format for
//! kubectl, which runs `kubectl_complete-NAME` with the words typed so far. Both ask the plugin, and get the same.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_complete::engine::{self, CompletionCandidate};
use clap_complete::env::Shells;

use crate::path;

/// What kubectl calls the completer of a plugin, before the plugin's name.
const COMPLETER: &str = "kubectl_complete-";
/// What kubectl calls a plugin, before its name.
const PLUGIN: &str = "kubectl-";

/// The variable by which the script of a shell asks, with the name of the shell; a script that stands in for the completer, with
/// [`KUBECTL`].
const ASKING: &str = "KUBECTL_PLUGIN_COMPLETE";
/// Who asks through such a script. An archive of a release holds one, as not everybody unpacks links.
const KUBECTL: &str = "kubectl";

/// cobra's directive: file names.
const FILES: u8 = 0;
/// cobra's directive: no file names besides the candidates.
const NO_FILES: u8 = 4;
/// cobra's directive: no blank after the candidate.
const NO_SPACE: u8 = 2;
/// cobra's directive: the candidates stand in an order.
const KEEP_ORDER: u8 = 32;

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

/// Writes the script of a shell for a plugin called by its own name, e.g. `kubectl-rollback`: it asks the plugin for every word,
/// since names are known to the cluster alone.
///
/// That of PowerShell does not ask: clap_complete's would have it evaluate the line that is being typed, `$(…)` too.
pub fn script(mut command: Command, binary: &str, shell: Shell) -> String {
    let mut bytes = Vec::new();
    match Shells::builtins().completer(&shell.to_string()).filter(|_| shell != Shell::PowerShell) {
        // Nothing fails to be written to memory.
        Some(asking) => {
            let _ = asking.write_registration(ASKING, binary, binary, binary, &mut bytes);
        }
        None => clap_complete::generate(shell, &mut command, binary, &mut bytes),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A line that somebody is still typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The program and what stands behind it.
    words: Vec<OsString>,
    /// Which of them is under the cursor.
    index: usize,
    /// The shell whose script asks; kubectl otherwise.
    shell: Option<String>,
}

impl Asked {
    /// Returns what this process was started to complete, none for a process that is to do something.
    pub fn of_process(args: &[OsString]) -> Option<Asked> {
        let (program, rest) = args.split_first()?;
        if file_name(program).starts_with(COMPLETER) {
            return Some(Asked::by_kubectl(rest));
        }
        let asking = std::env::var(ASKING).ok()?;
        if asking == KUBECTL {
            return Some(Asked::by_kubectl(rest));
        }
        let shell = Some(asking).filter(|shell| Shells::builtins().completer(shell).is_some())?;
        let words = rest.strip_prefix(&[OsString::from("--")]).unwrap_or(rest).to_vec();
        let last = words.len().saturating_sub(1);
        let index = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|it| it.parse().ok());
        Some(Asked { words, index: index.unwrap_or(last), shell: Some(shell) })
    }

    /// Returns what kubectl asks: the last word is the one under the cursor, maybe empty.
    pub fn by_kubectl(words: &[OsString]) -> Asked {
        let mut all = vec![OsString::from(PLUGIN)];
        all.extend_from_slice(words);
        if words.is_empty() {
            all.push(OsString::new());
        }
        Asked { index: all.len() - 1, words: all, shell: None }
    }

    /// Returns the program and the words that are typed to their end.
    pub fn before(&self) -> &[OsString] {
        self.words.get(..self.index).unwrap_or(&self.words)
    }

    /// Returns the word under the cursor.
    pub fn current(&self) -> &OsStr {
        self.words.get(self.index).map(OsString::as_os_str).unwrap_or_default()
    }

    /// Tells whether somebody else's command is being typed, behind `--`.
    pub fn is_foreign(&self) -> bool {
        self.before().iter().any(|word| word == "--")
    }

    /// Answers whoever asked in their format.
    pub fn answer(&self, command: Command) -> String {
        let folder = std::env::current_dir().ok();
        let mut command = command;
        if !self.wants_flags() {
            command = without_flags(command);
        }
        let shells = Shells::builtins();
        match self.shell.as_deref().and_then(|shell| shells.completer(shell)) {
            Some(shell) => {
                let mut bytes = Vec::new();
                // A line that cannot be completed has no candidates; there is nobody to tell.
                let _ = shell.write_complete(&mut command, self.words.clone(), folder.as_deref(), &mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            }
            None if self.is_foreign() => format!(":{FILES}\n"),
            None => {
                let words = self.words.clone();
                let found = engine::complete(&mut command, words, self.index, folder.as_deref());
                self.for_cobra(&found.unwrap_or_default())
            }
        }
    }

    /// As with kubectl flags are offered to whoever has typed a dash.
    fn wants_flags(&self) -> bool {
        self.current().as_encoded_bytes().starts_with(b"-")
    }

    /// A candidate a line, its help after a tab, the directive last.
    fn for_cobra(&self, candidates: &[CompletionCandidate]) -> String {
        let mut lines = String::new();
        // A blank comes behind the last candidate that is left: `-o json` is whole, `-o jsonpath=` is not.
        let mut goes_on = None;
        for candidate in candidates {
            let value = candidate.get_value().to_string_lossy();
            let is_flag = value.starts_with('-');
            // The connection flags are hidden and completed all the same, where somebody has begun to type one.
            if is_flag && !self.wants_flags() || !is_flag && candidate.is_hide_set() {
                continue;
            }
            goes_on = Some(goes_on.unwrap_or(true) && value.ends_with(['/', '=']));
            lines.push_str(&line(&value, candidate));
        }
        let no_space = if goes_on == Some(true) { NO_SPACE } else { 0 };
        lines.push_str(&format!(":{}\n", NO_FILES | KEEP_ORDER | no_space));
        lines
    }
}

/// Hides the flags of a command and of those below it: what is hidden is offered where there is nothing else.
fn without_flags(command: Command) -> Command {
    command
        .mut_args(|arg| if arg.is_positional() { arg } else { arg.hide(true) })
        .mut_subcommands(without_flags)
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
        Asked::by_kubectl(&words.iter().map(OsString::from).collect::<Vec<_>>()).answer(command())
    }

    #[test]
    fn kubectl_is_answered_in_cobras_format() {
        assert_eq!(ask(&["h"]), "history\tShow revisions\n:36\n");
        assert_eq!(ask(&["undo", "--dry-run", ""]), "client\nserver\n:36\n");
        assert_eq!(ask(&["undo", "--dry-run=s"]), "--dry-run=server\n:36\n");
        assert_eq!(ask(&["nothing-like-it"]), ":36\n");
        assert_eq!(ask(&["secr"]), ":36\n", "what is hidden stays so");
        assert_eq!(ask(&["undo", ""]), ":36\n", "no flags without a dash");
        assert_eq!(ask(&["undo", "--fi", "--", ""]), ":0\n", "somebody else's command");
        assert!(ask(&["undo", "--d"]).starts_with("--dry-run"));
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
            let asked = Asked::of_process(&[argv0.into(), "undo".into(), "x".into()]);
            assert_eq!(asked.is_some(), expected, "{argv0}");
            if let Some(asked) = asked {
                assert_eq!(asked.before(), ["kubectl-", "undo"]);
                assert_eq!(asked.current(), "x");
            }
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
            assert!(script.contains("kubectl-rollback"), "{target:?}");
            let (asks, knows) = (script.contains(ASKING), script.contains("undo"));
            assert_eq!(
                (asks, knows),
                if target == CompletionTarget::Powershell { (false, true) } else { (true, false) }
            );
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
