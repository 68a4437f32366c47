//! What the metadata of a ReplicaSet or ControllerRevision say of a revision: its numbers and times, without its template.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::history::number::{REVISION, RevisionNumber};
use crate::objects::kind::Kind;

/// The Deployment controller drops the oldest former numbers beyond this length
/// (pkg/controller/deployment/sync.go, `maxRevHistoryLengthInChars`).
const FORMER_LENGTH: usize = 2000;

/// The fields of a ReplicaSet or ControllerRevision that a [`RevisionMetadata`] is read from; all others are skipped unread.
#[derive(Clone, Debug, Deserialize)]
pub struct RevisionObject {
    metadata: Metadata,
    #[serde(default)]
    revision: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    uid: String,
    resource_version: String,
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
pub(crate) struct Managed {
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

impl Managed {
    /// Tells whether it is of the fields that hold the number.
    pub(crate) fn numbers(&self) -> bool {
        let Fields { revision, metadata } = &self.fields_v1;
        let annotated = || metadata.annotations.contains_key(&format!("f:{REVISION}"));
        self.subresource.is_none() && (revision.is_some() || annotated())
    }

    /// Returns it with its time, and the number as the only one of its fields.
    pub(crate) fn short(&self) -> Value {
        json!({ "time": self.time, "fieldsV1": { "f:revision": {} } })
    }
}

impl RevisionObject {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Returns its UID.
    pub fn uid(&self) -> &str {
        &self.metadata.uid
    }

    /// Returns the UID of the workload that controls it.
    pub fn owner(&self) -> Option<&str> {
        let owner = self.metadata.owner_references.iter().find(|owner| owner.controller)?;
        Some(&owner.uid)
    }

    /// Returns the version of the object, from which a watch carries on.
    pub fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// The numbers and times of a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevisionMetadata {
    /// The name of the ReplicaSet or ControllerRevision.
    pub name: String,
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

impl RevisionMetadata {
    /// Reads a record from the object of a kind's revisions.
    pub fn new(kind: Kind, object: RevisionObject) -> RevisionMetadata {
        let RevisionObject { metadata, revision } = object;
        let Metadata {
            name,
            uid: _,
            resource_version: _,
            owner_references,
            annotations,
            creation_timestamp,
            managed_fields,
        } = metadata;
        let Numbers { revision: annotated, former } = annotations.unwrap_or_default();
        let former = former.unwrap_or_default();
        let number: Option<u64> = match kind {
            Kind::Deployment => annotated.and_then(|number| number.parse().ok()),
            Kind::DaemonSet | Kind::StatefulSet => revision.and_then(|number| number.try_into().ok()),
        };
        RevisionMetadata {
            name,
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
    let numbering = entries.iter().filter(|entry| entry.numbers());
    numbering.filter_map(|entry| entry.time.as_deref()?.parse().ok()).max()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, object: Value) -> RevisionMetadata {
        RevisionMetadata::new(kind, serde_json::from_value(object).unwrap())
    }

    fn at(second: u32) -> Option<Timestamp> {
        format!("2026-01-01T00:00:{second:02}Z").parse().ok()
    }

    fn managed(second: u32, fields: Value) -> Value {
        json!({"manager": "kube-controller-manager", "time": at(second), "fieldsV1": fields})
    }

    fn replica_set() -> Value {
        let numbers = json!({"f:metadata": {"f:annotations": {".": {}, format!("f:{REVISION}"): {}}}});
        let mut status = managed(9, numbers.clone());
        status["subresource"] = json!("status");
        json!({"metadata": {
            "name": "web-aaa", "creationTimestamp": at(1),
            "ownerReferences": [{"uid": "other"}, {"uid": "uid-web", "controller": true}],
            "annotations": {REVISION: "4", "deployment.kubernetes.io/revision-history": "1,3", "note": "x"},
            "managedFields": [managed(7, numbers), managed(8, json!({"f:spec": {}})), status],
        }})
    }

    #[test]
    fn a_replica_set_is_read_from_its_metadata() {
        let record = read(Kind::Deployment, replica_set());
        assert_eq!((&*record.name, record.owner.as_deref()), ("web-aaa", Some("uid-web")));
        assert_eq!((record.number, record.former.len()), (RevisionNumber::new(4), 2));
        assert_eq!((record.created, record.touched, record.former_cut), (at(1), at(7), false));
        assert_eq!(record.live_since(Kind::Deployment), at(7));
    }

    #[test]
    fn a_replica_set_that_never_came_back_is_live_since_its_creation() {
        let mut object = replica_set();
        object["metadata"]["annotations"] = json!({REVISION: "4"});
        assert_eq!(read(Kind::Deployment, object).live_since(Kind::Deployment), at(1));
        let mut bare = replica_set();
        bare["metadata"]["annotations"] = Value::Null;
        assert_eq!(read(Kind::Deployment, bare).number, None);
    }

    #[test]
    fn a_controller_revision_has_its_number_beside_its_metadata() {
        let record = read(
            Kind::DaemonSet,
            json!({"revision": 3, "data": {"spec": {}}, "metadata": {"name": "web-aaa", "creationTimestamp": at(1),
                "managedFields": [managed(5, json!({"f:revision": {}, "f:data": {}}))]}}),
        );
        assert_eq!((record.number, record.live_since(Kind::DaemonSet)), (RevisionNumber::new(3), at(5)));
    }

    #[test]
    fn a_list_of_former_numbers_that_is_full_may_lack_the_first() {
        let with = |length: usize| {
            let mut object = replica_set();
            object["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] =
                json!("1,".repeat(length / 2));
            read(Kind::Deployment, object).former_cut
        };
        assert_eq!([100, 1_000, 1_990, 2_000].map(with), [false, false, true, true]);
    }
}
