//! What a pod goes through before it is ready, as a kubelet and a scheduler show it.

use proptest::prelude::*;
use serde_json::{Value, json};

/// One state that a pod is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A registry that does not answer now; it is asked again and again.
    Outage,
    /// An image that the registry does not have.
    NoImage,
    /// A ConfigMap that is not there (yet).
    NoConfig,
    /// A volume that cannot be mounted (yet).
    NoMount,
    /// A sandbox that cannot be made (yet).
    NoSandbox,
    /// No node has room (yet).
    NoRoom,
    /// Its containers are created; a hook runs.
    Hook,
    /// An init container runs.
    Init,
    /// Ends once, and is started again.
    EndsOnce,
    /// Ends again and again.
    Crashes,
    /// Killed for its memory.
    OutOfMemory,
    /// Its command is not there.
    BadCommand,
    /// Killed by its liveness probe every ten seconds.
    Killed,
    /// Runs, and has not started yet; its startup probe allows it for long.
    Starting,
    /// Runs, and is not ready.
    Unready,
    /// Ready but for a gate.
    Gated,
}

impl State {
    /// Seconds for which it may last without failing anything; none where it certainly fails.
    pub fn patience(self) -> Option<u32> {
        match self {
            State::Outage
            | State::NoConfig
            | State::NoMount
            | State::NoSandbox
            | State::NoRoom
            | State::Killed
            | State::Unready => Some(60),
            State::EndsOnce => Some(60),
            State::Starting | State::Gated => Some(300),
            State::Hook | State::Init => Some(600),
            State::NoImage | State::Crashes | State::OutOfMemory | State::BadCommand => None,
        }
    }
}

/// A pod's way to its end.
#[derive(Clone, Debug)]
pub struct Life {
    /// What it goes through, each with its seconds.
    pub states: Vec<(State, u32)>,
    /// What it ends in; none where it becomes ready.
    pub never: Option<State>,
}

/// Pods that become healthy within their patience.
pub fn good() -> impl Strategy<Value = Life> {
    let passing = prop_oneof![
        Just(State::Outage),
        Just(State::NoConfig),
        Just(State::NoMount),
        Just(State::NoSandbox),
        Just(State::NoRoom),
        Just(State::Hook),
        Just(State::Init),
        Just(State::EndsOnce),
        Just(State::Starting),
        Just(State::Unready),
        Just(State::Gated),
    ];
    let state = (passing, 1..1000_u32).prop_map(|(state, share)| {
        // Within its patience, and a second before: a picture is as old as that.
        let longest = state.patience().unwrap() - 2;
        (state, 1 + share * longest / 1000)
    });
    prop::collection::vec(state, 0..3).prop_map(|states| Life { states: in_order(states), never: None })
}

/// Pods of which none becomes healthy.
pub fn bad() -> impl Strategy<Value = Life> {
    let never = prop_oneof![
        Just(State::NoImage),
        Just(State::Outage),
        Just(State::NoConfig),
        Just(State::NoMount),
        Just(State::NoSandbox),
        Just(State::Crashes),
        Just(State::OutOfMemory),
        Just(State::BadCommand),
        Just(State::Killed),
        Just(State::Unready),
        Just(State::Init),
        Just(State::Gated),
    ];
    (good(), never).prop_map(|(life, never)| {
        // What comes after has to come after.
        let order = place(never);
        let states = life.states.into_iter().filter(|(state, _)| place(*state) < order).collect();
        Life { states, never: Some(never) }
    })
}

/// A kubelet goes through them in this order.
fn place(state: State) -> u8 {
    match state {
        State::NoRoom => 0,
        State::NoMount => 1,
        State::NoSandbox => 2,
        State::Init => 3,
        State::NoImage | State::Outage => 4,
        State::NoConfig => 5,
        State::BadCommand => 6,
        State::Hook => 7,
        State::EndsOnce => 8,
        State::Starting => 9,
        State::Crashes | State::OutOfMemory | State::Killed => 10,
        State::Unready => 11,
        State::Gated => 12,
    }
}

fn in_order(mut states: Vec<(State, u32)>) -> Vec<(State, u32)> {
    states.sort_by_key(|(state, _)| place(*state));
    states.dedup_by_key(|(state, _)| place(*state));
    states
}

/// What shows of a pod at one moment: its status and its events.
pub struct Shown {
    pub bound: bool,
    pub spec: Value,
    pub status: Value,
    /// Reason, message, whether it warns, how often, and seconds since it was seen first and last.
    pub events: Vec<(&'static str, String, bool, u32, u32, u32)>,
}

impl Life {
    /// Seconds until it is ready; none where it never is.
    pub fn length(&self) -> Option<u32> {
        let length = self.states.iter().map(|(_, seconds)| seconds).sum();
        self.never.is_none().then_some(length)
    }

