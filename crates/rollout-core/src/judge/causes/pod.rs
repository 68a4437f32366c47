//! What a single pod shows.

use crate::judge::cause::{self, Cause};
use crate::judge::causes::{container, placing, starting};
use crate::judge::times::{CRASHES, MOMENT};
use crate::objects::node::NodeReadiness;
use crate::objects::pod::{Container, Pod};
use crate::snapshot::Snapshot;
use crate::snapshot::symptom::{CauseId, Symptom};

/// Returns what one pod shows, what fails it first; of one that is on a dead node only that.
pub fn of_pod(pod: &Pod, snapshot: &Snapshot) -> Vec<Cause> {
    of_pod_among(pod, snapshot, &|| starting::slowest_start(snapshot))
}

/// Does the same where many pods are looked at, and the slowest known start is not to be looked for each time.
pub(crate) fn of_pod_among(pod: &Pod, snapshot: &Snapshot, slowest: &dyn Fn() -> Option<i64>) -> Vec<Cause> {
    if pod.ready() {
        return Vec::new();
    }
    if let Some(cause) = out_of_reach(pod, snapshot) {
        return vec![cause];
    }
    let mut causes: Vec<Cause> =
        pod.containers.iter().filter_map(|container| container::shown(pod, container, snapshot)).collect();
    causes.extend(placing::shown(pod, snapshot));
    causes.extend(starting::unmade(pod, snapshot));
    if causes.is_empty() {
        let unready = || starting::unready(pod, snapshot, slowest);
        causes.extend(starting::slow(pod, snapshot).or_else(unready));
    }
    if causes.is_empty() && !is_getting_on(pod, snapshot) {
        causes.extend(starting::unexplained(pod, snapshot));
    }
    causes.sort_by_key(cause::rank);
    causes
}

/// A container runs, or is being pulled or started: what that may take is judged by what it is.
fn is_getting_on(pod: &Pod, snapshot: &Snapshot) -> bool {
    let runs = pod.containers.iter().any(|it| it.running_since.is_some() && !it.ready);
    runs || starting::going_on(pod, snapshot).is_some()
}

/// A dead node holds up and is nobody's fault (hazard H11).
pub(super) fn out_of_reach(pod: &Pod, snapshot: &Snapshot) -> Option<Cause> {
    let state = if pod.terminating { "is Terminating" } else { "is" };
    if let Some(node) = snapshot.evidence.dead_node(pod) {
        let NodeReadiness { name, reason, message, .. } = node;
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let words = format!("pod {} {state} on node {name}, which is not ready{reason}", pod.name);
        return Some(of_node(pod, words, name).evidence(message));
    }
    let name = pod.node.as_ref().filter(|_| snapshot.is_out_of_reach(pod))?;
    let words = format!("pod {} {state} on node {name}, which has not been heard of", pod.name);
    Some(of_node(pod, words, name))
}

fn of_node(pod: &Pod, words: String, node: &str) -> Cause {
    Cause::new(CauseId::NodeNotReady, words).of_pod(pod).about(Some(node.to_string())).holds_up()
}

/// Returns what a pod shows, or has shown and will show again: between two crashes a container runs, and why it was killed
/// only its events tell, which are not read of every pod.
pub(super) fn symptoms(pod: &Pod, snapshot: &Snapshot) -> Vec<Symptom> {
    let mut symptoms: Vec<Symptom> = of_pod(pod, snapshot).iter().map(Cause::symptom).collect();
    let ends = |it: &&Container| !it.ready && it.ends() >= CRASHES;
    for container in pod.containers.iter().filter(|_| !pod.ready()).filter(ends) {
        let killed = container.last_end().is_some_and(|end| end.reason == "OOMKilled");
        let ids: &[CauseId] =
            if killed { &[CauseId::OomKilled] } else { &[CauseId::CrashLoop, CauseId::Liveness] };
        let symptom =
            |id: &CauseId| Symptom { id: *id, container: Some(container.name.to_string()), about: None };
        symptoms.extend(ids.iter().map(symptom));
    }
    symptoms
}

/// Tells whether a pod should have been gone for more than a moment.
pub(crate) fn is_overdue(pod: &Pod, snapshot: &Snapshot) -> bool {
    pod.terminating && snapshot.seconds_since(pod.ends_by) >= MOMENT
}
