use serde_json::{Value, json};

use super::*;
use crate::fixture::{pod, revision, snapshot, stateful, workload};
use crate::judge::cause::{Cause, Sort};
use crate::judge::status::{Progress, State, evaluate};
use crate::objects::event::EventRecord;
use crate::objects::kind::Kind;
use crate::objects::node::NodeReadiness;
use crate::objects::pod::{Container, End, Pod, Unplaced};
use crate::snapshot::Snapshot;
use crate::snapshot::evidence::{LogTail, Skipped};

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

fn dead(name: &str) -> NodeReadiness {
    NodeReadiness { name: name.into(), ready: false, reason: "NodeStatusUnknown".into(), message: "m".into() }
}

/// What one new DaemonSet pod shows beside two good old ones, with these events of it.
fn shown(pod: Pod, events: Vec<EventRecord>) -> Vec<Cause> {
    let old = |name: &str| crate::fixture::pod(Kind::DaemonSet, name, "aaa", true);
    let mut it = seen(Kind::DaemonSet, vec![pod, old("web-1"), old("web-2")]);
    it.evidence.events = events;
    of(&it)
}

const FAILS: &str = "fails";
const PROBATION: &str = "on probation";
const HOLDS_UP: &str = "holds up";

fn ids<'a>(causes: impl IntoIterator<Item = &'a Cause>) -> Vec<(&'static str, &'static str)> {
    let word = |cause: &Cause| match cause.sort {
        Sort::Fails => FAILS,
        Sort::OnProbation { .. } => PROBATION,
        Sort::HoldsUp => HOLDS_UP,
    };
    causes.into_iter().map(|cause| (cause.id.as_str(), word(cause))).collect()
}

fn first(progress: &Progress) -> &Cause {
    progress.causes.iter().next().unwrap()
}

fn states(progress: &Progress) -> (State, Vec<(&'static str, &'static str)>) {
    (progress.state, ids(progress.causes.iter()))
}

/// The moment so many seconds ago.
fn ago(seconds: i64) -> Option<k8s_openapi::jiff::Timestamp> {
    k8s_openapi::jiff::Timestamp::from_second(crate::fixture::now().as_second() - seconds).ok()
}

/// An event of `web-0` that was seen first so many seconds ago, and just now.
fn seen_first(seconds: i64, reason: &str, message: &str, count: u32) -> EventRecord {
    EventRecord { first: ago(seconds), ..event("uid-web-0", reason, message, count, "00") }
}

#[test]
fn a_missing_object_and_a_missing_key_are_named_at_once_and_called_when_they_last() {
    for (said, sentence) in [
        ("configmap \"app\" not found", "ConfigMap app does not exist"),
        ("secret \"app\" not found", "Secret app does not exist"),
        ("couldn't find key a.b in ConfigMap shop/app", "ConfigMap app has no key a.b"),
        ("couldn't find key k in Secret shop/app", "Secret app has no key k"),
    ] {
        let for_seconds = |seconds| {
            let warned = vec![seen_first(seconds, "Failed", &format!("Error: {said}"), 3)];
            shown(waiting("CreateContainerConfigError", said), warned)
        };
        let causes = for_seconds(59);
        assert_eq!(ids(&causes), [("config-missing", PROBATION)], "{said}");
        assert!(causes[0].message.ends_with(sentence), "{}", causes[0].message);
        assert_eq!(causes[0].evidence.as_deref(), Some(said));
        assert_eq!(ids(&for_seconds(60)), [("config-missing", FAILS)], "{said}");
    }
    let cache = "failed to sync secret cache: timed out waiting for the condition";
    let mut late = waiting("CreateContainerConfigError", cache);
    late.sandbox_since = ago(4);
    assert_eq!(ids(&shown(late, Vec::new())), [("config-missing", PROBATION)]);
}

#[test]
fn what_a_container_may_not_be_is_no_missing_configuration() {
    let root = "container has runAsNonRoot and image will run as root (pod: \"web\", container: app)";
    let mut pod = waiting("CreateContainerConfigError", root);
    pod.sandbox_since = ago(1);
    assert_eq!(ids(&shown(pod.clone(), Vec::new())), [("container-config", FAILS)]);
    pod.containers[0].waiting =
        Some(("CreateContainerConfigError".into(), "failed to prepare subPath for volumeMount".into()));
    assert_eq!(ids(&shown(pod, Vec::new())), [("container-config", PROBATION)]);
}

