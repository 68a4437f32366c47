//! Versions that work, after a start that does not look like it: each has to stay.

use std::thread;

use cluster::Namespace;
use serde_json::json;

use crate::cases::{Case, good};
use crate::scene::{MOMENT, all_run, app, exec, http, living, settled, wait_until};

const DEPLOYMENT: &[&str] = &["deployment"];
const DAEMON_SET: &[&str] = &["daemonset"];
const SET: &[&str] = &["statefulset"];
const SETS: &[&str] = &["daemonset", "statefulset"];
const STATELESS: &[&str] = &["deployment", "daemonset"];

pub fn cases() -> Vec<Case> {
    let from = |name: &str| json!({ "env": [{ "name": "A", "valueFrom": { "secretKeyRef": { "name": name, "key": "a" } } }] });
    vec![
        good("plain")
            .kinds(DAEMON_SET),
        good("probed")
            .container(&json!({ "readinessProbe": http("after-1", &json!({})), "livenessProbe": http("ok", &json!({})) }))
            .kinds(DEPLOYMENT),
        good("startup-slow").container(
            &json!({ "startupProbe": http("after-35", &json!({ "periodSeconds": 5, "failureThreshold": 30 })) }),
        ),
        good("readiness-delayed").container(&json!({
            "readinessProbe": http("after-30", &json!({ "initialDelaySeconds": 28 })),
        }))
            .kinds(SETS),
        good("hook-slow").container(
            &json!({ "lifecycle": { "postStart": { "exec": { "command": ["/app", "sleep-30"] } } } }),
        )
            .kinds(STATELESS),
        good("once").runs("once").container(&json!({ "readinessProbe": http("after-2", &json!({})) })),
        good("once-startup")
            .runs("sleep-2.once")
            .container(&json!({ "startupProbe": http("after-3", &json!({ "failureThreshold": 60 })) }))
            .kinds(DAEMON_SET),
        good("once-liveness")
            .runs("sleep-2.once")
            .container(&json!({ "livenessProbe": exec("after-0", &json!({})),
                "readinessProbe": http("after-5", &json!({})) }))
            .kinds(SETS),
        good("registry-down").image("registry.test/down-15/KIND:2"),
        good("registry-busy").image("registry.test/busy-5/KIND:2")
            .kinds(SET),
        good("pull-slow").image("registry.test/slow-35/KIND:2")
            .kinds(STATELESS),
        good("init-slow")
            .spec(json!({ "initContainers": [{ "name": "first", "image": app("sleep-30.exit-0") }] }))
            .kinds(SETS),
        good("init-once")
            .spec(json!({ "initContainers": [{ "name": "first", "image": app("once.exit-0") }] }))
            .kinds(DEPLOYMENT),
        good("sidecar-slow")
            .spec(json!({ "initContainers": [{ "name": "first", "image": app("1"), "restartPolicy": "Always",
                "startupProbe": exec("after-25", &json!({ "failureThreshold": 60 })) }] }))
            .kinds(DEPLOYMENT),
        good("liveness-recovers")
            .container(&json!({ "livenessProbe": http("after-8", &json!({ "failureThreshold": 20 })) }))
            .kinds(DAEMON_SET),
        good("secret-later").container(&from("later")).meanwhile(|ns| {
            ns.kubectl(&["create", "secret", "generic", "later", "--from-literal=a=b"]).expect_ok();
        }),
        good("volume-later")
            .spec(json!({
                "volumes": [{ "name": "v", "configMap": { "name": "later" } }],
                "containers": [{ "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }],
            }))
            .meanwhile(|ns| {
                ns.kubectl(&["create", "configmap", "later", "--from-literal=a=b"]).expect_ok();
            })
            .kinds(SET),
        good("account-later").spec(json!({ "serviceAccountName": "later" })).meanwhile(|ns| {
            ns.kubectl(&["create", "serviceaccount", "later"]).expect_ok();
        })
            .kinds(STATELESS),
        good("gate")
            .spec(json!({ "readinessGates": [{ "conditionType": "target-health" }] }))
            .meanwhile(|ns| {
                thread::sleep(MOMENT);
                open_gates(ns);
            })
            .kinds(STATELESS),
        good("pull-secret-absent")
            .spec(json!({ "imagePullSecrets": [{ "name": "absent" }] }))
            .kinds(DEPLOYMENT),
        good("port-of-its-own")
            .before(|ns| {
                // The old pod has the port too, and takes its time to go.
                let app = json!({ "name": "app", "image": app("1.deaf"),
                    "ports": [{ "containerPort": 8080, "hostPort": 31987 }] });
                let spec = json!({ "nodeSelector": { "kubernetes.io/hostname": "node-1" },
                    "terminationGracePeriodSeconds": 15, "containers": [app] });
                let strategy = json!({ "type": "RollingUpdate",
                    "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } });
                let patch = json!({ "spec": { "strategy": strategy, "template": { "spec": spec } } });
                ns.kubectl(&["patch", "deployment/web", "-p", &patch.to_string()]).expect_ok();
                settled(ns, "deployment/web");
            })
            .kinds(DEPLOYMENT),
    ]
}

/// Tells that the new pods may be used, as whoever watches a load balancer does.
fn open_gates(ns: &Namespace<'_>) {
    let condition = json!({ "status": { "conditions": [{ "type": "target-health", "status": "True" }] } });
    let nodes = ns.kubectl(&["get", "daemonsets", "-o", "name"]).expect_ok().lines().count();
    wait_until("the gates are open", || {
        for pod in living(ns).iter().filter(|pod| pod["spec"]["readinessGates"].is_array()) {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let words = ["patch", "pod", name, "--subresource=status", "-p", &condition.to_string()];
            let _ = ns.kubectl(&words);
        }
        all_run(ns, &app("2"), 1 + nodes)
    });
}
