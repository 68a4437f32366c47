//! Ends all processes of a control plane, and removes its folder, when this process ends: by its end, by a panic, by
//! Ctrl-C or by `kill -9`.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits for the end of its standard input, which is the end of the process that holds the other side of the pipe.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
read -r _
kill -s KILL -- "-$1"
rm -rf "$2" || { sleep 1; rm -rf "$2"; }
"#;

/// A process group, and the shell that kills it when this process is gone.
pub(crate) struct Watchdog {
    // The first of the group, only there to give it its number: a group outlives its first process.
    leader: Child,
    shell: Child,
}

impl Watchdog {
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let leader = piped("cat", &[]).spawn()?;
        let mut shell = piped("sh", &["-c", SCRIPT, "watchdog", &leader.id().to_string()]);
        Ok(Self { shell: shell.arg(folder).spawn()?, leader })
    }

    /// Puts a process into the group before it runs, so that there is no moment in which it could escape. It is out
    /// of the terminal's foreground with it, where Ctrl-C would end the parts in any order.
    pub(crate) fn guard<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.process_group(i32::try_from(self.leader.id()).unwrap_or_default())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // `wait` closes the pipe: the same way out as when this process dies.
        let _ = self.shell.wait();
        let _ = self.leader.wait();
    }
}

/// The pipe is never inherited by another process, and what the shell would print must not keep ours open.
fn piped(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
