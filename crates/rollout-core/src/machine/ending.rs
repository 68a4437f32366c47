//! How what a machine drives ends.

use crate::history::number::RevisionNumber;
use crate::judge::cause::Cause;
use crate::judge::status::Hold;
use crate::stored::lease::Holder;

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
