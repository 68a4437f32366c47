//! A good rollout is never taken back, and a bad one always is: what real clusters do to either, on the real controllers.

use std::thread;
use std::time::Duration;

use cluster::{Namespace, Output};
use e2e::scene::{change_template, for_each_kind, meanwhile, rollback};
use e2e::{KINDS, LONG, Web, assert_code, cluster, image, json, set_image};
use serde_json::{Value, json};

/// Guards with a short soak, and the patience that each sort of trouble has by itself.
const GUARD: [&str; 3] = ["guard", "--soak=1s", "--timeout=150s"];

fn guard(ns: &Namespace<'_>, target: &str) -> Output {
    rollback(ns, &[&GUARD[..], &[target]].concat())
}

/// A workload of two healthy pods, or of one a node.
fn healthy<'a>(name: &str, kind: &'static str) -> (Namespace<'a>, String) {
    let ns = cluster().namespace(name);
    Web::new(kind, "app:1").replicas(2).create(&ns);
    (ns, format!("{kind}/web"))
}

#[track_caller]
fn stays(output: &Output, ns: &Namespace<'_>, target: &str, wanted: &str) {
    assert_code(output, 0);
    assert_eq!(image(ns, target), wanted, "{output}");
}

#[test]
fn a_start_that_passes_by_itself_is_never_taken_back() {
    let tags = ["secret-sync", "config-late", "registry", "once", "startup", "warm", "hook", "mount-late"];
    thread::scope(|scope| {
        for (kind, tag) in KINDS.into_iter().flat_map(|kind| tags.map(|tag| (kind, tag))) {
            scope.spawn(move || {
                let ns = cluster().namespace(tag);
                // One pod of each, and none beside it: the slowest start is that of the old one, a moment.
                Web::new(kind, "app:1").replicas(1).spec(at_once(kind)).create(&ns);
                let target = format!("{kind}/web");
                set_image(&ns, &target, &format!("app:{tag}"));
                stays(&guard(&ns, &target), &ns, &target, &format!("app:{tag}"));
            });
        }
    });
}

/// What makes each kind replace all of its pods at once.
fn at_once(kind: &str) -> &'static str {
    match kind {
        "deployment" => "strategy: { type: Recreate }",
        "daemonset" => "updateStrategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 100% } }",
        _ => "podManagementPolicy: OrderedReady",
    }
}

#[test]
fn a_gate_that_somebody_opens_later_is_waited_for() {
    let (ns, target) = healthy("gate", "deployment");
    change_template(
        &ns,
        &target,
        &json!({ "spec": { "readinessGates": [{ "conditionType": "target-health" }] } }),
    );
    let open = || {
        thread::sleep(Duration::from_secs(25));
        let condition =
            json!({ "status": { "conditions": [{ "type": "target-health", "status": "True" }] } });
        // The second one comes when the first is through.
        ns.wait_until("all gates are open", LONG, || {
            let list = ns.get(&["pods", "-l", "app=web"]);
            let pods: Vec<&Value> = list["items"].as_array().into_iter().flatten().collect();
            let gated = pods.iter().filter(|pod| pod["spec"]["readinessGates"].is_array());
            let names = gated.filter_map(|pod| pod["metadata"]["name"].as_str());
            let patch = condition.to_string();
            let opened = names.map(|pod| {
                ns.kubectl(&["patch", "pod", pod, "--subresource=status", "-p", &patch]).code == 0
            });
            opened.filter(|done| *done).count() == 2
        });
    };
    let guarded = meanwhile(&ns, &[&GUARD[..], &[&target]].concat(), open);
    assert_code(&guarded, 0);
    assert!(guarded.stderr.contains("readiness: pod web-"), "{guarded}");
    assert!(guarded.stderr.contains("waits for its readiness gates: target-health"), "{guarded}");
}

