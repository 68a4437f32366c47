//! A terminal that nobody sits at: what runs in it draws as it would for a person, and is answered as by one.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rexpect::process::{PtyProcess, WaitStatus};
use vt100::{Parser, Screen};

use crate::Result;

/// As wide as a document shows it, and long enough that nothing scrolls out of it.
const COLUMNS: NonZeroU16 = NonZeroU16::new(96).expect("not zero");
const ROWS: NonZeroU16 = NonZeroU16::new(80).expect("not zero");

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is typed to interrupt.
pub(super) const CTRL_C: &str = "\x03";

pub(super) struct Terminal(Parser);

impl Terminal {
    pub(super) fn new() -> Self {
        Self(Parser::new(ROWS, COLUMNS, 0))
    }

    pub(super) fn screen(&self) -> &Screen {
        self.0.screen()
    }

    /// Shows a line as it is typed to a shell.
    pub(super) fn prompt(&mut self, line: &str) {
        self.0.process(format!("\x1b[1;34m$\x1b[0m \x1b[1m{line}\x1b[0m\r\n").as_bytes());
    }

    /// Runs a command to its end. When the first of `answers` is on the screen, `seen` is shown the screen and what is
    /// beside it is typed; then the second is waited for, and so on.
    pub(super) fn run(
        &mut self,
        command: Command,
        line: &str,
        answers: &[(&str, &str)],
        code: i32,
        mut seen: impl FnMut(&Screen),
    ) -> Result {
        let process = PtyProcess::new(sized(command))?;
        let output = output(process.get_file_handle()?);
        let mut keyboard = process.get_file_handle()?;
        let deadline = Instant::now() + PATIENCE;
        let mut answers = answers.iter();
        let mut awaited = answers.next();
        // What ran before may have shown the same.
        let begun = self.0.screen().cursor_position().0;
        loop {
            match output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.0.process(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let shown = self.0.screen().contents();
                    return Err(format!("`{line}` does not end:\n{shown}").into());
                }
            }
            if let Some((_, answer)) = awaited.filter(|(text, _)| shows(self.0.screen(), begun, text)) {
                seen(self.0.screen());
                keyboard.write_all(answer.as_bytes())?;
                awaited = answers.next();
            }
        }
        let ended = match process.wait()? {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            other => return Err(format!("`{line}`: {other:?}").into()),
        };
        match awaited {
            _ if ended != code => {
                let shown = self.0.screen().contents();
                Err(format!("`{line}` ended with {ended}, not with {code}:\n{shown}").into())
            }
            Some((text, _)) => Err(format!("`{line}` has not shown {text:?}").into()),
            None => Ok(()),
        }
    }
}

fn shows(screen: &Screen, begun: u16, text: &str) -> bool {
    screen.rows(0, COLUMNS.get()).skip(begun.into()).any(|row| row.contains(text))
}

/// The command in a terminal of this size that echoes what is typed.
fn sized(command: Command) -> Command {
    let mut sized = Command::new("sh");
    sized.args(["-c", &format!("stty cols {COLUMNS} rows {ROWS} echo; exec \"$@\"",), "sh"]);
    sized.arg(command.get_program()).args(command.get_args()).env_clear().env("TERM", "xterm-256color");
    sized.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        sized.current_dir(folder);
    }
    sized
}

/// Reads what is written to a terminal until nobody has it open any more.
fn output(mut terminal: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // Linux says EIO at the end.
        while let Ok(read @ 1..) = terminal.read(&mut buffer) {
            if sender.send(buffer[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
