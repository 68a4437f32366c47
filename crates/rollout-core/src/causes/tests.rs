use super::*;
use crate::evidence::{EventRecord, LogTail, Node, Skipped};
use crate::fixture::{pod, revision, snapshot, stateful, workload};
use crate::pods::Container;
use crate::status::{Progress, State, evaluate};
use serde_json::{Value, json};

/// Two revisions; the rollout of the second began at 00:00:30, half a minute ago.
fn seen(kind: Kind, pods: Vec<Pod>) -> Snapshot {
    let object = match kind {
        Kind::StatefulSet => stateful("app:2", 0, "aaa", "bbb"),
        Kind::Deployment | Kind::DaemonSet => workload(kind, "app:2", json!({"type": "RollingUpdate"})),
    };
    snapshot(kind, object, revisions(kind), pods)
}

fn revisions(kind: Kind) -> Vec<Value> {
    [(1, "aaa"), (2, "bbb")]
        .map(|(number, hash)| {
            let mut revision = revision(kind, number, &format!("app:{number}"), hash);
            revision["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:00:{}0Z", number + 1));
            revision["spec"]["replicas"] = json!(3);
            revision
        })
        .to_vec()
}

fn unready(name: &str, hash: &str) -> Pod {
    pod(Kind::DaemonSet, name, hash, false)
}

fn waiting(reason: &str, words: &str) -> Pod {
    let mut pod = unready("web-0", "bbb");
    pod.containers[0].waiting = Some((reason.into(), words.into()));
    pod
}

fn event(uid: &str, reason: &str, message: &str, count: u32, first: &str) -> EventRecord {
    serde_json::from_value(json!({"metadata": {"name": "e"}, "type": "Warning", "reason": reason,
        "message": message, "count": count, "involvedObject": {"uid": uid},
        "firstTimestamp": format!("2026-01-01T00:00:{first}Z"), "lastTimestamp": "2026-01-01T00:00:59Z"}))
    .unwrap()
}

fn dead(name: &str) -> Node {
    Node { name: name.into(), ready: false, reason: "NodeStatusUnknown".into(), message: "m".into() }
}

/// What one new DaemonSet pod shows beside two good old ones, with these events of it.
fn shown(pod: Pod, events: Vec<EventRecord>) -> Vec<Cause> {
    let old = |name: &str| crate::fixture::pod(Kind::DaemonSet, name, "aaa", true);
    let mut it = seen(Kind::DaemonSet, vec![pod, old("web-1"), old("web-2")]);
    it.evidence.events = events;
    of(&it)
}

fn ids(causes: &[Cause]) -> Vec<(&str, bool)> {
    causes.iter().map(|cause| (cause.id.as_str(), cause.fails)).collect()
}

fn states(progress: &Progress) -> (State, Vec<(&str, bool)>) {
    (progress.state, ids(&progress.causes))
}

#[test]
fn a_missing_object_and_a_missing_key_are_named() {
    for (said, sentence) in [
        ("configmap \"app\" not found", "ConfigMap app does not exist"),
        ("secret \"app\" not found", "Secret app does not exist"),
        ("couldn't find key a.b in ConfigMap shop/app", "ConfigMap app has no key a.b"),
        ("couldn't find key k in Secret shop/app", "Secret app has no key k"),
    ] {
        let causes = shown(waiting("CreateContainerConfigError", said), Vec::new());
        assert_eq!(ids(&causes), [("config-missing", true)], "{said}");
        assert!(causes[0].message.ends_with(sentence), "{}", causes[0].message);
        assert_eq!(causes[0].evidence.as_deref(), Some(said));
    }
    let odd = shown(waiting("CreateContainerConfigError", "runAsNonRoot"), Vec::new());
    assert!(odd[0].message.ends_with("cannot be configured: runAsNonRoot"), "{}", odd[0].message);
}

