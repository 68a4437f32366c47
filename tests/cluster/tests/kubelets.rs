//! The fake kubelets are compared with real ones, whose pods' states and events `tests/controlplane/samples` holds:
//! kubelets 1.37 with containerd 2.3, a pod each of one container `app` with a readiness probe.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cluster::{Cluster, Namespace, workspace};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);

/// What a pod has shown, in turn, without what is different for each pod.
#[derive(Default)]
struct Film {
    pod: String,
    states: Vec<(Instant, String)>,
    ready_since: Vec<String>,
    generations: Vec<Value>,
}

impl Film {
    fn texts(&self) -> Vec<&str> {
        self.states.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// How long the first state lasted that holds these words.
    fn lasted(&self, words: &str) -> Option<Duration> {
        let at = self.states.iter().position(|(_, text)| text.contains(words))?;
        Some(self.states.get(at + 1)?.0 - self.states[at].0)
    }
}

/// Watches the first pod of each app in a namespace.
struct Camera {
    kubectl: Child,
    films: Arc<Mutex<BTreeMap<String, Film>>>,
}

impl Camera {
    fn start(namespace: &Namespace<'_>) -> Self {
        let mut kubectl = namespace
            .cluster()
            .command("kubectl")
            .args(["get", "pods", "--watch", "-o", "json", "--namespace", namespace.name()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let stdout = kubectl.stdout.take().expect("an output");
        let films = Arc::new(Mutex::new(BTreeMap::new()));
        let shared = Arc::clone(&films);
        thread::spawn(move || {
            for pod in serde_json::Deserializer::from_reader(stdout).into_iter::<Value>() {
                let Ok(pod) = pod else { break };
                record(&mut lock(&shared), &pod);
            }
        });
        Self { kubectl, films }
    }

    fn films(&self) -> MutexGuard<'_, BTreeMap<String, Film>> {
        lock(&self.films)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

fn lock(films: &Mutex<BTreeMap<String, Film>>) -> MutexGuard<'_, BTreeMap<String, Film>> {
    films.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn record(films: &mut BTreeMap<String, Film>, pod: &Value) {
    let name = text(&pod["metadata"]["name"]);
    let film = match films.entry(text(&pod["metadata"]["labels"]["app"]).into()) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => entry.insert(Film { pod: name.into(), ..Film::default() }),
    };
    let status = &pod["status"];
    let untouched = status["containerStatuses"].is_null() && status["reason"].is_null();
    if film.pod != name || untouched {
        return;
    }
    let shown = neutral(&state(pod), pod);
    if film.states.last().is_none_or(|(_, last)| *last != shown) {
        film.states.push((Instant::now(), shown));
    }
    film.generations.push(status["observedGeneration"].clone());
    for condition in items(&status["conditions"]) {
        film.generations.push(condition["observedGeneration"].clone());
        let since = text(&condition["lastTransitionTime"]).to_string();
        if condition["type"] == "Ready" && !film.ready_since.contains(&since) {
            film.ready_since.push(since);
        }
    }
}

/// What a pod's status says, a line each, as in the samples.
fn state(pod: &Value) -> String {
    let status = &pod["status"];
    let mut lines = vec![text(&status["phase"]).to_string()];
    if let Some(reason) = status["reason"].as_str() {
        lines[0] += &format!(" {reason}: {}", text(&status["message"]).trim());
    }
    if pod["metadata"]["deletionTimestamp"].is_string() {
        lines.push("  terminating".into());
    }
    let mut conditions: Vec<_> = items(&status["conditions"]).collect();
    conditions.sort_by_key(|it| text(&it["type"]));
    for condition in conditions {
        let mut line = format!("  {} {}", text(&condition["type"]), text(&condition["status"]));
        if let Some(reason) = condition["reason"].as_str() {
            line += &format!(" {reason}");
        }
        if let Some(message) = condition["message"].as_str() {
            line += &format!(": {message}");
        }
        lines.push(line);
    }
    for container in items(&status["initContainerStatuses"]).chain(items(&status["containerStatuses"])) {
        let word = match (container["started"] == true, container["ready"] == true) {
            (true, true) => "started and ready",
            (true, false) => "started",
            (false, true) => "ready",
            (false, false) => "not started",
        };
        lines.push(format!("  {} {word}, restarts {}", text(&container["name"]), container["restartCount"]));
        lines.push(format!("    {}", of_container(&container["state"])));
        if container["lastState"].as_object().is_some_and(|it| !it.is_empty()) {
            lines.push(format!("    before: {}", of_container(&container["lastState"])));
        }
    }
    lines.join("\n")
}

fn of_container(state: &Value) -> String {
    let message = |it: &Value| it["message"].as_str().map(|it| format!(": {it}")).unwrap_or_default();
    if state["running"].is_object() {
        return "running".into();
    }
    let (waiting, terminated) = (&state["waiting"], &state["terminated"]);
    if waiting.is_object() {
        return format!("waiting {}{}", text(&waiting["reason"]), message(waiting)).replace('\n', "\\n");
    }
    let ended = format!("{} {}{}", terminated["exitCode"], text(&terminated["reason"]), message(terminated));
    format!("terminated {ended}")
}

/// A text without what is different for each pod and each program.
fn neutral(shown: &str, pod: &Value) -> String {
    let metadata = &pod["metadata"];
    let name =
        format!("{}_{}({})", text(&metadata["name"]), text(&metadata["namespace"]), text(&metadata["uid"]));
    let spec = &pod["spec"];
    let images =
        items(&spec["initContainers"]).chain(items(&spec["containers"])).map(|it| text(&it["image"]));
    let shown = images.fold(shown.replace(&name, "{pod}"), |shown, image| shown.replace(image, "{image}"));
    shown
        .replace("\"app-config\"", "\"{configmap}\"")
        .replace("terminated 1 Error", "terminated {code} Error")
}

/// The states and the events of a real pod.
fn sample(name: &str) -> (Vec<String>, Vec<String>) {
    let file = workspace().join(format!("tests/controlplane/samples/{name}.txt"));
    let all = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (states, events) = all.split_once("\nevents\n").expect("events");
    let mut blocks: Vec<String> = Vec::new();
    for line in states.lines() {
        match line.strip_prefix("after ").and_then(|it| it.split_once(" s: ")) {
            Some((_, phase)) => blocks.push(phase.into()),
            None => *blocks.last_mut().expect("a state") += &format!("\n{line}"),
        }
    }
    (blocks, events.lines().map(|it| it.trim_start().into()).collect())
}

/// The events of the first pod of an app.
fn events(namespace: &Namespace<'_>, pod: &Value) -> Vec<String> {
    let involved = format!("--field-selector=involvedObject.uid={}", text(&pod["metadata"]["uid"]));
    let list = namespace.get(&["events", &involved]);
    let line = |event: &Value| {
        let often = if event["count"].as_u64() > Some(1) { "again and again " } else { "" };
        let path = event["involvedObject"]["fieldPath"].as_str().map(|it| format!(" {it}"));
        let message = neutral(text(&event["message"]), pod);
        let (kind, reason) = (text(&event["type"]), text(&event["reason"]));
        format!("{often}{kind} {reason}{}: {}", path.unwrap_or_default(), message.trim_end())
    };
    items(&list["items"]).map(line).collect()
}

/// A Deployment of one pod; the image's tag says what it does.
fn deployment(app: &str, tag: &str, init: &Value) -> Value {
    let probe = json!({ "exec": { "command": ["true"] } });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": app },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": app } },
            "template": {
                "metadata": { "labels": { "app": app } },
                "spec": {
                    "initContainers": init,
                    "containers": [{ "name": "app", "image": format!("app:{tag}"), "readinessProbe": probe }],
                },
            },
        },
    })
}

