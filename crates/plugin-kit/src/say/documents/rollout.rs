//! `rollout` in a `Status`, `Nodes` or `Pods`: the rollout in steps that is stored on a workload, as programs may rely on it. How it
//! is stored is the project's own affair, and may change.

use k8s_openapi::jiff::Timestamp;
use rollout_core::plan::{Refusal, steps};
use rollout_core::stored::{
    self, First, OnFailure, Phase, Rest, RevisionRef as StoredRef, StepOptions, Stored,
};
use rollout_core::{Amount, RevisionNumber, Snapshot};
use serde::Serialize;
use serde_with::skip_serializing_none;

use crate::call::document::{second, seconds};

/// A rollout in steps.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// What it is at.
    phase: Phase,
    /// How many steps there are by the nodes or pods of now; absent where nobody can know.
    steps: Option<usize>,
    /// How many of them are done.
    done: usize,
    /// After how many it pauses.
    pause_after: Option<usize>,
    /// Whether it takes the workload back to `previous`.
    #[serde(skip_serializing_if = "is_false")]
    undo: bool,
    /// Whether somebody has changed the template since.
    #[serde(skip_serializing_if = "is_false")]
    superseded: bool,
    /// Why it failed, or what it was held up by when its time was over.
    failure: Option<String>,
    /// The revision that is rolled out; absent until the controller has recorded it.
    target: Option<RevisionRef>,
    /// The revision to go back to.
    previous: RevisionRef,
    /// The steps as they were asked for.
    rules: Rules,
    /// How it is done.
    options: Options,
    /// Who drives it; nobody while it stands still.
    driver: Option<Driver>,
    /// When it began.
    started_at: Timestamp,
    /// When its step began.
    step_started_at: Timestamp,
}

/// A revision, by what does not move and by the number that it has now.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct RevisionRef {
    /// The name of the object that records it.
    object: String,
    /// Its number.
    revision: Option<RevisionNumber>,
}

/// The steps as rules.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Rules {
    /// Nodes of the first step.
    first_nodes: Option<Vec<String>>,
    /// The labels of the nodes of the first step.
    first_selector: Option<String>,
    /// So many nodes or pods are new after each further step.
    amounts: Option<Vec<Amount>>,
    /// The label whose values are the further steps.
    label: Option<String>,
}

/// How it is done.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Options {
    /// Seconds for which a step's pods stay available.
    soak_seconds: i64,
    /// Restarts that a pod may have.
    max_restarts: u32,
    /// Pods that may be missing within a step; that of the workload where nobody says.
    max_unavailable: Option<Amount>,
    /// The checks.
    checks: Vec<String>,
    /// The queries.
    queries: Vec<String>,
    /// The Prometheus that is asked.
    prometheus: Option<String>,
    /// What becomes of a rollout whose step fails.
    on_failure: OnFailure,
    /// Whether pods are evicted rather than deleted.
    evict: bool,
    /// Whether nodes that are not ready are left out.
    skip_unready_nodes: bool,
    /// Seconds that a step may take.
    timeout_seconds: Option<i64>,
}

/// Who drives it, and since when.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Driver {
    /// The host.
    host: String,
    /// The user there.
    user: String,
    /// Since when.
    acquired_at: Option<Timestamp>,
    /// When it said last that it still drives.
    renewed_at: Option<Timestamp>,
    /// After how many seconds of silence another one may take over.
    lease_seconds: Option<u32>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(it: &bool) -> bool {
    !it
}

impl Rollout {
    /// Returns what is stored; nothing where no rollout is.
    pub fn of(snapshot: &Snapshot) -> Option<Rollout> {
        let rollout = Stored::of(&snapshot.workload)?.rollout?;
        let steps = match rollout.under_way(snapshot) {
            Refusal::UnderWay { of, .. } => Some(of),
            _ => None,
        };
        let superseded = steps::is_superseded(snapshot);
        let revision = |recorded: &StoredRef| RevisionRef {
            object: recorded.object.clone(),
            revision: recorded.find(snapshot).and_then(|it| it.number),
        };
        let (target, previous) = (rollout.target.as_ref().map(revision), revision(&rollout.previous));
        let lease = rollout.lease;
        let driver = rollout.holder.map(|holder| Driver {
            host: holder.host,
            user: holder.user,
            acquired_at: seconds(lease.map(|it| it.acquired)),
            renewed_at: seconds(lease.map(|it| it.renewed)),
            lease_seconds: lease.map(|it| it.seconds),
        });
        Some(Rollout {
            phase: rollout.phase,
            steps,
            done: rollout.done,
            pause_after: rollout.pause_after,
            undo: rollout.undo,
            superseded,
            failure: rollout.failure,
            target,
            previous,
            rules: Rules::of(rollout.rules),
            options: Options::of(rollout.options),
            driver,
            started_at: second(rollout.started),
            step_started_at: second(rollout.began),
        })
    }
}

