//! What a workload as a whole shows: a deadline that is over, pods that cannot be created.

use k8s_openapi::jiff::Timestamp;

use crate::judge::cause::{Cause, Sort};
use crate::judge::causes::alike;
use crate::judge::causes::words::{self, Refused};
use crate::judge::times::{self, CREATION};
use crate::objects::condition::conditions;
use crate::objects::event::{EventRecord, pod_of_set};
use crate::objects::kind::Kind;
use crate::snapshot::Snapshot;
use crate::snapshot::symptom::CauseId;

/// Characters that a name may have (k8s.io/apimachinery, `DNS1123SubdomainMaxLength`), and those that a DaemonSet's name may
/// have where its revision's adds a dash and a hash of ten digits (pkg/controller/daemon/update.go, `snapshot`).
const NAME: (usize, usize) = (253, 242);
/// Seconds that a controller may take to act upon a change.
const ACTS: i64 = 5;

/// A DaemonSet whose revision cannot be named is given up without a word: no event, no condition, and what its controller has
/// observed never moves.
pub(crate) fn unrecordable(snapshot: &Snapshot) -> Option<Cause> {
    let workload = &snapshot.workload;
    let id = &workload.id;
    let too_long = id.kind == Kind::DaemonSet && id.name.len() > NAME.1;
    let waits = !snapshot.observed() && snapshot.seconds_since(workload.changed()) >= ACTS;
    let message = format!(
        "its name has {} characters, and that of its revision, which begins with it, would have more than {}: its \
         controller does nothing",
        id.name.len(),
        NAME.0
    );
    let fix = format!("create it anew with a name of {} characters at most", NAME.1);
    (too_long && waits).then(|| Cause::new(CauseId::RevisionName, message).fix(Some(fix)))
}

/// Returns what a workload shows beside its pods.
pub(super) fn of_workload(snapshot: &Snapshot) -> Vec<Cause> {
    let mut causes = Vec::new();
    match snapshot.workload.id.kind {
        Kind::Deployment => {
            causes.extend(overdue(snapshot));
            causes.extend(replica_set(snapshot));
        }
        Kind::DaemonSet | Kind::StatefulSet => causes.extend(set(snapshot)),
    }
    causes
}

/// `ProgressDeadlineExceeded` lingers after an undo, so it counts only where its message names the ReplicaSet that is being
/// rolled out (hazard H22).
fn overdue(snapshot: &Snapshot) -> Option<Cause> {
    let workload = &snapshot.workload;
    let target = snapshot.target()?;
    let condition = workload.status.conditions.iter().find(|it| {
        it.kind == "Progressing"
            && !it.holds
            && it.reason == "ProgressDeadlineExceeded"
            && it.names(&target.name)
    })?;
    let cause = Cause::new(CauseId::Deadline, format!("{} exceeded its progress deadline", workload.id));
    let cause = cause.evidence(&condition.message);
    Some(if is_older(snapshot, condition.since) { cause.holds_up() } else { cause })
}

/// The new ReplicaSet says itself why it cannot create pods; the Deployment's condition may be about an old one
/// (pkg/controller/deployment/util/deployment_util.go, `GetDeploymentConditions`, and sync.go, `getReplicaFailures`).
fn replica_set(snapshot: &Snapshot) -> Option<Cause> {
    let conditions = conditions(&snapshot.target()?.object);
    let condition = conditions
        .into_iter()
        .find(|it| it.kind == "ReplicaFailure" && it.holds && it.reason == "FailedCreate")?;
    let lasts = snapshot.missing() > 0 && snapshot.seconds_since(condition.since) >= CREATION;
    lasts.then(|| refused(snapshot, &condition.message, condition.since))
}