/// A sample, the tag that is to look like it, and whether the states are the same one by one: of the others the real
/// ones were seen with gaps, or the fakes' containers are ready where the real ones were not.
const CASES: [(&str, &str, bool); 14] = [
    ("good", "1", true),
    ("crash", "dies", true),
    ("oom", "oom", true),
    ("command", "command", true),
    ("config", "config", true),
    ("missing", "missing", true),
    ("mount", "mount", true),
    ("nonroot", "nonroot", true),
    ("liveness", "liveness", true),
    ("hook", "hook-fails", true),
    ("rejected", "sysctl", true),
    ("evicted", "evicted", false),
    ("init", "1", false),
    ("sidecar", "1", false),
];

/// Returns what of a sample the fake has not shown yet; panics where it shows something else.
fn states_missing(name: &str, exact: bool, film: &Film) -> Option<String> {
    let (mut states, _) = sample(name);
    if name == "liveness" {
        // The real container ends in peace when it is told to; the fake one has to be killed.
        states.iter_mut().for_each(|it| *it = it.replace("terminated 0 Completed", "terminated 137 Error"));
    }
    let mut shown = film.texts().into_iter();
    for expected in states {
        loop {
            match shown.next() {
                None => return Some(expected),
                Some(state) if state == expected => break,
                Some(state) => assert!(!exact, "{name}: not\n{expected}\nbut\n{state}"),
            }
        }
    }
    None
}

