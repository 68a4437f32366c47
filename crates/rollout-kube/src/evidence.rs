//! Reading what a snapshot does not hold where something looks wrong: events, nodes, the ends of logs. What of it is worth
//! reading is said by `rollout_core::judge::wanted`.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Error;
use kube::api::{GetParams, ListParams, LogParams, Request};
use rollout_core::Snapshot;
use rollout_core::judge::{State, Wanted, evaluate, wanted};
use rollout_core::objects::{EventRecord, NodeReadiness};
use rollout_core::snapshot::{Evidence, LogTail, Patience, Skipped, Symptom};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::cluster::{Cluster, Scope, pods_path};

/// How often at most something is read anew.
const PERIOD: Duration = Duration::from_secs(2);
/// How long reading may take: it is beside what matters.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many lines of a log's end are read, and how many bytes: the server cuts off what is behind those, not before them.
const LOG: (i64, i64) = (10, 256 << 10);
/// How many bytes of those lines are kept, from the end.
const SHOWN: usize = 16 << 10;

/// What one request answered.
enum Found {
    Events(Vec<EventRecord>),
    Node(NodeReadiness),
    Log(LogTail),
    Hidden(Skipped),
    Nothing,
}

/// Whose log is read, and of which run.
#[derive(Clone, Copy)]
struct LogOf<'a> {
    namespace: &'a str,
    pod: &'a str,
    container: &'a str,
    /// The run before the present one.
    previous: bool,
    /// When the run ended that is meant.
    ended: Option<Timestamp>,
}

impl Cluster {
    /// Reads what is worth reading beside a snapshot, and returns what could not be read this time. What may not be read is
    /// told as skipped; none of it is an error.
    pub async fn evidence(&self, namespace: &str, wanted: &[Wanted]) -> (Evidence, Vec<Wanted>) {
        let mut reading = JoinSet::new();
        for item in wanted {
            let (cluster, namespace, item) = (self.clone(), namespace.to_string(), item.clone());
            reading.spawn(async move { (item.clone(), cluster.find(&namespace, item).await) });
        }
        let mut evidence = Evidence::default();
        let mut unread = wanted.to_vec();
        // A server that is slow now is not waited for; what it has answered counts.
        let _ = timeout(PATIENCE, async {
            while let Some(answer) = reading.join_next().await {
                let Ok((item, found)) = answer else { continue };
                if !matches!(found, Found::Nothing) {
                    unread.retain(|it| *it != item);
                }
                match found {
                    Found::Events(events) => evidence.events.extend(events),
                    Found::Node(node) => evidence.nodes.push(node),
                    Found::Log(log) => evidence.logs.push(log),
                    Found::Hidden(what) => drop(evidence.skipped.insert(what)),
                    Found::Nothing => {}
                }
            }
        })
        .await;
        (evidence, unread)
    }

    async fn find(&self, namespace: &str, wanted: Wanted) -> Found {
        let (found, what) = match wanted {
            Wanted::Events { uid } => {
                (self.events(namespace, &uid).await.map(Found::Events), Skipped::Events)
            }
            Wanted::Node { name } => (self.node(name).await.map(Found::Node), Skipped::Nodes),
            Wanted::Log { pod, container, previous, ended } => {
                let of = LogOf { namespace, pod: &pod, container: &container, previous, ended };
                (self.log(of).await.map(Found::Log), Skipped::Logs)
            }
        };
        match found {
            Ok(found) => found,
            Err(Error::Api(status)) if status.code == 403 => Found::Hidden(what),
            Err(_) => Found::Nothing,
        }
    }

    async fn events(&self, namespace: &str, uid: &str) -> Result<Vec<EventRecord>, Error> {
        let params = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
        let request = Request::new(format!("/api/v1/namespaces/{namespace}/events"));
        let request = request.list(&params).map_err(Error::BuildRequest)?;
        let mut events = Vec::new();
        self.page(request, &mut |event| events.push(event)).await?;
        Ok(events)
    }

    /// A node that is gone is not ready either.
    async fn node(&self, name: String) -> Result<NodeReadiness, Error> {
        let request = Request::new("/api/v1/nodes").get(&name, &GetParams::default());
        match self.client.request(request.map_err(Error::BuildRequest)?).await {
            Err(Error::Api(status)) if status.code == 404 => Ok(NodeReadiness {
                name,
                ready: false,
                reason: "NotFound".to_string(),
                message: status.message.clone(),
            }),
            answer => answer,
        }
    }

