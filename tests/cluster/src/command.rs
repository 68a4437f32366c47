//! Runs a program to its end and keeps all that it said; waits for something to become true.

use std::io::Write;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};

/// What a program said and how it ended.
#[derive(Debug, Clone)]
#[must_use]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// Runs a command to its end, with `input` as its standard input.
    pub fn of(command: &mut Command, input: &str) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
        let line = [program].into_iter().chain(args).collect::<Vec<_>>().join(" ");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(&line)?;
        let mut stdin = child.stdin.take();
        let output = thread::scope(|scope| {
            // Its own thread: a program that does not read must not keep us from reading what it writes.
            scope.spawn(move || stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes())));
            child.wait_with_output()
        });
        let output = output.context(&line)?;
        let output = Self {
            command: line,
            code: code(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        #[cfg(feature = "documents")]
        if let Some(fault) = documents::fault(command, &output.stdout, false) {
            return Err(Error::new(fault));
        }
        Ok(output)
    }

    /// Tells whether the program ended with 0.
    pub fn ok(&self) -> bool {
        self.code == 0
    }

    /// Returns standard output; an error with all that the program said when it did not end with 0.
    pub fn checked(self) -> Result<String> {
        if self.ok() { Ok(self.stdout) } else { Err(Error::new(self.to_string())) }
    }

    /// Returns standard output; panics with all that the program said when it did not end with 0.
    #[track_caller]
    pub fn expect_ok(self) -> String {
        assert!(self.ok(), "{self}");
        self.stdout
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ended with {}\n{}{}", self.command, self.code, self.stdout, self.stderr)
    }
}

/// Waits until the condition holds; panics with `what` when it does not within `limit`.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, condition: impl FnMut() -> bool) {
    assert!(holds_within(limit, condition), "not within {limit:?}: {what}");
}

/// Tells whether the condition comes to hold within a time.
pub fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Returns an exit code as shells tell it: of Ctrl-C (130) and a request to terminate (143) too, and -1 for any other signal.
#[must_use]
pub fn code(status: ExitStatus) -> i32 {
    match (status.code(), signal(status)) {
        (Some(code), _) => code,
        (None, Some(signal @ (2 | 15))) => 128 + signal,
        (None, _) => -1,
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// Only Unix has signals.
#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}