/// The other kinds have no such condition, only events: one for every pod that was tried, by its name. Of a pod that could
/// be created after all, nothing is said.
fn set(snapshot: &Snapshot) -> Option<Cause> {
    let newest = snapshot.living().filter_map(|pod| pod.created).max();
    let failed: Vec<&EventRecord> = snapshot
        .evidence
        .events_of(&snapshot.workload.id.uid)
        .filter(|event| event.reason == "FailedCreate" && event.last >= newest)
        .collect();
    let own: Vec<&EventRecord> =
        failed.iter().copied().filter(|event| !is_older(snapshot, event.first)).collect();
    let counted = if own.is_empty() { failed } else { own };
    // Each pod that comes is progress, after which the time begins anew.
    let since = counted
        .iter()
        .filter_map(|event| event.first)
        .min()
        .map(|first| newest.map_or(first, |it| it.max(first)));
    let lasts = snapshot.missing() > 0 && snapshot.seconds_since(since) >= CREATION;
    counted.first().filter(|_| lasts).map(|event| refused(snapshot, &event.message, since))
}

fn refused(snapshot: &Snapshot, whole: &str, since: Option<Timestamp>) -> Cause {
    let said = words::refusal(whole);
    let message = format!("{}: {said}", snapshot.workload.id);
    let cause =
        |id: CauseId, fix: &str| Cause::new(id, message.clone()).evidence(said).fix(Some(fix.to_string()));
    let lasting = times::probation(since, snapshot, snapshot.patience.usual());
    let cause = match Refused::of(said) {
        Refused::Quota => {
            quota(snapshot, said, cause(CauseId::Quota, "raise the quota, or ask for less"), lasting)
        }
        Refused::Webhook => {
            let fix = "bring the webhook's service back, or set its failurePolicy to Ignore";
            alike::meets(snapshot, cause(CauseId::Webhook, fix).sort(lasting), alike::always)
        }
        Refused::Missing(kind, name) => {
            let fix = format!("create {kind} {name}, or name another one");
            let missing = cause(CauseId::ReferenceMissing, &fix).about(Some(format!("{kind} {name}")));
            alike::meets(snapshot, missing.sort(lasting), alike::name_both(&name))
        }
        Refused::Server => {
            let fix = "look at the API server and what it asks";
            alike::meets(snapshot, cause(CauseId::AdmissionDenied, fix).sort(lasting), alike::always)
        }
        Refused::Rule => {
            cause(CauseId::AdmissionDenied, "change the template so that it is admitted, or the policy")
        }
    };
    if is_of_old(snapshot, whole) {
        let message =
            format!("{} (the pod would have the older revision: it is below the partition)", cause.message);
        return Cause { message, old_too: true, ..cause }.holds_up();
    }
    if is_older(snapshot, since) { cause.holds_up() } else { cause }
}

/// Pods that are on their way out still count against the quota.
fn quota(snapshot: &Snapshot, said: &str, cause: Cause, lasting: Sort) -> Cause {
    let leaving = snapshot.pods.iter().flatten().find(|pod| pod.terminating && !pod.ended());
    match leaving {
        Some(pod) => {
            let message = format!("{} (pod {} is Terminating, and still counts)", cause.message, pod.name);
            Cause { message, ..cause }.holds_up()
        }
        // A pod that names no amounts where the quota wants them is not admitted later either.
        None if said.contains("must specify") => cause,
        None => alike::meets(snapshot, cause.sort(lasting), alike::is_placed_alike),
    }
}

/// Tells whether a pod that a StatefulSet's controller could not create would have had the older revision.
fn is_of_old(snapshot: &Snapshot, said: &str) -> bool {
    let workload = &snapshot.workload;
    let ordinal = pod_of_set(said, "create").and_then(|name| name.rsplit_once('-')?.1.parse::<u32>().ok());
    let index = ordinal.and_then(|ordinal| ordinal.checked_sub(workload.first_ordinal));
    let moves = workload.status.current_revision != workload.status.update_revision;
    workload.id.kind == Kind::StatefulSet && moves && index.is_some_and(|index| index < workload.partition())
}

/// What began before the rollout did is not its doing. Of a ReplicaSet that came back, nobody knows when it did: a scale
/// changes it too (hazard H24).
fn is_older(snapshot: &Snapshot, since: Option<Timestamp>) -> bool {
    let Some(target) = snapshot.target() else { return false };
    let known = snapshot.workload.id.kind != Kind::Deployment || target.former.is_empty();
    known && since.zip(target.live_since).is_some_and(|(since, live)| since.as_second() < live.as_second())
}
