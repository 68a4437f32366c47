//! One revision of a workload, read from a ReplicaSet or a ControllerRevision of any of the three kinds.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::metadata::{RevisionMetadata, RevisionObject};
use crate::history::number::RevisionNumber;
use crate::history::select::NoRevision;
use crate::objects::json::{int, text};
use crate::objects::kind::Kind;
use crate::template::diff::change::Change;
use crate::template::{self, diff};

/// The annotation that carries the reason of a change.
pub const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// Pods of a revision by health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PodCount {
    /// All pods that are not on their way out.
    pub total: u32,
    /// Ready ones.
    pub ready: u32,
    /// Those ready for `minReadySeconds`.
    pub available: u32,
}

/// An equal revision that was folded into a newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The name of its object.
    pub name: String,
    /// That object's UID.
    pub uid: String,
    /// Its number.
    pub number: Option<RevisionNumber>,
}

/// One recorded revision of a workload: a ReplicaSet or a ControllerRevision.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Its number; absent where the object carries none that can be read.
    pub number: Option<RevisionNumber>,
    /// Numbers that it had before it came back, as far as they are recorded (Deployments only).
    pub former: Vec<RevisionNumber>,
    /// The name of the ReplicaSet or ControllerRevision.
    pub name: String,
    /// That object's UID.
    pub uid: String,
    /// The value of the label by which its pods name it.
    pub pod_label: String,
    /// When the object was created.
    pub created: Option<Timestamp>,
    /// Since when it carries its present number, as far as the API remembers (hazard H24).
    pub live_since: Option<Timestamp>,
    /// The reason given for it.
    pub change_cause: Option<String>,
    /// The pod template as recorded; absent where the data cannot be read.
    pub template: Option<Value>,
    /// Its pods.
    pub pods: PodCount,
    /// Equal revisions that were folded into this one.
    pub duplicates: Vec<Twin>,
    /// The nulls in the template as each of these objects records it, by object name: whether the controller finds the
    /// revision again depends on them (hazard H7). Empty for ReplicaSets, which are compared by meaning.
    pub nulls: Vec<(String, Vec<String>)>,
    /// The object as the server sent it, without the template.
    pub object: Value,
    /// What its metadata say of its numbers and times.
    pub(crate) record: RevisionMetadata,
    /// What templates that mean the same have in common, for that of this one.
    pub(crate) form: Option<u64>,
}

impl Revision {
    /// Reads a revision from a ReplicaSet or a ControllerRevision.
    pub fn from_object(kind: Kind, mut object: Value) -> Option<Revision> {
        let name = text(&object, "/metadata/name")?;
        let annotation = |key: &str| {
            object.pointer("/metadata/annotations").and_then(|all| all.get(key)).and_then(Value::as_str)
        };
        let record = RevisionMetadata::new(kind, RevisionObject::deserialize(&object).ok()?);
        let change_cause =
            annotation(CHANGE_CAUSE).map(str::to_string).or_else(|| cause_in_template(&object));
        let nulls = recorded_nulls(kind, &object);
        let template = template_of(kind, &mut object);
        Some(Revision {
            number: record.number,
            uid: text(&object, "/metadata/uid").unwrap_or_default(),
            pod_label: pod_label(kind, &object, &name),
            created: record.created,
            live_since: record.live_since(kind),
            former: record.former.clone(),
            record,
            change_cause,
            form: template.as_ref().map(template::fingerprint),
            template,
            pods: match kind {
                Kind::Deployment => replica_set_pods(&object),
                Kind::DaemonSet | Kind::StatefulSet => PodCount::default(),
            },
            duplicates: Vec::new(),
            nulls: nulls.map(|nulls| (name.clone(), nulls)).into_iter().collect(),
            name,
            object,
        })
    }

    /// Returns what it is called: its number, or its object's name where it has none.
    pub fn label(&self) -> String {
        RevisionNumber::or(self.number, &self.name)
    }

    /// Returns the recorded template, or says that it cannot be read.
    pub fn readable_template(&self) -> Result<&Value, NoRevision> {
        self.template.as_ref().ok_or_else(|| NoRevision::Corrupt { name: self.name.clone() })
    }

