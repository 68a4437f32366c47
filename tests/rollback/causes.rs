//! Every cause that a rollout can fail by or be held up by, on each kind where it can occur: called while kubectl still waits,
//! with its evidence, and never called where nothing is wrong with the rollout.

use cluster::{Cluster, Login, Namespace, Options, Output};
use e2e::scene::{change_template, for_each_kind, rollback};
use e2e::{KINDS, LONG, Web, assert_code, cluster, install, json, pods, set_image};
use serde_json::{Value, json};

use crate::connection::requests;

/// Waits for the end of a rollout; the time is only there so that a wrong answer ends too.
fn status(ns: &Namespace<'_>, target: &str, more: &[&str]) -> Output {
    rollback(ns, &[&["status", target, "--timeout=60s"], more].concat())
}

/// Asks how far a rollout is now.
fn now(ns: &Namespace<'_>, target: &str) -> (Output, Value) {
    let output = rollback(ns, &["status", target, "--watch=false", "-o", "json"]);
    let document = json(&output);
    (output, document)
}

/// A workload of two healthy pods, or of one a node.
fn healthy(ns: &Namespace<'_>, kind: &'static str) -> String {
    Web::new(kind, "app:1").replicas(2).create(ns);
    format!("{kind}/web")
}

/// Asserts that a rollout fails by a cause that certainly fails, whoever asks for it and how, and returns what people see and
/// the cause.
#[track_caller]
fn fails(ns: &Namespace<'_>, target: &str, id: &str) -> (String, Value) {
    called(ns, target, id, "--patience=1h")
}

/// Asserts that a cause is named while it may pass, and called when it has lasted.
#[track_caller]
fn lasts(ns: &Namespace<'_>, target: &str, id: &str) -> (String, Value) {
    held_up(ns, target, id);
    called(ns, target, id, "--patience=4s")
}

#[track_caller]
fn called(ns: &Namespace<'_>, target: &str, id: &str, patience: &str) -> (String, Value) {
    let told = status(ns, target, &[patience]);
    assert_code(&told, 3);
    assert!(told.stderr.contains(&format!("\n  {id}: ")), "{told}");
    let output = rollback(ns, &["status", target, "--watch=false", "-o", "json", patience]);
    let document = json(&output);
    assert_code(&output, 3);
    assert_eq!([&document["state"], &document["causes"][0]["id"]], ["failed", id], "{document}");
    assert_eq!(document["causes"][0]["sort"], "fails", "{document}");
    assert_eq!(document["skipped"], json!([]), "{document}");
    (told.stderr, document["causes"][0].clone())
}

/// Waits until a snapshot of the state names a cause, and returns the whole document; fails when it calls the rollout failed.
#[track_caller]
fn held_up(ns: &Namespace<'_>, target: &str, id: &str) -> Value {
    let mut last = Value::Null;
    ns.wait_until(&format!("{target} is held up by {id}"), LONG, || {
        let (output, document) = now(ns, target);
        assert_code(&output, 0);
        assert_ne!(document["state"], "failed", "{document}");
        let causes = document["causes"].as_array().cloned().unwrap_or_default();
        last = document;
        causes.iter().any(|cause| cause["id"] == id && cause["sort"] != "fails")
    });
    last
}

#[test]
fn each_way_in_which_a_container_does_not_start_is_named_on_each_kind() {
    for_each_kind(|kind| {
        for (tag, id, words) in [
            ("missing", "image-pull", "container app: image app:missing cannot be pulled"),
            ("config", "config-missing", "container app: ConfigMap app-config does not exist"),
            ("key", "config-missing", "container app: ConfigMap app-config has no key color"),
        ] {
            let ns = cluster().namespace(tag);
            let target = healthy(&ns, kind);
            set_image(&ns, &target, &format!("app:{tag}"));
            let call = if id == "image-pull" { fails } else { lasts };
            let (told, cause) = call(&ns, &target, id);
            assert!(told.contains(words), "{told}");
            assert_eq!(cause["container"], "app", "{cause}");
            assert!(cause["evidence"].as_str().is_some_and(|it| it.contains("ound") || it.contains("key")));
            assert_eq!(told.contains("\n    to help: "), cause["fix"].is_string(), "{told}");
        }
    });
}

