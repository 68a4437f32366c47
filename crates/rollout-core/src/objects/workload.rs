//! A workload as the server knows it: the fields that a rollout depends on, beside the whole object.

use std::fmt;

use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::objects::api_object::ApiObject;
use crate::objects::condition::{Condition, conditions};
use crate::objects::json::{count, int, text};
use crate::objects::kind::Kind;
use crate::objects::selector::selector;
use crate::objects::strategy::{Strategy, strategy};

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
    type Object = ApiObject;

    fn read(kind: Kind, object: ApiObject) -> Result<Workload, NotAWorkload> {
        Workload::from_object(kind, object.into())
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
}

fn desired(kind: Kind, object: &Value) -> u32 {
    match kind {
        Kind::Deployment | Kind::StatefulSet => count(object, "/spec/replicas").unwrap_or(1),
        Kind::DaemonSet => count(object, "/status/desiredNumberScheduled").unwrap_or(0),
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