#[test]
fn what_a_registry_does_not_have_is_final_and_what_it_cannot_do_now_is_not() {
    let pull = |said: &str, attempts, seconds| {
        let failed = format!("Failed to pull image \"app:x\": {said}");
        let message = format!("Back-off pulling image \"app:x\": ErrImagePull: {said}");
        let events = vec![seen_first(seconds, "Failed", &failed, attempts)];
        let mut pod = waiting("ImagePullBackOff", &message);
        pod.containers[0].image = "app:x".into();
        let whole = ids(&shown(pod.clone(), events.clone())).first().map(|it| it.1);
        // A server before 1.31 says why in the event only.
        pod.containers[0].waiting =
            Some(("ImagePullBackOff".into(), "Back-off pulling image \"app:x\"".into()));
        assert_eq!(ids(&shown(pod, events)).first().map(|it| it.1), whole, "{said}");
        whole
    };
    for said in [
        "rpc error: code = NotFound desc = failed to resolve reference \"app:x\": not found",
        "pull access denied, repository does not exist or may require authorization",
        "unexpected status from HEAD request: 401 Unauthorized",
        "manifest unknown",
    ] {
        assert_eq!(pull(said, 1, 1), Some(FAILS), "{said}");
    }
    for said in [
        "unexpected status from HEAD request: 503 Service Unavailable",
        "429 Too Many Requests: toomanyrequests",
        "dial tcp: lookup registry.corp: no such host",
        "failed to authorize: failed to fetch anonymous token: unexpected status: 504 Gateway Time-out",
        "read: connection reset by peer",
        "unexpected EOF",
    ] {
        assert_eq!(pull(said, 1, 5), Some(PROBATION), "{said}");
        assert_eq!(pull(said, 1, 90), Some(PROBATION), "{said}: one attempt");
        assert_eq!(pull(said, 2, 59), Some(PROBATION), "{said}");
        assert_eq!(pull(said, 2, 60), Some(FAILS), "{said}");
    }
    for reason in ["InvalidImageName", "ErrImageNeverPull"] {
        assert_eq!(ids(&shown(waiting(reason, "no"), Vec::new())), [("image-pull", FAILS)]);
    }
}

#[test]
fn no_waiting_reason_is_without_a_word() {
    for reason in ["PostStartHookError", "CreatePodSandboxError", "SomethingOfNextYear"] {
        let causes = shown(waiting(reason, "words"), vec![seen_first(5, "Failed", "words", 2)]);
        assert_eq!(causes.len(), 1, "{reason}");
        assert!(matches!(causes[0].sort, Sort::OnProbation { .. }), "{reason}");
    }
    for reason in ["ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"] {
        let causes = shown(waiting(reason, "words"), vec![seen_first(5, "Failed", "words", 2)]);
        assert_eq!(ids(&causes), [("image-pull", PROBATION)], "{reason}");
    }
}

/// A pod that is being made, with these events.
fn made(events: Vec<EventRecord>) -> Vec<Cause> {
    let mut pod = waiting("ContainerCreating", "");
    pod.phase = "Pending".into();
    pod.unready_since = ago(40);
    shown(pod, events)
}

