//! The revisions of a workload as a sorted collection that is navigated by methods.

pub(crate) mod live_at;
pub(crate) mod metadata;
pub(crate) mod number;
pub(crate) mod revision;
pub(crate) mod select;

pub use metadata::{RevisionMetadata, RevisionObject};
pub use number::{REVISION, RevisionNumber};
pub use revision::{CHANGE_CAUSE, PodCount, Proof, Revision, Twin};
pub use select::{NoRevision, RevisionSelector};

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::history::live_at::live_at;
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::objects::workload::Workload;
use crate::template;
use crate::template::diff::change::Change;

/// The revisions of one workload, oldest first, and behind them those without a number: nobody knows when they were live.
#[derive(Clone, Debug)]
pub struct History {
    kind: Kind,
    revisions: Vec<Revision>,
    current: Option<usize>,
    /// What is known of all objects' numbers and times, equal ones too.
    records: Vec<RevisionMetadata>,
    /// When the workload was created.
    since: Option<Timestamp>,
    /// Where the oldest is that has available pods, of those whose order is known.
    oldest_available: Option<usize>,
    /// Whether the controller replaces every old pod by itself, so that one that is left says something.
    replaces_all: bool,
    /// Objects of the list that belong to another owner.
    pub foreign: usize,
}

impl History {
    /// Sorts out the revisions of a workload: those it owns by UID, equal ones folded into the newest, oldest first.
    pub fn new(workload: &Workload, objects: Vec<Value>, pods: &[Pod], now: Timestamp) -> History {
        let listed = objects.len();
        let mut revisions: Vec<Revision> = objects
            .into_iter()
            .filter(|object| owner(object) == Some(&workload.id.uid))
            .filter_map(|object| Revision::from_object(workload.id.kind, object))
            .collect();
        let foreign = listed - revisions.len();
        revisions.sort_by(|a, b| order(a).cmp(&order(b)));
        let records = revisions.iter().map(|revision| revision.record.clone()).collect();
        let mut revisions = folded(revisions);
        // What has no number sorts first, so that equal revisions are folded into one that has.
        revisions.sort_by_key(|revision| revision.number.is_none());
        for pod in pods.iter().filter(|pod| !pod.ended()) {
            count_pod(workload, &mut revisions, pod, now);
        }
        let live = template::writable(workload.template());
        let form = Some(template::fingerprint(&live));
        let is_live = |it: &Revision| {
            it.form == form && it.template.as_ref().is_some_and(|it| template::same(it, &live))
        };
        let current = revisions.iter().rposition(is_live);
        let available = |it: &Revision| it.number.is_some() && it.pods.available > 0;
        let oldest_available = revisions.iter().position(available);
        let numbered = revisions.iter_mut().rev().filter(|revision| revision.number.is_some());
        metadata::cap(numbered.map(|revision| &mut revision.live_since));
        History {
            kind: workload.id.kind,
            revisions,
            current,
            records,
            since: workload.created,
            oldest_available,
            replaces_all: replaces_all(workload),
            foreign,
        }
    }

