//! A workload of any kind whose pods live as they are told to, under the model of its controller.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use rollout_core::model::{Behaviour, RevisionId, World};
use rollout_core::objects::EventRecord;
use rollout_core::plan::{Method, Request};
use rollout_core::{Amount, Kind, Pod, Snapshot, Strategy, Workload};
use serde_json::{Value, json};

use crate::life::{Life, Shown};

const EPOCH: i64 = 1_800_000_000;

/// One workload, at its second revision.
pub struct Scene {
    pub kind: Kind,
    pub world: World,
    pub now: i64,
    life: Life,
    /// The numbers of the revisions that are recorded.
    numbers: BTreeMap<RevisionId, u64>,
    live_since: BTreeMap<RevisionId, i64>,
    generation: u64,
    born: BTreeMap<u64, i64>,
    turned: BTreeMap<u64, (bool, i64)>,
    /// Whether a quota, or the nodes, have no room for the pods of either revision.
    placed_alike: bool,
}

impl Scene {
    /// A workload at rest, to which somebody has just given a template whose pods live like that.
    pub fn new(kind: Kind, size: u32, life: Life, placed_alike: bool) -> Scene {
        let strategy = match kind {
            Kind::Deployment | Kind::DaemonSet => Strategy::RollingUpdate {
                max_unavailable: Amount::Count(1),
                max_surge: Amount::Count(u32::from(kind == Kind::Deployment)),
            },
            Kind::StatefulSet => Strategy::Partitioned { partition: 0, max_unavailable: None },
        };
        let desired = if kind == Kind::DaemonSet { 0 } else { size };
        let mut world = World::new(kind, "web", strategy, desired);
        if kind == Kind::DaemonSet {
            (0..size).for_each(|node| world.add_node(&format!("n{node}")));
        }
        world.observed = false;
        world.settle(100);
        let behaviour = life.length().map_or(Behaviour::NeverReady, |after| Behaviour::Ready { after });
        world.behaviours.insert(RevisionId::TARGET, behaviour);
        let mut scene = Scene {
            kind,
            world,
            now: EPOCH,
            life,
            numbers: BTreeMap::from([(RevisionId::OLD, 1)]),
            live_since: BTreeMap::from([(RevisionId::OLD, EPOCH)]),
            generation: 1,
            born: BTreeMap::new(),
            turned: BTreeMap::new(),
            placed_alike,
        };
        scene.remember();
        scene.now += 1000;
        scene.roll(RevisionId::TARGET);
        scene
    }

    fn roll(&mut self, revision: RevisionId) {
        let newest = self.numbers.values().max().copied().unwrap_or(0);
        self.numbers.insert(revision, newest + 1);
        self.live_since.insert(revision, self.now);
        self.generation += 1;
        self.world.set_template(revision);
    }

    /// One second.
    pub fn tick(&mut self) {
        self.now += 1;
        self.world.tick();
        self.remember();
    }

    fn remember(&mut self) {
        for pod in &self.world.pods {
            self.born.entry(pod.uid).or_insert(self.now);
            let turned = self.turned.entry(pod.uid).or_insert((pod.ready, self.now));
            if turned.0 != pod.ready {
                *turned = (pod.ready, self.now);
            }
        }
    }

    /// What the server does with a request of a guard: another template, or one pod less.
    pub fn send(&mut self, request: &Request) {
        match request.method {
            Method::Delete => {
                let name = request.path.rsplit('/').next().unwrap();
                self.world.delete_pod(name);
            }
            Method::Patch | Method::Post => {
                let sets = |it: &&Value| it["path"] == "/spec/template" && it["op"] != "test";
                let change = request.body.as_array().into_iter().flatten().find(sets).unwrap();
                let image = change["value"]["spec"]["containers"][0]["image"].as_str().unwrap();
                self.roll(RevisionId(image.rsplit(':').next().unwrap().parse().unwrap()));
            }
        }
    }

    /// What is read of it now.
    pub fn snapshot(&self) -> Snapshot {
        let now = Timestamp::from_second(self.now).unwrap();
        let workload = Workload::from_object(self.kind, self.object()).unwrap();
        let revisions = self.numbers.keys().map(|id| self.revision(*id)).collect();
        let shown: Vec<(Value, Vec<EventRecord>)> = self.world.pods.iter().map(|pod| self.pod(pod)).collect();
        let pods = shown.iter().map(|(pod, _)| serde_json::from_value::<Pod>(pod.clone()).unwrap()).collect();
        let mut snapshot = Snapshot::new(workload, revisions, Some(pods), now);
        snapshot.evidence.events = shown.into_iter().flat_map(|(_, events)| events).collect();
        snapshot
    }

    fn template(&self, id: RevisionId) -> Value {
        let mut spec = match id {
            RevisionId::TARGET => self.life.shown(0, &|_| self.time(0)).spec,
            _ => json!({"containers": [{"name": "app", "image": ""}]}),
        };
        spec["containers"][0]["image"] = json!(format!("app:{}", id.0));
        if id == RevisionId::TARGET && !self.placed_alike {
            spec["nodeSelector"] = json!({"disk": "fast"});
        }
        json!({"metadata": {"labels": {"app": "web"}}, "spec": spec})
    }

