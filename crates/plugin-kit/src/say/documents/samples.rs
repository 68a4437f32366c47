//! A document of each kind, and of each word in it, held against the schemas.

use std::collections::{BTreeMap, BTreeSet};

use documents::Schemas;
use k8s_openapi::jiff::Timestamp;
use rollout_core::history::RevisionMetadata;
use rollout_core::judge::{Cause, Causes, Hold, Progress, Sort, State, evaluate};
use rollout_core::machine::{self, Act, Ending, NoWayBack, StepProgress, Why};
use rollout_core::model::Frame;
use rollout_core::objects::ReadAs;
use rollout_core::plan::{self, Impact, PlannedStep, Refusal, ReplacedPod, Request, WarningId};
use rollout_core::snapshot::{CauseId, Skipped};
use rollout_core::stored::STORED;
use rollout_core::template::diff;
use rollout_core::view::nodes::{self, Blocked, NodeRow, Trouble};
use rollout_core::view::ordinals::{self, Notice, NoticeId};
use rollout_core::view::timeline::{self, EntryState, Outline};
use rollout_core::{Kind, RevisionNumber, Snapshot, Workload, WorkloadId};
use rollout_kube::End;
use serde_json::{Value, json};

use super::*;
use crate::call::document::value;
use crate::call::failure::failure;
use crate::call::{CliError, Exit};
use crate::say::ending;

/// A set with two revisions in the middle of a rollout in steps.
fn snapshot() -> Snapshot {
    let template = |image: &str| {
        json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": image}]}})
    };
    let object = json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "uid-web", "generation": 1,
            "annotations": {STORED: rollout::tests::stored().to_string()}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template("app:2")},
    });
    let workload = Workload::from_object(Kind::StatefulSet, object).unwrap();
    let revision = |(image, number): (&str, u64)| {
        json!({
            "metadata": {"name": format!("web-{number}"), "uid": format!("uid-{number}"),
                "creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": [{"uid": "uid-web", "controller": true}],
                "annotations": {"kubernetes.io/change-cause": "why"}},
            "revision": number,
            "data": {"spec": {"template": template(image)}},
        })
    };
    let revisions = ["app:1", "app:2", "app:1"].into_iter().zip(1..).map(revision);
    Snapshot::new(workload, revisions.collect(), Some(Vec::new()), Timestamp::UNIX_EPOCH)
}

fn causes() -> Vec<Cause> {
    let mut causes: Vec<Cause> =
        CauseId::ALL.iter().map(|id| Cause::new(*id, "it fails".to_string())).collect();
    let at = Timestamp::UNIX_EPOCH;
    causes[0] = Cause {
        sort: Sort::OnProbation { since: at, until: Some(at) },
        old_too: true,
        pod: Some("web-0".to_string()),
        container: Some("app".to_string()),
        evidence: Some("no such image".to_string()),
        log: vec!["bye".to_string()],
        fix: Some("mend it".to_string()),
        ..causes[0].clone()
    };
    causes[1].sort = Sort::OnProbation { since: at, until: None };
    causes[2].sort = Sort::HoldsUp;
    causes
}

fn changes() -> Vec<diff::Change> {
    let change = |from: Option<Value>, to: Option<Value>| diff::Change {
        path: "spec.containers[app].image".to_string(),
        from,
        to,
    };
    vec![change(Some(json!("app:1")), Some(json!("app:2"))), change(None, Some(json!({"a": [1]})))]
}

fn warnings() -> Vec<plan::Warning> {
    let warning = |id: &WarningId| plan::Warning {
        id: *id,
        message: "beware".to_string(),
        fix: Some("kubectl".to_string()),
        stops: true,
    };
    WarningId::ALL.iter().map(warning).collect()
}

