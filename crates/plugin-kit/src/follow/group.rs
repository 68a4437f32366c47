//! Running a check in a process group of its own: what the keyboard says is not for it, and it ends with whoever runs it,
//! with all that it has started.

use std::collections::VecDeque;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// Bytes of the output that are kept: its end says what went wrong.
const KEPT: usize = 64 * 1024;
/// How long the output of a check that has ended is read: something that it left in the background may hold it open.
const REST: Duration = Duration::from_millis(200);

/// How a check ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its status; none where it had to be ended.
    pub status: Option<ExitStatus>,
    /// The end of what it said.
    pub output: Vec<u8>,
}

/// Runs a command to its end, but for so long only.
pub(super) async fn run(mut command: Command, patience: Duration) -> io::Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn()?;
    let mut group = Group(child.id());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (mut said, mut complained) = (VecDeque::new(), VecDeque::new());
    let status = {
        let reading = async {
            tokio::join!(read(out, &mut said), read(err, &mut complained));
        };
        tokio::pin!(reading);
        let waiting = timeout(patience, child.wait());
        tokio::pin!(waiting);
        let mut reads = true;
        let status = loop {
            tokio::select! {
                status = &mut waiting => break status,
                // It may close its streams before it ends.
                () = &mut reading, if reads => reads = false,
            }
        };
        match status {
            Ok(status) => {
                group.is_over();
                tokio::select! {
                    () = sleep(REST) => {}
                    () = &mut reading, if reads => {}
                }
                Some(status?)
            }
            Err(_) => None,
        }
    };
    complained.extend(said);
    Ok(Ended { status, output: complained.into() })
}

async fn read(stream: Option<impl AsyncRead + Unpin>, kept: &mut VecDeque<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0; 8192];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        kept.extend(&chunk[..read]);
        kept.drain(..kept.len().saturating_sub(KEPT));
    }
}

/// A process group, which is ended when this is dropped.
struct Group(Option<u32>);

impl Group {
    /// What it left in the background may stay.
    fn is_over(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.0.and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn check(words: &str, patience: Duration) -> (Ended, Duration) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", words]);
        let began = Instant::now();
        (runtime.block_on(run(command, patience)).unwrap(), began.elapsed())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_it_leaves_in_the_background_is_not_waited_for() {
        let (ended, took) = check("sleep 50 & echo started", LONG);
        assert!(ended.status.is_some_and(|status| status.success()) && took < LONG / 2, "{took:?}");
        assert_eq!(ended.output, b"started\n");
    }

    #[test]
    fn the_end_of_endless_words_is_kept() {
        let (ended, _) = check("yes | head -c 3000000; echo the end; exit 3", LONG);
        assert_eq!(ended.status.and_then(|status| status.code()), Some(3));
        assert!(ended.output.len() <= KEPT && ended.output.ends_with(b"y\nthe end\n"));
    }

    #[test]
    fn what_does_not_end_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alive");
        let words = format!("(sleep 2; touch {}) & sleep 50", file.display());
        let (ended, _) = check(&words, Duration::from_millis(300));
        assert!(ended.status.is_none());
        std::thread::sleep(Duration::from_secs(3));
        assert!(!file.exists());
    }

    #[test]
    fn it_may_close_its_streams_before_it_ends() {
        let (ended, took) = check("exec >&- 2>&-; sleep 1; exit 4", LONG);
        assert_eq!(ended.status.and_then(|status| status.code()), Some(4));
        assert!(took >= Duration::from_secs(1));
    }
}
