//! What the API server wrote down of requests: how many a program sent, which of them again, and how long they took.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use cluster::Cluster;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::Result;

/// The server writes a line when it has answered, which is after its client has read the answer.
const LATE: Duration = Duration::from_millis(500);

/// A log that is read on from where it was.
pub(super) struct AuditLog {
    path: PathBuf,
    read: u64,
}

/// The requests of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Requests {
    /// How many there were.
    pub(super) count: usize,
    /// How many of them read what had been read before: a watch that goes on is none of those.
    pub(super) again: usize,
    /// How long the server took for all of them, in milliseconds, without watches.
    pub(super) time: f64,
    /// When the first came that changes something.
    pub(super) wrote: Option<Timestamp>,
}

impl AuditLog {
    /// Reads the log of a cluster from its end.
    pub(super) fn of(cluster: &Cluster) -> Result<AuditLog> {
        let mut log = AuditLog { path: cluster.audit_log(), read: 0 };
        log.skip()?;
        Ok(log)
    }

    /// Goes on from its end.
    pub(super) fn skip(&mut self) -> Result {
        thread::sleep(LATE);
        self.read = self.path.metadata()?.len();
        Ok(())
    }

    /// Returns the requests of a program since the last time.
    pub(super) fn requests(&mut self, program: &str) -> Result<Requests> {
        thread::sleep(LATE);
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.read))?;
        self.read = file.metadata()?.len();
        // Others write on.
        let lines = BufReader::new(file).lines();
        let lines = lines.map_while(std::io::Result::ok).filter(|line| line.contains(program));
        Ok(Requests::of(program, lines))
    }
}

impl Requests {
    /// Returns the larger figures of two runs.
    pub(super) fn most(self, other: Requests) -> Requests {
        Requests {
            count: self.count.max(other.count),
            again: self.again.max(other.again),
            time: self.time.max(other.time),
            wrote: self.wrote.max(other.wrote),
        }
    }

    fn of(program: &str, lines: impl Iterator<Item = String>) -> Requests {
        let mut requests = Requests::default();
        let mut read = BTreeSet::new();
        for event in lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()) {
            let word = |field: &str| event[field].as_str().unwrap_or_default();
            let watches = word("verb") == "watch";
            let reads = matches!(word("verb"), "get" | "list");
            let last = if watches { "ResponseStarted" } else { "ResponseComplete" };
            if word("stage") != last || word("userAgent").split('/').next() != Some(program) {
                continue;
            }
            requests.count += 1;
            let time = |field: &str| word(field).parse::<Timestamp>().ok();
            let received = time("requestReceivedTimestamp");
            if !watches && !reads {
                // The lines are in the order of the answers.
                requests.wrote = requests.wrote.into_iter().chain(received).min();
            }
            let times = received.zip(time("stageTimestamp"));
            if let Some((received, answered)) = times.filter(|_| !watches) {
                requests.time += answered.duration_since(received).as_secs_f64() * 1e3;
            }
            if reads && !read.insert(word("requestURI").to_string()) {
                requests.again += 1;
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::Requests;

    fn line(agent: &str, verb: &str, uri: &str, stage: &str) -> String {
        serde_json::json!({"verb": verb, "requestURI": uri, "userAgent": format!("{agent}/v1 (linux/amd64)"), "stage": stage,
            "requestReceivedTimestamp": "2026-01-01T00:00:00.100000Z", "stageTimestamp": "2026-01-01T00:00:00.350000Z"})
        .to_string()
    }

    #[test]
    fn requests_of_one_program_are_counted_once_and_those_that_read_again() {
        let (begun, done) = ("ResponseStarted", "ResponseComplete");
        let lines = [
            line("kubectl-a", "list", "/pods?limit=1", done),
            line("kubectl-a", "list", "/pods?limit=1&continue=x", done),
            line("kubectl-a", "list", "/pods?limit=1", done),
            line("kubectl-a", "delete", "/pods/a", done),
            line("kubectl-a", "watch", "/pods?watch=true", begun),
            line("kubectl-a", "watch", "/pods?watch=true", done),
            line("kubectl-ab", "list", "/pods", done),
            "{".to_string(),
        ];
        let found = Requests::of("kubectl-a", lines.into_iter());
        assert_eq!((found.count, found.again, found.time.round() as i64), (5, 1, 1000));
        assert_eq!(found.wrote, "2026-01-01T00:00:00.100000Z".parse().ok());
        let reads = [line("kubectl-a", "list", "/pods", done)];
        assert_eq!(Requests::of("kubectl-a", reads.into_iter()).wrote, None);
    }
}
