//! Warnings about what the controllers do behind one's back (docs/hazards.md).

use crate::history::revision::Revision;
use crate::judge::revision_bytes::{is_found_again, otherwise};
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::plan::warning::{Warning, WarningId};
use crate::plan::warnings::change::TemplateChange;
use crate::snapshot::Snapshot;
use crate::template;

/// The fields that decide on which nodes a DaemonSet has pods (kubernetes `daemon.NodeShouldRunDaemonPod`).
const PLACEMENT: [&str; 4] = ["nodeName", "nodeSelector", "affinity", "tolerations"];

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

/// The controller makes a new revision of an old template, and restarts the pods that have that template (hazard H7).
fn revision_bytes(change: &TemplateChange<'_>) -> Option<Warning> {
    let TemplateChange { snapshot, wanted: _, target, defaulted: _, impact: _ } = *change;
    let (target, kind) = (target?, snapshot.workload.id.kind);
    let lost = |label: &&str| target.owns_label(kind, label) && !is_found_again(snapshot, target, label);
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

pub(super) fn warnings(change: &TemplateChange<'_>, warnings: &mut Vec<Warning>) {
    warnings.extend(placement(change));
    warnings.extend(revision_bytes(change));
    warnings.extend(partition_left(change));
}
