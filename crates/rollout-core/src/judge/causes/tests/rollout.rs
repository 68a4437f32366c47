//! What is told of the rollout as a whole: what is its doing, and what comes first.

use super::*;

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
