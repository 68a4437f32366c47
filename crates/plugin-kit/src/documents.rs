//! The versioned documents of `-o json` and its relatives: shapes and names, no wording.

use k8s_openapi::jiff::{Timestamp, Unit};
use rollout_core::history::RevisionNumber;
use rollout_core::judge::{Cause, Progress, State};
use rollout_core::objects::WorkloadId;
use rollout_core::plan::{Plan, Refusal, steps, strategy};
use rollout_core::stored::Stored;
use rollout_core::template::diff::Change;
use rollout_core::view::nodes::{Blocked, NodeRow, Nodes};
use rollout_core::view::ordinals::{self, Notice, OUTSIDE_STEP, OrdinalRow};
use rollout_core::view::timeline::{Entry, EntryState};
use rollout_core::{History, Pod, Revision, Side, Snapshot, Workload, template};
use serde_json::{Map, Value, json};

use crate::exit::Exit;

/// The API version of all documents.
pub const API_VERSION: &str = "rollout-plugins.dev/v1alpha1";

/// Returns a document's head: what it is, and which workload it is about.
fn document(kind: &str, workload: &WorkloadId) -> Map<String, Value> {
    let Value::Object(document) =
        json!({"apiVersion": API_VERSION, "kind": kind, "workload": named(workload)})
    else {
        return Map::new();
    };
    document
}

fn named(workload: &WorkloadId) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": workload.kind.name(),
        "namespace": workload.namespace,
        "name": workload.name,
        "uid": workload.uid,
    })
}

fn with(mut document: Map<String, Value>, fields: Value) -> Value {
    if let Value::Object(fields) = fields {
        document.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Value::Object(document)
}

/// Returns the list of documents, or the one document of a request that named one object.
pub fn list(documents: Vec<Value>, single: bool) -> Option<Value> {
    match single {
        true => documents.into_iter().next(),
        false => Some(json!({"apiVersion": API_VERSION, "kind": "List", "items": documents})),
    }
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| json!(at.round(Unit::Second).unwrap_or(at).to_string()))
}

/// The state of a revision: being rolled out, rolled out, or neither.
pub fn revision_state(history: &History, revision: &Revision, progress: &Progress) -> &'static str {
    let newest = history.current().is_some_and(|current| current.name == revision.name);
    match (newest, progress.state) {
        (false, _) => "old",
        (true, State::Complete) => "current",
        (true, State::Unobserved | State::Advancing | State::Held | State::Failed | State::Stalled) => {
            "updating"
        }
    }
}

/// Returns a `History`.
pub fn history(snapshot: &Snapshot, progress: &Progress) -> Value {
    let history = &snapshot.history;
    let revisions: Vec<Value> = history.iter().map(|it| revision(snapshot, it, progress)).collect();
    with(document("History", &snapshot.workload.id), json!({"revisions": revisions}))
}

/// Returns one revision as it stands in a `History`.
pub fn revision(snapshot: &Snapshot, revision: &Revision, progress: &Progress) -> Value {
    let history = &snapshot.history;
    let kind = match snapshot.workload.id.kind {
        rollout_core::Kind::Deployment => "ReplicaSet",
        rollout_core::Kind::DaemonSet | rollout_core::Kind::StatefulSet => "ControllerRevision",
    };
    let images: Map<String, Value> = revision
        .template
        .as_ref()
        .map(template::images)
        .unwrap_or_default()
        .into_iter()
        .map(|(container, image)| (container, Value::String(image)))
        .collect();
    let duplicates: Vec<Value> =
        revision.duplicates.iter().map(|it| json!({"name": it.name, "revision": it.number})).collect();
    with(
        Map::new(),
        json!({
            "revision": revision.number,
            "formerRevisions": revision.former,
            "state": revision_state(history, revision, progress),
            "good": history.proof(revision).works(),
            "object": {"kind": kind, "name": revision.name},
            "duplicates": if duplicates.is_empty() { Value::Null } else { json!(duplicates) },
            "creationTimestamp": time(revision.created),
            "liveSince": time(revision.live_since),
            "changeCause": revision.change_cause,
            "manager": manager(snapshot, revision),
            "images": images,
            "pods": revision.pods,
            "changes": history.changes(revision),
        }),
    )
}

