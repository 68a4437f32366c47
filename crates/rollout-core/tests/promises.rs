//! What holds for every workload, not only for those that somebody thought of.

#![expect(clippy::unwrap_used, reason = "what a test makes itself is well-formed")]

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use rollout_core::drive::Follow;
use rollout_core::judge::stuck::{Blockage, examine};
use rollout_core::judge::{State, evaluate};
use rollout_core::machine::{Act, Machine, Step};
use rollout_core::plan::Decision;
use rollout_core::plan::undo::{UndoOptions, plan};
use rollout_core::{Kind, Pod, RevisionNumber, RevisionSelector, Side, Snapshot, Workload, template};
use serde_json::{Value, json};

/// One pod of a world: its ordinal, the revision it runs, and how it is.
#[derive(Clone, Debug)]
struct Seed {
    ordinal: u32,
    revision: u64,
    ready: bool,
    terminating: bool,
    seconds: i64,
    waiting: Option<&'static str>,
}

/// Everything that a snapshot is made from.
#[derive(Clone, Debug)]
struct Scene {
    kind: Kind,
    live: u64,
    desired: u32,
    partition: u32,
    first: u32,
    on_delete: bool,
    parallel: bool,
    min_ready: u32,
    observed: bool,
    current: u64,
    annotations: Option<Vec<(String, String)>>,
    pods: Vec<Seed>,
}

const REVISIONS: u64 = 3;

fn seed() -> impl Strategy<Value = Seed> {
    let waiting = prop_oneof![3 => Just(None), 1 => Just(Some("ImagePullBackOff")), 1 => Just(Some("CrashLoopBackOff"))];
    (0..7_u32, 1..=REVISIONS, any::<bool>(), prop::bool::weighted(0.15), 0..100_i64, waiting).prop_map(
        |(ordinal, revision, ready, terminating, seconds, waiting)| Seed {
            ordinal,
            revision,
            ready,
            terminating,
            seconds,
            waiting: waiting.filter(|_| !ready),
        },
    )
}

fn scene() -> impl Strategy<Value = Scene> {
    let kind =
        prop_oneof![1 => Just(Kind::Deployment), 1 => Just(Kind::DaemonSet), 2 => Just(Kind::StatefulSet)];
    let shape = (kind, 1..=REVISIONS, 0..5_u32, prop_oneof![2 => Just(0_u32), 1 => 0..6_u32], 0..3_u32);
    let flags = (
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop_oneof![Just(0_u32), Just(30)],
        prop::bool::weighted(0.9),
    );
    let annotations = prop::option::of(prop::collection::vec(("[a-z]{1,8}", ".{0,12}"), 0..4));
    (shape, flags, 1..=REVISIONS, annotations, prop::collection::vec(seed(), 0..7)).prop_map(
        |(
            (kind, live, desired, partition, first),
            (on_delete, parallel, min_ready, observed),
            current,
            annotations,
            pods,
        )| {
            let mut seen = std::collections::BTreeSet::new();
            let pods = pods.into_iter().filter(|pod| seen.insert(pod.ordinal)).collect();
            Scene {
                kind,
                live,
                desired,
                partition,
                first,
                on_delete,
                parallel,
                min_ready,
                observed,
                current,
                annotations,
                pods,
            }
        },
    )
}

fn template_of(revision: u64) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": format!("app:{revision}")}], "unknownField": {"deep": [revision, null]}}})
}

fn object(scene: &Scene) -> Value {
    let strategy = match (scene.on_delete, scene.kind) {
        (true, Kind::DaemonSet | Kind::StatefulSet) => json!({"type": "OnDelete"}),
        (_, Kind::StatefulSet) => {
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": scene.partition}})
        }
        (_, Kind::Deployment | Kind::DaemonSet) => json!({"type": "RollingUpdate"}),
    };
    let field = if scene.kind == Kind::Deployment { "strategy" } else { "updateStrategy" };
    let mut object = json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "set", "generation": 2},
        "spec": {"replicas": scene.desired, "selector": {"matchLabels": {"app": "web"}}, "ordinals": {"start": scene.first},
            "minReadySeconds": scene.min_ready, "template": template_of(scene.live), "foreign": "stays", field: strategy,
            "podManagementPolicy": if scene.parallel { "Parallel" } else { "OrderedReady" }},
        "status": {"observedGeneration": if scene.observed { 2 } else { 1 }, "desiredNumberScheduled": scene.desired,
            "updateRevision": format!("web-{}", scene.live), "currentRevision": format!("web-{}", scene.current)},
    });
    if let Some(annotations) = &scene.annotations {
        let map = annotations.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        object["metadata"]["annotations"] = Value::Object(map);
    }
    object
}

