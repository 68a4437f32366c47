//! A workload as the server knows it: the fields that a rollout depends on, beside the whole object.

use std::fmt;

use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::json::{int, list_len, text};
use crate::kind::Kind;
use crate::template;

/// What a workload is called, and which incarnation of that name it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkloadId {
    /// The kind.
    pub kind: Kind,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The UID: another object with the same name is another workload.
    pub uid: String,
}

impl WorkloadId {
    /// Returns the name with its resource and group as kubectl's success lines spell it, e.g. `daemonset.apps/web`.
    pub fn qualified(&self) -> String {
        format!("{}.apps/{}", self.kind.singular(), self.name)
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.singular(), self.name)
    }
}

/// A number of pods, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// That many pods.
    Count(u32),
    /// That many per cent of the pods.
    Percent(u32),
}

impl Amount {
    /// Reads an `IntOrString` of the API: a number, or a string such as `"25%"`.
    pub fn from_value(value: &Value) -> Option<Amount> {
        match value {
            Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()).map(Amount::Count),
            Value::String(text) => text.strip_suffix('%')?.parse().ok().map(Amount::Percent),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Resolves the amount against a total, rounded up.
    pub fn rounded_up(self, total: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            Amount::Percent(percent) => (u64::from(percent) * u64::from(total)).div_ceil(100) as u32,
        }
    }

    /// Resolves the amount against a total, rounded down.
    pub fn rounded_down(self, total: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            Amount::Percent(percent) => (u64::from(percent) * u64::from(total) / 100) as u32,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Amount::Count(count) => serializer.serialize_u32(*count),
            Amount::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Amount::from_value(&value).ok_or_else(|| de::Error::custom("neither a number nor a percentage"))
    }
}

/// How the controller replaces pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// A Deployment, or a DaemonSet, replaces pods within a budget.
    RollingUpdate {
        /// Pods that may be missing meanwhile.
        max_unavailable: Amount,
        /// Pods that may exist beyond the desired number meanwhile.
        max_surge: Amount,
    },
    /// A StatefulSet replaces the pods at and above the partition, from the highest ordinal down.
    Partitioned {
        /// How many pods, counted from the lowest ordinal, stay old.
        partition: u32,
        /// Pods that may be missing meanwhile; the server drops the field where its gate is off.
        max_unavailable: Option<Amount>,
    },
    /// The controller replaces a pod when somebody deletes it.
    OnDelete,
    /// All old pods go before the first new one comes.
    Recreate,
    /// A strategy that this program does not know.
    Other(String),
}

impl Strategy {
    /// Returns the type as the API spells it.
    pub fn name(&self) -> &str {
        match self {
            Strategy::RollingUpdate { .. } | Strategy::Partitioned { .. } => "RollingUpdate",
            Strategy::OnDelete => "OnDelete",
            Strategy::Recreate => "Recreate",
            Strategy::Other(name) => name,
        }
    }
}

/// What the controller last wrote about a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkloadStatus {
    /// The generation that the controller has acted upon.
    pub observed_generation: i64,
    /// Pods at the newest revision.
    pub updated: u32,
    /// Ready pods of any revision.
    pub ready: u32,
    /// Available pods of any revision.
    pub available: u32,
    /// Pods that exist.
    pub total: u32,
    /// A StatefulSet's revision that pods below the partition get: the name of a ControllerRevision.
    pub current_revision: Option<String>,
    /// A StatefulSet's newest revision: the name of a ControllerRevision.
    pub update_revision: Option<String>,
    /// A Deployment's conditions.
    pub conditions: Vec<Condition>,
}

/// One condition of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The type, e.g. `Progressing`.
    pub kind: String,
    /// Whether it holds.
    pub holds: bool,
    /// The reason in one word.
    pub reason: String,
    /// The controller's sentence.
    pub message: String,
    /// Since when it holds, or does not.
    pub since: Option<Timestamp>,
}

impl Condition {
    /// Tells whether its sentence names a ReplicaSet: a missed deadline lingers after an undo (hazard H22).
    pub fn names(&self, replica_set: &str) -> bool {
        self.message.contains(&format!("\"{replica_set}\""))
    }
}