/// Who last wrote the pod template: knowable of the current revision only, whose template is the workload's own.
pub fn manager(snapshot: &Snapshot, revision: &Revision) -> Option<String> {
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

/// Returns a `Timeline`, which is about no workload of its own.
pub fn timeline(entries: Vec<Value>) -> Value {
    json!({"apiVersion": API_VERSION, "kind": "Timeline", "entries": entries})
}

/// Returns one entry of a `Timeline`.
pub fn timeline_entry(
    workload: &WorkloadId,
    entry: &Entry,
    state: EntryState,
    change_cause: Option<&str>,
    changes: Option<&[Change]>,
) -> Value {
    with(
        Map::new(),
        json!({
            "time": time(entry.since),
            "workload": named(workload),
            "revision": entry.number,
            "state": state,
            "changes": changes,
            "changeCause": change_cause,
        }),
    )
}

/// Returns a `Diff` of two revisions.
pub fn diff(workload: &WorkloadId, from: &Revision, to: &Revision, changes: &[Change]) -> Value {
    with(document("Diff", workload), json!({"from": from.number, "to": to.number, "changes": changes}))
}

/// Returns a `Plan`.
pub fn plan(plan: &Plan) -> Value {
    with(document("Plan", &plan.workload), plan_fields(plan))
}

fn plan_fields(plan: &Plan) -> Value {
    json!({
        "fromRevision": plan.from,
        "toRevision": plan.to,
        "changes": plan.changes,
        "requests": plan.requests,
        "steps": if plan.steps.is_empty() { Value::Null } else { json!(plan.steps) },
        "impact": if plan.impact.known { json!(plan.impact) } else { Value::Null },
        "notes": plan.notes,
        "warnings": plan.warnings,
    })
}

/// What a verb that writes came to.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// One word for it.
    pub outcome: &'static str,
    /// How the verb ends.
    pub exit: Exit,
    /// What was planned.
    pub plan: Option<&'a Plan>,
    /// The revision that was left and the one that came back, where that was not planned beforehand.
    pub back: Option<(Option<RevisionNumber>, Option<RevisionNumber>)>,
    /// How far the rollout is, as a `Status` has it.
    pub status: Option<Value>,
    /// Why a rollout failed that was taken back.
    pub causes: &'a [Cause],
    /// Warnings where there was no plan.
    pub warnings: Vec<Value>,
}

