//! Where a template places a DaemonSet's pods: pkg/controller/daemon/daemon_controller.go, `nodeShouldRunDaemonPod`.
//!
//! Cordoned nodes are no obstacle, and neither is what the controller tolerates by itself; any other untolerated taint is:
//! a pod that is deleted there never comes back (hazard H13).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::text;
use crate::kind::Kind;
use crate::names::few;
use crate::nodes::{Node, Taint};
use crate::pods::Pod;
use crate::revision::Revision;
use crate::snapshot::Snapshot;
use crate::workload::Strategy;

/// Taints that say only that a node is not ready at the moment.
const LIFECYCLE: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// What the controller adds to the tolerations of its pods (pkg/controller/daemon/util/daemonset_util.go,
/// `AddOrUpdateDaemonPodTolerations`).
const ADDED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
const NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// Where a template places pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    node_name: Option<String>,
    selector: Vec<(String, String)>,
    /// The terms of the required node affinity, of which one must match; absent where none is required.
    terms: Option<Vec<Term>>,
    tolerations: Vec<Toleration>,
}

/// Why a node gets no pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The template's node name, node selector or node affinity leaves it out.
    NotSelected,
    /// It has a taint that the template does not tolerate.
    Tainted(Taint),
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Obstacle::NotSelected => f.write_str("the template does not select it"),
            Obstacle::Tainted(taint) => write!(f, "untolerated taint {taint}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Term {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

/// One requirement on a label or a field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: String,
    values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Toleration {
    key: String,
    operator: String,
    value: String,
    effect: String,
}

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
pub(crate) fn losses(
    snapshot: &Snapshot,
    wanted: &Value,
    target: Option<&Revision>,
) -> impl Iterator<Item = String> {
    let mut after = snapshot.clone();
    after.workload.object["spec"]["template"] = wanted.clone();
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
    let lost = |pod: &Pod| {
        let node = nodes.iter().find(|node| Some(&node.name) == pod.node.as_ref())?;
        let why = placement.lasting_obstacle(node)?;
        let goes = why == Obstacle::NotSelected || replaced(pod);
        goes.then(|| format!("{} on node {} ({why})", pod.name, node.name))
    };
    let lost: Vec<String> = snapshot.living().filter_map(lost).collect();
    (!lost.is_empty())
        .then(|| format!("deleted for good, since their nodes take no pod of it: {}", few(&lost)))
}

impl Placement {
    /// Reads where a template places pods.
    pub fn of(template: &Value) -> Placement {
        let spec = &template["spec"];
        let mut tolerations: Vec<Toleration> = list(&spec["tolerations"]).map(toleration).collect();
        let network = (spec["hostNetwork"] == true).then_some(NETWORK);
        tolerations.extend(ADDED.into_iter().chain(network).map(|(key, effect)| Toleration {
            key: key.to_string(),
            operator: "Exists".to_string(),
            value: String::new(),
            effect: effect.to_string(),
        }));
        let selector = spec["nodeSelector"].as_object().into_iter().flatten();
        let required = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
        Placement {
            node_name: text(spec, "/nodeName").filter(|it| !it.is_empty()),
            selector: selector
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_string()))
                .collect(),
            terms: spec
                .pointer(required)
                .filter(|it| it.is_object())
                .map(|it| list(&it["nodeSelectorTerms"]).map(term).collect()),
            tolerations,
        }
    }

    /// Returns why a node gets no pod; nothing where it gets one.
    pub fn obstacle(&self, node: &Node) -> Option<Obstacle> {
        if !self.selects(node) {
            return Some(Obstacle::NotSelected);
        }
        self.untolerated(node).next().cloned().map(Obstacle::Tainted)
    }

    /// Returns why a node gets no pod although it may become ready again.
    pub fn lasting_obstacle(&self, node: &Node) -> Option<Obstacle> {
        if !self.selects(node) {
            return Some(Obstacle::NotSelected);
        }
        let mut taints = self.untolerated(node).filter(|it| !LIFECYCLE.contains(&it.key.as_str()));
        taints.next().cloned().map(Obstacle::Tainted)
    }

    fn selects(&self, node: &Node) -> bool {
        let named = self.node_name.as_ref().is_none_or(|name| *name == node.name);
        let labelled = self.selector.iter().all(|(key, value)| node.labels.get(key) == Some(value));
        let affine = self.terms.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(node)));
        named && labelled && affine
    }

    fn untolerated<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Taint> {
        node.taints
            .iter()
            .filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
            .filter(|taint| !self.tolerations.iter().any(|it| it.tolerates(taint)))
    }
}

