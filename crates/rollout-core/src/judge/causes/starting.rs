//! Why a pod that is on a node has not started its containers, or has not become ready.

use k8s_openapi::jiff::Timestamp;

use crate::judge::cause::{Cause, Sort};
use crate::judge::causes::{alike, words};
use crate::judge::times;
use crate::objects::event::EventRecord;
use crate::objects::pod::{Container, Pod};
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};

/// Events by which the kubelet tells that it goes on with a pod's containers.
const WENT_ON: [&str; 4] = ["Pulling", "Pulled", "Created", "Started"];

/// Warnings that the kubelet writes of pods that it goes on with as well as it can: of their name servers
/// (pkg/kubelet/network/dns/dns.go) and of secrets for pulling (pkg/kubelet/kubelet.go, `getPullSecretsForPod`).
const GOES_ON: [&str; 3] = ["DNSConfigForming", "MissingClusterDNS", "FailedToRetrieveImagePullSecret"];

/// Volumes and the sandbox are made before the first container, so that only events say why one waits.
pub(super) fn unmade(pod: &Pod, snapshot: &Snapshot) -> Option<Cause> {
    let untouched = |it: &Container| it.running_since.is_none() && it.last_end().is_none();
    if !pod.bound || pod.phase != *"Pending" || !pod.containers.iter().all(untouched) {
        return None;
    }
    let events = || snapshot.evidence.events_of(&pod.uid);
    let went_on = events()
        .filter(|event| WENT_ON.contains(&event.reason.as_str()))
        .filter_map(|event| event.last)
        .max();
    let failed = |reasons: &'static [&'static str]| {
        events()
            .filter(move |event| reasons.contains(&event.reason.as_str()))
            .filter(move |event| went_on.is_none() || event.last > went_on)
    };
    let volumes = || failed(&["FailedMount", "FailedAttachVolume"]);
    if let Some((event, missing)) =
        volumes().find_map(|event| Some((event, words::missing_config(&event.message)?)))
    {
        let message = format!("pod {}: {}", pod.name, missing.sentence());
        let cause = Cause::new(CauseId::ConfigMissing, message)
            .fix(Some(missing.fix()))
            .about(Some(missing.to_string()))
            .of_pod(pod)
            .evidence(&event.message)
            .sort(lasts(event.first.max(pod.placed_since), snapshot));
        return Some(alike::meets(snapshot, cause, alike::name_both(missing.name())));
    }
    if let Some(event) = volumes().next() {
        return Some(unattached(pod, event, snapshot));
    }
    let event = failed(&["FailedCreatePodSandBox"]).next()?;
    let message = format!("pod {}: its sandbox or its network cannot be made on its node", pod.name);
    let cause = Cause::new(CauseId::Sandbox, message).of_pod(pod).evidence(&event.message);
    Some(cause.sort(lasts(event.first.max(pod.placed_since), snapshot)))
}

/// A volume that another pod holds comes when that one goes, unless that is one of ours that goes only after this one.
fn unattached(pod: &Pod, event: &EventRecord, snapshot: &Snapshot) -> Cause {
    let message = format!("pod {} cannot get its volumes: {}", pod.name, event.message);
    let cause = Cause::new(CauseId::Volume, message).of_pod(pod).evidence(&event.message);
    if !words::is_held_elsewhere(&event.message) {
        return cause.sort(lasts(event.first.max(pod.placed_since), snapshot));
    }
    let named = |other: &&Pod| event.message.contains(&other.name) && other.name != pod.name;
    match snapshot.living().filter(|other| snapshot.side(other) == Side::Old).find(named) {
        Some(own) => {
            let message = format!(
                "pod {} cannot get its volume: pod {} of the older revision holds it, and goes only when this one is ready",
                pod.name, own.name
            );
            let fix = "replace the old pod first: strategy Recreate, or maxSurge 0 with maxUnavailable 1";
            Cause { message, ..cause }
                .fix(Some(fix.to_string()))
                .sort(lasts(event.first.max(pod.placed_since), snapshot))
        }
        None => cause.holds_up(),
    }
}

/// What takes its time and says nothing of how much: init containers, hooks, pulls. Named when it takes longer than most.
pub(super) fn slow(pod: &Pod, snapshot: &Snapshot) -> Option<Cause> {
    let (since, id, container, what) = going_on(pod, snapshot)?;
    let patience = snapshot.patience;
    if snapshot.seconds_since(since) < patience.usual() {
        return None;
    }
    let message = format!("pod {}, container {}: {what}", pod.name, container.name);
    let mut cause =
        Cause::new(id, message).of_pod(pod).sort(times::probation(since, snapshot, patience.long()));
    cause.container = Some(container.name.to_string());
    Some(cause)
}

pub(super) fn going_on<'a>(
    pod: &'a Pod,
    snapshot: &Snapshot,
) -> Option<(Option<Timestamp>, CauseId, &'a Container, String)> {
    let init = pod.containers.iter().find(|it| it.init && !it.sidecar && it.running_since.is_some());
    if let Some(init) = init {
        return Some((
            init.running_since,
            CauseId::Init,
            init,
            "an init container that runs on and on".into(),
        ));
    }
    let creating = |it: &&Container| {
        it.waiting.as_ref().is_some_and(|(reason, _)| reason == "ContainerCreating") && it.restarts == 0
    };
    let newest = |reason: &str, container: &Container| {
        snapshot
            .evidence
            .events_of(&pod.uid)
            .find(|event| event.reason == reason && super::container::is_about(event, pod, container))
            .and_then(|event| event.last)
    };
    pod.containers.iter().filter(creating).find_map(|container| {
        // The kubelet calls a container that is in its hook one that is being created.
        if let Some(started) = newest("Started", container).filter(|_| container.hooked) {
            return Some((Some(started), CauseId::PostStart, container, "its postStart hook runs on".into()));
        }
        let (pulling, pulled) = (newest("Pulling", container)?, newest("Pulled", container));
        let what = format!("image {} is still being pulled", container.image);
        pulled.is_none().then_some((Some(pulling), CauseId::ImagePull, container, what))
    })
}