#[test]
fn what_the_same_release_makes_a_moment_later_is_waited_for_and_named() {
    for_each_kind(|kind| {
        let (ns, target) = healthy("later", kind);
        change_template(&ns, &target, &json!({ "spec": { "serviceAccountName": "shop" } }));
        let make = || {
            thread::sleep(Duration::from_secs(8));
            ns.kubectl(&["create", "serviceaccount", "shop"]).expect_ok();
        };
        let guarded = meanwhile(&ns, &[&GUARD[..], &[&target]].concat(), make);
        assert_code(&guarded, 0);
        assert!(guarded.stderr.contains("reference-missing: "), "{guarded}");
    });
    let (ns, target) = healthy("never", "deployment");
    change_template(&ns, &target, &json!({ "spec": { "priorityClassName": "e2e-nobody" } }));
    let undone = rollback(&ns, &[&GUARD[..], &[&target, "--patience=5s"]].concat());
    assert_code(&undone, 5);
    assert!(
        undone.stderr.contains("to help: create PriorityClass e2e-nobody, or name another one"),
        "{undone}"
    );
}

/// A webhook that nobody answers, for the pods of one namespace.
fn deaf_webhook(ns: &Namespace<'_>) -> String {
    let name = format!("{}-deaf", ns.name());
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": name },
        "webhooks": [{
            "name": "deaf.example.com", "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
            "admissionReviewVersions": ["v1"],
            "clientConfig": { "url": "https://127.0.0.1:1/deaf" },
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": ns.name() } },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["pods"] }],
        }],
    });
    ns.cluster().kubectl_with(&["create", "-f", "-"], &webhook.to_string()).expect_ok();
    name
}

#[test]
fn a_webhook_that_does_not_answer_for_a_while_is_waited_for_and_no_reason_to_go_back() {
    for_each_kind(|kind| {
        let (ns, target) = healthy("webhook", kind);
        let webhook = deaf_webhook(&ns);
        set_image(&ns, &target, "app:2");
        // Called when it has lasted, as what it is; to go back would meet the same.
        let called = rollback(&ns, &["status", &target, "--patience=3s", "--timeout=60s"]);
        assert_code(&called, 3);
        assert!(called.stderr.contains("\n  webhook: "), "{called}");
        assert!(!called.stderr.contains("to go back"), "{called}");
        // The pods that come in the end may take their time to start as well.
        let heal = || {
            thread::sleep(Duration::from_secs(14));
            ns.kubectl(&["delete", "validatingwebhookconfiguration", &webhook]).expect_ok();
        };
        let words = [&GUARD[..], &[&target, "--patience=8s"]].concat();
        stays(&meanwhile(&ns, &words, heal), &ns, &target, "app:2");
    });
}

#[test]
fn a_guard_that_could_only_go_back_to_the_same_trouble_stays_and_says_so() {
    let (ns, target) = healthy("no-better", "deployment");
    let webhook = deaf_webhook(&ns);
    set_image(&ns, &target, "app:2");
    let guarded = rollback(&ns, &["guard", &target, "--soak=1s", "--timeout=12s", "--patience=3s"]);
    ns.kubectl(&["delete", "validatingwebhookconfiguration", &webhook]).expect_ok();
    assert_code(&guarded, 3);
    assert!(guarded.stderr.contains("would meet"), "{guarded}");
    assert_eq!(image(&ns, &target), "app:2", "{guarded}");
}