impl Term {
    /// A term without requirements selects nothing (component-helpers/scheduling/corev1/nodeaffinity).
    fn matches(&self, node: &Node) -> bool {
        let fields = BTreeMap::from([("metadata.name".to_string(), node.name.clone())]);
        !(self.labels.is_empty() && self.fields.is_empty())
            && self.labels.iter().all(|it| it.matches(&node.labels))
            && self.fields.iter().all(|it| it.matches(&fields))
    }
}

impl Requirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let among = || value.is_some_and(|value| self.values.contains(value));
        let numbers = || {
            let bound = self.values.first()?.parse::<i64>().ok()?;
            Some((value?.parse::<i64>().ok()?, bound))
        };
        match self.operator.as_str() {
            "In" => among(),
            "NotIn" => !among(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => numbers().is_some_and(|(value, bound)| value > bound),
            "Lt" => numbers().is_some_and(|(value, bound)| value < bound),
            _ => false,
        }
    }
}

impl Toleration {
    /// k8s.io/api/core/v1/toleration.go, `ToleratesTaint`.
    fn tolerates(&self, taint: &Taint) -> bool {
        let numbers = || Some((taint.value.parse::<i64>().ok()?, self.value.parse::<i64>().ok()?));
        let value = match self.operator.as_str() {
            "" | "Equal" => self.value == taint.value,
            "Exists" => true,
            "Gt" => numbers().is_some_and(|(value, bound)| value > bound),
            "Lt" => numbers().is_some_and(|(value, bound)| value < bound),
            _ => false,
        };
        let effect = self.effect.is_empty() || self.effect == taint.effect;
        let key = self.key.is_empty() || self.key == taint.key;
        effect && key && value
    }
}

/// Labels that somebody asks for, as `kubectl get -l` reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Vec<Requirement>);

