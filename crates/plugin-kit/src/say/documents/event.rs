//! `Event`: what happened to one workload while it was followed, a line of JSON each.

use k8s_openapi::jiff::Timestamp;
use rollout_core::RevisionNumber;
use rollout_core::judge::{Cause, Progress, State};
use rollout_core::machine::{self, StepProgress, Why};
use rollout_core::template::diff;
use serde::Serialize;

use crate::call::document::{Body, second};

/// What happened to a workload that is followed, and when: a line each, with `--output-watch-events`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event<'a> {
    /// When, by the server's clock.
    time: Timestamp,
    #[serde(flatten)]
    happened: Happened<'a>,
}

/// What happened.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Happened<'a> {
    /// How far the pods are.
    Progress {
        /// The state.
        state: State,
        /// The revision that is rolled out.
        #[serde(skip_serializing_if = "Option::is_none")]
        revision: Option<RevisionNumber>,
        /// Pods asked for.
        desired: u32,
        /// New ones.
        updated: u32,
        /// New ones that are ready.
        ready: u32,
        /// New ones that are available.
        available: u32,
        /// Old ones.
        old: u32,
    },
    /// How far a step is.
    Step {
        /// Its number.
        step: usize,
        /// Of so many.
        of: usize,
        /// Nodes or pods that it is about.
        total: usize,
        /// Those that are done.
        settled: usize,
        /// The names of those that are under way.
        in_hand: &'a [String],
    },
    /// A pod is new although no step has come to it.
    OutsideStep {
        /// Its name.
        pod: &'a str,
        /// Its node.
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<&'a str>,
    },
    /// A disruption budget forbids the eviction of a pod.
    EvictionForbidden {
        /// Its name.
        pod: &'a str,
        /// The server's sentence.
        message: &'a str,
    },
    /// Admission changed a template on its way to the store.
    StoredOtherwise {
        /// What.
        changes: &'a [diff::Change],
    },
    /// Everything is available, and has to stay so for a while.
    Soaking {
        /// Seconds that are left.
        seconds_left: i64,
    },
    /// It passed what it had to pass.
    Passed,
    /// The API server does not answer; it is asked again.
    ConnectionLost {
        /// In words.
        error: &'a str,
    },
    /// The API server answers again.
    ConnectionBack,
    /// Something was not done, because what it was meant for had gone or changed.
    NotDone {
        /// What, as the event that told it.
        act: Act<'a>,
    },
    /// Something is being done.
    #[serde(untagged)]
    Doing(Act<'a>),
}

/// What is being done.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Act<'a> {
    /// A pod is deleted.
    Deleting {
        /// Its name.
        pod: &'a str,
        /// Why.
        why: Reason,
    },
    /// A pod is evicted.
    Evicting {
        /// Its name.
        pod: &'a str,
        /// Why.
        why: Reason,
    },
    /// The rollout failed, and the older revision comes back.
    GoingBack {
        /// Which one.
        #[serde(skip_serializing_if = "Option::is_none")]
        to_revision: Option<RevisionNumber>,
        /// Why.
        causes: &'a [Cause],
    },
    /// The partition of a StatefulSet is lowered.
    Partition {
        /// Its new value.
        partition: u32,
    },
    /// The revision that is rolled out is noted on the workload.
    Recording,
    /// Whoever drives says that it still does.
    Renewing,
    /// A step is done.
    StepDone {
        /// So many are done.
        done: usize,
    },
    /// Somebody set a strategy that would replace all pods, and they are held again.
    HoldingAgain {
        /// The strategy that was found.
        found: &'a str,
    },
    /// A step failed, and the rollout stands still.
    StandingStill {
        /// Why.
        causes: &'a [Cause],
    },
    /// A step is held up until its time is over, and the rollout stands still.
    HeldUp {
        /// By what.
        causes: &'a [Cause],
    },
    /// What was stored is taken off an object.
    Cleaning {
        /// Its name.
        object: &'a str,
    },
    /// What held the pods is put back.
    Finishing,
}

/// Why a pod is deleted.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It blocks an ordered set, and nothing will replace it.
    Blocks,
    /// It is old, and its strategy is OnDelete.
    OnDelete,
    /// It is new, and the rollout is taken back.
    PutBack,
    /// It failed before, and is tried again.
    Retry,
}

impl Body for Event<'_> {
    const KIND: &'static str = "Event";
}

impl<'a> Event<'a> {
    /// What happened at this moment.
    pub fn at(now: Timestamp, event: &'a machine::Event) -> Event<'a> {
        Event { time: second(now), happened: Happened::of(event) }
    }
}

impl<'a> Happened<'a> {
    fn of(event: &'a machine::Event) -> Happened<'a> {
        use machine::Event;
        match event {
            Event::Progress(it) => {
                let Progress { state, revision, desired, updated, ready, available, old, .. } = *it;
                Happened::Progress { state, revision, desired, updated, ready, available, old }
            }
            Event::Doing(act) => Happened::Doing(Act::of(act)),
            Event::NotDone(act) => Happened::NotDone { act: Act::of(act) },
            Event::Step(it) => {
                let StepProgress { step, of, words: _, total, settled, in_hand } = it;
                let (step, of, total, settled) = (*step, *of, *total, *settled);
                Happened::Step { step, of, total, settled, in_hand }
            }
            Event::OutsideStep { pod, node } => Happened::OutsideStep { pod, node: node.as_deref() },
            Event::EvictionForbidden { pod, words } => Happened::EvictionForbidden { pod, message: words },
            Event::StoredOtherwise(changes) => Happened::StoredOtherwise { changes },
            Event::Soaking(left) => Happened::Soaking { seconds_left: *left },
            Event::Passed => Happened::Passed,
            Event::ConnectionLost { error } => Happened::ConnectionLost { error },
            Event::ConnectionBack => Happened::ConnectionBack,
        }
    }
}

impl<'a> Act<'a> {
    fn of(act: &'a machine::Act) -> Act<'a> {
        use machine::Act as Done;
        match act {
            Done::Delete { pod, why } => Act::Deleting { pod, why: Reason::of(*why) },
            Done::Evict { pod, why, again: _ } => Act::Evicting { pod, why: Reason::of(*why) },
            Done::GoBack { to, causes } => Act::GoingBack { to_revision: *to, causes },
            Done::Partition { to } => Act::Partition { partition: *to },
            Done::Record => Act::Recording,
            Done::Renew => Act::Renewing,
            Done::StepDone { done } => Act::StepDone { done: *done },
            Done::HoldAgain { found } => Act::HoldingAgain { found },
            Done::StandStill { causes } => Act::StandingStill { causes },
            Done::HeldUp { causes } => Act::HeldUp { causes },
            Done::Clean { object } => Act::Cleaning { object },
            Done::Finish => Act::Finishing,
        }
    }
}

impl Reason {
    fn of(why: Why) -> Reason {
        match why {
            Why::Blocks => Reason::Blocks,
            Why::OnDelete => Reason::OnDelete,
            Why::PutBack => Reason::PutBack,
            Why::Retry => Reason::Retry,
        }
    }
}
