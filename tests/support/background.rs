//! A plugin that runs while its test does something else: what it says is read as it comes, and it can be sent signals.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::LONG;
use cluster::{Namespace, Output, holds_within, wait_until};

/// A process in the background; it is killed when it is dropped.
pub struct Running {
    command: Command,
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

impl Running {
    /// Starts `kubectl rollback` with these words in a namespace.
    pub fn rollback(ns: &Namespace<'_>, words: &[&str]) -> Running {
        Running::plugin("rollback", ns, words)
    }

    /// Starts `kubectl` with a plugin and these words in a namespace.
    pub fn plugin(name: &str, ns: &Namespace<'_>, words: &[&str]) -> Running {
        let mut command = ns.cluster().command("kubectl");
        command.arg(name).args(words).args(["-n", ns.name()]);
        Running::start(command)
    }

    /// Starts a command.
    pub fn start(mut command: Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdout, stderr) = (Stream::of(child.stdout.take()), Stream::of(child.stderr.take()));
        Running { command, child, stdout, stderr }
    }

    /// Waits until it has said this on one of its streams.
    #[track_caller]
    pub fn says(&self, text: &str) {
        let said = || [self.stdout.text(), self.stderr.text()];
        let is_said = holds_within(LONG, || said().iter().any(|it| it.contains(text)));
        assert!(
            is_said,
            "not within {LONG:?}: {text:?} of {:?}, which said {}",
            self.command,
            said().concat()
        );
    }

    /// Returns what it has said on standard output so far.
    pub fn said(&self) -> String {
        self.stdout.text()
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()), "no signal to {:?}", self.command);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ends(self) -> Output {
        self.ends_within(LONG)
    }

    /// Waits for its end, that long.
    #[track_caller]
    pub fn ends_within(mut self, limit: Duration) -> Output {
        let mut status = None;
        wait_until(&format!("{:?} ends", self.command), limit, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        let output = Output {
            command: format!("{:?}", self.command),
            code: status.map_or(-1, cluster::code),
            stdout: self.stdout.end(),
            stderr: self.stderr.end(),
        };
        let cut = status.is_some_and(|status| status.code().is_none());
        let fault = documents::fault(&self.command, &output.stdout, cut);
        assert_eq!(fault, None, "{output}");
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What comes out of a process.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn of(source: Option<impl Read + Send + 'static>) -> Stream {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 4096];
            let Some(mut source) = source else { return };
            while let Ok(read @ 1..) = source.read(&mut chunk) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..read]);
            }
        });
        Stream { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Returns everything, once the process has ended.
    fn end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.text()
    }
}