/// A pod that runs and does not get ready in the time that its probes allow, or in which others did.
pub(super) fn unready(pod: &Pod, snapshot: &Snapshot, slowest: &dyn Fn() -> Option<i64>) -> Option<Cause> {
    let needed = || pod.containers.iter().filter(|container| !container.init || container.sidecar);
    let behind = needed().find(|it| it.running_since.is_some() && !it.ready);
    if let Some(container) = behind {
        return not_ready(pod, container, snapshot, slowest());
    }
    let gate = pod.closed_gates.first().filter(|_| needed().all(|it| it.ready))?;
    let since = pod.containers_ready_since.max(pod.unready_since);
    let message = format!("pod {}: waits for its readiness gates: {}", pod.name, pod.closed_gates.join(", "));
    let sort = times::probation(since, snapshot, snapshot.patience.gates());
    let named = snapshot.seconds_since(since) >= snapshot.patience.moment();
    named.then(|| Cause::new(CauseId::Readiness, message).of_pod(pod).about(Some(gate.clone())).sort(sort))
}

fn not_ready(pod: &Pod, container: &Container, snapshot: &Snapshot, slowest: Option<i64>) -> Option<Cause> {
    let about = |event: &&EventRecord| {
        event.reason == "Unhealthy" && super::container::is_about(event, pod, container)
    };
    let probe = snapshot.evidence.events_of(&pod.uid).find(about);
    let Allowed { since, probes, patience } = allowed(pod, container, snapshot, slowest);
    let elapsed = snapshot.seconds_since(since);
    // While its probes allow it, it is not late, whatever its probes say.
    if elapsed < snapshot.patience.moment().max(probes) {
        return None;
    }
    let what = if container.started { "runs and is not ready" } else { "runs and has not started" };
    let sort = times::probation(since, snapshot, patience);
    let how_long = match sort {
        Sort::Fails => format!("more than {patience} s"),
        Sort::OnProbation { .. } | Sort::HoldsUp => format!("{elapsed} s"),
    };
    let message = format!("pod {}, container {}: {what} for {how_long}", pod.name, container.name);
    let mut cause = Cause::new(CauseId::Readiness, message).of_pod(pod).sort(sort);
    cause.container = Some(container.name.to_string());
    if let Some(event) = probe {
        cause = cause.evidence(&event.message);
    }
    Some(cause)
}

/// The time that a container has.
struct Allowed {
    /// From when it counts.
    since: Option<Timestamp>,
    /// Seconds that its own probes allow.
    probes: i64,
    /// Seconds after which it has lasted for too long.
    patience: i64,
}

/// Until a container has started, its startup probe and its hook decide, and their end does not show; but a readiness probe
/// that has failed was only asked after that.
fn allowed(pod: &Pod, container: &Container, snapshot: &Snapshot, slowest: Option<i64>) -> Allowed {
    let patience = snapshot.patience;
    // One that was ready before has been unready only since its condition changed.
    let since = container.running_since.max(pod.unready_since);
    let asked = snapshot
        .evidence
        .events_of(&pod.uid)
        .filter(|event| event.reason == "Unhealthy" && event.message.starts_with("Readiness probe"))
        .filter(|event| super::container::is_about(event, pod, container))
        .filter_map(|event| event.first)
        .min();
    let (since, probes) = match asked.filter(|_| container.started) {
        Some(asked) => (since.max(Some(asked)), container.readiness),
        None => (since, container.allowance()),
    };
    let known = patience.readiness(probes, slowest);
    let hooked = container.hooked && (asked.is_none() || !container.started);
    Allowed {
        since,
        probes: probes.into(),
        patience: if hooked { known.max(patience.long()) } else { known },
    }
}

/// What nothing else explains: the newest warning, or the word in which the pod is.
pub(super) fn unexplained(pod: &Pod, snapshot: &Snapshot) -> Option<Cause> {
    // What was said before the pod last got on is over.
    let since = pod.sandbox_since.max(pod.unready_since).max(pod.placed_since).max(pod.created);
    let keeps = |event: &&EventRecord| event.warns && !GOES_ON.contains(&event.reason.as_str());
    let warning =
        snapshot.evidence.events_of(&pod.uid).find(|event| keeps(event) && event.last.max(since) != since);
    let patience = snapshot.patience;
    let (said, sort) = match warning {
        Some(event) => {
            let since = event.first.max(since);
            (event.message.clone(), times::probation(since, snapshot, patience.usual()))
        }
        None => (pod.status_word(), times::probation(since, snapshot, patience.long())),
    };
    if snapshot.seconds_since(since) < patience.usual() {
        return None;
    }
    let message = format!("pod {} does not get on: {said}", pod.name);
    Some(Cause::new(CauseId::NotStarting, message).of_pod(pod).evidence(&said).sort(sort))
}

fn lasts(since: Option<Timestamp>, snapshot: &Snapshot) -> Sort {
    times::probation(since, snapshot, snapshot.patience.usual())
}

/// Returns how many seconds the slowest known start of a pod took.
pub(crate) fn slowest_start(snapshot: &Snapshot) -> Option<i64> {
    let starts = snapshot.living().filter_map(|other| {
        let (created, ready) = other.created.zip(other.ready_since)?;
        let start = ready.as_second() - created.as_second();
        Some(start).filter(|start| *start <= crate::judge::times::START)
    });
    starts.max()
}