    /// Iterates over the revisions, oldest first; those without a number come last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.revisions.iter()
    }

    /// Iterates over the revisions whose order is known, oldest first.
    pub fn in_order(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.revisions.iter().filter(|revision| revision.number.is_some())
    }

    /// Returns how many revisions there are, equal ones counted once.
    pub fn len(&self) -> usize {
        self.revisions.len()
    }

    /// Tells whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty()
    }

    /// Returns the revision that the workload's template is; none where its controller has not recorded it yet.
    pub fn current(&self) -> Option<&Revision> {
        self.current.map(|index| &self.revisions[index])
    }

    /// Returns the revision recorded before another one.
    pub fn predecessor(&self, revision: &Revision) -> Option<&Revision> {
        self.revisions.get(self.place(revision)?.checked_sub(1)?)
    }

    /// Returns what a revision changed against the one before it; none for the first one and for unreadable ones.
    pub fn changes(&self, revision: &Revision) -> Option<Vec<Change>> {
        revision.changes_since(self.predecessor(revision)?)
    }

    /// Returns when a revision stopped being live: when the next one went live; none for the newest one.
    pub fn live_until(&self, revision: &Revision) -> Option<Timestamp> {
        let next = self.revisions.get(self.place(revision)? + 1)?;
        next.live_since.filter(|_| next.number.is_some())
    }

    /// Returns the revision that a pod's label names.
    pub fn of_pod(&self, pod: &Pod) -> Option<&Revision> {
        let label = pod.revision.as_deref()?;
        self.revisions.iter().find(|revision| revision.owns_label(self.kind, label))
    }

    /// Returns the revision with that object name.
    pub fn by_name(&self, name: &str) -> Option<&Revision> {
        self.revisions.iter().find(|revision| {
            revision.name == name || revision.duplicates.iter().any(|twin| twin.name == name)
        })
    }

    /// Returns the revision that somebody asks for.
    pub fn select(&self, selector: RevisionSelector) -> Result<&Revision, NoRevision> {
        match selector {
            RevisionSelector::Number(number) => self.numbered(number),
            RevisionSelector::Previous => match (self.current(), self.revisions.len()) {
                (_, 0) => Err(NoRevision::Empty),
                (Some(current), _) => self.only(self.predecessor_or_newest_other(current)?),
                (None, _) => self.only(self.others().next().ok_or(NoRevision::Empty)?),
            },
            RevisionSelector::LastGood => self.last_good(),
            RevisionSelector::AtTime(at) => {
                let live = live_at(self.kind, &self.records, self.since, at)?;
                self.by_name(&live.name).ok_or(NoRevision::Hidden { at })
            }
        }
    }

    /// Returns the newest revision but the current one that is known to have worked; where there is only one other
    /// revision, and nothing speaks against it, that one.
    ///
    /// The order of proof: Available pods now; being the only one. Nothing else in the API tells which revision ever
    /// worked (hazard H10).
    pub fn last_good(&self) -> Result<&Revision, NoRevision> {
        let mut others = self.others();
        match (self.revisions.len(), self.others().find(|revision| revision.pods.available > 0)) {
            (0, _) => Err(NoRevision::Empty),
            (_, Some(good)) => Ok(good),
            (_, None) => match (others.next(), others.next()) {
                (None, _) => Err(NoRevision::OnlyOne),
                (Some(only), None) if self.proof(only) != Proof::Fails => Ok(only),
                (Some(_), _) => Err(NoRevision::NoneGood),
            },
        }
    }

    /// Returns what the pods prove of a revision.
    ///
    /// One that has Available pods works. One without any, while a revision older than it still has Available pods that the
    /// workload no longer asks for, never took over from that one; unless it is a partition or somebody's will that keeps
    /// those.
    pub fn proof(&self, revision: &Revision) -> Proof {
        if revision.pods.available > 0 {
            return Proof::Works;
        }
        let before = self.place(revision).unwrap_or_default();
        let took_over = !self.replaces_all || self.oldest_available.is_none_or(|oldest| oldest >= before);
        let is_current = self.current().is_some_and(|current| current.name == revision.name);
        match (took_over, is_current, revision.pods.total) {
            (false, false, _) | (_, false, 1..) => Proof::Fails,
            (true, _, _) | (false, true, _) => Proof::None,
        }
    }

    /// Iterates over all revisions but the current one, newest first; those without a number come last.
    pub fn others(&self) -> impl Iterator<Item = &Revision> {
        let current = self.current().map(|current| current.uid.as_str());
        let unnumbered = self.revisions.iter().rev().filter(|revision| revision.number.is_none());
        let all = self.in_order().rev().chain(unnumbered);
        all.filter(move |revision| Some(revision.uid.as_str()) != current)
    }

    /// Returns the numbers that exist, ascending.
    pub fn numbers(&self) -> Vec<RevisionNumber> {
        self.revisions.iter().filter_map(|revision| revision.number).collect()
    }

    /// Returns the place of a revision among those whose order is known. There may be thousands, and each is asked for.
    fn place(&self, revision: &Revision) -> Option<usize> {
        let numbered = self.revisions.partition_point(|it| it.number.is_some());
        self.revisions[..numbered].binary_search_by(|it| order(it).cmp(&order(revision))).ok()
    }

    /// The current revision is the newest, but for the moment between a template's return and its renumbering.
    fn predecessor_or_newest_other(&self, current: &Revision) -> Result<&Revision, NoRevision> {
        let newest = self.in_order().next_back().is_some_and(|last| last.name == current.name);
        let previous = if newest { self.predecessor(current) } else { self.others().next() };
        previous.ok_or(NoRevision::OnlyOne)
    }

    fn numbered(&self, wanted: RevisionNumber) -> Result<&Revision, NoRevision> {
        let has = |revision: &&Revision| {
            revision.number == Some(wanted)
                || revision.duplicates.iter().any(|twin| twin.number == Some(wanted))
        };
        let found = self.revisions.iter().rev().find(has).ok_or_else(|| NoRevision::NotFound {
            wanted,
            existing: self.numbers(),
            renumbered: self
                .revisions
                .iter()
                .find(|revision| revision.former.contains(&wanted))
                .and_then(|revision| revision.number),
        })?;
        match self.revisions.iter().find(|it| has(it) && it.name != found.name) {
            Some(other) => {
                let names = [other.name.clone(), found.name.clone()];
                Err(NoRevision::Ambiguous { wanted, names })
            }
            None => Ok(found),
        }
    }

    /// Where another old revision has the same number, nobody knows which of them was live later.
    fn only<'a>(&'a self, chosen: &'a Revision) -> Result<&'a Revision, NoRevision> {
        let equal = |it: &&Revision| it.number == chosen.number && it.name != chosen.name;
        match (chosen.number, self.others().find(equal)) {
            (Some(wanted), Some(other)) => {
                let names = [other.name.clone(), chosen.name.clone()];
                Err(NoRevision::Ambiguous { wanted, names })
            }
            (_, _) => Ok(chosen),
        }
    }
}

