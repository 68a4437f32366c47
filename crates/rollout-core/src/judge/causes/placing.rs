//! Why a pod is not on a node: the scheduler's words, and what it waits for.

use crate::judge::cause::{Cause, Sort};
use crate::judge::causes::{alike, words};
use crate::judge::times::{self, NODE};
use crate::objects::event::EventRecord;
use crate::objects::kind::Kind;
use crate::objects::pod::{Pod, Unplaced};
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};

/// Returns why a pod is not bound to a node.
pub(super) fn shown(pod: &Pod, snapshot: &Snapshot) -> Option<Cause> {
    if pod.bound {
        return None;
    }
    match &pod.unplaced {
        Some(it) if it.reason == "SchedulingGated" => {
            let message = format!("pod {} waits for its scheduling gates to be taken off", pod.name);
            Some(Cause::new(CauseId::NotScheduled, message).of_pod(pod).evidence(&it.message).holds_up())
        }
        Some(it) if it.reason == "Unschedulable" => Some(unplaced(pod, it, snapshot)),
        // A scheduler that fails says so in another word.
        Some(it) => {
            let message = format!("pod {} is not scheduled ({}): {}", pod.name, it.reason, it.message);
            let sort = times::probation(it.since, snapshot, snapshot.patience.usual());
            Some(Cause::new(CauseId::NotScheduled, message).of_pod(pod).evidence(&it.message).sort(sort))
        }
        None => unseen(pod, snapshot),
    }
}

/// No scheduler has looked at it: the name in `schedulerName` is nobody's, or it is not there.
fn unseen(pod: &Pod, snapshot: &Snapshot) -> Option<Cause> {
    let is_late = snapshot.seconds_since(pod.created) >= snapshot.patience.moment();
    let message = format!("no scheduler has looked at pod {}", pod.name);
    let sort = times::probation(pod.created, snapshot, snapshot.patience.usual());
    let name = snapshot.workload.template().pointer("/spec/schedulerName").and_then(|it| it.as_str());
    let fix = name.map(|name| format!("start the scheduler {name}, or name another one"));
    is_late.then(|| {
        let cause = Cause::new(CauseId::NotScheduled, message).of_pod(pod).sort(sort).fix(fix);
        alike::meets(snapshot, cause, alike::is_placed_alike)
    })
}

/// The scheduler's words. A claim that does not exist is about a volume, and so is one that is not bound for long: making
/// one takes a while.
fn unplaced(pod: &Pod, unplaced: &Unplaced, snapshot: &Snapshot) -> Cause {
    let said = unplaced.message.as_str();
    let usual = times::probation(unplaced.since, snapshot, snapshot.patience.usual());
    let (cause, fix) = if words::is_claim(said) {
        let claim = words::quoted_after(said, "persistentvolumeclaim ");
        let message = match &claim {
            Some(claim) => format!("pod {} waits for the volume of claim {claim}: {said}", pod.name),
            None => format!("pod {} waits for a volume: {said}", pod.name),
        };
        let missing = claim.clone().filter(|_| said.contains("not found"));
        let fix = missing.map(|claim| format!("create PersistentVolumeClaim {claim}"));
        (Cause::new(CauseId::Volume, message).about(claim), fix)
    } else if let Some(claim) = words::resource_claim(said) {
        let message = format!("pod {} waits for the ResourceClaim {claim}: {said}", pod.name);
        let fix = format!("create ResourceClaim {claim}, or the template that it is made from");
        (Cause::new(CauseId::ReferenceMissing, message).about(Some(claim)), Some(fix))
    } else {
        let message = format!("pod {} finds no node: {said}", pod.name);
        (Cause::new(CauseId::Unschedulable, message), room(said, snapshot))
    };
    let cause = cause.of_pod(pod).evidence(said).fix(fix);
    match comes(pod, snapshot) {
        Some(what) => {
            let message = format!("{} ({what})", cause.message);
            Cause { message, ..cause }.holds_up()
        }
        None => alike::meets(snapshot, cause.sort(usual), alike::is_placed_alike),
    }
}

/// Says what the pod waits for where a place is about to come.
fn comes(pod: &Pod, snapshot: &Snapshot) -> Option<String> {
    if pod.nominated {
        return Some("other pods are preempted for it".to_string());
    }
    let promises = |event: &&EventRecord| {
        matches!(event.reason.as_str(), "TriggeredScaleUp" | "Nominated")
            && snapshot.seconds_since(event.last) < NODE
    };
    // cluster-autoscaler's TriggeredScaleUp, karpenter's Nominated.
    if let Some(event) = snapshot.evidence.events_of(&pod.uid).find(promises) {
        return Some(format!("a node is being added: {}", event.message));
    }
    let leaving = leaving(pod, snapshot)?;
    Some(format!("pod {} is Terminating, and has its place", leaving.name))
}

/// Returns a pod of the workload that is on its way out, and whose place this one may wait for.
pub(super) fn leaving<'a>(pod: &Pod, snapshot: &'a Snapshot) -> Option<&'a Pod> {
    let mut leaving = snapshot.pods.iter().flatten().filter(|other| other.terminating && !other.ended());
    leaving.find(|other| snapshot.workload.id.kind != Kind::DaemonSet || other.node == pod.node)
}

/// Says what would give a pod a node. Where its own older pods hold the port and go only after it, nothing else helps.
fn room(said: &str, snapshot: &Snapshot) -> Option<String> {
    let own = snapshot.living().any(|pod| snapshot.side(pod) == Side::Old);
    let surges = matches!(snapshot.workload.id.kind, Kind::Deployment | Kind::DaemonSet);
    if said.contains("free ports") && own && surges {
        return Some(
            "its own older pods hold the port until it is ready: let one go first (maxSurge: 0), or add a node"
                .to_string(),
        );
    }
    words::room(said)
}

/// A pod that is not placed is on probation or holds up; only one that is told to have no place blocks its node.
pub(crate) fn is_without_room(cause: &Cause) -> bool {
    cause.id == CauseId::Unschedulable && !matches!(cause.sort, Sort::HoldsUp)
}
