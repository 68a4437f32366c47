//! `Nodes`: which revision of a DaemonSet runs on which node.

use rollout_core::view::nodes::{self, Blocked, NodeRow, NodesId};
use rollout_core::view::ordinals;
use rollout_core::{Pod, RevisionNumber, Snapshot};
use serde::Serialize;
use serde_with::skip_serializing_none;

use super::rollout::Rollout;
use crate::call::document::{Body, as_map};

/// The nodes of a DaemonSet.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Nodes<'a> {
    /// The nodes, one by one.
    nodes: Vec<Node<'a>>,
    /// The rollout in steps that is stored, where one is.
    rollout: Option<Rollout>,
    /// What else is to be known.
    warnings: Vec<Warning<'a>>,
}

/// One node, with its pod.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Node<'a> {
    /// Its name.
    node: &'a str,
    /// Its value of the label that `--by` names.
    group: Option<&'a str>,
    /// Its pod.
    pod: Option<&'a str>,
    /// The revision of the pod that runs.
    revision: Option<RevisionNumber>,
    /// Whether a pod of the newest revision runs.
    updated: bool,
    /// Whether the pod that runs is ready.
    ready: bool,
    /// Restarts of its containers.
    restarts: Option<u32>,
    /// What is wrong, or what the node waits for.
    reason: Option<&'a str>,
    /// The images, by container.
    images: Option<Images<'a>>,
}

/// The images of a pod, by container.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Images<'a>(
    #[serde(serialize_with = "as_map")]
    #[cfg_attr(feature = "schema", schemars(with = "std::collections::BTreeMap<String, String>"))]
    Vec<(&'a str, &'a str)>,
);

/// What is to be known of some of the nodes.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "NodesWarning"))]
struct Warning<'a> {
    /// The stable id.
    id: NodesId,
    /// One sentence.
    message: String,
    /// The nodes that it is about.
    nodes: Option<Vec<&'a str>>,
}

impl Body for Nodes<'_> {
    const KIND: &'static str = "Nodes";
}

impl<'a> Nodes<'a> {
    /// These rows; `hidden` says that the nodes may not be read.
    pub fn of(
        snapshot: &Snapshot,
        nodes: &'a nodes::Nodes<'_>,
        rows: &'a [&NodeRow<'_>],
        hidden: Option<String>,
    ) -> Nodes<'a> {
        let named = |id, message, nodes: &[&'a str]| Warning { id, message, nodes: Some(nodes.to_vec()) };
        let blocked = nodes.blocked.iter().map(|(why, names)| named(why.id(), why.to_string(), names));
        let tainted = nodes.tainted.iter().map(|(taint, names)| {
            let why = Blocked::Tainted(taint.clone());
            named(why.id(), format!("no pod belongs there: {why}"), names)
        });
        let hidden = hidden.map(|message| Warning { id: NodesId::NodesHidden, message, nodes: None });
        let outside: Vec<&str> = nodes.outside.iter().map(String::as_str).collect();
        let outside = (!outside.is_empty())
            .then(|| named(NodesId::OutsideStep, ordinals::outside(&nodes.outside), &outside));
        Nodes {
            nodes: rows.iter().map(|row| Node::of(row)).collect(),
            rollout: Rollout::of(snapshot),
            warnings: blocked.chain(tainted).chain(hidden).chain(outside).collect(),
        }
    }
}

impl<'a> Node<'a> {
    fn of(row: &'a NodeRow<'_>) -> Node<'a> {
        let NodeRow { node, group, pod, revision, updated, ready, reason, trouble: _ } = row;
        let images = |pod: &'a Pod| {
            Images(pod.containers.iter().map(|it| (it.name.as_str(), it.image.as_str())).collect())
        };
        Node {
            node,
            group: *group,
            pod: pod.map(|pod| pod.name.as_str()),
            revision: *revision,
            updated: *updated,
            ready: *ready,
            restarts: pod.map(|pod| pod.restarts()),
            reason: reason.as_deref(),
            images: pod.map(images),
        }
    }
}
