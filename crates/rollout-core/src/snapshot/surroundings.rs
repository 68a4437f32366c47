//! What is around a workload and takes part in a change of its template: autoscalers, disruption budgets, quotas, and the
//! objects that the template names. Facts as values; what they mean is said by [`crate::plan::warnings`].

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::objects::json::{int, text};
use crate::objects::quantity::Quantity;
use crate::objects::selector::{Requirement, selects};
use crate::objects::strategy::Amount;
use crate::objects::workload::Workload;
use crate::template::references::Reference;
use crate::template::resources;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// The autoscalers of the namespace.
    pub autoscalers: Vec<Autoscaler>,
    /// The disruption budgets of the namespace.
    pub budgets: Vec<Budget>,
    /// The quotas of the namespace.
    pub quotas: Vec<Quota>,
    /// The objects that the new template names, as far as they could be looked at.
    pub references: Vec<(Reference, Presence)>,
    /// What could not be looked at, in words: it is not known to be fine.
    pub hidden: Vec<String>,
}

/// Whether an object that a template names is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is none of that name.
    Gone,
    /// There is one.
    There {
        /// When somebody changed it last, or created it.
        changed: Option<Timestamp>,
        /// The keys of its data; absent where the server does not keep track of them.
        keys: Option<BTreeSet<String>>,
    },
}

impl Presence {
    /// Reads the metadata of an object. Its keys are those that somebody manages: the server keeps each in `managedFields`
    /// until it is gone (k8s.io/apimachinery/pkg/util/managedfields), so that no Secret has to be read itself.
    pub fn of_metadata(object: &Value) -> Presence {
        let fields = || {
            let all = object.pointer("/metadata/managedFields").and_then(Value::as_array);
            all.into_iter().flatten().filter(|entry| entry.get("subresource").is_none())
        };
        let time = |value: &Value, pointer: &str| text(value, pointer)?.parse().ok();
        let created = time(object, "/metadata/creationTimestamp");
        let mut keys = BTreeSet::new();
        for data in
            fields().flat_map(|entry| [&entry["fieldsV1"]["f:data"], &entry["fieldsV1"]["f:binaryData"]])
        {
            let named = data.as_object().into_iter().flatten().filter_map(|(key, _)| key.strip_prefix("f:"));
            keys.extend(named.map(str::to_string));
        }
        Presence::There {
            changed: fields().filter_map(|entry| time(entry, "/time")).chain(created).max(),
            keys: fields().next().is_some().then_some(keys),
        }
    }
}

/// A HorizontalPodAutoscaler (`autoscaling/v2`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaler {
    /// Its name.
    pub name: String,
    /// The kind and name of what it scales; absent where that is no workload of `apps`.
    pub scales: Option<(String, String)>,
    /// The fewest pods.
    pub min: u32,
    /// The most pods.
    pub max: u32,
}

impl Autoscaler {
    /// Reads one from the object that the server sent.
    pub fn from_object(object: &Value) -> Option<Autoscaler> {
        let target = object.pointer("/spec/scaleTargetRef")?;
        let of_apps = text(target, "/apiVersion").is_some_and(|version| version.starts_with("apps/"));
        Some(Autoscaler {
            name: text(object, "/metadata/name")?,
            scales: text(target, "/kind").zip(text(target, "/name")).filter(|_| of_apps),
            min: count(object, "/spec/minReplicas").unwrap_or(1),
            max: count(object, "/spec/maxReplicas")?,
        })
    }

    /// Tells whether it scales a workload.
    pub fn is_of(&self, workload: &Workload) -> bool {
        let (kind, name) = (workload.id.kind.name(), workload.id.name.as_str());
        self.scales.as_ref().is_some_and(|(of, called)| of == kind && called == name)
    }
}

/// A PodDisruptionBudget (`policy/v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// `spec.minAvailable`.
    pub min_available: Option<Amount>,
    /// `spec.maxUnavailable`.
    pub max_unavailable: Option<Amount>,
    /// `spec.selector`; without one it covers no pod.
    pub selector: Option<Value>,
    /// The pods that it covers, as its controller counted them.
    pub expected: u32,
    /// The healthy ones of them.
    pub healthy: u32,
    /// Why its controller cannot count them, if so (`pkg/controller/disruption`: the condition `DisruptionAllowed` with the
    /// reason `SyncFailed`).
    pub failed_sync: Option<String>,
}

