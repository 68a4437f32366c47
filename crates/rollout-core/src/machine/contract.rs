//! What follows or drives a rollout, as a state machine without IO: it is shown pictures and told what came of its requests,
//! and says what happens next. `rollout-kube` runs any of them; nothing here waits.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::judge::status::Progress;
use crate::machine::act::Act;
use crate::machine::check::{CheckRun, Verdict};
use crate::machine::ending::Ending;
use crate::machine::event::Event;
use crate::plan::needs::Needs;
use crate::plan::request::Request;
use crate::snapshot::Snapshot;

/// A state machine that follows or drives the rollout of one workload.
pub trait Machine {
    /// Says how far the rollout is, and what happens next. The same picture may be shown again.
    fn step(&mut self, snapshot: &Snapshot) -> (Progress, Step);

    /// Takes in what came of a request of the last step. The next picture may not show it yet.
    fn sent(&mut self, sent: &Outcome);

    /// Takes in what the checks came to that the last step asked for.
    fn checked(&mut self, verdict: Verdict);

    /// Takes in a word from outside.
    fn told(&mut self, order: &Order);

    /// Hands over what the last picture showed beside the progress, each once.
    fn news(&mut self) -> Vec<Event> {
        Vec::new()
    }
}

/// The end of a time that runs from the first picture, by the server's clock.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    limit: Option<i64>,
    started: Option<Timestamp>,
}

impl Deadline {
    /// Makes a deadline after that many seconds; none is never.
    pub fn new(limit: Option<i64>) -> Deadline {
        Deadline { limit, started: None }
    }

    /// Tells whether it is over; the first call starts the time.
    pub fn is_over(&mut self, now: Timestamp) -> bool {
        self.over_for(now).is_some()
    }

    /// Returns for how many seconds it has been over; the first call starts the time.
    pub fn over_for(&mut self, now: Timestamp) -> Option<i64> {
        let started = *self.started.get_or_insert(now);
        let beyond = now.as_second() - started.as_second() - self.limit?;
        (beyond >= 0).then_some(beyond)
    }
}

/// What happens next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing until something changes.
    Wait,
    /// The pods are available and have to stay so for that many seconds.
    Soak(i64),
    /// Everything has passed; a word from outside ends it.
    Passed,
    /// What is around the workload is read, and shown with the next pictures.
    Survey(Needs),
    /// A request is sent.
    Send {
        /// What it does, for whoever watches.
        act: Act,
        /// What is sent.
        request: Request,
    },
    /// Requests that do not depend on each other are sent at once; [`Machine::sent`] takes in each in this order.
    SendAll(Vec<(Act, Request)>),
    /// The checks are run; the picture goes on meanwhile.
    Check(CheckRun),
    /// It is over.
    End(Ending),
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done. After a patch with the object as the server stored it, which admission may have made another than was sent.
    Done(Option<Box<Value>>),
    /// What it was planned on is no more; nothing was written.
    Changed,
    /// There is no such object any more.
    Gone,
    /// The server refuses, in these words.
    Refused(String),
    /// Not now, in the server's words: a disruption budget forbids it (429 of an eviction).
    NotNow(String),
    /// The server did not answer: it may be done or not.
    Unanswered,
}

/// A word from outside to a machine that is one of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// All others are through: what has passed may end.
    Accept,
    /// Another one failed, so this one is taken back too.
    TakeBack(String),
}
