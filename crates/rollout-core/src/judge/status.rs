//! The state of a rollout as a pure function of a snapshot: read from the pods and their revisions, not from counters that
//! kubectl believes.

use crate::history::number::RevisionNumber;
use crate::judge::cause::{Cause, Causes};
use crate::judge::stuck::{self, Blockage, Wait};
use crate::judge::{causes, fleet, times};
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::snapshot::evidence::Skipped;
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};
use crate::stored;

crate::words! {
    /// How far a rollout is.
    pub enum State {
        /// The controller has not acted upon the newest specification yet.
        Unobserved = "unobserved",
        /// The controller replaces pods.
        Advancing = "advancing",
        /// Nothing more moves by itself, and somebody wanted it so.
        Held = "held",
        /// Every pod that should be new is new and available, and no old one is left that should be gone.
        Complete = "complete",
        /// New pods fail.
        Failed = "failed",
        /// Nothing more moves by itself, and nobody wanted that.
        Stalled = "stalled",
    }
}

/// Why nothing more moves by itself although pods are behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The workload is paused.
    Paused,
    /// That many pods, counted from the lowest ordinal, are kept old.
    Partition(u32),
    /// Pods are replaced only when somebody deletes them.
    OnDelete,
    /// A rollout in steps is stored: what drives it moves the pods, or somebody who resumes it.
    InSteps,
    /// The DaemonSet controller takes old pods for new ones by their template generation (hazard H25).
    TakenForNew,
    /// The workload is being deleted: its controller does nothing more for it.
    Deleting,
}

/// How far a rollout is, with the numbers that say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The state.
    pub state: State,
    /// The revision being rolled out, once it is recorded.
    pub revision: Option<RevisionNumber>,
    /// Pods asked for.
    pub desired: u32,
    /// New pods.
    pub updated: u32,
    /// New pods that are ready.
    pub ready: u32,
    /// New pods that are available.
    pub available: u32,
    /// Old pods that are not on their way out.
    pub old: u32,
    /// Pods on their way out.
    pub terminating: u32,
    /// What holds it.
    pub hold: Option<Hold>,
    /// Why it fails, what may pass by itself, and what only holds it up.
    pub causes: Causes,
    /// What may not be read, so that nothing is known of it.
    pub skipped: Vec<Skipped>,
    /// What is to be known beside that, and neither fails nor holds anything up.
    pub notes: Vec<String>,
}

impl Progress {
    /// Takes causes for what only holds the rollout up: whoever judges it knows better.
    pub fn excuse(&mut self, excused: impl Fn(&Cause) -> bool) {
        let causes = std::mem::take(&mut self.causes);
        let all = causes.failed.into_iter().chain(causes.on_probation).chain(causes.holding_up);
        self.causes = Causes::of(all.map(|cause| if excused(&cause) { cause.holds_up() } else { cause }));
        if self.state == State::Failed && self.causes.failed.is_empty() {
            self.state = if self.hold.is_some() { State::Held } else { State::Advancing };
        }
    }
}

/// Says how far a rollout is.
pub fn evaluate(snapshot: &Snapshot) -> Progress {
    let mut progress = counted(snapshot);
    if snapshot.workload.deleting {
        return Progress { state: State::Held, hold: Some(Hold::Deleting), ..progress };
    }
    if !snapshot.observed() {
        progress.causes = Causes::of(causes::unrecordable(snapshot));
        if !progress.causes.is_empty() {
            progress.state = State::Failed;
        }
        return progress;
    }
    progress.causes = Causes::of(causes::of(snapshot));
    let stuck = stuck_cause(snapshot);
    let stalls = stuck.is_none() && stalled(snapshot, &progress.causes);
    stuck.into_iter().for_each(|cause| progress.causes.push(cause));
    let complete = is_complete(snapshot, &progress);
    progress.hold = hold(snapshot, &progress, complete);
    progress.state = if complete && progress.hold != Some(Hold::InSteps) {
        progress.causes = Causes::default();
        State::Complete
    } else if !progress.causes.failed.is_empty() {
        State::Failed
    } else if progress.hold.is_some() {
        State::Held
    } else if stalls {
        State::Stalled
    } else {
        State::Advancing
    };
    progress
}

