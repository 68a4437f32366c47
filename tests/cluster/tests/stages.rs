//! Pods behave as `stages.yaml` says, whatever made them.

use std::time::Duration;

use cluster::{Cluster, Namespace};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

fn workload(kind: &str, name: &str, image: &str, pod: &str) -> String {
    let spec = match kind {
        "Deployment" => "  replicas: 1\n",
        "StatefulSet" => "  replicas: 1\n  serviceName: none\n",
        _ => "",
    };
    format!(
        "apiVersion: apps/v1
kind: {kind}
metadata: {{ name: {name} }}
spec:
{spec}  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }}, annotations: {{ {pod} }} }}
    spec:
      containers:
      - {{ name: web, image: '{image}' }}
"
    )
}

fn deployment(namespace: &Namespace<'_>, tag: &str) {
    namespace.apply(&workload("Deployment", tag, &format!("nginx:{tag}"), ""));
}

fn pods(namespace: &Namespace<'_>, app: &str) -> Vec<Value> {
    let list = namespace.get(&["pods", "-l", &format!("app={app}")]);
    list["items"].as_array().cloned().unwrap_or_default()
}

fn ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Waits until the one pod of an app is in a state.
#[track_caller]
fn expect(namespace: &Namespace<'_>, app: &str, what: &str, state: impl Fn(&Value, &Value) -> bool) {
    namespace.wait_until(&format!("{app} {what}"), LIMIT, || {
        pods(namespace, app).first().is_some_and(|pod| state(pod, &pod["status"]["containerStatuses"][0]))
    });
}

#[test]
fn every_kind_of_workload_becomes_ready() {
    let namespace = Cluster::shared().namespace("kinds");
    for kind in ["Deployment", "DaemonSet", "StatefulSet"] {
        let name = kind.to_lowercase();
        namespace.apply(&workload(kind, &name, "nginx:1", ""));
        namespace.kubectl(&["rollout", "status", kind, &name, "--timeout=30s"]).expect_ok();
    }
    assert_eq!(pods(&namespace, "daemonset").len(), 4);
}

#[test]
fn a_tag_says_what_goes_wrong() {
    let namespace = Cluster::shared().namespace("tags");
    for tag in ["missing", "config", "key", "mount", "crash", "oom", "liveness", "never", "unready", "late"] {
        deployment(&namespace, tag);
    }
    expect(&namespace, "missing", "is not pulled", |pod, container| {
        pod["status"]["phase"] == "Pending" && container["state"]["waiting"]["reason"] == "ImagePullBackOff"
    });
    expect(&namespace, "config", "misses its config map", |_, container| {
        let waiting = &container["state"]["waiting"];
        waiting["reason"] == "CreateContainerConfigError"
            && waiting["message"] == r#"configmap "app-config" not found"#
    });
    for (tag, code, reason) in [("crash", 1, "Error"), ("oom", 137, "OOMKilled")] {
        expect(&namespace, tag, "crashes again and again", |pod, container| {
            let end = &container["lastState"]["terminated"];
            !ready(pod)
                && container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
                && container["restartCount"].as_i64() >= Some(2)
                && end["exitCode"] == code
                && end["reason"] == reason
        });
    }
    expect(&namespace, "key", "misses a key", |_, container| {
        let message = format!("couldn't find key color in ConfigMap {}/app-config", namespace.name());
        container["state"]["waiting"]["message"] == message
    });
    expect(&namespace, "mount", "waits for its volume", |pod, container| {
        pod["status"]["phase"] == "Pending" && container["state"]["waiting"]["reason"] == "ContainerCreating"
    });
    expect(&namespace, "liveness", "is killed again and again", |pod, container| {
        !ready(pod)
            && container["restartCount"].as_i64() >= Some(2)
            && container["state"]["running"].is_object()
    });
    for (app, reason, message) in [
        ("mount", "FailedMount", "MountVolume.SetUp failed for volume "),
        ("liveness", "Unhealthy", "Liveness probe failed: "),
        ("unready", "Unhealthy", "Readiness probe failed: "),
    ] {
        namespace.wait_until(&format!("{app} has an event {reason}"), LIMIT, || {
            let events = namespace.get(&["events", "--field-selector", &format!("reason={reason}")]);
            let mut events = events["items"].as_array().into_iter().flatten();
            events.any(|event| {
                let name = event["involvedObject"]["name"].as_str().unwrap_or_default();
                name.starts_with(app) && event["message"].as_str().is_some_and(|it| it.starts_with(message))
            })
        });
    }
    expect(&namespace, "never", "runs and is not ready", |pod, container| {
        !ready(pod) && container["state"]["running"].is_object() && container["started"] == true
    });
    expect(&namespace, "late", "crashes late", |pod, container| {
        !ready(pod)
            && container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            && container["restartCount"] == 1
    });
}

