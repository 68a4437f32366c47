//! What the end-to-end tests share: one cluster a process with the plugins on its PATH, and workloads of each kind.

mod background;
pub mod scene;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use cluster::{Cluster, Namespace, Output, build_plugins};
use serde_json::{Value, json};

pub use background::Running;

/// How long anything may take that a test waits for.
pub const LONG: Duration = Duration::from_secs(60);

/// Returns the cluster of this process, with the plugins installed.
///
/// # Panics
///
/// When the plugins do not build or the cluster does not start.
pub fn cluster() -> &'static Cluster {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let cluster = Cluster::shared();
    INSTALLED.get_or_init(|| install(cluster));
    cluster
}

/// Tells whether the cluster of this process is of a version or a newer one; where it is older, that the test is left out is said.
#[must_use]
#[track_caller]
pub fn since(version: &str, why: &str) -> bool {
    cluster().since(version, why)
}

/// Puts the plugins on the PATH of a cluster; for tests that stop parts of one and so need their own.
///
/// # Panics
///
/// When the plugins do not build.
pub fn install(cluster: &Cluster) {
    for plugin in build_plugins().unwrap_or_else(|error| panic!("{error}")) {
        cluster.install(&plugin).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// The kinds, as targets spell them.
pub const KINDS: [&str; 3] = ["deployment", "daemonset", "statefulset"];

/// A workload, called `web` unless it is given another name, with one container `app`, before it is applied.
#[derive(Clone, Debug)]
pub struct Web {
    kind: &'static str,
    name: String,
    image: String,
    replicas: u32,
    spec: Vec<String>,
    annotations: Vec<String>,
}

impl Web {
    /// A workload of a kind (`deployment`, `daemonset`, `statefulset`) with three replicas where it has replicas.
    pub fn new(kind: &'static str, image: &str) -> Web {
        let (spec, annotations) = (Vec::new(), Vec::new());
        Web { kind, name: "web".into(), image: image.to_string(), replicas: 3, spec, annotations }
    }

    /// Gives it another name, which is its label too.
    pub fn named(mut self, name: &str) -> Web {
        self.name = name.to_string();
        self
    }

    /// Sets the number of replicas.
    pub fn replicas(mut self, replicas: u32) -> Web {
        self.replicas = replicas;
        self
    }

    /// Adds a line to `spec`, e.g. `updateStrategy: { type: OnDelete }`.
    pub fn spec(mut self, line: &str) -> Web {
        self.spec.push(line.to_string());
        self
    }

    /// Adds an annotation of the workload.
    pub fn annotation(mut self, key: &str, value: &str) -> Web {
        self.annotations.push(format!("{key}: {value:?}"));
        self
    }

    /// Writes the manifest.
    pub fn yaml(&self) -> String {
        let kind = match self.kind {
            "deployment" => "Deployment",
            "daemonset" => "DaemonSet",
            _ => "StatefulSet",
        };
        let name = &self.name;
        let mut yaml = format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: {name}\n  labels: {{ app: {name} }}\n"
        );
        if !self.annotations.is_empty() {
            yaml.push_str("  annotations:\n");
            self.annotations.iter().for_each(|line| yaml.push_str(&format!("    {line}\n")));
        }
        yaml.push_str(&format!("spec:\n  selector: {{ matchLabels: {{ app: {name} }} }}\n"));
        match self.kind {
            "daemonset" => {}
            "statefulset" => {
                yaml.push_str(&format!("  serviceName: {name}\n  replicas: {}\n", self.replicas));
            }
            _ => yaml.push_str(&format!("  replicas: {}\n", self.replicas)),
        }
        self.spec.iter().for_each(|line| yaml.push_str(&format!("  {line}\n")));
        yaml.push_str(&format!(
            "  template:\n    metadata: {{ labels: {{ app: {name} }} }}\n    spec:\n      terminationGracePeriodSeconds: 0\n      containers:\n      - {{ name: app, image: {:?} }}\n",
            self.image
        ));
        yaml
    }

    /// Creates it, without the annotation that `kubectl apply` leaves, and waits until its pods are available.
    pub fn create(&self, namespace: &Namespace<'_>) {
        create(namespace, &self.yaml());
        settled(namespace, &format!("{}/{}", self.kind, self.name));
    }
}

/// Creates what a manifest says, and waits for nothing: its pods may never get ready.
pub fn create(namespace: &Namespace<'_>, manifest: &str) {
    let args = ["create", "--namespace", namespace.name(), "-f", "-"];
    namespace.cluster().kubectl_with(&args, manifest).expect_ok();
}

/// Changes the image of the container `app`, and waits for the controller to record the revision, not for the pods.
pub fn set_image(namespace: &Namespace<'_>, target: &str, image: &str) {
    namespace.kubectl(&["set", "image", target, &format!("app={image}")]).expect_ok();
    observed(namespace, target);
}

/// Waits until the controller has acted upon the newest specification.
pub fn observed(namespace: &Namespace<'_>, target: &str) {
    until(namespace, target, "is observed", |object| {
        object["status"]["observedGeneration"] == object["metadata"]["generation"]
    });
}

/// Waits until every pod of a workload is new and available, whatever its strategy, by kubectl's own counters.
pub fn settled(namespace: &Namespace<'_>, target: &str) {
    until(namespace, target, "is settled", |object| {
        let status = |field: &str| object["status"][field].as_u64().unwrap_or(0);
        let (wanted, available, updated) = match object["kind"].as_str() {
            Some("DaemonSet") => (
                status("desiredNumberScheduled"),
                status("numberAvailable"),
                status("updatedNumberScheduled"),
            ),
            _ => (
                object["spec"]["replicas"].as_u64().unwrap_or(0),
                status("availableReplicas"),
                status("updatedReplicas"),
            ),
        };
        let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        let old = status("replicas").saturating_sub(updated);
        let all = available == wanted && updated == wanted && old == 0;
        seen && all && (wanted > 0 || object["spec"]["replicas"] == 0)
    });
}

/// Watches an object until the condition holds: one process, where asking again and again would be many.
///
/// # Panics
///
/// When it does not hold within [`LONG`].
#[track_caller]
pub fn until(namespace: &Namespace<'_>, target: &str, what: &str, condition: impl Fn(&Value) -> bool) {
    let limit = format!("--request-timeout={}s", LONG.as_secs());
    let mut watch = namespace
        .cluster()
        .command("kubectl")
        .args(["get", target, "--namespace", namespace.name(), "--watch", "-o", "json", &limit])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run kubectl: {error}"));
    let stdout = watch.stdout.take().unwrap_or_else(|| panic!("kubectl has no output"));
    let mut objects = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>();
    let holds = objects.any(|object| object.is_ok_and(|object| condition(&object)));
    // It may have ended by itself.
    let _ = watch.kill();
    let _ = watch.wait();
    // A watch can miss what happened around its start.
    let holds = holds || condition(&namespace.get(&[target]));
    assert!(holds, "not within {LONG:?}: {target} {what}");
}

/// Returns the pods of `web`, by name, each with its UID and image.
pub fn pods(namespace: &Namespace<'_>) -> Vec<(String, String, String)> {
    let list = namespace.get(&["pods", "-l", "app=web", "--sort-by=.metadata.name"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|pod| {
            (
                text(&pod["metadata"]["name"]),
                text(&pod["metadata"]["uid"]),
                text(&pod["spec"]["containers"][0]["image"]),
            )
        })
        .collect()
}

/// Returns the image in the template of a workload.
pub fn image(namespace: &Namespace<'_>, target: &str) -> String {
    let object = namespace.get(&[target]);
    object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_string()
}

/// Reads a plugin's JSON answer.
///
/// # Panics
///
/// When it is none.
#[track_caller]
pub fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("no JSON ({error}) from {output}"))
}

