//! What happens to the cluster, and how it is made whole again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use between::Proxy;
use cluster::{Cluster, Output};
use serde_json::{Value, json};

use crate::Result;

use super::cast::{Kind, Part};
use super::judge::Picture;
use super::ledger;
use super::plan::Fault;
use super::story::lock;

/// How long the cluster may take for something that it always does.
pub(super) const LONG: Duration = Duration::from_secs(300);

/// A cluster, a namespace in it, and what is between it and the drivers.
pub(super) struct World<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) proxy: &'a Proxy,
    pub(super) namespace: &'a str,
    dead: Mutex<BTreeSet<usize>>,
    /// The UIDs of the pods that a fault deleted.
    doomed: Mutex<BTreeSet<String>>,
    /// Held by whoever starts processes.
    tended: Mutex<()>,
}

impl<'a> World<'a> {
    pub(super) fn new(cluster: &'a Cluster, proxy: &'a Proxy, namespace: &'a str) -> Self {
        Self {
            cluster,
            proxy,
            namespace,
            dead: Mutex::default(),
            doomed: Mutex::default(),
            tended: Mutex::default(),
        }
    }

    /// Lets something happen that is nobody's call; what could not be is an error.
    pub(super) fn suffers(&self, fault: &Fault, parts: &[Part]) -> Result {
        match fault {
            // These are about calls.
            Fault::Signal(..) | Fault::Rival(..) => {}
            Fault::Pod { of, number, forced } => {
                let label = format!("app={}", parts[*of].name());
                let pods = self.kubectl(&["get", "pods", "-l", &label, "-o", "name"]).checked()?;
                let pods: Vec<&str> = pods.lines().collect();
                let pod = pods.get(number % pods.len().max(1)).ok_or("there is no pod")?;
                let uid = self.kubectl(&["get", pod, "-o", "jsonpath={.metadata.uid}"]).checked()?;
                lock(&self.doomed).insert(uid);
                let force: &[&str] = if *forced { &["--force", "--grace-period=0"] } else { &[] };
                self.kubectl(&[&["delete", pod, "--wait=false"], force].concat()).checked()?;
            }
            Fault::Node { number, seen } => {
                lock(&self.dead).insert(*number);
                let node = format!("node-{number}");
                match seen {
                    true => self.cluster.kill_node(&node)?,
                    false => drop(self.cluster.kubectl(&["label", "node", &node, "dead=true"]).checked()?),
                }
            }
            Fault::NodeBack(number) => {
                self.cluster.revive_node(&format!("node-{number}"))?;
                lock(&self.dead).remove(number);
            }
            Fault::Quota(true) => {
                self.kubectl(&["create", "quota", "closed", "--hard=pods=0"]).checked()?;
            }
            Fault::Quota(false) => {
                self.kubectl(&["delete", "quota", "closed", "--ignore-not-found"]).checked()?;
            }
            Fault::Cut => self.proxy.cut(),
            Fault::Process(process, millis) => {
                self.cluster.stop(*process)?;
                thread::sleep(Duration::from_millis(*millis));
                self.tend()?;
                let _one = lock(&self.tended);
                self.cluster.restart(*process)?;
            }
            Fault::Weather(weather) => self.proxy.set(*weather),
        }
        Ok(())
    }

    /// Runs again what has ended by itself: a scheduler gives up where what it is told makes no sense any more.
    pub(super) fn tend(&self) -> Result {
        let _one = lock(&self.tended);
        self.cluster.supervise()?;
        Ok(())
    }

    /// Makes all whole that has happened.
    pub(super) fn heal(&self) -> Result {
        self.proxy.set(None);
        self.tend()?;
        within("the API server deletes a quota", || self.suffers(&Fault::Quota(false), &[]).is_ok())?;
        // Not in the loop's own line, where it would be locked for as long as the loop.
        let dead = lock(&self.dead).clone();
        for number in dead {
            within("a node comes back", || self.suffers(&Fault::NodeBack(number), &[]).is_ok())?;
        }
        let taints = ["get", "nodes", "-o", "jsonpath={.items[*].spec.taints[*].key}"];
        within("all nodes are ready", || {
            let taints = self.cluster.kubectl(&taints);
            taints.ok() && taints.stdout.trim().is_empty()
        })
    }

