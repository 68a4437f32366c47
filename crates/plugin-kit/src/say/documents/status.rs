//! `Status`: how far a rollout is.

use k8s_openapi::jiff::Timestamp;
use rollout_core::judge::{Causes, Progress, State};
use rollout_core::snapshot::Skipped;
use rollout_core::{RevisionNumber, Snapshot};
use serde::Serialize;
use serde_with::skip_serializing_none;

use super::rollout::Rollout;
use super::strategy::StrategyType;
use crate::call::document::{Body, seconds};

/// How far a rollout is.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Status<'a> {
    /// The state.
    state: State,
    /// The revision that is rolled out, once it is recorded.
    revision: Option<RevisionNumber>,
    /// How pods are replaced.
    strategy: StrategyType<'a>,
    /// Pods of a StatefulSet below this ordinal stay old.
    partition: Option<u32>,
    /// Whether it is paused.
    paused: bool,
    /// Pods asked for.
    desired: u32,
    /// New pods.
    updated: u32,
    /// New pods that are ready.
    ready: u32,
    /// New pods that are available.
    available: u32,
    /// Old pods that are not on their way out.
    old: u32,
    /// Pods on their way out.
    terminating: u32,
    /// The rollout in steps that is stored, where one is.
    rollout: Option<Rollout>,
    /// When the revision went live.
    started_at: Option<Timestamp>,
    /// Why it fails, what may pass by itself, and what only holds it up.
    causes: &'a Causes,
    /// What may not be read, so that nothing is known of it.
    skipped: &'a [Skipped],
    /// What else is to be known.
    notes: &'a [String],
    /// What would help.
    hint: Option<&'a str>,
}

impl Body for Status<'_> {
    const KIND: &'static str = "Status";
}

impl<'a> Status<'a> {
    /// As it was judged, with what would help.
    pub fn of(snapshot: &'a Snapshot, progress: &'a Progress, hint: Option<&'a str>) -> Status<'a> {
        let workload = &snapshot.workload;
        Status {
            state: progress.state,
            revision: progress.revision,
            strategy: StrategyType::of(&workload.strategy),
            partition: partition(snapshot),
            paused: workload.paused,
            desired: progress.desired,
            updated: progress.updated,
            ready: progress.ready,
            available: progress.available,
            old: progress.old,
            terminating: progress.terminating,
            rollout: Rollout::of(snapshot),
            started_at: seconds(snapshot.target().and_then(|target| target.live_since)),
            causes: &progress.causes,
            skipped: &progress.skipped,
            notes: &progress.notes,
            hint,
        }
    }
}

/// Returns the partition of a StatefulSet that has one.
pub(super) fn partition(snapshot: &Snapshot) -> Option<u32> {
    match &snapshot.workload.strategy {
        rollout_core::Strategy::Partitioned { partition, max_unavailable: _ } => Some(*partition),
        rollout_core::Strategy::RollingUpdate { .. }
        | rollout_core::Strategy::OnDelete
        | rollout_core::Strategy::Recreate
        | rollout_core::Strategy::Other(_) => None,
    }
}
