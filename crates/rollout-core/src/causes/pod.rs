//! What a single pod shows: its containers' states, the scheduler's words, its events.

use serde_json::Value;

use crate::causes::{Cause, CauseId, PATIENCE, Symptom, words};
use crate::evidence::{EventRecord, Node};
use crate::pods::{Container, Pod};
use crate::snapshot::Snapshot;

/// Restarts after which a container that waits to be started again counts as crashing: one may be a dependency that came
/// up later.
const CRASHES: u32 = 2;
/// How often a volume may fail to be mounted or attached, and for how many seconds: a driver may come up later.
const MOUNTS: (u32, i64) = (3, 30);
/// Seconds for which a new node may take to come.
const SCALE_UP: i64 = 600;
/// Seconds that any running container has to become ready, and how many times the slowest known start.
const READY: (i64, i64) = (20, 3);
/// How many times the probe's own patience, where no start is known.
const PROBES: i64 = 10;
/// Seconds beyond which a pod that took that long was not starting: it has been unready meanwhile.
const NO_START: i64 = 3600;

/// Returns what one pod shows; of one that is on a dead node only that.
pub fn of_pod(pod: &Pod, snapshot: &Snapshot) -> Vec<Cause> {
    of_pod_among(pod, snapshot, &|| slowest_start(snapshot))
}

/// Does the same where many pods are looked at, and the slowest known start is not to be looked for each time.
pub(crate) fn of_pod_among(pod: &Pod, snapshot: &Snapshot, slowest: &dyn Fn() -> Option<i64>) -> Vec<Cause> {
    if pod.ready() {
        return Vec::new();
    }
    if let Some(node) = snapshot.evidence.dead_node(pod) {
        return vec![on_dead_node(pod, node)];
    }
    let mut causes: Vec<Cause> =
        pod.containers.iter().filter_map(|container| of_container(pod, container, snapshot)).collect();
    causes.extend(unplaced(pod, snapshot));
    causes.extend(unmounted(pod, snapshot));
    if causes.is_empty() {
        causes.extend(unready(pod, snapshot, slowest));
    }
    causes
}

/// Returns what a pod shows, or has shown and will show again: between two crashes a container runs, and why it was killed
/// only its events tell, which are not read of every pod.
pub(super) fn symptoms(pod: &Pod, snapshot: &Snapshot) -> Vec<Symptom> {
    let mut symptoms: Vec<Symptom> = of_pod(pod, snapshot).iter().map(Cause::symptom).collect();
    let ends = |it: &&Container| !it.ready && it.restarts >= CRASHES && it.terminated.is_some();
    for container in pod.containers.iter().filter(|_| !pod.ready()).filter(ends) {
        let killed = container.terminated.as_ref().is_some_and(|(reason, _)| reason == "OOMKilled");
        let ids: &[CauseId] =
            if killed { &[CauseId::OomKilled] } else { &[CauseId::CrashLoop, CauseId::Liveness] };
        let symptom =
            |id: &CauseId| Symptom { id: *id, container: Some(container.name.clone()), about: None };
        symptoms.extend(ids.iter().map(symptom));
    }
    symptoms
}

/// A dead node holds up and is nobody's fault (hazard H11).
pub(super) fn on_dead_node(pod: &Pod, node: &Node) -> Cause {
    let state = if pod.terminating { "is Terminating" } else { "is" };
    let reason = if node.reason.is_empty() { String::new() } else { format!(" ({})", node.reason) };
    let message = format!("pod {} {state} on node {}, which is not ready{reason}", pod.name, node.name);
    Cause::new(CauseId::NodeNotReady, message)
        .of_pod(pod)
        .evidence(&node.message)
        .about(Some(node.name.clone()))
        .fails(false)
}

fn of_container(pod: &Pod, container: &Container, snapshot: &Snapshot) -> Option<Cause> {
    let mut cause = killed_by_probe(pod, container, snapshot)
        .or_else(|| waiting(container, snapshot, snapshot.seconds_since(pod.created)))?;
    cause.message = format!("pod {}, container {}: {}", pod.name, container.name, cause.message);
    cause.container = Some(container.name.clone());
    cause.log =
        snapshot.evidence.log(&pod.name, &container.name).map(|log| log.lines.clone()).unwrap_or_default();
    Some(cause.of_pod(pod))
}

