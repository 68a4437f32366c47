//! Why a rollout fails, or what holds it up: stable ids with evidence, read from its new pods, the workload's conditions,
//! and what was read beside them.

mod alike;
mod container;
pub(super) mod ended;
mod placing;
pub(crate) mod pod;
mod starting;
mod words;
mod workload;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::judge::cause::{Cause, Sort, rank};
use crate::judge::health;
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::snapshot::symptom::{CauseId, Symptom};
use crate::snapshot::{Side, Snapshot};

pub(crate) use placing::is_without_room;
pub use pod::of_pod;
pub(crate) use pod::{is_overdue, of_pod_among};
pub(crate) use starting::slowest_start;
pub(crate) use workload::unrecordable;

/// Names a StatefulSet's pod that nothing will replace.
pub(crate) fn stuck(pod: &Pod, snapshot: &Snapshot) -> Cause {
    if let Some(event) = health::refused_update(snapshot, pod) {
        let message = format!(
            "pod {} blocks the set: the controller tries to bring it in line with the set, which the API forbids, and gets \
             no further",
            pod.name
        );
        // What follows is the difference, field by field.
        let said = event.message.lines().next().unwrap_or_default();
        return Cause::new(CauseId::StsCannotUpdate, message).of_pod(pod).evidence(said);
    }
    let message = format!(
        "pod {} blocks the set: it is not ready, nothing will replace it, and the controller waits for it for ever",
        pod.name
    );
    Cause::new(CauseId::StsStuck, message).of_pod(pod).evidence(&pod.status_word())
}

/// Returns what the new pods, the workload and what holds its controller up show, one cause for each id and container name;
/// those that fail the rollout first.
pub fn of(snapshot: &Snapshot) -> Vec<Cause> {
    let new = snapshot.living().filter(|pod| snapshot.side(pod) == Side::New);
    let slowest = OnceCell::new();
    let slowest = || *slowest.get_or_init(|| slowest_start(snapshot));
    let mut shown: Vec<Cause> = new.flat_map(|pod| of_pod_among(pod, snapshot, &slowest)).collect();
    acquit(snapshot, &mut shown);
    shown.extend(ended::shown(snapshot));
    shown.extend(workload::of_workload(snapshot));
    shown.extend(holding_up(snapshot));
    excuse_deadline(&mut shown);
    shown.sort_by_key(rank);
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
            (cause.sort, cause.old_too) = (Sort::HoldsUp, true);
        }
    }
}

/// Where nothing is wrong with the new pods, the deadline that passes over it is not their fault either (hazard H11), and
/// where the older revision would meet it too, it would pass over that one as well.
fn excuse_deadline(causes: &mut [Cause]) {
    let others = || causes.iter().filter(|cause| cause.id != CauseId::Deadline);
    let holds_up = others().all(|cause| cause.sort == Sort::HoldsUp);
    let own = others().any(|cause| cause.sort != Sort::HoldsUp && !cause.old_too);
    if own || others().next().is_none() {
        return;
    }
    for deadline in causes.iter_mut().filter(|cause| cause.id == CauseId::Deadline) {
        deadline.old_too = true;
        if holds_up {
            deadline.sort = Sort::HoldsUp;
        }
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

/// Pods that keep the controller waiting through no fault of the new revision.
fn holding_up(snapshot: &Snapshot) -> Vec<Cause> {
    if !waits_for_old(snapshot) {
        return Vec::new();
    }
    let pods = snapshot.pods.iter().flatten().filter(|pod| !pod.ended() && !pod.ready() || pod.terminating);
    let held = pods.filter_map(|pod| match (pod::out_of_reach(pod, snapshot), is_overdue(pod, snapshot)) {
        (Some(cause), _) if pod.terminating || snapshot.side(pod) == Side::Old => Some(cause),
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