    /// The state of that age, and since how many seconds; none once it is ready.
    fn at(&self, age: u32) -> Option<(State, u32)> {
        let mut left = age;
        for (state, seconds) in &self.states {
            if left < *seconds {
                return Some((*state, left));
            }
            left -= seconds;
        }
        self.never.map(|state| (state, left))
    }

    /// What shows at that age; `time` writes the moment so many seconds ago.
    pub fn shown(&self, age: u32, time: &dyn Fn(u32) -> Value) -> Shown {
        let spec = self.spec();
        let Some((state, since)) = self.at(age) else { return ready(spec, age, time) };
        Seen { spec, age, since, time }.state(state)
    }

    /// The template asks for what its states are about: the same for each pod.
    fn spec(&self) -> Value {
        let has = |state| self.states.iter().any(|it| it.0 == state) || self.never == Some(state);
        let mut container = json!({"name": "app", "image": "app:1"});
        container["readinessProbe"] = json!({"periodSeconds": 1, "failureThreshold": 3});
        if has(State::Starting) {
            container["startupProbe"] = json!({"periodSeconds": 10, "failureThreshold": 30});
        }
        if has(State::Hook) {
            container["lifecycle"] = json!({"postStart": {"exec": {"command": ["true"]}}});
        }
        let mut spec = json!({"containers": [container]});
        if has(State::Init) {
            spec["initContainers"] = json!([{"name": "setup", "image": "setup:1"}]);
        }
        if has(State::Gated) {
            spec["readinessGates"] = json!([{"conditionType": "target-health"}]);
        }
        spec
    }
}

struct Seen<'t> {
    spec: Value,
    age: u32,
    since: u32,
    time: &'t dyn Fn(u32) -> Value,
}

fn condition(kind: &str, holds: bool, at: &Value) -> Value {
    json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastTransitionTime": at})
}

fn ready(spec: Value, age: u32, time: &dyn Fn(u32) -> Value) -> Shown {
    let _ = age;
    let at = time(0);
    let inits = init_done(&spec, time);
    let status = json!({"phase": "Running",
        "conditions": [condition("Ready", true, &at), condition("ContainersReady", true, &at),
            condition("target-health", true, &at)],
        "initContainerStatuses": inits,
        "containerStatuses": [{"name": "app", "ready": true, "started": true, "restartCount": 0,
            "state": {"running": {"startedAt": at}}}]});
    Shown { bound: true, spec, status, events: Vec::new() }
}