/// What revisions are ordered by.
fn order(revision: &Revision) -> (Option<RevisionNumber>, Option<Timestamp>, &str) {
    (revision.number, revision.created, &revision.name)
}

fn replaces_all(workload: &Workload) -> bool {
    let held = workload.paused || workload.partition() > 0;
    !held && workload.strategy != Strategy::OnDelete
}

/// Returns the UID of the workload that a ReplicaSet or ControllerRevision belongs to.
pub fn owner(object: &Value) -> Option<&str> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}

/// Folds equal revisions into the newest of them (kubernetes#134773 leaves such behind). `revisions` is sorted.
fn folded(revisions: Vec<Revision>) -> Vec<Revision> {
    // Where templates of a form were seen last. A history has thousands of revisions where somebody keeps them all.
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
    let earlier = revisions.iter().enumerate().map(|(index, revision)| {
        let (template, form) = revision.template.as_ref().zip(revision.form)?;
        let alike = seen.entry(form).or_default();
        let is_same = |it: &&mut usize| {
            revisions[**it].template.as_ref().is_some_and(|it| template::same(it, template))
        };
        match alike.iter_mut().find(is_same) {
            Some(last) => Some(std::mem::replace(last, index)),
            None => {
                alike.push(index);
                None
            }
        }
    });
    let earlier: Vec<Option<usize>> = earlier.collect();
    let mut kept: Vec<Option<Revision>> = Vec::with_capacity(revisions.len());
    for (mut revision, earlier) in revisions.into_iter().zip(earlier) {
        if let Some(twin) = earlier.and_then(|index| kept[index].take()) {
            revision.duplicates = twin.duplicates;
            revision.duplicates.push(Twin { name: twin.name, uid: twin.uid, number: twin.number });
            revision.nulls.extend(twin.nulls);
            revision.pods.total += twin.pods.total;
            revision.pods.ready += twin.pods.ready;
            revision.pods.available += twin.pods.available;
        }
        kept.push(Some(revision));
    }
    kept.into_iter().flatten().collect()
}