fn revisions(kind: Kind) -> Vec<Value> {
    let owner = json!([{"controller": true, "uid": "set"}]);
    (1..=REVISIONS)
        .map(|number| match kind {
            Kind::Deployment => json!({
                "metadata": {"name": format!("web-{number}"), "uid": format!("rs-{number}"), "ownerReferences": owner,
                    "labels": {"pod-template-hash": number.to_string()},
                    "annotations": {"deployment.kubernetes.io/revision": number.to_string()}},
                "spec": {"template": template_of(number)}}),
            Kind::DaemonSet | Kind::StatefulSet => json!({
                "metadata": {"name": format!("web-{number}"), "uid": format!("cr-{number}"), "ownerReferences": owner,
                    "labels": {"controller-revision-hash": number.to_string()},
                    "annotations": {"kubernetes.io/change-cause": format!("cause {number}")}},
                "revision": number, "data": {"spec": {"template": template_of(number)}}}),
        })
        .collect()
}

fn pod(kind: Kind, seed: &Seed) -> Pod {
    let (label, value, owner) = match kind {
        Kind::Deployment => ("pod-template-hash", seed.revision.to_string(), format!("rs-{}", seed.revision)),
        Kind::DaemonSet => ("controller-revision-hash", seed.revision.to_string(), "set".to_string()),
        Kind::StatefulSet => {
            ("controller-revision-hash", format!("web-{}", seed.revision), "set".to_string())
        }
    };
    let since = Timestamp::from_second(1_000_000 - seed.seconds).unwrap().to_string();
    let mut pod = json!({
        "metadata": {"name": format!("web-{}", seed.ordinal), "uid": format!("uid-{}", seed.ordinal), "labels": {label: value},
            "creationTimestamp": since, "ownerReferences": [{"controller": true, "uid": owner}]},
        "spec": {"nodeName": format!("node-{}", seed.ordinal), "containers": [{"name": "app", "image": "app:x"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "lastTransitionTime": since,
            "status": if seed.ready { "True" } else { "False" }}],
            "containerStatuses": [{"name": "app", "restartCount": 3,
                "state": seed.waiting.map_or(json!({}), |reason| json!({"waiting": {"reason": reason}}))}]},
    });
    if seed.terminating {
        pod["metadata"]["deletionTimestamp"] = json!(since);
    }
    serde_json::from_value(pod).unwrap()
}

fn snapshot(scene: &Scene) -> Snapshot {
    let workload = Workload::from_object(scene.kind, object(scene)).unwrap();
    let pods = scene.pods.iter().map(|seed| pod(scene.kind, seed)).collect();
    Snapshot::new(workload, revisions(scene.kind), Some(pods), Timestamp::from_second(1_000_000).unwrap())
}