#[test]
fn a_pod_that_waits_for_its_own_predecessor_to_end_is_waited_for() {
    let ends_later = |ns: &Namespace<'_>| {
        let web = Web::new("deployment", "app:1").replicas(1).yaml();
        let web = web.replace(
            "metadata: { labels: { app: web } }\n    spec:\n      terminationGracePeriodSeconds: 0",
            "metadata: { labels: { app: web }, annotations: { ends-after: \"20\" } }\n    spec:\n      terminationGracePeriodSeconds: 30",
        );
        let web = web.replace(
            "  template:",
            "  strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }\n  template:",
        );
        assert!(web.contains("ends-after") && web.contains("maxSurge"), "{web}");
        ns.apply(&web);
        e2e::settled(ns, "deployment/web");
    };
    let held_up = |ns: &Namespace<'_>, template: &Value, id: &str| {
        change_template(ns, "deployment/web", template);
        let guarded = rollback(ns, &[&GUARD[..], &["deployment/web", "--patience=9s"]].concat());
        assert_code(&guarded, 0);
        assert!(guarded.stderr.contains(&format!("{id}: ")), "{guarded}");
        assert!(guarded.stderr.contains("is Terminating, and "), "{guarded}");
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let ns = cluster().namespace("own-quota");
            ns.kubectl(&["create", "quota", "small", "--hard=pods=1"]).expect_ok();
            ends_later(&ns);
            held_up(
                &ns,
                &json!({ "spec": { "containers": [{ "name": "app", "image": "app:2" }] } }),
                "quota",
            );
        });
        scope.spawn(|| {
            // A node of its own kind, so that nothing but the predecessor has the port.
            let ns = cluster().namespace("own-port");
            let node = ns.get(&["nodes"])["items"][0]["metadata"]["name"].as_str().unwrap().to_string();
            ends_later(&ns);
            let host = json!({ "spec": { "nodeSelector": { "kubernetes.io/hostname": node }, "containers": [
                { "name": "app", "ports": [{ "containerPort": 80, "hostPort": 31987 }] }] } });
            change_template(&ns, "deployment/web", &host);
            e2e::quiet(&ns, "deployment/web");
            held_up(
                &ns,
                &json!({ "spec": { "containers": [{ "name": "app", "image": "app:2" }] } }),
                "unschedulable",
            );
        });
    });
}

/// Asserts that a rollout is called failed by a cause once it has lasted, and names it before. Pods that begin late where other
/// tests have the machine are given the time.
#[track_caller]
fn lasts(ns: &Namespace<'_>, target: &str, id: &str) {
    let called = rollback(ns, &["status", target, "--patience=12s", "--timeout=90s"]);
    assert_code(&called, 3);
    assert!(called.stderr.contains(&format!("\n  {id}: ")), "{called}");
}

#[test]
fn what_keeps_a_pod_from_starting_is_never_without_a_word() {
    let template = |spec: Value| json!({ "spec": spec });
    let app = |image: &str| json!([{ "name": "app", "image": image }]);
    let side = |image: &str| {
        json!({ "initContainers": [{ "name": "side", "image": image, "restartPolicy": "Always",
            "readinessProbe": { "exec": { "command": ["true"] }, "periodSeconds": 1 } }] })
    };
    let cases: Vec<(&str, Value, &str)> = vec![
        ("sandbox", json!({ "containers": app("app:sandbox") }), "sandbox"),
        ("side", side("app:never"), "readiness"),
        ("init", json!({ "initContainers": [{ "name": "setup", "image": "app:never" }] }), "init"),
        ("hook", json!({ "containers": app("app:hook-fails") }), "post-start"),
        ("nobody", json!({ "schedulerName": "nobody" }), "not-scheduled"),
        ("subpath", json!({ "containers": app("app:subpath") }), "container-config"),
        ("outage", json!({ "containers": app("app:outage") }), "image-pull"),
    ];
    thread::scope(|scope| {
        for kind in KINDS {
            for (name, spec, id) in &cases {
                // The scheduler places the pods of all kinds, but a DaemonSet's controller looks at other things too.
                scope.spawn(move || {
                    let (ns, target) = healthy(name, kind);
                    change_template(&ns, &target, &template(spec.clone()));
                    lasts(&ns, &target, id);
                });
            }
        }
    });
}

