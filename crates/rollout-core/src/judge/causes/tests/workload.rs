//! What the workload and the pods that ended show.

use super::*;

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
    // What ends well when it is asked to says no reason: events do, or what became of the node.
    let of_well = |by_kubelet: bool, reason: &str| {
        let well = |n: usize| {
            let mut pod = failed(&format!("web-{n}"), "");
            (pod.phase, pod.reason, pod.ended_by_kubelet) = ("Succeeded".into(), None, by_kubelet);
            pod
        };
        let mut it = seen(Kind::Deployment, (0..3).map(well).collect());
        it.evidence.events = vec![event("uid-web-2", reason, "Usage of EmptyDir exceeds", 1, "40")];
        of(&it)
    };
    assert_eq!(ids(&of_well(false, "Pulled")), [("ended", FAILS)]);
    assert_eq!(ids(&of_well(true, "Pulled")), [("ended", HOLDS_UP)], "a node that shuts down");
    for by_kubelet in [false, true] {
        let causes = of_well(by_kubelet, "Evicted");
        assert_eq!(ids(&causes), [("evicted", FAILS)]);
        let said = "(Evicted: Usage of EmptyDir exceeds); 3 pods ended so";
        assert!(causes[0].message.ends_with(said), "{}", causes[0].message);
    }
    // A DaemonSet's are gone at once: its controller tells of each.
    let mut one = failed("web-0", "Evicted");
    one.owner = Some(crate::fixture::UID.into());
    let mut it = seen(Kind::DaemonSet, vec![one.clone()]);
    it.evidence.events = (0..3)
        .map(|n| {
            let said =
                format!("Found failed daemon pod default/web-{n} on node node-web-0, will try to kill it");
            event("uid-web", "FailedDaemonPod", &said, 1, "40")
        })
        .collect();
    assert_eq!(ids(&of(&it)), [("evicted", FAILS)]);
    // A set's are made anew under the same name.
    one.revision = Some("web-bbb".into());
    for create in ["Create", "create"] {
        let mut it = seen(Kind::StatefulSet, vec![one.clone()]);
        let said = format!("{create} Pod web-0 in StatefulSet web successful");
        it.evidence.events = vec![event("uid-web", "SuccessfulCreate", &said, 3, "40")];
        assert_eq!(ids(&of(&it)), [("evicted", FAILS)], "{create}");
    }
    // A StatefulSet's have one name, and are gone before anybody asks: whoever watches has seen them.
    let of_a_set = |gone: usize| {
        let ended = |n: usize| {
            let mut pod =
                pod(Kind::StatefulSet, "web-0", "bbb", false).with(|it| it.uid = format!("uid-{n}"));
            (pod.phase, pod.reason) = ("Failed".into(), Some("Evicted".into()));
            pod.created = ago(20 - n as i64);
            pod
        };
        let present = pod(Kind::StatefulSet, "web-0", "bbb", false);
        of(&seen(Kind::StatefulSet, vec![present]).remembering((0..gone).map(ended).collect()))
    };
    let is_evicted = |causes: &[Cause]| ids(causes).into_iter().find(|it| it.0 == "evicted");
    assert_eq!(is_evicted(&of_a_set(0)), None);
    assert_eq!(is_evicted(&of_a_set(2)), Some(("evicted", PROBATION)));
    assert_eq!(is_evicted(&of_a_set(3)), Some(("evicted", FAILS)));
}

#[test]
fn a_set_that_may_not_create_pods_says_so_in_events() {
    let quota = "Error creating: pods \"web-x\" is forbidden: exceeded quota: small";
    let policy = "Create Pod web-2 in StatefulSet web failed error: pods \"web-2\" is forbidden: violates P";
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
    let refused = |create: &str, name: &str| {
        let said = format!(
            "{create} Pod {name} in StatefulSet web failed error: pods \"{name}\" is forbidden: violates P"
        );
        vec![event("uid-web", "FailedCreate", &said, 3, "40")]
    };
    for create in ["Create", "create"] {
        it.evidence.events = refused(create, "web-1");
        assert_eq!(ids(&of(&it)), [("admission-denied", HOLDS_UP)]);
        it.evidence.events = refused(create, "web-2");
        assert_eq!(ids(&of(&it)), [("admission-denied", FAILS)]);
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
    assert_eq!(ids(&with("40", 2)), [("quota", FAILS)], "it never passes");
    assert_eq!(ids(&with("59", 2)), [], "it is tried again");
    assert_eq!(ids(&with("40", 3)), [], "nothing is missing");
    assert_eq!(ids(&with("20", 2)), [("quota", HOLDS_UP)], "it began before the rollout");
}