fn counted(snapshot: &Snapshot) -> Progress {
    let workload = &snapshot.workload;
    let mut progress = Progress {
        state: State::Unobserved,
        revision: snapshot.target().and_then(|target| target.number),
        desired: workload.desired,
        updated: 0,
        ready: 0,
        available: 0,
        old: 0,
        terminating: 0,
        hold: None,
        causes: Causes::default(),
        skipped: skipped(snapshot),
        notes: fleet::notes(snapshot),
    };
    match &snapshot.pods {
        Some(pods) => count_pods(snapshot, pods, &mut progress),
        None => count_by_status(snapshot, &mut progress),
    }
    progress
}

fn count_pods(snapshot: &Snapshot, pods: &[Pod], progress: &mut Progress) {
    for pod in pods.iter().filter(|pod| !pod.ended()) {
        if pod.terminating {
            progress.terminating += 1;
        } else if snapshot.side(pod) == Side::Old {
            progress.old += 1;
        } else {
            progress.updated += 1;
            progress.ready += u32::from(pod.ready());
            progress.available += u32::from(snapshot.available(pod));
        }
    }
}

/// Where the pods may not be read, the counters are all there is; a Deployment's ReplicaSets are exact.
fn count_by_status(snapshot: &Snapshot, progress: &mut Progress) {
    let status = &snapshot.workload.status;
    match snapshot.workload.id.kind {
        Kind::Deployment => {
            let new = snapshot.target().map(|target| target.pods).unwrap_or_default();
            (progress.updated, progress.ready, progress.available) = (new.total, new.ready, new.available);
            progress.old = snapshot.history.others().map(|revision| revision.pods.total).sum();
        }
        Kind::DaemonSet | Kind::StatefulSet => {
            progress.updated = status.updated;
            progress.old = status.total.saturating_sub(status.updated);
            progress.ready = status.ready.min(status.updated);
            progress.available = status.available.min(status.updated);
        }
    }
}

fn is_complete(snapshot: &Snapshot, progress: &Progress) -> bool {
    let desired = progress.desired;
    // What is on nodes that no longer want it is neither asked for nor replaced.
    let unwanted = snapshot.workload.unwanted();
    snapshot.target().is_some()
        && progress.old <= unwanted
        && progress.updated >= desired
        && progress.updated + progress.old <= desired + unwanted
        && progress.available >= desired
        // One beyond the range is about to go, and another one is missing where the count is right.
        && !snapshot.living().any(|pod| snapshot.is_beyond_range(pod))
}

fn hold(snapshot: &Snapshot, progress: &Progress, complete: bool) -> Option<Hold> {
    let hold = hold_of_strategy(snapshot, progress);
    if (complete || hold.is_some()) && stored::is_stored(snapshot) {
        // All pods may be alike for the moment: the strategy is not theirs all the same.
        return Some(Hold::InSteps);
    }
    // A set that was paused is held by what the pause put in the place of its strategy.
    hold.map(|hold| if stored::is_paused(&snapshot.workload) { Hold::Paused } else { hold })
}

fn hold_of_strategy(snapshot: &Snapshot, progress: &Progress) -> Option<Hold> {
    let workload = &snapshot.workload;
    match &workload.strategy {
        _ if workload.paused => Some(Hold::Paused),
        Strategy::OnDelete => (progress.old > 0 && new_are_available(progress)).then_some(Hold::OnDelete),
        Strategy::Partitioned { partition, .. } => {
            partition_is_reached(snapshot, progress, *partition).then_some(Hold::Partition(*partition))
        }
        Strategy::RollingUpdate { .. } => only_taken_for_new(snapshot).then_some(Hold::TakenForNew),
        Strategy::Recreate | Strategy::Other(_) => None,
    }
}

fn new_are_available(progress: &Progress) -> bool {
    progress.available == progress.updated && progress.updated + progress.old >= progress.desired
}

