//! Why a pod is not on a node.

use super::*;

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
    let preempts = full().with(|it| it.nominated = true);
    assert_eq!(ids(&shown(preempts, Vec::new())), [("unschedulable", HOLDS_UP)]);
    let mut gated = full();
    gated.unplaced.as_mut().unwrap().reason = "SchedulingGated".into();
    assert_eq!(ids(&shown(gated, Vec::new())), [("not-scheduled", HOLDS_UP)]);
    let unseen = |seconds| unready("web-0", "bbb").with(|it| (it.bound, it.created) = (false, ago(seconds)));
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
        (new.bound, new.unplaced) = (false, unplaced(said, 100).unplaced.clone());
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