#[test]
fn volumes_and_sandboxes_that_cannot_be_made_are_named_and_called_when_it_lasts() {
    let mount = |message: &str, seconds| made(vec![seen_first(seconds, "FailedMount", message, 5)]);
    let said = "MountVolume.SetUp failed for volume \"c\" : configmap \"app\" not found";
    assert_eq!(ids(&mount(said, 15)), [("config-missing", PROBATION)]);
    assert_eq!(ids(&mount(said, 60)), [("config-missing", FAILS)]);
    assert_eq!(ids(&mount("references non-existent secret key: k", 60)), [("config-missing", FAILS)]);
    assert_eq!(ids(&mount("exit status 32", 59)), [("volume", PROBATION)]);
    assert_eq!(ids(&mount("exit status 32", 60)), [("volume", FAILS)]);
    let sandbox = |seconds| made(vec![seen_first(seconds, "FailedCreatePodSandBox", "no runtime for x", 9)]);
    assert_eq!(ids(&sandbox(5)), [("sandbox", PROBATION)]);
    assert_eq!(ids(&sandbox(60)), [("sandbox", FAILS)]);
    let mut pulling = seen_first(1, "Pulling", "Pulling image", 1);
    pulling.last = "2026-01-01T00:01:00Z".parse().ok();
    let mut before = seen_first(60, "FailedMount", "exit status 32", 5);
    before.last = ago(2);
    assert_eq!(ids(&made(vec![before, pulling])), []);
}

#[test]
fn a_volume_that_another_pod_holds_is_waited_for_unless_that_one_waits_for_this_one() {
    let held = |by: &str| {
        let words = format!("Multi-Attach error for volume \"d\" Volume is already used by pod(s) {by}");
        made(vec![seen_first(60, "FailedAttachVolume", &words, 5)])
    };
    assert_eq!(ids(&held("other-0")), [("volume", HOLDS_UP)]);
    let own = held("web-1");
    assert_eq!(ids(&own), [("volume", FAILS)]);
    assert!(own[0].message.contains("goes only when this one is ready"), "{}", own[0].message);
}

fn unplaced(said: &str, seconds: i64) -> Pod {
    let mut pod = unready("web-0", "bbb");
    pod.bound = false;
    pod.unplaced = Some(Box::new(Unplaced {
        reason: "Unschedulable".into(),
        message: said.into(),
        since: ago(seconds),
    }));
    pod
}

#[test]
fn the_schedulers_words_say_what_would_help() {
    let said = "0/4 nodes are available: 1 Insufficient cpu, 2 Insufficient memory, 1 node(s) had untolerated \
                taint {a: b}. preemption: 0/4 nodes are available: 4 Insufficient cpu.";
    let causes = shown(unplaced(said, 60), Vec::new());
    assert_eq!(ids(&causes), [("unschedulable", FAILS)]);
    assert_eq!(
        causes[0].fix.as_deref(),
        Some(
            "free cpu and memory on a node, add one, or lower its request of cpu and memory; \
             give it a toleration, or remove the taint"
        )
    );
    assert_eq!(ids(&shown(unplaced(said, 59), Vec::new())), [("unschedulable", PROBATION)]);
    let claim = "0/4 nodes are available: persistentvolumeclaim \"data\" not found. not found";
    assert_eq!(ids(&shown(unplaced(claim, 15), Vec::new())), [("volume", PROBATION)]);
    assert_eq!(ids(&shown(unplaced(claim, 60), Vec::new())), [("volume", FAILS)]);
    let unbound = "0/4 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";
    assert_eq!(ids(&shown(unplaced(unbound, 60), Vec::new())), [("volume", FAILS)]);
}

#[test]
fn a_pod_whose_place_is_about_to_come_is_waited_for() {
    let full = || unplaced("0/4 nodes are available: 4 Insufficient cpu.", 100);
    for (reason, message) in
        [("TriggeredScaleUp", "pod triggered scale-up"), ("Nominated", "Pod should schedule on: nodeclaim/x")]
    {
        let comes = vec![event("uid-web-0", reason, message, 1, "10")];
        assert_eq!(ids(&shown(full(), comes)), [("unschedulable", HOLDS_UP)]);
    }
    let preempts = Pod { nominated: true, ..full() };
    assert_eq!(ids(&shown(preempts, Vec::new())), [("unschedulable", HOLDS_UP)]);
    let mut gated = full();
    gated.unplaced.as_mut().unwrap().reason = "SchedulingGated".into();
    assert_eq!(ids(&shown(gated, Vec::new())), [("not-scheduled", HOLDS_UP)]);
    let unseen = |seconds| Pod { bound: false, created: ago(seconds), ..unready("web-0", "bbb") };
    assert_eq!(ids(&shown(unseen(9), Vec::new())), []);
    assert_eq!(ids(&shown(unseen(10), Vec::new())), [("not-scheduled", PROBATION)]);
    assert_eq!(ids(&shown(unseen(60), Vec::new())), [("not-scheduled", FAILS)]);
}

