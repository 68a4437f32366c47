//! The one loop that runs a state machine: look, ask it, do what it says, tell, wait.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use k8s_openapi::jiff::Timestamp;
use kube::Error;
use rollout_core::Snapshot;
use rollout_core::judge::{Hold, Progress, evaluate};
use rollout_core::machine::{self, Act, CheckRun, Ending, Event, Machine, Order, Step, Verdict};
use rollout_core::plan::{Method, Needs, Request};
use rollout_core::snapshot::{Patience, Surroundings, Symptom};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::evidence::Reader;
use crate::send::{SendOptions, Sent};
use crate::watch::{Feed, Sight};

/// How often the picture is looked at although nothing changed: `minReadySeconds` passes in silence.
const GLANCE: Duration = Duration::from_secs(1);

/// Seconds for which a server may be silent and have missed nothing: what it was told meanwhile could not be much.
const SILENCE: i64 = 5;

/// A run of checks that is under way.
pub type Checking = Pin<Box<dyn Future<Output = Verdict>>>;

/// What a machine is run with.
pub struct Run<'a> {
    /// How its requests are sent.
    pub send: SendOptions,
    /// Starts the checks that it asks for.
    pub check: &'a dyn Fn(CheckRun) -> Checking,
    /// Words to it from outside.
    pub orders: watch::Receiver<Option<Order>>,
    /// What failed before: it is not the rollout's doing.
    pub known: BTreeSet<Symptom>,
    /// How patient whoever asked is with what may pass by itself.
    pub patience: Patience,
    /// Whoever wants to know.
    pub tell: &'a dyn Fn(Event),
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    /// The state machine's word.
    pub ending: Ending,
    /// How far the rollout was; none when the workload was gone at once.
    pub progress: Option<Progress>,
    /// The last picture.
    pub snapshot: Option<Box<Snapshot>>,
}

/// Runs a state machine to its end.
pub async fn run(cluster: &Cluster, feed: &mut Feed, machine: &mut dyn Machine, mut run: Run<'_>) -> End {
    let (mut progress, mut snapshot) = (None, None);
    let mut checking: Option<Checking> = None;
    let mut surroundings = Surroundings::default();
    let mut reader = Reader::new(std::mem::take(&mut run.known), run.patience);
    let mut sight = feed.sight();
    let mut line = Line::default();
    loop {
        match sight {
            Sight::Gone => return End { ending: Ending::Gone, progress, snapshot },
            Sight::Forbidden(words) => {
                return End { ending: Ending::Refused(words), progress, snapshot };
            }
            Sight::Lost(error) => {
                line.is_lost(cluster.now());
                (run.tell)(Event::ConnectionLost { error });
            }
            Sight::Back => {
                line.is_back(cluster.now());
                (run.tell)(Event::ConnectionBack);
            }
            Sight::Snapshot(mut seen) => {
                // Nothing is written to what is being deleted, whatever was begun.
                if seen.workload.deleting {
                    let progress = evaluate(&seen);
                    (run.tell)(Event::Progress(progress.clone()));
                    let ending = Ending::Held(Hold::Deleting);
                    return End { ending, progress: Some(progress), snapshot: Some(seen) };
                }
                seen.answering = line.answering(seen.now);
                seen.surroundings.clone_from(&surroundings);
                reader.look(cluster, &mut seen).await;
                let (now, step) = machine.step(&seen);
                (run.tell)(Event::Progress(now.clone()));
                machine.news().into_iter().for_each(run.tell);
                progress = Some(now);
                snapshot = Some(seen);
                let mut requests = Vec::new();
                match step {
                    Step::Wait => {}
                    Step::Soak(left) => (run.tell)(Event::Soaking(left)),
                    Step::Passed => (run.tell)(Event::Passed),
                    Step::End(ending) => return End { ending, progress, snapshot },
                    Step::Survey(needs) => surroundings = survey(cluster, snapshot.as_deref(), &needs).await,
                    Step::Check(asked) => checking = Some((run.check)(asked)),
                    Step::Send { act, request } => requests.push((act, request)),
                    Step::SendAll(all) => requests = all,
                }
                // What is decided on an old picture is not done: it is decided anew once there is a new one.
                if line.lost.is_some() {
                    requests.drain(..).for_each(|_| machine.sent(&machine::Outcome::Unanswered));
                }
                // What is done may be one of several things that can be done one after the other.
                if send_all(cluster, requests, machine, &run).await {
                    sight = feed.next(Duration::ZERO).await;
                    continue;
                }
            }
        }
        sight = tokio::select! {
            sight = feed.next(GLANCE) => sight,
            verdict = answer(&mut checking) => {
                machine.checked(verdict);
                feed.sight()
            }
            Ok(()) = run.orders.changed() => {
                if let Some(order) = run.orders.borrow_and_update().as_ref() {
                    machine.told(order);
                }
                feed.sight()
            }
        };
    }
}

