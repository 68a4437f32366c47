//! What a verb that writes came to, in one word.

use rollout_core::machine::Ending;
use rollout_core::words;

use crate::call::Exit;

words! {
    /// What became of a workload.
    #[cfg_attr(feature = "schema", schemars(rename = "Outcome"))]
    pub enum OutcomeWord {
        /// The rollout is complete: every pod that should be new is new and available.
        Complete = "complete",
        /// Nothing more moves by itself, and somebody wanted it so: paused, kept by a partition, OnDelete, steps that stand still.
        Held = "held",
        /// The rollout failed.
        Failed = "failed",
        /// The time given ran out.
        TimedOut = "timed-out",
        /// Somebody rolled out something else meanwhile.
        Superseded = "superseded",
        /// The workload was deleted meanwhile.
        Gone = "gone",
        /// The server refused something on the way.
        Refused = "refused",
        /// A check cannot be run.
        CheckBroken = "check-broken",
        /// As many steps are done as were asked for, and the rollout stands still.
        Paused = "paused",
        /// A step failed, and the rollout stands still.
        StepFailed = "step-failed",
        /// A step was held up until its time was over, and the rollout stands still.
        StepHeld = "step-held",
        /// The rollout in steps is taken back.
        Aborted = "aborted",
        /// Somebody put the old template back by hand.
        AbortedByHand = "aborted-by-hand",
        /// Somebody else drives the rollout in steps by now.
        TakenOver = "taken-over",
        /// The rollout failed and was undone.
        Undone = "undone",
        /// The rollout failed and was not undone.
        NotUndone = "not-undone",
        /// There was nothing to do, or nothing was changed.
        Unchanged = "unchanged",
        /// It is done, and there is nothing to wait for.
        Done = "done",
        /// It is written, and nobody waits for it.
        Written = "written",
        /// Somebody ended the command of a `try`: what it changed is not guarded.
        Interrupted = "interrupted",
        /// A warning stopped it: nothing was changed.
        Stopped = "stopped",
        /// Somebody declined it at the prompt: nothing was changed.
        Declined = "declined",
    }
}

impl OutcomeWord {
    /// Returns the word for the ending of a rollout that was followed.
    pub fn of(ending: &Ending) -> OutcomeWord {
        match ending {
            Ending::Complete => OutcomeWord::Complete,
            Ending::Held(_) | Ending::HeldShort { .. } => OutcomeWord::Held,
            Ending::Failed => OutcomeWord::Failed,
            Ending::TimedOut => OutcomeWord::TimedOut,
            Ending::Superseded => OutcomeWord::Superseded,
            Ending::Gone => OutcomeWord::Gone,
            Ending::Refused(_) => OutcomeWord::Refused,
            Ending::CheckBroken(_) => OutcomeWord::CheckBroken,
            Ending::Paused { .. } => OutcomeWord::Paused,
            Ending::StepFailed { .. } => OutcomeWord::StepFailed,
            Ending::StepHeld { .. } => OutcomeWord::StepHeld,
            Ending::Aborted { .. } => OutcomeWord::Aborted,
            Ending::AbortedByHand => OutcomeWord::AbortedByHand,
            Ending::TakenOver(_) => OutcomeWord::TakenOver,
            Ending::Undone { .. } => OutcomeWord::Undone,
            Ending::NotUndone { .. } => OutcomeWord::NotUndone,
        }
    }

    /// Returns the ways in which the process ends with it, where it is the only one: the usual way first.
    pub fn exits(self) -> &'static [Exit] {
        match self {
            OutcomeWord::Complete
            | OutcomeWord::Paused
            | OutcomeWord::Aborted
            | OutcomeWord::Unchanged
            | OutcomeWord::Done
            | OutcomeWord::Written => &[Exit::Done],
            // Steps whose rest was not to be done, and whoever says that this is fine.
            OutcomeWord::Held => &[Exit::Held, Exit::Done],
            OutcomeWord::Failed | OutcomeWord::StepFailed | OutcomeWord::NotUndone => &[Exit::RolloutFailed],
            OutcomeWord::TimedOut | OutcomeWord::StepHeld => &[Exit::TimedOut],
            OutcomeWord::Superseded | OutcomeWord::AbortedByHand | OutcomeWord::TakenOver => {
                &[Exit::Superseded]
            }
            OutcomeWord::Gone | OutcomeWord::Refused | OutcomeWord::CheckBroken => &[Exit::Failed],
            OutcomeWord::Undone => &[Exit::Undone],
            OutcomeWord::Interrupted => &[Exit::Interrupted, Exit::Terminated],
            OutcomeWord::Stopped | OutcomeWord::Declined => &[Exit::NotDone],
        }
    }
}