/// Asserts how a command ended, and shows what it said where it ended otherwise.
#[track_caller]
pub fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.code, code, "{output}");
}

/// Rolls an image out to the end, when the old pods are gone.
pub fn roll(ns: &Namespace<'_>, target: &str, image: &str) {
    set_image(ns, target, image);
    quiet(ns, target);
}

/// Waits until a rollout is over and no pod is on its way out.
pub fn quiet(ns: &Namespace<'_>, target: &str) {
    settled(ns, target);
    ns.wait_until("the old pods are gone", LONG, || {
        let list = ns.get(&["pods", "-l", "app=web"]);
        let mut pods = list["items"].as_array().into_iter().flatten();
        !pods.any(|pod| pod["metadata"]["deletionTimestamp"].is_string())
    });
}

/// Returns the pods by name, each with its UID.
pub fn uids(ns: &Namespace<'_>) -> BTreeMap<String, String> {
    pods(ns).into_iter().map(|(name, uid, _)| (name, uid)).collect()
}

/// Waits until a number of pods has an image and shows why it does not start.
pub fn broken(ns: &Namespace<'_>, image: &str, count: usize) {
    ns.wait_until(&format!("{count} pods of {image} are broken"), LONG, || {
        let list = ns.get(&["pods", "-l", "app=web"]);
        let waits = |pod: &&Value| {
            let container = &pod["status"]["containerStatuses"][0];
            pod["spec"]["containers"][0]["image"] == image
                && (container["state"]["waiting"]["reason"] == "ImagePullBackOff"
                    || container["restartCount"].as_u64() >= Some(1)
                        && container["state"]["running"].is_null()
                    || container["image"] == "app:never" && container["ready"] == false)
        };
        list["items"].as_array().into_iter().flatten().filter(waits).count() == count
    });
}

