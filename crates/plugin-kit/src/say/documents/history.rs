//! `History`: the revisions of a workload.

use k8s_openapi::jiff::Timestamp;
use rollout_core::history::PodCount;
use rollout_core::judge::{Progress, State};
use rollout_core::template::diff::Change;
use rollout_core::{Kind, RevisionNumber, Snapshot, template, words};
use serde::Serialize;
use serde_json::Value;
use serde_with::skip_serializing_none;

use crate::call::document::{Body, as_map, seconds};

/// The revisions of a workload, oldest first.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct History<'a> {
    /// The revisions.
    revisions: Vec<Revision<'a>>,
}

/// One revision.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Revision<'a> {
    /// Its number; absent where the object carries none that can be read.
    revision: Option<RevisionNumber>,
    /// Numbers that it had before it came back.
    former_revisions: &'a [RevisionNumber],
    /// Its state.
    state: RevisionState,
    /// Whether it is known to have worked; absent where nobody can know.
    good: Option<bool>,
    /// The object that records it.
    object: Object<'a>,
    /// Objects that record the same template once more.
    duplicates: Option<Vec<Duplicate<'a>>>,
    /// When its object was made.
    creation_timestamp: Option<Timestamp>,
    /// When it went live last, as far as the API remembers.
    live_since: Option<Timestamp>,
    /// The annotation `kubernetes.io/change-cause`.
    change_cause: Option<&'a str>,
    /// Who last wrote the pod template; known of the current revision only.
    manager: Option<String>,
    /// The images, by container.
    #[serde(serialize_with = "as_map")]
    #[cfg_attr(feature = "schema", schemars(with = "std::collections::BTreeMap<String, String>"))]
    images: Vec<(String, String)>,
    /// Its pods.
    pods: PodCount,
    /// What differs from the revision before; absent of the oldest one.
    changes: Option<Vec<Change>>,
    /// The pod template; with `--revision` only.
    template: Option<&'a Value>,
}

/// What records a revision.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RevisionObject"))]
struct Object<'a> {
    /// Its kind.
    kind: ObjectKind,
    /// Its name.
    name: &'a str,
}

/// The kinds that record revisions.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RevisionObjectKind"))]
enum ObjectKind {
    /// Those of a Deployment.
    ReplicaSet,
    /// Those of a DaemonSet or a StatefulSet.
    ControllerRevision,
}

words! {
    /// The state of a revision.
    pub enum RevisionState {
        /// It is rolled out.
        Current = "current",
        /// It is being rolled out.
        Updating = "updating",
        /// Another one is newer.
        Old = "old",
    }
}

/// What records the same once more.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Duplicate<'a> {
    /// The name of its object.
    name: &'a str,
    /// Its number; absent where it carries none that can be read.
    revision: Option<RevisionNumber>,
}

impl Body for History<'_> {
    const KIND: &'static str = "History";
}

impl<'a> History<'a> {
    /// All revisions that are kept.
    pub fn of(snapshot: &'a Snapshot, progress: &Progress) -> History<'a> {
        let revisions = snapshot.history.iter().map(|it| Revision::of(snapshot, it, progress)).collect();
        History { revisions }
    }

    /// One revision, with its template.
    pub fn of_one(
        snapshot: &'a Snapshot,
        revision: &'a rollout_core::Revision,
        progress: &Progress,
    ) -> History<'a> {
        let template = revision.template.as_ref();
        History { revisions: vec![Revision { template, ..Revision::of(snapshot, revision, progress) }] }
    }
}

impl<'a> Revision<'a> {
    fn of(snapshot: &'a Snapshot, revision: &'a rollout_core::Revision, progress: &Progress) -> Revision<'a> {
        let history = &snapshot.history;
        let kind = match snapshot.workload.id.kind {
            Kind::Deployment => ObjectKind::ReplicaSet,
            Kind::DaemonSet | Kind::StatefulSet => ObjectKind::ControllerRevision,
        };
        let twin = |it: &'a rollout_core::history::Twin| Duplicate { name: &it.name, revision: it.number };
        let duplicates: Vec<Duplicate<'_>> = revision.duplicates.iter().map(twin).collect();
        Revision {
            revision: revision.number,
            former_revisions: &revision.former,
            state: revision_state(history, revision, progress),
            good: history.proof(revision).works(),
            object: Object { kind, name: &revision.name },
            duplicates: (!duplicates.is_empty()).then_some(duplicates),
            creation_timestamp: seconds(revision.created),
            live_since: seconds(revision.live_since),
            change_cause: revision.change_cause.as_deref(),
            manager: manager(snapshot, revision),
            images: revision.template.as_ref().map(template::images).unwrap_or_default(),
            pods: revision.pods,
            changes: history.changes(revision),
            template: None,
        }
    }
}

/// Returns the state of a revision.
pub fn revision_state(
    history: &rollout_core::History,
    revision: &rollout_core::Revision,
    progress: &Progress,
) -> RevisionState {
    let newest = history.current().is_some_and(|current| current.name == revision.name);
    match (newest, progress.state) {
        (false, _) => RevisionState::Old,
        (true, State::Complete) => RevisionState::Current,
        (true, State::Unobserved | State::Advancing | State::Held | State::Failed | State::Stalled) => {
            RevisionState::Updating
        }
    }
}

/// Who last wrote the pod template: knowable of the current revision only, whose template is the workload's own.
pub fn manager(snapshot: &Snapshot, revision: &rollout_core::Revision) -> Option<String> {
    if snapshot.history.current()?.name != revision.name {
        return None;
    }
    let entries = snapshot.workload.object.pointer("/metadata/managedFields")?.as_array()?;
    entries
        .iter()
        .filter(|entry| entry.get("subresource").is_none())
        .filter(|entry| entry.pointer("/fieldsV1/f:spec/f:template").is_some())
        .max_by_key(|entry| entry["time"].as_str().map(str::to_string))
        .and_then(|entry| entry["manager"].as_str().map(str::to_string))
}