#[test]
fn what_certainly_fails_is_called_without_patience() {
    thread::scope(|scope| {
        for kind in KINDS {
            for (tag, id) in [
                ("denied", "image-pull"),
                ("never-pull", "image-pull"),
                ("invalid-name", "image-pull"),
                ("command", "crash-loop"),
                ("nonroot", "container-config"),
                ("dies", "crash-loop"),
                ("oom", "oom-killed"),
            ] {
                scope.spawn(move || {
                    let (ns, target) = healthy(tag, kind);
                    set_image(&ns, &target, &format!("app:{tag}"));
                    let called = rollback(&ns, &["status", &target, "--patience=1h", "--timeout=40s"]);
                    assert_code(&called, 3);
                    assert!(called.stderr.contains(&format!("\n  {id}: ")), "{called}");
                });
            }
        }
    });
}

#[test]
fn pods_that_end_again_and_again_are_counted_and_taken_back() {
    thread::scope(|scope| {
        for kind in KINDS {
            for (tag, id, said) in [
                ("sysctl", "rejected", "SysctlForbidden"),
                ("admission", "rejected", "UnexpectedAdmissionError"),
                ("evicted", "evicted", "Evicted"),
            ] {
                scope.spawn(move || {
                    let (ns, target) = healthy(tag, kind);
                    set_image(&ns, &target, &format!("app:{tag}"));
                    let undone = rollback(&ns, &["guard", &target, "--soak=20s", "--timeout=90s"]);
                    assert_code(&undone, 5);
                    assert!(undone.stderr.contains(&format!("{id}: pod web-")), "{kind} {undone}");
                    assert!(undone.stderr.contains(said), "{kind} {undone}");
                    assert_eq!(image(&ns, &target), "app:1", "{undone}");
                });
            }
        }
    });
}

#[test]
fn a_gated_pod_is_held_up_and_never_failed() {
    let (ns, target) = healthy("gated", "statefulset");
    change_template(
        &ns,
        &target,
        &json!({ "spec": { "schedulingGates": [{ "name": "example.com/wait" }] } }),
    );
    let waited = rollback(&ns, &["status", &target, "--patience=2s", "--timeout=15s"]);
    assert_code(&waited, 4);
    assert!(waited.stderr.contains("not-scheduled: pod web-1 waits for its scheduling gates"), "{waited}");
}

#[test]
fn a_pod_on_a_node_that_is_tainted_later_keeps_no_rollout_unfinished() {
    let cluster =
        cluster::Cluster::start(&cluster::Options { nodes: 3, ..cluster::Options::default() }).unwrap();
    e2e::install(&cluster);
    let ns = cluster.namespace("taint");
    Web::new("daemonset", "app:1").create(&ns);
    let node = ns.get(&["nodes"])["items"][0]["metadata"]["name"].as_str().unwrap().to_string();
    ns.kubectl(&["taint", "node", &node, "later=true:NoSchedule"]).expect_ok();
    // Its controller counts anew when something else makes it look (daemon_controller.go, `syncNodeUpdate`).
    ns.kubectl(&["annotate", "daemonset/web", "touched=true"]).expect_ok();
    e2e::until(&ns, "daemonset/web", "counts it apart", |it| it["status"]["numberMisscheduled"] == 1);
    let status = rollback(&ns, &["status", "daemonset/web", "--timeout=20s"]);
    assert_code(&status, 0);
    assert!(
        status.stderr.contains("1 pod is on nodes that no longer want it, and not replaced: web-"),
        "{status}"
    );
    let document = json(&rollback(&ns, &["status", "daemonset/web", "--watch=false", "-o", "json"]));
    assert_eq!(document["state"], "complete", "{document}");

    let nowhere = Web::new("daemonset", "app:1").yaml().replace("name: web\n", "name: nowhere\n");
    let nowhere =
        nowhere.replace("      containers:", "      nodeSelector: { disk: none }\n      containers:");
    ns.apply(&nowhere.replace("app: web", "app: nowhere"));
    e2e::observed(&ns, "daemonset/nowhere");
    let status = rollback(&ns, &["status", "daemonset/nowhere", "--timeout=20s"]);
    assert_code(&status, 0);
    assert!(status.stderr.contains("no node wants a pod of daemonset/nowhere"), "{status}");
}
