//! Workloads as they are after some weeks in use: ten revisions, each with what real templates have.

use std::time::Duration;

use cluster::Namespace;
use serde_json::{Value, json};

/// As many as `revisionHistoryLimit` keeps when nothing is said, with the current one.
pub(super) const REVISIONS: u32 = 10;

const LONG: Duration = Duration::from_secs(120);

/// Creates `web` of a kind, and upgrades it until it has all its revisions.
pub(super) fn create(namespace: &Namespace<'_>, kind: &str) {
    for revision in 1..=REVISIONS {
        namespace.apply(&manifest(kind, revision).to_string());
        observed(namespace, &format!("{kind}/web"));
    }
    rest(namespace, kind);
}

/// Creates the Deployment `plain`, which has one container and nothing else in it.
pub(super) fn create_plain(namespace: &Namespace<'_>) {
    let image = |revision: u32| format!("registry.example/team/app:1.{revision}");
    namespace.kubectl(&["create", "deployment", "plain", "--image", &image(1)]).expect_ok();
    for revision in 2..=REVISIONS {
        let change = format!("app={}", image(revision));
        namespace.kubectl(&["set", "image", "deployment/plain", &change]).expect_ok();
        observed(namespace, "deployment/plain");
    }
}

/// Waits until all pods are new and available.
pub(super) fn rest(namespace: &Namespace<'_>, kind: &str) {
    let target = format!("{kind}/web");
    observed(namespace, &target);
    let limit = format!("--timeout={}s", LONG.as_secs());
    namespace.kubectl(&["rollout", "status", &target, &limit]).expect_ok();
}

fn observed(namespace: &Namespace<'_>, target: &str) {
    namespace.wait_until("the change is observed", LONG, || {
        let object = namespace.get(&[target]);
        object["status"]["observedGeneration"] == object["metadata"]["generation"]
    });
}

fn manifest(kind: &str, revision: u32) -> Value {
    let labels = json!({ "app": format!("web-{kind}") });
    let mut spec = json!({
        "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": pod(revision) },
    });
    let name = match kind {
        "deployment" => "Deployment",
        "daemonset" => "DaemonSet",
        _ => "StatefulSet",
    };
    if kind != "daemonset" {
        spec["replicas"] = json!(3);
    }
    if kind == "statefulset" {
        spec["serviceName"] = json!("web");
    }
    let cause = format!("release 1.{revision}: what the pipeline writes here");
    json!({
        "apiVersion": "apps/v1",
        "kind": name,
        "metadata": { "name": "web", "annotations": { "kubernetes.io/change-cause": cause } },
        "spec": spec,
    })
}

/// One of many Deployments, of one pod, with what real templates have.
pub(super) fn numbered(number: u32, revision: u32) -> Value {
    let labels = json!({ "app": format!("app-{number}") });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": format!("app-{number}") },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod(revision) },
        },
    })
}

pub(super) fn pod(revision: u32) -> Value {
    json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [
            container("app", &format!("registry.example/team/app:1.{revision}")),
            container("proxy", "registry.example/mesh/proxy:2.7"),
        ],
        "volumes": [{ "name": "config", "configMap": { "name": "web", "optional": true } }],
    })
}

fn container(name: &str, image: &str) -> Value {
    let env: Vec<Value> = (1..=12)
        .map(|it| json!({ "name": format!("SETTING_{it}"), "value": format!("value {it}") }))
        .collect();
    json!({
        "name": name,
        "image": image,
        "args": ["--config=/etc/web/config.yaml", "--log-format=json"],
        "env": env,
        "ports": [{ "name": "http", "containerPort": if name == "app" { 8080 } else { 15001 } }],
        "readinessProbe": { "httpGet": { "path": "/ready", "port": "http" }, "periodSeconds": 5 },
        "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "memory": "64Mi" } },
        "volumeMounts": [{ "name": "config", "mountPath": "/etc/web" }],
    })
}
