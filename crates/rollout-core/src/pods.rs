//! Pods in the dozen fields that a rollout depends on, decoded straight from the server's answer.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "wire::Pod")]
pub struct Pod {
    /// The name.
    pub name: String,
    /// The UID: a recreated StatefulSet pod has the same name and another UID.
    pub uid: String,
    /// The version of the object, from which a watch carries on.
    pub resource_version: String,
    /// The UID of the controller that owns it (a ReplicaSet, DaemonSet or StatefulSet).
    pub owner: Option<String>,
    /// The label that names its revision: `controller-revision-hash`, or `pod-template-hash` of a Deployment's.
    pub revision: Option<String>,
    /// A DaemonSet's old way to name a revision, which its controller still believes.
    pub template_generation: Option<String>,
    /// The node it is bound to, or, for a DaemonSet's pod that is not bound yet, made for.
    pub node: Option<String>,
    /// The phase, e.g. `Running`.
    pub phase: String,
    /// The generation of its specification, which a change of the running pod raises.
    pub generation: i64,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether somebody has asked for its end.
    pub terminating: bool,
    /// When its end is due at the latest; absent where nobody has asked for it.
    pub ends_by: Option<Timestamp>,
    /// Since when it is ready; absent while it is not.
    pub ready_since: Option<Timestamp>,
    /// Since when it is not ready; absent while it is.
    pub unready_since: Option<Timestamp>,
    /// Whether the scheduler found no place for it, and its words.
    pub unschedulable: Option<String>,
    /// Why the pod as a whole is in its phase, e.g. `Evicted`.
    pub reason: Option<String>,
    /// Whether something besides its containers has a say in its readiness (`spec.readinessGates`).
    pub gated: bool,
    /// Its containers, init containers first.
    pub containers: Vec<Container>,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The name.
    pub name: String,
    /// The image that the pod asks for.
    pub image: String,
    /// Whether it is an init container.
    pub init: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Since when it runs; absent while it does not.
    pub running_since: Option<Timestamp>,
    /// Seconds that its probes allow it to become ready in: `failureThreshold` times `periodSeconds` of the readiness
    /// probe, or of the startup probe where that is longer.
    pub patience: u32,
    /// How often it was restarted.
    pub restarts: u32,
    /// Whether a change of its resources restarts it.
    pub restarted_by_resize: bool,
    /// Why it waits: the reason in one word and the kubelet's sentence.
    pub waiting: Option<(String, String)>,
    /// How its last run ended: the reason in one word and the exit code.
    pub terminated: Option<(String, i32)>,
}

impl Pod {
    /// Tells whether the pod is ready.
    pub fn ready(&self) -> bool {
        self.ready_since.is_some()
    }

    /// Tells whether the pod has been ready for long enough.
    pub fn available(&self, min_ready_seconds: u32, now: Timestamp) -> bool {
        self.ready_since.is_some_and(|since| {
            min_ready_seconds == 0 || now.as_second() - since.as_second() >= i64::from(min_ready_seconds)
        })
    }

    /// Tells whether the pod has ended and will not run again.
    pub fn ended(&self) -> bool {
        matches!(self.phase.as_str(), "Failed" | "Succeeded")
    }

    /// Returns the number of restarts of all containers.
    pub fn restarts(&self) -> u32 {
        self.containers.iter().map(|container| container.restarts).sum()
    }

    /// Returns the ordinal of a StatefulSet's pod: the number behind the last dash of its name.
    pub fn ordinal(&self) -> Option<u32> {
        self.name.rsplit_once('-')?.1.parse().ok()
    }

    /// Returns why the pod is not ready, in one word, as `kubectl get pods` would.
    pub fn status_word(&self) -> &str {
        let container = self.containers.iter().find_map(|container| match &container.waiting {
            Some((reason, _)) if reason != "PodInitializing" && reason != "ContainerCreating" => {
                Some(reason.as_str())
            }
            Some(_) | None => None,
        });
        match (self.terminating, container) {
            (true, _) => "Terminating",
            (false, Some(reason)) => reason,
            (false, None) => self.reason.as_deref().unwrap_or(&self.phase),
        }
    }
}

