//! The workloads that are rolled out: of all kinds and strategies, with the words by which somebody begins.

use serde_json::{Value, json};

/// A kind of workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Deployment,
    DaemonSet,
    StatefulSet,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Deployment => "deployment",
            Kind::DaemonSet => "daemonset",
            Kind::StatefulSet => "statefulset",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::DaemonSet => "DaemonSet",
            Kind::StatefulSet => "StatefulSet",
        }
    }

    /// The plugin that drives it in steps.
    pub(super) fn plugin(self) -> &'static str {
        match self {
            Kind::Deployment => "rollback",
            Kind::DaemonSet => "dsupdate",
            Kind::StatefulSet => "stspartition",
        }
    }
}

/// A kind with a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    strategy: &'static str,
    parallel: bool,
}

const fn shape(name: &'static str, kind: Kind, strategy: &'static str) -> Shape {
    Shape { name, kind, strategy, parallel: false }
}

pub(super) const SHAPES: [Shape; 12] = [
    shape(
        "rolling",
        Kind::Deployment,
        r#"{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":1}}"#,
    ),
    shape(
        "careful",
        Kind::Deployment,
        r#"{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":0,"maxSurge":1}}"#,
    ),
    shape("recreate", Kind::Deployment, r#"{"type":"Recreate"}"#),
    shape("one", Kind::DaemonSet, r#"{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1}}"#),
    shape("two", Kind::DaemonSet, r#"{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":2}}"#),
    shape(
        "surge",
        Kind::DaemonSet,
        r#"{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":0,"maxSurge":1}}"#,
    ),
    shape("hands", Kind::DaemonSet, r#"{"type":"OnDelete"}"#),
    shape("ordered", Kind::StatefulSet, r#"{"type":"RollingUpdate"}"#),
    Shape {
        name: "parallel",
        kind: Kind::StatefulSet,
        strategy: r#"{"type":"RollingUpdate","rollingUpdate":{"partition":0,"maxUnavailable":2}}"#,
        parallel: true,
    },
    shape("partition", Kind::StatefulSet, r#"{"type":"RollingUpdate","rollingUpdate":{"partition":2}}"#),
    shape("byhand", Kind::StatefulSet, r#"{"type":"OnDelete"}"#),
    Shape { name: "byhandall", kind: Kind::StatefulSet, strategy: r#"{"type":"OnDelete"}"#, parallel: true },
];

impl Shape {
    pub(super) fn is_on_delete(&self) -> bool {
        self.strategy.contains("OnDelete")
    }

    fn is_partitioned(&self) -> bool {
        self.strategy.contains(r#""partition":2"#)
    }

    fn surges(&self) -> bool {
        self.kind == Kind::DaemonSet && self.strategy.contains("maxSurge")
    }

    /// How many pods a driver may keep missing.
    pub(super) fn allowed(&self) -> usize {
        if self.kind == Kind::DaemonSet && self.strategy.contains(r#""maxUnavailable":2"#) { 2 } else { 1 }
    }

    /// How it can be rolled out.
    pub(super) fn ways(&self) -> &'static [Way] {
        match self.kind {
            Kind::Deployment => &[Way::Try, Way::Guard, Way::Undo, Way::TryRestart],
            // Where a partition holds pods back nothing but steps gets to them.
            Kind::StatefulSet if self.is_partitioned() => &[Way::Steps, Way::RestartInSteps],
            // Nothing but steps and an undo moves its pods.
            Kind::DaemonSet | Kind::StatefulSet if self.is_on_delete() => {
                &[Way::Guard, Way::Undo, Way::Steps, Way::Steps, Way::RestartInSteps]
            }
            Kind::DaemonSet | Kind::StatefulSet => {
                &[Way::Try, Way::Guard, Way::Undo, Way::Steps, Way::Steps, Way::RestartInSteps]
            }
        }
    }
}

/// How somebody begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `rollback try` with an image.
    Try,
    /// `rollback try` with a command that restarts it.
    TryRestart,
    /// The image is there already, and `rollback guard` looks after it.
    Guard,
    /// `rollback undo` to the revision before.
    Undo,
    /// `start` with an image.
    Steps,
    /// `start --restart`.
    RestartInSteps,
}

/// What becomes of it in the end, by whoever looks after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// What was begun is finished.
    Forward,
    /// It is taken back.
    Back,
}

/// A workload and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) shape: Shape,
    pub(super) replicas: u32,
    pub(super) way: Way,
    /// The tag of the new image, which says how its pods behave.
    pub(super) tag: &'static str,
    /// Of a rollout in steps: whether it goes back by itself, and after how many steps it pauses.
    pub(super) aborts: bool,
    pub(super) pause_after: Option<u32>,
    pub(super) ending: Ending,
}

/// Tags of what works, at once or after a while, and of what never does.
pub(super) const GOOD: [&str; 3] = ["2", "flap", "once"];
pub(super) const BAD: [&str; 4] = ["missing", "never", "crash", "config"];

/// How long a call may wait for its rollout, and `guard` and `try` for the way back as well.
const TIMEOUT: &str = "--timeout=90s";
/// Bad images are to be called bad while things happen.
const PATIENCE: &str = "--patience=10s";
const GATES: [&str; 4] = ["--soak=1s", PATIENCE, "--undo-timeout=90s", TIMEOUT];

impl Part {
    pub(super) fn name(&self) -> &'static str {
        self.shape.name
    }

    pub(super) fn target(&self) -> String {
        format!("{}/{}", self.shape.kind.word(), self.name())
    }

    pub(super) fn image(&self) -> String {
        format!("app:{}", self.tag)
    }

    pub(super) fn is_good(&self) -> bool {
        !BAD.contains(&self.tag)
    }

    /// Whether the new template differs by the time of a restart only.
    pub(super) fn restarts(&self) -> bool {
        matches!(self.way, Way::TryRestart | Way::RestartInSteps)
    }

    pub(super) fn manifest(&self, tag: &str) -> Value {
        let labels = json!({ "app": self.name() });
        let container = json!({ "name": "app", "image": format!("app:{tag}") });
        let mut spec = json!({
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "terminationGracePeriodSeconds": 1, "containers": [container] },
            },
        });
        let strategy: Value = serde_json::from_str(self.shape.strategy).unwrap_or_default();
        match self.shape.kind {
            Kind::Deployment => {
                spec["strategy"] = strategy;
                spec["replicas"] = self.replicas.into();
            }
            Kind::DaemonSet => spec["updateStrategy"] = strategy,
            Kind::StatefulSet => {
                spec["updateStrategy"] = strategy;
                spec["replicas"] = self.replicas.into();
                spec["serviceName"] = self.name().into();
                if self.shape.parallel {
                    spec["podManagementPolicy"] = "Parallel".into();
                }
            }
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": self.shape.kind.name(),
            "metadata": { "name": self.name(), "labels": labels },
            "spec": spec,
        })
    }

    /// The tags that are rolled out in peace before, one after the other; the last is what it is taken back to.
    pub(super) fn past(&self) -> &'static [&'static str] {
        match self.way {
            Way::Undo => &["0", "1"],
            Way::Try | Way::TryRestart | Way::Guard | Way::Steps | Way::RestartInSteps => &["1"],
        }
    }

    /// The call by which it begins: a plugin and its words.
    pub(super) fn begins(&self) -> Call {
        let (target, name) = (self.target(), self.name().to_string());
        let image = format!("app={}", self.image());
        match self.way {
            Way::Try => self.tries(),
            Way::TryRestart => {
                let restart = ["--", "kubectl", "rollout", "restart", &target];
                Call::new("rollback", &["try", &target, "-y"]).and(&GATES).and(&restart)
            }
            Way::Guard => Call::new("rollback", &["guard", &target]).and(&GATES),
            Way::Undo => Call::new("rollback", &["undo", &target, "-y", PATIENCE, TIMEOUT]),
            Way::Steps => self.start(&[&name, &image]),
            Way::RestartInSteps => self.start(&[&name, "--restart"]),
        }
    }

    /// The call that sets the new image, and takes it back where it fails.
    pub(super) fn tries(&self) -> Call {
        let image = format!("app={}", self.image());
        if self.shape.is_on_delete() {
            return self.start(&[self.name(), &image]);
        }
        Call::new("rollback", &["try", &self.target(), &image, "-y"]).and(&GATES)
    }

    fn start(&self, what: &[&str]) -> Call {
        let steps = ["--steps=1,50%,100%", "--soak=1s", PATIENCE, TIMEOUT, "-y"];
        let mut call = Call::new(self.shape.kind.plugin(), &["start"]).and(what).and(&steps);
        call = call.and(if self.aborts { &["--on-failure=abort"] } else { &[] });
        if let Some(steps) = self.pause_after {
            call = call.and(&[&format!("--pause-after={steps}")]);
        }
        call.and(if self.shape.surges() { &["--max-unavailable=1"] } else { &[] })
    }

    /// The call that drives what the template says by now to all pods.
    pub(super) fn drives(&self) -> Call {
        let words = ["start", self.name(), "--steps=100%", "--soak=1s", TIMEOUT, "-y"];
        let call = Call::new(self.shape.kind.plugin(), &words).of_mixed();
        call.and(if self.shape.surges() { &["--max-unavailable=1"] } else { &[] })
    }

    /// A call of `kubectl rollback` about it.
    pub(super) fn rollback(&self, verb: &str, more: &[&str]) -> Call {
        let timeout: &[&str] = if verb == "pause" { &["-y"] } else { &["-y", TIMEOUT] };
        let timeout = if verb == "status" { &[TIMEOUT] } else { timeout };
        Call::new("rollback", &[verb, &self.target()]).and(timeout).and(more)
    }

    /// The call that takes a rollout in steps back.
    pub(super) fn abort(&self) -> Call {
        match self.shape.kind {
            Kind::Deployment => self.rollback("undo", &[]),
            kind @ (Kind::DaemonSet | Kind::StatefulSet) => {
                Call::new(kind.plugin(), &["abort", self.name(), "-y", TIMEOUT])
            }
        }
    }
}

/// A plugin and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) plugin: &'static str,
    pub(super) words: Vec<String>,
}

impl Call {
    fn new(plugin: &'static str, words: &[&str]) -> Call {
        Call { plugin, words: Vec::new() }.and(words)
    }

    /// The same, as patient as it is by itself: what takes long in a world that is whole is only slow.
    pub(super) fn patient(mut self) -> Call {
        self.words.retain(|word| word != PATIENCE);
        self
    }

    /// The same, of a set that is at more than one revision.
    pub(super) fn of_mixed(self) -> Call {
        self.and(&["--allow=mixed-revisions"])
    }

    fn and(mut self, words: &[&str]) -> Call {
        self.words.extend(words.iter().map(|word| (*word).to_string()));
        self
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "kubectl {} {}", self.plugin, self.words.join(" "))
    }
}