impl Rules {
    fn of(rules: stored::Rules) -> Rules {
        let (first_nodes, first_selector) = match rules.first {
            Some(First::Nodes(nodes)) => (Some(nodes), None),
            Some(First::Selector(selector)) => (None, Some(selector)),
            None => (None, None),
        };
        let (amounts, label) = match rules.rest {
            Rest::Amounts(amounts) => (Some(amounts), None),
            Rest::Label(label) => (None, Some(label)),
        };
        Rules { first_nodes, first_selector, amounts, label }
    }
}

impl Options {
    fn of(options: StepOptions) -> Options {
        let StepOptions {
            soak,
            max_restarts,
            max_unavailable,
            checks,
            queries,
            prometheus,
            on_failure,
            evict,
            skip_unready_nodes,
            timeout,
        } = options;
        Options {
            soak_seconds: soak,
            max_restarts,
            max_unavailable,
            checks,
            queries,
            prometheus,
            on_failure,
            evict,
            skip_unready_nodes,
            timeout_seconds: timeout,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rollout_core::stored::STORED;
    use rollout_core::{Kind, Workload};
    use serde_json::{Value, json};

    /// A rollout of a StatefulSet in steps, as it is stored in the middle of it.
    pub(crate) fn stored() -> Value {
        json!({"version": 1, "rollout": {
            "workload": "uid-web",
            "target": {"object": "web-b", "hash": "b"},
            "previous": {"object": "web-a", "hash": "a"},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "rules": {"rest": {"amounts": [1, "50%"]}},
            "done": 1,
            "reached": {"partition": 2, "replicas": 3},
            "phase": "running",
            "retry": false,
            "options": {
                "soak": 30, "maxRestarts": 0, "checks": ["true"], "onFailure": "pause", "evict": false,
                "skipUnreadyNodes": false, "timeout": 600
            },
            "holder": {"identity": "secret-of-a-driver", "host": "laptop", "user": "ann"},
            "lease": {"acquired": "2026-01-01T00:00:00.5Z", "renewed": "2026-01-01T00:01:00Z", "seconds": 60},
            "started": "2026-01-01T00:00:00Z",
            "began": "2026-01-01T00:00:40Z",
        }})
    }

    #[test]
    fn what_is_stored_is_told_in_the_documents_own_words() {
        let stored = stored();
        let object = json!({
            "metadata": {"name": "web", "namespace": "default", "uid": "uid-web", "generation": 1,
                "annotations": {STORED: stored.to_string()}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [{"name": "app", "image": "app:2"}]}}},
        });
        let workload = Workload::from_object(Kind::StatefulSet, object).unwrap();
        let snapshot = Snapshot::new(workload, Vec::new(), Some(Vec::new()), Timestamp::UNIX_EPOCH);
        let mut document = serde_json::to_value(Rollout::of(&snapshot).unwrap()).unwrap();
        // Whether the template is another one by now is not what this is about.
        document.as_object_mut().unwrap().remove("superseded");
        let driver = json!({"host": "laptop", "user": "ann", "acquiredAt": "2026-01-01T00:00:01Z",
            "renewedAt": "2026-01-01T00:01:00Z", "leaseSeconds": 60});
        let options = json!({"soakSeconds": 30, "maxRestarts": 0, "checks": ["true"], "queries": [],
            "onFailure": "pause", "evict": false, "skipUnreadyNodes": false, "timeoutSeconds": 600});
        let expected: Value = json!({
            "phase": "running",
            "steps": 2,
            "done": 1,
            "target": {"object": "web-b"},
            "previous": {"object": "web-a"},
            "rules": {"amounts": [1, "50%"]},
            "options": options,
            "driver": driver,
            "startedAt": "2026-01-01T00:00:00Z",
            "stepStartedAt": "2026-01-01T00:00:40Z",
        });
        assert_eq!(document, expected);
    }
}
