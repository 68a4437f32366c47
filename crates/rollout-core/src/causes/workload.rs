//! What a workload as a whole shows: a deadline that is over, pods that cannot be created.

use k8s_openapi::jiff::Timestamp;

use crate::causes::{Cause, CauseId, words};
use crate::evidence::EventRecord;
use crate::kind::Kind;
use crate::snapshot::Snapshot;
use crate::workload::conditions;

/// Seconds after which a pod that could not be created counts: the controllers try again at once, and what they miss may
/// have been made a moment later, such as a new namespace's service account.
const RETRIES: i64 = 2;

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
    Some(cause.evidence(&condition.message).fails(!is_older(snapshot, condition.since)))
}

/// The new ReplicaSet says itself why it cannot create pods; the Deployment's condition may be about an old one
/// (pkg/controller/deployment/util/deployment_util.go, `GetDeploymentConditions`, and sync.go, `getReplicaFailures`).
fn replica_set(snapshot: &Snapshot) -> Option<Cause> {
    let conditions = conditions(&snapshot.target()?.object);
    let condition = conditions
        .into_iter()
        .find(|it| it.kind == "ReplicaFailure" && it.holds && it.reason == "FailedCreate")?;
    let lasts = snapshot.missing() > 0 && snapshot.seconds_since(condition.since) >= RETRIES;
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
    let since = counted.iter().filter_map(|event| event.first).min();
    let lasts = snapshot.missing() > 0 && snapshot.seconds_since(since) >= RETRIES;
    counted.first().filter(|_| lasts).map(|event| refused(snapshot, &event.message, since))
}

fn refused(snapshot: &Snapshot, said: &str, since: Option<Timestamp>) -> Cause {
    let said = words::refusal(said);
    let (id, fix) = if words::is_quota(said) {
        (CauseId::Quota, "raise the quota, or ask for less".to_string())
    } else {
        (CauseId::AdmissionDenied, "change the template so that it is admitted, or the policy".to_string())
    };
    let message = format!("{}: {said}", snapshot.workload.id);
    Cause::new(id, message).evidence(said).fix(Some(fix)).fails(!is_older(snapshot, since))
}

/// What began before the rollout did is not its doing. Of a ReplicaSet that came back, nobody knows when it did: a scale
/// changes it too (hazard H24).
fn is_older(snapshot: &Snapshot, since: Option<Timestamp>) -> bool {
    let Some(target) = snapshot.target() else { return false };
    let known = snapshot.workload.id.kind != Kind::Deployment || target.former.is_empty();
    known && since.zip(target.live_since).is_some_and(|(since, live)| since.as_second() < live.as_second())
}
