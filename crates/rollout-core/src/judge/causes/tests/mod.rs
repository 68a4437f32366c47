mod container;
mod placing;
mod rollout;
mod starting;
mod workload;

use super::*;
use crate::fixture::{pod, revision, snapshot, stateful, workload};
use crate::judge::cause::{Cause, Sort};
use crate::judge::status::{Progress, State, evaluate};
use crate::objects::event::EventRecord;
use crate::objects::kind::Kind;
use crate::objects::node::NodeReadiness;
use crate::objects::pod::{Container, End, Pod, Unplaced};
use crate::snapshot::Snapshot;
use crate::snapshot::evidence::{LogTail, Skipped};
use serde_json::{Value, json};

/// Two revisions; the rollout of the second began at 00:00:30, half a minute ago.
fn seen(kind: Kind, pods: Vec<Pod>) -> Snapshot {
    let object = match kind {
        Kind::StatefulSet => stateful("app:2", 0, "aaa", "bbb"),
        Kind::Deployment | Kind::DaemonSet => workload(kind, "app:2", json!({"type": "RollingUpdate"})),
    };
    snapshot(kind, object, revisions(kind), pods)
}

fn revisions(kind: Kind) -> Vec<Value> {
    [(1, "aaa"), (2, "bbb")]
        .map(|(number, hash)| {
            let mut revision = revision(kind, number, &format!("app:{number}"), hash);
            revision["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:00:{}0Z", number + 1));
            revision["spec"]["replicas"] = json!(3);
            revision
        })
        .to_vec()
}

fn unready(name: &str, hash: &str) -> Pod {
    pod(Kind::DaemonSet, name, hash, false)
}

fn waiting(reason: &str, words: &str) -> Pod {
    let mut pod = unready("web-0", "bbb");
    pod.containers[0].waiting = Some((reason.into(), words.into()));
    pod
}

fn event(uid: &str, reason: &str, message: &str, count: u32, first: &str) -> EventRecord {
    serde_json::from_value(json!({"metadata": {"name": "e"}, "type": "Warning", "reason": reason,
        "message": message, "count": count, "involvedObject": {"uid": uid},
        "firstTimestamp": format!("2026-01-01T00:00:{first}Z"), "lastTimestamp": "2026-01-01T00:00:59Z"}))
    .unwrap()
}

fn dead(name: &str) -> NodeReadiness {
    NodeReadiness { name: name.into(), ready: false, reason: "NodeStatusUnknown".into(), message: "m".into() }
}

/// What one new DaemonSet pod shows beside two good old ones, with these events of it.
fn shown(pod: Pod, events: Vec<EventRecord>) -> Vec<Cause> {
    let old = |name: &str| crate::fixture::pod(Kind::DaemonSet, name, "aaa", true);
    let mut it = seen(Kind::DaemonSet, vec![pod, old("web-1"), old("web-2")]);
    it.evidence.events = events;
    of(&it)
}

const FAILS: &str = "fails";

const PROBATION: &str = "on probation";

const HOLDS_UP: &str = "holds up";

fn ids<'a>(causes: impl IntoIterator<Item = &'a Cause>) -> Vec<(&'static str, &'static str)> {
    let word = |cause: &Cause| match cause.sort {
        Sort::Fails => FAILS,
        Sort::OnProbation { .. } => PROBATION,
        Sort::HoldsUp => HOLDS_UP,
    };
    causes.into_iter().map(|cause| (cause.id.as_str(), word(cause))).collect()
}

fn first(progress: &Progress) -> &Cause {
    progress.causes.iter().next().unwrap()
}

fn states(progress: &Progress) -> (State, Vec<(&'static str, &'static str)>) {
    (progress.state, ids(progress.causes.iter()))
}

/// The moment so many seconds ago.
fn ago(seconds: i64) -> Option<k8s_openapi::jiff::Timestamp> {
    k8s_openapi::jiff::Timestamp::from_second(crate::fixture::now().as_second() - seconds).ok()
}

/// An event of `web-0` that was seen first so many seconds ago, and just now.
fn seen_first(seconds: i64, reason: &str, message: &str, count: u32) -> EventRecord {
    EventRecord { first: ago(seconds), ..event("uid-web-0", reason, message, count, "00") }
}

fn ended(reason: &str, code: i32, seconds: i64) -> Option<Box<End>> {
    Some(Box::new(End {
        reason: reason.into(),
        code,
        at: ago(seconds),
        started: ago(seconds + 1),
        message: String::new(),
    }))
}