fn init_done(spec: &Value, time: &dyn Fn(u32) -> Value) -> Value {
    match spec.get("initContainers") {
        Some(_) => json!([{"name": "setup", "ready": true, "started": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": time(0)}}}]),
        None => json!([]),
    }
}

impl Seen<'_> {
    fn state(self, state: State) -> Shown {
        let ago = |seconds: u32| (self.time)(seconds.min(self.age));
        let waiting =
            |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
        let attempts = 1 + self.since / 12;
        let since = self.since;
        match state {
            State::Outage | State::NoImage => {
                let said = if state == State::NoImage {
                    "rpc error: code = NotFound desc = failed to resolve reference: not found"
                } else {
                    "rpc error: code = Unknown desc = unexpected status: 503 Service Unavailable"
                };
                let failed = format!("Failed to pull image \"app:1\": {said}");
                let words = format!("Back-off pulling image \"app:1\": ErrImagePull: {said}");
                let state = waiting("ImagePullBackOff", &words);
                self.container(state, None, 0, false)
                    .with("Failed", failed, true, attempts, since, since % 12)
                    .with("Failed", "Error: ErrImagePull".to_string(), true, attempts, since, since % 12)
            }
            State::NoConfig => {
                let said = "configmap \"app\" not found";
                let state = waiting("CreateContainerConfigError", said);
                self.container(state, None, 0, false).with(
                    "Failed",
                    format!("Error: {said}"),
                    true,
                    attempts,
                    since,
                    0,
                )
            }
            State::NoMount => {
                let said = "MountVolume.SetUp failed for volume \"data\" : exit status 32".to_string();
                self.creating().with("FailedMount", said, true, attempts, since, 0)
            }
            State::NoSandbox => {
                let said = "Failed to create pod sandbox: no network".to_string();
                self.creating().with("FailedCreatePodSandBox", said, true, attempts, since, 0)
            }
            State::NoRoom => {
                let at = ago(since);
                let status = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled",
                    "status": "False", "reason": "Unschedulable", "lastTransitionTime": at,
                    "message": "0/3 nodes are available: 3 Insufficient cpu."}]});
                Shown { bound: false, spec: self.spec, status, events: Vec::new() }
            }
            State::Hook => {
                let shown = self.creating();
                shown.with("Started", "Container started".to_string(), false, 1, since, since)
            }
            State::Init => {
                let at = ago(since);
                let mut shown = self.container(waiting("PodInitializing", ""), None, 0, false);
                shown.status["phase"] = json!("Pending");
                shown.status["initContainerStatuses"] = json!([{"name": "setup", "ready": false,
                    "started": true, "restartCount": 0, "state": {"running": {"startedAt": at}}}]);
                shown
            }
            State::EndsOnce => {
                let end = ended("Error", 1, since, &ago);
                let running = json!({"running": {"startedAt": ago(since.saturating_sub(1))}});
                let state = if since == 0 { json!({"terminated": end}) } else { running };
                let restarts = u32::from(since > 0);
                self.container(state, (since > 0).then_some(end), restarts, true)
            }
            State::Crashes | State::OutOfMemory | State::BadCommand => {
                let (reason, code) = match state {
                    State::OutOfMemory => ("OOMKilled", 137),
                    State::BadCommand => ("StartError", 128),
                    _ => ("Error", 3),
                };
                // Started again at once, then with a back-off.
                let restarts = (since > 1).into();
                let mut end = ended(reason, code, since % 10, &ago);
                if state == State::BadCommand {
                    end["message"] = json!("exec: \"/nope\": stat /nope: no such file or directory");
                    end["startedAt"] = json!("1970-01-01T00:00:00Z");
                }
                self.container(json!({"terminated": end}), Some(end), restarts, false)
            }
            State::Killed => {
                let restarts = since / 10;
                let running = json!({"running": {"startedAt": ago(since % 10)}});
                let last = (restarts > 0).then(|| ended("Error", 137, since % 10, &ago));
                let shown = self.container(running, last, restarts, true);
                if restarts == 0 {
                    return shown;
                }
                let said = "Container app failed liveness probe, will be restarted".to_string();
                shown.with("Killing", said, false, restarts, since - 10, since % 10)
            }
            State::Starting | State::Unready => {
                let running = json!({"running": {"startedAt": ago(since)}});
                let probe = if state == State::Starting { "Startup" } else { "Readiness" };
                let said = format!("{probe} probe failed: HTTP probe failed with statuscode: 503");
                let started = state != State::Starting;
                self.container(running, None, 0, started).with(
                    "Unhealthy",
                    said,
                    true,
                    1 + since / 10,
                    since,
                    0,
                )
            }
            State::Gated => {
                let (age, time) = (self.age, self.time);
                let mut shown = ready(self.spec, age, time);
                let at = ago(since);
                shown.status["conditions"] = json!([
                    condition("Ready", false, &time(age)),
                    condition("ContainersReady", true, &at),
                    condition("PodReadyToStartContainers", true, &at)
                ]);
                shown
            }
        }
    }

    fn creating(self) -> Shown {
        let mut shown = self.container(json!({"waiting": {"reason": "ContainerCreating"}}), None, 0, false);
        shown.status["phase"] = json!("Pending");
        shown
    }

    fn container(self, state: Value, last: Option<Value>, restarts: u32, started: bool) -> Shown {
        let began = (self.time)(self.age);
        let mut conditions =
            vec![condition("Ready", false, &began), condition("ContainersReady", false, &began)];
        conditions.push(condition("PodScheduled", true, &began));
        conditions.push(condition("PodReadyToStartContainers", true, &(self.time)(self.since.min(self.age))));
        let last = last.map_or(json!({}), |end| json!({"terminated": end}));
        let inits = init_done(&self.spec, self.time);
        let status = json!({"phase": "Running", "conditions": conditions, "initContainerStatuses": inits,
            "containerStatuses": [{"name": "app", "ready": false, "started": started,
                "restartCount": restarts, "state": state, "lastState": last}]});
        Shown { bound: true, spec: self.spec, status, events: Vec::new() }
    }
}

fn ended(reason: &str, code: i32, ago_seconds: u32, ago: &dyn Fn(u32) -> Value) -> Value {
    json!({"exitCode": code, "reason": reason, "startedAt": ago(ago_seconds + 1), "finishedAt": ago(ago_seconds)})
}

impl Shown {
    fn with(
        mut self,
        reason: &'static str,
        message: String,
        warns: bool,
        count: u32,
        first: u32,
        last: u32,
    ) -> Shown {
        self.events.push((reason, message, warns, count, first, last));
        self
    }
}