/// Whether what is seen is how it is.
#[derive(Default)]
struct Line {
    /// Since when the server does not answer: the picture is an old one.
    lost: Option<Timestamp>,
    /// Since when it has answered again.
    answering: Option<Timestamp>,
}

impl Line {
    fn is_lost(&mut self, now: Timestamp) {
        self.lost.get_or_insert(now);
    }

    /// What lies between may cut a watch every few seconds: nothing would ever last.
    fn is_back(&mut self, now: Timestamp) {
        let silent = self.lost.take().is_some_and(|lost| now.as_second() - lost.as_second() >= SILENCE);
        self.answering = if silent { Some(now) } else { self.answering };
    }

    /// Since when what is seen has been how it is; nothing where it always has.
    fn answering(&self, now: Timestamp) -> Option<Timestamp> {
        if self.lost.is_some() { Some(now) } else { self.answering }
    }
}

/// What cannot be read must not keep anybody from going back.
async fn survey(cluster: &Cluster, snapshot: Option<&Snapshot>, needs: &Needs) -> Surroundings {
    match snapshot {
        Some(snapshot) => cluster.surroundings(&snapshot.workload.id, needs).await.unwrap_or_default(),
        None => Surroundings::default(),
    }
}

async fn answer(checking: &mut Option<Checking>) -> Verdict {
    match checking {
        Some(running) => {
            let verdict = running.await;
            *checking = None;
            verdict
        }
        None => std::future::pending().await,
    }
}

/// Sends requests at once and tells the machine what came of each; whether any is done.
async fn send_all(
    cluster: &Cluster,
    requests: Vec<(Act, Request)>,
    machine: &mut dyn Machine,
    run: &Run<'_>,
) -> bool {
    let news = requests.iter().filter(|(act, _)| !matches!(act, Act::Evict { again: true, .. }));
    news.for_each(|(act, _)| (run.tell)(Event::Doing(act.clone())));
    let answers = join_all(requests.iter().map(|(_, request)| send(cluster, request, run))).await;
    for ((act, _), sent) in requests.into_iter().zip(&answers) {
        if matches!(sent, machine::Outcome::Changed | machine::Outcome::Gone) {
            (run.tell)(Event::NotDone(act));
        }
        machine.sent(sent);
    }
    answers.iter().any(|sent| matches!(sent, machine::Outcome::Done(_)))
}

/// What the server does not answer is no failure of the rollout: the machine looks again and decides anew.
async fn send(cluster: &Cluster, request: &Request, run: &Run<'_>) -> machine::Outcome {
    match cluster.send(request, &run.send).await {
        Ok(Sent::Done(stored)) => {
            machine::Outcome::Done((request.method == Method::Patch).then(|| Box::new(stored)))
        }
        Ok(Sent::Changed) => machine::Outcome::Changed,
        Ok(Sent::Gone) => machine::Outcome::Gone,
        Ok(Sent::NotNow(words)) => machine::Outcome::NotNow(words),
        Err(Error::Api(status)) if status.code != 429 && status.code < 500 => {
            machine::Outcome::Refused(status.message.clone())
        }
        Err(error) => {
            (run.tell)(Event::ConnectionLost { error: crate::cluster::innermost(&error) });
            sleep(GLANCE).await;
            machine::Outcome::Unanswered
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Timestamp};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn nothing_lasts_while_the_server_is_silent_and_all_begins_anew_after_it() {
        let mut line = Line::default();
        assert_eq!(line.answering(at(1)), None);
        line.is_lost(at(10));
        line.is_lost(at(12));
        assert_eq!(line.answering(at(13)), Some(at(13)));
        line.is_back(at(15));
        assert_eq!(line.answering(at(20)), Some(at(15)));
    }

    #[test]
    fn a_watch_that_is_cut_for_a_moment_changes_nothing() {
        let mut line = Line::default();
        line.is_lost(at(10));
        line.is_back(at(14));
        assert_eq!(line.answering(at(20)), None);
    }
}
