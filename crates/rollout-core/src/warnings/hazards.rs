//! Warnings about what the controllers do behind one's back (docs/hazards.md).

use serde_json::Value;

use super::TemplateChange;
use crate::kind::Kind;
use crate::plan::{Warning, WarningId};
use crate::pods::Pod;
use crate::revision::Revision;
use crate::snapshot::Snapshot;
use crate::template;
use crate::workload::Strategy;

/// The fields that decide on which nodes a DaemonSet has pods (kubernetes `daemon.NodeShouldRunDaemonPod`).
const PLACEMENT: [&str; 4] = ["nodeName", "nodeSelector", "affinity", "tolerations"];

/// Fields of a pod's specification that the server fills in, so that no controller records a template without them
/// (kubernetes `pkg/apis/core/v1/defaults.go`).
const DEFAULTED: [&str; 5] =
    ["restartPolicy", "terminationGracePeriodSeconds", "dnsPolicy", "securityContext", "schedulerName"];
/// The same of a container; `resources` is a struct that Go always writes.
const DEFAULTED_IN_CONTAINERS: [&str; 4] =
    ["resources", "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy"];

pub(super) fn warnings(change: &TemplateChange<'_>, warnings: &mut Vec<Warning>) {
    warnings.extend(placement(change));
    warnings.extend(revision_bytes(change));
    warnings.extend(partition_left(change));
}

/// A DaemonSet's controller follows the placement of the live template whatever the strategy (hazard H1).
fn placement(change: &TemplateChange<'_>) -> Option<Warning> {
    let workload = &change.snapshot.workload;
    if workload.id.kind != Kind::DaemonSet || workload.strategy != Strategy::OnDelete {
        return None;
    }
    let (live, wanted) = (template::normal(workload.template()), template::normal(change.wanted));
    let differs = |field: &&str| live["spec"].get(field) != wanted["spec"].get(field);
    let moved: Vec<&str> = PLACEMENT.into_iter().filter(differs).collect();
    let selector = wanted["spec"]["nodeSelector"].as_object().into_iter().flatten();
    let labels: Vec<String> =
        selector.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let nodes = if labels.is_empty() { String::new() } else { format!(" -l {}", labels.join(",")) };
    (!moved.is_empty()).then(|| Warning {
        id: WarningId::Placement,
        message: format!(
            "{} has another {}: although the strategy is OnDelete, pods go from and come to nodes at once, on all of them",
            change.named(),
            moved.join(" and ")
        ),
        fix: Some(format!("kubectl get nodes{nodes}")),
        stops: true,
    })
}

/// Tells whether a controller that gets this revision's template back finds the object that a pod's label names, so that
/// the pod stays. DaemonSets and StatefulSets look for equal bytes among all objects (kubernetes `daemon.Match`,
/// `history.EqualRevision`), StatefulSets for equal meaning too, but in the newest one only.
pub(crate) fn comes_back(snapshot: &Snapshot, target: &Revision, label: &str) -> bool {
    let kind = snapshot.workload.id.kind;
    let is = |other: Option<&Revision>| other.is_some_and(|other| other.name == target.name);
    let newest = kind == Kind::StatefulSet && is(snapshot.history.in_order().next_back());
    if kind == Kind::Deployment || newest || is(snapshot.history.current()) {
        return true;
    }
    let object = target.object_of_label(kind, label);
    object.is_none_or(|object| otherwise(snapshot, target, object).is_none())
}

/// Returns what a revision object records otherwise than the server writes it. It writes all of a kind alike, so that the
/// live template shows how.
fn otherwise(snapshot: &Snapshot, target: &Revision, object: &str) -> Option<String> {
    let live = snapshot.workload.template();
    let nulls = target.nulls.iter().find(|(name, _)| name == object).map(|(_, nulls)| nulls.as_slice())?;
    let writes_times = live.pointer("/metadata/creationTimestamp").is_some_and(Value::is_null);
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

/// The controller makes a new revision of an old template, and restarts the pods that have that template (hazard H7).
fn revision_bytes(change: &TemplateChange<'_>) -> Option<Warning> {
    let TemplateChange { snapshot, wanted: _, target, defaulted: _, impact: _ } = *change;
    let (target, kind) = (target?, snapshot.workload.id.kind);
    let lost = |label: &&str| target.owns_label(kind, label) && !comes_back(snapshot, target, label);
    let lost: Vec<&str> = snapshot.living().filter_map(|pod| pod.revision.as_deref()).filter(lost).collect();
    let restarted = match lost.len() {
        1 => "1 pod at it already is restarted too".to_string(),
        pods => format!("{pods} pods at it already are restarted too"),
    };
    bytes(snapshot, target, target.object_of_label(kind, lost.first()?)?, &restarted)
}

/// What a rollout leaves is not the newest revision any more, and then its controller finds it by its bytes only: where it
/// does not, the way back restarts the pods that were never updated, but for those below a partition (hazard H7).
pub(crate) fn way_back_restarts(snapshot: &Snapshot, previous: &Revision, partition: u32) -> Option<Warning> {
    let kind = snapshot.workload.id.kind;
    let replaced = |pod: &&Pod| kind != Kind::StatefulSet || snapshot.index(pod) >= Some(partition);
    let mut labels = snapshot.living().filter(replaced).filter_map(|pod| pod.revision.as_deref());
    let object = labels.find_map(|label| {
        previous.object_of_label(kind, label).filter(|object| otherwise(snapshot, previous, object).is_some())
    })?;
    bytes(snapshot, previous, object, "going back restarts every pod, those that were never updated too")
}

fn bytes(snapshot: &Snapshot, revision: &Revision, object: &str, restarted: &str) -> Option<Warning> {
    let (written, number) = (otherwise(snapshot, revision, object)?, revision.label());
    Some(Warning {
        id: WarningId::RevisionBytes,
        message: format!(
            "controllerrevision {object} was written by another version of Kubernetes ({written} in it), so that the controller does not find revision {number} again: {restarted}"
        ),
        fix: Some(format!(
            "kubectl get controllerrevision {object} -n {} -o yaml",
            snapshot.workload.id.namespace
        )),
        stops: true,
    })
}

fn partition_left(change: &TemplateChange<'_>) -> Option<Warning> {
    let TemplateChange { snapshot, wanted: _, target, defaulted: _, impact: _ } = *change;
    let workload = &snapshot.workload;
    let partition = workload.partition();
    let at_target = |label: Option<&str>| {
        target.zip(label).is_some_and(|(target, label)| target.owns_label(workload.id.kind, label))
    };
    let kept = match snapshot.pods {
        None => partition.min(workload.desired) as usize,
        Some(_) => snapshot
            .living()
            .filter(|pod| snapshot.index(pod).is_some_and(|index| index < partition))
            .filter(|pod| !at_target(pod.revision.as_deref()))
            .count(),
    };
    (kept > 0).then(|| Warning {
        id: WarningId::PartitionLeft,
        message: format!(
            "the partition {partition} stays: {kept} pod{} below it {} at another revision than {}",
            if kept == 1 { "" } else { "s" },
            if kept == 1 { "stays" } else { "stay" },
            change.named()
        ),
        fix: Some(format!(
            "kubectl patch {} -n {} --type merge -p '{{\"spec\":{{\"updateStrategy\":{{\"rollingUpdate\":{{\"partition\":0}}}}}}}}'",
            workload.id, workload.id.namespace
        )),
        stops: false,
    })
}
