//! Whether a controller finds a revision again: by its bytes, not by its meaning (hazard H7).

use serde_json::Value;

use crate::history::revision::Revision;
use crate::objects::kind::Kind;
use crate::snapshot::Snapshot;

/// Fields of a pod's specification that the server fills in, so that no controller records a template without them
/// (kubernetes `pkg/apis/core/v1/defaults.go`).
const DEFAULTED: [&str; 5] =
    ["restartPolicy", "terminationGracePeriodSeconds", "dnsPolicy", "securityContext", "schedulerName"];
/// The same of a container; `resources` is a struct that Go always writes.
const DEFAULTED_IN_CONTAINERS: [&str; 4] =
    ["resources", "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy"];

/// Tells whether a controller that gets this revision's template back finds the object that a pod's label names, so that
/// the pod stays. DaemonSets and StatefulSets look for equal bytes among all objects (kubernetes `daemon.Match`,
/// `history.EqualRevision`), StatefulSets from 1.34 on for equal meaning too, but in the newest one only
/// (`setMatchesLatestExistingRevision`).
pub(crate) fn is_found_again(snapshot: &Snapshot, target: &Revision, label: &str) -> bool {
    let kind = snapshot.workload.id.kind;
    let is = |other: Option<&Revision>| other.is_some_and(|other| other.name == target.name);
    let by_meaning = kind == Kind::StatefulSet && !writes_times(snapshot.workload.template());
    let newest = by_meaning && is(snapshot.history.in_order().next_back());
    if kind == Kind::Deployment || newest || is(snapshot.history.current()) {
        return true;
    }
    let object = target.object_of_label(kind, label);
    object.is_none_or(|object| otherwise(snapshot, target, object).is_none())
}

/// Returns what a revision object records otherwise than the server writes it. It writes all of a kind alike, so that the
/// live template shows how.
pub(crate) fn otherwise(snapshot: &Snapshot, target: &Revision, object: &str) -> Option<String> {
    let live = snapshot.workload.template();
    let nulls = target.nulls.iter().find(|(name, _)| name == object).map(|(_, nulls)| nulls.as_slice())?;
    let writes_times = writes_times(live);
    let unlike = |pointer: &&String| match pointer.ends_with("/creationTimestamp") {
        true => !writes_times,
        false => !live.pointer(pointer).is_some_and(Value::is_null),
    };
    if let Some(pointer) = nulls.iter().find(unlike) {
        return Some(format!("`{}: null`", pointer.rsplit('/').next().unwrap_or_default()));
    }
    if writes_times && !nulls.iter().any(|pointer| pointer == "/metadata/creationTimestamp") {
        return Some("no `creationTimestamp: null`".to_string());
    }
    lacks_default(live, target.template.as_ref()?).map(|field| format!("no `{field}`"))
}

/// Tells whether a live template is one of a server before 1.34, which writes times that are null.
fn writes_times(live: &Value) -> bool {
    live.pointer("/metadata/creationTimestamp").is_some_and(Value::is_null)
}

fn lacks_default(live: &Value, recorded: &Value) -> Option<&'static str> {
    let lacks = |live: &Value, recorded: &Value, field: &str| {
        live.get(field).is_some_and(|it| !it.is_null()) && recorded.get(field).is_none()
    };
    let (live, recorded) = (live.get("spec")?, recorded.get("spec")?);
    let of_pod = DEFAULTED.into_iter().find(|field| lacks(live, recorded, field));
    let first = &live["containers"][0];
    let containers = || recorded["containers"].as_array().into_iter().flatten();
    of_pod.or_else(|| {
        DEFAULTED_IN_CONTAINERS.into_iter().find(|field| containers().any(|it| lacks(first, it, field)))
    })
}