    /// Reads the log of the run that failed; of the other one where that has none, as between two states of a container, and
    /// where it is not the one that was meant, since the container was started again meanwhile.
    async fn log(&self, of: LogOf<'_>) -> Result<LogTail, Error> {
        match self.log_of(of).await {
            Ok(log) if !log.lines.is_empty() => Ok(log),
            Err(Error::Api(status)) if status.code == 403 => Err(Error::Api(status)),
            Ok(_) | Err(_) => self.log_of(LogOf { previous: !of.previous, ..of }).await,
        }
    }

    async fn log_of(&self, of: LogOf<'_>) -> Result<LogTail, Error> {
        let (lines, bytes) = LOG;
        let mut text = self.end_of_log(of, lines).await?;
        if text.len() as i64 >= bytes {
            // So long lines that the last one may be behind the cut.
            text = self.end_of_log(of, 1).await?;
        }
        let LogOf { namespace: _, pod, container, previous, ended } = of;
        let lines = if !previous && is_later(&text, ended) { Vec::new() } else { words(last(&text, SHOWN)) };
        Ok(LogTail { pod: pod.to_string(), container: container.to_string(), previous, lines })
    }

    async fn end_of_log(&self, of: LogOf<'_>, lines: i64) -> Result<String, Error> {
        let params = LogParams {
            container: Some(of.container.to_string()),
            tail_lines: Some(lines),
            limit_bytes: Some(LOG.1),
            previous: of.previous,
            timestamps: true,
            ..LogParams::default()
        };
        let path = pods_path(&Scope::Namespace(of.namespace.to_string()));
        let request = Request::new(path).logs(of.pod, &params).map_err(Error::BuildRequest)?;
        self.client.request_text(request).await.map(said)
    }
}

/// What a kubelet writes in the place of a log whose container is gone (pkg/kubelet/kuberuntime/kuberuntime_container.go,
/// `GetContainerLogs`) is nobody's last words.
fn said(text: String) -> String {
    let gone = text.starts_with("unable to retrieve container logs for ") && text.lines().count() == 1;
    if gone { String::new() } else { text }
}

/// Tells whether a log is of a run that began after another one had ended: times of ends are whole seconds.
fn is_later(text: &str, ended: Option<Timestamp>) -> bool {
    let first = text.lines().next().and_then(|line| stamped(line).0);
    first.zip(ended).is_some_and(|(first, ended)| first.as_second() > ended.as_second() + 1)
}

/// Returns the lines without the times that the kubelet puts before them.
fn words(text: &str) -> Vec<String> {
    text.lines().map(|line| stamped(line).1.to_string()).collect()
}