impl Labels {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`; nothing where that is none.
    pub fn parse(query: &str) -> Option<Labels> {
        let mut terms = vec![String::new()];
        let mut inside = false;
        for letter in query.chars() {
            match letter {
                '(' => inside = true,
                ')' => inside = false,
                _ => {}
            }
            match (letter, inside, terms.last_mut()) {
                (',', false, _) => terms.push(String::new()),
                (_, _, Some(term)) => term.push(letter),
                (_, _, None) => {}
            }
        }
        terms.iter().map(|term| requirement(term.trim())).collect::<Option<Vec<Requirement>>>().map(Labels)
    }

    /// Tells whether labels match.
    pub fn match_all(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|it| it.matches(labels))
    }
}

fn requirement(term: &str) -> Option<Requirement> {
    let made = |key: &str, operator: &str, values: Vec<String>| {
        let key = key.trim();
        let word = |it: &str| !it.contains(|c: char| c.is_whitespace() || "()!=,".contains(c));
        let sound = !key.is_empty() && word(key) && values.iter().all(|it| word(it));
        sound.then(|| Requirement { key: key.to_string(), operator: operator.to_string(), values })
    };
    let set = |list: &str| -> Option<Vec<String>> {
        let inner = list.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|it| it.trim().to_string()).collect())
    };
    if let Some((key, list)) = term.split_once(" in ") {
        return made(key, "In", set(list)?);
    }
    if let Some((key, list)) = term.split_once(" notin ") {
        return made(key, "NotIn", set(list)?);
    }
    let one = |value: &str| vec![value.trim().to_string()];
    if let Some((key, value)) = term.split_once("!=") {
        return made(key, "NotIn", one(value));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return made(key, "In", one(value));
    }
    match term.strip_prefix('!') {
        Some(key) => made(key, "DoesNotExist", Vec::new()),
        None => made(term, "Exists", Vec::new()),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn term(value: &Value) -> Term {
    let requirements = |field: &str| list(&value[field]).map(from_value).collect();
    Term { labels: requirements("matchExpressions"), fields: requirements("matchFields") }
}

fn from_value(value: &Value) -> Requirement {
    Requirement {
        key: text(value, "/key").unwrap_or_default(),
        operator: text(value, "/operator").unwrap_or_default(),
        values: list(&value["values"]).filter_map(Value::as_str).map(str::to_string).collect(),
    }
}

fn toleration(value: &Value) -> Toleration {
    let field = |name: &str| text(value, name).unwrap_or_default();
    Toleration {
        key: field("/key"),
        operator: field("/operator"),
        value: field("/value"),
        effect: field("/effect"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(labels: &[(&str, &str)], taints: &[(&str, &str, &str)]) -> Node {
        Node {
            name: "n1".to_string(),
            labels: labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            taints: taints
                .iter()
                .map(|(key, value, effect)| Taint {
                    key: key.to_string(),
                    value: value.to_string(),
                    effect: effect.to_string(),
                })
                .collect(),
            ready: true,
            ..Node::default()
        }
    }

    fn places(spec: Value, node: &Node) -> bool {
        Placement::of(&json!({"spec": spec})).obstacle(node).is_none()
    }

    fn affinity(term: Value) -> Value {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": term}}}})
    }

    #[test]
    fn node_name_and_selector_must_fit() {
        let node = node(&[("pool", "x")], &[]);
        assert!(places(json!({}), &node));
        assert!(places(json!({"nodeName": "n1", "nodeSelector": {"pool": "x"}}), &node));
        assert!(!places(json!({"nodeName": "n2"}), &node));
        assert!(!places(json!({"nodeSelector": {"pool": "y"}}), &node));
    }

    #[test]
    fn every_operator_of_the_affinity_counts() {
        let node = node(&[("pool", "x"), ("size", "8")], &[]);
        let one = |key: &str, operator: &str, values: &[&str]| {
            places(
                affinity(
                    json!([{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]),
                ),
                &node,
            )
        };
        assert!(one("pool", "In", &["x", "y"]) && !one("pool", "In", &["y"]));
        assert!(one("none", "NotIn", &["x"]) && !one("pool", "NotIn", &["x"]));
        assert!(one("pool", "Exists", &[]) && !one("none", "Exists", &[]));
        assert!(one("none", "DoesNotExist", &[]) && !one("pool", "DoesNotExist", &[]));
        assert!(one("size", "Gt", &["7"]) && !one("size", "Gt", &["8"]) && !one("pool", "Gt", &["1"]));
        assert!(one("size", "Lt", &["9"]) && !one("size", "Lt", &["8"]));
    }

    #[test]
    fn one_term_is_enough_and_an_empty_one_selects_nothing() {
        let node = node(&[], &[]);
        let named = |name: &str| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]});
        assert!(places(affinity(json!([named("n2"), named("n1")])), &node));
        assert!(!places(affinity(json!([named("n2")])), &node));
        assert!(!places(affinity(json!([{}])), &node));
        assert!(!places(affinity(json!([])), &node));
    }

    #[test]
    fn untolerated_taints_are_obstacles_and_cordons_are_none() {
        let tainted = node(&[], &[("gpu", "yes", "NoSchedule")]);
        assert!(!places(json!({}), &tainted));
        assert!(places(json!({"tolerations": [{"operator": "Exists"}]}), &tainted));
        assert!(places(
            json!({"tolerations": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}),
            &tainted
        ));
        assert!(!places(json!({"tolerations": [{"key": "gpu", "value": "no"}]}), &tainted));
        let obstacle = Placement::of(&json!({})).obstacle(&tainted).unwrap();
        assert_eq!(obstacle.to_string(), "untolerated taint gpu=yes:NoSchedule");
        assert!(places(json!({}), &node(&[], &[("a", "", "PreferNoSchedule")])));
        assert!(places(json!({}), &node(&[], &[("node.kubernetes.io/unschedulable", "", "NoSchedule")])));
        let network = node(&[], &[("node.kubernetes.io/network-unavailable", "", "NoSchedule")]);
        assert!(!places(json!({}), &network) && places(json!({"hostNetwork": true}), &network));
    }

    #[test]
    fn a_node_that_is_not_ready_is_no_lasting_obstacle() {
        let dead = node(&[], &[("node.kubernetes.io/unreachable", "", "NoSchedule")]);
        let placement = Placement::of(&json!({}));
        assert!(placement.obstacle(&dead).is_some() && placement.lasting_obstacle(&dead).is_none());
        assert!(places(json!({}), &node(&[], &[("node.kubernetes.io/not-ready", "", "NoExecute")])));
    }

    #[test]
    fn label_queries_are_read_as_kubectl_reads_them() {
        let labels = node(&[("a", "b"), ("c", "d")], &[]).labels;
        let matches = |query: &str| Labels::parse(query).map(|it| it.match_all(&labels));
        assert_eq!(matches("a=b,c==d,a"), Some(true));
        assert_eq!(matches("a in (x, b),c notin (e,f),!z,q!=1"), Some(true));
        assert_eq!(matches("a!=b"), Some(false));
        assert_eq!(matches("a in b"), None);
        assert_eq!(matches(""), None);
        assert_eq!(matches("a=b c"), None);
    }
}
