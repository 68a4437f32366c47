use serde_json::{Value, json};

use crate::fixture::{pod, pods, revision, snapshot, stateful, template, workload};
use crate::history::number::RevisionNumber;
use crate::history::select::RevisionSelector;
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::plan::decision::{Decision, Plan};
use crate::plan::needs::Needs;
use crate::plan::undo::{self, UndoOptions};
use crate::plan::warning::{Warning, WarningId};
use crate::snapshot::Snapshot;
use crate::snapshot::surroundings::{Autoscaler, Budget, Presence, Quota};
use crate::template::references::{Reference, ReferenceKind};

/// `web` at app:2, with the revisions app:1 and app:2, after `edit` of the object and of the two revisions.
fn seen(kind: Kind, edit: impl FnOnce(&mut Value, &mut Vec<Value>), pods: Vec<Pod>) -> Snapshot {
    let mut object = match kind {
        Kind::StatefulSet => stateful("app:2", 0, "aaa", "bbb"),
        Kind::Deployment | Kind::DaemonSet => workload(kind, "app:2", json!({"type": "RollingUpdate"})),
    };
    let mut revisions = vec![revision(kind, 1, "app:1", "aaa"), revision(kind, 2, "app:2", "bbb")];
    edit(&mut object, &mut revisions);
    snapshot(kind, object, revisions, pods)
}

fn planned(snapshot: &Snapshot, to: u64) -> Plan {
    let target = RevisionSelector::Number(RevisionNumber::new(to).unwrap());
    match undo::plan(snapshot, &UndoOptions { target, resume: false, reason: None, drive: None }).unwrap() {
        Decision::Change(plan) => *plan,
        Decision::Nothing { .. } => panic!("nothing to do"),
    }
}

/// The warnings of a way back to the first revision.
fn warnings(snapshot: &Snapshot) -> Vec<Warning> {
    planned(snapshot, 1).warnings
}

fn ids(snapshot: &Snapshot) -> Vec<(WarningId, bool)> {
    warnings(snapshot).iter().map(|it| (it.id, it.stops)).collect()
}

/// What the first revision's template is.
fn first(revisions: &mut [Value]) -> &mut Value {
    let pointer = if revisions[0].get("data").is_some() { "/data/spec/template" } else { "/spec/template" };
    revisions[0].pointer_mut(pointer).unwrap()
}

fn plain(kind: Kind) -> Snapshot {
    seen(kind, |_, _| {}, pods(kind, "bbb"))
}

fn there(changed: &str, keys: &[&str]) -> Presence {
    let keys = keys.iter().map(ToString::to_string).collect();
    Presence::There { changed: changed.parse().ok(), keys: Some(keys) }
}

fn reference(kind: ReferenceKind, keys: &[&str]) -> Reference {
    let keys = keys.iter().map(ToString::to_string).collect();
    Reference { kind, name: "config".to_string(), keys }
}

#[test]
fn a_quiet_change_has_no_warning() {
    for kind in Kind::ALL {
        assert_eq!(ids(&plain(kind)), [], "{kind}");
    }
}

