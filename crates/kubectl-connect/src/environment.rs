//! What the process is told from outside: variables, the home folder, whether stdin is a terminal.
//!
//! Everything that depends on it takes an [`Environment`], so that tests need no global state.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IsTerminal;
#[cfg(any(windows, test))]
use std::path::Path;
use std::path::PathBuf;

/// The surroundings of a process, as far as a connection depends on them.
pub trait Environment: Send + Sync {
    /// Returns a variable's value, also when it is empty.
    fn var(&self, name: &str) -> Option<OsString>;

    /// Returns the user's home folder.
    fn home(&self) -> Option<PathBuf>;

    /// Says whether a person can type into standard input.
    fn stdin_is_terminal(&self) -> bool;

    /// Returns the folder in which a pod finds its service account.
    fn service_account(&self) -> PathBuf {
        PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount")
    }

    /// Returns a variable's value when it is set, valid UTF-8 and not empty.
    fn text(&self, name: &str) -> Option<String> {
        self.var(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
    }
}

/// The surroundings of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    #[cfg(windows)]
    fn home(&self) -> Option<PathBuf> {
        windows_home(|name| self.var(name), Path::is_file, Path::is_dir).or_else(std::env::home_dir)
    }

    #[cfg(not(windows))]
    fn home(&self) -> Option<PathBuf> {
        std::env::home_dir()
    }

    fn stdin_is_terminal(&self) -> bool {
        std::io::stdin().is_terminal()
    }
}

/// Finds the home folder as client-go does on Windows (`util/homedir/homedir.go`): the first that holds a kubeconfig, or else the
/// first that is there, or else the first that is named.
#[cfg(any(windows, test))]
fn windows_home(
    var: impl Fn(&str) -> Option<OsString>,
    is_file: impl Fn(&Path) -> bool,
    is_folder: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let set = |name: &str| var(name).filter(|value| !value.is_empty());
    let on_drive = || {
        let mut path = set("HOMEDRIVE")?;
        path.push(set("HOMEPATH")?);
        Some(path)
    };
    let [home, on_drive, profile] =
        [set("HOME"), on_drive(), set("USERPROFILE")].map(|it| it.map(PathBuf::from));
    let configured = [&home, &on_drive, &profile]
        .into_iter()
        .flatten()
        .find(|it| is_file(&it.join(".kube").join("config")));
    let named: Vec<&PathBuf> = [&home, &profile, &on_drive].into_iter().flatten().collect();
    configured
        .or_else(|| named.iter().copied().find(|it| is_folder(it)))
        .or_else(|| named.first().copied())
        .cloned()
}

/// Surroundings made up by the caller, for tests and for programs that act for somebody else.
#[derive(Clone, Debug, Default)]
pub struct FixedEnvironment {
    /// The variables.
    pub vars: HashMap<String, OsString>,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// Whether standard input counts as a terminal.
    pub stdin_is_terminal: bool,
    /// The service account folder; a path that does not exist when absent.
    pub service_account: Option<PathBuf>,
}

impl FixedEnvironment {
    /// Sets a variable.
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }
}

impl Environment for FixedEnvironment {
    fn var(&self, name: &str) -> Option<OsString> {
        self.vars.get(name).cloned()
    }

    fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    fn stdin_is_terminal(&self) -> bool {
        self.stdin_is_terminal
    }

    fn service_account(&self) -> PathBuf {
        self.service_account.clone().unwrap_or_else(|| PathBuf::from("/nonexistent/serviceaccount"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where somebody's home is whose variables these are, where these folders and files are there.
    fn home(variables: &[(&str, &str)], folders: &[&str], configured: &[&str]) -> Option<PathBuf> {
        let var = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| OsString::from(it.1));
        let config =
            |path: &Path| configured.iter().any(|it| *path == Path::new(it).join(".kube").join("config"));
        windows_home(var, config, |path| folders.iter().any(|it| path == Path::new(it)))
    }

    #[test]
    fn the_home_on_windows_is_the_one_in_which_kubectl_finds_its_config() {
        let all = [("HOME", "h"), ("HOMEDRIVE", "d"), ("HOMEPATH", "p"), ("USERPROFILE", "u")];
        let is = |name: &str| Some(PathBuf::from(name));
        assert_eq!(home(&all, &["h", "dp", "u"], &["u", "dp"]), is("dp"));
        assert_eq!(home(&all, &["h", "dp", "u"], &["u"]), is("u"));
        assert_eq!(home(&all, &["dp", "u"], &[]), is("u"), "one that is not there does not count");
        assert_eq!(home(&all, &[], &[]), is("h"));
        assert_eq!(home(&all[1..2], &["d"], &[]), None, "a drive alone is no folder");
        assert_eq!(home(&[("HOME", ""), ("USERPROFILE", "u")], &[], &[]), is("u"));
    }
}
