//! Where a template places a DaemonSet's pods: pkg/controller/daemon/daemon_controller.go, `nodeShouldRunDaemonPod`.
//!
//! Cordoned nodes are no obstacle, and neither is what the controller tolerates by itself; any other untolerated taint is:
//! a pod that is deleted there never comes back (hazard H13).

use serde_json::Value;

use crate::objects::json::{list, text};
use crate::objects::node::{Node, Taint};
use crate::objects::selector::Requirement;

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

#[derive(Clone, Debug, PartialEq, Eq)]
struct Toleration {
    key: String,
    operator: String,
    value: String,
    effect: String,
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
        let labelled =
            self.selector.iter().all(|(key, value)| node.labels.get(key).is_some_and(|it| *it == *value));
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
        !(self.labels.is_empty() && self.fields.is_empty())
            && self.labels.iter().all(|it| it.matches(&node.labels))
            && self.fields.iter().all(|it| it.of_name(&node.name))
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

fn term(value: &Value) -> Term {
    let requirements = |field: &str| list(&value[field]).map(Requirement::from_value).collect();
    Term { labels: requirements("matchExpressions"), fields: requirements("matchFields") }
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
    use crate::objects::node::NodeFacts;
    use serde_json::json;

    fn node(labels: &[(&str, &str)], taints: &[(&str, &str, &str)]) -> Node {
        Node::from(NodeFacts {
            name: "n1".to_string(),
            labels: labels.iter().copied().collect(),
            taints: taints
                .iter()
                .map(|(key, value, effect)| Taint {
                    key: key.to_string(),
                    value: value.to_string(),
                    effect: effect.to_string(),
                })
                .collect(),
            ready: true,
            ..NodeFacts::default()
        })
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
}
