//! What is stored of a rollout in steps.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::history::revision::Revision;
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::objects::strategy::Amount;
use crate::snapshot::{Side, Snapshot};
use crate::stored::lease::{HOLDS, Held, Holder, Lease};
use crate::stored::rules::Rules;
use crate::template;

/// A rollout in steps, as it is stored on its workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// The UID of the workload: a copy of the annotation on another object is no rollout of that one.
    pub workload: String,
    /// The revision that is rolled out; absent until the controller has recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<RevisionRef>,
    /// The revision to go back to.
    pub previous: RevisionRef,
    /// The `updateStrategy` to put back, its partition included.
    pub strategy: Value,
    /// The `revisionHistoryLimit` to put back, where it had to be raised (hazard H12).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_limit: Option<u32>,
    /// The steps as rules; never lists of nodes that nobody named.
    pub rules: Rules,
    /// How many steps are done.
    pub done: usize,
    /// How far the steps have reached, by the order of the places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<Reached>,
    /// The number of steps, from where it is, after which it pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_after: Option<usize>,
    /// What it is at.
    pub phase: Phase,
    /// Why it failed, or what it was held up by when its time was over, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whether pods that failed before the present step began are to be made anew: it was resumed after a failure.
    #[serde(default)]
    pub retry: bool,
    /// Whether it stands still between two steps: nothing of the next one was moved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub between: bool,
    /// Whether it is an undo: every pod that is not at the revision to go back to is put back, whatever it runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
    /// How it is done.
    pub options: StepOptions,
    /// Who drives it; nobody while it stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Since when, and how long that holds without another word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// When it started, by the server's clock.
    pub started: Timestamp,
    /// When the present step began, by the server's clock.
    pub began: Timestamp,
}

/// A revision by what does not move: numbers do (hazard H19).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisionRef {
    /// The name of the ControllerRevision.
    pub object: String,
    /// The label by which its pods name it.
    pub hash: String,
}

impl RevisionRef {
    /// Notes a revision.
    pub fn of(revision: &Revision) -> RevisionRef {
        RevisionRef { object: revision.name.clone(), hash: revision.pod_label.clone() }
    }

    /// Notes a revision that the controller never recorded: somebody replaced its template before.
    pub fn never() -> RevisionRef {
        RevisionRef { object: String::new(), hash: String::new() }
    }

    /// Finds the revision again.
    pub fn find<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Revision> {
        snapshot.history.by_name(&self.object)
    }

    /// Tells whether a pod's label names this revision, or one that means the same.
    pub fn owns_label(&self, snapshot: &Snapshot, label: &str) -> bool {
        self.hash == label
            || self.find(snapshot).is_some_and(|it| it.owns_label(snapshot.workload.id.kind, label))
    }
}

/// How far the steps have reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", untagged, deny_unknown_fields)]
pub enum Reached {
    /// The last node of the steps so far, by the order in which nodes joined.
    Node {
        /// When it joined.
        #[serde(skip_serializing_if = "Option::is_none")]
        created: Option<Timestamp>,
        /// Its name.
        node: String,
    },
    /// The partition that was written last, and the replicas that there were.
    Index {
        /// How many pods, from the bottom, stay old.
        partition: u32,
        /// The replicas that the partition was meant for.
        replicas: u32,
    },
}

/// What a rollout in steps is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// A driver does the steps.
    Running,
    /// It stands still until somebody resumes it.
    Paused,
    /// A step failed; it stands still.
    Failed,
    /// It is taken back.
    Aborting,
}

impl Phase {
    /// Returns the phase in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Running => "running",
            Phase::Paused => "paused",
            Phase::Failed => "failed",
            Phase::Aborting => "aborting",
        }
    }
}

/// What becomes of a rollout whose step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It stands still, and nothing else can come up bad.
    #[default]
    Pause,
    /// It is taken back.
    Abort,
}

/// How a rollout in steps is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepOptions {
    /// Seconds for which a step's pods stay available.
    pub soak: i64,
    /// Restarts that a pod may have.
    pub max_restarts: u32,
    /// Pods that may be missing within a step of a workload whose pods are deleted; its own number where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Amount>,
    /// Commands that check a step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// Queries that check a step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<String>,
    /// The service that answers the queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<String>,
    /// What becomes of it when a step fails.
    pub on_failure: OnFailure,
    /// Whether pods are evicted, which disruption budgets may forbid, instead of deleted.
    pub evict: bool,
    /// Whether nodes that are not ready are left out.
    pub skip_unready_nodes: bool,
    /// Seconds for which a step may go on without another pod that is new and available, the soak not counted; none is for
    /// ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

