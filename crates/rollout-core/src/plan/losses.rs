//! What a template costs a DaemonSet for good: pods on nodes that take none of it.

use std::collections::HashMap;

use serde_json::Value;

use crate::history::revision::Revision;
use crate::objects::kind::Kind;
use crate::objects::names::few;
use crate::objects::node::Node;
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::plan::after::with_template;
use crate::snapshot::Snapshot;
use crate::template::placement::{Obstacle, Placement};

/// Says that no node gets a pod of a DaemonSet, where the nodes were read.
pub(crate) fn unwanted(snapshot: &Snapshot) -> Option<String> {
    let nodes = snapshot.nodes.as_ref().filter(|_| snapshot.workload.id.kind == Kind::DaemonSet)?;
    let placement = Placement::of(snapshot.workload.template());
    let mut taints = Vec::new();
    for node in nodes {
        match placement.lasting_obstacle(node) {
            None => return None,
            Some(Obstacle::Tainted(taint)) => taints.push(taint.to_string()),
            Some(Obstacle::NotSelected) => {}
        }
    }
    taints.sort();
    taints.dedup();
    Some(match taints.is_empty() {
        true => "no node gets a pod of it: the template selects none".to_string(),
        false => format!("no node gets a pod of it: untolerated taints ({})", few(&taints)),
    })
}

/// Says what a template costs a DaemonSet for good: its pods on nodes that take none of it, or all of them. Those of the
/// revision that has the template already, where there is one, are not replaced.
pub(crate) fn of_template(
    snapshot: &Snapshot,
    wanted: &Value,
    target: Option<&Revision>,
) -> impl Iterator<Item = String> {
    let after = with_template(snapshot, Some(wanted));
    let kind = snapshot.workload.id.kind;
    let stays = |label: &str| target.is_some_and(|target| target.owns_label(kind, label));
    let replaced = |pod: &Pod| {
        snapshot.workload.strategy != Strategy::OnDelete && !pod.revision.as_deref().is_some_and(stays)
    };
    unwanted(&after).into_iter().chain(vanishing(&after, &replaced))
}

/// Names the pods of a DaemonSet that its controller deletes and does not make again: of those that `replaced` says are
/// replaced, the ones on nodes with a taint that the template does not tolerate, and all on nodes that it does not select.
fn vanishing(snapshot: &Snapshot, replaced: &dyn Fn(&Pod) -> bool) -> Option<String> {
    let nodes = snapshot.nodes.as_ref().filter(|_| snapshot.workload.id.kind == Kind::DaemonSet)?;
    let placement = Placement::of(snapshot.workload.template());
    let nodes: HashMap<&str, &Node> = nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    let lost = |pod: &Pod| {
        let node = nodes.get(pod.node.as_deref()?)?;
        let why = placement.lasting_obstacle(node)?;
        let goes = why == Obstacle::NotSelected || replaced(pod);
        goes.then(|| format!("{} on node {} ({why})", pod.name, node.name))
    };
    let lost: Vec<String> = snapshot.living().filter_map(lost).collect();
    (!lost.is_empty())
        .then(|| format!("deleted for good, since their nodes take no pod of it: {}", few(&lost)))
}