/// The shape in which the API server writes pods.
mod wire {
    use super::{BTreeMap, Deserialize, Timestamp};

    #[derive(Deserialize)]
    pub(super) struct Pod {
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
        labels: BTreeMap<String, String>,
        #[serde(default)]
        owner_references: Vec<Owner>,
        #[serde(default)]
        generation: i64,
        creation_timestamp: Option<Timestamp>,
        deletion_timestamp: Option<Timestamp>,
    }

    #[derive(Deserialize)]
    struct Owner {
        uid: String,
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
        readiness_gates: Vec<serde::de::IgnoredAny>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Asked {
        name: String,
        #[serde(default)]
        image: String,
        readiness_probe: Option<Probe>,
        startup_probe: Option<Probe>,
        #[serde(default)]
        resize_policy: Vec<ResizePolicy>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ResizePolicy {
        #[serde(default)]
        restart_policy: String,
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

    impl Asked {
        /// Without a probe, what one has that says nothing of its times.
        fn patience(&self) -> u32 {
            let probes = self.readiness_probe.iter().chain(&self.startup_probe);
            probes.map(Probe::seconds).max().unwrap_or_else(|| period() * threshold())
        }
    }

    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        #[serde(default)]
        phase: String,
        reason: Option<String>,
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
        name: String,
        #[serde(default)]
        ready: bool,
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
    }

    impl From<Pod> for super::Pod {
        fn from(pod: Pod) -> super::Pod {
            let Pod { metadata, spec, status } = pod;
            let condition = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
            let (ready, unready) = match condition("Ready") {
                Some(it) if it.status == "True" => {
                    (it.last_transition_time.or(metadata.creation_timestamp), None)
                }
                Some(it) => (None, it.last_transition_time.or(metadata.creation_timestamp)),
                None => (None, metadata.creation_timestamp),
            };
            let unplaced = condition("PodScheduled")
                .filter(|it| it.status == "False" && it.reason.as_deref() == Some("Unschedulable"));
            let label = |key: &str| metadata.labels.get(key).cloned();
            super::Pod {
                owner: metadata
                    .owner_references
                    .iter()
                    .find(|owner| owner.controller)
                    .map(|owner| owner.uid.clone()),
                revision: label("controller-revision-hash").or_else(|| label("pod-template-hash")),
                template_generation: label("pod-template-generation"),
                node: spec.node_name.clone().or_else(|| node_of_daemon_pod(&spec.affinity)),
                generation: metadata.generation,
                created: metadata.creation_timestamp,
                terminating: metadata.deletion_timestamp.is_some(),
                ends_by: metadata.deletion_timestamp,
                ready_since: ready,
                unready_since: unready,
                unschedulable: unplaced.map(|condition| condition.message.clone().unwrap_or_default()),
                containers: containers(&spec, &status),
                reason: status.reason,
                gated: !spec.readiness_gates.is_empty(),
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

    fn containers(spec: &Spec, status: &Status) -> Vec<super::Container> {
        let init = spec.init_containers.iter().map(|asked| (asked, true, &status.init_container_statuses));
        let main = spec.containers.iter().map(|asked| (asked, false, &status.container_statuses));
        init.chain(main).map(|(asked, init, all)| container(asked, init, all)).collect()
    }

    fn container(asked: &Asked, init: bool, all: &[ContainerStatus]) -> super::Container {
        let status = all.iter().find(|status| status.name == asked.name);
        let ended = status.and_then(|s| s.state.terminated.as_ref().or(s.last_state.terminated.as_ref()));
        let waiting = status.and_then(|s| s.state.waiting.as_ref());
        let running = status.and_then(|s| s.state.running.as_ref());
        super::Container {
            name: asked.name.clone(),
            image: asked.image.clone(),
            init,
            ready: status.is_some_and(|s| s.ready),
            running_since: running.and_then(|it| it.started_at),
            patience: asked.patience(),
            restarts: status.map_or(0, |s| s.restart_count),
            restarted_by_resize: asked.resize_policy.iter().any(|it| it.restart_policy == "RestartContainer"),
            waiting: waiting.map(|it| (it.reason.clone(), it.message.clone())),
            terminated: ended.map(|it| (it.reason.clone(), it.exit_code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "db-12", "uid": "u", "labels": {"controller-revision-hash": "db-1"},
                "ownerReferences": [{"uid": "other"}, {"uid": "set", "controller": true}]},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_knows_its_owner_ordinal_and_revision() {
        let pod = pod(json!({}));
        assert_eq!((pod.owner.as_deref(), pod.ordinal()), (Some("set"), Some(12)));
        assert_eq!(pod.revision.as_deref(), Some("db-1"));
    }

    #[test]
    fn availability_counts_from_the_moment_of_readiness() {
        let pod = pod(json!({"conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"}]}));
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(pod.available(0, at("2026-01-01T00:00:00Z")));
        assert!(!pod.available(10, at("2026-01-01T00:00:19Z")));
        assert!(pod.available(10, at("2026-01-01T00:00:20Z")));
    }

    #[test]
    fn a_daemon_pod_that_waits_for_its_node_names_it() {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": {"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-7"]}]}]}}}}}))
            .unwrap();
        assert_eq!(pod.node.as_deref(), Some("node-7"));
    }

    #[test]
    fn the_status_word_is_the_waiting_reason_when_there_is_one() {
        let pod = pod(json!({"phase": "Pending", "containerStatuses": [
            {"name": "app", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}},
             "lastState": {"terminated": {"reason": "Error", "exitCode": 7}}}]}));
        assert_eq!((pod.status_word(), pod.restarts()), ("CrashLoopBackOff", 3));
        assert_eq!(pod.containers[0].terminated, Some(("Error".into(), 7)));
    }

    #[test]
    fn a_container_that_a_resize_restarts_is_known() {
        let pod: Pod = serde_json::from_value(
            json!({"metadata": {"name": "a", "generation": 3}, "spec": {"containers": [
            {"name": "app", "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"},
                {"resourceName": "memory", "restartPolicy": "RestartContainer"}]},
            {"name": "side", "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]}]}}),
        )
        .unwrap();
        assert_eq!(pod.generation, 3);
        assert_eq!(pod.containers.iter().map(|it| it.restarted_by_resize).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_container_knows_since_when_it_runs_and_how_long_its_probes_allow() {
        let with = |probes: serde_json::Value| {
            let mut container = json!({"name": "app", "image": "app:1"});
            container.as_object_mut().unwrap().extend(probes.as_object().unwrap().clone());
            let pod: Pod = serde_json::from_value(json!({
                "metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:30Z"},
                "spec": {"containers": [container], "readinessGates": [{"conditionType": "x"}]},
                "status": {"containerStatuses": [{"name": "app", "ready": true,
                    "state": {"running": {"startedAt": "2026-01-01T00:00:10Z"}}}]}}))
            .unwrap();
            pod
        };
        let pod = with(json!({"readinessProbe": {"periodSeconds": 5, "initialDelaySeconds": 7}}));
        let container = &pod.containers[0];
        assert_eq!((container.ready, container.patience), (true, 22));
        assert_eq!(container.running_since, "2026-01-01T00:00:10Z".parse().ok());
        assert_eq!((pod.gated, pod.ends_by), (true, "2026-01-01T00:00:30Z".parse().ok()));
        let startup =
            json!({"readinessProbe": {}, "startupProbe": {"failureThreshold": 60, "periodSeconds": 2}});
        assert_eq!(with(startup).containers[0].patience, 120);
        assert_eq!(with(json!({})).containers[0].patience, 30);
    }
}