impl Budget {
    /// Reads one from the object that the server sent.
    pub fn from_object(object: &Value) -> Option<Budget> {
        let amount = |field: &str| object.pointer(field).and_then(Amount::from_value);
        let conditions =
            || object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let failed =
            conditions().find(|it| it["type"] == "DisruptionAllowed" && it["reason"] == "SyncFailed");
        Some(Budget {
            name: text(object, "/metadata/name")?,
            min_available: amount("/spec/minAvailable"),
            max_unavailable: amount("/spec/maxUnavailable"),
            selector: object.pointer("/spec/selector").cloned(),
            expected: count(object, "/status/expectedPods").unwrap_or(0),
            healthy: count(object, "/status/currentHealthy").unwrap_or(0),
            failed_sync: failed.and_then(|it| text(it, "/message")),
        })
    }

    /// Tells whether it covers pods with these labels.
    pub fn covers(&self, labels: &Value) -> bool {
        self.selector.as_ref().is_some_and(|selector| selects(selector, labels))
    }

    /// Returns how many of so many pods must be healthy (kubernetes `pkg/controller/disruption`: percentages are rounded up).
    pub fn asks(&self, pods: u32) -> u32 {
        match (self.min_available, self.max_unavailable) {
            (Some(min), _) => min.rounded_up(pods),
            (None, Some(max)) => pods.saturating_sub(max.rounded_up(pods)),
            (None, None) => 0,
        }
    }
}

/// A ResourceQuota.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// Its name.
    pub name: String,
    /// What is left of each resource that it limits.
    pub left: BTreeMap<String, Quantity>,
    /// The scopes of `spec.scopes` and `spec.scopeSelector`, each as an expression.
    pub scopes: Vec<Value>,
}

impl Quota {
    /// Reads one from the object that the server sent.
    pub fn from_object(object: &Value) -> Option<Quota> {
        let amounts = |pointer: &str| object.pointer(pointer).and_then(Value::as_object);
        let used = |name: &str| {
            amounts("/status/used")
                .and_then(|used| used.get(name))
                .and_then(Quantity::from_value)
                .unwrap_or_default()
        };
        let hard = amounts("/status/hard").or_else(|| amounts("/spec/hard"));
        let left = hard
            .into_iter()
            .flatten()
            .filter_map(|(name, hard)| Some((name.clone(), Quantity::from_value(hard)?.less(used(name)))));
        let named = object.pointer("/spec/scopes").and_then(Value::as_array).into_iter().flatten();
        let chosen = object.pointer("/spec/scopeSelector/matchExpressions").and_then(Value::as_array);
        Some(Quota {
            name: text(object, "/metadata/name")?,
            left: left.collect(),
            scopes: named
                .map(|scope| serde_json::json!({"scopeName": scope, "operator": "Exists"}))
                .chain(chosen.into_iter().flatten().cloned())
                .collect(),
        })
    }

    /// Tells whether it counts the pods of a template (kubernetes `pkg/quota/v1/evaluator/core/pods.go`); one with a scope
    /// that is unknown here is taken for one that does not.
    pub fn counts(&self, template: &Value) -> bool {
        self.scopes.iter().all(|scope| in_scope(scope, template))
    }
}

fn in_scope(scope: &Value, template: &Value) -> bool {
    let spec = &template["spec"];
    let terminating = spec["activeDeadlineSeconds"].is_number();
    let best_effort =
        resources::of(template).keys().all(|name| !name.ends_with("cpu") && !name.ends_with("memory"));
    match scope["scopeName"].as_str().unwrap_or_default() {
        "Terminating" => terminating,
        "NotTerminating" => !terminating,
        "BestEffort" => best_effort,
        "NotBestEffort" => !best_effort,
        "PriorityClass" => Requirement::from_value(scope).holds(spec["priorityClassName"].as_str()),
        _ => false,
    }
}

