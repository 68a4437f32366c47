//! What a request of a machine does, and why.

use crate::history::number::RevisionNumber;
use crate::judge::cause::Cause;

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