    /// Returns the UIDs of the pods that drivers deleted since the last time, and no fault.
    pub(super) fn deleted_by_drivers(&self) -> BTreeSet<String> {
        let pods = format!("/api/v1/namespaces/{}/pods/", self.namespace);
        let doomed = lock(&self.doomed);
        let writes = self.proxy.passed().into_iter();
        let deletions = writes.filter(|it| it.status < 300 && it.request.path.starts_with(&pods));
        deletions
            .filter_map(|it| ledger::deleted(&it.request.body))
            .filter(|uid| !doomed.contains(uid))
            .collect()
    }

    /// Runs kubectl in the namespace, past the proxy.
    pub(super) fn kubectl(&self, words: &[&str]) -> Output {
        let here = ["--namespace", self.namespace, "--request-timeout=30s"];
        self.cluster.kubectl(&[words, &here].concat())
    }

    pub(super) fn create(&self, manifest: &Value) -> Result {
        let words = ["create", "--namespace", self.namespace, "-f", "-"];
        self.cluster.kubectl_with(&words, &manifest.to_string()).checked()?;
        Ok(())
    }

    /// Sets the tag of a workload's image, and waits until its controller has seen that.
    pub(super) fn set_tag(&self, part: &Part, tag: &str) -> Result {
        self.kubectl(&["set", "image", &part.target(), &format!("app=app:{tag}")]).checked()?;
        within("a new template is observed", || {
            let seen = self.object(part).unwrap_or_default();
            let generation = &seen["metadata"]["generation"];
            generation.is_u64() && seen["status"]["observedGeneration"] == *generation
        })
    }

    pub(super) fn delete_pods(&self, part: &Part) -> Result {
        self.kubectl(&["delete", "pods", "-l", &format!("app={}", part.name())]).checked()?;
        Ok(())
    }

    pub(super) fn object(&self, part: &Part) -> Result<Value> {
        let text = self.kubectl(&["get", &part.target(), "-o", "json"]).checked()?;
        Ok(serde_json::from_str(&text)?)
    }

    pub(super) fn picture(&self, part: &Part) -> Result<Picture> {
        let (label, revisions) = (
            format!("app={}", part.name()),
            match part.shape.kind {
                Kind::Deployment => "replicasets",
                Kind::DaemonSet | Kind::StatefulSet => "controllerrevisions",
            },
        );
        let object = self.object(part)?;
        let list = |what: &str| -> Result<Vec<Value>> {
            let text = self.kubectl(&["get", what, "-l", &label, "-o", "json"]).checked()?;
            let mut list: Value = serde_json::from_str(&text)?;
            Ok(serde_json::from_value(list["items"].take()).unwrap_or_default())
        };
        Ok(Picture { object, pods: list("pods")?, revisions: list(revisions)? })
    }
}

/// Waits for something that is bound to come.
pub(super) fn within(what: &str, mut condition: impl FnMut() -> bool) -> Result {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > LONG {
            return Err(format!("not within {} s: {what}", LONG.as_secs()).into());
        }
        thread::sleep(Duration::from_millis(300));
    }
    Ok(())
}

/// Where the server of a kubeconfig is.
pub(super) fn server(kubeconfig: &str) -> Result<SocketAddr> {
    let config: Value = serde_json::from_str(kubeconfig)?;
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap_or_default();
    Ok(server.trim_start_matches("https://").parse()?)
}

/// A kubeconfig like another one, but for the server.
pub(super) fn through(kubeconfig: &str, server: &str) -> Result<String> {
    let mut config: Value = serde_json::from_str(kubeconfig)?;
    config["clusters"][0]["cluster"]["server"] = json!(server);
    Ok(config.to_string())
}
