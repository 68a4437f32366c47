//! The plugins' programs as processes: each has its time, and its end is judged.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cluster::Cluster;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::Result;

use super::cast::Call;
use super::judge;
use super::story::{Figures, Story, lock};

/// Beyond all that a call was given itself: its wait, the way back, and whatever a busy machine makes of both.
const LIMIT: Duration = Duration::from_secs(600);

/// How much of what a call said is told.
const LAST_WORDS: usize = 12;

/// Those who call plugins.
pub(super) struct Calls<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    folder: TempDir,
    story: &'a Story,
    figures: &'a Figures,
    number: AtomicU64,
    running: Mutex<BTreeMap<u64, Running>>,
    problems: Mutex<Vec<String>>,
}

struct Running {
    part: usize,
    pid: Pid,
    signals: Vec<&'static str>,
}

/// How a call ended.
pub(super) struct Ended {
    pub(super) code: i32,
    /// Whether it got a signal.
    pub(super) disturbed: bool,
}

impl<'a> Calls<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        namespace: &'a str,
        story: &'a Story,
        figures: &'a Figures,
    ) -> Result<Self> {
        Ok(Self {
            cluster,
            namespace,
            folder: tempfile::Builder::new().prefix("chaos-").tempdir()?,
            story,
            figures,
            number: AtomicU64::new(1),
            running: Mutex::default(),
            problems: Mutex::default(),
        })
    }

    /// Runs one to its end, through whatever the kubeconfig leads to.
    pub(super) fn run(&self, part: usize, call: &Call, kubeconfig: &Path) -> Result<Ended> {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let files = ["out", "err"].map(|stream| self.folder.path().join(format!("{number}.{stream}")));
        let mut command = self.cluster.command(&format!("kubectl-{}", call.plugin));
        // In front of a `--`, behind which words are another program's.
        let end = call.words.iter().position(|word| word == "--").unwrap_or(call.words.len());
        command.args(&call.words[..end]).arg("--namespace").arg(self.namespace).args(&call.words[end..]);
        command.env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
        command.stdout(File::create(&files[0])?).stderr(File::create(&files[1])?);
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        lock(&self.running).insert(number, Running { part, pid, signals: Vec::new() });
        self.story.tell(format_args!("call {number}: {call}"));
        let code = self.wait(number, call, &mut child, &files);
        let signals = lock(&self.running).remove(&number).map(|it| it.signals).unwrap_or_default();
        let said = said(&files);
        self.story.tell(format_args!("call {number} ended with {code}\n{}", last(&said)));
        self.figures.add("calls", 1);
        self.figures.add(format!("calls that ended with {code}"), 1);
        for wrong in judge::end(code, &signals, &said) {
            self.blame(format!("call {number} ({call}): {wrong}"));
        }
        Ok(Ended { code, disturbed: !signals.is_empty() })
    }

    fn wait(&self, number: u64, call: &Call, child: &mut Child, files: &[PathBuf; 2]) -> i32 {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                return cluster::code(status);
            }
            if begun.elapsed() > LIMIT {
                let what = state(child.id());
                self.blame(format!(
                    "call {number} ({call}) has not ended after {} s; its threads:\n{what}it said:\n{}",
                    LIMIT.as_secs(),
                    said(files),
                ));
                if let Some(running) = lock(&self.running).get_mut(&number) {
                    running.signals.push("KILL");
                }
                let _ = child.kill();
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal to whoever drives a workload, or another one where nobody does; returns the number of the call.
    pub(super) fn signal(&self, part: usize, name: &'static str) -> Option<u64> {
        let mut running = lock(&self.running);
        let number = running.iter().find(|(_, it)| it.part == part).or(running.iter().next());
        let number = number.map(|(number, _)| *number)?;
        let driver = running.get_mut(&number)?;
        let signal = match name {
            "INT" => Signal::SIGINT,
            "TERM" => Signal::SIGTERM,
            _ => Signal::SIGKILL,
        };
        // It is not waited for before it is taken out of the list, so the number is still its own.
        driver.signals.push(name);
        kill(driver.pid, signal).ok().map(|()| number)
    }

    pub(super) fn blame(&self, problem: String) {
        self.story.tell(format_args!("WRONG: {problem}"));
        lock(&self.problems).push(problem);
    }

    /// Returns all that was wrong.
    pub(super) fn problems(&self) -> Vec<String> {
        lock(&self.problems).clone()
    }
}

/// What a process said, what it printed for programs first.
fn said(files: &[PathBuf; 2]) -> String {
    files
        .iter()
        .map(|file| fs::read(file).unwrap_or_default())
        .fold(String::new(), |all, bytes| all + &String::from_utf8_lossy(&bytes))
}

fn last(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
}

/// Where the threads of a process are, as far as this system tells.
fn state(pid: u32) -> String {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return String::new() };
    let of = |path: &Path| {
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default().trim().to_string();
        format!("  {} {} {}\n", read("comm"), read("wchan"), read("syscall"))
    };
    tasks.flatten().map(|task| of(&task.path())).collect()
}