/// Every pod at or above the partition is new and available, and some below it are old. A partition beyond the replicas
/// holds all of them.
fn partition_is_reached(snapshot: &Snapshot, progress: &Progress, partition: u32) -> bool {
    let above = snapshot.workload.desired.saturating_sub(partition);
    let Some(pods) = &snapshot.pods else {
        return partition > 0 && progress.updated >= above && progress.available >= above && progress.old > 0;
    };
    let reached = |pod: &&Pod| {
        snapshot.index(pod).is_some_and(|index| index >= partition)
            && snapshot.side(pod) == Side::New
            && snapshot.available(pod)
    };
    partition > 0
        && progress.old > 0
        && !pods.iter().any(|pod| snapshot.is_beyond_range(pod))
        && snapshot.living().filter(reached).count() as u32 == above
}

/// The DaemonSet controller believes the pods' old generation label first (pkg/controller/daemon/util/daemonset_util.go,
/// `IsPodUpdated`); a set that was recreated with its pods kept therefore never replaces them.
fn only_taken_for_new(snapshot: &Snapshot) -> bool {
    let generation = snapshot.workload.annotation("deprecated.daemonset.template.generation");
    let mut old = snapshot.living().filter(|pod| snapshot.side(pod) == Side::Old).peekable();
    snapshot.workload.id.kind == Kind::DaemonSet
        && generation.is_some()
        && old.peek().is_some()
        && old.all(|pod| pod.template_generation.as_deref() == generation)
}

fn stuck_cause(snapshot: &Snapshot) -> Option<Cause> {
    match stuck::examine(snapshot) {
        Blockage::Stuck(pod) => Some(causes::stuck(pod, snapshot)),
        Blockage::None | Blockage::Waiting { .. } => None,
    }
}

/// A pod that is not for the controller to replace, and has been unready for long, holds the whole set up; so does one on
/// a dead node, or one that does not end.
fn stalled(snapshot: &Snapshot, causes: &Causes) -> bool {
    let waits = match stuck::examine(snapshot) {
        Blockage::Waiting { pod: Some(pod), why: Wait::BelowPartition | Wait::RevisionWorks } => {
            snapshot.seconds_seen(pod.unready_since) >= times::MOMENT
        }
        Blockage::Waiting { .. } | Blockage::None | Blockage::Stuck(_) => false,
    };
    let held_up =
        causes.holding_up.iter().any(|it| matches!(it.id, CauseId::NodeNotReady | CauseId::Terminating));
    waits || held_up && causes::waits_for_old(snapshot) && snapshot.quiet_for() >= times::MOMENT
}

