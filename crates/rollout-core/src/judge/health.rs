//! What is to be thought of one pod that is not available: whether it is bad, was ready before, or only passes.

use crate::judge::cause::Cause;
use crate::judge::causes::pod::{is_overdue, of_pod};
use crate::judge::times::{MOMENT, RECOVERY};
use crate::objects::event::{EventRecord, pod_of_set};
use crate::objects::pod::Pod;
use crate::snapshot::Snapshot;

/// Returns the event which says that the controller cannot bring a pod in line with the set, and that it never will: the API
/// does not allow the change. It tries that with every pod that is available before it replaces any, and ends its work there
/// (pkg/controller/statefulset/stateful_set_control.go, `processReplica`; stateful_pod_control.go, `UpdateStatefulPod`), so
/// that a set which was created anew around its pods, with other claims, hangs on the lowest one.
pub(crate) fn refused_update<'a>(snapshot: &'a Snapshot, pod: &Pod) -> Option<&'a EventRecord> {
    // A pod of that name may have been the one before it.
    let of_this_one = |event: &EventRecord| event.last > pod.created;
    snapshot.evidence.events_of(&snapshot.workload.id.uid).find(|event| {
        event.reason == "FailedUpdate"
            && pod_of_set(&event.message, "update") == Some(&pod.name)
            && event.message.contains(" is invalid: ")
            && of_this_one(event)
    })
}

/// A pod shows why it is not ready, or has not been for more than a moment. One that was ready before has its probes' time to
/// get so again: it may be a good one whose peers are being replaced. One on a dead node is as good as the node: its deletion
/// would not end it.
pub(crate) fn is_bad(snapshot: &Snapshot, pod: &Pod) -> bool {
    if pod.ready() || snapshot.is_out_of_reach(pod) {
        return false;
    }
    let probes =
        pod.containers.iter().map(|it| i64::from(it.allowance())).filter(|allowed| *allowed > 0).max();
    let given = if was_ready(pod) { probes.unwrap_or(RECOVERY).max(MOMENT) } else { MOMENT };
    snapshot.seconds_seen(pod.unready_since) >= given || of_pod(pod, snapshot).iter().any(Cause::fails)
}

/// Tells whether a pod that is not ready was so before: its condition turned after its containers had started, or long after
/// it was made. A pod that never got ready has had it from when its kubelet first saw it
/// (pkg/kubelet/status/status_manager.go, `updateLastTransitionTime`).
pub(crate) fn was_ready(pod: &Pod) -> bool {
    let Some(unready) =
        pod.unready_since.filter(|_| !pod.ready()).map(k8s_openapi::jiff::Timestamp::as_second)
    else {
        return false;
    };
    let started = pod.containers.iter().filter(|it| !it.init).filter_map(|it| it.running_since).max();
    started.is_some_and(|started| unready > started.as_second() + 1)
        || pod.created.is_some_and(|created| unready > created.as_second() + MOMENT)
}

/// Tells whether a pod is about to be replaced or to become available: that is waited for. One on a dead node, or one that
/// does not end, is about to do nothing.
pub(crate) fn passes(snapshot: &Snapshot, pod: &Pod) -> bool {
    if pod.ended() || snapshot.is_out_of_reach(pod) {
        return false;
    }
    match pod.terminating {
        true => !is_overdue(pod, snapshot),
        false => !snapshot.available(pod) && !is_bad(snapshot, pod),
    }
}

/// Tells whether a pod has not been unready for more than a moment, whatever it shows.
pub(crate) fn has_just_fallen(snapshot: &Snapshot, pod: &Pod) -> bool {
    let lives = !pod.terminating && !pod.ended() && !snapshot.is_out_of_reach(pod);
    lives && !pod.ready() && snapshot.seconds_seen(pod.unready_since) < MOMENT
}
