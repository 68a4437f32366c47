//! Pods that end although they are meant to run: rejected by their kubelet, evicted, or ended by themselves. They are gone
//! soon, so that those of before are counted from what their controller says of them.

use std::collections::BTreeMap;

use crate::judge::cause::{Cause, Sort};
use crate::judge::causes::words::times;
use crate::judge::times::ENDED;
use crate::objects::event::{EventRecord, pod_of_set};
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};

/// Reasons of ends that are the node's doing: what is going to run there next makes no difference
/// (pkg/kubelet/nodeshutdown, pkg/kubelet/preemption, the node lifecycle controller).
const BY_NODE: [&str; 5] = ["Terminated", "NodeShutdown", "Shutdown", "NodeLost", "Preempting"];

/// Returns what the newest pod shows that ended in each place, the worst only.
pub(super) fn shown(snapshot: &Snapshot) -> Option<Cause> {
    worst(snapshot).map(|(count, pod)| cause(count, pod, snapshot))
}

/// Returns the pod of which that would be told, where it does not say itself why it has ended.
pub(in crate::judge) fn unexplained(snapshot: &Snapshot) -> Option<&Pod> {
    worst(snapshot).map(|(_, pod)| pod).filter(|pod| pod.reason.is_none())
}

/// Returns the newest pod of the place where most have ended, and how many have.
fn worst(snapshot: &Snapshot) -> Option<(u32, &Pod)> {
    let began = snapshot.target().and_then(|target| target.live_since);
    let mut places: BTreeMap<String, Vec<&Pod>> = BTreeMap::new();
    let all = snapshot.pods.iter().flatten().chain(&snapshot.gone);
    let ended = all.filter(|pod| pod.ended() && snapshot.side(pod) == Side::New);
    // Nobody replaces what is on a dead node, and what somebody deletes ends too, without a reason of its own.
    let deleted = |pod: &Pod| pod.terminating && pod.reason.is_none();
    let ended = ended.filter(|pod| !deleted(pod) && !snapshot.is_out_of_reach(pod));
    for pod in ended.filter(|pod| began.is_none() || pod.created >= began) {
        places.entry(place(pod, snapshot)).or_default().push(pod);
    }
    let worst = places.into_values().filter_map(|pods| {
        let newest = pods.iter().copied().max_by_key(|pod| (pod.created, &pod.name))?;
        let count = (pods.len() as u32).max(told(newest, snapshot));
        (!is_settled_since(newest, snapshot)).then_some((count, newest))
    });
    worst.max_by_key(|(count, _)| *count)
}

/// A Deployment's pods have no places; of the other kinds the same one ends again and again.
fn place(pod: &Pod, snapshot: &Snapshot) -> String {
    match snapshot.workload.id.kind {
        Kind::Deployment => String::new(),
        Kind::DaemonSet => pod.node.clone().unwrap_or_default(),
        Kind::StatefulSet => pod.name.clone(),
    }
}

/// A pod in the same place that came later and is available has made up for it; of a Deployment's all that are asked for.
fn is_settled_since(ended: &Pod, snapshot: &Snapshot) -> bool {
    let new = || snapshot.living().filter(|pod| snapshot.side(pod) == Side::New && snapshot.available(pod));
    match snapshot.workload.id.kind {
        Kind::Deployment => new().count() as u32 >= snapshot.workload.desired,
        Kind::DaemonSet | Kind::StatefulSet => {
            new().any(|pod| place(pod, snapshot) == place(ended, snapshot) && pod.created >= ended.created)
        }
    }
}

/// Returns how many pods have ended in a pod's place by the controller's events: a DaemonSet's says it of each one, a
/// StatefulSet's makes one of the same name anew (pkg/controller/daemon/daemon_controller.go, `FailedDaemonPodReason`;
/// pkg/controller/statefulset/stateful_pod_control.go, `recordPodEvent`, with a capital since 1.35). What was counted before the
/// rollout began is in the same event, so that a set's is of use only when it is new.
fn told(pod: &Pod, snapshot: &Snapshot) -> u32 {
    let began = snapshot.target().and_then(|target| target.live_since);
    let own = snapshot.evidence.events_of(&snapshot.workload.id.uid).filter(|event| event.first >= began);
    let is_one = |event: &&EventRecord| match snapshot.workload.id.kind {
        Kind::Deployment => false,
        Kind::DaemonSet => {
            let node = pod.node.as_deref().unwrap_or_default();
            event.reason == "FailedDaemonPod" && event.message.contains(&format!(" on node {node},"))
        }
        Kind::StatefulSet => {
            event.reason == "SuccessfulCreate" && pod_of_set(&event.message, "create") == Some(&pod.name)
        }
    };
    own.filter(is_one).map(|event| event.count).sum()
}

/// Returns the reason of a pod's end, and the sentence to it. What a kubelet evicts and what then ends well has succeeded, without
/// a reason (pkg/kubelet/kubelet_pods.go, `generateAPIPodStatus`: a phase that is another one takes the reason with it); the
/// kubelet's event is what is left.
fn why<'a>(pod: &'a Pod, snapshot: &'a Snapshot) -> (&'a str, &'a str) {
    let said = pod.message.as_deref().unwrap_or_default().trim();
    let event = || snapshot.evidence.events_of(&pod.uid).find(|event| event.reason == "Evicted");
    match &pod.reason {
        Some(reason) => (reason, said),
        None => event().map_or(("", said), |event| (event.reason.as_str(), event.message.trim())),
    }
}

fn cause(count: u32, pod: &Pod, snapshot: &Snapshot) -> Cause {
    let (reason, said) = why(pod, snapshot);
    let began = pod.containers.iter().any(|it| it.running_since.is_some() || it.last_end().is_some());
    let (id, what) = match reason {
        "Evicted" => (CauseId::Evicted, "was evicted"),
        _ if began || reason.is_empty() => (CauseId::Ended, "has ended"),
        _ => (CauseId::Rejected, "was rejected by its kubelet"),
    };
    let why = match (reason, said) {
        ("", "") => String::new(),
        (reason, "") => format!(" ({reason})"),
        ("", said) => format!(" ({said})"),
        (reason, said) => format!(" ({reason}: {said})"),
    };
    let message = match count {
        0 | 1 => format!("pod {} {what}{why}", pod.name),
        _ => format!("pod {} {what}{why}; {} ended so", pod.name, times(count, "pod")),
    };
    let since = pod.created.unwrap_or(snapshot.now).min(snapshot.now);
    let available = snapshot.living().filter(|it| snapshot.side(it) == Side::New && snapshot.available(it));
    // Of many pods that work some may end; where most do not last, it is the revision.
    let few_last = snapshot.workload.id.kind != Kind::Deployment || count > available.count() as u32;
    let sort = match count >= ENDED && few_last {
        _ if BY_NODE.contains(&reason) || reason.is_empty() && pod.ended_by_kubelet => Sort::HoldsUp,
        true => Sort::Fails,
        false => Sort::OnProbation { since, until: None },
    };
    Cause::new(id, message).of_pod(pod).evidence(said).about(Some(reason.to_string())).sort(sort)
}