fn count(object: &Value, pointer: &str) -> Option<u32> {
    int(object, pointer).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::kind::Kind;
    use serde_json::json;

    #[test]
    fn a_selector_reads_labels_as_the_api_does() {
        let labels = json!({"app": "web", "tier": "front"});
        for (selector, covered) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "db"}}), false),
            (
                json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front", "back"]}]}),
                true,
            ),
            (json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}]}), false),
            (json!({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["front"]}]}), true),
            (json!({"matchExpressions": [{"key": "none", "operator": "Exists"}]}), false),
            (json!({"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}), true),
        ] {
            let budget =
                Budget::from_object(&json!({"metadata": {"name": "b"}, "spec": {"selector": selector}}));
            assert_eq!(budget.unwrap().covers(&labels), covered, "{selector}");
        }
        let without = Budget::from_object(&json!({"metadata": {"name": "b"}, "spec": {}})).unwrap();
        assert!(!without.covers(&labels));
    }

    #[test]
    fn a_budget_rounds_up_as_its_controller_does() {
        let asks = |spec: Value| {
            Budget::from_object(&json!({"metadata": {"name": "b"}, "spec": spec})).unwrap().asks(5)
        };
        assert_eq!(asks(json!({"minAvailable": 3})), 3);
        assert_eq!(asks(json!({"minAvailable": "50%"})), 3);
        assert_eq!(asks(json!({"maxUnavailable": "50%"})), 2);
        assert_eq!(asks(json!({})), 0);
    }

    #[test]
    fn the_keys_and_the_time_of_an_object_are_those_that_the_server_keeps_track_of() {
        let object = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [
            {"time": "2026-01-01T00:00:05Z", "fieldsV1": {"f:data": {".": {}, "f:a": {}}}},
            {"time": "2026-01-01T00:00:07Z", "fieldsV1": {"f:binaryData": {"f:b": {}}, "f:metadata": {"f:labels": {}}}},
            {"time": "2026-01-01T00:00:09Z", "subresource": "status", "fieldsV1": {}}]}});
        let keys = ["a", "b"].map(str::to_string);
        assert_eq!(
            Presence::of_metadata(&object),
            Presence::There {
                changed: "2026-01-01T00:00:07Z".parse().ok(),
                keys: Some(keys.into_iter().collect())
            }
        );
        let untracked =
            Presence::of_metadata(&json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}));
        assert_eq!(untracked, Presence::There { changed: "2026-01-01T00:00:00Z".parse().ok(), keys: None });
    }

    #[test]
    fn an_autoscaler_is_of_the_workload_that_it_names() {
        let of = |target: Value| {
            let object =
                json!({"metadata": {"name": "h"}, "spec": {"scaleTargetRef": target, "maxReplicas": 5}});
            let kind = Kind::StatefulSet;
            let workload =
                Workload::from_object(kind, crate::fixture::workload(kind, "app:1", json!({}))).unwrap();
            Autoscaler::from_object(&object).unwrap().is_of(&workload)
        };
        assert!(of(json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"})));
        assert!(!of(json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"})));
        assert!(!of(json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"})));
        assert!(!of(json!({"apiVersion": "example.com/v1", "kind": "StatefulSet", "name": "web"})));
    }

    #[test]
    fn a_quota_counts_the_pods_of_its_scopes() {
        let counts = |spec: Value, template: Value| {
            Quota::from_object(&json!({"metadata": {"name": "q"}, "spec": spec})).unwrap().counts(&template)
        };
        let plain = json!({"spec": {"containers": [{"name": "a"}], "priorityClassName": "high"}});
        let sized = json!({"spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}}]}});
        let class = |operator: &str| {
            json!({"scopeSelector": {"matchExpressions": [
                {"scopeName": "PriorityClass", "operator": operator, "values": ["high"]}]}})
        };
        assert!(counts(json!({}), plain.clone()));
        assert!(counts(json!({"scopes": ["BestEffort", "NotTerminating"]}), plain.clone()));
        assert!(!counts(json!({"scopes": ["BestEffort"]}), sized.clone()));
        assert!(counts(json!({"scopes": ["NotBestEffort"]}), sized.clone()));
        assert!(!counts(json!({"scopes": ["Terminating"]}), sized.clone()));
        assert!(counts(class("In"), plain.clone()) && !counts(class("In"), sized.clone()));
        assert!(counts(class("NotIn"), sized) && !counts(class("NotIn"), plain));
    }
}