    /// Returns what it changed against another one; none where either cannot be read.
    pub fn changes_since(&self, before: &Revision) -> Option<Vec<Change>> {
        Some(diff::changes(before.template.as_ref()?, self.template.as_ref()?))
    }

    /// Tells whether a pod's label names this revision, or one that was folded into it.
    pub fn owns_label(&self, kind: Kind, label: &str) -> bool {
        self.object_of_label(kind, label).is_some()
    }

    /// Returns the name of the object that a pod's label names: this revision's, or one that was folded into it.
    pub fn object_of_label(&self, kind: Kind, label: &str) -> Option<&str> {
        if self.pod_label == label {
            return Some(&self.name);
        }
        let names = |name: &&str| match kind {
            Kind::StatefulSet => *name == label,
            Kind::DaemonSet | Kind::Deployment => {
                name.rsplit_once('-').is_some_and(|(_, hash)| hash == label)
            }
        };
        self.duplicates.iter().map(|twin| twin.name.as_str()).find(names)
    }
}

/// A kubectl peculiarity that users may rely on: a cause inside the template counts where the object has none.
fn cause_in_template(object: &Value) -> Option<String> {
    object.pointer("/spec/template/metadata/annotations")?.get(CHANGE_CAUSE)?.as_str().map(str::to_string)
}

/// Pods of a StatefulSet carry the name of the ControllerRevision, those of the other kinds the bare hash.
fn pod_label(kind: Kind, object: &Value, name: &str) -> String {
    let label =
        |key: &str| object.pointer("/metadata/labels").and_then(|all| all.get(key)).and_then(Value::as_str);
    match kind {
        Kind::Deployment => label(template::HASH_LABEL).unwrap_or_default().to_string(),
        Kind::DaemonSet => label("controller-revision-hash").unwrap_or_default().to_string(),
        Kind::StatefulSet => name.to_string(),
    }
}

fn recorded_nulls(kind: Kind, object: &Value) -> Option<Vec<String>> {
    match kind {
        Kind::Deployment => None,
        Kind::DaemonSet | Kind::StatefulSet => object.pointer("/data/spec/template").map(template::nulls),
    }
}

fn template_of(kind: Kind, object: &mut Value) -> Option<Value> {
    let pointer = match kind {
        Kind::Deployment => "/spec/template",
        Kind::DaemonSet | Kind::StatefulSet => "/data/spec/template",
    };
    let template = object.pointer_mut(pointer)?.take();
    template.pointer("/spec/containers").is_some().then(|| template::into_writable(template))
}

/// What a ReplicaSet is no longer asked for is on its way out, although its counters still have it for a moment.
fn replica_set_pods(object: &Value) -> PodCount {
    let asked = int(object, "/spec/replicas").unwrap_or(i64::MAX);
    let field = |name: &str| {
        let counted = int(object, &format!("/status/{name}")).unwrap_or(0);
        u32::try_from(counted.min(asked)).unwrap_or(0)
    };
    PodCount {
        total: field("replicas"),
        ready: field("readyReplicas"),
        available: field("availableReplicas"),
    }
}

/// What the pods prove of a revision; nothing else in the API tells whether it ever worked (hazard H10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It works.
    Works,
    /// It does not.
    Fails,
    /// Neither.
    None,
}

impl Proof {
    /// Returns it as documents spell it: whether it works, where that is known.
    pub fn works(self) -> Option<bool> {
        match self {
            Proof::Works => Some(true),
            Proof::Fails => Some(false),
            Proof::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::revision;
    use serde_json::json;

    #[test]
    fn pods_that_a_replica_set_is_no_longer_asked_for_do_not_count() {
        let mut old = revision(Kind::Deployment, 1, "app:1", "aaa");
        old["spec"]["replicas"] = json!(1);
        old["status"] = json!({"replicas": 3, "readyReplicas": 2, "availableReplicas": 0});
        let pods = Revision::from_object(Kind::Deployment, old).unwrap().pods;
        assert_eq!(pods, PodCount { total: 1, ready: 1, available: 0 });
    }
}
