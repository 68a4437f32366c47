//! Plays a story: prints its steps, runs its commands, checks what they come to.

use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

use super::playhouse::Playhouse;
use super::story::{Act, Mode, Part, Step};

/// How long a command may take; images are pulled meanwhile.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a look is repeated.
const GAZE: Duration = Duration::from_secs(60);
const WIDTH: usize = 80;

/// What a command said, and how it ended.
struct Heard {
    text: String,
    code: i32,
}

pub(super) struct Show<'a> {
    playhouse: &'a Playhouse,
    steps: bool,
    colour: bool,
    number: usize,
    begun: Instant,
}

impl<'a> Show<'a> {
    /// With `steps` each waits for Enter, as long as there is somebody to press it.
    pub(super) fn new(playhouse: &'a Playhouse, steps: bool) -> Self {
        let colour = io::stdout().is_terminal();
        Self { playhouse, steps, colour, number: 0, begun: Instant::now() }
    }

    pub(super) fn play(&mut self, part: &Part) -> Result {
        let manifest = self.playhouse.folder().join(format!("{}.yaml", part.name));
        fs::write(manifest, self.playhouse.fit(part.manifest))?;
        println!("\n{}\n{}", self.paint("1;4", part.title), "=".repeat(part.title.len()));
        for step in part.steps {
            self.step(step)?;
        }
        Ok(())
    }

    pub(super) fn end(&self) {
        let seconds = self.begun.elapsed().as_secs();
        println!(
            "\n{}",
            self.paint("1", &format!("The end: {} steps in {seconds} s, each as told.", self.number))
        );
    }

    fn step(&mut self, step: &Step) -> Result {
        self.number += 1;
        let title = format!("{}. {}", self.number, self.playhouse.fit(step.title));
        println!("\n{}", self.paint("1", &title));
        println!("{}", wrap(&self.playhouse.fit(step.see)));
        self.wait_for_enter()?;
        for act in step.acts {
            self.act(act).map_err(|error| format!("the demo stops in step {title:?}: {error}"))?;
        }
        Ok(())
    }

    fn wait_for_enter(&mut self) -> Result {
        if self.steps {
            eprint!("[Enter] ");
            self.steps = io::stdin().read_line(&mut String::new())? > 0;
            if !self.steps {
                eprintln!("nobody is there to press it: going on without waiting");
            }
        }
        Ok(())
    }

    fn act(&self, act: &Act) -> Result {
        let line = self.playhouse.fit(act.line);
        println!("\n{}", self.paint("36", &format!("$ {line}")));
        let heard = match act.mode {
            Mode::Act => self.hear(&line, |line| println!("{line}"))?,
            Mode::Look => self.look(act, &line)?,
        };
        if heard.code != 0 {
            println!("(exit code {})", heard.code);
        }
        self.objection(act, &heard).map_or(Ok(()), |objection| Err(format!("`{line}` {objection}").into()))
    }

    /// Repeats a reading command until it shows what it should, and prints the last answer.
    fn look(&self, act: &Act, line: &str) -> Result<Heard> {
        let begun = Instant::now();
        loop {
            let heard = self.hear(line, |_| {})?;
            if self.objection(act, &heard).is_none() || begun.elapsed() > GAZE {
                print!("{}", heard.text);
                return Ok(heard);
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Says what is not as the story tells it.
    fn objection(&self, act: &Act, heard: &Heard) -> Option<String> {
        let has = |text: &&&str| heard.text.contains(&self.playhouse.fit(text));
        if heard.code != act.code {
            return Some(format!("should have ended with {}, not with {}", act.code, heard.code));
        }
        if let Some(missing) = act.shows.iter().find(|text| !has(text)) {
            return Some(format!("should have shown {:?}", self.playhouse.fit(missing)));
        }
        let wrong = act.hides.iter().find(has)?;
        Some(format!("should not have shown {:?}", self.playhouse.fit(wrong)))
    }

    /// Runs a line for the shell; hands on what it says, both streams in order, while it says it.
    fn hear(&self, line: &str, mut say: impl FnMut(&str)) -> Result<Heard> {
        let (reader, writer) = io::pipe()?;
        let mut command = self.playhouse.shell(line);
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let mut child = Running::start(command)?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n') {
                if !line.is_ok_and(|line| sender.send(line).is_ok()) {
                    return;
                }
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let mut text = String::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let line = String::from_utf8_lossy(&line);
                    say(&line);
                    text.push_str(&line);
                    text.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("`{line}` has not ended within {} s", PATIENCE.as_secs()).into());
                }
            }
        }
        io::stdout().flush()?;
        Ok(Heard { text, code: child.0.wait()?.code().unwrap_or(-1) })
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A child that does not outlive the wait for it.
struct Running(Child);

impl Running {
    /// The command holds this side's ends of the pipe: they are closed when it is dropped here.
    fn start(mut command: Command) -> Result<Self> {
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Breaks a sentence into lines.
fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