/// How the pods of a workload are moved to another revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They are deleted here, step by step.
    Deletion,
    /// The partition is lowered, and the controller replaces them.
    Partition,
}

impl Rollout {
    /// Returns how pods are moved: DaemonSets know only deletion, StatefulSets are OnDelete or not.
    pub(crate) fn way(&self, kind: Kind) -> Way {
        match (kind, self.strategy["type"].as_str()) {
            (Kind::StatefulSet, Some("OnDelete")) | (Kind::DaemonSet | Kind::Deployment, _) => Way::Deletion,
            (Kind::StatefulSet, _) => Way::Partition,
        }
    }

    /// Tells whether the controller takes a rollout back by itself when it gets the old template and strategy (hazard H5).
    pub(crate) fn goes_back_by_itself(&self, kind: Kind) -> bool {
        kind == Kind::DaemonSet && self.strategy["type"] != "OnDelete"
    }

    /// Returns the partition to put back.
    pub(crate) fn partition_before(&self) -> u32 {
        let partition = self.strategy.pointer("/rollingUpdate/partition").and_then(Value::as_u64);
        partition.and_then(|it| u32::try_from(it).ok()).unwrap_or(0)
    }

    /// Returns the strategy that holds a workload, with that partition where it has one.
    pub(crate) fn held_strategy(&self, kind: Kind, partition: u32) -> Value {
        match self.way(kind) {
            Way::Deletion => json!({"type": "OnDelete"}),
            Way::Partition => {
                let mut strategy = self.strategy.clone();
                if !strategy.is_object() {
                    strategy = json!({});
                }
                strategy["type"] = json!("RollingUpdate");
                if !strategy["rollingUpdate"].is_object() {
                    strategy["rollingUpdate"] = json!({});
                }
                strategy["rollingUpdate"]["partition"] = json!(partition);
                strategy
            }
        }
    }

    /// Tells whether a pod runs the revision that is, or was, rolled out; `known` is what tells without a record of it.
    pub(crate) fn is_updated(&self, snapshot: &Snapshot, pod: &Pod) -> bool {
        let Some(label) = pod.revision.as_deref() else { return false };
        match &self.target {
            _ if self.undo => !self.previous.owns_label(snapshot, label),
            Some(target) => target.owns_label(snapshot, label),
            None => {
                !self.previous.owns_label(snapshot, label) && pod.created.is_some_and(|it| it >= self.started)
            }
        }
    }

    /// Tells whether a pod failed before the step that goes on after a failure: it is made anew.
    pub(crate) fn is_stale_failure(&self, snapshot: &Snapshot, pod: &Pod) -> bool {
        self.retry
            && !pod.ready()
            && snapshot.side(pod) == Side::New
            && pod.created.is_some_and(|created| created < self.began)
    }

    /// Returns the old template as it is written back.
    pub(crate) fn previous_template(&self, snapshot: &Snapshot) -> Option<Value> {
        self.previous.find(snapshot)?.template.as_ref().map(template::writable)
    }
}

impl Rollout {
    /// Returns who holds it. What was never renewed is as old as its step.
    pub fn held(&self, now: Timestamp) -> Option<Held> {
        let holder = self.holder.clone()?;
        let Lease { acquired, renewed, seconds } =
            self.lease.unwrap_or(Lease { acquired: self.began, renewed: self.began, seconds: HOLDS });
        // A time to come is nobody's word.
        let ago = |time: Timestamp| (now.as_second() - time.as_second()).max(0);
        let over =
            ago(renewed) >= i64::from(seconds) || renewed.as_second() > now.as_second() + i64::from(HOLDS);
        Some(Held { holder, since: ago(acquired), renewed: ago(renewed), over })
    }

    /// Returns it with the word that its driver is still there.
    pub(crate) fn renewed(&self, now: Timestamp) -> Rollout {
        let lease = self.lease.map_or(Lease::begins(now), |lease| lease.goes_on(now));
        Rollout { lease: Some(lease), ..self.clone() }
    }

    pub(crate) fn is_driven(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Aborting)
    }
}
