//! The shape in which the API server writes pods.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::objects::pod;
use crate::objects::word::Word;

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    owner_references: Vec<Owner>,
    #[serde(default)]
    generation: i64,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
}

/// The labels by which pods name their revision; there may be many others.
#[derive(Default, Deserialize)]
struct Labels {
    #[serde(rename = "controller-revision-hash")]
    controller_revision: Option<Word>,
    #[serde(rename = "pod-template-hash")]
    template: Option<Word>,
    #[serde(rename = "pod-template-generation")]
    generation: Option<Word>,
}

#[derive(Deserialize)]
struct Owner {
    uid: Word,
    #[serde(default)]
    controller: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    #[serde(default)]
    affinity: serde_json::Value,
    #[serde(default)]
    init_containers: Vec<Asked>,
    #[serde(default)]
    containers: Vec<Asked>,
    #[serde(default)]
    readiness_gates: Vec<Gate>,
    #[serde(default)]
    scheduling_gates: Vec<serde::de::IgnoredAny>,
    restart_policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Gate {
    condition_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    name: Word,
    #[serde(default)]
    image: Word,
    readiness_probe: Option<Probe>,
    startup_probe: Option<Probe>,
    restart_policy: Option<String>,
    #[serde(default)]
    lifecycle: Lifecycle,
    #[serde(default)]
    resize_policy: Vec<ResizePolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResizePolicy {
    #[serde(default)]
    restart_policy: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lifecycle {
    post_start: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    #[serde(default)]
    initial_delay_seconds: u32,
    #[serde(default = "period")]
    period_seconds: u32,
    #[serde(default = "threshold")]
    failure_threshold: u32,
}

// The server fills both in (pkg/apis/core/v1/defaults.go, `SetDefaults_Probe`).
fn period() -> u32 {
    10
}

fn threshold() -> u32 {
    3
}

impl Probe {
    fn seconds(&self) -> u32 {
        let tries = self.failure_threshold.saturating_mul(self.period_seconds);
        self.initial_delay_seconds.saturating_add(tries)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    phase: Word,
    reason: Option<String>,
    message: Option<String>,
    nominated_node_name: Option<String>,
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    init_container_statuses: Vec<ContainerStatus>,
    #[serde(default)]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
    last_transition_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    name: Word,
    #[serde(default)]
    ready: bool,
    started: Option<bool>,
    #[serde(default)]
    restart_count: u32,
    #[serde(default)]
    state: State,
    #[serde(default)]
    last_state: State,
}

#[derive(Default, Deserialize)]
struct State {
    waiting: Option<Waiting>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Running {
    started_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Waiting {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terminated {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    exit_code: i32,
    #[serde(default)]
    message: String,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl From<&Terminated> for pod::End {
    fn from(it: &Terminated) -> pod::End {
        pod::End {
            reason: it.reason.clone(),
            code: it.exit_code,
            message: it.message.clone(),
            // The runtime writes the epoch of a run that never began.
            started: it.started_at.filter(|at| at.as_second() > 0),
            at: it.finished_at.filter(|at| at.as_second() > 0),
        }
    }
}

impl<'de> Deserialize<'de> for pod::PodFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<pod::PodFacts, D::Error> {
        Pod::deserialize(deserializer).map(pod::PodFacts::from)
    }
}

impl From<Pod> for pod::PodFacts {
    fn from(pod: Pod) -> pod::PodFacts {
        let Pod { metadata, spec, status } = pod;
        let condition = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
        let (ready, unready) = match condition("Ready") {
            Some(it) if it.status == "True" => {
                (it.last_transition_time.or(metadata.creation_timestamp), None)
            }
            Some(it) => (None, it.last_transition_time.or(metadata.creation_timestamp)),
            None => (None, metadata.creation_timestamp),
        };
        let since = |kind: &str| {
            condition(kind).filter(|it| it.status == "True").and_then(|it| it.last_transition_time)
        };
        let unplaced = condition("PodScheduled").filter(|it| it.status == "False").map(|it| {
            Box::new(pod::Unplaced {
                reason: it.reason.clone().unwrap_or_default(),
                message: it.message.clone().unwrap_or_default(),
                since: it.last_transition_time,
            })
        });
        let disrupted = condition("DisruptionTarget").filter(|it| it.status == "True");
        let by_kubelet = disrupted.filter(|it| it.reason.as_deref() == Some("TerminationByKubelet"));
        // A gate that nobody has said anything of is closed.
        let is_closed = |gate: &&Gate| condition(&gate.condition_type).is_none_or(|it| it.status != "True");
        let Labels { controller_revision, template, generation } = metadata.labels;
        pod::PodFacts {
            owner: metadata
                .owner_references
                .iter()
                .find(|owner| owner.controller)
                .map(|owner| owner.uid.clone()),
            revision: controller_revision.or(template),
            template_generation: generation,
            node: spec.node_name.clone().or_else(|| node_of_daemon_pod(&spec.affinity)),
            generation: metadata.generation,
            created: metadata.creation_timestamp,
            terminating: metadata.deletion_timestamp.is_some(),
            ends_by: metadata.deletion_timestamp,
            ready_since: ready,
            unready_since: unready,
            bound: spec.node_name.is_some(),
            unplaced: unplaced
                .filter(|it| it.reason != "SchedulingGated" || !spec.scheduling_gates.is_empty()),
            nominated: status.nominated_node_name.as_ref().is_some_and(|name| !name.is_empty()),
            placed_since: since("PodScheduled"),
            sandbox_since: since("PodReadyToStartContainers"),
            containers_ready_since: since("ContainersReady"),
            closed_gates: spec
                .readiness_gates
                .iter()
                .filter(is_closed)
                .map(|it| it.condition_type.clone())
                .collect(),
            containers: containers(&spec, &status),
            ended_by_kubelet: by_kubelet.is_some(),
            reason: status.reason,
            message: status.message.or_else(|| by_kubelet?.message.clone()),
            phase: status.phase,
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        }
    }
}

/// The DaemonSet controller binds a pod to its node by an affinity to `metadata.name`
/// (pkg/controller/daemon/util/daemonset_util.go, `ReplaceDaemonSetPodNodeNameNodeAffinity`).
fn node_of_daemon_pod(affinity: &serde_json::Value) -> Option<String> {
    let terms = "/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let fields = affinity.pointer(terms)?.get(0)?.get("matchFields")?.as_array()?;
    let field = fields.iter().find(|field| field["key"] == "metadata.name")?;
    Some(field.pointer("/values/0")?.as_str()?.to_string())
}

fn containers(spec: &Spec, status: &Status) -> Vec<pod::Container> {
    let init = spec.init_containers.iter().map(|asked| (asked, true, &status.init_container_statuses));
    let main = spec.containers.iter().map(|asked| (asked, false, &status.container_statuses));
    let pod_policy = spec.restart_policy.as_deref();
    init.chain(main).map(|(asked, init, all)| container(asked, init, pod_policy, all)).collect()
}

fn container(asked: &Asked, init: bool, pod_policy: Option<&str>, all: &[ContainerStatus]) -> pod::Container {
    let status = all.iter().find(|status| status.name == asked.name);
    let waiting = status.and_then(|s| s.state.waiting.as_ref());
    let running = status.and_then(|s| s.state.running.as_ref());
    // Containers may have a policy of their own (KEP-5307).
    let policy = asked.restart_policy.as_deref();
    let seconds = |probe: &Option<Probe>| probe.as_ref().map_or(0, Probe::seconds);
    pod::Container {
        name: asked.name.clone(),
        image: asked.image.clone(),
        init,
        sidecar: init && policy == Some("Always"),
        once: policy.or(pod_policy) == Some("Never"),
        hooked: asked.lifecycle.post_start.is_some(),
        ready: status.is_some_and(|s| s.ready),
        started: status.is_some_and(|s| s.started.unwrap_or(running.is_some())),
        running_since: running.and_then(|it| it.started_at),
        startup: seconds(&asked.startup_probe),
        readiness: seconds(&asked.readiness_probe),
        restarts: status.map_or(0, |s| s.restart_count),
        restarted_by_resize: asked.resize_policy.iter().any(|it| it.restart_policy == "RestartContainer"),
        waiting: waiting.map(|it| (it.reason.clone(), it.message.clone())),
        ended: status.and_then(|s| s.state.terminated.as_ref()).map(|end| Box::new(pod::End::from(end))),
        ended_before: status
            .and_then(|s| s.last_state.terminated.as_ref())
            .map(|end| Box::new(pod::End::from(end))),
    }
}