#[test]
fn mounts_count_when_they_fail_again_and_again() {
    let mut pod = unready("web-0", "bbb");
    pod.phase = "Pending".into();
    let mount = |message: &str, count, first| {
        let mut pod = pod.clone();
        pod.containers[0].waiting = Some(("ContainerCreating".into(), String::new()));
        shown(pod, vec![event("uid-web-0", "FailedMount", message, count, first)])
    };
    let said = "MountVolume.SetUp failed for volume \"c\" : configmap \"app\" not found";
    assert_eq!(ids(&mount(said, 5, "45")), [("config-missing", true)]);
    assert_eq!(ids(&mount("references non-existent secret key: k", 5, "45")), [("config-missing", true)]);
    assert_eq!(ids(&mount("exit status 32", 5, "45")), [("volume", true)]);
    assert_eq!(ids(&mount("exit status 32", 2, "45")), []);
    assert_eq!(ids(&mount("exit status 32", 5, "55")), []);
    assert_eq!(ids(&mount("exit status 32", 1, "20")), [("volume", true)]);
    assert_eq!(ids(&mount("Multi-Attach error for volume \"d\"", 5, "20")), [("volume", false)]);
    let mut pulling = event("uid-web-0", "Pulling", "Pulling image", 1, "59");
    pulling.last = "2026-01-01T00:01:00Z".parse().ok();
    let went_on = vec![event("uid-web-0", "FailedMount", "exit status 32", 5, "20"), pulling];
    assert_eq!(ids(&shown(pod, went_on)), []);
}

#[test]
fn the_schedulers_words_say_what_would_help() {
    let unplaced = |said: &str, created: &str| {
        let mut pod = unready("web-0", "bbb");
        pod.unschedulable = Some(said.into());
        pod.created = format!("2026-01-01T00:00:{created}Z").parse().ok();
        shown(pod, Vec::new())
    };
    let said = "0/4 nodes are available: 1 Insufficient cpu, 2 Insufficient memory, 1 node(s) had untolerated \
                taint {a: b}. preemption: 0/4 nodes are available: 4 Insufficient cpu.";
    let causes = unplaced(said, "00");
    assert_eq!(ids(&causes), [("unschedulable", true)]);
    assert_eq!(
        causes[0].fix.as_deref(),
        Some(
            "free cpu and memory on a node, add one, or lower its request of cpu and memory; \
             give it a toleration, or remove the taint"
        )
    );
    assert_eq!(ids(&unplaced(said, "55")), []);
    let claim = "0/4 nodes are available: persistentvolumeclaim \"data\" not found. not found";
    assert_eq!(ids(&unplaced(claim, "45")), [("volume", true)]);
    let unbound = "0/4 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";
    assert_eq!(ids(&unplaced(unbound, "45")), []);
    assert_eq!(ids(&unplaced(unbound, "00")), [("volume", true)]);
}

#[test]
fn a_pod_for_which_a_node_comes_is_waited_for() {
    let mut pod = unready("web-0", "bbb");
    pod.unschedulable = Some("0/4 nodes are available: 4 Insufficient cpu.".into());
    let comes = vec![event("uid-web-0", "TriggeredScaleUp", "pod triggered scale-up", 1, "10")];
    assert_eq!(ids(&shown(pod, comes)), [("unschedulable", false)]);
}

#[test]
fn a_probe_that_kills_explains_the_crash() {
    let mut pod = waiting("CrashLoopBackOff", "back-off");
    pod.containers[0].restarts = 3;
    pod.containers[0].terminated = Some(("Error".into(), 137));
    assert_eq!(ids(&shown(pod.clone(), Vec::new())), [("crash-loop", true)]);
    for (reason, message) in [
        ("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500"),
        ("Unhealthy", "Startup probe failed: timeout"),
        ("Killing", "Container app failed liveness probe, will be restarted"),
    ] {
        let event = event("uid-web-0", reason, message, 3, "40");
        let causes = shown(pod.clone(), vec![event.clone()]);
        assert_eq!(ids(&causes), [("liveness", true)], "{message}");
        assert_eq!(causes[0].evidence.as_deref(), Some(message));
        let mut other = pod.clone();
        other.containers.push(Container { name: "side".into(), restarts: 3, ..Container::default() });
        let mut named = event;
        named.container = Some("side".into());
        let causes = shown(other, vec![named]);
        assert_eq!(ids(&causes), [("crash-loop", true), ("liveness", true)], "{message}");
    }
    let mut fresh = pod.clone();
    fresh.containers[0] = Container { name: "app".into(), ..Container::default() };
    let warned = event("uid-web-0", "Unhealthy", "Liveness probe failed: 500", 1, "40");
    assert_eq!(ids(&shown(fresh, vec![warned])), []);
}