fn events_missing(name: &str, events: &[String]) -> Option<String> {
    let (_, expected) = sample(name);
    let is_there = |line: &String| {
        // What a probe prints, and the volume's name, are the program's own.
        let own = line.contains("Readiness probe failed") || line.contains("task {id} not found");
        let start = line.split(" \"v\"").next().unwrap_or(line);
        // The sidecar's second back-off is a minute off.
        let start = start.strip_prefix("again and again ").filter(|_| name == "sidecar").unwrap_or(start);
        let once = |event: &str| event.strip_prefix("again and again ").map(str::to_owned);
        own || events
            .iter()
            .any(|it| it.starts_with(start) || once(it).is_some_and(|it| it.starts_with(start)))
    };
    // A good pod of the fakes leaves no events.
    expected.into_iter().filter(|_| name != "good").find(|line| {
        let of_good = matches!(name, "init" | "sidecar") && line.contains("spec.containers{app}");
        !of_good && !is_there(line)
    })
}

#[test]
fn they_look_like_real_ones() {
    let namespace = Cluster::shared().namespace("kubelets");
    let camera = Camera::start(&namespace);
    let none = json!([]);
    for (name, tag, _) in CASES {
        let init = match name {
            "init" => json!([{ "name": "init", "image": "init:dies" }]),
            "sidecar" => json!([{ "name": "side", "image": "side:late", "restartPolicy": "Always" }]),
            _ => none.clone(),
        };
        namespace.apply(&deployment(name, tag, &init).to_string());
    }
    for (name, _, exact) in CASES {
        let mut missing = None;
        let whole = || {
            let pod = {
                let films = camera.films();
                let Some(film) = films.get(name) else { return false };
                missing = states_missing(name, exact, film);
                film.pod.clone()
            };
            if missing.is_none() {
                let pod = namespace.kubectl(&["get", "pod", &pod, "-o", "json"]);
                let pod: Value = serde_json::from_str(&pod.stdout).unwrap_or_default();
                missing = events_missing(name, &events(&namespace, &pod));
            }
            missing.is_none()
        };
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            namespace.wait_until(&format!("{name} is as in its sample"), LIMIT, whole);
        }));
        let films = camera.films();
        let texts = films.get(name).map(|film| film.texts().join("\n")).unwrap_or_default();
        assert!(found.is_ok(), "{name} does not show\n{missing:?}\nbut\n{texts}");
    }
    let films = camera.films();
    for (name, film) in films.iter() {
        assert!(film.generations.iter().all(|it| it == 1), "{name}: {:?}", film.generations);
    }
    // Readiness that never came has begun to lack at the pod's start, through all crashes.
    for name in ["crash", "oom", "command", "hook", "liveness"] {
        assert_eq!(films[name].ready_since.len(), 1, "{name}: {:?}", films[name].ready_since);
        let back_off = films[name].lasted("waiting CrashLoopBackOff");
        assert!(back_off.is_none_or(|it| it > Duration::from_secs(8)), "{name}: {back_off:?}");
    }
}

#[test]
fn a_container_that_lives_for_a_second_is_terminated_for_its_back_off() {
    let namespace = Cluster::shared().namespace("crashing");
    let camera = Camera::start(&namespace);
    namespace.apply(&deployment("web", "crash", &json!([])).to_string());
    let turns = [
        "restarts 0\n    waiting ContainerCreating",
        "restarts 0\n    running",
        "restarts 0\n    terminated",
        "restarts 1\n    running\n    before: terminated",
        "restarts 1\n    terminated {code} Error\n    before: terminated",
        "restarts 1\n    waiting CrashLoopBackOff: back-off 10s restarting failed container=app pod={pod}\n    before:",
        "restarts 2\n    running\n    before: terminated",
        "restarts 2\n    terminated {code} Error\n    before: terminated",
    ];
    namespace.wait_until("it was restarted twice", LIMIT, || {
        camera.films().get("web").is_some_and(|film| film.states.len() >= turns.len())
    });
    let films = camera.films();
    let film = &films["web"];
    for (turn, shown) in turns.iter().zip(film.texts()) {
        assert!(shown.contains(turn), "not {turn} but\n{shown}");
    }
    let (ended, waits) = (film.lasted(turns[4]).unwrap(), film.lasted(turns[5]).unwrap());
    assert!(ended > Duration::from_secs(8) && waits < ended / 4, "{ended:?}, {waits:?}");
}
