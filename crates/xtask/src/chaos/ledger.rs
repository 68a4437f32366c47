//! How many pods were missing because drivers had deleted them, at every moment.
//!
//! Only what is certain is counted: a pod that a driver deleted while it was available is missing until another one in its
//! place has been ready. Faults make a driver delete less, never more; so this holds whatever else happens.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What the server told of the pods of a namespace, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A pod as it is now; none of it when it is gone.
    Pod(Sight),
    /// Something was missed: what was open before cannot be judged any more.
    Gap,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) workload: String,
    /// Where another one takes its place: the node of a DaemonSet's, the name of a StatefulSet's.
    pub(super) place: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) ready: bool,
    pub(super) ends: bool,
}

impl Sight {
    /// Reads a pod, as an event of a watch has it. Those of a Deployment have no place that another one takes.
    pub(super) fn of(pod: &Value, gone: bool) -> Option<Sight> {
        let metadata = &pod["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let name = text(&metadata["name"]);
        let place = match metadata["ownerReferences"][0]["kind"].as_str()? {
            "DaemonSet" => {
                let terms = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
                text(&pod.pointer(terms)?[0]["matchFields"][0]["values"][0])
            }
            "StatefulSet" => name.clone(),
            _ => return None,
        };
        let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        Some(Sight {
            workload: text(&metadata["labels"]["app"]),
            place,
            name,
            uid: text(&metadata["uid"]),
            ready: conditions.any(|it| it["type"] == "Ready" && it["status"] == "True"),
            ends: gone || metadata["deletionTimestamp"].is_string(),
        })
    }
}

/// Returns the UID of the pod that a request deletes or evicts.
pub(super) fn deleted(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let options = if body["kind"] == "Eviction" { &body["deleteOptions"] } else { &body };
    options["preconditions"]["uid"].as_str().map(str::to_string)
}

/// Returns the most pods of each workload that were missing at once because of a driver, and how many it deleted;
/// `deleted` are the UIDs of those that drivers, and nobody else, deleted.
pub(super) fn most_missing(entries: &[Entry], deleted: &BTreeSet<String>) -> BTreeMap<String, Missing> {
    let mut ready: BTreeSet<&str> = BTreeSet::new();
    let mut ended: BTreeSet<&str> = BTreeSet::new();
    let mut missing: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    let mut most: BTreeMap<String, Missing> = BTreeMap::new();
    for entry in entries {
        let Entry::Pod(pod) = entry else {
            missing.clear();
            continue;
        };
        let open = missing.entry(&pod.workload).or_default();
        if !pod.ends {
            if pod.ready {
                ready.insert(&pod.uid);
                open.remove(pod.place.as_str());
            } else {
                ready.remove(pod.uid.as_str());
            }
            continue;
        }
        let first = ended.insert(&pod.uid);
        if first && deleted.contains(&pod.uid) && ready.contains(pod.uid.as_str()) {
            open.insert(&pod.place, &pod.name);
            let most = most.entry(pod.workload.clone()).or_default();
            most.deleted += 1;
            if open.len() > most.pods.len() {
                most.pods = open.values().map(|name| (*name).to_string()).collect();
            }
        }
    }
    most
}

/// Pods that drivers deleted while they were available.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// The most that were missing at once.
    pub(super) pods: Vec<String>,
    /// All of them.
    pub(super) deleted: u64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{Entry, Sight, deleted, most_missing};

    /// `a1` is the first pod at the place `a`; `+` it is ready, `-` it is not, `!` it ends.
    fn entries(text: &str) -> Vec<Entry> {
        let entry = |word: &str| match word {
            "gap" => Entry::Gap,
            word => Entry::Pod(Sight {
                workload: "web".into(),
                place: word[..1].into(),
                name: word[..2].into(),
                uid: word[..2].into(),
                ready: word.ends_with('+'),
                ends: word.ends_with('!'),
            }),
        };
        text.split(' ').map(entry).collect()
    }

    fn most(text: &str, deleted: &[&str]) -> usize {
        let deleted: BTreeSet<String> = deleted.iter().map(|uid| (*uid).to_string()).collect();
        most_missing(&entries(text), &deleted).get("web").map_or(0, |it| it.pods.len())
    }

    #[test]
    fn a_pod_is_missing_until_another_one_is_ready_in_its_place() {
        assert_eq!(most("a1+ b1+ a1! a2- b1!", &["a1", "b1"]), 2);
        assert_eq!(most("a1+ b1+ a1! a2- a2+ b1!", &["a1", "b1"]), 1);
        // It dies again, which is not the driver's doing.
        assert_eq!(most("a1+ b1+ a1! a2+ a2! b1!", &["a1", "b1"]), 1);
    }

    #[test]
    fn only_what_a_driver_deletes_while_it_is_available_counts() {
        assert_eq!(most("a1+ b1+ a1! b1!", &["b1"]), 1);
        assert_eq!(most("a1+ b1- a1! b1!", &["a1", "b1"]), 1);
        assert_eq!(most("a1+ b1+ a1! a1! b1-", &["a1", "b1"]), 1);
    }

    #[test]
    fn a_deletion_names_its_pod_by_its_uid() {
        let delete = r#"{"kind":"DeleteOptions","preconditions":{"uid":"u"}}"#;
        let evict = r#"{"kind":"Eviction","deleteOptions":{"preconditions":{"uid":"u"}}}"#;
        assert_eq!([delete, evict, "{}", ""].map(deleted), [Some("u".into()), Some("u".into()), None, None]);
    }

    #[test]
    fn behind_a_gap_nothing_is_known_of_what_was_before() {
        assert_eq!(most("a1+ b1+ a1! gap b1+ b1!", &["a1", "b1"]), 1);
    }

    #[test]
    fn the_place_of_a_pod_is_where_its_controller_makes_another_one() {
        let set = json!({ "metadata": { "name": "db-0", "uid": "u", "labels": { "app": "db" },
            "ownerReferences": [{ "kind": "StatefulSet" }] } });
        let sight = Sight::of(&set, false).expect("a pod of a set");
        assert_eq!((sight.place.as_str(), sight.ready, sight.ends), ("db-0", false, false));
        let field = json!([{ "matchFields": [{ "key": "metadata.name", "values": ["node-3"] }] }]);
        let terms =
            json!({ "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": field } });
        let daemon = json!({
            "metadata": { "name": "x-abc", "uid": "u", "labels": { "app": "x" },
                "ownerReferences": [{ "kind": "DaemonSet" }] },
            "spec": { "affinity": { "nodeAffinity": terms } },
        });
        assert_eq!(Sight::of(&daemon, true).map(|it| (it.place, it.ends)), Some(("node-3".into(), true)));
        let other = json!({ "metadata": { "ownerReferences": [{ "kind": "ReplicaSet" }] } });
        assert_eq!(Sight::of(&other, false), None);
    }
}