#[test]
fn a_pod_that_waits_for_its_own_predecessor_is_waited_for() {
    let said = "0/4 nodes are available: 4 node(s) didn't have free ports for the requested pod ports.";
    let with = |terminating| {
        let mut old = pod(Kind::Deployment, "web-1", "aaa", true);
        old.terminating = terminating;
        let mut new = pod(Kind::Deployment, "web-0", "bbb", false);
        (new.bound, new.unplaced) = (false, unplaced(said, 100).unplaced);
        of(&seen(Kind::Deployment, vec![new, old]))
    };
    assert_eq!(ids(&with(true)), [("unschedulable", HOLDS_UP)]);
    let never = with(false);
    assert_eq!(ids(&never), [("unschedulable", FAILS)]);
    assert!(never[0].fix.as_deref().unwrap().contains("maxSurge: 0"), "{:?}", never[0].fix);
}

#[test]
fn where_both_templates_ask_for_the_same_the_older_revision_would_meet_it_too() {
    let with = |old: Value, new: Value| {
        let mut object = workload(Kind::DaemonSet, "app:2", json!({"type": "RollingUpdate"}));
        object["spec"]["template"]["spec"]["nodeSelector"] = new;
        let mut revisions = revisions(Kind::DaemonSet);
        revisions[0]["data"]["spec"]["template"]["spec"]["nodeSelector"] = old;
        revisions[1]["data"]["spec"]["template"] = object["spec"]["template"].clone();
        let pods = vec![unplaced("0/4 nodes are available: 4 Insufficient cpu.", 100)];
        of(&snapshot(Kind::DaemonSet, object, revisions, pods))[0].old_too
    };
    assert!(with(json!({"disk": "fast"}), json!({"disk": "fast"})));
    assert!(!with(json!({"disk": "fast"}), json!({"disk": "faster"})));
}

fn ended(reason: &str, code: i32, seconds: i64) -> Option<Box<End>> {
    Some(Box::new(End {
        reason: reason.into(),
        code,
        at: ago(seconds),
        started: ago(seconds + 1),
        message: String::new(),
    }))
}

/// A container in the back-off after so many ends, as a kubelet shows it most of the time.
fn backing_off(restarts: u32, end: Option<Box<End>>) -> Pod {
    let mut pod = unready("web-0", "bbb");
    pod.containers[0].restarts = restarts;
    pod.containers[0].ended_before = end.clone().filter(|_| restarts > 0);
    pod.containers[0].ended = end;
    pod
}

#[test]
fn a_crash_is_read_from_its_ends_whatever_the_container_is_called_meanwhile() {
    let once = shown(backing_off(0, ended("Error", 3, 1)), Vec::new());
    assert_eq!(ids(&once), [("crash-loop", PROBATION)]);
    let twice = shown(backing_off(1, ended("Error", 3, 1)), Vec::new());
    assert_eq!(ids(&twice), [("crash-loop", FAILS)]);
    assert_eq!(twice[0].message, "pod web-0, container app: crashes (exit code 3, 1 restart)");
    // For the half second in which the kubelet says so, and while the third run lasts.
    let mut waits = backing_off(1, ended("Error", 3, 1));
    waits.containers[0].ended = None;
    waits.containers[0].waiting = Some(("CrashLoopBackOff".into(), "back-off 10s".into()));
    assert_eq!(ids(&shown(waits, Vec::new())), [("crash-loop", FAILS)]);
    let mut runs = backing_off(2, ended("Error", 3, 1));
    (runs.containers[0].ended, runs.containers[0].running_since) = (None, ago(0));
    assert_eq!(ids(&shown(runs.clone(), Vec::new())), [("crash-loop", FAILS)]);
    runs.containers[0].restarts = 1;
    assert_eq!(ids(&shown(runs, Vec::new())), [("crash-loop", PROBATION)]);
}

