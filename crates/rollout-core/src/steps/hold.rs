//! Planning the pause of a rollout in steps, and how it goes on.

use super::checks::{self, GivenChecks};
use super::lease::{Holder, Lease};
use super::places::Places;
use super::record::{self, ALL, Reached, Recorded, Rollout, Stage, Way, set_strategy, set_template};
use crate::diff;
use crate::pause::{standing, unchanged};
use crate::plan::{Decision, Plan, Refusal, Request};
use crate::pods::Pod;
use crate::snapshot::{Side, Snapshot};
use crate::stored::Stored;
use crate::template;

/// How a rollout goes on.
#[derive(Clone, Debug)]
pub struct ResumeOptions {
    /// Who drives it from now on.
    pub holder: Holder,
    /// Whether it is taken from somebody whose lease is not over.
    pub take_over: bool,
    /// The number of steps, from now, after which it pauses.
    pub pause_after: Option<usize>,
    /// The stored checks that somebody gives again, so that they run.
    pub given: GivenChecks,
}

/// What the live template is to a stored rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Live {
    /// What is rolled out.
    Target,
    /// What was there before.
    Previous,
    /// Not recorded yet, and neither is the target.
    Unknown,
    /// Somebody else's.
    Other,
}

/// Reads the rollout that is stored, and refuses what is not this workload's.
pub(super) fn stored(snapshot: &Snapshot) -> Result<Rollout, Refusal> {
    let rollout = Stored::read(&snapshot.workload)?.and_then(|it| it.rollout).ok_or(Refusal::NoRollout)?;
    if rollout.workload != snapshot.workload.id.uid {
        return Err(Refusal::Recreated { kind: snapshot.workload.id.kind });
    }
    Ok(rollout)
}

/// Tells whether a rollout of this very workload is stored.
pub(crate) fn is_stored(snapshot: &Snapshot) -> bool {
    stored(snapshot).is_ok()
}

/// Refuses what would get in the way of a rollout that is stored.
pub fn none_under_way(snapshot: &Snapshot) -> Result<(), Refusal> {
    match Stored::read(&snapshot.workload)?.and_then(|stored| stored.rollout) {
        Some(rollout) => Err(rollout.under_way(snapshot)),
        None => Ok(()),
    }
}

/// Says what the live template is.
pub(super) fn live(snapshot: &Snapshot, rollout: &Rollout) -> Live {
    let current = snapshot.history.current().map(|it| it.name.as_str());
    let is = |recorded: &Recorded| {
        current.is_some() && recorded.find(snapshot).map(|it| it.name.as_str()) == current
    };
    match &rollout.target {
        Some(target) if is(target) => Live::Target,
        _ if is(&rollout.previous) => Live::Previous,
        None if current.is_some() => Live::Target,
        None => Live::Unknown,
        Some(_) => Live::Other,
    }
}

/// Plans that a rollout in steps stands still.
pub fn pause(snapshot: &Snapshot) -> Result<Decision, Refusal> {
    let rollout = stored(snapshot)?;
    match rollout.phase {
        Stage::Paused | Stage::Failed => return Err(Refusal::AlreadyPaused),
        Stage::Aborting => return Err(rollout.under_way(snapshot)),
        Stage::Running => {}
    }
    let mut plan = unchanged(snapshot);
    plan.impact.known = snapshot.pods.is_some();
    plan.requests = vec![stand_still(snapshot, &rollout, Stage::Paused, None)];
    Ok(Decision::Change(Box::new(plan)))
}