/// The kubelet says of a container that it kills which probe failed (pkg/kubelet/kuberuntime/kuberuntime_manager.go), and
/// of every failed probe what it answered (pkg/kubelet/prober/prober.go).
fn killed_by_probe(pod: &Pod, container: &Container, snapshot: &Snapshot) -> Option<Cause> {
    if container.restarts == 0 {
        return None;
    }
    let about = |event: &EventRecord| is_about(event, pod, container);
    let probe = |event: &EventRecord| {
        let words = event.message.to_lowercase();
        ["liveness", "startup"].into_iter().find(|probe| {
            (event.reason == "Unhealthy" && words.starts_with(&format!("{probe} probe")))
                || (event.reason == "Killing" && words.contains(&format!("failed {probe} probe")))
        })
    };
    let events = || snapshot.evidence.events_of(&pod.uid).filter(|event| about(event));
    let (event, probe) = events()
        .filter(|event| event.reason == "Unhealthy")
        .chain(events())
        .find_map(|event| Some((event, probe(event)?)))?;
    let message = format!(
        "is killed because its {probe} probe fails ({} restarts{})",
        container.restarts,
        ended(container)
    );
    Some(Cause::new(CauseId::Liveness, message).evidence(&event.message))
}

fn ended(container: &Container) -> String {
    container.terminated.as_ref().map(|(_, code)| format!(", exit code {code}")).unwrap_or_default()
}

/// Events name their container by a field path, or in their sentence; that of a pod with one container needs to do neither.
fn is_about(event: &EventRecord, pod: &Pod, container: &Container) -> bool {
    match &event.container {
        Some(name) => *name == container.name,
        None => pod.containers.len() == 1 || event.message.contains(&format!("ontainer {} ", container.name)),
    }
}

/// A container waits for the images of its volumes too, with the reasons that its own image has
/// (pkg/kubelet/kuberuntime/kuberuntime_manager.go, `toKubeContainerImageVolumes`): only the sentence tells which it is.
fn image_volume<'a>(said: &str, image: &str, template: &'a Value) -> Option<(&'a str, &'a str)> {
    let volumes = template.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    let of_image = volumes.filter_map(|it| Some((it["name"].as_str()?, it["image"]["reference"].as_str()?)));
    of_image.filter(|_| !said.contains(image)).find(|(_, reference)| said.contains(reference))
}

fn waiting(container: &Container, snapshot: &Snapshot, age: i64) -> Option<Cause> {
    let (reason, said) = container.waiting.as_ref()?;
    let (how, code) =
        container.terminated.as_ref().map_or(("", 0), |(reason, code)| (reason.as_str(), *code));
    let image = &container.image;
    let pull = || match image_volume(said, image, snapshot.workload.template()) {
        Some((volume, image)) => {
            let message = format!("image {image} of volume {volume} cannot be pulled");
            Cause::new(CauseId::ImagePull, message).about(Some(image.to_string()))
        }
        None => Cause::new(CauseId::ImagePull, format!("image {image} cannot be pulled"))
            .about(Some(image.clone())),
    };
    let cause = match reason.as_str() {
        "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => pull(),
        "ErrImagePull" if age >= PATIENCE => pull(),
        "CreateContainerConfigError" => misconfigured(said),
        "CrashLoopBackOff" if how == "OOMKilled" => Cause::new(
            CauseId::OomKilled,
            format!(
                "was killed for using too much memory (exit code {code}, {} restarts)",
                container.restarts
            ),
        )
        .fix(Some("raise its memory limit".to_string())),
        "CrashLoopBackOff" if container.restarts >= CRASHES => Cause::new(
            CauseId::CrashLoop,
            format!("crashes (exit code {code}, {} restarts)", container.restarts),
        ),
        "CreateContainerError" | "RunContainerError" if age >= PATIENCE => {
            Cause::new(CauseId::CrashLoop, format!("cannot be started: {said}"))
        }
        _ => return None,
    };
    Some(cause.evidence(if said.is_empty() { reason } else { said }))
}

fn misconfigured(said: &str) -> Cause {
    let missing = words::missing_config(said);
    let message =
        missing.as_ref().map_or_else(|| format!("cannot be configured: {said}"), words::Missing::sentence);
    Cause::new(CauseId::ConfigMissing, message)
        .fix(missing.as_ref().map(words::Missing::fix))
        .about(missing.map(|missing| missing.to_string()))
}

