//! An API server and a controller for one workload: requests change the object, and the model of the controller follows it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use rollout_core::drive::Driver;
use rollout_core::machine::{Act, Ending, Event, Machine, Outcome, Step, Verdict};
use rollout_core::model::{RevisionId, World};
use rollout_core::objects::Node;
use rollout_core::plan::steps::{self, StartOptions};
use rollout_core::plan::{Decision, Method, Plan, Refusal, Request};
use rollout_core::stored::{self, Holder, Rest, Rollout, Rules, STORED, StepOptions, Stored};
use rollout_core::{Amount, Kind, Pod, Snapshot, Workload};
use serde_json::{Value, json};

const EPOCH: i64 = 1_800_000_000;

/// One workload and its surroundings.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub kind: Kind,
    pub object: Value,
    pub revisions: Vec<Value>,
    pub world: World,
    pub now: i64,
    pub events: Vec<Event>,
    pub acts: Vec<Act>,
    /// The names of pods that the driver deleted or evicted.
    pub deleted: Vec<String>,
    /// Pods whose eviction a budget forbids, in these words.
    pub forbids: Option<String>,
    /// Node labels.
    pub labels: BTreeMap<String, (String, String)>,
    /// What the checks come to.
    pub verdict: Verdict,
    pub born: BTreeMap<u64, i64>,
    pub turned: BTreeMap<u64, (bool, i64)>,
    pub joined: BTreeMap<String, i64>,
    /// Pods of these UIDs crash: their containers wait to be started again.
    pub crashing: BTreeSet<u64>,
    pub restarted: BTreeMap<u64, u32>,
    pub version: u64,
    /// What the server does not heed, to see who finds that.
    pub blind: Option<Blind>,
}

/// A fault of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blind {
    /// It takes tests of this path, and of what is below it, for passed.
    Test(&'static str),
    /// It deletes whatever pod has the name.
    PodUid,
}

pub fn template(revision: u32) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": format!("app:{revision}")}]}})
}

pub fn holder(pid: u32) -> Holder {
    Holder { identity: pid.to_string(), host: "host".into(), user: "me".into() }
}

pub fn options() -> StepOptions {
    StepOptions {
        soak: 3,
        max_restarts: 0,
        max_unavailable: None,
        checks: Vec::new(),
        queries: Vec::new(),
        prometheus: None,
        on_failure: stored::OnFailure::Pause,
        evict: false,
        skip_unready_nodes: false,
        timeout: Some(60),
    }
}

pub fn rules(steps: &str) -> Rules {
    Rules { first: None, rest: Rest::parse(steps).unwrap() }
}

pub fn to(revision: u32, steps: &str) -> StartOptions {
    StartOptions {
        template: Some(template(revision)),
        rules: rules(steps),
        options: options(),
        pause_after: None,
        holder: Some(holder(1)),
        reason: None,
    }
}