/// A pod that has run for `seconds`, with a readiness probe of 3 times 1 second.
fn running(name: &str, hash: &str, seconds: i64) -> Pod {
    let mut pod = unready(name, hash);
    let since = crate::fixture::now().as_second() - seconds;
    let since = k8s_openapi::jiff::Timestamp::from_second(since).ok();
    pod.created = since;
    pod.unready_since = since;
    pod.containers[0].running_since = since;
    pod.containers[0].patience = 3;
    pod
}

#[test]
fn readiness_is_measured_by_the_slowest_start_that_is_known() {
    let beside = |seconds: i64, start: i64| {
        let mut old = pod(Kind::DaemonSet, "web-1", "aaa", true);
        let ready = old.created.unwrap().as_second() + start;
        old.ready_since = k8s_openapi::jiff::Timestamp::from_second(ready).ok();
        ids(&of(&seen(Kind::DaemonSet, vec![running("web-0", "bbb", seconds), old]))).len()
    };
    assert_eq!([beside(19, 2), beside(20, 2)], [0, 1]);
    assert_eq!([beside(44, 15), beside(45, 15)], [0, 1]);
    let alone = |seconds| of(&seen(Kind::DaemonSet, vec![running("web-0", "bbb", seconds)])).len();
    assert_eq!([alone(29), alone(30)], [0, 1]);
    // One that was unready yesterday says nothing of a start.
    assert_eq!([beside(29, 90_000), beside(30, 90_000)], [0, 1]);
}

#[test]
fn a_pod_whose_containers_are_ready_waits_for_its_gates_or_its_node() {
    let mut pod = running("web-0", "bbb", 40);
    pod.containers[0].ready = true;
    assert_eq!(ids(&of(&seen(Kind::DaemonSet, vec![pod.clone()]))), []);
    pod.gated = true;
    let causes = of(&seen(Kind::DaemonSet, vec![pod.clone()]));
    assert_eq!(ids(&causes), [("readiness", true)]);
    assert!(causes[0].message.contains("waits for its readiness gates"), "{}", causes[0].message);
    // An init container may take its time.
    let mut setup = running("web-0", "bbb", 4000);
    setup.containers[0].running_since = None;
    setup.containers.insert(0, Container { init: true, ..running("x", "bbb", 4000).containers[0].clone() });
    assert_eq!(ids(&of(&seen(Kind::DaemonSet, vec![setup]))), []);
}

#[test]
fn a_dead_node_holds_up_and_fails_nothing() {
    for kind in [Kind::DaemonSet, Kind::StatefulSet] {
        // The last one is of a revision that was left, and would be stuck on a live node.
        for (hash, terminating) in
            [("bbb", false), ("aaa", false), ("aaa", true), ("bbb", true), ("ccc", false)]
        {
            let mut pods: Vec<Pod> = (0..3).map(|n| pod(kind, &format!("web-{n}"), "aaa", n != 2)).collect();
            pods[2] = pod(kind, "web-2", hash, false);
            pods[2].terminating = terminating;
            pods[2].containers[0].waiting = Some(("ImagePullBackOff".into(), String::new()));
            let mut it = seen(kind, pods);
            it.evidence.nodes = vec![dead("node-web-2")];
            let progress = evaluate(&it);
            let expected = (State::Stalled, vec![("node-not-ready", false)]);
            assert_eq!(states(&progress), expected, "{kind} {hash} {terminating}");
            assert!(progress.causes[0].message.contains(" on node node-web-2, which is not ready"));
            assert_eq!(progress.causes[0].pod.as_deref(), Some("web-2"));
        }
    }
}

