//! What is stored on a workload: it is read, shown, paused, resumed, taken back and driven on with.

use std::sync::LazyLock;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use plugin_kit::say::documents::Rollout;
use rollout_core::drive::Driver;
use rollout_core::judge::evaluate;
use rollout_core::machine::{Machine, Outcome, Step, Verdict};
use rollout_core::objects::Node;
use rollout_core::plan::steps::{self, GivenChecks, ResumeOptions};
use rollout_core::plan::{Decision, Refusal};
use rollout_core::stored::{Holder, Phase, STORED, Stored};
use rollout_core::{Kind, Pod, Snapshot, Workload};
use serde_json::{Value, json};

use crate::check_length;

/// 2027-01-15T08:00:00Z.
const NOW: i64 = 1_800_000_000;
/// Turns of a driver: it may well wait for ever for what does not change here.
const TURNS: usize = 12;

/// A workload with two revisions and four pods, of which one is at the new one.
struct Scene {
    kind: Kind,
    object: Value,
    revisions: Vec<Value>,
    pods: Vec<Pod>,
    nodes: Vec<Node>,
}

static SCENES: LazyLock<[Scene; 2]> = LazyLock::new(|| [Kind::DaemonSet, Kind::StatefulSet].map(Scene::new));

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object")
}

fn ago(seconds: i64) -> String {
    Timestamp::from_second(NOW - seconds).expect("a time").to_string()
}

fn template(revision: u32) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": format!("app:{revision}")}]}})
}

impl Scene {
    fn new(kind: Kind) -> Scene {
        let strategy = match kind {
            Kind::StatefulSet => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}),
            Kind::DaemonSet | Kind::Deployment => json!({"type": "OnDelete"}),
        };
        let object = json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": "set", "generation": 2, "resourceVersion": "7",
                "annotations": {}},
            "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": template(2),
                "updateStrategy": strategy, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady"},
            "status": {"observedGeneration": 2, "desiredNumberScheduled": 4, "currentRevision": "web-h1",
                "updateRevision": "web-h2"},
        });
        let revision = |number: u32| {
            let mut data = template(number);
            data["$patch"] = json!("replace");
            json!({"metadata": {"name": format!("web-h{number}"), "uid": format!("cr-{number}"),
                    "labels": {"controller-revision-hash": format!("h{number}")},
                    "ownerReferences": [{"controller": true, "uid": "set"}]},
                "revision": number, "data": {"spec": {"template": data}}})
        };
        let pod = |place: u32| {
            let number = if place == 3 { 2 } else { 1 };
            let prefix = if kind == Kind::StatefulSet { "web-" } else { "" };
            typed(json!({
                "metadata": {"name": format!("web-{place}"), "uid": place.to_string(),
                    "labels": {"controller-revision-hash": format!("{prefix}h{number}")},
                    "creationTimestamp": ago(60), "ownerReferences": [{"controller": true, "uid": "set"}]},
                "spec": {"nodeName": format!("n{place}"),
                    "containers": [{"name": "app", "image": format!("app:{number}")}]},
                "status": {"phase": "Running",
                    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": ago(50)}],
                    "containerStatuses": [{"name": "app", "restartCount": place, "state": {}}]},
            }))
        };
        let node = |place: u32| {
            typed(json!({
                "metadata": {"name": format!("n{place}"), "creationTimestamp": ago(1000 - i64::from(place)),
                    "labels": {"zone": format!("z{}", place % 2)}},
                "spec": {},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }))
        };
        Scene {
            kind,
            object,
            revisions: vec![revision(1), revision(2)],
            pods: (0..4).map(pod).collect(),
            nodes: (0..4).map(node).collect(),
        }
    }

    fn with(&self, text: &str) -> Snapshot {
        let mut object = self.object.clone();
        object["metadata"]["annotations"][STORED] = json!(text);
        let workload = Workload::from_object(self.kind, object).expect("a workload");
        let now = Timestamp::from_second(NOW).expect("a time");
        let mut snapshot = Snapshot::new(workload, self.revisions.clone(), Some(self.pods.clone()), now);
        snapshot.nodes = (self.kind == Kind::DaemonSet).then(|| self.nodes.clone());
        snapshot
    }
}

fn me() -> Holder {
    Holder { identity: "me".into(), host: "host".into(), user: "somebody".into() }
}

/// Whatever is stored is refused, or is good for all that anybody does with it.
pub(crate) fn annotation(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for scene in SCENES.iter() {
        let snapshot = scene.with(text);
        let stored = match Stored::read(&snapshot.workload) {
            Ok(stored) => stored.expect("an annotation"),
            Err(error) => {
                check_length(&error.to_string());
                let resumed = steps::resume(&snapshot, &resuming());
                assert!(matches!(resumed, Err(Refusal::Unreadable(_))), "resumed what cannot be read");
                use_it(&snapshot, None);
                continue;
            }
        };
        let again = scene.with(&stored.text());
        assert_eq!(
            Stored::read(&again.workload),
            Ok(Some(stored.clone())),
            "what is written is read otherwise"
        );
        use_it(&snapshot, Some(&stored));
    }
}

fn resuming() -> ResumeOptions {
    ResumeOptions { holder: me(), take_over: true, pause_after: None, given: GivenChecks::default() }
}

fn use_it(snapshot: &Snapshot, stored: Option<&Stored>) {
    let _ = evaluate(snapshot);
    let _ = Rollout::of(snapshot);
    let said = [
        steps::none_under_way(snapshot).err(),
        steps::pause(snapshot).err(),
        steps::abort(snapshot, Some(me())).err(),
    ];
    for refusal in said.into_iter().flatten() {
        check_length(&refusal.to_string());
    }
    let _ = steps::release(snapshot);
    let rollout = stored.and_then(|it| it.rollout.as_ref());
    match (steps::resume(snapshot, &resuming()), rollout) {
        (Ok(Decision::Change(plan)), Some(rollout)) => {
            assert_eq!(rollout.workload, snapshot.workload.id.uid, "another object's rollout goes on");
            let options = &rollout.options;
            let runs = rollout.phase != Phase::Aborting
                && !(options.checks.is_empty() && options.queries.is_empty());
            assert_eq!(plan.stopped_by(&[]).next().is_some(), runs, "stored checks run unasked");
        }
        (Ok(Decision::Change(_)), None) => panic!("resumed what is not there"),
        (Ok(_) | Err(_), _) => {}
    }
    drive(snapshot, Driver::new(me()));
    if let Some(rollout) = rollout {
        drive(snapshot, Driver::aborting(me(), rollout.clone()));
    }
}

/// Drives on while nothing changes but the time.
fn drive(snapshot: &Snapshot, mut driver: Driver) {
    let mut snapshot = snapshot.clone();
    for turn in 0..TURNS {
        let (_, step) = driver.step(&snapshot);
        driver.news();
        match step {
            Step::End(_) => return,
            Step::Wait | Step::Soak(_) | Step::Passed | Step::Survey(_) => {}
            Step::Check(_) => driver.checked(Verdict::Passed),
            Step::Send { .. } => driver.sent(&Outcome::Done(None)),
            Step::SendAll(all) => all.iter().for_each(|_| driver.sent(&Outcome::Done(None))),
        }
        let seconds = if turn == TURNS / 2 { 100_000 } else { 7 };
        snapshot.now += SignedDuration::from_secs(seconds);
    }
}