fn skipped(snapshot: &Snapshot) -> Vec<Skipped> {
    let pods = snapshot.pods.is_none().then_some(Skipped::Pods);
    pods.into_iter().chain(snapshot.evidence.skipped.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revisions, snapshot, stateful, workload};
    use crate::objects::pod::Pod;
    use serde_json::{Value, json};

    fn seen(kind: Kind, object: Value, pods: Vec<Pod>) -> Progress {
        evaluate(&snapshot(kind, object, revisions(kind, 2), pods))
    }

    fn mixed(kind: Kind, new: usize) -> Vec<Pod> {
        (0..3)
            .map(|n| pod(kind, &format!("web-{n}"), if n >= 3 - new { "bbb" } else { "aaa" }, true))
            .collect()
    }

    #[test]
    fn each_kind_is_complete_when_all_pods_are_new_and_available() {
        for kind in [Kind::Deployment, Kind::DaemonSet] {
            let object = workload(kind, "app:2", json!({"type": "RollingUpdate"}));
            assert_eq!(seen(kind, object.clone(), mixed(kind, 3)).state, State::Complete, "{kind}");
            assert_eq!(seen(kind, object.clone(), mixed(kind, 2)).state, State::Advancing, "{kind}");
            let mut unready = mixed(kind, 3);
            unready[0] = pod(kind, "web-0", "bbb", false);
            assert_eq!(seen(kind, object, unready).state, State::Advancing, "{kind}");
        }
        let set = stateful("app:2", 0, "aaa", "bbb");
        assert_eq!(seen(Kind::StatefulSet, set, mixed(Kind::StatefulSet, 3)).state, State::Complete);
    }

    #[test]
    fn what_is_being_deleted_is_never_complete() {
        for kind in Kind::ALL {
            let mut object = workload(kind, "app:2", json!({"type": "RollingUpdate"}));
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            let progress = seen(kind, object, mixed(kind, 3));
            assert_eq!((progress.state, progress.hold), (State::Held, Some(Hold::Deleting)), "{kind}");
        }
    }

    #[test]
    fn a_daemon_set_whose_revision_cannot_be_named_fails() {
        let at = |length: usize, created: &str| {
            let mut object = workload(Kind::DaemonSet, "app:2", json!({"type": "RollingUpdate"}));
            object["metadata"]["name"] = json!("a".repeat(length));
            object["metadata"]["creationTimestamp"] = json!(created);
            object["status"] = json!({});
            let progress = seen(Kind::DaemonSet, object, Vec::new());
            (progress.state, progress.causes.iter().next().map(|cause| cause.id.as_str()))
        };
        assert_eq!(at(250, "2026-01-01T00:00:55Z"), (State::Failed, Some("revision-name")));
        assert_eq!(at(250, "2026-01-01T00:00:57Z"), (State::Unobserved, None));
        assert_eq!(at(242, "2026-01-01T00:00:00Z"), (State::Unobserved, None));
    }

    #[test]
    fn an_old_pod_beside_enough_new_ones_keeps_a_surge_rollout_unfinished() {
        let kind = Kind::DaemonSet;
        let object = workload(
            kind,
            "app:2",
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
        );
        let mut pods = mixed(kind, 3);
        pods.push(pod(kind, "old", "aaa", true));
        assert_eq!(seen(kind, object.clone(), pods.clone()).state, State::Advancing);
        pods[3].terminating = true;
        let progress = seen(kind, object, pods);
        assert_eq!((progress.state, progress.terminating), (State::Complete, 1));
    }

    #[test]
    fn on_delete_with_pods_behind_is_held_and_complete_without() {
        for kind in [Kind::DaemonSet, Kind::StatefulSet] {
            let mut object = workload(kind, "app:2", json!({"type": "OnDelete"}));
            object["status"]["updateRevision"] = json!("web-bbb");
            let progress = seen(kind, object.clone(), mixed(kind, 1));
            assert_eq!((progress.state, progress.hold), (State::Held, Some(Hold::OnDelete)), "{kind}");
            assert_eq!(seen(kind, object, mixed(kind, 3)).state, State::Complete, "{kind}");
        }
    }

    #[test]
    fn a_set_whose_rollout_in_steps_is_stored_is_held_although_all_its_pods_are_alike() {
        let kind = Kind::DaemonSet;
        let stored = |uid: &str| {
            let mut object = workload(kind, "app:2", json!({"type": "OnDelete"}));
            let rollout = json!({"workload": uid, "previous": {"object": "web-aaa", "hash": "aaa"},
                "strategy": {"type": "RollingUpdate"}, "rules": {"rest": {"amounts": [1]}}, "done": 0,
                "phase": "failed", "options": {"soak": 0, "maxRestarts": 0, "onFailure": "pause",
                "evict": false, "skipUnreadyNodes": false}, "started": "2026-01-01T00:00:00Z",
                "began": "2026-01-01T00:00:00Z"});
            let text = json!({"version": 1, "rollout": rollout}).to_string();
            object["metadata"]["annotations"] = json!({crate::stored::STORED: text});
            let uid = object["metadata"]["uid"].clone();
            (object, uid)
        };
        let own = stored("").1.as_str().unwrap_or_default().to_string();
        let progress = seen(kind, stored(&own).0, mixed(kind, 3));
        assert_eq!((progress.state, progress.hold), (State::Held, Some(Hold::InSteps)));
        // A copy of another object's means nothing.
        assert_eq!(seen(kind, stored("another").0, mixed(kind, 3)).state, State::Complete);
    }

    #[test]
    fn a_partition_holds_when_what_is_above_it_is_new() {
        let kind = Kind::StatefulSet;
        let at = |partition, new| seen(kind, stateful("app:2", partition, "aaa", "bbb"), mixed(kind, new));
        assert_eq!(at(2, 1).hold, Some(Hold::Partition(2)));
        assert_eq!(at(2, 0).state, State::Advancing);
        assert_eq!(at(5, 0).state, State::Held);
        assert_eq!(at(2, 3).state, State::Complete);
    }

    #[test]
    fn min_ready_seconds_count_for_stateful_sets_too() {
        let kind = Kind::StatefulSet;
        let mut set = stateful("app:2", 0, "aaa", "bbb");
        set["spec"]["minReadySeconds"] = json!(61);
        assert_eq!(seen(kind, set.clone(), mixed(kind, 3)).state, State::Advancing);
        set["spec"]["minReadySeconds"] = json!(60);
        assert_eq!(seen(kind, set, mixed(kind, 3)).state, State::Complete);
    }

    #[test]
    fn a_paused_deployment_is_held_and_a_set_scaled_to_zero_is_complete() {
        let kind = Kind::Deployment;
        let mut paused = workload(kind, "app:9", json!({}));
        paused["spec"]["paused"] = json!(true);
        assert_eq!(seen(kind, paused, mixed(kind, 3)).hold, Some(Hold::Paused));
        let mut empty = stateful("app:2", 2, "aaa", "bbb");
        empty["spec"]["replicas"] = json!(0);
        assert_eq!(seen(Kind::StatefulSet, empty, Vec::new()).state, State::Complete);
    }

    #[test]
    fn before_the_controller_looked_nothing_is_known() {
        let mut object = workload(Kind::DaemonSet, "app:2", json!({"type": "RollingUpdate"}));
        object["metadata"]["generation"] = json!(2);
        assert_eq!(seen(Kind::DaemonSet, object, mixed(Kind::DaemonSet, 3)).state, State::Unobserved);
        let unrecorded = workload(Kind::DaemonSet, "app:9", json!({"type": "RollingUpdate"}));
        assert_eq!(seen(Kind::DaemonSet, unrecorded, mixed(Kind::DaemonSet, 3)).state, State::Unobserved);
    }

    #[test]
    fn a_failing_new_pod_is_called_and_a_failing_old_one_is_not() {
        let kind = Kind::DaemonSet;
        let object = workload(kind, "app:2", json!({"type": "RollingUpdate"}));
        let broken = |hash: &str| {
            let mut pods = mixed(kind, 2);
            pods[0] = pod(kind, "web-0", hash, false);
            pods[0].containers[0].waiting = Some(("ImagePullBackOff".into(), "Back-off".into()));
            seen(kind, object.clone(), pods)
        };
        let failed = broken("bbb");
        assert_eq!((failed.state, failed.causes.failed[0].id), (State::Failed, CauseId::ImagePull));
        assert_eq!(broken("aaa").state, State::Advancing);
    }

    #[test]
    fn a_deadline_counts_only_for_the_replica_set_that_is_rolled_out() {
        let with = |name: &str| {
            let mut object = workload(Kind::Deployment, "app:2", json!({}));
            object["status"]["conditions"] = json!([{"type": "Progressing", "status": "False",
                "reason": "ProgressDeadlineExceeded", "message": format!("ReplicaSet \"{name}\" has timed out progressing.")}]);
            seen(Kind::Deployment, object, mixed(Kind::Deployment, 1)).state
        };
        assert_eq!(with("web-bbb"), State::Failed);
        assert_eq!(with("web-aaa"), State::Advancing);
    }

    #[test]
    fn pods_of_a_recreated_daemon_set_are_not_called_new() {
        let kind = Kind::DaemonSet;
        let mut object = workload(kind, "app:2", json!({"type": "RollingUpdate"}));
        object["metadata"]["annotations"] = json!({"deprecated.daemonset.template.generation": "1"});
        let mut pods = pods(kind, "aaa");
        pods.iter_mut().for_each(|pod| pod.template_generation = Some("1".into()));
        let progress = seen(kind, object, pods);
        assert_eq!((progress.state, progress.hold), (State::Held, Some(Hold::TakenForNew)));
    }

    #[test]
    fn a_stuck_set_is_failed_and_names_the_pod() {
        let kind = Kind::StatefulSet;
        let mut pods = mixed(kind, 0);
        pods[2] = pod(kind, "web-2", "bbb", false);
        let progress = seen(kind, stateful("app:1", 0, "aaa", "aaa"), pods);
        assert_eq!(progress.state, State::Failed);
        assert_eq!(
            (progress.causes.failed[0].id, progress.causes.failed[0].pod.as_deref()),
            (CauseId::StsStuck, Some("web-2"))
        );
    }
}