    fn object(&self) -> Value {
        let strategy = match self.kind {
            Kind::Deployment => json!({"type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}}),
            Kind::DaemonSet => json!({"type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}),
            Kind::StatefulSet => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        };
        let field = if self.kind == Kind::Deployment { "strategy" } else { "updateStrategy" };
        let observed = if self.world.observed { self.generation } else { self.generation - 1 };
        let name = |id: RevisionId| json!(format!("web-h{}", id.0));
        json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": "web", "generation": self.generation,
                "resourceVersion": self.now.to_string()},
            "spec": {"replicas": self.world.desired, "selector": {"matchLabels": {"app": "web"}},
                "template": self.template(self.world.template), field: strategy},
            "status": {"observedGeneration": observed, "desiredNumberScheduled": self.world.wanted(),
                "currentRevision": name(self.world.current_revision),
                "updateRevision": name(self.world.update_revision)},
        })
    }

    fn revision(&self, id: RevisionId) -> Value {
        let hash = format!("h{}", id.0);
        let owner = json!([{"controller": true, "uid": "web"}]);
        let since = self.time_at(self.live_since[&id]);
        let mut metadata = json!({"name": format!("web-{hash}"), "uid": format!("rev-{hash}"),
            "ownerReferences": owner, "creationTimestamp": since});
        let of = || self.world.pods.iter().filter(|pod| pod.revision == id && !pod.terminating());
        match self.kind {
            Kind::Deployment => {
                metadata["labels"] = json!({"pod-template-hash": hash});
                metadata["annotations"] =
                    json!({"deployment.kubernetes.io/revision": self.numbers[&id].to_string()});
                let replicas =
                    self.world.sets.iter().find(|set| set.revision == id).map_or(0, |set| set.replicas);
                let ready = of().filter(|pod| pod.ready).count();
                json!({"metadata": metadata, "spec": {"replicas": replicas, "template": self.template(id)},
                    "status": {"replicas": of().count(), "readyReplicas": ready, "availableReplicas": ready}})
            }
            Kind::DaemonSet | Kind::StatefulSet => {
                metadata["labels"] = json!({"controller-revision-hash": hash});
                let mut template = self.template(id);
                template["$patch"] = json!("replace");
                json!({"metadata": metadata, "revision": self.numbers[&id],
                    "data": {"spec": {"template": template}}})
            }
        }
    }

    fn time_at(&self, second: i64) -> Value {
        json!(Timestamp::from_second(second).unwrap().to_string())
    }

    fn time(&self, ago: u32) -> Value {
        self.time_at(self.now - i64::from(ago))
    }

    fn pod(&self, pod: &rollout_core::model::ModelPod) -> (Value, Vec<EventRecord>) {
        let hash = format!("h{}", pod.revision.0);
        let (owner, label, value) = match self.kind {
            Kind::Deployment => (format!("rev-{hash}"), "pod-template-hash", hash),
            Kind::DaemonSet => ("web".to_string(), "controller-revision-hash", hash),
            Kind::StatefulSet => ("web".to_string(), "controller-revision-hash", format!("web-{hash}")),
        };
        let born = self.born.get(&pod.uid).copied().unwrap_or(self.now);
        let turned = self.turned.get(&pod.uid).map_or(self.now, |it| it.1);
        let age = u32::try_from(self.now - born).unwrap();
        let time = |ago: u32| self.time(ago);
        let shown = if pod.ready || pod.revision != RevisionId::TARGET {
            plain(pod.ready, &self.time_at(turned))
        } else {
            self.life.shown(age, &time)
        };
        let node = if self.kind == Kind::DaemonSet { format!("n{}", pod.slot) } else { "node".to_string() };
        let mut object = json!({
            "metadata": {"name": pod.name, "uid": pod.uid.to_string(), "labels": {label: value},
                "creationTimestamp": self.time_at(born),
                "ownerReferences": [{"controller": true, "uid": owner}]},
            "spec": shown.spec, "status": shown.status,
        });
        if shown.bound {
            object["spec"]["nodeName"] = json!(node);
        }
        if pod.terminating() {
            object["metadata"]["deletionTimestamp"] = self.time(0);
        }
        let event = |(reason, message, warns, count, first, last): (&str, String, bool, u32, u32, u32)| {
            serde_json::from_value(json!({"metadata": {"name": "e"}, "reason": reason, "message": message,
                "type": if warns { "Warning" } else { "Normal" }, "count": count,
                "involvedObject": {"uid": pod.uid.to_string(), "fieldPath": "spec.containers{app}"},
                "firstTimestamp": self.time(first), "lastTimestamp": self.time(last)}))
            .unwrap()
        };
        (object, shown.events.into_iter().map(event).collect())
    }
}

/// A pod of which nothing is to be told but whether it is ready.
fn plain(ready: bool, since: &Value) -> Shown {
    let condition = |kind: &str| json!({"type": kind, "status": if ready { "True" } else { "False" }, "lastTransitionTime": since});
    let status = json!({"phase": "Running", "conditions": [condition("Ready"), condition("ContainersReady")],
        "containerStatuses": [{"name": "app", "ready": ready, "started": true, "restartCount": 0,
            "state": {"running": {"startedAt": since}}}]});
    Shown { bound: true, spec: json!({"containers": [{"name": "app"}]}), status, events: Vec::new() }
}