#[test]
fn a_pod_that_does_not_end_is_named_where_it_is_waited_for() {
    let mut pods: Vec<Pod> = (0..3).map(|n| pod(Kind::DaemonSet, &format!("web-{n}"), "aaa", true)).collect();
    pods[0].terminating = true;
    pods[0].ends_by = "2026-01-01T00:00:55Z".parse().ok();
    assert_eq!(states(&evaluate(&seen(Kind::DaemonSet, pods.clone()))), (State::Advancing, vec![]));
    pods[0].ends_by = "2026-01-01T00:00:40Z".parse().ok();
    let expected = (State::Stalled, vec![("terminating", false)]);
    assert_eq!(states(&evaluate(&seen(Kind::DaemonSet, pods))), expected);
}

#[test]
fn what_old_pods_show_too_or_was_known_before_is_not_blamed_on_the_rollout() {
    let crash = |name: &str, hash: &str| {
        let mut pod = unready(name, hash);
        pod.containers[0].waiting = Some(("CrashLoopBackOff".into(), String::new()));
        pod.containers[0].restarts = 3;
        pod
    };
    let both = seen(Kind::DaemonSet, vec![crash("web-0", "bbb"), crash("web-1", "aaa")]);
    assert_eq!(states(&evaluate(&both)), (State::Advancing, vec![("crash-loop", false)]));
    let mut new = seen(Kind::DaemonSet, vec![crash("web-0", "bbb")]);
    assert_eq!(evaluate(&new).state, State::Failed);
    new.evidence.known = symptoms(&both);
    assert_eq!(evaluate(&new).state, State::Advancing);

    // Between two crashes a container runs.
    let mut runs = crash("web-1", "aaa");
    runs.containers[0].waiting = None;
    runs.containers[0].terminated = Some(("Error".into(), 1));
    let both = seen(Kind::DaemonSet, vec![crash("web-0", "bbb"), runs]);
    assert_eq!(states(&evaluate(&both)), (State::Advancing, vec![("crash-loop", false)]));

    // Another image that cannot be pulled is another failure.
    let pull = |name: &str, hash: &str, image: &str| {
        let mut pod = unready(name, hash);
        pod.containers[0].image = image.into();
        pod.containers[0].waiting = Some(("ImagePullBackOff".into(), String::new()));
        pod
    };
    let images = |old: &str| {
        let pods = vec![pull("web-0", "bbb", "app:bad"), pull("web-1", "aaa", old)];
        evaluate(&seen(Kind::DaemonSet, pods)).state
    };
    assert_eq!(images("app:bad"), State::Advancing);
    assert_eq!(images("app:worse"), State::Failed);
}

#[test]
fn a_deadline_that_passes_over_a_dead_node_fails_nothing() {
    let mut object = workload(Kind::Deployment, "app:2", json!({}));
    object["status"]["conditions"] = json!([{"type": "Progressing", "status": "False",
        "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"web-bbb\" has timed out progressing."}]);
    let pods = vec![pod(Kind::Deployment, "web-0", "bbb", false)];
    let mut it = snapshot(Kind::Deployment, object, revisions(Kind::Deployment), pods);
    assert_eq!(states(&evaluate(&it)), (State::Failed, vec![("deadline", true)]));
    it.evidence.nodes = vec![dead("node-web-0")];
    let expected = vec![("node-not-ready", false), ("deadline", false)];
    assert_eq!(states(&evaluate(&it)), (State::Advancing, expected));
}

#[test]
fn what_fails_comes_before_what_holds_up() {
    let mut broken = pod(Kind::DaemonSet, "web-1", "bbb", false);
    broken.containers[0].waiting = Some(("ImagePullBackOff".into(), String::new()));
    let mut it = seen(Kind::DaemonSet, vec![unready("web-0", "bbb"), broken]);
    it.evidence.nodes = vec![dead("node-web-0")];
    let expected = (State::Failed, vec![("image-pull", true), ("node-not-ready", false)]);
    assert_eq!(states(&evaluate(&it)), expected);
}