#[test]
fn a_container_that_ends_is_named_with_its_exit_code_and_its_last_words_on_each_kind() {
    for_each_kind(|kind| {
        for (tag, id, words) in [
            ("crash", "crash-loop", "crashes (exit code 1, "),
            ("oom", "oom-killed", "was killed for using too much memory (exit code 137, "),
        ] {
            let ns = cluster().namespace(tag);
            let target = healthy(&ns, kind);
            set_image(&ns, &target, &format!("app:{tag}"));
            let (told, cause) = fails(&ns, &target, id);
            assert!(told.contains(words), "{told}");
            assert!(told.contains("\n    | starting\n    | listening on :8080\n"), "{told}");
            assert_eq!(cause["log"], json!(["starting", "listening on :8080"]), "{cause}");
        }
    });
}

#[test]
fn a_container_that_its_probe_kills_is_named_on_each_kind() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("liveness");
        let target = healthy(&ns, kind);
        set_image(&ns, &target, "app:liveness");
        let (told, cause) = lasts(&ns, &target, "liveness");
        assert!(told.contains("container app: is killed because its liveness probe fails"), "{told}");
        assert_eq!(cause["evidence"], "Liveness probe failed: HTTP probe failed with statuscode: 500");
    });
}

#[test]
fn a_container_that_does_not_get_ready_is_named_with_what_its_probe_said_on_each_kind() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("readiness");
        let target = healthy(&ns, kind);
        set_image(&ns, &target, "app:unready");
        let (told, cause) = lasts(&ns, &target, "readiness");
        assert!(told.contains("container app: runs and is not ready for more than "), "{told}");
        assert_eq!(cause["evidence"], "Readiness probe failed: HTTP probe failed with statuscode: 503");
        let kubectl = ns.kubectl(&["rollout", "status", &target, "--timeout=1s"]);
        assert!(kubectl.stderr.contains("timed out waiting"), "{kubectl}");
    });
}

#[test]
fn a_volume_that_cannot_be_had_is_named_on_each_kind() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("mount");
        let target = healthy(&ns, kind);
        set_image(&ns, &target, "app:mount");
        let (told, cause) = lasts(&ns, &target, "volume");
        assert!(told.contains("cannot get its volumes: MountVolume.SetUp failed for"), "{told}");
        assert!(cause["pod"].as_str().is_some_and(|pod| pod.starts_with("web-")), "{cause}");

        let ns = cluster().namespace("claim");
        let target = healthy(&ns, kind);
        let claim = json!({ "spec": { "volumes": [
            { "name": "data", "persistentVolumeClaim": { "claimName": "nowhere" } }] } });
        change_template(&ns, &target, &claim);
        let (told, cause) = lasts(&ns, &target, "volume");
        assert!(told.contains("waits for the volume of claim nowhere: "), "{told}");
        assert_eq!(cause["fix"], "create PersistentVolumeClaim nowhere", "{cause}");
    });
}

#[test]
fn a_pod_that_finds_no_node_is_named_with_what_would_help_on_each_kind() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("room");
        let target = healthy(&ns, kind);
        let (template, said, fix) = if kind == "daemonset" {
            let large = json!({ "name": "app", "resources": { "requests": { "cpu": "1000" } } });
            let fix = "free cpu on a node, add one, or lower its request of cpu";
            (json!({ "spec": { "containers": [large] } }), "Insufficient cpu", fix)
        } else {
            let fix = "label a node as its node selector or affinity asks";
            (json!({ "spec": { "nodeSelector": { "disk": "none" } } }), "node affinity/selector", fix)
        };
        change_template(&ns, &target, &template);
        let (told, cause) = lasts(&ns, &target, "unschedulable");
        assert!(told.contains("finds no node: 0/"), "{told}");
        assert!(told.contains(&format!("\n    to help: {fix}")), "{told}");
        assert!(cause["evidence"].as_str().is_some_and(|it| it.contains(said)), "{cause}");
    });
}

