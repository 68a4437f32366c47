//! Pods in the dozen fields that a rollout depends on, decoded straight from the server's answer. There may be thousands: what
//! few of them have is boxed.

use k8s_openapi::jiff::Timestamp;

use crate::objects::shared::Shared;
use crate::objects::word::Word;

mod wire;

/// A pod, shared by all pictures that show it.
pub type Pod = Shared<PodFacts>;

/// What is known of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodFacts {
    /// The name.
    pub name: String,
    /// The UID: a recreated StatefulSet pod has the same name and another UID.
    pub uid: String,
    /// The version of the object, from which a watch carries on.
    pub resource_version: String,
    /// The UID of the controller that owns it (a ReplicaSet, DaemonSet or StatefulSet).
    pub owner: Option<Word>,
    /// The label that names its revision: `controller-revision-hash`, or `pod-template-hash` of a Deployment's.
    pub revision: Option<Word>,
    /// A DaemonSet's old way to name a revision, which its controller still believes.
    pub template_generation: Option<Word>,
    /// The node it is bound to, or, for a DaemonSet's pod that is not bound yet, made for.
    pub node: Option<String>,
    /// The phase, e.g. `Running`.
    pub phase: Word,
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
    /// Whether it is bound to a node.
    pub bound: bool,
    /// Since when it has a node; absent where its conditions do not say.
    pub placed_since: Option<Timestamp>,
    /// What the scheduler says of it; absent until it has looked at the pod, and where it found a place.
    pub unplaced: Option<Box<Unplaced>>,
    /// Whether others are preempted for it (`status.nominatedNodeName`).
    pub nominated: bool,
    /// Since when its sandbox and network are there; absent while they are not (`PodReadyToStartContainers`).
    pub sandbox_since: Option<Timestamp>,
    /// Since when all its containers are ready; absent while they are not.
    pub containers_ready_since: Option<Timestamp>,
    /// Why the pod as a whole is in its phase, e.g. `Evicted`.
    pub reason: Option<String>,
    /// The sentence to that.
    pub message: Option<String>,
    /// Whether its kubelet has ended it for the node's sake, as before a shutdown (the condition `DisruptionTarget`).
    pub ended_by_kubelet: bool,
    /// What besides its containers has a say in its readiness, and does not hold (`spec.readinessGates`).
    pub closed_gates: Vec<String>,
    /// Its containers, init containers first.
    pub containers: Vec<Container>,
}

/// Why a pod is not bound to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unplaced {
    /// The reason in one word: `Unschedulable`, or `SchedulingGated`.
    pub reason: String,
    /// The scheduler's sentence.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// How a run of a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The reason in one word, e.g. `Error` or `OOMKilled`.
    pub reason: String,
    /// The exit code.
    pub code: i32,
    /// The runtime's sentence, where it has one.
    pub message: String,
    /// When it began; absent where it never did.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub at: Option<Timestamp>,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The name.
    pub name: Word,
    /// The image that the pod asks for.
    pub image: Word,
    /// Whether it is an init container.
    pub init: bool,
    /// Whether it is an init container that keeps running beside the others (`restartPolicy: Always`).
    pub sidecar: bool,
    /// Whether it is not started again when it fails.
    pub once: bool,
    /// Whether it has a hook that runs after its start.
    pub hooked: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether its startup probe has passed, and its hook is through.
    pub started: bool,
    /// Since when it runs; absent while it does not.
    pub running_since: Option<Timestamp>,
    /// Seconds that its startup probe allows it to start in: `initialDelaySeconds`, and `failureThreshold` times
    /// `periodSeconds`; 0 without one.
    pub startup: u32,
    /// Seconds that its readiness probe allows it after that; 0 without one.
    pub readiness: u32,
    /// How often it was restarted.
    pub restarts: u32,
    /// Whether a change of its resources restarts it.
    pub restarted_by_resize: bool,
    /// Why it waits: the reason in one word and the kubelet's sentence.
    pub waiting: Option<(String, String)>,
    /// How its present run ended, while it has not been started again: a kubelet keeps a container so while it backs off.
    pub ended: Option<Box<End>>,
    /// How the run before that ended.
    pub ended_before: Option<Box<End>>,
}

impl Container {
    /// Returns how its last run ended.
    pub fn last_end(&self) -> Option<&End> {
        self.ended.as_deref().or(self.ended_before.as_deref())
    }

    /// Returns how many runs have ended, as far as one is known: one more than it was restarted where it does not run now.
    pub fn ends(&self) -> u32 {
        let backs_off = self.waiting.as_ref().is_some_and(|(reason, _)| reason == "CrashLoopBackOff");
        let known = self.last_end().is_some() || backs_off;
        // A count alone, as after the kubelet has lost a container's record, tells of no end.
        if !known {
            return 0;
        }
        let ended = self.running_since.is_none();
        self.restarts + u32::from(ended)
    }

