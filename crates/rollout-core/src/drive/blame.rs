//! What a guarded rollout is blamed for: whether it is one of now, and whether its pods speak against its revision.

use std::collections::BTreeSet;

use crate::judge::cause::{Cause, Sort};
use crate::judge::causes;
use crate::judge::status::{Progress, State};
use crate::objects::pod::Pod;
use crate::snapshot::symptom::Symptom;
use crate::snapshot::{Side, Snapshot};

/// A rollout goes on, or began within the time that one may take.
pub(super) fn is_recent(snapshot: &Snapshot, progress: &Progress, limit: Option<i64>) -> bool {
    let since = snapshot.target().and_then(|target| target.live_since);
    let age = since.map_or(0, |since| snapshot.now.as_second() - since.as_second());
    progress.state != State::Complete || age <= limit.unwrap_or(i64::MAX)
}

/// A Deployment's controller remembers that its ReplicaSet was all there once, however many pods are asked for since
/// (pkg/controller/deployment/progress.go, `syncRolloutStatus`).
pub(super) fn was_complete(snapshot: &Snapshot) -> bool {
    let Some(target) = snapshot.target().filter(|_| snapshot.observed()) else { return false };
    let conditions = snapshot.workload.status.conditions.iter();
    conditions.filter(|it| it.names(&target.name)).any(|it| it.reason == "NewReplicaSetAvailable")
}

/// The new revision is not to blame: no pod of it was made yet, or all that were made work.
pub(super) fn only_stuck(progress: &Progress) -> bool {
    let failed = &progress.causes.failed;
    failed.iter().any(|cause| cause.id.is_stuck())
        && failed.iter().all(|cause| cause.id.is_stuck() || cause.old_too)
}

pub(super) fn new(snapshot: &Snapshot) -> impl Iterator<Item = &Pod> {
    snapshot.living().filter(|pod| snapshot.side(pod) == Side::New)
}

/// Iterates over the new pods on living nodes that are not ready and show something that does not only hold them up, or nothing
/// at all.
pub(super) fn blamed<'s>(snapshot: &'s Snapshot, progress: &Progress) -> impl Iterator<Item = &'s Pod> {
    let excused: BTreeSet<Symptom> = progress.causes.holding_up.iter().map(Cause::symptom).collect();
    new(snapshot)
        .filter(|pod| !pod.ready() && pod.node.is_some() && !snapshot.is_out_of_reach(pod))
        .filter(move |pod| is_to_blame(pod, snapshot, &excused))
}

/// Tells whether a pod may yet become ready: where its revision `works` elsewhere, a rollout that takes long is no bad one;
/// where it does not yet, one that has just begun has shown nothing.
pub(super) fn is_starting(pod: &Pod, works: bool, snapshot: &Snapshot) -> bool {
    let given = if works { snapshot.patience.usual() } else { snapshot.patience.moment() };
    snapshot.seconds_seen(pod.unready_since) < given
}

fn is_to_blame(pod: &Pod, snapshot: &Snapshot, excused: &BTreeSet<Symptom>) -> bool {
    let shown = causes::of_pod(pod, snapshot);
    let blames =
        |cause: &Cause| cause.sort != Sort::HoldsUp && !cause.old_too && !excused.contains(&cause.symptom());
    shown.is_empty() || shown.iter().any(blames)
}
