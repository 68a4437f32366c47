//! The objects that a cluster needs before a workload can run in it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A fake node: as large as anybody likes, and healthy.
#[derive(Debug, Clone)]
pub struct Node {
    name: String,
    labels: BTreeMap<String, String>,
    taints: Vec<Value>,
}

impl Node {
    /// Describes a node of this name, with the labels that a kubelet gives itself.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let labels = BTreeMap::from([
            ("kubernetes.io/hostname".into(), name.clone()),
            ("kubernetes.io/os".into(), "linux".into()),
            ("kubernetes.io/arch".into(), "amd64".into()),
        ]);
        Self { name, labels, taints: Vec::new() }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Adds a taint; the effect is `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    #[must_use]
    pub fn taint(mut self, key: &str, value: &str, effect: &str) -> Self {
        self.taints.push(json!({ "key": key, "value": value, "effect": effect }));
        self
    }

    /// The nodes of a cluster when nothing else is said: `node-1` and so on, in the zones a, b and c by turns.
    pub(crate) fn numbered(count: usize) -> Vec<Self> {
        let zones = ["a", "b", "c"].into_iter().cycle();
        let node =
            |(number, zone)| Self::new(format!("node-{number}")).label("topology.kubernetes.io/zone", zone);
        (1..=count).zip(zones).map(node).collect()
    }

    fn manifest(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": self.name, "labels": self.labels },
            "spec": { "taints": self.taints },
        })
    }
}

/// One manifest for all of them.
pub(crate) fn list(nodes: &[Node]) -> String {
    let items: Vec<_> = nodes.iter().map(Node::manifest).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

/// The event that the node controller writes for a pod of a dead node.
pub(crate) fn node_not_ready(pod: &Value, time: &str) -> String {
    let name = format!("{}.not-ready-", pod["name"].as_str().unwrap_or_default());
    let involved = json!({ "kind": "Pod", "apiVersion": "v1", "name": pod["name"], "namespace": pod["namespace"],
        "uid": pod["uid"] });
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "generateName": name, "namespace": pod["namespace"] },
        "involvedObject": involved,
        "type": "Warning",
        "reason": "NodeNotReady",
        "message": "Node is not ready",
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "source": { "component": "node-controller" },
        "reportingComponent": "node-controller",
    })
    .to_string()
}