/// The scheduler's words. A claim that does not exist is about a volume, and so is one that is not bound for long: making
/// one takes a while.
fn unplaced(pod: &Pod, snapshot: &Snapshot) -> Option<Cause> {
    let said = pod.unschedulable.as_deref()?;
    let age = snapshot.seconds_since(pod.created);
    let patience = if words::is_unbound_claim(said) { MOUNTS.1 } else { PATIENCE };
    if age < patience {
        return None;
    }
    if words::is_claim(said) {
        let claim = words::quoted_after(said, "persistentvolumeclaim ");
        let message = match &claim {
            Some(claim) => format!("pod {} waits for the volume of claim {claim}: {said}", pod.name),
            None => format!("pod {} waits for a volume: {said}", pod.name),
        };
        let fix = claim.as_ref().map(|claim| format!("create PersistentVolumeClaim {claim}"));
        let fix = fix.filter(|_| said.contains("not found"));
        return Some(Cause::new(CauseId::Volume, message).of_pod(pod).evidence(said).fix(fix).about(claim));
    }
    let comes = snapshot
        .evidence
        .events_of(&pod.uid)
        .find(|event| event.reason == "TriggeredScaleUp" && snapshot.seconds_since(event.last) < SCALE_UP);
    let wait = comes.map(|_| " (a node is being added)").unwrap_or_default();
    let cause = Cause::new(CauseId::Unschedulable, format!("pod {} finds no node{wait}: {said}", pod.name));
    Some(cause.of_pod(pod).evidence(said).fix(words::room(said)).fails(comes.is_none()))
}

/// Volumes are mounted before the first container is made, so that only events say why one waits.
fn unmounted(pod: &Pod, snapshot: &Snapshot) -> Option<Cause> {
    let untouched = |it: &Container| it.running_since.is_none() && it.terminated.is_none();
    if pod.node.is_none() || pod.phase != "Pending" || !pod.containers.iter().all(untouched) {
        return None;
    }
    let events = || snapshot.evidence.events_of(&pod.uid);
    let went_on = events()
        .filter(|event| matches!(event.reason.as_str(), "Pulling" | "Pulled" | "Created" | "Started"))
        .filter_map(|event| event.last)
        .max();
    let failed = || {
        events()
            .filter(|event| matches!(event.reason.as_str(), "FailedMount" | "FailedAttachVolume"))
            .filter(|event| went_on.is_none() || event.last > went_on)
    };
    let config = failed().find_map(|event| Some((event, words::missing_config(&event.message)?)));
    let (event, cause) = match config {
        Some((event, missing)) => (
            event,
            Cause::new(CauseId::ConfigMissing, format!("pod {}: {}", pod.name, missing.sentence()))
                .fix(Some(missing.fix()))
                .about(Some(missing.to_string())),
        ),
        None => {
            let event = failed().next()?;
            let message = format!("pod {} cannot get its volumes: {}", pod.name, event.message);
            (event, Cause::new(CauseId::Volume, message).fails(!words::is_held_elsewhere(&event.message)))
        }
    };
    let since = snapshot.seconds_since(event.first);
    let lasts = since >= MOUNTS.1 || since >= PATIENCE && event.count >= MOUNTS.0;
    lasts.then(|| cause.of_pod(pod).evidence(&event.message))
}

/// A pod that runs and does not get ready in the time in which others did.
fn unready(pod: &Pod, snapshot: &Snapshot, slowest: &dyn Fn() -> Option<i64>) -> Option<Cause> {
    let main = || pod.containers.iter().filter(|container| !container.init);
    let behind = main().find(|container| container.running_since.is_some() && !container.ready);
    let all_run = main().all(|container| container.running_since.is_some());
    // Where all containers are ready and the pod is not, a gate is closed, or its node does not answer.
    if !all_run || behind.is_none() && !pod.gated {
        return None;
    }
    let started = main().filter_map(|container| container.running_since).max();
    let patience = patience(pod, slowest());
    if snapshot.seconds_since(started.max(pod.unready_since)) < patience {
        return None;
    }
    let probe = snapshot.evidence.events_of(&pod.uid).find(|event| event.reason == "Unhealthy");
    let who = behind.map(|it| format!(", container {}", it.name)).unwrap_or_default();
    let what = if behind.is_some() { "is not ready" } else { "waits for its readiness gates" };
    let message = format!("pod {}{who}: runs and {what} for more than {patience} s", pod.name);
    let mut cause = Cause::new(CauseId::Readiness, message).of_pod(pod);
    cause.container = behind.map(|container| container.name.clone());
    cause.evidence = probe.map(|event| event.message.clone());
    Some(cause)
}

fn patience(pod: &Pod, slowest: Option<i64>) -> i64 {
    let probes = pod.containers.iter().map(|container| i64::from(container.patience)).max();
    match slowest {
        Some(slowest) => READY.0.max(slowest.saturating_mul(READY.1)),
        None => probes.unwrap_or(READY.0).saturating_mul(PROBES),
    }
}

/// Returns how many seconds the slowest known start of a pod took.
pub(crate) fn slowest_start(snapshot: &Snapshot) -> Option<i64> {
    let starts = snapshot.living().filter_map(|other| {
        let (created, ready) = other.created.zip(other.ready_since)?;
        Some(ready.as_second() - created.as_second()).filter(|start| *start <= NO_START)
    });
    starts.max()
}