fn plan(snapshot: &Snapshot) -> plan::Plan {
    let pod = |node: Option<&str>| ReplacedPod { name: "web-0".to_string(), node: node.map(str::to_string) };
    let id = snapshot.workload.id.clone();
    plan::Plan {
        from: RevisionNumber::new(2),
        to: RevisionNumber::new(3),
        to_object: "web-3".to_string(),
        changes: changes(),
        template: Value::Null,
        requests: vec![
            Request::patch(&snapshot.workload, Vec::new(), Vec::new()),
            Request::delete_pod("default", "web-0", "uid"),
            Request::evict_pod("default", "web-0", "uid"),
        ],
        impact: Impact {
            pods: vec![pod(None), pod(Some("a"))],
            frames: vec![Frame { old: 1, new: 2, available: 2, existing: 3 }],
            known: true,
            ..Impact::default()
        },
        steps: vec![PlannedStep {
            step: 1,
            words: "1".to_string(),
            total: 1,
            nodes: vec!["a".to_string()],
            pods: vec!["web-0".to_string()],
        }],
        notes: vec!["a note".to_string()],
        warnings: warnings(),
        better: None,
        workload: id,
    }
}

fn acts() -> Vec<Act> {
    let why = [Why::Blocks, Why::OnDelete, Why::PutBack, Why::Retry];
    let mut acts: Vec<Act> =
        why.into_iter().map(|why| Act::Delete { pod: "web-0".to_string(), why }).collect();
    acts.extend([
        Act::Evict { pod: "web-0".to_string(), why: Why::OnDelete, again: false },
        Act::GoBack { to: RevisionNumber::new(1), causes: causes() },
        Act::GoBack { to: None, causes: Vec::new() },
        Act::Partition { to: 1 },
        Act::Record,
        Act::Renew,
        Act::StepDone { done: 1 },
        Act::HoldAgain { found: "RollingUpdate".to_string() },
        Act::StandStill { causes: causes() },
        Act::HeldUp { causes: causes() },
        Act::Clean { object: "web-1".to_string() },
        Act::Finish,
    ]);
    acts
}

fn events(progress: &Progress) -> Vec<machine::Event> {
    use machine::Event;
    let step = StepProgress {
        step: 1,
        of: 2,
        words: "1".to_string(),
        total: 1,
        settled: 0,
        in_hand: vec!["web-0".to_string()],
    };
    let mut events = vec![
        Event::Progress(progress.clone()),
        Event::Step(step),
        Event::OutsideStep { pod: "web-0".to_string(), node: Some("a".to_string()) },
        Event::OutsideStep { pod: "web-0".to_string(), node: None },
        Event::EvictionForbidden { pod: "web-0".to_string(), words: "no".to_string() },
        Event::StoredOtherwise(changes()),
        Event::Soaking(3),
        Event::Passed,
        Event::ConnectionLost { error: "refused".to_string() },
        Event::ConnectionBack,
    ];
    events.extend(acts().into_iter().flat_map(|act| [Event::Doing(act.clone()), Event::NotDone(act)]));
    events
}

fn nodes_document(snapshot: &Snapshot) -> Value {
    let row = NodeRow {
        node: "a",
        group: Some("z1"),
        pod: None,
        revision: RevisionNumber::new(2),
        updated: true,
        ready: true,
        reason: Some("Pending".to_string()),
        trouble: Trouble::Unready,
    };
    let blocked = [Blocked::Gone, Blocked::NotReady, Blocked::Tainted("x".to_string()), Blocked::NoRoom];
    let nodes = nodes::Nodes {
        rows: vec![row],
        revisions: Vec::new(),
        without_pod: 0,
        blocked: blocked.into_iter().map(|why| (why, vec!["a"])).collect(),
        outside: vec!["a".to_string()],
        tainted: vec![("x".to_string(), vec!["a"])],
    };
    let rows: Vec<&NodeRow<'_>> = nodes.rows.iter().collect();
    about(&snapshot.workload.id, Nodes::of(snapshot, &nodes, &rows, Some("they may not be read".to_string())))
}

