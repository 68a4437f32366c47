//! The pods of a StatefulSet by ordinal, from the highest down: who is on which side of the partition, what is missing, and
//! what the set waits for.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::revision::Revision;
use crate::judge::cause::Cause;
use crate::judge::ordinals::{called, name_at, recreated_at};
use crate::judge::places::Places;
use crate::judge::status::evaluate;
use crate::judge::stuck::{self, Blockage, Wait};
use crate::objects::names::few;
use crate::objects::pod::Pod;
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};

/// The stable id of something to know about a set as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NoticeId {
    /// Pods are new although no step has come to them.
    OutsideStep,
    /// The set waits for a pod.
    Waits,
    /// A pod below the partition that dies comes back at another revision.
    MixedRevisions,
    /// What keeps its rollout from getting on.
    #[serde(untagged)]
    Cause(CauseId),
}

/// One ordinal.
#[derive(Clone, Debug)]
pub struct OrdinalRow<'a> {
    /// The name that its pod has, or will have.
    pub name: String,
    /// The ordinal.
    pub ordinal: u32,
    /// Where it is.
    pub zone: Zone,
    /// Its pod; none where it does not exist.
    pub pod: Option<&'a Pod>,
    /// The pod's revision; none where it is not recorded.
    pub revision: Option<&'a Revision>,
    /// Whether the pod has the revision that the set asks for.
    pub side: Option<Side>,
    /// Why the pod is not available, in one word, as `kubectl get pods` would; none where it is.
    pub reason: Option<String>,
}

/// Where an ordinal is, from the highest down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// Beyond the replicas: its pod is about to go.
    Beyond,
    /// At or above the partition: its pod is, or becomes, new.
    Updated,
    /// Below the partition: its pod stays as it is.
    Kept,
    /// Below `spec.ordinals.start`: its pod is about to go.
    BelowStart,
}

/// Something to know about the set as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// The stable id.
    pub id: NoticeId,
    /// One sentence.
    pub message: String,
    /// What would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl NoticeId {
    /// Returns the id as documents and messages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeId::OutsideStep => "outside-step",
            NoticeId::Waits => "waits",
            NoticeId::MixedRevisions => "mixed-revisions",
            NoticeId::Cause(id) => id.as_str(),
        }
    }
}

/// Returns the ordinals from the highest down, those without a pod and pods beyond the range too.
pub fn rows(snapshot: &Snapshot) -> Vec<OrdinalRow<'_>> {
    let workload = &snapshot.workload;
    let first = workload.first_ordinal;
    let mut by_ordinal: BTreeMap<u32, Option<&Pod>> =
        (0..workload.desired).map(|place| (first.saturating_add(place), None)).collect();
    for pod in snapshot.pods.iter().flatten() {
        if let Some(ordinal) = pod.ordinal() {
            by_ordinal.insert(ordinal, Some(pod));
        }
    }
    by_ordinal.into_iter().rev().map(|(ordinal, pod)| row(snapshot, ordinal, pod)).collect()
}

fn row<'a>(snapshot: &'a Snapshot, ordinal: u32, pod: Option<&'a Pod>) -> OrdinalRow<'a> {
    let workload = &snapshot.workload;
    let zone = match ordinal.checked_sub(workload.first_ordinal) {
        None => Zone::BelowStart,
        Some(place) if place >= workload.desired => Zone::Beyond,
        Some(place) if place >= workload.partition() => Zone::Updated,
        Some(_) => Zone::Kept,
    };
    OrdinalRow {
        name: pod.map_or_else(|| format!("{}-{ordinal}", workload.id.name), |pod| pod.name.clone()),
        ordinal,
        zone,
        pod,
        revision: pod.and_then(|pod| snapshot.history.of_pod(pod)),
        side: pod.map(|pod| snapshot.side(pod)),
        reason: reason(snapshot, pod),
    }
}