    /// Tells whether it has done what it is for: an init container that has ended well.
    pub fn is_done(&self) -> bool {
        self.init && !self.sidecar && self.ended.as_ref().is_some_and(|end| end.code == 0)
    }

    /// Returns the seconds that its probes allow it to become ready in.
    pub fn allowance(&self) -> u32 {
        self.startup.saturating_add(self.readiness)
    }

    /// Returns why it does not run, as `kubectl get pods` says it (pkg/printers/internalversion/printers.go, `printPod`).
    fn word(&self) -> Option<String> {
        match (&self.waiting, &self.ended) {
            (Some((reason, _)), _) if !reason.is_empty() => Some(reason.clone()),
            (_, Some(end)) if !end.reason.is_empty() => Some(end.reason.clone()),
            (_, Some(end)) => Some(format!("ExitCode:{}", end.code)),
            (_, None) => None,
        }
    }
}

impl PodFacts {
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

    /// Tells whether all its containers are ready and nothing else has a say, and the pod is not ready all the same: its node
    /// has not been heard of, and its controller says so (pkg/controller/util/node/controller_utils.go, `MarkPodsNotReady`).
    pub fn is_unheard_of(&self) -> bool {
        !self.ready() && self.containers_ready_since.is_some() && self.closed_gates.is_empty()
    }

    /// Returns why the pod is not ready, in one word, as `kubectl get pods` would
    /// (pkg/printers/internalversion/printers.go, `printPod`).
    pub fn status_word(&self) -> String {
        if self.terminating {
            return "Terminating".to_string();
        }
        let reason = || self.reason.clone().unwrap_or_else(|| self.phase.to_string());
        if self.ended() && self.reason.is_some() {
            return reason();
        }
        let inits = || self.containers.iter().filter(|it| it.init);
        let through = |it: &Container| it.is_done() || it.sidecar && it.started;
        if let Some(index) = inits().position(|it| !through(it)) {
            let word = inits().nth(index).and_then(Container::word).filter(|word| word != "PodInitializing");
            match word {
                Some(word) => return format!("Init:{word}"),
                None if self
                    .containers
                    .iter()
                    .any(|it| it.waiting.is_some() || it.running_since.is_some()) =>
                {
                    return format!("Init:{index}/{}", inits().count());
                }
                None => {}
            }
        }
        let word = self.containers.iter().filter(|it| !it.init).find_map(Container::word);
        let word = word.filter(|word| word != "Completed" || self.ended());
        let gated =
            || self.unplaced.as_ref().filter(|it| it.reason == "SchedulingGated").map(|it| it.reason.clone());
        word.or_else(gated).unwrap_or_else(reason)
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
        assert_eq!((pod.status_word().as_str(), pod.restarts()), ("CrashLoopBackOff", 3));
        assert_eq!(pod.containers[0].last_end().map(|end| end.code), Some(7));
        assert_eq!(pod.containers[0].ends(), 4);
    }

    #[test]
    fn a_kubelet_that_ends_a_pod_is_known_by_the_condition_and_others_are_not() {
        let with = |status: &str, reason: &str| {
            pod(json!({"phase": "Succeeded", "conditions": [{"type": "DisruptionTarget", "status": status,
                "reason": reason, "message": "in response to imminent node shutdown"}]}))
        };
        let ended = with("True", "TerminationByKubelet");
        assert_eq!((ended.ended_by_kubelet, ended.reason.clone()), (true, None));
        assert_eq!(ended.message.as_deref(), Some("in response to imminent node shutdown"));
        for other in [with("False", "TerminationByKubelet"), with("True", "DeletionByTaintManager")] {
            assert_eq!((other.ended_by_kubelet, other.message.clone()), (false, None));
        }
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
        assert_eq!((container.ready, container.allowance()), (true, 22));
        assert_eq!(container.running_since, "2026-01-01T00:00:10Z".parse().ok());
        assert_eq!(
            (pod.closed_gates.clone(), pod.ends_by),
            (vec!["x".to_string()], "2026-01-01T00:00:30Z".parse().ok())
        );
        let startup =
            json!({"readinessProbe": {}, "startupProbe": {"failureThreshold": 60, "periodSeconds": 2}});
        assert_eq!(
            (with(startup.clone()).containers[0].startup, with(startup).containers[0].readiness),
            (120, 30)
        );
        assert_eq!(with(json!({})).containers[0].allowance(), 0);
    }
}