impl<'a> Outcome<'a> {
    /// An outcome of which nothing more is known.
    pub fn new(outcome: &'static str, exit: Exit) -> Outcome<'a> {
        Outcome { outcome, exit, plan: None, back: None, status: None, causes: &[], warnings: Vec::new() }
    }

    /// Adds what was planned.
    pub fn of(self, plan: impl Into<Option<&'a Plan>>) -> Outcome<'a> {
        Outcome { plan: plan.into(), ..self }
    }
}

/// Returns a `Result`.
pub fn result(workload: &WorkloadId, outcome: &Outcome<'_>) -> Value {
    let Outcome { outcome, exit, plan, back, status, causes, warnings } = outcome;
    let (from, to) = plan.map(|plan| (plan.from, plan.to)).or(*back).unwrap_or_default();
    with(
        document("Result", workload),
        json!({
            "outcome": outcome,
            "exitCode": exit.code(),
            "fromRevision": from,
            "toRevision": to,
            "causes": if causes.is_empty() { Value::Null } else { json!(causes) },
            "plan": plan.map_or(Value::Null, plan_fields),
            "status": status,
            "warnings": if warnings.is_empty() { Value::Null } else { json!(warnings) },
        }),
    )
}

/// Returns a `Status`.
pub fn status(snapshot: &Snapshot, progress: &Progress, hint: Option<&str>) -> Value {
    let workload = &snapshot.workload;
    with(document("Status", &workload.id), status_fields(snapshot, progress, hint))
}

/// Returns the fields of a `Status` without its head.
pub fn status_fields(snapshot: &Snapshot, progress: &Progress, hint: Option<&str>) -> Value {
    let workload = &snapshot.workload;
    with(
        Map::new(),
        json!({
            "state": progress.state,
            "revision": progress.revision,
            "strategy": workload.strategy.name(),
            "partition": partition(snapshot),
            "paused": workload.paused,
            "desired": progress.desired,
            "updated": progress.updated,
            "ready": progress.ready,
            "available": progress.available,
            "old": progress.old,
            "terminating": progress.terminating,
            "rollout": stored_rollout(snapshot),
            "startedAt": time(snapshot.target().and_then(|target| target.live_since)),
            "causes": progress.causes,
            "skipped": progress.skipped,
            "notes": progress.notes,
            "hint": hint,
        }),
    )
}

/// Returns a `Nodes` of these rows.
pub fn nodes(snapshot: &Snapshot, nodes: &Nodes<'_>, rows: &[&NodeRow<'_>], hidden: Option<String>) -> Value {
    let blocked = nodes.blocked.iter().map(|(why, names)| (why.id(), why.to_string(), names));
    let tainted = nodes.tainted.iter().map(|(taint, names)| {
        let why = Blocked::Tainted(taint.clone());
        (why.id(), format!("no pod belongs there: {why}"), names)
    });
    let warnings = blocked
        .chain(tainted)
        .map(|(id, message, nodes)| json!({"id": id, "message": message, "nodes": nodes}));
    let hidden = hidden.map(|message| json!({"id": "nodes-hidden", "message": message}));
    let outside = (!nodes.outside.is_empty()).then(
        || json!({"id": OUTSIDE_STEP, "message": ordinals::outside(&nodes.outside), "nodes": nodes.outside}),
    );
    with(
        document("Nodes", &snapshot.workload.id),
        json!({
            "nodes": rows.iter().map(|row| node(row)).collect::<Vec<_>>(),
            "rollout": stored_rollout(snapshot),
            "warnings": warnings.chain(hidden).chain(outside).collect::<Vec<_>>(),
        }),
    )
}

fn partition(snapshot: &Snapshot) -> Option<u32> {
    match &snapshot.workload.strategy {
        rollout_core::Strategy::Partitioned { partition, max_unavailable: _ } => Some(*partition),
        rollout_core::Strategy::RollingUpdate { .. }
        | rollout_core::Strategy::OnDelete
        | rollout_core::Strategy::Recreate
        | rollout_core::Strategy::Other(_) => None,
    }
}

/// Returns the `Pods` of a StatefulSet, from the highest ordinal down.
pub fn pods(snapshot: &Snapshot, rows: &[OrdinalRow<'_>], notices: &[Notice]) -> Value {
    let rows: Vec<Value> = rows.iter().map(ordinal).collect();
    with(
        document("Pods", &snapshot.workload.id),
        json!({
            "partition": partition(snapshot),
            "pods": rows,
            "rollout": stored_rollout(snapshot),
            "warnings": notices,
        }),
    )
}

fn node(row: &NodeRow<'_>) -> Value {
    let NodeRow { node, group, pod, revision, updated, ready, reason, trouble: _ } = row;
    let images: Option<Map<String, Value>> = pod.map(|pod| {
        pod.containers.iter().map(|it| (it.name.clone(), Value::String(it.image.clone()))).collect()
    });
    with(
        Map::new(),
        json!({
            "node": node,
            "group": group,
            "pod": pod.map(|pod| &pod.name),
            "revision": revision,
            "updated": updated,
            "ready": ready,
            "restarts": pod.map(|pod| pod.restarts()),
            "reason": reason,
            "images": images,
        }),
    )
}

/// Returns what is stored of a rollout in steps, with the number of its steps; nothing where none is.
pub fn stored_rollout(snapshot: &Snapshot) -> Value {
    let Some(rollout) = Stored::of(&snapshot.workload).and_then(|stored| stored.rollout) else {
        return Value::Null;
    };
    let mut document = json!(rollout);
    if let (Some(fields), true) = (document.as_object_mut(), steps::is_superseded(snapshot)) {
        fields.insert("superseded".to_string(), json!(true));
    }
    if let (Some(fields), Refusal::UnderWay { of, .. }) =
        (document.as_object_mut(), rollout.under_way(snapshot))
    {
        fields.insert("steps".to_string(), json!(of));
    }
    document
}

/// Returns a `Strategy`: how a DaemonSet replaces its pods, and how many those are.
pub fn strategy(workload: &Workload, paused: Option<&Value>) -> Value {
    let (amounts, resolved) = match &workload.strategy {
        rollout_core::Strategy::RollingUpdate { max_unavailable, max_surge } => {
            let amounts = (json!(max_unavailable), json!(max_surge));
            (amounts, Some(strategy::resolved(*max_unavailable, *max_surge, workload.desired)))
        }
        rollout_core::Strategy::Partitioned { .. }
        | rollout_core::Strategy::OnDelete
        | rollout_core::Strategy::Recreate
        | rollout_core::Strategy::Other(_) => ((Value::Null, Value::Null), None),
    };
    with(
        document("Strategy", &workload.id),
        json!({
            "type": workload.strategy.name(),
            "maxUnavailable": amounts.0,
            "maxSurge": amounts.1,
            "resolved": resolved.map(|(missing, twice)| json!({"maxUnavailable": missing, "maxSurge": twice})),
            "desired": workload.desired,
            "pausedStrategy": paused,
        }),
    )
}

fn ordinal(row: &OrdinalRow<'_>) -> Value {
    with(
        Map::new(),
        json!({
            "name": row.name,
            "ordinal": row.ordinal,
            "node": row.pod.and_then(|pod| pod.node.clone()),
            "revision": row.revision.and_then(|revision| revision.number),
            "updated": row.side == Some(Side::New),
            "ready": row.pod.is_some_and(|pod| pod.ready() && !pod.terminating),
            "restarts": row.pod.map(Pod::restarts),
            "reason": row.reason,
        }),
    )
}

/// Returns an `Event`: a `Status` at one moment.
pub fn event(snapshot_id: &WorkloadId, kind: &str, now: Timestamp, fields: Value) -> Value {
    let mut event = document("Event", snapshot_id);
    event.insert("time".to_string(), time(Some(now)));
    event.insert("event".to_string(), json!(kind));
    with(event, fields)
}