fn reason(snapshot: &Snapshot, pod: Option<&Pod>) -> Option<String> {
    let Some(pod) = pod else { return Some("Missing".to_string()) };
    let word = pod.status_word();
    let word = match word.as_str() {
        word if pod.terminating || pod.ended() => word,
        _ if snapshot.available(pod) => return None,
        _ if pod.ready() => "NotAvailable",
        _ if snapshot.is_out_of_reach(pod) => "NodeNotReady",
        "Pending" if pod.unplaced.is_some() => "Unschedulable",
        "Running" => "NotReady",
        word => word,
    };
    Some(word.to_string())
}

/// Returns what is to be known about the set as a whole: why it fails, what it hangs on, what would not come back as it is.
pub fn notices(snapshot: &Snapshot) -> Vec<Notice> {
    let of_cause =
        |cause: Cause| Notice { id: NoticeId::Cause(cause.id), message: cause.message, fix: cause.fix };
    let mut notices: Vec<Notice> = evaluate(snapshot).causes.iter().cloned().map(of_cause).collect();
    if notices.is_empty() {
        notices.extend(waits(snapshot));
    }
    notices.extend(other_below(snapshot));
    notices.extend(outside_step(snapshot));
    notices
}

/// Pods that came up new although no step of the stored rollout has come to them.
fn outside_step(snapshot: &Snapshot) -> Option<Notice> {
    let pods: Vec<String> = Places::outside(snapshot).into_iter().map(|pod| pod.name.clone()).collect();
    (!pods.is_empty()).then(|| Notice { id: NoticeId::OutsideStep, message: outside(&pods), fix: None })
}

/// Says what came up new although no step has come to it: nodes, or pods.
pub fn outside(names: &[String]) -> String {
    let is = if names.len() == 1 { "is" } else { "are" };
    format!("{} {is} new, and no step has come there: 'abort' puts that back too", few(names))
}

/// What an ordered set waits for, where nothing above says it.
fn waits(snapshot: &Snapshot) -> Option<Notice> {
    let Blockage::Waiting { pod, why } = stuck::examine(snapshot) else { return None };
    let pod = pod.map_or("a pod that does not exist yet", |pod| pod.name.as_str());
    let why = match why {
        Wait::Terminating => "it is on its way out",
        Wait::Missing => "it is about to be made",
        Wait::TargetNotReady => "it is new and not available yet",
        Wait::Moment => "it has not been unready for long",
        Wait::BelowPartition => "below the partition, it would come back as it is",
        Wait::RevisionWorks => "others of its revision are ready, so it may recover",
    };
    Some(Notice { id: NoticeId::Waits, message: format!("the set waits for {pod}: {why}"), fix: None })
}