/// A Deployment's ReplicaSets count their pods themselves.
fn count_pod(workload: &Workload, revisions: &mut [Revision], pod: &Pod, now: Timestamp) {
    let kind = workload.id.kind;
    if kind == Kind::Deployment || pod.terminating || pod.owner.as_deref() != Some(&workload.id.uid) {
        return;
    }
    let Some(label) = pod.revision.as_deref() else { return };
    if let Some(revision) = revisions.iter_mut().find(|revision| revision.owns_label(kind, label)) {
        revision.pods.total += 1;
        revision.pods.ready += u32::from(pod.ready());
        revision.pods.available += u32::from(pod.available(workload.min_ready_seconds, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revision, revisions, snapshot, workload};
    use serde_json::json;

    fn number(number: u64) -> RevisionNumber {
        RevisionNumber::new(number).unwrap()
    }

    fn daemon_set(image: &str, revisions: Vec<Value>, pods: Vec<Pod>) -> History {
        snapshot(
            Kind::DaemonSet,
            workload(Kind::DaemonSet, image, json!({"type": "RollingUpdate"})),
            revisions,
            pods,
        )
        .history
    }

    fn three() -> Vec<Value> {
        vec![
            revision(Kind::DaemonSet, 3, "app:3", "ccc"),
            revision(Kind::DaemonSet, 1, "app:1", "aaa"),
            revision(Kind::DaemonSet, 2, "app:2", "bbb"),
        ]
    }

    #[test]
    fn revisions_are_sorted_and_the_one_with_the_live_template_is_current() {
        let history = daemon_set("app:3", three(), Vec::new());
        assert_eq!(history.numbers(), [number(1), number(2), number(3)]);
        assert_eq!(history.current().unwrap().name, "web-ccc");
        assert_eq!(history.select(RevisionSelector::Previous).unwrap().name, "web-bbb");
    }

    #[test]
    fn a_template_that_came_back_before_its_renumbering_does_not_hide_the_newest() {
        let history = daemon_set("app:1", three(), Vec::new());
        assert_eq!(history.select(RevisionSelector::Previous).unwrap().name, "web-ccc");
    }

    #[test]
    fn revisions_of_another_owner_are_left_out() {
        let mut foreign = revision(Kind::DaemonSet, 9, "app:9", "zzz");
        foreign["metadata"]["ownerReferences"][0]["uid"] = json!("another");
        let history = daemon_set("app:3", [three(), vec![foreign]].concat(), Vec::new());
        assert_eq!((history.len(), history.foreign), (3, 1));
    }

    #[test]
    fn equal_revisions_are_folded_into_the_newest() {
        let mut twin = revision(Kind::DaemonSet, 4, "app:3", "ddd");
        twin["data"]["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
        let old = pod(Kind::DaemonSet, "a", "ccc", true);
        let history = daemon_set("app:3", [three(), vec![twin]].concat(), vec![old]);
        let current = history.current().unwrap();
        assert_eq!((current.name.as_str(), current.pods.available), ("web-ddd", 1));
        let twin = &current.duplicates[0];
        assert_eq!((&*twin.name, &*twin.uid, twin.number), ("web-ccc", "cr-ccc", Some(number(3))));
        assert_eq!(history.select(RevisionSelector::Number(number(3))).unwrap().name, "web-ddd");
    }

    #[test]
    fn a_number_that_is_none_comes_last_and_changes_nothing_of_the_others() {
        let kind = Kind::Deployment;
        let mut odd = revision(kind, 2, "app:2", "bbb");
        odd["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("two");
        let revisions =
            vec![odd.clone(), revision(kind, 3, "app:3", "ccc"), revision(kind, 1, "app:1", "aaa")];
        let see = |image: &str, revisions: Vec<Value>| {
            snapshot(kind, workload(kind, image, json!({})), revisions, Vec::new()).history
        };
        let history = see("app:3", revisions.clone());
        let names: Vec<&str> = history.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["web-aaa", "web-ccc", "web-bbb"]);
        let [first, third, odd_one] = [0, 1, 2].map(|index| &history.revisions[index]);
        assert_eq!(history.changes(third).unwrap()[0].from, Some(json!("app:1")));
        assert_eq!((history.changes(odd_one), history.changes(first)), (None, None));
        assert_eq!(history.select(RevisionSelector::Previous).unwrap().name, "web-aaa");
        // The current one may be it.
        let history = see("app:2", revisions);
        assert_eq!(history.select(RevisionSelector::Previous).unwrap().name, "web-ccc");
        // An equal one that has a number counts.
        let history = see("app:2", vec![odd, revision(kind, 2, "app:2", "ddd")]);
        assert_eq!((history.len(), history.current().unwrap().name.as_str()), (1, "web-ddd"));
    }

    #[test]
    fn of_two_equal_numbers_both_are_named() {
        let kind = Kind::Deployment;
        let numbered = |numbers: [u64; 3]| {
            let hashes = ["aaa", "bbb", "ccc"];
            let objects = (0..3).map(|n| revision(kind, numbers[n], &format!("app:{}", n + 1), hashes[n]));
            snapshot(kind, workload(kind, "app:3", json!({})), objects.collect(), Vec::new()).history
        };
        let both = |a: &str, b: &str, at| {
            Err(NoRevision::Ambiguous { wanted: number(at), names: [a.to_string(), b.to_string()] })
        };
        let name = |it: &Revision| it.name.clone();
        let twice = numbered([2, 2, 3]);
        assert_eq!(
            twice.select(RevisionSelector::Number(number(2))).map(name),
            both("web-aaa", "web-bbb", 2)
        );
        assert_eq!(twice.select(RevisionSelector::Previous).map(name), both("web-aaa", "web-bbb", 2));
        assert_eq!(twice.select(RevisionSelector::Number(number(3))).map(name), Ok("web-ccc".to_string()));
        // The previous one is not the current one, whatever number that has.
        let current = numbered([1, 3, 3]);
        assert_eq!(
            current.select(RevisionSelector::Number(number(3))).map(name),
            both("web-bbb", "web-ccc", 3)
        );
        assert_eq!(current.select(RevisionSelector::Previous).map(name), Ok("web-bbb".to_string()));
        let error = current.select(RevisionSelector::Number(number(3))).unwrap_err();
        assert_eq!(error.to_string(), "revision 3 is both web-bbb and web-ccc");
    }

    #[test]
    fn pods_of_a_replica_set_that_was_folded_are_kept() {
        let kind = Kind::Deployment;
        let revisions = vec![revision(kind, 1, "app:1", "aaa"), revision(kind, 2, "app:1", "bbb")];
        let pods =
            vec![pod(kind, "a", "aaa", true), pod(kind, "b", "bbb", true), pod(kind, "c", "ccc", true)];
        let seen = snapshot(kind, workload(kind, "app:1", json!({})), revisions, pods);
        let names: Vec<&str> = seen.living().map(|pod| pod.name.as_str()).collect();
        assert_eq!((seen.history.len(), names), (1, vec!["a", "b"]));
    }

    #[test]
    fn an_unknown_number_tells_what_exists_and_what_became_of_it() {
        let mut came_back = revision(Kind::Deployment, 3, "app:1", "aaa");
        came_back["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = json!("1");
        let revisions = vec![came_back, revision(Kind::Deployment, 2, "app:2", "bbb")];
        let live = workload(Kind::Deployment, "app:1", json!({}));
        let history = snapshot(Kind::Deployment, live, revisions, Vec::new()).history;
        let error = history.select(RevisionSelector::Number(number(1))).unwrap_err();
        assert_eq!(
            error,
            NoRevision::NotFound {
                wanted: number(1),
                existing: vec![number(2), number(3)],
                renumbered: Some(number(3)),
            }
        );
        assert_eq!(error.to_string(), "unable to find specified revision 1 in history");
    }

    #[test]
    fn corrupt_data_is_kept_in_the_list_and_refused_when_it_is_needed() {
        let mut corrupt = revision(Kind::DaemonSet, 4, "app:4", "ddd");
        corrupt["data"] = json!({"nonsense": true});
        let history = daemon_set("app:3", [three(), vec![corrupt]].concat(), Vec::new());
        let found = history.select(RevisionSelector::Number(number(4))).unwrap();
        assert_eq!(found.readable_template(), Err(NoRevision::Corrupt { name: "web-ddd".into() }));
    }

    #[test]
    fn after_two_failures_the_last_good_revision_is_the_one_with_available_pods() {
        let mut pods = pods(Kind::DaemonSet, "aaa");
        pods.push(pod(Kind::DaemonSet, "bad", "ccc", false));
        let history = daemon_set("app:3", three(), pods);
        let [first, second, third] = [0, 1, 2].map(|index| &history.revisions[index]);
        assert_eq!(
            [first, second, third].map(|revision| history.proof(revision).works()),
            [Some(true), Some(false), None]
        );
        assert_eq!(history.last_good().unwrap().name, "web-aaa");
    }

    #[test]
    fn pods_that_a_partition_keeps_old_say_nothing_against_a_revision() {
        let with = |partition| {
            let set = crate::fixture::stateful("app:3", partition, "aaa", "ccc");
            let revisions = revisions(Kind::StatefulSet, 3);
            let history = snapshot(Kind::StatefulSet, set, revisions, pods(Kind::StatefulSet, "aaa")).history;
            history.proof(&history.revisions[1]).works()
        };
        assert_eq!((with(0), with(2)), (Some(false), None));
    }

    #[test]
    fn a_revision_that_came_back_was_not_live_after_the_next_one() {
        let mut objects = three();
        objects[1]["metadata"]["managedFields"] =
            json!([{"time": "2026-01-01T00:00:50Z", "fieldsV1": {"f:revision": {}}}]);
        objects[2]["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:20Z");
        let history = daemon_set("app:3", objects, Vec::new());
        assert_eq!(history.revisions[0].live_since, "2026-01-01T00:00:20Z".parse().ok());
    }

    #[test]
    fn without_proof_no_revision_is_called_good() {
        let history = daemon_set("app:3", three(), pods(Kind::DaemonSet, "ccc"));
        assert_eq!(history.last_good().unwrap_err(), NoRevision::NoneGood);
        let two = daemon_set("app:3", three()[..2].to_vec(), pods(Kind::DaemonSet, "ccc"));
        assert_eq!(two.last_good().unwrap().name, "web-aaa");
        let one = daemon_set("app:3", three()[..1].to_vec(), Vec::new());
        assert_eq!(one.last_good().unwrap_err(), NoRevision::OnlyOne);
    }
}
