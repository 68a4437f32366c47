//! What the metadata of a ReplicaSet or ControllerRevision say of a revision: its numbers and times, without its template.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

use crate::kind::Kind;
use crate::revision::{REVISION, RevisionNumber};

/// The Deployment controller drops the oldest former numbers beyond this length
/// (pkg/controller/deployment/util/deployment_util.go, `maxRevHistoryLengthInChars`).
const FORMER_LENGTH: usize = 2000;

/// The fields of a ReplicaSet or ControllerRevision that a [`Record`] is read from; all others are skipped unread.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordObject {
    metadata: Metadata,
    #[serde(default)]
    revision: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    namespace: String,
    owner_references: Vec<Owner>,
    annotations: Option<Numbers>,
    creation_timestamp: Option<String>,
    managed_fields: Vec<Managed>,
}

#[derive(Clone, Debug, Deserialize)]
struct Owner {
    #[serde(default)]
    controller: bool,
    #[serde(default)]
    uid: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Numbers {
    #[serde(rename = "deployment.kubernetes.io/revision")]
    revision: Option<String>,
    #[serde(rename = "deployment.kubernetes.io/revision-history")]
    former: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Managed {
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    subresource: Option<IgnoredAny>,
    #[serde(default)]
    fields_v1: Fields,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(rename = "f:revision")]
    revision: Option<IgnoredAny>,
    #[serde(rename = "f:metadata")]
    metadata: FieldsOfMetadata,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct FieldsOfMetadata {
    #[serde(rename = "f:annotations")]
    annotations: BTreeMap<String, IgnoredAny>,
}

/// The numbers and times of a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The name of the ReplicaSet or ControllerRevision.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The UID of the workload that controls it.
    pub owner: Option<String>,
    /// Its number; absent where the object carries none that can be read.
    pub number: Option<RevisionNumber>,
    /// Numbers that it had before it came back, as far as they are recorded (ReplicaSets only).
    pub former: Vec<RevisionNumber>,
    /// Whether the oldest of the former numbers may have been dropped.
    pub former_cut: bool,
    /// When the object was created.
    pub created: Option<Timestamp>,
    /// When its controller last changed it. Of a ControllerRevision that is its last renumbering or its creation; a
    /// ReplicaSet is also changed by a scale (hazard H24).
    pub touched: Option<Timestamp>,
}

impl Record {
    /// Reads a record from the object of a kind's revisions.
    pub fn new(kind: Kind, object: RecordObject) -> Record {
        let RecordObject { metadata, revision } = object;
        let Metadata { name, namespace, owner_references, annotations, creation_timestamp, managed_fields } =
            metadata;
        let Numbers { revision: annotated, former } = annotations.unwrap_or_default();
        let former = former.unwrap_or_default();
        let number: Option<u64> = match kind {
            Kind::Deployment => annotated.and_then(|number| number.parse().ok()),
            Kind::DaemonSet | Kind::StatefulSet => revision.and_then(|number| number.try_into().ok()),
        };
        Record {
            name,
            namespace,
            owner: owner_references.into_iter().find(|owner| owner.controller).map(|owner| owner.uid),
            number: number.and_then(RevisionNumber::new),
            former_cut: former.len() + LONGEST_NUMBER > FORMER_LENGTH,
            former: numbers(&former),
            created: creation_timestamp.and_then(|at| at.parse().ok()),
            touched: touched(&managed_fields),
        }
    }

    /// Since when the revision carries its present number, as far as the API remembers (hazard H24).
    pub fn live_since(&self, kind: Kind) -> Option<Timestamp> {
        match kind {
            // A scale changes a ReplicaSet's time too, so it says something only of one that came back.
            Kind::Deployment if self.former.is_empty() => self.created,
            Kind::Deployment | Kind::DaemonSet | Kind::StatefulSet => self.touched.or(self.created),
        }
    }
}

/// The digits of the largest number, with a comma.
const LONGEST_NUMBER: usize = 20;

fn numbers(list: &str) -> Vec<RevisionNumber> {
    list.split(',').filter_map(|number| number.trim().parse().ok().and_then(RevisionNumber::new)).collect()
}

/// The time of the last change of the set of fields that holds the number: whoever numbers revisions owns it.
fn touched(entries: &[Managed]) -> Option<Timestamp> {
    entries
        .iter()
        .filter(|entry| entry.subresource.is_none())
        .filter(|entry| {
            entry.fields_v1.revision.is_some()
                || entry.fields_v1.metadata.annotations.contains_key(&format!("f:{REVISION}"))
        })
        .filter_map(|entry| entry.time.as_deref()?.parse().ok())
        .max()
}

/// A revision was live before the next one was: a later time is that of a scale, which changes a ReplicaSet too (hazard
/// H24). The times come newest revision first.
pub(crate) fn cap<'a>(newest_first: impl Iterator<Item = &'a mut Option<Timestamp>>) {
    let mut next: Option<Timestamp> = None;
    for since in newest_first {
        if let (Some(own), Some(limit)) = (*since, next) {
            *since = Some(own.min(limit));
        }
        next = since.or(next);
    }
}