/// The server takes `test PATH null` for a path that is absent; the library takes it for one that is null.
fn apply(object: &Value, patch: &Value) -> Value {
    let mut object = object.clone();
    if object["metadata"].get("annotations").is_none() {
        object["metadata"]["annotations"] = Value::Null;
    }
    let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

fn pod_is_good(snapshot: &Snapshot, pod: &Pod) -> bool {
    pod.ready() && !pod.terminating && snapshot.available(pod) && snapshot.side(pod) == Side::New
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_plan_brings_the_target_template_and_nothing_else(scene in scene(), number in 1..=REVISIONS) {
        let snapshot = snapshot(&scene);
        let options = UndoOptions {
            target: RevisionSelector::Number(RevisionNumber::new(number).unwrap()), resume: false, reason: None, drive: None };
        match plan(&snapshot, &options).unwrap() {
            Decision::Nothing { .. } => prop_assert_eq!(number, scene.live),
            // The template is back already: a stuck set is freed, and nothing written.
            Decision::Change(plan) if plan.requests.is_empty() => prop_assert_eq!(number, scene.live),
            Decision::Change(plan) => {
                let mut after = apply(&snapshot.workload.object, &plan.requests[0].body);
                prop_assert_eq!(&after["spec"]["template"], &template::writable(&template_of(number)));
                after["spec"]["template"] = snapshot.workload.template().clone();
                if let Some(map) = after["metadata"]["annotations"].as_object_mut() {
                    map.shift_remove("kubernetes.io/change-cause");
                }
                let mut before = snapshot.workload.object.clone();
                if before["metadata"].get("annotations").is_none() {
                    before["metadata"]["annotations"] = after["metadata"]["annotations"].clone();
                    prop_assert!(after["metadata"]["annotations"].as_object().is_none_or(serde_json::Map::is_empty));
                }
                prop_assert_eq!(after, before);
            }
        }
    }

    #[test]
    fn a_plan_that_was_applied_is_not_planned_again(scene in scene(), number in 1..=REVISIONS) {
        let snapshot = snapshot(&scene);
        let options = UndoOptions {
            target: RevisionSelector::Number(RevisionNumber::new(number).unwrap()), resume: false, reason: None, drive: None };
        if let Decision::Change(first) = plan(&snapshot, &options).unwrap()
            && let Some(request) = first.requests.first()
        {
            let object = apply(&snapshot.workload.object, &request.body);
            let workload = Workload::from_object(scene.kind, object).unwrap();
            let again = Snapshot::new(workload, revisions(scene.kind), None, snapshot.now);
            prop_assert!(matches!(plan(&again, &options).unwrap(), Decision::Nothing { .. }), "planned twice");
        }
    }

    #[test]
    fn complete_is_never_said_while_a_pod_is_wrong(scene in scene()) {
        let snapshot = snapshot(&scene);
        let progress = evaluate(&snapshot);
        let pods = snapshot.pods.as_deref().unwrap();
        let living: Vec<&Pod> = pods.iter().filter(|pod| !pod.terminating).collect();
        let placed = |pod: &Pod| scene.kind != Kind::StatefulSet || snapshot.index(pod).is_some_and(|it| it < scene.desired);
        let right = living.iter().all(|pod| pod_is_good(&snapshot, pod) && placed(pod)) && living.len() as u32 == scene.desired && scene.observed;
        prop_assert_eq!(progress.state == State::Complete, right, "{:?}", progress);
    }

    #[test]
    fn the_predicate_never_names_a_healthy_pod_or_one_below_the_partition(scene in scene()) {
        let snapshot = snapshot(&scene);
        if let Blockage::Stuck(pod) = examine(&snapshot) {
            prop_assert!(!pod.ready() && !pod.terminating);
            prop_assert!(scene.observed && !scene.parallel && scene.kind == Kind::StatefulSet && !scene.on_delete);
            let index = snapshot.index(pod);
            let beyond = index.is_none_or(|index| index >= scene.desired);
            prop_assert!(beyond || (snapshot.side(pod) == Side::Old && index >= Some(scene.partition)));
        }
    }

    #[test]
    fn following_deletes_no_new_pod_and_never_breaks_a_second_one(scene in scene()) {
        let snapshot = snapshot(&scene);
        let mut follow = Follow::driving(snapshot.workload.template(), None);
        if let (_, Step::Send { act: Act::Delete { pod, .. }, .. }) = follow.step(&snapshot) {
            let pods = snapshot.pods.as_deref().unwrap();
            let chosen = pods.iter().find(|it| it.name == pod).unwrap();
            let beyond = snapshot.index(chosen).is_none_or(|index| index >= scene.desired);
            prop_assert!(!chosen.terminating && (beyond || snapshot.side(chosen) == Side::Old));
            if snapshot.available(chosen) {
                // One that is beyond the range of an OnDelete set, and has been unready or overdue for long, nobody makes ready.
                let counts = |it: &&Pod| {
                    let since = if it.terminating { it.ends_by } else { it.unready_since };
                    snapshot.index(it).is_some_and(|index| index < scene.desired)
                        || snapshot.seconds_since(since) < rollout_core::judge::MOMENT
                };
                let others_fine = pods.iter().filter(|it| it.name != pod).filter(counts).all(|it| snapshot.available(it));
                prop_assert!(others_fine && pods.len() as u32 >= scene.desired, "an available pod went while another was not");
            }
        }
    }
}