#[test]
fn ends_of_long_ago_say_nothing_of_a_pod_that_is_unready_for_a_moment() {
    let mut old = backing_off(7, ended("OOMKilled", 137, 86_400));
    (old.containers[0].ended, old.containers[0].running_since) = (None, ago(86_399));
    old.unready_since = ago(3);
    assert_eq!(ids(&shown(old.clone(), Vec::new())), []);
    // One that ran for a day, and has just ended for the second time.
    old.containers[0].ended_before =
        Some(Box::new(End { started: ago(86_400), ..*ended("Error", 1, 2).unwrap() }));
    (old.containers[0].restarts, old.containers[0].running_since) = (2, ago(1));
    assert_eq!(ids(&shown(old, Vec::new())), [("crash-loop", PROBATION)]);
}

#[test]
fn what_certainly_fails_is_called_at_once() {
    assert_eq!(ids(&shown(backing_off(0, ended("OOMKilled", 137, 1)), Vec::new())), [("oom-killed", FAILS)]);
    let mut once = backing_off(0, ended("Error", 1, 1));
    once.containers[0].once = true;
    assert_eq!(ids(&shown(once, Vec::new())), [("crash-loop", FAILS)]);
    let said = "error during container init: exec: \"/nope\": stat /nope: no such file or directory";
    let mut command = backing_off(0, ended("StartError", 128, 1));
    command.containers[0].ended.as_mut().unwrap().message = said.into();
    assert_eq!(ids(&shown(command, Vec::new())), [("crash-loop", FAILS)]);
    assert_eq!(ids(&shown(waiting("RunContainerError", said), Vec::new())), [("crash-loop", FAILS)]);
    let mut busy = waiting("CreateContainerError", "context deadline exceeded");
    busy.sandbox_since = ago(5);
    assert_eq!(ids(&shown(busy, Vec::new())), [("crash-loop", PROBATION)]);
}

#[test]
fn only_a_kill_is_a_kill_by_a_probe_and_it_is_called_when_it_lasts() {
    let killed = |count, seconds| {
        let words = "Container app failed liveness probe, will be restarted";
        let mut kill = seen_first(seconds, "Killing", words, count);
        kill.warns = false;
        vec![kill, seen_first(seconds, "Unhealthy", "Liveness probe failed: 500", 3 * count)]
    };
    let pod = || backing_off(2, ended("Error", 137, 1));
    let causes = shown(pod(), killed(3, 20));
    assert_eq!(ids(&causes), [("liveness", PROBATION)]);
    assert_eq!(causes[0].evidence.as_deref(), Some("Liveness probe failed: 500"));
    assert_eq!(ids(&shown(pod(), killed(3, 60))), [("liveness", FAILS)]);
    assert_eq!(ids(&shown(backing_off(0, ended("Error", 137, 1)), killed(1, 90))), [("liveness", PROBATION)]);
    // Kills apart, it has ended twice by itself.
    assert_eq!(ids(&shown(pod(), killed(1, 20))), [("crash-loop", FAILS)]);
    // Probes fail beside a plain crash too.
    for message in [
        "Liveness probe errored and resulted in unknown state: container is in CONTAINER_EXITED state",
        "Liveness probe failed: Get \"http://10.0.0.1/\": connect: connection refused",
        "Startup probe failed: timeout",
    ] {
        let causes = shown(pod(), vec![seen_first(20, "Unhealthy", message, 3)]);
        assert_eq!(ids(&causes), [("crash-loop", FAILS)], "{message}");
        let once = shown(backing_off(0, ended("Error", 1, 1)), vec![seen_first(20, "Unhealthy", message, 3)]);
        assert_eq!(ids(&once), [("crash-loop", PROBATION)], "{message}");
    }
    // The events of a few pods are read: what they show holds for the others.
    let mut other = backing_off(2, ended("Error", 137, 1));
    (other.name, other.uid) = ("web-9".into(), "uid-web-9".into());
    let mut it = seen(Kind::DaemonSet, vec![pod(), other]);
    it.evidence.events = killed(3, 20);
    it.evidence.events.iter_mut().for_each(|event| event.container = Some("app".into()));
    assert_eq!(ids(&of(&it)), [("liveness", PROBATION)]);
}