#[test]
fn a_pod_for_which_a_node_is_being_added_is_waited_for() {
    let ns = cluster().namespace("scaleup");
    let target = healthy(&ns, "deployment");
    change_template(&ns, &target, &json!({ "spec": { "nodeSelector": { "disk": "none" } } }));
    lasts(&ns, &target, "unschedulable");
    let list = ns.get(&["pods", "--field-selector=status.phase=Pending"]);
    let pod = &list["items"][0]["metadata"];
    // The server's own clock.
    let time = &ns
        .kubectl(&["create", "configmap", "now", "-o", "jsonpath={.metadata.creationTimestamp}"])
        .expect_ok();
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "scale-up" }, "type": "Normal",
        "reason": "TriggeredScaleUp", "message": "pod triggered scale-up", "firstTimestamp": time,
        "lastTimestamp": time, "count": 1,
        "involvedObject": { "apiVersion": "v1", "kind": "Pod", "name": pod["name"], "uid": pod["uid"],
            "namespace": ns.name() },
    });
    ns.apply(&event.to_string());
    let document = held_up(&ns, &target, "unschedulable");
    assert_eq!(document["state"], "advancing", "{document}");
    let message = document["causes"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("(a node is being added: pod triggered scale-up)"), "{document}");
}

#[test]
fn pods_that_a_quota_forbids_are_named_on_each_kind() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("quota");
        let target = healthy(&ns, kind);
        ns.kubectl(&["create", "quota", "small", "--hard=requests.cpu=1"]).expect_ok();
        let large = json!({ "name": "app", "resources": { "requests": { "cpu": "2" } } });
        change_template(&ns, &target, &json!({ "spec": { "containers": [large] } }));
        let (told, cause) = lasts(&ns, &target, "quota");
        assert!(told.contains(&format!("{target}: pods \"web-")), "{told}");
        assert!(cause["evidence"].as_str().is_some_and(|it| it.contains("exceeded quota: small")), "{cause}");

        // What is there is enough again: the next rollout is not blamed for what the last one was refused.
        ns.kubectl(&["delete", "quota", "small"]).expect_ok();
        let small = json!({ "name": "app", "image": "app:2", "resources": { "requests": { "cpu": "1m" } } });
        change_template(&ns, &target, &json!({ "spec": { "containers": [small] } }));
        assert_code(&status(&ns, &target, &[]), 0);
    });
}

#[test]
fn pods_that_are_not_admitted_are_named_on_each_kind() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("admission");
        let target = healthy(&ns, kind);
        let label = "pod-security.kubernetes.io/enforce=restricted";
        ns.kubectl(&["label", "namespace", ns.name(), label]).expect_ok();
        set_image(&ns, &target, "app:2");
        let (told, cause) = fails(&ns, &target, "admission-denied");
        assert!(told.contains("violates PodSecurity \"restricted:"), "{told}");
        assert_eq!(cause["pod"], Value::Null, "{cause}");
    });
}

#[test]
fn a_pod_below_the_partition_that_is_not_admitted_is_the_older_revisions() {
    let (ns, target) = (cluster().namespace("admission-old"), "statefulset/web");
    let half = "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 1 } }";
    Web::new("statefulset", "app:1").replicas(2).spec(half).create(&ns);
    set_image(&ns, target, "app:2");
    e2e::until(&ns, target, "has one new pod", |it| {
        (&it["status"]["updatedReplicas"], &it["status"]["availableReplicas"]) == (&json!(1), &json!(2))
    });
    let label = "pod-security.kubernetes.io/enforce=restricted";
    ns.kubectl(&["label", "namespace", ns.name(), label]).expect_ok();
    ns.kubectl(&["delete", "pod", "web-0"]).expect_ok();
    let document = held_up(&ns, target, "admission-denied");
    let message = document["causes"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("the pod would have the older revision"), "{document}");
}

