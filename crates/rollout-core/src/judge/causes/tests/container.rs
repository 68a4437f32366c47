//! What a container shows: it cannot be made, its image cannot be had, it ends.

use super::*;

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
