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
                && container["state"]["running"].is_null()
                && container["restartCount"].as_i64() >= Some(1)
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
        ("liveness", "Killing", "Container web failed liveness probe, will be restarted"),
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
        !ready(pod) && container["state"]["terminated"]["exitCode"] == 1 && container["restartCount"] == 1
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
    for (tag, reason) in [("missing", "/waiting/reason"), ("crash", "/terminated/reason")] {
        expect(&namespace, &format!("init-{tag}"), reason, |pod, container| {
            let state = &pod["status"]["initContainerStatuses"][0]["state"];
            ["ImagePullBackOff", "Error"]
                .map(Value::from)
                .contains(state.pointer(reason).unwrap_or(&Value::Null))
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

/// A deleted pod is ready until its containers end, and has a phase of its own before it goes.
#[test]
fn a_deleted_pod_is_ready_until_it_ends() {
    let namespace = Cluster::shared().namespace("ending");
    namespace.apply(&workload("StatefulSet", "web", "nginx:1", "ends-after: '4'"));
    expect(&namespace, "web", "is ready", |pod, _| ready(pod));
    let phase = "--output=jsonpath={.metadata.deletionTimestamp} {.status.phase} \
                 {.status.containerStatuses[0].state.terminated.reason}{\"\\n\"}";
    let args = ["get", "pod", "web-0", "--watch", phase, "--request-timeout=8s"];
    let watch = std::thread::scope(|scope| {
        let watch = scope.spawn(|| namespace.kubectl(&args));
        std::thread::sleep(Duration::from_secs(1));
        namespace.kubectl(&["delete", "pod", "web-0", "--wait=false"]).expect_ok();
        std::thread::sleep(Duration::from_secs(2));
        let pod = namespace.get(&["pod", "web-0"]);
        assert!(ready(&pod) && pod["metadata"]["deletionTimestamp"].is_string(), "{pod}");
        watch.join().unwrap()
    });
    let ended = watch.stdout.lines().find(|it| it.ends_with("Z Succeeded Completed"));
    assert!(ended.is_some(), "{watch}");
    expect(&namespace, "web", "is new", |pod, _| {
        ready(pod) && pod["metadata"]["deletionTimestamp"].is_null()
    });
}

#[test]
fn a_readiness_gate_holds_a_pod_back_until_somebody_opens_it() {
    let namespace = Cluster::shared().namespace("gates");
    let gates = "      readinessGates: [{ conditionType: example.com/open }]\n";
    namespace.apply(&(workload("StatefulSet", "web", "nginx:1", "") + gates));
    let words = "corresponding condition of pod readiness gate \"example.com/open\" does not exist.";
    expect(&namespace, "web", "waits", |pod, container| {
        let conditions = pod["status"]["conditions"].as_array();
        let closed = |it: &Value| it["reason"] == "ReadinessGatesNotReady" && it["message"] == words;
        container["ready"] == true && conditions.is_some_and(|it| it.iter().any(closed))
    });
    for status in ["True", "False"] {
        let patch = format!(
            "{{\"status\":{{\"conditions\":[{{\"type\":\"example.com/open\",\"status\":\"{status}\"}}]}}}}"
        );
        namespace.kubectl(&["patch", "pod", "web-0", "--subresource=status", "-p", &patch]).expect_ok();
        expect(&namespace, "web", status, |pod, _| ready(pod) == (status == "True"));
    }
}

#[test]
fn a_pod_that_runs_turns_when_it_is_told_to() {
    let namespace = Cluster::shared().namespace("turning");
    namespace.apply(&workload("StatefulSet", "web", "nginx:1", ""));
    expect(&namespace, "web", "is ready", |pod, _| ready(pod));
    namespace.kubectl(&["annotate", "pod", "web-0", "turns=crash"]).expect_ok();
    expect(&namespace, "web", "crashes", |pod, container| {
        !ready(pod) && container["restartCount"] == 1 && container["state"]["terminated"]["exitCode"] == 1
    });
}

#[test]
fn some_pods_are_rejected_or_evicted() {
    let namespace = Cluster::shared().namespace("failed");
    deployment(&namespace, "outofcpu");
    deployment(&namespace, "evicted");
    fail_again_and_again(&namespace, "outofcpu", "OutOfcpu", false);
    fail_again_and_again(&namespace, "evicted", "Evicted", true);
}

#[test]
fn pods_are_over_whose_container_is_not_started_again() {
    if !Cluster::shared().since("1.35", "only a pod has a restartPolicy, not its containers") {
        return;
    }
    let namespace = Cluster::shared().namespace("over");
    let never = workload("Deployment", "never-again", "nginx:dies", "");
    namespace.apply(&never.replace("image:", "restartPolicy: Never, image:"));
    fail_again_and_again(&namespace, "never-again", "", true);
}

#[track_caller]
fn fail_again_and_again(namespace: &Namespace<'_>, app: &str, reason: &str, exits: bool) {
    namespace.wait_until(&format!("pods of {app} fail again and again"), LIMIT, || {
        let failed = |pod: &&Value| {
            let (status, container) = (&pod["status"], &pod["status"]["containerStatuses"][0]);
            let ended = container["state"]["terminated"]["exitCode"].as_u64() > Some(0);
            status["phase"] == "Failed" && status["reason"].as_str().unwrap_or("") == reason && ended == exits
        };
        pods(namespace, app).iter().filter(failed).count() > 1
    });
}

#[test]
fn what_passes_by_itself_passes() {
    let namespace = Cluster::shared().namespace("passing");
    let passing = ["once", "registry", "config-late", "secret-sync", "mount-late", "hook", "startup", "slow"];
    passing.iter().for_each(|tag| deployment(&namespace, tag));
    expect(&namespace, "startup", "has not started", |pod, container| {
        !ready(pod) && container["state"]["running"].is_object() && container["started"] == false
    });
    expect(&namespace, "hook", "waits for its hook", |pod, container| {
        let conditions = pod["status"]["conditions"].as_array();
        let sandbox = |it: &Value| it["type"] == "PodReadyToStartContainers" && it["status"] == "True";
        container["state"]["waiting"]["reason"] == "ContainerCreating"
            && conditions.is_some_and(|it| it.iter().any(sandbox))
    });
    for tag in passing {
        namespace.wait_until(&format!("{tag} is ready"), LIMIT * 2, || {
            pods(&namespace, tag).first().is_some_and(ready)
        });
    }
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