#[test]
fn a_set_that_may_not_create_pods_says_so_in_events() {
    let quota = "Error creating: pods \"web-x\" is forbidden: exceeded quota: small";
    let policy = "create Pod web-2 in StatefulSet web failed error: pods \"web-2\" is forbidden: violates P";
    for kind in [Kind::DaemonSet, Kind::StatefulSet] {
        let with = |count: usize, message: &str, first: &str| {
            let pods = (0..count).map(|n| pod(kind, &format!("web-{n}"), "aaa", true)).collect();
            let mut it = seen(kind, pods);
            it.evidence.events = vec![
                event("uid-web", "FailedCreate", message, 1, "59"),
                event("uid-web", "FailedCreate", message, 3, first),
            ];
            it
        };
        let causes = of(&with(2, quota, "40"));
        assert_eq!(ids(&causes), [("quota", true)], "{kind}");
        let said = "pods \"web-x\" is forbidden: exceeded quota: small";
        assert_eq!(causes[0].evidence.as_deref(), Some(said));
        assert_eq!(ids(&of(&with(2, policy, "40"))), [("admission-denied", true)], "{kind}");
        assert_eq!(ids(&of(&with(3, quota, "40"))), [], "{kind}: nothing is missing");
        let mut older = with(2, quota, "20");
        older.evidence.events.remove(0);
        assert_eq!(ids(&of(&older)), [("quota", false)], "{kind}: it began before the rollout");
    }
}

#[test]
fn a_replica_set_says_itself_what_it_may_not_create() {
    let with = |since: &str, count: usize| {
        let mut revisions = revisions(Kind::Deployment);
        revisions[1]["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True",
            "reason": "FailedCreate", "lastTransitionTime": format!("2026-01-01T00:00:{since}Z"),
            "message": "pods \"web-x\" is forbidden: failed quota: small: must specify cpu"}]);
        let pods = (0..count).map(|n| pod(Kind::Deployment, &format!("web-{n}"), "bbb", true)).collect();
        let object = workload(Kind::Deployment, "app:2", json!({}));
        of(&snapshot(Kind::Deployment, object, revisions, pods))
    };
    assert_eq!(ids(&with("40", 2)), [("quota", true)]);
    assert_eq!(ids(&with("59", 2)), [], "it is tried again");
    assert_eq!(ids(&with("40", 3)), [], "nothing is missing");
    assert_eq!(ids(&with("20", 2)), [("quota", false)], "it began before the rollout");
}

#[test]
fn the_log_stands_beside_its_container_and_what_is_hidden_is_said() {
    let mut pod = waiting("CrashLoopBackOff", "");
    pod.containers[0].restarts = 2;
    let mut it = seen(Kind::DaemonSet, vec![pod]);
    let lines = vec!["panic: no database".to_string()];
    it.evidence.logs =
        vec![LogTail { pod: "web-0".into(), container: "app".into(), previous: true, lines: lines.clone() }];
    it.evidence.skipped = [Skipped::Nodes, Skipped::Events].into();
    let progress = evaluate(&it);
    assert_eq!(progress.causes[0].log, lines);
    assert_eq!(progress.skipped, [Skipped::Events, Skipped::Nodes]);
    it.pods = None;
    assert_eq!(evaluate(&it).skipped, [Skipped::Pods, Skipped::Events, Skipped::Nodes]);
}

#[test]
fn the_image_of_a_volume_is_told_from_that_of_the_container() {
    let words = |said: &str| {
        let pod = waiting("ImagePullBackOff", said);
        let mut object = workload(Kind::DaemonSet, "app:2", json!({}));
        object["spec"]["template"]["spec"]["volumes"] =
            json!([{"name": "models", "image": {"reference": "registry/models:7"}}]);
        let snapshot = snapshot(Kind::DaemonSet, object, Vec::new(), Vec::new());
        of_pod(&pod, &snapshot).remove(0).message
    };
    let volume = words("Back-off pulling image \"registry/models:7\": ErrImagePull: not found");
    assert!(volume.ends_with("image registry/models:7 of volume models cannot be pulled"), "{volume}");
    let own = words("Back-off pulling image \"app:x\": ErrImagePull: not found");
    assert!(own.ends_with("image app:x cannot be pulled"), "{own}");
}