fn pods_document(snapshot: &Snapshot) -> Value {
    let notice = |id| Notice { id, message: "beware".to_string(), fix: Some("mend it".to_string()) };
    let notices = [
        NoticeId::OutsideStep,
        NoticeId::Waits,
        NoticeId::MixedRevisions,
        NoticeId::Cause(CauseId::StsStuck),
    ];
    let rows = ordinals::rows(snapshot);
    about(&snapshot.workload.id, Pods::of(snapshot, &rows, &notices.map(notice)))
}

fn timeline_document() -> Value {
    let object = json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "uid-web", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}},
        "status": {},
    });
    let outline = Outline::read(Kind::Deployment, serde_json::from_value(object).unwrap()).unwrap();
    let mut timeline = timeline::Timeline::new(vec![outline]);
    timeline.add(RevisionMetadata {
        name: "web-1".into(),
        owner: Some("uid-web".into()),
        number: RevisionNumber::new(1),
        ..RevisionMetadata::default()
    });
    timeline.arrange();
    let (id, entry, changes) = (&timeline.workload(0).id, timeline.entry(0), changes());
    let of = |state: &EntryState| Entry::of(id, entry, *state, Some("why"), Some(&changes));
    Timeline::document(EntryState::ALL.iter().map(of).collect())
}

/// Every state, with all that can stand in a document.
fn states(snapshot: &Snapshot) -> Vec<Value> {
    let mut progress = evaluate(snapshot);
    progress.causes = Causes::of(causes());
    progress.skipped = Skipped::ALL.to_vec();
    progress.notes = vec!["a note".to_string()];
    let id = &snapshot.workload.id;
    let mut documents = Vec::new();
    for state in State::ALL {
        progress.state = *state;
        documents.push(about(id, Status::of(snapshot, &progress, Some("a hint"))));
        documents.push(about(id, History::of(snapshot, &progress)));
    }
    let one = snapshot.history.current().unwrap();
    documents.push(about(id, History::of_one(snapshot, one, &progress)));
    for event in events(&progress) {
        documents.push(about(id, Event::at(snapshot.now, &event)));
    }
    documents
}

fn results(snapshot: &Snapshot) -> Vec<Value> {
    let (plan, progress) = (plan(snapshot), evaluate(snapshot));
    let (id, at) = (&snapshot.workload.id, Timestamp::UNIX_EPOCH);
    let mut documents = vec![about(id, Plan::of(&plan))];
    for word in OutcomeWord::ALL {
        for exit in word.exits() {
            let bare = Outcome::new(*word, *exit);
            documents.push(bare.document(id, at, at));
            let full = Outcome {
                back: Some((RevisionNumber::new(2), RevisionNumber::new(1))),
                status: Some(Status::of(snapshot, &progress, None)),
                causes: &causes(),
                warnings: &warnings(),
                ..Outcome::new(*word, *exit).of(&plan)
            };
            documents.push(full.document(id, at, at));
        }
    }
    documents
}

