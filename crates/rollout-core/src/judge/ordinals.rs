//! The pods of a StatefulSet by their ordinals: where it stands, and what a partition makes of those below it.

use crate::history::revision::Revision;
use crate::objects::pod::Pod;
use crate::objects::strategy::HIGHEST_PARTITION;
use crate::objects::workload::Workload;
use crate::snapshot::{Side, Snapshot};

/// Where a StatefulSet stands: the lowest place that is updated or in hand; at rest above all that may come.
pub(crate) fn standing(snapshot: &Snapshot) -> u32 {
    let workload = &snapshot.workload;
    let all = snapshot.pods.as_deref().unwrap_or_default();
    let old_at = |place: u32| {
        all.iter().any(|pod| {
            snapshot.index(pod) == Some(place)
                && !pod.terminating
                && !pod.ended()
                && snapshot.side(pod) == Side::Old
        })
    };
    let rests = snapshot.living().all(|pod| snapshot.side(pod) == Side::New);
    let places = workload.partition()..workload.desired;
    match rests {
        true => HIGHEST_PARTITION,
        false => places.into_iter().find(|place| !old_at(*place)).unwrap_or(HIGHEST_PARTITION),
    }
}

/// Where the set stands: the lowest place at or above the partition that is updated or in hand.
pub(crate) fn standing_from(snapshot: &Snapshot) -> u32 {
    let places = snapshot.workload.partition()..snapshot.workload.desired;
    let pod_at = |place: u32| snapshot.pods.iter().flatten().find(|pod| snapshot.index(pod) == Some(place));
    let old = |pod: &Pod| !pod.terminating && !pod.ended() && snapshot.side(pod) == Side::Old;
    match snapshot.observed() {
        true => {
            places.into_iter().find(|place| !pod_at(*place).is_some_and(old)).unwrap_or(HIGHEST_PARTITION)
        }
        false => standing(snapshot),
    }
}

/// Returns the updated pods below the partition that come back at an older revision once they are deleted, the highest first.
pub fn left_over(snapshot: &Snapshot) -> Vec<&Pod> {
    let mut pods: Vec<&Pod> = snapshot.living().filter(|pod| is_left_over(snapshot, pod)).collect();
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.ordinal()));
    pods
}

pub(crate) fn is_left_over(snapshot: &Snapshot, pod: &Pod) -> bool {
    let stays = snapshot.index(pod).is_some_and(|index| index < snapshot.workload.partition());
    let current = recreated_at(snapshot);
    let at_current = |label: &str| {
        current.is_some_and(|current| current.owns_label(snapshot.workload.id.kind, label))
            || snapshot.workload.status.current_revision.as_deref() == Some(label)
    };
    stays && snapshot.side(pod) == Side::New && !pod.revision.as_deref().is_some_and(at_current)
}

/// Returns the revision at which a pod below the partition comes back (stateful_set_utils.go, `newVersionedStatefulSetPod`).
pub fn recreated_at(snapshot: &Snapshot) -> Option<&Revision> {
    snapshot.history.by_name(snapshot.workload.status.current_revision.as_deref()?)
}

/// Returns the name of the pod at a place, counted from the lowest ordinal.
pub(crate) fn name_at(workload: &Workload, place: u32) -> String {
    format!("{}-{}", workload.id.name, workload.first_ordinal.saturating_add(place))
}

/// Returns what people call a revision.
pub fn called(revision: &Revision) -> String {
    format!("revision {}", revision.label())
}