impl Cluster {
    /// A workload of `app:0` at rest.
    pub fn new(kind: Kind, size: u32, strategy: Value) -> Cluster {
        let object = json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": "set", "generation": 1, "resourceVersion": "1"},
            "spec": {"replicas": size, "selector": {"matchLabels": {"app": "web"}}, "template": template(0),
                "updateStrategy": strategy, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady"},
            "status": {},
        });
        let workload = Workload::from_object(kind, object.clone()).unwrap();
        let desired = if kind == Kind::StatefulSet { size } else { 0 };
        let mut cluster = Cluster {
            kind,
            world: World::new(kind, "web", workload.strategy, desired),
            object,
            revisions: Vec::new(),
            now: EPOCH,
            events: Vec::new(),
            acts: Vec::new(),
            deleted: Vec::new(),
            forbids: None,
            labels: BTreeMap::new(),
            verdict: Verdict::Passed,
            born: BTreeMap::new(),
            turned: BTreeMap::new(),
            joined: BTreeMap::new(),
            crashing: BTreeSet::new(),
            restarted: BTreeMap::new(),
            version: 1,
            blind: None,
        };
        if kind == Kind::DaemonSet {
            (0..size).for_each(|node| cluster.join(&format!("n{node}")));
        }
        cluster.world.observed = false;
        (0..2 * size + 10).for_each(|_| cluster.tick());
        assert!(cluster.pods().iter().all(|pod| pod.ready()));
        cluster
    }

    pub fn rolling(kind: Kind, size: u32) -> Cluster {
        Cluster::new(kind, size, Cluster::rolling_update(kind))
    }

    /// The strategy that is the default of a kind.
    pub fn rolling_update(kind: Kind) -> Value {
        match kind {
            Kind::StatefulSet => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
            Kind::DaemonSet | Kind::Deployment => {
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})
            }
        }
    }

    pub fn join(&mut self, name: &str) {
        self.world.add_node(name);
        self.joined.insert(name.to_string(), self.now);
    }

    /// One second.
    pub fn tick(&mut self) {
        self.now += 1;
        let before = self.object["status"].clone();
        self.world.tick();
        if self.object["status"]["observedGeneration"] != self.object["metadata"]["generation"] {
            self.record();
        }
        let name = |revision: RevisionId| json!(format!("web-h{}", revision.0));
        self.object["status"] = json!({
            "observedGeneration": self.object["metadata"]["generation"],
            "desiredNumberScheduled": self.world.wanted(),
            "currentRevision": name(self.world.current_revision),
            "updateRevision": name(self.world.update_revision),
        });
        if self.object["status"] != before {
            self.touch();
        }
        self.remember();
    }

    pub fn ticks(&mut self, seconds: u32) {
        (0..seconds).for_each(|_| self.tick());
    }

    /// When pods came and turned ready or not.
    pub fn remember(&mut self) {
        let now = self.now;
        for pod in &self.world.pods {
            self.born.entry(pod.uid).or_insert(now);
            let turned = self.turned.entry(pod.uid).or_insert((pod.ready, now));
            if turned.0 != pod.ready {
                *turned = (pod.ready, now);
            }
        }
    }

    fn touch(&mut self) {
        self.version += 1;
        self.object["metadata"]["resourceVersion"] = json!(self.version.to_string());
    }

    /// The controller records the template: a new revision, or an old one with a new number.
    fn record(&mut self) {
        let newest = self.revisions.iter().filter_map(|it| it["revision"].as_u64()).max().unwrap_or(0);
        let live = self.object["spec"]["template"].clone();
        let same = |it: &&mut Value| rollout_core::template::same(&it["data"]["spec"]["template"], &live);
        if let Some(known) = self.revisions.iter_mut().find(same) {
            if known["revision"] != newest {
                known["revision"] = json!(newest + 1);
            }
            return;
        }
        let id = image_of(&live);
        let mut data = live;
        data["$patch"] = json!("replace");
        self.revisions.push(json!({
            "metadata": {"name": format!("web-h{id}"), "uid": format!("cr-{id}"),
                "labels": {"controller-revision-hash": format!("h{id}")},
                "annotations": self.object["metadata"]["annotations"],
                "ownerReferences": [{"controller": true, "uid": "set"}]},
            "revision": newest + 1, "data": {"spec": {"template": data}}}));
    }

    /// The pods as the server sends them.
    pub fn pods(&self) -> Vec<Pod> {
        self.world.pods.iter().map(|pod| self.pod(pod)).collect()
    }

    fn pod(&self, pod: &rollout_core::model::ModelPod) -> Pod {
        let time = |second: i64| Timestamp::from_second(second).unwrap().to_string();
        let label = match self.kind {
            Kind::StatefulSet => format!("web-h{}", pod.revision.0),
            Kind::DaemonSet | Kind::Deployment => format!("h{}", pod.revision.0),
        };
        let born = self.born.get(&pod.uid).copied().unwrap_or(self.now);
        let (ready, since) = self.turned.get(&pod.uid).copied().unwrap_or((false, self.now));
        let ready = ready && pod.ready && !self.crashing.contains(&pod.uid);
        let waiting = if self.crashing.contains(&pod.uid) {
            json!({"waiting": {"reason": "CrashLoopBackOff", "message": "m"}})
        } else {
            json!({})
        };
        let node = match self.kind {
            Kind::DaemonSet => json!(self.world.nodes[pod.slot as usize].name),
            Kind::StatefulSet | Kind::Deployment => json!("node"),
        };
        let restarts = self.restarted.get(&pod.uid).copied().unwrap_or(0)
            + if self.crashing.contains(&pod.uid) { 9 } else { 0 };
        let mut object = json!({
            "metadata": {"name": pod.name, "uid": pod.uid.to_string(), "labels": {"controller-revision-hash": label},
                "creationTimestamp": time(born), "ownerReferences": [{"controller": true, "uid": "set"}]},
            "spec": {"nodeName": node, "containers": [{"name": "app", "image": format!("app:{}", pod.revision.0)}]},
            "status": {"phase": if pod.failed { "Failed" } else { "Running" },
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" },
                    "lastTransitionTime": time(since)}],
                "containerStatuses": [{"name": "app", "restartCount": restarts, "state": waiting}]},
        });
        if pod.terminating() {
            object["metadata"]["deletionTimestamp"] = json!(time(self.now));
        }
        serde_json::from_value(object).unwrap()
    }

    pub fn nodes(&self) -> Vec<Node> {
        let present = self.world.nodes.iter().filter(|node| !node.gone);
        present
            .map(|node| {
                let taint = |key: &str| json!([{"key": key, "effect": "NoSchedule"}]);
                let taints = match (node.accepts, node.alive) {
                    (_, false) => taint("node.kubernetes.io/unreachable"),
                    (false, true) => taint("gpu"),
                    (true, true) => json!([]),
                };
                let labels = self.labels.get(&node.name).map(|(key, value)| json!({key: value}));
                let joined = Timestamp::from_second(self.joined[&node.name]).unwrap().to_string();
                serde_json::from_value(json!({
                    "metadata": {"name": node.name, "creationTimestamp": joined, "labels": labels.unwrap_or(json!({}))},
                    "spec": {"taints": taints},
                    "status": {"conditions": [{"type": "Ready", "status": if node.alive { "True" } else { "False" }}]},
                }))
                .unwrap()
            })
            .collect()
    }

    pub fn snapshot(&self) -> Snapshot {
        let workload = Workload::from_object(self.kind, self.object.clone()).unwrap();
        let now = Timestamp::from_second(self.now).unwrap();
        let mut pods = self.pods();
        // One of somebody else that the selector finds as well.
        let other = |pod: &Pod| {
            pod.clone().with(|it| {
                (it.name, it.uid, it.owner) = ("other-0".into(), "other".into(), Some("other".into()));
            })
        };
        pods.extend(pods.first().map(other));
        let mut snapshot = Snapshot::new(workload, self.revisions.clone(), Some(pods), now);
        snapshot.nodes = (self.kind == Kind::DaemonSet).then(|| self.nodes());
        snapshot
    }

    /// What the server does with a request.
    pub fn send(&mut self, request: &Request) -> Outcome {
        match request.method {
            Method::Patch if request.path.contains("/controllerrevisions/") => {
                let name = request.path.rsplit('/').next().unwrap();
                let mut revisions = self.revisions.iter_mut();
                let revision = revisions.find(|it| it["metadata"]["name"] == name).unwrap();
                match patched(revision, &request.body, self.blind) {
                    Some(after) => {
                        *revision = after;
                        Outcome::Done(None)
                    }
                    None => Outcome::Changed,
                }
            }
            Method::Patch => self.patch(&request.body),
            Method::Delete => {
                let name = request.path.rsplit('/').next().unwrap().to_string();
                self.delete(&name, &request.body["preconditions"]["uid"])
            }
            Method::Post => {
                let name = request.path.rsplit('/').nth(1).unwrap().to_string();
                match &self.forbids {
                    Some(words) => Outcome::NotNow(words.clone()),
                    None => self.delete(&name, &request.body["deleteOptions"]["preconditions"]["uid"]),
                }
            }
        }
    }

    fn delete(&mut self, name: &str, uid: &Value) -> Outcome {
        let Some(pod) = self.world.pods.iter().find(|pod| pod.name == name) else { return Outcome::Gone };
        let heeds = self.blind != Some(Blind::PodUid);
        if heeds && uid.as_str() != Some(pod.uid.to_string().as_str()) {
            return Outcome::Changed;
        }
        self.deleted.push(name.to_string());
        self.world.delete_pod(name);
        Outcome::Done(None)
    }

    pub fn patch(&mut self, body: &Value) -> Outcome {
        let Some(object) = patched(&self.object, body, self.blind) else { return Outcome::Changed };
        self.change(|it| *it = object);
        Outcome::Done(None)
    }

    /// Changes the object as somebody else does.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
        let before = self.object["spec"].clone();
        change(&mut self.object);
        if self.object["spec"] != before {
            let generation = self.object["metadata"]["generation"].as_u64().unwrap();
            self.object["metadata"]["generation"] = json!(generation + 1);
            let workload = Workload::from_object(self.kind, self.object.clone()).unwrap();
            self.world.set_template(RevisionId(image_of(workload.template())));
            self.world.set_strategy(workload.strategy);
            if self.kind == Kind::StatefulSet {
                self.world.scale(workload.desired);
            }
            self.world.parallel = workload.parallel;
        }
        self.touch();
    }

    pub fn scale(&mut self, replicas: u32) {
        self.change(|object| object["spec"]["replicas"] = json!(replicas));
    }

    pub fn stored(&self) -> Option<Rollout> {
        let workload = Workload::from_object(self.kind, self.object.clone()).unwrap();
        Stored::read(&workload).unwrap().and_then(|it| it.rollout)
    }

    pub fn has_trace(&self) -> bool {
        let carries = |it: &Value| it["metadata"]["annotations"].get(STORED).is_some();
        carries(&self.object) || self.revisions.iter().any(carries)
    }

    pub fn strategy(&self) -> &Value {
        &self.object["spec"]["updateStrategy"]
    }

    /// Plans and sends; the plan must not be stopped.
    pub fn apply(&mut self, decision: Result<Decision, Refusal>) -> Plan {
        let Decision::Change(plan) = decision.unwrap() else { panic!("nothing to do") };
        assert_eq!(plan.stopped_by(&[]).map(|it| it.id.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
        for request in &plan.requests {
            assert_eq!(self.send(request), Outcome::Done(None), "{request:?}");
        }
        *plan
    }

    pub fn start(&mut self, options: &StartOptions) -> Plan {
        let plan = steps::start(&self.snapshot(), options);
        self.apply(plan)
    }

    pub fn resume(&mut self, pid: u32) -> Driver {
        let options = steps::ResumeOptions {
            holder: holder(pid),
            take_over: true,
            pause_after: None,
            given: steps::GivenChecks::default(),
        };
        let plan = steps::resume(&self.snapshot(), &options);
        self.apply(plan);
        Driver::new(holder(pid))
    }

    /// Takes the rollout back to the end.
    pub fn abort(&mut self) -> Ending {
        let rollout = self.stored().expect("a rollout");
        let plan = steps::abort(&self.snapshot(), Some(holder(9)));
        self.apply(plan);
        self.run(&mut Driver::aborting(holder(9), rollout))
    }

    /// Runs a driver to its end.
    pub fn run(&mut self, driver: &mut Driver) -> Ending {
        self.run_until(driver, |_| false).expect("does not end")
    }

    /// Runs a driver until something is so, or to its end.
    pub fn run_until(
        &mut self,
        driver: &mut Driver,
        mut so: impl FnMut(&mut Cluster) -> bool,
    ) -> Option<Ending> {
        for _ in 0..5000 {
            if so(self) {
                return None;
            }
            if let Some(ending) = self.turn(driver) {
                return Some(ending);
            }
        }
        panic!("does not end: {:#?} {:#?}", self.object, self.shown());
    }

    /// One turn of the loop that runs a driver.
    pub fn turn(&mut self, driver: &mut Driver) -> Option<Ending> {
        let (_, step) = driver.step(&self.snapshot());
        self.events.extend(driver.news());
        match step {
            Step::End(ending) => return Some(ending),
            Step::Wait | Step::Soak(_) | Step::Passed | Step::Survey(_) => self.tick(),
            Step::Check(_) => driver.checked(self.verdict.clone()),
            Step::Send { act, request } => self.errand(driver, act, &request),
            Step::SendAll(all) => {
                all.into_iter().for_each(|(act, request)| self.errand(driver, act, &request));
            }
        }
        None
    }

    fn errand(&mut self, driver: &mut Driver, act: Act, request: &Request) {
        self.acts.push(act);
        let sent = self.send(request);
        driver.sent(&sent);
        if let Outcome::NotNow(_) = sent {
            self.tick();
        }
    }

    /// The pods as `place:revision`, with `!` where not ready and `-` where it ends.
    pub fn shown(&self) -> Vec<String> {
        let mut shown: Vec<String> = self
            .world
            .pods
            .iter()
            .map(|pod| {
                let place = match self.kind {
                    Kind::DaemonSet => self.world.nodes[pod.slot as usize].name.clone(),
                    Kind::StatefulSet | Kind::Deployment => pod.slot.to_string(),
                };
                let ready = if pod.ready { "" } else { "!" };
                let ends = if pod.terminating() { "-" } else { "" };
                format!("{place}:{}{ready}{ends}", pod.revision.0)
            })
            .collect();
        shown.sort();
        shown
    }

    /// The UIDs of the pods by place.
    pub fn uids(&self) -> BTreeMap<u32, u64> {
        self.world.pods.iter().map(|pod| (pod.slot, pod.uid)).collect()
    }

    pub fn on(&self, slot: u32) -> String {
        self.world.pods.iter().find(|pod| pod.slot == slot).expect("a pod").name.clone()
    }

    pub fn outside(&self) -> usize {
        self.events.iter().filter(|it| matches!(it, Event::OutsideStep { .. })).count()
    }
}

pub fn image_of(template: &Value) -> u32 {
    let image = template["spec"]["containers"][0]["image"].as_str().unwrap();
    image.strip_prefix("app:").unwrap().parse().unwrap()
}

/// How many places are new when a step is done, counted on its own.
pub fn reach(amounts: &[Amount], done: usize, total: usize) -> usize {
    let ends = amounts.iter().map(|it| (it.rounded_up(total as u32) as usize).min(total));
    ends.take(done + 1).max().unwrap_or(0)
}

/// A JSON patch as the server applies it: `test PATH null` holds where nothing is below a path that exists.
fn patched(object: &Value, body: &Value, blind: Option<Blind>) -> Option<Value> {
    let mut object = object.clone();
    for operation in body.as_array().unwrap() {
        let path = operation["path"].as_str().unwrap();
        if operation["op"] == "test"
            && matches!(blind, Some(Blind::Test(unheeded)) if path.starts_with(unheeded))
        {
            continue;
        }
        let parent = path.rsplit_once('/').map(|(parent, _)| parent).unwrap();
        let absent = object.pointer(path).is_none() && object.pointer(parent).is_some();
        if operation["op"] == "test" && operation["value"].is_null() && absent {
            continue;
        }
        let one: json_patch::Patch = serde_json::from_value(json!([operation])).unwrap();
        json_patch::patch(&mut object, &one).ok()?;
    }
    Some(object)
}
