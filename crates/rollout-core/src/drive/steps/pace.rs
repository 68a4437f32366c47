//! How long a step has gone on without getting any further.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use crate::stored::rollout::{Phase, Rollout};

/// The time of a step. It runs while pods are waited for, not while they soak, and begins anew with every place that is done
/// for the first time: thirty pods of twelve seconds each are no slow step.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// What is measured: what the rollout is at, the steps that are done, and since when.
    step: Option<(Phase, usize, Timestamp)>,
    /// The places that were done once.
    done: BTreeSet<String>,
    /// Seconds without progress.
    spent: i64,
    /// The second of the last look.
    looked: i64,
}

impl Pace {
    /// Looks at a step; `soaks` where nothing is waited for but time.
    pub(super) fn look<'n>(
        &mut self,
        rollout: &Rollout,
        done: impl Iterator<Item = &'n str>,
        soaks: bool,
        now: Timestamp,
    ) {
        let step = Some((rollout.phase, rollout.done, rollout.began));
        if self.step != step {
            *self = Pace { step, looked: now.as_second(), ..Pace::default() };
        }
        let passed = (now.as_second() - self.looked).max(0);
        self.looked = self.looked.max(now.as_second());
        if !soaks {
            self.spent += passed;
        }
        for place in done {
            if !self.done.contains(place) {
                self.done.insert(place.to_string());
                self.spent = 0;
            }
        }
    }

    /// Tells whether the time that was given is over.
    pub(super) fn is_over(&self, rollout: &Rollout) -> bool {
        rollout.options.timeout.is_some_and(|limit| self.spent >= limit)
    }
}
