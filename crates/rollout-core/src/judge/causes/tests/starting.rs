//! What keeps a pod that is placed from becoming ready.

use super::*;

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
fn a_warning_that_keeps_nothing_from_starting_is_no_reason() {
    let warned = |reason: &str| {
        let mut pod = waiting("ContainerCreating", "");
        pod.phase = "Pending".into();
        (pod.created, pod.unready_since) = (ago(90), ago(90));
        shown(pod, vec![seen_first(60, reason, "late", 5)])
    };
    assert_eq!(ids(&warned("FailedToStart")), [("not-starting", FAILS)]);
    for reason in ["DNSConfigForming", "MissingClusterDNS", "FailedToRetrieveImagePullSecret"] {
        assert_eq!(ids(&warned(reason)), [("not-starting", PROBATION)], "{reason}");
    }
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

#[test]
fn the_time_in_which_the_server_does_not_answer_fails_nothing() {
    let silent = |answering| {
        let mut it = seen(Kind::DaemonSet, vec![running("web-0", "bbb", 300)]);
        it.answering = answering;
        ids(&of(&it)).first().map(|it| it.1)
    };
    let times = [None, ago(300), ago(60), ago(59), ago(0)];
    assert_eq!(times.map(silent), [FAILS, FAILS, FAILS, PROBATION, PROBATION].map(Some));
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
