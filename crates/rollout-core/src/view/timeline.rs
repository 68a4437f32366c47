//! What went live in many workloads, newest first, from metadata alone. Of each workload and each revision only what a line
//! needs is kept, so that thousands of them take little memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::metadata::{self, RevisionMetadata};
use crate::history::number::RevisionNumber;
use crate::objects::condition::Condition;
use crate::objects::kind::Kind;
use crate::objects::strategy::Strategy;
use crate::objects::workload::{NotAWorkload, ReadAs, Workload, WorkloadId};
use crate::stored;

crate::words! {
    /// The state of a revision as far as its workload's status tells; why pods fail is not looked for here.
    pub enum EntryState {
        /// It is rolled out.
        Current = "current",
        /// It is being rolled out.
        Updating = "updating",
        /// It is being rolled out and missed its deadline (Deployments only).
        Failed = "failed",
        /// It is being rolled out, and somebody stopped that.
        Held = "held",
        /// Another one went live after it.
        Old = "old",
    }
}

/// A workload without its template.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Its name and incarnation.
    pub id: WorkloadId,
    /// The label selector of its pods, which its revisions bear too.
    pub selector: String,
    /// The state of its newest revision.
    state: EntryState,
    /// The condition that names the ReplicaSet that missed its deadline.
    missed: Option<Box<Condition>>,
}