/// A Deployment, DaemonSet or StatefulSet.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name and incarnation.
    pub id: WorkloadId,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether somebody has asked for its end: its controller does nothing for it any more.
    pub deleting: bool,
    /// The generation of the specification.
    pub generation: i64,
    /// The number of pods asked for; a DaemonSet's is what its controller counted.
    pub desired: u32,
    /// How pods are replaced.
    pub strategy: Strategy,
    /// Whether a Deployment is paused.
    pub paused: bool,
    /// Whether a StatefulSet creates and deletes pods in parallel.
    pub parallel: bool,
    /// The lowest ordinal of a StatefulSet.
    pub first_ordinal: u32,
    /// Seconds that a pod must be ready before it counts as available.
    pub min_ready_seconds: u32,
    /// How many old revisions are kept.
    pub history_limit: u32,
    /// The label selector of its pods, as a query.
    pub selector: String,
    /// What the controller last wrote.
    pub status: WorkloadStatus,
    /// The whole object as the server sent it: fields unknown here survive in it.
    pub object: Value,
}

/// Why an object is not a workload that rolls out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} with a name, a UID and a pod template")]
pub struct NotAWorkload {
    kind: Kind,
}

/// What a workload is read into: all of it, or an outline.
pub trait ReadAs: Sized {
    /// The fields of the server's object that are needed.
    type Object: DeserializeOwned;

    /// Reads it from the object of a kind.
    fn read(kind: Kind, object: Self::Object) -> Result<Self, NotAWorkload>;
}

impl ReadAs for Workload {
    type Object = Value;

    fn read(kind: Kind, object: Value) -> Result<Workload, NotAWorkload> {
        Workload::from_object(kind, object)
    }
}

impl Workload {
    /// Reads a workload from the object that the server sent.
    pub fn from_object(kind: Kind, object: Value) -> Result<Workload, NotAWorkload> {
        let name = text(&object, "/metadata/name").ok_or(NotAWorkload { kind })?;
        let uid = text(&object, "/metadata/uid").ok_or(NotAWorkload { kind })?;
        object.pointer("/spec/template").ok_or(NotAWorkload { kind })?;
        let namespace = text(&object, "/metadata/namespace").unwrap_or_default();
        Ok(Workload {
            id: WorkloadId { kind, namespace, name, uid },
            created: text(&object, "/metadata/creationTimestamp").and_then(|at| at.parse().ok()),
            deleting: text(&object, "/metadata/deletionTimestamp").is_some(),
            generation: int(&object, "/metadata/generation").unwrap_or(0),
            desired: desired(kind, &object),
            strategy: strategy(kind, &object),
            paused: object.pointer("/spec/paused").and_then(Value::as_bool).unwrap_or(false),
            parallel: text(&object, "/spec/podManagementPolicy").as_deref() == Some("Parallel"),
            first_ordinal: count(&object, "/spec/ordinals/start").unwrap_or(0),
            min_ready_seconds: count(&object, "/spec/minReadySeconds").unwrap_or(0),
            history_limit: count(&object, "/spec/revisionHistoryLimit").unwrap_or(10),
            selector: selector(&object),
            status: status(kind, &object),
            object,
        })
    }

    /// Tells whether some of a DaemonSet's pods are on nodes that no longer want them.
    pub fn has_unwanted(&self) -> bool {
        self.unwanted() > 0
    }

    /// Returns how many of a DaemonSet's pods are on nodes that no longer want them. A taint without `NoExecute` leaves them
    /// there, and the controller counts them apart (pkg/controller/daemon/daemon_controller.go, `updateDaemonSetStatus`).
    pub(crate) fn unwanted(&self) -> u32 {
        match self.id.kind {
            Kind::DaemonSet => count(&self.object, "/status/numberMisscheduled").unwrap_or(0),
            Kind::Deployment | Kind::StatefulSet => 0,
        }
    }

    /// Returns when somebody wrote it last: neither a status nor another subresource counts.
    pub fn changed(&self) -> Option<Timestamp> {
        let entries = self.object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let own = entries.into_iter().flatten().filter(|entry| entry.get("subresource").is_none());
        let times = own.filter_map(|entry| entry["time"].as_str()?.parse().ok());
        times.chain(self.created).max()
    }

    /// Returns the pod template as the server sent it.
    pub fn template(&self) -> &Value {
        self.object.pointer("/spec/template").unwrap_or(&Value::Null)
    }

    /// Tells whether the controller has acted upon the newest specification.
    pub fn observed(&self) -> bool {
        self.status.observed_generation >= self.generation
            && (self.id.kind != Kind::StatefulSet || self.status.update_revision.is_some())
    }

