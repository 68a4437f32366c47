//! Nodes in the few fields on which the placement of a DaemonSet's pods depends, decoded straight from the server's answer.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::objects::shared::Shared;
use crate::objects::word::WordMap;

/// A node, shared by all pictures that show it.
pub type Node = Shared<NodeFacts>;

/// What is known of a node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "wire::Node")]
pub struct NodeFacts {
    /// The name.
    pub name: String,
    /// The version of the object, from which a watch carries on.
    pub resource_version: String,
    /// The labels.
    pub labels: WordMap,
    /// The taints.
    pub taints: Vec<Taint>,
    /// Whether its kubelet says that it is ready.
    pub ready: bool,
    /// Whether somebody cordoned it; no obstacle for a DaemonSet's pods (hazard H13).
    pub cordoned: bool,
    /// When it joined.
    pub created: Option<Timestamp>,
}

/// A taint of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Taint {
    /// The key.
    pub key: String,
    /// The value, empty where there is none.
    #[serde(default)]
    pub value: String,
    /// The effect: `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Taint { key, value, effect } = self;
        if value.is_empty() { write!(f, "{key}:{effect}") } else { write!(f, "{key}={value}:{effect}") }
    }
}

/// Whether a node is ready, and why it is not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "wire::Node")]
pub struct NodeReadiness {
    /// The name.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Why it is not, in one word.
    pub reason: String,
    /// Why it is not, in a sentence.
    pub message: String,
}

/// The shape in which the API server writes nodes.
mod wire {
    use super::{Deserialize, Taint, Timestamp, WordMap};

    #[derive(Deserialize)]
    pub(super) struct Node {
        metadata: Metadata,
        #[serde(default)]
        spec: Spec,
        #[serde(default)]
        status: Status,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        name: String,
        #[serde(default)]
        resource_version: String,
        #[serde(default)]
        labels: WordMap,
        creation_timestamp: Option<Timestamp>,
    }

    #[derive(Default, Deserialize)]
    struct Spec {
        #[serde(default)]
        taints: Vec<Taint>,
        #[serde(default)]
        unschedulable: bool,
    }

    #[derive(Default, Deserialize)]
    struct Status {
        #[serde(default)]
        conditions: Vec<Condition>,
    }

    #[derive(Deserialize)]
    struct Condition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
    }

    impl From<Node> for super::NodeFacts {
        fn from(node: Node) -> super::NodeFacts {
            let Node { metadata, spec, status } = node;
            let Metadata { name, resource_version, labels, creation_timestamp } = metadata;
            let ready = status.conditions.iter().any(|it| it.kind == "Ready" && it.status == "True");
            super::NodeFacts {
                name,
                resource_version,
                labels,
                taints: spec.taints,
                ready,
                cordoned: spec.unschedulable,
                created: creation_timestamp,
            }
        }
    }

    impl From<Node> for super::NodeReadiness {
        fn from(node: Node) -> super::NodeReadiness {
            let ready = node.status.conditions.into_iter().find(|condition| condition.kind == "Ready");
            let (is_ready, reason, message) = match ready {
                Some(it) => (it.status == "True", it.reason, it.message),
                None => (false, "NodeStatusNeverUpdated".to_string(), String::new()),
            };
            super::NodeReadiness { name: node.metadata.name, ready: is_ready, reason, message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_is_decoded_from_what_the_server_writes() {
        let node: Node = serde_json::from_value(json!({
            "metadata": {"name": "a", "resourceVersion": "7", "labels": {"zone": "z"},
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"unschedulable": true, "taints": [{"key": "k", "effect": "NoSchedule", "timeAdded": null}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}]},
        }))
        .unwrap();
        assert!(node.ready && node.cordoned);
        assert_eq!(
            (node.labels.get("zone").unwrap().as_str(), node.taints[0].to_string().as_str()),
            ("z", "k:NoSchedule")
        );
        let bare: Node = serde_json::from_value(json!({"metadata": {"name": "b"}})).unwrap();
        assert!(!bare.ready && !bare.cordoned);
    }
}
