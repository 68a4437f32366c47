//! What is stored is anybody's who may change the workload: whatever stands there, nothing panics, and what nobody could have
//! asked for is refused.

use proptest::prelude::*;
use rollout_core::drive::Driver;
use rollout_core::judge::evaluate;
use rollout_core::machine::Machine;
use rollout_core::plan::steps::{self, GivenChecks, ResumeOptions};
use rollout_core::plan::{Decision, Refusal};
use rollout_core::stored::{self, STORED, Stored, Unreadable};
use rollout_core::{Kind, Snapshot};
use serde_json::{Value, json};

use crate::cluster::{Cluster, holder, to};

/// A rollout that is in its first step.
fn under_way(kind: Kind) -> (Cluster, Value) {
    let mut cluster = Cluster::rolling(kind, 4);
    let mut start = to(1, "1,50%,100%");
    start.options.checks = vec!["true".into()];
    start.options.queries = vec!["up > 1".into()];
    start.options.prometheus = Some("mon/prom:9090".into());
    cluster.start(&start);
    (0..5).for_each(|_| cluster.tick());
    let text = cluster.object["metadata"]["annotations"][STORED].as_str().unwrap().to_string();
    (cluster, serde_json::from_str(&text).unwrap())
}

fn with(cluster: &Cluster, text: &str) -> Snapshot {
    let mut cluster = cluster.clone();
    cluster.object["metadata"]["annotations"][STORED] = json!(text);
    cluster.snapshot()
}

fn read(cluster: &Cluster, text: &str) -> Result<Option<Stored>, Unreadable> {
    Stored::read(&with(cluster, text).workload)
}

fn resuming() -> ResumeOptions {
    ResumeOptions { holder: holder(1), take_over: true, pause_after: None, given: GivenChecks::default() }
}

/// Does all that anybody does with what is stored.
fn use_it(cluster: &Cluster, text: &str) {
    let snapshot = with(cluster, text);
    let _ = evaluate(&snapshot);
    let _ = steps::none_under_way(&snapshot).map_err(|refusal| refusal.to_string());
    let _ = steps::pause(&snapshot);
    let _ = steps::abort(&snapshot, Some(holder(1)));
    let _ = steps::release(&snapshot);
    if let Ok(Decision::Change(plan)) = steps::resume(&snapshot, &resuming()) {
        let stored = Stored::of(&snapshot.workload).unwrap().rollout.unwrap();
        let runs = stored.phase != stored::Phase::Aborting && !stored.options.checks.is_empty();
        assert_eq!(plan.stopped_by(&[]).next().is_some(), runs || !stored.options.queries.is_empty());
    }
    let mut drivers = vec![Driver::new(holder(1))];
    if let Some(rollout) = Stored::of(&snapshot.workload).and_then(|it| it.rollout) {
        drivers.push(Driver::aborting(holder(1), rollout));
    }
    for mut driver in drivers {
        for seconds in [0, 1, 100_000] {
            let seen = Snapshot {
                now: snapshot.now + k8s_openapi::jiff::SignedDuration::from_secs(seconds),
                ..snapshot.clone()
            };
            let _ = driver.step(&seen);
        }
    }
}