/// Documents of all kinds.
fn samples() -> Vec<Value> {
    let snapshot = snapshot();
    let id = &snapshot.workload.id;
    let mut documents = states(&snapshot);
    documents.extend(results(&snapshot));
    let mut revisions = snapshot.history.iter();
    let (from, to, changes) = (revisions.next().unwrap(), revisions.next().unwrap(), changes());
    documents.push(about(id, Diff::of(from, to, &changes)));
    documents.push(nodes_document(&snapshot));
    documents.push(pods_document(&snapshot));
    for strategy in [
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%", "maxSurge": 0}}),
        json!({"type": "OnDelete"}),
    ] {
        let object = json!({
            "metadata": {"name": "web", "namespace": "default", "uid": "uid-web", "generation": 1},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "updateStrategy": strategy,
                "template": {"spec": {"containers": []}}},
        });
        let workload = Workload::from_object(Kind::DaemonSet, object).unwrap();
        documents.push(about(id, Strategy::of(&workload, Some(&strategy))));
    }
    documents.push(failure(&CliError::refused(id, &Refusal::NoRollout), &["a hint".to_string()]));
    documents.push(failure(&CliError::usage("no such flag"), &[]));
    let items = documents.iter().filter(|it| it["kind"] != "Event").cloned().collect();
    let watched = WatchType::ALL.iter().map(|change| Watched { r#type: *change, object: &documents[0] });
    let watched: Vec<Value> = watched.map(|it| value(&it)).collect();
    documents.extend(watched);
    documents.extend(list(items, false));
    documents.push(timeline_document());
    documents
}

#[test]
fn a_document_of_each_kind_is_as_its_schema_says() {
    let schemas = schema::schemas();
    let checked = Schemas::of(schemas.iter().map(|it| (it.kind.to_string(), &it.value)));
    let mut met = BTreeSet::new();
    for document in samples() {
        if let Err(fault) = checked.check(&document) {
            panic!("{fault}");
        }
        met.insert(document["kind"].as_str().unwrap_or("WatchEvent").to_string());
    }
    let kinds: BTreeSet<String> = schemas.iter().map(|it| it.kind.to_string()).collect();
    assert_eq!(met, kinds);
}

#[test]
fn a_name_means_the_same_in_all_schemas() {
    let schemas = schema::schemas();
    let mut known: BTreeMap<&String, &Value> = BTreeMap::new();
    for schema in &schemas {
        for (name, definition) in schema.value["$defs"].as_object().into_iter().flatten() {
            assert_eq!(*known.entry(name).or_insert(definition), definition, "{name} in {}", schema.kind);
        }
    }
}

#[test]
fn no_schema_says_null_or_leaves_an_object_open() {
    for schema in schema::schemas() {
        let text = schema.value.to_string();
        assert!(!text.contains("\"null\""), "{}", schema.kind);
        open(&schema.value, schema.kind);
    }
}

/// Objects with fields of ours are closed, but for what is said of an object that is closed around it.
fn open(schema: &Value, at: &str) {
    let within = ["oneOf", "anyOf", "allOf", "if", "then"];
    if schema.get("properties").is_some() {
        let closed = ["additionalProperties", "unevaluatedProperties"].iter().any(|it| schema[it] == false);
        assert!(closed, "{at}: {schema}");
    }
    let Value::Object(fields) = schema else { return };
    let closed = fields.contains_key("properties");
    for (name, value) in fields.iter().filter(|(name, _)| !(closed && within.contains(&name.as_str()))) {
        match value {
            Value::Array(items) => items.iter().for_each(|it| open(it, &format!("{at}/{name}"))),
            Value::Object(all) if ["properties", "$defs"].contains(&name.as_str()) => {
                all.iter().for_each(|(field, it)| open(it, &format!("{at}/{field}")));
            }
            value => open(value, &format!("{at}/{name}")),
        }
    }
}

#[test]
fn an_ending_goes_with_the_exit_code_that_its_word_tells() {
    let id = WorkloadId {
        kind: Kind::StatefulSet,
        namespace: "default".to_string(),
        name: "web".to_string(),
        uid: String::new(),
    };
    let words = || "words".to_string();
    for ending in [
        Ending::Complete,
        Ending::Held(Hold::Paused),
        Ending::Failed,
        Ending::TimedOut,
        Ending::Superseded,
        Ending::Gone,
        Ending::Refused(words()),
        Ending::CheckBroken(words()),
        Ending::Paused { done: 1, of: 2 },
        Ending::HeldShort { old: vec![words()] },
        Ending::StepFailed { step: 1, causes: Vec::new() },
        Ending::StepHeld { step: 1, causes: Vec::new() },
        Ending::Aborted { to: None },
        Ending::AbortedByHand,
        Ending::TakenOver(None),
        Ending::Undone { from: None, to: None, causes: Vec::new() },
        Ending::NotUndone { why: NoWayBack::First, causes: Vec::new() },
    ] {
        let word = OutcomeWord::of(&ending);
        let end = End { ending, progress: None, snapshot: None };
        for held_ok in [false, true] {
            let (exit, _) = ending::of(&end, &id, held_ok);
            assert!(word.exits().contains(&exit), "{word:?} with {exit:?}");
        }
    }
    assert_eq!(OutcomeWord::Held.exits()[0], Exit::Held);
}