/// Reads the events that a plugin prints, a line each, before its document.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|it: &Value| it["kind"] == "Event")
        .collect()
}

/// Makes a pod ready (`True`) or not (`False`), as its kubelet would: its containers, and so the pod.
pub fn set_ready(ns: &Namespace<'_>, pod: &str, status: &str) {
    let condition = |kind: &str| serde_json::json!({ "type": kind, "status": status });
    let patch =
        serde_json::json!({ "status": { "conditions": [condition("Ready"), condition("ContainersReady")] } });
    let look = || {
        let seen = ns.kubectl(&["get", "pod", pod, "-o", "json"]);
        serde_json::from_str::<Value>(&seen.stdout).unwrap_or_default()
    };
    let uid = look()["metadata"]["uid"].clone();
    // What the fake kubelet was about to write may come after it; and its controller may replace the pod for it.
    ns.wait_until(&format!("{pod} stays as it is made"), LONG, || {
        let words = ["patch", "pod", pod, "--subresource=status", "-p", &patch.to_string()];
        let _ = ns.kubectl(&words);
        std::thread::sleep(Duration::from_millis(700));
        let seen = look();
        let mut conditions = seen["status"]["conditions"].as_array().into_iter().flatten();
        seen["metadata"]["uid"] != uid || conditions.any(|it| it["type"] == "Ready" && it["status"] == status)
    });
}

/// Returns the condition by which a pod is ready that is not on its way out.
pub fn ready(pod: &Value) -> Option<&Value> {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.find(|it| it["type"] == "Ready" && it["status"] == "True");
    ready.filter(|_| pod["metadata"]["deletionTimestamp"].is_null())
}

/// Writes a revision object of `web` again, as a server on the other side of 1.34 would have, and returns its name: before it the
/// template of a revision had a time that is null.
///
/// # Panics
///
/// When there is no such revision.
pub fn as_another_server_wrote_it(ns: &Namespace<'_>, number: u64) -> String {
    let list = ns.get(&["controllerrevisions", "-l", "app=web"]);
    let mut revisions = list["items"].as_array().into_iter().flatten();
    let found = revisions.find(|it| it["revision"] == number).unwrap_or_else(|| panic!("{list}"));
    let name = found["metadata"]["name"].as_str().unwrap_or_default().to_string();
    let mut other = plain(found);
    let metadata = other["data"]["spec"]["template"]["metadata"].as_object_mut();
    let metadata = metadata.unwrap_or_else(|| panic!("no template: {found}"));
    if metadata.remove("creationTimestamp").is_none() {
        metadata.insert("creationTimestamp".into(), Value::Null);
    }
    ns.kubectl(&["delete", "controllerrevision", &name]).expect_ok();
    ns.cluster().kubectl_with(&["create", "-f", "-"], &other.to_string()).expect_ok();
    name
}

/// Returns an object as somebody would write it: without its status and what the server adds to its metadata.
pub fn plain(object: &Value) -> Value {
    let mut plain = object.clone();
    if let Some(fields) = plain.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = plain["metadata"].as_object_mut() {
        let kept = ["name", "namespace", "labels", "annotations", "ownerReferences"];
        metadata.retain(|key, _| kept.contains(&key.as_str()));
    }
    plain
}

/// Long enough for anything wrong to happen that does not wait for something.
pub const A_WHILE: Duration = Duration::from_secs(3);

/// A claim for each pod of a set, as [`volumes`] has a volume for it.
pub const CLAIM_TEMPLATES: &str = "volumeClaimTemplates: [{ metadata: { name: data }, spec: { accessModes: [ReadWriteOnce], storageClassName: '', resources: { requests: { storage: 1Mi } } } }]";

/// Makes a volume for the claim of each pod, as somebody does where nothing provides them; returns their names.
pub fn volumes(ns: &Namespace<'_>) -> Vec<String> {
    let name = |pod: u32| format!("{}-data-web-{pod}", ns.name());
    let volume = |pod: u32| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name(pod) },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Mi" }, "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": "/data" },
                "claimRef": { "namespace": ns.name(), "name": format!("data-web-{pod}") },
            },
        })
    };
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": (0..3).map(volume).collect::<Vec<_>>() });
    ns.cluster().kubectl_with(&["create", "-f", "-"], &list.to_string()).expect_ok();
    (0..3).map(name).collect()
}