/// Makes the patch after which nothing more is updated: what is updated, or in hand, stays so.
///
/// A failed step of a workload whose pods are deleted gets the old template back at once: a node that joins at night, or a pod
/// that dies, must not come up bad (hazard H4). Below a partition nothing does.
pub(super) fn stand_still(
    snapshot: &Snapshot,
    rollout: &Rollout,
    phase: Stage,
    failure: Option<String>,
) -> Request {
    let kind = snapshot.workload.id.kind;
    let mut after =
        Rollout { phase, holder: None, failure, pause_after: None, between: false, ..rollout.clone() };
    let mut changes = Vec::new();
    match rollout.way(kind) {
        Way::Partition => {
            let partition = standing_from(snapshot).max(snapshot.workload.partition());
            after.reached = Some(Reached::Index { partition, replicas: snapshot.workload.desired });
            changes.push(set_strategy(&rollout.held_strategy(kind, partition)));
        }
        Way::Deletion => {
            let old = rollout.previous_template(snapshot).filter(|_| phase == Stage::Failed);
            changes.extend(old.map(|template| set_template(&template)));
        }
    }
    record::write(&snapshot.workload, Some(&after), changes)
}

/// Where the set stands: the lowest place at or above the partition that is updated or in hand.
fn standing_from(snapshot: &Snapshot) -> u32 {
    let places = snapshot.workload.partition()..snapshot.workload.desired;
    let pod_at = |place: u32| snapshot.pods.iter().flatten().find(|pod| snapshot.index(pod) == Some(place));
    let old = |pod: &Pod| !pod.terminating && !pod.ended() && snapshot.side(pod) == Side::Old;
    match snapshot.observed() {
        true => places.into_iter().find(|place| !pod_at(*place).is_some_and(old)).unwrap_or(ALL),
        false => standing(snapshot),
    }
}

/// Plans that a rollout goes on.
pub fn resume(snapshot: &Snapshot, options: &ResumeOptions) -> Result<Decision, Refusal> {
    let rollout = stored(snapshot)?;
    let driven = matches!(rollout.phase, Stage::Running | Stage::Aborting);
    let held = rollout.held(snapshot.now).filter(|it| driven && it.holder != options.holder);
    if held.as_ref().is_some_and(|it| !it.over) && !options.take_over {
        return Err(rollout.under_way(snapshot));
    }
    let mut after = Rollout {
        holder: Some(options.holder.clone()),
        lease: Some(Lease::begins(snapshot.now)),
        began: record::whole(snapshot.now),
        pause_after: options.pause_after,
        retry: rollout.phase == Stage::Failed,
        between: false,
        ..rollout.clone()
    };
    let mut plan = unchanged(snapshot);
    plan.notes.extend(held.map(|it| it.taken_over()));
    let mut changes = Vec::new();
    if rollout.phase != Stage::Aborting {
        after.phase = Stage::Running;
        after.failure = None;
        forward(snapshot, &rollout, &mut plan, &mut changes)?;
        let (shown, warning) = checks::shown(&rollout.options, &options.given)?;
        plan.notes.extend(shown);
        plan.warnings.extend(warning);
    }
    plan.impact.known = snapshot.pods.is_some();
    plan.requests = vec![record::write(&snapshot.workload, Some(&after), changes)];
    plan.steps = Places::of(snapshot, &rollout)
        .map_or_else(Vec::new, |places| places.planned(snapshot, rollout.done, plan.to != plan.from));
    Ok(Decision::Change(Box::new(plan)))
}

/// A failed step put the old template back; the stored target is applied again.
fn forward(
    snapshot: &Snapshot,
    rollout: &Rollout,
    plan: &mut Plan,
    changes: &mut Vec<serde_json::Value>,
) -> Result<(), Refusal> {
    match live(snapshot, rollout) {
        Live::Target | Live::Unknown => Ok(()),
        Live::Other => Err(Refusal::Superseded),
        Live::Previous if rollout.phase == Stage::Failed => {
            let target = rollout.target.as_ref().and_then(|it| it.find(snapshot));
            let target = target.ok_or(Refusal::TargetLost)?;
            let wanted = target.readable_template()?;
            plan.changes = diff::changes(snapshot.workload.template(), wanted);
            plan.template = template::writable(wanted);
            plan.to = target.number;
            plan.to_object = target.name.clone();
            changes.push(set_template(&plan.template));
            Ok(())
        }
        Live::Previous => Err(Refusal::PutBackByHand),
    }
}
