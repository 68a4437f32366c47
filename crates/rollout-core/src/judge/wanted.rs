//! What is worth reading beside a snapshot where something looks wrong; `rollout-kube` reads it.

use k8s_openapi::jiff::Timestamp;

use crate::judge::cause::{self, Cause};
use crate::judge::causes::{self, ended};
use crate::judge::status::{Progress, State};
use crate::objects::kind::Kind;
use crate::objects::pod::{Container, Pod};
use crate::objects::strategy::Strategy;
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};

/// How many pods are looked at more closely: what they have in common shows in a few.
const CLOSELY: usize = 3;
/// How many nodes that have not been heard of are asked after: what their pods show says it of the others.
const NODES: usize = 16;
/// Seconds after which a pod that is not ready, or a missing one, is looked at more closely.
const SUSPICIOUS: i64 = 5;
/// Seconds for which nothing must have moved before a missing pod is more than one that is just being replaced.
const QUIET: i64 = 2;

/// Something that is worth reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The events of an object.
    Events {
        /// Its UID.
        uid: String,
    },
    /// A node.
    Node {
        /// Its name.
        name: String,
    },
    /// The end of a container's log.
    Log {
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
        /// Whether the run that failed is the one before the present one.
        previous: bool,
        /// When that run ended, in whole seconds as the API has it; what is written later is another run's.
        ended: Option<Timestamp>,
    },
}

/// Says what is worth reading beside a snapshot: nothing while all is well.
pub fn wanted(snapshot: &Snapshot, progress: &Progress) -> Vec<Wanted> {
    match progress.state {
        State::Unobserved | State::Complete => return Vec::new(),
        State::Advancing | State::Held | State::Failed | State::Stalled => {}
    }
    let mut wanted = Vec::new();
    // A ReplicaSet says in its status why it cannot create pods; the sets only say it in events, and how many have ended.
    let ended = || snapshot.pods.iter().flatten().any(|pod| pod.ended() && snapshot.side(pod) == Side::New);
    if snapshot.workload.id.kind != Kind::Deployment && (cannot_create(snapshot) || ended()) {
        wanted.push(Wanted::Events { uid: snapshot.workload.id.uid.clone() });
    }
    wanted.extend(of_refused_update(snapshot));
    wanted.extend(ended::unexplained(snapshot).map(|pod| Wanted::Events { uid: pod.uid.clone() }));
    let suspects = suspects(snapshot);
    let events = |pod: &&Pod| Wanted::Events { uid: pod.uid.clone() };
    wanted.extend(suspects.iter().map(events));
    if !suspects.is_empty() {
        // Whether an old pod has the same trouble.
        wanted.extend(old_and_late(snapshot).next().as_ref().map(events));
    }
    let lost = snapshot.pods.iter().flatten().filter(|pod| pod.is_unheard_of() && !pod.ended());
    let pods = lost.take(NODES).chain(suspects).chain(holders(snapshot));
    let mut nodes: Vec<&String> = pods.filter_map(|pod| pod.node.as_ref()).collect();
    nodes.sort();
    nodes.dedup();
    wanted.extend(nodes.into_iter().map(|name| Wanted::Node { name: name.clone() }));
    wanted.extend(progress.causes.iter().filter_map(|cause| log_of(cause, snapshot)).take(CLOSELY));
    wanted
}

/// Returns the events of a set of whose pods none is replaced although nothing is wrong with any: they say why.
pub fn of_refused_update(snapshot: &Snapshot) -> Option<Wanted> {
    let workload = &snapshot.workload;
    let rolls = matches!(workload.strategy, Strategy::Partitioned { .. }) && snapshot.observed();
    let waits =
        |pod: &Pod| snapshot.side(pod) == Side::Old && snapshot.index(pod) >= Some(workload.partition());
    let stands = rolls
        && snapshot.missing() == 0
        && snapshot.living().any(waits)
        && snapshot.pods.iter().flatten().all(|pod| snapshot.available(pod))
        && snapshot.quiet_for() >= QUIET;
    stands.then(|| Wanted::Events { uid: workload.id.uid.clone() })
}

/// Pods are missing, nothing has moved for a moment, and what is there does not explain it.
fn cannot_create(snapshot: &Snapshot) -> bool {
    let ordered = snapshot.workload.id.kind == Kind::StatefulSet && !snapshot.workload.parallel;
    let waits = ordered && snapshot.living().any(|pod| !snapshot.available(pod));
    snapshot.missing() > 0 && !waits && snapshot.quiet_for() >= QUIET
}

/// New pods that look wrong, those that show the worst first.
fn suspects(snapshot: &Snapshot) -> Vec<&Pod> {
    let slowest = causes::slowest_start(snapshot);
    let new = snapshot.living().filter(|pod| !pod.ready() && snapshot.side(pod) == Side::New);
    let mut suspects: Vec<(u8, &Pod)> = new
        .map(|pod| {
            let worst = causes::of_pod_among(pod, snapshot, &|| slowest).into_iter().next();
            (worst.map_or(u8::MAX, |cause| cause::rank(&cause).0), pod)
        })
        .filter(|(rank, pod)| *rank < u8::MAX || pod.restarts() > 0 || is_late(snapshot, pod))
        .collect();
    suspects.sort_by_key(|(rank, pod)| (*rank, pod.unready_since));
    suspects.into_iter().map(|(_, pod)| pod).take(CLOSELY).collect()
}

fn is_late(snapshot: &Snapshot, pod: &Pod) -> bool {
    snapshot.seconds_since(pod.unready_since) >= SUSPICIOUS
}

fn old_and_late(snapshot: &Snapshot) -> impl Iterator<Item = &Pod> {
    let late = |pod: &&Pod| !pod.ready() && is_late(snapshot, pod);
    snapshot.living().filter(late).filter(|pod| snapshot.side(pod) == Side::Old)
}

/// Pods that keep the controller waiting, and that may be on a dead node: those that should be gone, and old ones that are
/// not ready. Where the containers are still told to be ready, nobody is there to tell otherwise.
fn holders(snapshot: &Snapshot) -> Vec<&Pod> {
    if !causes::waits_for_old(snapshot) {
        return Vec::new();
    }
    let ending = snapshot.pods.iter().flatten().filter(|pod| pod.terminating);
    let ending =
        ending.filter(|pod| causes::is_overdue(pod, snapshot) || !pod.ready() && is_late(snapshot, pod));
    let mut holders: Vec<&Pod> = ending.chain(old_and_late(snapshot)).collect();
    holders.sort_by_key(|pod| (!pod.terminating, pod.containers.iter().any(|it| !it.ready)));
    holders.truncate(CLOSELY);
    holders
}

/// A container that runs again has another log than the run that failed.
fn log_of(cause: &Cause, snapshot: &Snapshot) -> Option<Wanted> {
    let ends = matches!(cause.id, CauseId::CrashLoop | CauseId::OomKilled | CauseId::PostStart);
    let (pod, container) = cause.pod.clone().zip(cause.container.clone()).filter(|_| ends)?;
    let seen = snapshot.pods.iter().flatten().find(|it| it.name == pod)?;
    let seen = seen.containers.iter().find(|it| it.name == container);
    let previous = seen.is_some_and(|it| it.running_since.is_some());
    let ended = seen.and_then(Container::last_end).and_then(|end| end.at);
    Some(Wanted::Log { pod, container, previous, ended })
}

#[cfg(test)]
#[path = "wanted_tests.rs"]
mod tests;