#[test]
fn a_hook_that_fails_is_named_and_one_that_runs_is_waited_for() {
    let mut pod = backing_off(1, ended("Completed", 0, 1));
    pod.containers[0].hooked = true;
    let hook = || vec![seen_first(5, "FailedPostStartHook", "PostStartHook failed", 2)];
    let causes = shown(pod, hook());
    assert_eq!(ids(&causes), [("post-start", FAILS)]);
    let mut runs = waiting("ContainerCreating", "");
    (runs.phase, runs.containers[0].hooked) = ("Pending".into(), true);
    let started = |seconds| {
        let mut started = seen_first(seconds, "Started", "Container started", 1);
        (started.warns, started.last) = (false, ago(seconds));
        shown(runs.clone(), vec![started])
    };
    assert_eq!(ids(&started(40)), []);
    assert_eq!(ids(&started(70)), [("post-start", PROBATION)]);
    assert_eq!(ids(&started(600)), [("post-start", FAILS)]);
}

/// A pod that has run for `seconds`, with a readiness probe of 3 times 1 second.
fn running(name: &str, hash: &str, seconds: i64) -> Pod {
    let mut pod = unready(name, hash);
    let since = ago(seconds);
    pod.created = since;
    pod.unready_since = since;
    pod.containers[0].running_since = since;
    pod.containers[0].started = true;
    pod.containers[0].readiness = 3;
    pod
}

#[test]
fn readiness_is_measured_by_what_the_probes_allow_and_by_the_slowest_start_that_is_known() {
    let beside = |seconds: i64, start: i64, startup: u32| {
        let mut old = pod(Kind::DaemonSet, "web-1", "aaa", true);
        let ready = old.created.unwrap().as_second() + start;
        old.ready_since = k8s_openapi::jiff::Timestamp::from_second(ready).ok();
        let mut new = running("web-0", "bbb", seconds);
        new.containers[0].startup = startup;
        ids(&of(&seen(Kind::DaemonSet, vec![new, old]))).first().map(|it| it.1)
    };
    let cases = [(9, None), (10, Some(PROBATION)), (59, Some(PROBATION)), (60, Some(FAILS))];
    for (seconds, expected) in cases {
        assert_eq!(beside(seconds, 2, 0), expected, "{seconds}");
    }
    assert_eq!([beside(119, 40, 0), beside(120, 40, 0)], [Some(PROBATION), Some(FAILS)]);
    // While its probes allow it, nothing is said; a start of yesterday says nothing.
    assert_eq!([beside(302, 2, 300), beside(303, 2, 300)], [None, Some(FAILS)]);
    assert_eq!([beside(59, 90_000, 0), beside(60, 90_000, 0)], [Some(PROBATION), Some(FAILS)]);
}

#[test]
fn whoever_knows_better_says_how_long() {
    let with = |seconds, asked| {
        let mut it = seen(Kind::DaemonSet, vec![running("web-0", "bbb", seconds)]);
        it.patience = crate::snapshot::patience::Patience::of(asked);
        ids(&of(&it)).first().map(|it| it.1)
    };
    assert_eq!([with(12, Some(12)), with(100, Some(101))], [Some(FAILS), Some(PROBATION)]);
}

#[test]
fn a_pod_whose_containers_are_ready_waits_for_its_gates_or_its_node() {
    let mut pod = running("web-0", "bbb", 400);
    pod.containers[0].ready = true;
    pod.containers_ready_since = ago(299);
    let unheard = of(&seen(Kind::DaemonSet, vec![pod.clone()]));
    assert_eq!(ids(&unheard), [("node-not-ready", HOLDS_UP)]);
    pod.unready_since = ago(350);
    pod.closed_gates = vec!["target-health".into()];
    let causes = of(&seen(Kind::DaemonSet, vec![pod.clone()]));
    assert_eq!(ids(&causes), [("readiness", PROBATION)]);
    assert!(causes[0].message.ends_with("waits for its readiness gates: target-health"));
    pod.containers_ready_since = ago(300);
    assert_eq!(ids(&of(&seen(Kind::DaemonSet, vec![pod]))), [("readiness", FAILS)]);
}