#[test]
fn a_node_that_is_dead_holds_up_and_fails_nothing() {
    let cluster = Cluster::start(&Options { nodes: 4, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    let spaces: Vec<_> = KINDS
        .into_iter()
        .map(|kind| {
            let ns = cluster.namespace("dead");
            let yaml = Web::new(kind, "app:1").replicas(4).yaml();
            let yaml = yaml.replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 1");
            ns.apply(&yaml);
            e2e::settled(&ns, &format!("{kind}/web"));
            (kind, ns)
        })
        .collect();
    let node_of = |ns: &Namespace<'_>, pod: &str| {
        let pod = ns.get(&["pod", pod]);
        pod["spec"]["nodeName"].as_str().unwrap_or_default().to_string()
    };
    let dead = node_of(&spaces[2].1, "web-3");
    cluster.kill_node(&dead).unwrap();
    let (dead, node_of) = (&dead, &node_of);
    std::thread::scope(|scope| {
        for (kind, ns) in &spaces {
            scope.spawn(move || {
                let target = format!("{kind}/web");
                set_image(ns, &target, "app:2");
                if *kind == "deployment" {
                    // Its new pods find other nodes, and the old ones are not waited for.
                    assert_code(&status(ns, &target, &[]), 0);
                    return;
                }
                let document = held_up(ns, &target, "node-not-ready");
                let cause = &document["causes"][0];
                let message = cause["message"].as_str().unwrap_or_default();
                assert!(message.contains(&format!(" on node {dead}, which is not ready (NodeStatus")));
                assert_eq!(node_of(ns, cause["pod"].as_str().unwrap()), *dead, "{cause}");
                ns.wait_until("it stands still", LONG, || now(ns, &target).1["state"] == "stalled");
                let waited = rollback(ns, &["status", &target, "--timeout=2s"]);
                assert_code(&waited, 4);
                assert!(waited.stderr.contains("\n  node-not-ready: pod web-"), "{waited}");
            });
        }
    });
    cluster.revive_node(dead).unwrap();
    for (kind, ns) in &spaces {
        assert_code(&status(ns, &format!("{kind}/web"), &[]), 0);
    }
}

#[test]
fn what_failed_before_a_rollout_is_not_blamed_on_it() {
    let ns = cluster().namespace("older");
    let broken = Web::new("deployment", "app:crash").replicas(2).yaml();
    ns.apply(&broken);
    let target = "deployment/web";
    fails(&ns, target, "crash-loop");
    change_template(&ns, target, &json!({ "metadata": { "annotations": { "try": "again" } } }));
    ns.wait_until("a new pod crashes", LONG, || {
        let (output, document) = now(&ns, target);
        assert_code(&output, 0);
        assert_ne!(document["state"], "failed", "{document}");
        document["updated"] == 1 && document["causes"][0]["id"] == "crash-loop"
    });
    let document = held_up(&ns, target, "crash-loop");
    assert_eq!(document["state"], "advancing", "{document}");
    let waited = rollback(&ns, &["status", target, "--timeout=2s"]);
    assert_code(&waited, 4);
    assert!(waited.stderr.contains("\n  crash-loop: pod web-"), "{waited}");
    // A failure of another sort is this rollout's own.
    set_image(&ns, target, "app:missing");
    fails(&ns, target, "image-pull");
}

#[test]
fn what_may_not_be_read_is_said_and_does_not_hide_the_rest() {
    let ns = cluster().namespace("hidden");
    let target = healthy(&ns, "deployment");
    set_image(&ns, &target, "app:crash");
    fails(&ns, &target, "crash-loop");
    let objects = "deployments.apps,replicasets.apps";
    let with_pods = format!("{objects},pods");
    let asks = |rules: &str, more: &[&str]| {
        let user = ns.user(Login::Token, &[("get,list,watch", rules)], &[]);
        let user = user.display().to_string();
        rollback(&ns, &[&["status", &target, "--timeout=60s", "--kubeconfig", &user], more].concat())
    };
    let told = asks(&with_pods, &[]);
    assert_code(&told, 3);
    assert!(told.stderr.contains("\n  crash-loop: pod web-"), "{told}");
    for what in ["events", "pod logs", "nodes"] {
        assert!(told.stderr.contains(&format!("\n  skipped: {what} may not be read\n")), "{told}");
    }
    assert!(!told.stderr.contains("    | "), "{told}");
    let snapshot = json(&asks(&with_pods, &["--watch=false", "-o", "json"]));
    assert_eq!(snapshot["skipped"], json!(["events", "pod logs", "nodes"]), "{snapshot}");
    assert_eq!(snapshot["causes"][0]["id"], "crash-loop", "{snapshot}");
    let blind = json(&asks(objects, &["--watch=false", "-o", "json"]));
    assert_eq!(blind["skipped"], json!(["pods"]), "{blind}");
    let reads_all = json(&asks(&format!("{with_pods},pods/log,events"), &["--watch=false", "-o", "json"]));
    assert_eq!(reads_all["skipped"], json!(["nodes"]), "{reads_all}");
    assert_eq!(reads_all["causes"][0]["log"][0], "starting", "{reads_all}");
}

#[test]
fn a_rollout_in_which_all_is_well_costs_no_request_more() {
    for kind in KINDS {
        let ns = cluster().namespace("cost");
        let target = healthy(&ns, kind);
        let output = rollback(&ns, &["status", &target, "--watch=false", "-v=6"]);
        assert_code(&output, 0);
        assert_eq!(requests(&output).len(), 3, "{output}");
        set_image(&ns, &target, "app:missing");
        fails(&ns, &target, "image-pull");
        let output = rollback(&ns, &["status", &target, "--watch=false", "-v=6"]);
        assert!(requests(&output).iter().any(|it| it.contains("/events?")), "{output}");
    }
}

#[test]
fn the_table_names_the_first_cause_that_fails_a_rollout() {
    let (ns, label) = (cluster().namespace("table"), "causes-table");
    let target = healthy(&ns, "daemonset");
    ns.kubectl(&["label", &target, &format!("run={label}")]).expect_ok();
    set_image(&ns, &target, "app:oom");
    fails(&ns, &target, "oom-killed");
    let table = cluster().kubectl(&["rollback", "status", "-A", "-l", &format!("run={label}")]);
    assert_code(&table, 3);
    let row: Vec<&str> = table.stdout.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!([row[2], row[6]], ["failed", "oom-killed"], "{table}");
    assert_eq!(pods(&ns).len(), 4);
}

#[test]
fn a_daemon_set_whose_revision_cannot_be_named_is_named() {
    let ns = cluster().namespace("long-name");
    let name = "a".repeat(250);
    let long = Web::new("daemonset", "app:1").yaml().replace("name: web\n", &format!("name: {name}\n"));
    e2e::create(&ns, &long);
    let status = rollback(&ns, &["status", &format!("daemonset/{name}"), "-o", "json", "--timeout=60s"]);
    assert_code(&status, 3);
    let cause = &json(&status)["causes"][0];
    assert_eq!(cause["id"], "revision-name", "{status}");
    assert!(cause["message"].as_str().unwrap().contains("has 250 characters"), "{cause}");
    // It is true: nothing is recorded.
    assert_eq!(ns.get(&["controllerrevisions"])["items"], serde_json::json!([]));
}
