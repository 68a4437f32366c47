//! What follows or drives a rollout, as a state machine without IO: it is shown pictures and told what came of its requests,
//! and says what happens next. `rollout-kube` runs any of them; nothing here waits.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::cause::Cause;
use crate::event::Event;
use crate::plan::Request;
use crate::revision::RevisionNumber;
use crate::snapshot::Snapshot;
use crate::status::{Hold, Progress};
use crate::steps::Holder;
use crate::surroundings::Needs;

/// A state machine that follows or drives the rollout of one workload.
pub trait Machine {
    /// Says how far the rollout is, and what happens next. The same picture may be shown again.
    fn step(&mut self, snapshot: &Snapshot) -> (Progress, Step);

    /// Takes in what came of a request of the last step. The next picture may not show it yet.
    fn sent(&mut self, sent: &Sent);

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

/// What a request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A pod is deleted.
    Delete {
        /// Its name.
        pod: String,
        /// Why.
        why: Why,
    },
    /// A pod is evicted, which a disruption budget may forbid.
    Evict {
        /// Its name.
        pod: String,
        /// Why.
        why: Why,
        /// Whether a budget forbade it before: nothing is said of it again.
        again: bool,
    },
    /// A partition is moved.
    Partition {
        /// How many pods, from the lowest ordinal, are to stay as they are.
        to: u32,
    },
    /// The revision that the controller recorded is stored as the one that is rolled out.
    Record,
    /// A driver that waits says that it is still there.
    Renew,
    /// A step is done.
    StepDone {
        /// Which one, from 1; those after it that add nothing are done with it.
        done: usize,
    },
    /// What holds the workload is put back: somebody else had replaced it.
    HoldAgain {
        /// The type of the strategy that was found.
        found: String,
    },
    /// A step failed: the workload is held so that nothing else can come up bad.
    StandStill {
        /// Because of this.
        causes: Vec<Cause>,
    },
    /// The time of a step is over that is only held up: it stands still until somebody resumes it.
    HeldUp {
        /// By this.
        causes: Vec<Cause>,
    },
    /// The copy of what is stored is taken off a revision.
    Clean {
        /// The object that records it.
        object: String,
    },
    /// It is over: strategy and limits are put back, and no trace stays.
    Finish,
    /// A failed rollout is taken back.
    GoBack {
        /// To that revision.
        to: Option<RevisionNumber>,
        /// Because of this.
        causes: Vec<Cause>,
    },
}

/// Why a pod is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It blocks a StatefulSet for ever.
    Blocks,
    /// It is old, and the strategy leaves replacing to us.
    OnDelete,
    /// It is new, and the rollout is taken back.
    PutBack,
    /// It is new and failed before the rollout was resumed.
    Retry,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
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

/// Checks that are to be run: somebody's commands and queries about these pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRun {
    /// The revision that they judge.
    pub revision: Option<RevisionNumber>,
    /// The step of a rollout in steps, from 1; 0 for a whole rollout.
    pub step: usize,
    /// The pods that are judged.
    pub pods: Vec<String>,
    /// Their nodes.
    pub nodes: Vec<String>,
}

/// What checks came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All passed.
    Passed,
    /// One did not.
    Failed(Cause),
    /// One could not be run at all, which says nothing about the rollout.
    Broken(String),
}

/// A word from outside to a machine that is one of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// All others are through: what has passed may end.
    Accept,
    /// Another one failed, so this one is taken back too.
    TakeBack(String),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All pods are new and available.
    Complete,
    /// Nothing more moves by itself, and somebody wanted it so.
    Held(Hold),
    /// New pods fail.
    Failed,
    /// The time given is over.
    TimedOut,
    /// Somebody rolled out something else meanwhile.
    Superseded,
    /// The workload is gone, or another one has its name.
    Gone,
    /// The server refuses what has to be done, in these words.
    Refused(String),
    /// A check could not be run.
    CheckBroken(String),
    /// It stands still after so many steps, and goes on when it is resumed.
    Paused {
        /// Steps that are done.
        done: usize,
        /// Steps that there are.
        of: usize,
    },
    /// All steps are done, and some pods stay old: what holds the workload stays too (hazard H8).
    HeldShort {
        /// The nodes, or the pods, that stay old.
        old: Vec<String>,
    },
    /// A step failed, and the rollout stands still.
    StepFailed {
        /// The step, from 1.
        step: usize,
        /// Why, as far as this run has seen it.
        causes: Vec<Cause>,
    },
    /// The time of a step is over that nothing of the new revision keeps: it stands still, and goes on when it is resumed.
    StepHeld {
        /// The step, from 1.
        step: usize,
        /// What holds it up.
        causes: Vec<Cause>,
    },
    /// It was taken back because somebody asked for it.
    Aborted {
        /// To that revision.
        to: Option<RevisionNumber>,
    },
    /// Somebody else put the old template back: to abort would finish that.
    AbortedByHand,
    /// Another process drives it now.
    TakenOver(Option<Holder>),
    /// The rollout failed, and the workload is back and healthy at an older revision.
    Undone {
        /// The revision that failed.
        from: Option<RevisionNumber>,
        /// The older one, by the number that it had before it came back.
        to: Option<RevisionNumber>,
        /// Why the rollout failed.
        causes: Vec<Cause>,
    },
    /// The rollout failed, and there is no way back, or it did not lead there.
    NotUndone {
        /// Why not.
        why: NoWayBack,
        /// Why the rollout failed.
        causes: Vec<Cause>,
    },
}

impl Ending {
    /// Returns why a rollout failed whose present state no longer shows it: it was taken back, or stands still.
    pub fn causes(&self) -> Option<&[Cause]> {
        match self {
            Ending::Undone { causes, .. }
            | Ending::NotUndone { causes, .. }
            | Ending::StepFailed { causes, .. }
            | Ending::StepHeld { causes, .. } => Some(causes),
            Ending::Complete
            | Ending::Held(_)
            | Ending::Failed
            | Ending::TimedOut
            | Ending::Superseded
            | Ending::Gone
            | Ending::Refused(_)
            | Ending::CheckBroken(_)
            | Ending::Paused { .. }
            | Ending::HeldShort { .. }
            | Ending::Aborted { .. }
            | Ending::AbortedByHand
            | Ending::TakenOver(_) => None,
        }
    }
}

/// Why a failed rollout was not taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoWayBack {
    /// It is the first one.
    First,
    /// Nothing says which older revision works.
    NoProof,
    /// The older revision would meet it too.
    NoBetter,
    /// Warnings with these ids stop it.
    Stopped(Vec<&'static str>),
    /// It cannot be planned, or the server refuses it, for this reason.
    Refused(String),
    /// The pods of the older revision fail too.
    Failed(Vec<Cause>),
    /// The pods of the older revision do not get ready in time.
    TimedOut,
    /// The old template is back, and something holds the pods.
    Held(Hold),
}