#[test]
fn init_containers_may_take_their_time_and_sidecars_have_to_be_ready() {
    let setup = |seconds, sidecar| {
        let mut pod = running("web-0", "bbb", seconds);
        pod.containers[0].running_since = None;
        let init = Container {
            init: true,
            sidecar,
            name: "setup".into(),
            ..running("x", "b", seconds).containers[0].clone()
        };
        pod.containers.insert(0, init);
        ids(&of(&seen(Kind::DaemonSet, vec![pod]))).first().copied()
    };
    assert_eq!([setup(59, false), setup(60, false)], [None, Some(("init", PROBATION))]);
    assert_eq!([setup(599, false), setup(600, false)], [Some(("init", PROBATION)), Some(("init", FAILS))]);
    assert_eq!(
        [setup(59, true), setup(60, true)],
        [Some(("readiness", PROBATION)), Some(("readiness", FAILS))]
    );
}

#[test]
fn pods_that_end_again_and_again_are_counted() {
    let failed = |name: &str, reason: &str| {
        let mut pod = pod(Kind::Deployment, name, "bbb", false);
        (pod.phase, pod.reason) = ("Failed".into(), Some(reason.into()));
        (pod.message, pod.created) = (Some("no room for it. ".into()), ago(20));
        pod
    };
    let of_them = |count: usize, reason: &str| {
        let pods = (0..count).map(|n| failed(&format!("web-{n}"), reason)).collect();
        of(&seen(Kind::Deployment, pods))
    };
    assert_eq!(ids(&of_them(2, "SysctlForbidden")), [("rejected", PROBATION)]);
    let causes = of_them(3, "SysctlForbidden");
    assert_eq!(ids(&causes), [("rejected", FAILS)]);
    assert!(
        causes[0].message.contains("(SysctlForbidden: no room for it.); 3 pods ended so"),
        "{}",
        causes[0].message
    );
    assert_eq!(ids(&of_them(3, "Evicted")), [("evicted", FAILS)]);
    assert_eq!(ids(&of_them(3, "Terminated")), [("rejected", HOLDS_UP)], "a node that shuts down");
    // A DaemonSet's are gone at once: its controller tells of each.
    let mut one = failed("web-0", "Evicted");
    one.owner = Some(crate::fixture::UID.into());
    let mut it = seen(Kind::DaemonSet, vec![one]);
    it.evidence.events = (0..3)
        .map(|n| {
            let said =
                format!("Found failed daemon pod default/web-{n} on node node-web-0, will try to kill it");
            event("uid-web", "FailedDaemonPod", &said, 1, "40")
        })
        .collect();
    assert_eq!(ids(&of(&it)), [("evicted", FAILS)]);
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
            let expected = (State::Stalled, vec![("node-not-ready", HOLDS_UP)]);
            assert_eq!(states(&progress), expected, "{kind} {hash} {terminating}");
            assert!(first(&progress).message.contains(" on node node-web-2, which is not ready"));
            assert_eq!(first(&progress).pod.as_deref(), Some("web-2"));
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
    let expected = (State::Stalled, vec![("terminating", HOLDS_UP)]);
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
    assert_eq!(states(&evaluate(&both)), (State::Advancing, vec![("crash-loop", HOLDS_UP)]));
    let mut new = seen(Kind::DaemonSet, vec![crash("web-0", "bbb")]);
    assert_eq!(evaluate(&new).state, State::Failed);
    new.evidence.known = symptoms(&both);
    assert_eq!(evaluate(&new).state, State::Advancing);

    // Between two crashes a container runs.
    let mut runs = crash("web-1", "aaa");
    runs.containers[0].waiting = None;
    runs.containers[0].ended_before = ended("Error", 1, 5);
    runs.containers[0].running_since = ago(1);
    let both = seen(Kind::DaemonSet, vec![crash("web-0", "bbb"), runs]);
    assert_eq!(states(&evaluate(&both)), (State::Advancing, vec![("crash-loop", HOLDS_UP)]));

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
    let expected = vec![("deadline", FAILS), ("not-starting", PROBATION)];
    assert_eq!(states(&evaluate(&it)), (State::Failed, expected));
    it.evidence.nodes = vec![dead("node-web-0")];
    let expected = vec![("node-not-ready", HOLDS_UP), ("deadline", HOLDS_UP)];
    assert_eq!(states(&evaluate(&it)), (State::Advancing, expected));
}

