//! What the process is told from outside: variables, the home folder, whether stdin is a terminal.
//!
//! Everything that depends on it takes an [`Environment`], so that tests need no global state.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IsTerminal;
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

    fn home(&self) -> Option<PathBuf> {
        std::env::home_dir()
    }

    fn stdin_is_terminal(&self) -> bool {
        std::io::stdin().is_terminal()
    }
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