#[test]
fn numbers_that_nobody_could_have_asked_for_are_refused() {
    let long = "9".repeat(60);
    for kind in [Kind::DaemonSet, Kind::StatefulSet] {
        let (cluster, stored) = under_way(kind);
        assert!(read(&cluster, &stored.to_string()).is_ok());
        for (at, value, why) in [
            ("done", json!(u64::MAX), "more steps than there can be"),
            ("done", json!(-1), "invalid value"),
            ("pauseAfter", json!(1_000_000), "more steps than there can be"),
            ("options/soak", json!(i64::MAX), "a time is out of range"),
            ("options/soak", json!(-5), "a time is out of range"),
            ("options/timeout", json!(i64::MIN), "a time is out of range"),
            ("options/maxUnavailable", json!("4000000000%"), "a number of pods is out of range"),
            ("options/queries", json!(["up"]), "does not end with a comparison"),
            ("options/checks", json!(vec!["true"; 101]), "more checks than anybody lists"),
            ("rules/rest", json!({"amounts": []}), "it has no steps"),
            ("rules/rest", json!({"amounts": ["101%"]}), "a number of pods is out of range"),
            ("rules/first", json!({"nodes": vec!["n"; 20_001]}), "more nodes than there can be"),
            ("reached", json!({"partition": u32::MAX, "replicas": 1}), "a number of pods is out of range"),
            ("historyLimit", json!(u32::MAX), "its history limit is out of range"),
            ("strategy", json!("OnDelete"), "the update strategy in it is none"),
            ("strategy", json!({"type": "Other"}), "the update strategy in it is none"),
            (
                "strategy",
                json!({"type": "OnDelete", "x": "y".repeat(5000)}),
                "the update strategy in it is none",
            ),
            ("began", json!("99999-01-01T00:00:00Z"), "invalid"),
            ("surprise", json!(1), "unknown field `surprise`"),
            ("options/surprise", json!(long), "unknown field `surprise`"),
            ("holder/surprise", json!(1), "unknown field `surprise`"),
        ] {
            let mut hostile = stored.clone();
            let (map, key) = at.rsplit_once('/').map_or(("", at), |(map, key)| (map, key));
            let path = if map.is_empty() { "/rollout".to_string() } else { format!("/rollout/{map}") };
            hostile.pointer_mut(&path).unwrap()[key] = value;
            let Err(error) = read(&cluster, &hostile.to_string()) else { panic!("{at} {hostile}") };
            let words = error.to_string();
            assert!(words.contains(why) || at == "began", "{at}: {words}");
            assert!(words.chars().count() < 500, "{words}");
            let refused = steps::resume(&with(&cluster, &hostile.to_string()), &resuming());
            assert!(matches!(refused, Err(Refusal::Unreadable(_))), "{at}");
        }
    }
}

#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    let (cluster, stored) = under_way(Kind::DaemonSet);
    let long = format!("{stored}{}", " ".repeat(256 * 1024));
    assert!(read(&cluster, &long).unwrap_err().to_string().contains("longer than an annotation can be"));
    for deep in ["[".repeat(100_000), "{\"a\":".repeat(40_000)] {
        let text = format!("{{\"version\":1,\"rollout\":{deep}");
        assert!(read(&cluster, &text).is_err());
        use_it(&cluster, &text);
    }
    // A word that is quoted in the refusal is cut.
    let name = "x".repeat(100_000);
    let text = format!("{{\"version\":1,\"{name}\":1}}");
    assert!(read(&cluster, &text).unwrap_err().to_string().chars().count() < 500);
}

fn hostile_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        (0..4_i64).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "100%", "running", "aborting", "paused", "failed", "OnDelete", "n1", "web-0", "up > 1"
        ])
        .prop_map(Value::from),
        (-62_135_596_800_i64..253_402_207_200).prop_map(|second| {
            json!(k8s_openapi::jiff::Timestamp::from_second(second).unwrap().to_string())
        }),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,8}", inner), 0..4)
                .prop_map(|fields| json!(fields.into_iter().collect::<std::collections::BTreeMap<_, _>>())),
        ]
    })
}

/// Every place in a document.
fn places(value: &Value, at: String, all: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| places(value, format!("{at}/{key}"), all)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, it)| places(it, format!("{at}/{index}"), all));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    all.push(at);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: Some(Box::new(
        prop::test_runner::FileFailurePersistence::WithSource("proptest-regressions"))), ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_stored_nothing_panics(
        daemon_set in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), hostile_value()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (cluster, mut stored) = under_way(if daemon_set { Kind::DaemonSet } else { Kind::StatefulSet });
        for (index, value) in changes {
            let mut all = Vec::new();
            places(&stored, String::new(), &mut all);
            if let Some(place) = stored.pointer_mut(index.get(&all).as_str()) {
                *place = value;
            }
        }
        let mut text = stored.to_string();
        if let Some(cut) = cut {
            let ends: Vec<usize> = text.char_indices().map(|(index, _)| index).collect();
            text.truncate(*cut.get(&ends));
        }
        use_it(&cluster, &text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let (cluster, _) = under_way(Kind::StatefulSet);
        use_it(&cluster, &text);
    }
}
