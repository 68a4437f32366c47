//! `cargo deny check`: what may be linked (`deny.toml`), and whether anything is known against it.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cluster::workspace;

use crate::{Result, tools};

/// The cargo-deny that `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// How long to wait for the advisories: a network that drops what it does not let through says nothing for minutes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Checks licences, versions and sources, and the advisories if they can be had.
pub(crate) fn run() -> Result {
    let program = tools::installed("cargo-deny", VERSION)?;
    let mut failed = Vec::new();
    if !check(&program, &["--locked"], &["licenses", "bans", "sources"])? {
        failed.push("licences, bans or sources");
    }
    match fetch_advisories(&program)? {
        Ok(()) if check(&program, &["--frozen"], &["advisories"])? => {}
        Ok(()) => failed.push("advisories"),
        Err(why) => println!("advisories left out, their database cannot be had: {why}"),
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("{} do not pass", failed.join(", and ")).into()) }
}

/// Says whether these checks pass. What is not needed any more in `deny.toml` is a warning, so warnings count.
fn check(program: &Path, options: &[&str], checks: &[&str]) -> Result<bool> {
    let mut command = deny(program);
    command.args(options).args(["check", "--deny", "warnings"]).args(checks);
    Ok(command.status()?.success())
}

/// Fetches the database of advisories, or says why not.
fn fetch_advisories(program: &Path) -> Result<std::result::Result<(), String>> {
    let mut fetch = deny(program);
    fetch.args(["--log-level", "error", "fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
    fetch.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // With the git that it starts, so that both can be ended.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut fetch, 0);
    let mut fetch = fetch.spawn()?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = fetch.try_wait()? {
            return Ok(if status.success() { Ok(()) } else { Err(reason(&said(&mut fetch)?)) });
        }
        thread::sleep(Duration::from_millis(50));
    }
    if cfg!(unix) {
        Command::new("kill").args(["--", &format!("-{}", fetch.id())]).status()?;
    } else {
        fetch.kill()?;
    }
    fetch.wait()?;
    Ok(Err(format!("no answer in {} seconds", PATIENCE.as_secs())))
}

fn deny(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace());
    command
}

fn said(child: &mut Child) -> Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last words are git's own.
fn reason(said: &str) -> String {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.unwrap_or("cargo-deny does not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn why_there_are_no_advisories_is_one_line() {
        let said = "[ERROR] failed to fetch advisory database\nCloning into 'x'...\nfatal: Could not resolve host: a.test\n\n";
        assert_eq!(reason(said), "fatal: Could not resolve host: a.test");
        assert_eq!(reason(""), "cargo-deny does not say why");
    }
}