/// Pods below the partition that would come back at another revision if they died (hazard H2).
fn other_below(snapshot: &Snapshot) -> Option<Notice> {
    let current = recreated_at(snapshot)?;
    let workload = &snapshot.workload;
    let other = |pod: &&Pod| {
        let below =
            snapshot.index(pod).is_some_and(|place| place < workload.partition().min(workload.desired));
        below && snapshot.history.of_pod(pod).is_some_and(|it| it.name != current.name)
    };
    let mut pods: Vec<&Pod> = snapshot.living().filter(other).collect();
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.ordinal()));
    let names: Vec<String> =
        pods.iter().filter_map(|pod| snapshot.index(pod)).map(|place| name_at(workload, place)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| Notice {
        id: NoticeId::MixedRevisions,
        message: format!(
            "below the partition a pod that dies comes back at {}, which {} not at now",
            called(current),
            if names.len() == 1 { format!("{} is", names[0]) } else { format!("{} are", few(&names)) }
        ),
        fix: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revisions, snapshot, stateful};
    use crate::objects::kind::Kind;
    use serde_json::{Value, json};

    const STS: Kind = Kind::StatefulSet;

    fn seen(set: Value, pods: Vec<Pod>) -> Snapshot {
        snapshot(STS, set, revisions(STS, 3), pods)
    }

    fn short(snapshot: &Snapshot) -> Vec<(String, Zone, Option<Side>, Option<String>)> {
        rows(snapshot).into_iter().map(|row| (row.name, row.zone, row.side, row.reason)).collect()
    }

    #[test]
    fn ordinals_come_from_the_highest_down_with_their_side_and_zone() {
        let mut all = pods(STS, "aaa");
        all[2] = pod(STS, "web-2", "bbb", false);
        let it = seen(stateful("app:2", 2, "aaa", "bbb"), all);
        let word = |it: &str| Some(it.to_string());
        assert_eq!(
            short(&it),
            [
                ("web-2".to_string(), Zone::Updated, Some(Side::New), word("NotReady")),
                ("web-1".to_string(), Zone::Kept, Some(Side::Old), None),
                ("web-0".to_string(), Zone::Kept, Some(Side::Old), None),
            ]
        );
        let numbers: Vec<_> = rows(&it).iter().map(|row| row.revision.unwrap().label()).collect();
        assert_eq!(numbers, ["2", "1", "1"]);
    }

    #[test]
    fn missing_ordinals_and_pods_out_of_the_range_are_rows() {
        let mut set = stateful("app:1", 1, "aaa", "aaa");
        set["spec"]["ordinals"] = json!({"start": 5});
        let all = ["web-4", "web-5", "web-7", "web-9"].map(|name| pod(STS, name, "aaa", true)).to_vec();
        let zones: Vec<_> = short(&seen(set, all)).into_iter().map(|it| (it.0, it.1, it.3)).collect();
        let missing = Some("Missing".to_string());
        assert_eq!(
            zones,
            [
                ("web-9".to_string(), Zone::Beyond, None),
                ("web-7".to_string(), Zone::Updated, None),
                ("web-6".to_string(), Zone::Updated, missing),
                ("web-5".to_string(), Zone::Kept, None),
                ("web-4".to_string(), Zone::BelowStart, None),
            ]
        );
    }

    #[test]
    fn why_a_pod_is_not_available_is_one_word() {
        let mut all = pods(STS, "aaa");
        all[0].terminating = true;
        all[1] = pod(STS, "web-1", "aaa", false);
        all[1].containers[0].waiting = Some(("ImagePullBackOff".into(), "no".into()));
        let mut set = stateful("app:1", 0, "aaa", "aaa");
        set["spec"]["minReadySeconds"] = json!(61);
        let reasons: Vec<_> = short(&seen(set, all)).into_iter().filter_map(|it| it.3).collect();
        assert_eq!(reasons, ["NotAvailable", "ImagePullBackOff", "Terminating"]);
    }

    #[test]
    fn what_the_set_hangs_on_and_what_would_come_back_otherwise_is_told() {
        let ids = |set, pods| notices(&seen(set, pods)).into_iter().map(|it| it.id).collect::<Vec<_>>();
        let with = |index: usize, hash: &str, ready| {
            let mut all = pods(STS, "aaa");
            all[index] = pod(STS, &format!("web-{index}"), hash, ready);
            all
        };
        assert!(ids(stateful("app:1", 0, "aaa", "aaa"), pods(STS, "aaa")).is_empty());
        for id in [
            NoticeId::OutsideStep,
            NoticeId::Waits,
            NoticeId::MixedRevisions,
            NoticeId::Cause(CauseId::StsStuck),
        ] {
            assert_eq!(serde_json::to_value(id).unwrap(), id.as_str());
        }
        assert_eq!(
            ids(stateful("app:1", 0, "aaa", "aaa"), with(2, "bbb", false)),
            [NoticeId::Cause(CauseId::StsStuck)]
        );
        assert_eq!(ids(stateful("app:3", 2, "aaa", "ccc"), with(0, "aaa", false)), [NoticeId::Waits]);
        let mixed = notices(&seen(stateful("app:3", 3, "aaa", "ccc"), with(1, "bbb", true)));
        assert_eq!(mixed.len(), 1);
        assert_eq!(
            mixed[0].message,
            "below the partition a pod that dies comes back at revision 1, which web-1 is not at now"
        );
    }
}