#[test]
fn some_take_their_time() {
    let namespace = Cluster::shared().namespace("slow");
    deployment(&namespace, "late");
    expect(&namespace, "late", "is ready at first", |pod, _| ready(pod));
    for tag in ["slow", "flap"] {
        deployment(&namespace, tag);
    }
    for tag in ["slow", "flap"] {
        expect(&namespace, tag, "runs before it is ready", |pod, container| {
            !ready(pod) && container["state"]["running"].is_object()
        });
    }
    for tag in ["slow", "flap"] {
        expect(&namespace, tag, "is ready", |pod, container| ready(pod) && container["ready"] == true);
    }
}

#[test]
fn init_containers_hold_up_their_pod() {
    let namespace = Cluster::shared().namespace("init");
    for tag in ["missing", "crash", "1"] {
        let yaml = workload("StatefulSet", &format!("init-{tag}"), "nginx:1", "")
            + &format!("      initContainers: [{{ name: setup, image: 'setup:{tag}' }}]\n");
        namespace.apply(&yaml);
    }
    for (tag, reason) in [("missing", "ImagePullBackOff"), ("crash", "CrashLoopBackOff")] {
        expect(&namespace, &format!("init-{tag}"), reason, |pod, container| {
            pod["status"]["initContainerStatuses"][0]["state"]["waiting"]["reason"] == reason
                && container["state"]["waiting"]["reason"] == "PodInitializing"
                && pod["status"]["phase"] == "Pending"
        });
    }
    expect(&namespace, "init-1", "is ready", |pod, _| ready(pod));
}

#[test]
fn containers_of_one_pod_behave_each_for_itself() {
    let namespace = Cluster::shared().namespace("mixed");
    let yaml =
        workload("Deployment", "mixed", "nginx:crash", "") + "      - { name: side, image: 'side:1' }\n";
    namespace.apply(&yaml);
    expect(&namespace, "mixed", "half of it crashes", |pod, container| {
        container["restartCount"].as_i64() >= Some(1)
            && pod["status"]["containerStatuses"][1]["ready"] == true
            && !ready(pod)
    });
}

#[test]
fn deleted_pods_go_unless_they_linger() {
    let namespace = Cluster::shared().namespace("delete");
    namespace.apply(&workload("StatefulSet", "web", "nginx:1", ""));
    namespace.apply(&workload("StatefulSet", "clingy", "nginx:1", "linger: 'true'"));
    for app in ["web", "clingy"] {
        expect(&namespace, app, "is ready", |pod, _| ready(pod));
    }
    let old = pods(&namespace, "web")[0]["metadata"]["uid"].clone();
    namespace.kubectl(&["delete", "pod", "web-0", "clingy-0", "--wait=false"]).expect_ok();
    expect(&namespace, "web", "is new", |pod, _| pod["metadata"]["uid"] != old && ready(pod));
    expect(&namespace, "clingy", "is terminating", |pod, _| pod["metadata"]["deletionTimestamp"].is_string());

    let old = pods(&namespace, "clingy")[0]["metadata"]["uid"].clone();
    namespace.kubectl(&["delete", "pod", "clingy-0", "--force", "--grace-period=0"]).expect_ok();
    expect(&namespace, "clingy", "is new", |pod, _| pod["metadata"]["uid"] != old && ready(pod));
}

#[test]
fn containers_have_logs() {
    let namespace = Cluster::shared().namespace("logs");
    namespace.apply(&workload("StatefulSet", "web", "nginx:1", ""));
    expect(&namespace, "web", "is ready", |pod, _| ready(pod));
    for args in [&["logs", "web-0"][..], &["logs", "web-0", "--previous"]] {
        assert_eq!(namespace.kubectl(args).expect_ok(), "starting\nlistening on :8080\n");
    }
}