/// Splits a line of a log into the kubelet's time, which has nine digits behind the second (cri-client/pkg/logs/logs.go,
/// `timeFormatOut`), and what was written.
fn stamped(line: &str) -> (Option<Timestamp>, &str) {
    let Some((time, said)) = line.split_once(' ') else { return (None, line) };
    let nanoseconds = time
        .split_once('.')
        .is_some_and(|(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count() == 9);
    match time.parse().ok().filter(|_| nanoseconds) {
        Some(time) => (Some(time), said),
        None => (None, line),
    }
}

/// Returns the last bytes of a text, from the beginning of a character.
fn last(text: &str, bytes: usize) -> &str {
    let start = (text.len().saturating_sub(bytes)..text.len()).find(|at| text.is_char_boundary(*at));
    &text[start.unwrap_or(0)..]
}

/// Keeps what was read for one workload, and reads it anew where that is due.
#[derive(Debug, Default)]
pub struct Reader {
    known: BTreeSet<Symptom>,
    patience: Patience,
    hidden: BTreeSet<Skipped>,
    evidence: Evidence,
    read: Vec<Wanted>,
    at: Option<Instant>,
}

impl Reader {
    /// Starts where something is known to have failed before (see `rollout_core::judge::causes::symptoms`), with a patience.
    pub fn new(known: BTreeSet<Symptom>, patience: Patience) -> Reader {
        Reader { known, patience, ..Reader::default() }
    }

    /// Puts what is known into a snapshot, and reads it anew where something looks wrong: every two seconds at most, and
    /// what was never read as soon as it would say that the rollout failed.
    pub async fn look(&mut self, cluster: &Cluster, snapshot: &mut Snapshot) {
        snapshot.evidence = self.told();
        snapshot.patience = self.patience;
        let state = match self.read(cluster, snapshot, false).await {
            Some(state) => state,
            None => evaluate(snapshot).state,
        };
        if state == State::Failed {
            self.read(cluster, snapshot, true).await;
        }
    }

    /// Returns the state where nothing has come that could change it: of thousands of pods it takes its time to tell.
    async fn read(&mut self, cluster: &Cluster, snapshot: &mut Snapshot, closely: bool) -> Option<State> {
        let progress = evaluate(snapshot);
        let mut wanted = wanted(snapshot, &progress);
        wanted.retain(|it| !self.hidden.contains(&sort(it)));
        let due = self.at.is_none_or(|at| at.elapsed() >= PERIOD)
            || closely && wanted.iter().any(|it| !self.read.contains(it));
        let stays = if wanted.is_empty() { self.evidence == Evidence::default() } else { !due };
        if wanted.is_empty() {
            self.evidence = Evidence::default();
        } else if due {
            let (evidence, unread) = cluster.evidence(&snapshot.workload.id.namespace, &wanted).await;
            let before = std::mem::replace(&mut self.evidence, evidence);
            unread.iter().for_each(|item| self.keep(&before, item));
            self.hidden.extend(self.evidence.skipped.iter().copied());
            self.at = Some(Instant::now());
            self.read = wanted;
        }
        snapshot.evidence = self.told();
        stays.then_some(progress.state)
    }

    /// What a server did not tell this time is still believed: a node that was dead may not turn into a pod that fails.
    fn keep(&mut self, before: &Evidence, unread: &Wanted) {
        let evidence = &mut self.evidence;
        match unread {
            Wanted::Events { uid } => evidence.events.extend(before.events_of(uid).cloned()),
            Wanted::Node { name } => {
                evidence.nodes.extend(before.nodes.iter().find(|node| node.name == *name).cloned());
            }
            Wanted::Log { pod, container, previous: _, ended: _ } => {
                evidence.logs.extend(before.log(pod, container).cloned());
            }
        }
    }

    fn told(&self) -> Evidence {
        let mut evidence = self.evidence.clone();
        evidence.skipped.clone_from(&self.hidden);
        evidence.known.clone_from(&self.known);
        evidence
    }
}

fn sort(wanted: &Wanted) -> Skipped {
    match wanted {
        Wanted::Events { uid: _ } => Skipped::Events,
        Wanted::Node { name: _ } => Skipped::Nodes,
        Wanted::Log { pod: _, container: _, previous: _, ended: _ } => Skipped::Logs,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_later, said, words};

    #[test]
    fn a_log_that_begins_after_the_end_is_of_another_run() {
        let ended = "2026-01-01T00:00:50Z".parse().ok();
        let log = |second: u32| {
            format!("2026-01-01T00:00:{second:02}.123456789Z begins\n2026-01-01T00:01:09.000000000Z on\n")
        };
        assert_eq!([49, 50, 51, 52].map(|second| is_later(&log(second), ended)), [false, false, false, true]);
        assert!(!is_later(&log(52), None) && !is_later("no time here", ended) && !is_later("", ended));
    }

    #[test]
    fn the_times_of_the_kubelet_are_taken_off_and_no_others() {
        let own = "2026-01-01T00:00:50Z ours\n2026-01-01T00:00:50.123Z too\n\nplain";
        assert_eq!(words(own).join("\n"), own);
        assert_eq!(words(&format!("2026-01-01T00:00:50.000000000+02:00 {}", own)).join("\n"), own);
        assert_eq!(words("2026-01-01T00:00:50.000000000Z \n"), [""]);
    }

    #[test]
    fn a_log_that_is_gone_is_no_log() {
        assert_eq!(said("unable to retrieve container logs for containerd://3289".into()), "");
        for text in ["", "starting\n", "unable to retrieve container logs for x\nand then some\n"] {
            assert_eq!(said(text.into()), text);
        }
    }
}
