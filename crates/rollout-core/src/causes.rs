//! Why a rollout fails, or what holds it up: stable ids with evidence, read from its new pods, the workload's conditions,
//! and what was read beside them.

mod pod;
mod words;
mod workload;

use std::collections::BTreeSet;

use crate::cause::{Cause, CauseId, Sort, Symptom};
use crate::kind::Kind;
use crate::pods::Pod;
use crate::snapshot::{Side, Snapshot};
use crate::workload::Strategy;

pub use pod::of_pod;
pub(crate) use pod::{of_pod_among, slowest_start};

/// Seconds for which the scheduler may look for a place, and a first pull may fail.
const PATIENCE: i64 = 10;

fn failing(fails: bool) -> Sort {
    if fails { Sort::Fails } else { Sort::HoldsUp }
}

/// Names a StatefulSet's pod that nothing will replace.
pub(crate) fn stuck(pod: &Pod) -> Cause {
    let message = format!(
        "pod {} blocks the set: it is not ready, nothing will replace it, and the controller waits for it for ever",
        pod.name
    );
    Cause::new(CauseId::StsStuck, message).of_pod(pod).evidence(pod.status_word())
}

/// Returns what the new pods, the workload and what holds its controller up show, one cause for each id and container name;
/// those that fail the rollout first.
pub fn of(snapshot: &Snapshot) -> Vec<Cause> {
    let new = snapshot.living().filter(|pod| snapshot.side(pod) == Side::New);
    let mut shown: Vec<Cause> = new.flat_map(|pod| of_pod(pod, snapshot)).collect();
    acquit(snapshot, &mut shown);
    shown.extend(workload::of_workload(snapshot));
    shown.extend(holding_up(snapshot));
    excuse_deadline(&mut shown);
    shown.sort_by_key(|cause| !cause.fails());
    let mut causes: Vec<Cause> = Vec::new();
    for cause in shown {
        if !causes.iter().any(|seen| seen.id == cause.id && seen.container == cause.container) {
            causes.push(cause);
        }
    }
    causes
}

/// Returns everything that any pod shows now, so that a rollout that starts later is not blamed for it.
pub fn symptoms(snapshot: &Snapshot) -> BTreeSet<Symptom> {
    let pods = snapshot.living().flat_map(|pod| pod::symptoms(pod, snapshot));
    pods.chain(workload::of_workload(snapshot).iter().map(Cause::symptom)).collect()
}

/// What old pods show too, or what was known before, is not this rollout's doing.
fn acquit(snapshot: &Snapshot, causes: &mut [Cause]) {
    if causes.is_empty() {
        return;
    }
    let old = snapshot.living().filter(|pod| snapshot.side(pod) == Side::Old);
    let old: BTreeSet<Symptom> = old.flat_map(|pod| pod::symptoms(pod, snapshot)).collect();
    for cause in causes {
        let symptom = cause.symptom();
        if old.contains(&symptom) || snapshot.evidence.known.contains(&symptom) {
            cause.sort = Sort::HoldsUp;
        }
    }
}

/// Where nothing is wrong but a node, the deadline that passes over it is nobody's fault either (hazard H11).
fn excuse_deadline(causes: &mut [Cause]) {
    let dead = causes.iter().any(|cause| cause.id == CauseId::NodeNotReady);
    let only = causes.iter().all(|cause| !cause.fails() || cause.id == CauseId::Deadline);
    if dead && only {
        causes.iter_mut().for_each(|cause| cause.sort = Sort::HoldsUp);
    }
}

/// Tells whether the controller waits for old and ending pods before it goes on (hazard H11): a Deployment's rolling update
/// does not.
pub(crate) fn waits_for_old(snapshot: &Snapshot) -> bool {
    match (snapshot.workload.id.kind, &snapshot.workload.strategy) {
        (Kind::DaemonSet | Kind::StatefulSet, _) | (Kind::Deployment, Strategy::Recreate) => true,
        (
            Kind::Deployment,
            Strategy::RollingUpdate { .. }
            | Strategy::Partitioned { .. }
            | Strategy::OnDelete
            | Strategy::Other(_),
        ) => false,
    }
}

/// Tells whether a pod should have been gone for more than a moment.
pub(crate) fn is_overdue(pod: &Pod, snapshot: &Snapshot) -> bool {
    pod.terminating && snapshot.seconds_since(pod.ends_by) >= PATIENCE
}

/// Pods that keep the controller waiting through no fault of the new revision.
fn holding_up(snapshot: &Snapshot) -> Vec<Cause> {
    if !waits_for_old(snapshot) {
        return Vec::new();
    }
    let pods = snapshot.pods.iter().flatten().filter(|pod| !pod.ended() && !pod.ready() || pod.terminating);
    let held = pods.filter_map(|pod| match (snapshot.evidence.dead_node(pod), is_overdue(pod, snapshot)) {
        (Some(node), _) if pod.terminating || snapshot.side(pod) == Side::Old => {
            Some(pod::on_dead_node(pod, node))
        }
        (None, true) => {
            let message =
                format!("pod {} is Terminating for longer than it was given, and is waited for", pod.name);
            Some(Cause::new(CauseId::Terminating, message).of_pod(pod).holds_up())
        }
        (Some(_), _) | (None, false) => None,
    });
    held.collect()
}

#[cfg(test)]
mod tests;