#[test]
fn what_is_needed_depends_on_the_change() {
    let needs = |snapshot: &Snapshot| {
        let plan = planned(snapshot, 1);
        let Needs { references, autoscalers, budgets, quotas } =
            Needs::of(snapshot, &plan.template, &plan.impact);
        (references.len(), autoscalers, budgets, quotas)
    };
    assert_eq!(needs(&plain(Kind::Deployment)), (0, true, true, true));
    assert_eq!(needs(&plain(Kind::DaemonSet)), (0, false, true, false));
    assert_eq!(needs(&plain(Kind::StatefulSet)), (0, true, true, false));
    let kind = Kind::StatefulSet;
    let larger = |_: &mut Value, revisions: &mut Vec<Value>| {
        first(revisions)["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
        first(revisions)["spec"]["imagePullSecrets"] = json!([{"name": "registry"}]);
    };
    assert_eq!(needs(&seen(kind, larger, pods(kind, "bbb"))), (1, true, true, true));
    assert_eq!(needs(&seen(kind, |_, _| {}, pods(kind, "aaa"))), (0, true, false, false));
}

#[test]
fn an_object_that_is_gone_stops_and_one_without_the_key_does_too() {
    let mut snapshot = plain(Kind::Deployment);
    let mut with = |kind, keys: &[&str], presence| {
        snapshot.surroundings.references = vec![(reference(kind, keys), presence)];
        warnings(&snapshot).into_iter().map(|it| (it.id, it.message, it.stops)).next()
    };
    let missing = with(ReferenceKind::ConfigMap, &[], Presence::Gone).unwrap();
    assert_eq!((missing.0, missing.2), (WarningId::MissingConfig, true));
    assert_eq!(
        missing.1,
        "configmap config does not exist, and revision 1 names it: its pods would not start"
    );
    let long_ago = "2020-01-01T00:00:00Z";
    let key = with(ReferenceKind::Secret, &["b"], there(long_ago, &["a"])).unwrap();
    assert_eq!((key.0, key.2), (WarningId::MissingConfig, true));
    assert!(key.1.starts_with("secret config has no key b,"), "{}", key.1);
    assert_eq!(with(ReferenceKind::Secret, &["a"], there(long_ago, &["a"])), None);
    let untracked = Presence::There { changed: None, keys: None };
    assert_eq!(with(ReferenceKind::Secret, &["a"], untracked), None);
    assert!(with(ReferenceKind::PriorityClass, &[], Presence::Gone).unwrap().2);
    // Pods start without a pull secret, and many templates name one that never was.
    assert!(!with(ReferenceKind::PullSecret, &[], Presence::Gone).unwrap().2);
}

#[test]
fn a_config_that_was_changed_after_the_revision_was_live_is_said() {
    let created = |_: &mut Value, revisions: &mut Vec<Value>| {
        revisions[0]["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        revisions[1]["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:30Z");
    };
    let mut snapshot = seen(Kind::Deployment, created, pods(Kind::Deployment, "bbb"));
    let mut with = |kind, at: &str| {
        snapshot.surroundings.references = vec![(reference(kind, &[]), there(at, &[]))];
        ids(&snapshot)
    };
    let changed = [(WarningId::ConfigChanged, false)];
    assert_eq!(with(ReferenceKind::ConfigMap, "2026-01-01T00:00:31Z"), changed);
    assert_eq!(with(ReferenceKind::Secret, "2026-01-01T00:00:31Z"), changed);
    // While the revision was live it met the change itself.
    assert_eq!(with(ReferenceKind::ConfigMap, "2026-01-01T00:00:15Z"), []);
    // A claim's metadata changes with its binding.
    assert_eq!(with(ReferenceKind::Claim, "2026-01-01T00:00:31Z"), []);
}

#[test]
fn an_autoscaler_of_the_workload_is_named() {
    let mut snapshot = plain(Kind::Deployment);
    let autoscaler = |name: &str| {
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name});
        let spec = json!({"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5});
        Autoscaler::from_object(&json!({"metadata": {"name": "load"}, "spec": spec})).unwrap()
    };
    snapshot.surroundings.autoscalers = vec![autoscaler("web"), autoscaler("db")];
    let warnings = warnings(&snapshot);
    assert_eq!(warnings.iter().map(|it| it.id).collect::<Vec<_>>(), [WarningId::Hpa]);
    assert!(warnings[0].message.contains("load (2..5)"), "{}", warnings[0].message);
}

fn quota(hard: Value, used: Value) -> Quota {
    Quota::from_object(&json!({"metadata": {"name": "team"}, "status": {"hard": hard, "used": used}}))
        .unwrap()
}

#[test]
fn a_quota_counts_the_pods_that_are_made_in_addition_or_the_larger_ones() {
    let asks = |cpu: &str| json!({"requests": {"cpu": cpu}});
    let sized = |before: &'static str, after: &'static str| {
        let edit = |object: &mut Value, revisions: &mut Vec<Value>| {
            object["spec"]["template"]["spec"]["containers"][0]["resources"] = asks(before);
            revisions[1]["spec"]["template"]["spec"]["containers"][0]["resources"] = asks(before);
            first(revisions)["spec"]["containers"][0]["resources"] = asks(after);
        };
        seen(Kind::Deployment, edit, pods(Kind::Deployment, "bbb"))
    };
    let short = |mut snapshot: Snapshot, quota: Quota| {
        snapshot.surroundings.quotas = vec![quota];
        warnings(&snapshot).into_iter().map(|it| it.message).next().unwrap_or_default()
    };
    let pods = short(plain(Kind::Deployment), quota(json!({"pods": "3"}), json!({"pods": "3"})));
    assert!(pods.contains("team has no room") && pods.contains("pods (needs 1 more, 0 left)"), "{pods}");
    assert_eq!(short(plain(Kind::Deployment), quota(json!({"pods": "4"}), json!({"pods": "3"}))), "");
    assert_eq!(short(plain(Kind::StatefulSet), quota(json!({"pods": "3"}), json!({"pods": "3"}))), "");
    let one = quota(json!({"requests.cpu": "2"}), json!({"requests.cpu": "1500m"}));
    let larger = short(sized("500m", "1"), one.clone());
    assert!(larger.contains("requests.cpu (needs 1500m more, 500m left)"), "{larger}");
    assert_eq!(short(sized("500m", "500m"), one), "");
    let bare = short(sized("1", "1"), quota(json!({"cpu": "3"}), json!({"cpu": "3"})));
    assert!(bare.contains("cpu (needs 1 more, 0 left)"), "{bare}");
}

#[test]
fn a_budget_that_the_controllers_do_not_heed_is_said_with_both_numbers() {
    let budget = |spec: Value, expected: u32, healthy: u32| {
        let status = json!({"expectedPods": expected, "currentHealthy": healthy});
        Budget::from_object(&json!({"metadata": {"name": "keep"}, "spec": spec, "status": status})).unwrap()
    };
    let broken = |kind: Kind, budget: Budget| {
        let mut snapshot = plain(kind);
        snapshot.surroundings.budgets = vec![budget];
        warnings(&snapshot).into_iter().map(|it| it.message).next().unwrap_or_default()
    };
    let all = |labels: Value| json!({"minAvailable": "100%", "selector": {"matchLabels": labels}});
    let said = broken(Kind::StatefulSet, budget(all(json!({"app": "web"})), 3, 3));
    assert!(said.contains("keep asks for 3 available pods, and meanwhile there are only 2"), "{said}");
    assert_eq!(broken(Kind::StatefulSet, budget(all(json!({"app": "db"})), 3, 3)), "");
    // Of three replicas a Deployment may miss 25 %, which is none.
    assert_eq!(broken(Kind::Deployment, budget(all(json!({"app": "web"})), 3, 3)), "");
    // Pods of others that it covers too stay as they are.
    let shared = json!({"minAvailable": 4, "selector": {}});
    assert_eq!(broken(Kind::StatefulSet, budget(shared, 5, 5)), "");
    let lost = broken(Kind::DaemonSet, budget(json!({"maxUnavailable": 0, "selector": {}}), 5, 5));
    assert!(lost.contains("asks for 5 available pods, and meanwhile there are only 4"), "{lost}");
}

#[test]
fn a_partition_that_stays_is_said_where_it_keeps_other_pods() {
    let kind = Kind::StatefulSet;
    let at = |partition: u32, hashes: [&str; 3]| {
        let of = |(n, hash): (usize, &&str)| pod(kind, &format!("web-{n}"), hash, true);
        let edit = move |object: &mut Value, _: &mut Vec<Value>| {
            object["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(partition);
        };
        seen(kind, edit, hashes.iter().enumerate().map(of).collect())
    };
    let held = warnings(&at(2, ["bbb", "bbb", "bbb"]));
    assert_eq!(held[0].id, WarningId::PartitionLeft);
    assert_eq!(
        held[0].message,
        "the partition 2 stays: 2 pods below it stay at another revision than revision 1"
    );
    assert!(held[0].fix.as_ref().unwrap().contains("\"partition\":0"), "{:?}", held[0].fix);
    // A trial above the partition that is taken back leaves nothing behind.
    assert_eq!(ids(&at(2, ["aaa", "aaa", "bbb"])), []);
    assert_eq!(ids(&at(0, ["bbb", "bbb", "bbb"])), []);
}

#[test]
fn a_held_daemon_set_whose_placement_changes_stops() {
    let with = |strategy: &'static str, field: &'static str, value: Value| {
        let edit = move |object: &mut Value, revisions: &mut Vec<Value>| {
            object["spec"]["updateStrategy"] = json!({"type": strategy});
            first(revisions)["spec"][field] = value;
        };
        seen(Kind::DaemonSet, edit, pods(Kind::DaemonSet, "bbb"))
    };
    let held = with("OnDelete", "nodeSelector", json!({"pool": "x"}));
    assert_eq!(ids(&held), [(WarningId::Placement, true)]);
    assert_eq!(warnings(&held)[0].fix.as_deref(), Some("kubectl get nodes -l pool=x"));
    assert!(warnings(&held)[0].message.contains("another nodeSelector"), "{:?}", warnings(&held));
    assert_eq!(
        ids(&with("OnDelete", "tolerations", json!([{"operator": "Exists"}]))),
        [(WarningId::Placement, true)]
    );
    assert_eq!(ids(&with("RollingUpdate", "nodeSelector", json!({"pool": "x"}))), []);
    assert_eq!(ids(&with("OnDelete", "nodeSelector", json!({}))), []);
    assert_eq!(ids(&with("OnDelete", "hostNetwork", json!(true))), []);
}

#[test]
fn a_revision_of_another_version_stops_where_pods_have_it_and_they_are_foretold() {
    let null = |_: &mut Value, revisions: &mut Vec<Value>| {
        first(revisions)["metadata"]["creationTimestamp"] = Value::Null;
    };
    for kind in [Kind::DaemonSet, Kind::StatefulSet] {
        let mut middle = pods(kind, "aaa");
        middle[2] = pod(kind, "web-2", "bbb", false);
        let replaced = |snapshot: &Snapshot| planned(snapshot, 1).impact.pods.len();
        let same = seen(kind, |_, _| {}, middle.clone());
        assert_eq!((ids(&same), replaced(&same)), (vec![], 1), "{kind}");
        let other = seen(kind, null, middle.clone());
        assert_eq!((ids(&other), replaced(&other)), (vec![(WarningId::RevisionBytes, true)], 3), "{kind}");
        let said = &warnings(&other)[0].message;
        assert!(
            said.contains("web-aaa") && said.contains("2 pods at it already are restarted too"),
            "{said}"
        );
        assert!(said.contains("`creationTimestamp: null`"), "{said}");
        // Where no pod has it, nothing is lost.
        assert_eq!(ids(&seen(kind, null, pods(kind, "bbb"))), [], "{kind}");
        // A server that writes nulls itself finds it again, and does not find one without.
        let old_server = |edit: fn(&mut Vec<Value>)| {
            let edit = move |object: &mut Value, revisions: &mut Vec<Value>| {
                object["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
                edit(revisions);
            };
            ids(&seen(kind, edit, middle.clone()))
        };
        let written = old_server(|revisions| first(revisions)["metadata"]["creationTimestamp"] = Value::Null);
        assert_eq!(written, [], "{kind}");
        assert_eq!(old_server(|_| {}), [(WarningId::RevisionBytes, true)], "{kind}");
    }
}

#[test]
fn a_revision_without_what_the_server_fills_in_is_not_found_again() {
    let kind = Kind::DaemonSet;
    let mut middle = pods(kind, "aaa");
    middle[2] = pod(kind, "web-2", "bbb", false);
    for (pointer, field) in [("/spec", "dnsPolicy"), ("/spec/containers/0", "resources")] {
        let edit = |object: &mut Value, revisions: &mut Vec<Value>| {
            object["spec"]["template"].pointer_mut(pointer).unwrap()[field] = json!({});
            revisions[1]["data"]["spec"]["template"].pointer_mut(pointer).unwrap()[field] = json!({});
        };
        let said = warnings(&seen(kind, edit, middle.clone()));
        assert_eq!(said.iter().map(|it| it.id).collect::<Vec<_>>(), [WarningId::RevisionBytes], "{field}");
        assert!(said[0].message.contains(&format!("no `{field}`")), "{}", said[0].message);
    }
}

#[test]
fn of_two_equal_revisions_the_one_with_the_same_bytes_is_found_again() {
    let kind = Kind::DaemonSet;
    let twin = |_: &mut Value, revisions: &mut Vec<Value>| {
        first(revisions)["metadata"]["creationTimestamp"] = Value::Null;
        revisions[1]["revision"] = json!(3);
        revisions.push(revision(kind, 2, "app:1", "ttt"));
    };
    let at = |hash: &str| {
        let mut pods = pods(kind, hash);
        pods[2] = pod(kind, "web-2", "bbb", true);
        let snapshot = seen(kind, twin, pods);
        planned(&snapshot, 2).warnings.iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(at("ttt"), []);
    assert_eq!(at("aaa"), [WarningId::RevisionBytes]);
}

#[test]
fn a_statefulset_finds_its_newest_revision_by_meaning() {
    let kind = Kind::StatefulSet;
    let mut middle = pods(kind, "bbb");
    middle[2] = pod(kind, "web-2", "aaa", false);
    // The template came back to app:1, and its revision is not renumbered yet.
    let edit = |object: &mut Value, revisions: &mut Vec<Value>| {
        object["spec"]["template"] = template("app:1");
        revisions[1]["data"]["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
    };
    let stops = |snapshot: &Snapshot| {
        planned(snapshot, 2).warnings.iter().any(|it| it.id == WarningId::RevisionBytes)
    };
    assert!(!stops(&seen(kind, edit, middle.clone())));
    // A server before 1.34, which writes times that are null, goes by bytes alone.
    let edit = |object: &mut Value, _: &mut Vec<Value>| {
        object["spec"]["template"] = template("app:1");
        object["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
    };
    assert!(stops(&seen(kind, edit, middle)));
}

#[test]
fn what_is_hidden_is_said_as_skipped() {
    let mut snapshot = plain(Kind::Deployment);
    snapshot.surroundings.hidden = vec!["secret db may not be read".to_string()];
    assert_eq!(planned(&snapshot, 1).notes, ["skipped: secret db may not be read"]);
}
