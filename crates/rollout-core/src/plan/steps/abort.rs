//! Planning the way back of a rollout in steps, and the release of a workload that a superseded one still holds.

use crate::history::select::NoRevision;
use crate::judge::live::{Live, live};
use crate::objects::pod::Pod;
use crate::plan::after::{released, with_strategy};
use crate::plan::decision::{Decision, unchanged};
use crate::plan::impact::{self, Impact, ReplacedPod};
use crate::plan::patch::{self, Patch};
use crate::plan::refusal::Refusal;
use crate::plan::request::Request;
use crate::plan::steps::under_way::stored;
use crate::plan::warnings;
use crate::plan::warnings::change::TemplateChange;
use crate::snapshot::Snapshot;
use crate::stored::lease::{self, Holder, Lease};
use crate::stored::rollout::{Phase, Reached, Rollout, Way};
use crate::template::diff;

/// Plans the way back: the old template, and then the updated pods, those only and what leaked, in order.
///
/// `holder` drives what has to be driven; without one somebody has to resume it.
pub fn abort(snapshot: &Snapshot, holder: Option<Holder>) -> Result<Decision, Refusal> {
    let rollout = stored(snapshot)?;
    if live(snapshot, &rollout) == Live::Other {
        return Err(Refusal::Superseded);
    }
    let mut plan = unchanged(snapshot);
    let previous = rollout.previous.find(snapshot);
    plan.requests = vec![request(snapshot, &rollout, holder, None)?];
    plan.requests.extend(patch::cleaning(snapshot));
    if let Some(previous) = previous {
        let template = previous.readable_template()?;
        plan.changes = diff::changes(snapshot.workload.template(), template);
        plan.template = template.clone();
        plan.to = previous.number;
        plan.to_object = previous.name.clone();
    }
    plan.impact = impact(snapshot, &rollout);
    if let (Some(previous), false) = (previous, plan.changes.is_empty()) {
        let change = TemplateChange {
            snapshot,
            wanted: &plan.template,
            target: Some(previous),
            defaulted: false,
            impact: &plan.impact,
        };
        // To stand where it is would be no better.
        plan.warnings = warnings::of_steps(&change);
        plan.warnings.iter_mut().for_each(|warning| warning.stops = false);
        plan.notes = warnings::skipped(snapshot);
    }
    Ok(Decision::Change(Box::new(plan)))
}

fn impact(snapshot: &Snapshot, rollout: &Rollout) -> Impact {
    let mut updated: Vec<&Pod> = snapshot.living().filter(|pod| rollout.is_updated(snapshot, pod)).collect();
    crate::judge::deletion::sort_for_deletion(snapshot, &mut updated);
    let available = snapshot.count_available();
    let costs = updated.iter().any(|pod| snapshot.available(pod));
    let kind = snapshot.workload.id.kind;
    Impact {
        pods: updated.into_iter().map(ReplacedPod::of).collect(),
        least_available: available.saturating_sub(u32::from(costs)),
        most_existing: snapshot.living().count() as u32,
        frames: Vec::new(),
        moves_by_itself: rollout.goes_back_by_itself(kind) || rollout.way(kind) == Way::Partition,
        known: snapshot.pods.is_some(),
    }
}

/// Makes the patch that turns a rollout round. Of a DaemonSet whose controller replaces pods, it is all there is to do, and
/// takes what is stored away too (hazard H5).
pub(crate) fn request(
    snapshot: &Snapshot,
    rollout: &Rollout,
    holder: Option<Holder>,
    failure: Option<String>,
) -> Result<Request, Refusal> {
    let workload = &snapshot.workload;
    let kind = workload.id.kind;
    let old = rollout
        .previous_template(snapshot)
        .ok_or_else(|| NoRevision::Corrupt { name: rollout.previous.object.clone() })?;
    let mut patch = Patch::guarded(workload);
    if live(snapshot, rollout) != Live::Previous {
        patch = patch.template(&old);
    }
    if rollout.goes_back_by_itself(kind) {
        return Ok(patch.strategy(&rollout.strategy).restored_limit(rollout).stores(None).request());
    }
    let mut after = Rollout {
        phase: Phase::Aborting,
        lease: holder.is_some().then(|| Lease::begins(snapshot.now)),
        holder,
        failure,
        began: lease::whole(snapshot.now),
        pause_after: None,
        ..rollout.clone()
    };
    if rollout.way(kind) == Way::Partition {
        let partition = partition_back(snapshot, rollout);
        after.reached = Some(Reached::Index { partition, replicas: workload.desired });
        patch = patch.strategy(&rollout.held_strategy(kind, partition));
    }
    Ok(patch.stores(Some(&after)).request())
}

/// Returns the partition under which the controller puts every updated pod back: not above what was, and low enough for
/// those that came up below it (hazard H3).
pub(crate) fn partition_back(snapshot: &Snapshot, rollout: &Rollout) -> u32 {
    let updated = snapshot.pods.iter().flatten().filter(|pod| rollout.is_updated(snapshot, pod));
    let lowest = updated.filter_map(|pod| snapshot.index(pod)).min();
    lowest.map_or(rollout.partition_before(), |lowest| lowest.min(rollout.partition_before()))
}

/// Tells whether a rollout is stored whose template somebody else has replaced (hazard H9).
pub fn is_superseded(snapshot: &Snapshot) -> bool {
    stored(snapshot).is_ok_and(|rollout| live(snapshot, &rollout) == Live::Other)
}

/// Plans that the controller goes on with a template that superseded a stored rollout: what was there before comes back, and
/// no trace stays.
pub fn release(snapshot: &Snapshot) -> Result<Decision, Refusal> {
    let rollout = stored(snapshot)?;
    if live(snapshot, &rollout) != Live::Other {
        return Err(Refusal::NotSuperseded);
    }
    let mut plan = unchanged(snapshot);
    let patch = Patch::guarded(&snapshot.workload).strategy(&rollout.strategy).restored_limit(&rollout);
    plan.requests = vec![patch.stores(None).request()];
    plan.requests.extend(patch::cleaning(snapshot));
    let after = with_strategy(&released(snapshot), &rollout.strategy);
    plan.impact = impact::impact(&after, snapshot.history.current());
    Ok(Decision::Change(Box::new(plan)))
}