/// The fields of a workload that an [`Outline`] is read from; the template is skipped unread.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OutlineObject {
    metadata: OutlineMetadata,
    spec: OutlineSpec,
    #[serde(default)]
    status: Value,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct OutlineMetadata {
    name: String,
    #[serde(default)]
    namespace: String,
    uid: String,
    #[serde(default, rename = "resourceVersion")]
    resource_version: String,
    #[serde(default)]
    generation: i64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct OutlineSpec {
    #[serde(skip_serializing_if = "Value::is_null")]
    replicas: Value,
    paused: bool,
    selector: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    strategy: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    update_strategy: Value,
    #[serde(skip_deserializing)]
    template: Value,
}

impl OutlineObject {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Returns its UID.
    pub fn uid(&self) -> &str {
        &self.metadata.uid
    }

    /// Returns the version of the object, from which a watch carries on.
    pub fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

impl ReadAs for Outline {
    type Object = OutlineObject;

    fn read(kind: Kind, object: OutlineObject) -> Result<Outline, NotAWorkload> {
        let workload = Workload::from_object(kind, serde_json::to_value(object).unwrap_or_default())?;
        let conditions = &workload.status.conditions;
        let missed = conditions.iter().find(|it| it.reason == "ProgressDeadlineExceeded" && !it.holds);
        Ok(Outline {
            state: state(&workload),
            missed: missed.cloned().map(Box::new),
            selector: workload.selector,
            id: workload.id,
        })
    }
}

/// The state of the newest revision by the counters.
fn state(workload: &Workload) -> EntryState {
    let status = &workload.status;
    let desired = workload.desired;
    let gone = match workload.id.kind {
        Kind::Deployment | Kind::StatefulSet => status.total <= status.updated,
        // Counts nodes that have a pod, not pods.
        Kind::DaemonSet => true,
    };
    let above = desired.saturating_sub(workload.partition());
    let moves_no_more = match &workload.strategy {
        Strategy::OnDelete => status.available >= desired,
        Strategy::Partitioned { partition, .. } => {
            *partition > 0 && status.updated >= above && status.available >= desired
        }
        Strategy::RollingUpdate { .. } | Strategy::Recreate | Strategy::Other(_) => false,
    };
    if !workload.observed() {
        EntryState::Updating
    } else if gone && status.updated >= desired && status.available >= desired {
        EntryState::Current
    } else if moves_no_more || stored::is_paused(workload) {
        EntryState::Held
    } else {
        EntryState::Updating
    }
}

/// One revision of one workload.
#[derive(Clone, Debug)]
pub struct Entry {
    workload: u32,
    /// Its number; absent where the object carries none that can be read.
    pub number: Option<RevisionNumber>,
    /// The name of the ReplicaSet or ControllerRevision.
    pub name: Box<str>,
    /// When it went live, as far as the API remembers (hazard H24).
    pub since: Option<Timestamp>,
}

/// The revisions of many workloads.
#[derive(Debug)]
pub struct Timeline {
    workloads: Vec<Outline>,
    by_uid: HashMap<String, u32>,
    /// By workload and number once they are in order.
    entries: Vec<Entry>,
}

/// What a timeline shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The entries, newest first.
    pub entries: Vec<usize>,
    /// How many older ones a limit left out.
    pub left_out: usize,
}

impl Timeline {
    /// Starts with the workloads.
    pub fn new(workloads: Vec<Outline>) -> Timeline {
        let by_uid =
            workloads.iter().zip(0..).map(|(workload, index)| (workload.id.uid.clone(), index)).collect();
        Timeline { workloads, by_uid, entries: Vec::new() }
    }

    /// Adds a revision; one that no workload here owns is left out.
    pub fn add(&mut self, record: RevisionMetadata) {
        let Some(&workload) = record.owner.as_ref().and_then(|owner| self.by_uid.get(owner)) else { return };
        let since = record.live_since(self.workloads[workload as usize].id.kind);
        let name = record.name.into_boxed_str();
        self.entries.push(Entry { workload, number: record.number, name, since });
    }

    /// Puts the revisions in order once all are there.
    pub fn arrange(&mut self) {
        self.entries.sort_unstable_by(|a, b| {
            (a.workload, a.number, a.since, &a.name).cmp(&(b.workload, b.number, b.since, &b.name))
        });
        // Two workloads may have one selector, and each other's revisions in their lists.
        self.entries.dedup_by(|a, b| (a.workload, &a.name) == (b.workload, &b.name));
        for of_one in self.entries.chunk_by_mut(|a, b| a.workload == b.workload) {
            metadata::cap(of_one.iter_mut().rev().map(|entry| &mut entry.since));
        }
    }

    /// Chooses what is shown: what went live since a moment, and no more than a number.
    pub fn shown(&self, since: Option<Timestamp>, limit: Option<usize>) -> Shown {
        let recent = |entry: &Entry| since.is_none_or(|since| entry.since.is_some_and(|at| at >= since));
        let mut entries: Vec<usize> =
            (0..self.entries.len()).filter(|index| recent(&self.entries[*index])).collect();
        // Numbers that went live within one second come in the order in which they were given, other things by name.
        entries.sort_by_cached_key(|index| {
            let entry = &self.entries[*index];
            (Reverse(entry.since), entry.workload, Reverse(*index))
        });
        let shown = limit.unwrap_or(usize::MAX).min(entries.len());
        let left_out = entries.len() - shown;
        entries.truncate(shown);
        Shown { entries, left_out }
    }

    /// Returns an entry.
    pub fn entry(&self, index: usize) -> &Entry {
        &self.entries[index]
    }

    /// Returns an entry's workload.
    pub fn workload(&self, index: usize) -> &Outline {
        &self.workloads[self.entries[index].workload as usize]
    }

    /// Returns the entry before one: the revision of the same workload that it changed something against.
    pub fn before(&self, index: usize) -> Option<usize> {
        let before = index.checked_sub(1)?;
        (self.entries[before].workload == self.entries[index].workload).then_some(before)
    }

    /// Returns the state of an entry.
    pub fn state(&self, index: usize) -> EntryState {
        let (entry, workload) = (&self.entries[index], self.workload(index));
        let replaced = self.entries.get(index + 1).is_some_and(|next| next.workload == entry.workload);
        let missed = workload.missed.as_ref().is_some_and(|condition| condition.names(&entry.name));
        match (replaced, workload.state) {
            (true, _) => EntryState::Old,
            (false, EntryState::Updating) if missed => EntryState::Failed,
            (false, state) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use serde_json::json;

    fn outline(kind: Kind, mut object: Value, change: impl FnOnce(&mut Value)) -> Outline {
        object["metadata"]["annotations"] = json!({});
        change(&mut object);
        Outline::read(kind, serde_json::from_value(object).unwrap()).unwrap()
    }

    fn deployment(change: impl FnOnce(&mut Value)) -> Outline {
        let done =
            json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
        let mut object = fixture::workload(Kind::Deployment, "app:1", json!({"type": "RollingUpdate"}));
        object["status"] = done;
        outline(Kind::Deployment, object, change)
    }

    fn daemon_set(strategy: &str, updated: u32) -> EntryState {
        let mut object = fixture::workload(Kind::DaemonSet, "app:1", json!({"type": strategy}));
        object["status"]["updatedNumberScheduled"] = json!(updated);
        object["status"]["numberAvailable"] = json!(3);
        outline(Kind::DaemonSet, object, |_| {}).state
    }

    fn stateful_set(partition: u32, updated: u32) -> EntryState {
        let mut object = fixture::stateful("app:1", partition, "aaa", "bbb");
        for (field, count) in [("replicas", 3), ("availableReplicas", 3), ("updatedReplicas", updated)] {
            object["status"][field] = json!(count);
        }
        outline(Kind::StatefulSet, object, |_| {}).state
    }

    fn record(owner: &str, name: &str, number: u64, created: &str) -> RevisionMetadata {
        RevisionMetadata {
            name: name.into(),
            owner: Some(owner.into()),
            number: RevisionNumber::new(number),
            created: format!("2026-01-01T{created}Z").parse().ok(),
            ..RevisionMetadata::default()
        }
    }

    fn timeline(workloads: Vec<Outline>, records: Vec<RevisionMetadata>) -> Timeline {
        let mut timeline = Timeline::new(workloads);
        records.into_iter().for_each(|record| timeline.add(record));
        timeline.arrange();
        timeline
    }

    fn names(timeline: &Timeline, shown: &Shown) -> Vec<String> {
        shown.entries.iter().map(|index| timeline.entry(*index).name.to_string()).collect()
    }

    fn two() -> Timeline {
        let mut other = deployment(|_| {});
        other.id.uid = "uid-other".into();
        let records = vec![
            record("uid-other", "o1", 1, "10:00:00"),
            record(fixture::UID, "w2", 2, "11:00:00"),
            record("nobody", "n1", 1, "12:00:00"),
            record(fixture::UID, "w1", 1, "09:00:00"),
            record("uid-other", "o2", 2, "11:00:00"),
        ];
        timeline(vec![deployment(|_| {}), other], records)
    }

    #[test]
    fn revisions_of_many_workloads_come_newest_first() {
        let timeline = two();
        let shown = timeline.shown(None, None);
        assert_eq!(names(&timeline, &shown), ["w2", "o2", "o1", "w1"]);
        let before = |index: usize| timeline.before(shown.entries[index]).map(|it| &*timeline.entry(it).name);
        assert_eq!([0, 1, 2, 3].map(before), [Some("w1"), Some("o1"), None, None]);
    }

    #[test]
    fn a_revision_that_was_listed_twice_is_one() {
        let twice = vec![record(fixture::UID, "w1", 1, "09:00:00"); 2];
        let timeline = timeline(vec![deployment(|_| {})], twice);
        assert_eq!(names(&timeline, &timeline.shown(None, None)), ["w1"]);
        assert_eq!(timeline.before(0), None);
    }

    #[test]
    fn a_limit_counts_what_it_leaves_out_and_a_time_does_not() {
        let timeline = two();
        let since = "2026-01-01T10:00:00Z".parse().ok();
        let shown = timeline.shown(None, Some(3));
        assert_eq!((names(&timeline, &shown).len(), shown.left_out), (3, 1));
        let shown = timeline.shown(since, None);
        assert_eq!((names(&timeline, &shown).last().unwrap().as_str(), shown.left_out), ("o1", 0));
        assert_eq!(timeline.shown(since, Some(1)).left_out, 2);
    }

    #[test]
    fn a_revision_that_came_back_stands_where_it_came_back_and_before_the_next() {
        let mut back = record(fixture::UID, "w1", 3, "09:00:00");
        back.former = RevisionNumber::new(1).into_iter().collect();
        back.touched = "2026-01-01T15:00:00Z".parse().ok();
        let second = record(fixture::UID, "w2", 2, "11:00:00");
        let both = timeline(vec![deployment(|_| {})], vec![back.clone(), second.clone()]);
        let shown = both.shown(None, None);
        assert_eq!(names(&both, &shown), ["w1", "w2"]);
        assert_eq!(both.entry(shown.entries[0]).since, back.touched);
        let third = record(fixture::UID, "w4", 4, "13:00:00");
        let all = timeline(vec![deployment(|_| {})], vec![back, second, third]);
        let shown = all.shown(None, None);
        assert_eq!(names(&all, &shown), ["w4", "w1", "w2"]);
        assert_eq!(all.entry(shown.entries[1]).since, "2026-01-01T13:00:00Z".parse().ok());
    }

    #[test]
    fn numbers_of_one_second_come_in_their_order() {
        let records = (1..=3).map(|number| record(fixture::UID, &format!("w{number}"), number, "09:00:00"));
        let timeline = timeline(vec![deployment(|_| {})], records.collect());
        assert_eq!(names(&timeline, &timeline.shown(None, None)), ["w3", "w2", "w1"]);
    }

    #[test]
    fn the_newest_revision_has_the_state_of_its_workload_and_others_are_old() {
        let states = |change: fn(&mut Value)| {
            let records = vec![
                record(fixture::UID, "web-a", 1, "09:00:00"),
                record(fixture::UID, "web-b", 2, "10:00:00"),
            ];
            let timeline = timeline(vec![deployment(change)], records);
            [1, 0].map(|index| timeline.state(index))
        };
        use EntryState::{Current, Failed, Held, Old, Updating};
        assert_eq!(states(|_| {}), [Current, Old]);
        assert_eq!(states(|it| it["metadata"]["generation"] = json!(2)), [Updating, Old]);
        assert_eq!(states(|it| it["status"]["availableReplicas"] = json!(2)), [Updating, Old]);
        assert_eq!(states(|it| it["status"]["replicas"] = json!(4)), [Updating, Old]);
        assert_eq!(
            states(|it| {
                it["spec"]["paused"] = json!(true);
                it["status"]["updatedReplicas"] = json!(1);
            }),
            [Held, Old]
        );
        assert_eq!(states(missed_by_b), [Failed, Old]);
        assert_eq!(states(missed_by_a), [Updating, Old]);
    }

    fn missed(it: &mut Value, name: &str) {
        it["status"]["updatedReplicas"] = json!(1);
        it["status"]["conditions"] = json!([{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": format!("ReplicaSet \"{name}\" has timed out progressing.")}]);
    }

    fn missed_by_a(it: &mut Value) {
        missed(it, "web-a");
    }

    fn missed_by_b(it: &mut Value) {
        missed(it, "web-b");
    }

    #[test]
    fn sets_are_held_by_what_holds_them() {
        use EntryState::{Current, Held, Updating};
        assert_eq!([0, 3].map(|updated| daemon_set("OnDelete", updated)), [Held, Current]);
        assert_eq!([0, 3].map(|updated| daemon_set("RollingUpdate", updated)), [Updating, Current]);
        assert_eq!([0, 1, 3].map(|updated| stateful_set(2, updated)), [Updating, Held, Current]);
        assert_eq!([0, 3].map(|updated| stateful_set(0, updated)), [Updating, Current]);
    }
}