#[test]
fn what_fails_comes_before_what_holds_up() {
    let mut broken = pod(Kind::DaemonSet, "web-1", "bbb", false);
    broken.containers[0].waiting = Some(("ImagePullBackOff".into(), String::new()));
    let mut it = seen(Kind::DaemonSet, vec![unready("web-0", "bbb"), broken]);
    it.evidence.nodes = vec![dead("node-web-0")];
    let expected = (State::Failed, vec![("image-pull", FAILS), ("node-not-ready", HOLDS_UP)]);
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
        assert_eq!(ids(&causes), [("quota", PROBATION)], "{kind}");
        let said = "pods \"web-x\" is forbidden: exceeded quota: small";
        assert_eq!(causes[0].evidence.as_deref(), Some(said));
        assert!(causes[0].old_too, "{kind}: both ask for the same");
        let mut later = with(2, quota, "40");
        later.now += k8s_openapi::jiff::SignedDuration::from_secs(40);
        assert_eq!(ids(&of(&later)), [("quota", FAILS)], "{kind}");
        // What its own pods give back when they are gone.
        let mut leaving = with(2, quota, "40");
        let mut pod = pod(kind, "web-9", "aaa", true);
        pod.terminating = true;
        leaving.pods.as_mut().unwrap().push(pod);
        leaving.workload.desired = 4;
        assert_eq!(ids(&of(&leaving)), [("quota", HOLDS_UP)], "{kind}");
        for (said, id) in [
            ("Internal error occurred: failed calling webhook \"x\": connect: connection refused", "webhook"),
            (
                "pods \"web-x\" is forbidden: error looking up service account default/app: serviceaccount \"app\" not found",
                "reference-missing",
            ),
            ("pods \"web-x\" is forbidden: no PriorityClass with name high was found", "reference-missing"),
            (
                "pods \"web-x\" is forbidden: pod rejected: RuntimeClass \"kata\" not found",
                "reference-missing",
            ),
        ] {
            let causes = of(&with(2, &format!("Error creating: {said}"), "40"));
            assert_eq!(ids(&causes), [(id, PROBATION)], "{kind} {said}");
        }
        assert_eq!(ids(&of(&with(2, policy, "40"))), [("admission-denied", FAILS)], "{kind}");
        assert_eq!(ids(&of(&with(3, quota, "40"))), [], "{kind}: nothing is missing");
        let mut older = with(2, quota, "20");
        older.evidence.events.remove(0);
        assert_eq!(ids(&of(&older)), [("quota", HOLDS_UP)], "{kind}: it began before the rollout");
    }
}

#[test]
fn a_pod_below_the_partition_that_cannot_be_created_is_the_older_revisions() {
    let mut it = snapshot(
        Kind::StatefulSet,
        stateful("app:2", 2, "aaa", "bbb"),
        revisions(Kind::StatefulSet),
        vec![pod(Kind::StatefulSet, "web-0", "aaa", true), pod(Kind::StatefulSet, "web-2", "bbb", true)],
    );
    let refused = |name: &str| {
        let said = format!(
            "create Pod {name} in StatefulSet web failed error: pods \"{name}\" is forbidden: violates P"
        );
        vec![event("uid-web", "FailedCreate", &said, 3, "40")]
    };
    it.evidence.events = refused("web-1");
    assert_eq!(ids(&of(&it)), [("admission-denied", HOLDS_UP)]);
    it.evidence.events = refused("web-2");
    assert_eq!(ids(&of(&it)), [("admission-denied", FAILS)]);
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
    assert_eq!(ids(&with("40", 2)), [("quota", FAILS)], "it never passes");
    assert_eq!(ids(&with("59", 2)), [], "it is tried again");
    assert_eq!(ids(&with("40", 3)), [], "nothing is missing");
    assert_eq!(ids(&with("20", 2)), [("quota", HOLDS_UP)], "it began before the rollout");
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
    assert_eq!(first(&progress).log, lines);
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