    /// Returns an annotation of the workload.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.object.pointer("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Returns how many pods, from the lowest ordinal up, the partition keeps old; 0 where there is none.
    pub fn partition(&self) -> u32 {
        match &self.strategy {
            Strategy::Partitioned { partition, .. } => *partition,
            Strategy::RollingUpdate { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => {
                0
            }
        }
    }

    /// Returns the images of the live template, by container.
    pub fn images(&self) -> Vec<(String, String)> {
        template::images(self.template())
    }
}

fn count(object: &Value, pointer: &str) -> Option<u32> {
    int(object, pointer).map(|n| u32::try_from(n.max(0)).unwrap_or(u32::MAX))
}

fn desired(kind: Kind, object: &Value) -> u32 {
    match kind {
        Kind::Deployment | Kind::StatefulSet => count(object, "/spec/replicas").unwrap_or(1),
        Kind::DaemonSet => count(object, "/status/desiredNumberScheduled").unwrap_or(0),
    }
}

fn strategy(kind: Kind, object: &Value) -> Strategy {
    let root = match kind {
        Kind::Deployment => "/spec/strategy",
        Kind::DaemonSet | Kind::StatefulSet => "/spec/updateStrategy",
    };
    let amount =
        |field: &str| object.pointer(&format!("{root}/rollingUpdate/{field}")).and_then(Amount::from_value);
    let default = match kind {
        Kind::Deployment => Amount::Percent(25),
        Kind::DaemonSet | Kind::StatefulSet => Amount::Count(1),
    };
    let surge = match kind {
        Kind::Deployment => Amount::Percent(25),
        Kind::DaemonSet | Kind::StatefulSet => Amount::Count(0),
    };
    match (text(object, &format!("{root}/type")).as_deref().unwrap_or("RollingUpdate"), kind) {
        ("RollingUpdate", Kind::StatefulSet) => Strategy::Partitioned {
            partition: count(object, &format!("{root}/rollingUpdate/partition")).unwrap_or(0),
            max_unavailable: amount("maxUnavailable"),
        },
        ("RollingUpdate", Kind::Deployment | Kind::DaemonSet) => Strategy::RollingUpdate {
            max_unavailable: amount("maxUnavailable").unwrap_or(default),
            max_surge: amount("maxSurge").unwrap_or(surge),
        },
        ("OnDelete", _) => Strategy::OnDelete,
        ("Recreate", _) => Strategy::Recreate,
        (other, _) => Strategy::Other(other.to_string()),
    }
}

fn status(kind: Kind, object: &Value) -> WorkloadStatus {
    let field = |name: &str| count(object, &format!("/status/{name}")).unwrap_or(0);
    let (updated, ready, available, total) = match kind {
        Kind::Deployment | Kind::StatefulSet => {
            ("updatedReplicas", "readyReplicas", "availableReplicas", "replicas")
        }
        Kind::DaemonSet => {
            ("updatedNumberScheduled", "numberReady", "numberAvailable", "currentNumberScheduled")
        }
    };
    WorkloadStatus {
        observed_generation: int(object, "/status/observedGeneration").unwrap_or(0),
        updated: field(updated),
        ready: field(ready),
        available: field(available),
        total: field(total),
        current_revision: text(object, "/status/currentRevision"),
        update_revision: text(object, "/status/updateRevision"),
        conditions: conditions(object),
    }
}

/// Reads the conditions of an object that has some.
pub(crate) fn conditions(object: &Value) -> Vec<Condition> {
    let field = |condition: &Value, name: &str| text(condition, &format!("/{name}")).unwrap_or_default();
    (0..list_len(object, "/status/conditions"))
        .filter_map(|index| object.pointer(&format!("/status/conditions/{index}")))
        .map(|condition| Condition {
            kind: field(condition, "type"),
            holds: field(condition, "status") == "True",
            reason: field(condition, "reason"),
            message: field(condition, "message"),
            since: field(condition, "lastTransitionTime").parse().ok(),
        })
        .collect()
}

/// Writes `spec.selector` as the query of a list request (`a=b,c in (d,e),!f`).
fn selector(object: &Value) -> String {
    let mut terms = Vec::new();
    if let Some(labels) = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object) {
        terms.extend(
            labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())),
        );
    }
    let expressions = object.pointer("/spec/selector/matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let key = text(expression, "/key").unwrap_or_default();
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        terms.push(match text(expression, "/operator").unwrap_or_default().as_str() {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key,
        });
    }
    terms.join(",")
}
