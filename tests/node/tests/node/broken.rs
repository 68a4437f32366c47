//! Versions that never work, a row for each way.

use cluster::Namespace;
use serde_json::{Value, json};

use crate::cases::{Case, bad};
use crate::scene::{app, ended, exec, http, unready, unready_before_its_end, waits, with};

const SETS: &[&str] = &["daemonset", "statefulset"];
const DAEMON_SET: &[&str] = &["daemonset"];
const STATELESS: &[&str] = &["deployment", "daemonset"];
const TWO: &[&str] = &["deployment", "statefulset"];
const ONE: &[&str] = &["statefulset"];

/// An init container, or a sidecar, beside the program.
fn first(words: &str, more: &Value) -> Value {
    json!({ "initContainers": [with(json!({ "name": "first", "image": app(words) }), more)] })
}

pub fn cases() -> Vec<Case> {
    let mut cases = containers();
    cases.extend(images());
    cases.extend(around());
    cases.extend(pods());
    cases
}

/// Containers that do not do what they should.
fn containers() -> Vec<Case> {
    let never = unready_before_its_end();
    let always = json!({ "restartPolicy": "Always" });
    let sidecar_unready =
        json!({ "restartPolicy": "Always", "readinessProbe": http("fail-not-today", &json!({})) });
    vec![
        bad("crash", "crash-loop", "exit code 3")
            .runs("log-no-database.exit-3")
            .container(&never)
            .pod(|pod| ended(pod, "app", 3, "Error")),
        bad("crash-later", "crash-loop", "exit code 4")
            .runs("log-warming-up.sleep-6.log-bad-config.exit-4")
            .container(&never)
            .kinds(DAEMON_SET)
            .pod(|pod| ended(pod, "app", 4, "Error")),
        bad("ends-well", "crash-loop", "exit code 0")
            .runs("exit-0")
            .container(&never)
            .kinds(ONE)
            .pod(|pod| ended(pod, "app", 0, "Completed")),
        bad("looks-killed", "crash-loop", "exit code 137")
            .runs("exit-137")
            .container(&never)
            .kinds(ONE)
            .pod(|pod| ended(pod, "app", 137, "Error")),
        bad("crash-and-probe", "crash-loop", "exit code 3")
            .runs("sleep-2.exit-3")
            .container(&with(never.clone(), &json!({ "livenessProbe": exec("after-0", &json!({})) })))
            .kinds(ONE)
            .pod(|pod| ended(pod, "app", 3, "Error")),
        bad("oom", "oom-killed", "exit code 137")
            .runs("eat")
            .container(&with(never.clone(), &json!({ "resources": { "limits": { "memory": "64Mi" } } })))
            .pod(|pod| ended(pod, "app", 137, "OOMKilled")),
        bad("no-command", "crash-loop", "/nope")
            .container(&json!({ "command": ["/nope"] }))
            .pod(|pod| pod["status"]["containerStatuses"][0]["ready"] == false)
            .kinds(TWO),
        bad("init-crash", "crash-loop", "container first")
            .spec(first("exit-3", &json!({})))
            .pod(|pod| ended(pod, "first", 3, "Error"))
            .kinds(TWO),
        bad("init-runs-on", "init", "container first")
            .spec(first("1", &json!({})))
            .impatient()
            .kinds(SETS)
            .pod(|pod| unready(pod, "first")),
        bad("sidecar-crash", "crash-loop", "container first")
            // Never ready, so that no pod is for the second before it ends.
            .spec(first("sleep-1.exit-3", &with(always, &never)))
            .brief()
            .kinds(TWO)
            .pod(|pod| ended(pod, "first", 3, "Error")),
        bad("sidecar-unready", "readiness", "container first")
            .spec(first("1", &sidecar_unready))
            .impatient()
            .kinds(SETS)
            .pod(|pod| unready(pod, "first")),
        bad("liveness", "liveness", "liveness probe fails")
            .container(&with(never.clone(), &json!({ "livenessProbe": exec("before-3", &json!({ "failureThreshold": 1 })) })))
            .pod(|pod| pod["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(1)),
        bad("startup", "liveness", "startup probe fails")
            .container(&json!({ "startupProbe": http("fail-not-yet", &json!({ "failureThreshold": 3 })) }))
            .kinds(TWO)
            .pod(|pod| pod["status"]["containerStatuses"][0]["started"] == false),
        bad("readiness", "readiness", "not today")
            .container(&json!({ "readinessProbe": exec("fail-not-today", &json!({})) }))
            .impatient()
            .pod(|pod| unready(pod, "app")),
        bad("readiness-http", "readiness", "statuscode: 503")
            .container(&json!({ "readinessProbe": http("fail-not-today", &json!({})) }))
            .impatient()
            .kinds(ONE)
            .pod(|pod| unready(pod, "app")),
        bad("hook", "post-start", "its postStart hook fails")
            .container(&json!({ "lifecycle": { "postStart": { "exec": { "command": ["/app", "fail-hook-says-no"] } } } }))
            .pod(|pod| pod["status"]["containerStatuses"][0]["ready"] == false)
            .kinds(SETS),
        bad("dies-once", "crash-loop", "exit code 5")
            .runs("exit-5")
            .container(&with(never, &json!({ "restartPolicy": "Never" })))
            .kinds(ONE)
            .pod(|_| true),
    ]
}

/// Images that cannot be had.
fn images() -> Vec<Case> {
    let refused = |pod: &Value| waits(pod, "app", &["ErrImagePull", "ImagePullBackOff"]);
    vec![
        bad("absent", "image-pull", "not found").image("registry.test/absent/KIND:2").pod(refused),
        bad("denied", "image-pull", "cannot be pulled")
            .image("registry.test/denied/KIND:2")
            .kinds(DAEMON_SET)
            .pod(refused),
        bad("outage", "image-pull", "503")
            .image("registry.test/down-600/KIND:2")
            .impatient()
            .kinds(TWO)
            .pod(refused),
        bad("rate", "image-pull", "429")
            .image("registry.test/busy-600/KIND:2")
            .impatient()
            .kinds(ONE)
            .pod(refused),
        bad("nowhere", "image-pull", "cannot be pulled")
            .image("nowhere.test/app:2")
            .impatient()
            .kinds(ONE)
            .pod(refused),
        bad("never", "image-pull", "pull policy of Never")
            .runs("never-there")
            .container(&json!({ "imagePullPolicy": "Never" }))
            .pod(|pod| waits(pod, "app", &["ErrImageNeverPull"]))
            .kinds(TWO),
        bad("name", "image-pull", "cannot be pulled")
            .image("registry.test/App:2")
            .kinds(DAEMON_SET)
            .pod(|pod| waits(pod, "app", &["InvalidImageName"])),
        bad("init-image", "image-pull", "container first")
            .spec(json!({ "initContainers": [{ "name": "first", "image": "registry.test/absent/first:1" }] }))
            .kinds(ONE)
            .pod(|pod| waits(pod, "first", &["ErrImagePull", "ImagePullBackOff"])),
    ]
}

/// What a pod needs and does not find.
fn around() -> Vec<Case> {
    let config = json!({ "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "absent", "key": "a" } } }] });
    let key = json!({ "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "kube-root-ca.crt", "key": "a" } } }] });
    let volume = |volume: Value| json!({ "volumes": [volume], "containers": [{ "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }] });
    let blocked = |pod: &Value| pod["status"]["phase"] == "Pending" && pod["spec"]["nodeName"].is_string();
    let homeless = |pod: &Value| pod["spec"]["nodeName"].is_null();
    vec![
        bad("config", "config-missing", "ConfigMap absent does not exist")
            .container(&config)
            .impatient()
            .pod(|pod| waits(pod, "app", &["CreateContainerConfigError"])),
        bad("key", "config-missing", "has no key a")
            .container(&key)
            .impatient()
            .kinds(ONE)
            .pod(|pod| waits(pod, "app", &["CreateContainerConfigError"])),
        bad("secret-volume", "config-missing", "Secret absent does not exist")
            .spec(volume(json!({ "name": "v", "secret": { "secretName": "absent" } })))
            .impatient()
            .kinds(DAEMON_SET)
            .pod(blocked),
        bad("host-path", "volume", "hostPath type check failed")
            .spec(volume(json!({ "name": "v", "hostPath": { "path": "/nowhere", "type": "Directory" } })))
            .impatient()
            .pod(blocked)
            .kinds(TWO),
        bad("claim", "volume", "claim absent")
            .spec(volume(json!({ "name": "v", "persistentVolumeClaim": { "claimName": "absent" } })))
            .impatient()
            .kinds(TWO)
            .pod(homeless),
        bad("root", "container-config", "root")
            .spec(json!({ "securityContext": { "runAsNonRoot": true } }))
            .pod(|pod| waits(pod, "app", &["CreateContainerConfigError"]))
            .kinds(SETS),
        bad("sub-path", "container-config", "path")
            .spec(json!({
                "volumes": [{ "name": "v", "emptyDir": {} }],
                "containers": [{ "env": [{ "name": "A", "value": "/a" }],
                    "volumeMounts": [{ "name": "v", "mountPath": "/v", "subPathExpr": "$(A)/b" }] }],
            }))
            .impatient()
            .kinds(ONE)
            .pod(|pod| waits(pod, "app", &["CreateContainerConfigError"])),
        bad("room", "unschedulable", "Insufficient cpu")
            .container(&json!({ "resources": { "requests": { "cpu": "1000" } } }))
            .impatient()
            .pod(homeless)
            .kinds(STATELESS),
        bad("nobody", "not-scheduled", "nobody")
            .spec(json!({ "schedulerName": "nobody" }))
            .impatient()
            .kinds(ONE)
            .pod(homeless),
        bad("account", "reference-missing", "absent")
            .spec(json!({ "serviceAccountName": "absent" }))
            .impatient()
            .kinds(STATELESS),
        bad("quota", "quota", "exceeded quota: small")
            .before(|ns| {
                ns.kubectl(&["create", "quota", "small", "--hard=requests.cpu=1"]).expect_ok();
            })
            .container(&json!({ "resources": { "requests": { "cpu": "2" } } }))
            .impatient()
            // A set loses a pod that goes back without an amount, which the quota does not allow either.
            .kinds(&["deployment"]),
        bad("admission", "admission-denied", "violates PodSecurity")
            .before(|ns| {
                let label = "pod-security.kubernetes.io/enforce=baseline";
                ns.kubectl(&["label", "namespace", ns.name(), label]).expect_ok();
            })
            .spec(json!({ "hostNetwork": true }))
            .kinds(STATELESS),
    ]
}

/// Pods that a node does not take, or does not keep.
fn pods() -> Vec<Case> {
    let gone = |_: &Value| true;
    vec![
        bad("sandbox", "sandbox", "nowhere")
            .before(runtime_class)
            .spec(json!({ "runtimeClassName": "nowhere" }))
            .impatient()
            .pod(|pod| waits(pod, "app", &["ContainerCreating"]))
            .kinds(SETS),
        bad("sysctl", "rejected", "SysctlForbidden")
            .spec(json!({ "securityContext": { "sysctls": [{ "name": "net.core.somaxconn", "value": "10" }] } }))
            .pod(gone)
            .kinds(SETS),
        bad("evicted", "evicted", "Evicted")
            .runs("fill")
            .spec(json!({
                "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "1Mi" } }],
                "containers": [{ "volumeMounts": [{ "name": "v", "mountPath": "/data" }],
                    "readinessProbe": http("after-600", &json!({})) }],
            }))
            .flags(&["--patience=10m"])
            .pod(gone)
            .kinds(TWO),
    ]
}

/// A class whose handler no node has.
fn runtime_class(ns: &Namespace<'_>) {
    let class = json!({ "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
        "metadata": { "name": "nowhere" }, "handler": "nowhere" });
    ns.apply(&class.to_string());
}
