//! Warnings about the revision that is gone back to, and about those that the change costs.

use serde_json::Value;

use crate::history::number::RevisionNumber;
use crate::history::revision::Revision;
use crate::history::{History, Proof};
use crate::objects::workload::{Workload, WorkloadId};
use crate::plan::warning::{Warning, WarningId};
use crate::plan::warnings::change::TemplateChange;
use crate::snapshot::Snapshot;
use crate::template;

/// Adds the warnings, and returns the better revision that they name.
pub(super) fn warnings(change: &TemplateChange<'_>, warnings: &mut Vec<Warning>) -> Option<RevisionNumber> {
    let TemplateChange { snapshot, wanted, target, defaulted, impact: _ } = *change;
    let target = target?;
    let found = [
        unavailable(&snapshot.workload.id, &snapshot.history, target, defaulted),
        restart_only(snapshot, target, wanted, defaulted),
    ];
    let mut better = None;
    for (warning, instead) in found.into_iter().flatten() {
        better = better.or(instead);
        warnings.push(warning);
    }
    warnings.extend(history_limit(&snapshot.workload, &snapshot.history, target));
    better
}

fn unavailable(
    id: &WorkloadId,
    history: &History,
    target: &Revision,
    defaulted: bool,
) -> Option<(Warning, Option<RevisionNumber>)> {
    if history.proof(target) != Proof::Fails {
        return None;
    }
    // A current revision that works is better than one that never did, although it is no way back.
    let works = |current: &&Revision| history.proof(current) == Proof::Works;
    let good = history
        .last_good()
        .ok()
        .or_else(|| history.current().filter(works))
        .filter(|good| good.name != target.name);
    let better = good.and_then(|good| good.number);
    let number = target.label();
    Some((
        Warning {
            id: WarningId::TargetUnavailable,
            message: match better {
                Some(better) => format!(
                    "revision {number} has no available pod, and revision {better} is known to have worked"
                ),
                None => format!("revision {number} has no available pod"),
            },
            fix: better.map(|better| instead(id, better)),
            stops: defaulted && better.is_some(),
        },
        better,
    ))
}

fn instead(id: &WorkloadId, better: RevisionNumber) -> String {
    format!("kubectl rollback undo {id} -n {} --to-revision {better}", id.namespace)
}

fn restart_only(
    snapshot: &Snapshot,
    target: &Revision,
    wanted: &Value,
    defaulted: bool,
) -> Option<(Warning, Option<RevisionNumber>)> {
    let live = snapshot.workload.template();
    if !template::same_but_restart(wanted, live) {
        return None;
    }
    let differs = |revision: &&Revision| {
        revision.template.as_ref().is_some_and(|it| !template::same_but_restart(it, live))
            && snapshot.history.proof(revision) != Proof::Fails
    };
    let better = snapshot.history.others().find(differs).and_then(|revision| revision.number);
    let number = target.label();
    Some((
        Warning {
            id: WarningId::RestartOnly,
            message: format!(
                "revision {number} differs from the current one only in the time of a restart: going back restarts all pods and changes nothing else"
            ),
            fix: better.map(|better| instead(&snapshot.workload.id, better)),
            stops: defaulted && better.is_some(),
        },
        better,
    ))
}

fn history_limit(workload: &Workload, history: &History, target: &Revision) -> Option<Warning> {
    let lost = beyond_limit(workload, history, &target.name);
    (!lost.is_empty()).then(|| Warning {
        id: WarningId::HistoryLimit,
        message: format!(
            "`revisionHistoryLimit: {}` makes the controller delete revision {} afterwards: there is no way back to it",
            workload.history_limit,
            numbers(&lost)
        ),
        fix: Some(raise_limit(workload)),
        stops: false,
    })
}

/// Returns the revisions that the controller deletes once `current` is the current one, which does not count against the
/// limit (kubernetes `cleanupHistory`, `truncateHistory`).
pub(crate) fn beyond_limit<'a>(
    workload: &Workload,
    history: &'a History,
    current: &str,
) -> Vec<&'a Revision> {
    let old: Vec<&Revision> = history.iter().filter(|revision| revision.name != current).collect();
    let lost = old.len().saturating_sub(workload.history_limit as usize);
    old.into_iter().take(lost).collect()
}

pub(crate) fn raise_limit(workload: &Workload) -> String {
    let WorkloadId { namespace, .. } = &workload.id;
    format!(
        "kubectl patch {} -n {namespace} --type merge -p '{{\"spec\":{{\"revisionHistoryLimit\":10}}}}'",
        workload.id
    )
}

pub(crate) fn numbers(revisions: &[&Revision]) -> String {
    revisions.iter().map(|it| it.label()).collect::<Vec<_>>().join(", ")
}
