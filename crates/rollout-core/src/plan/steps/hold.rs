//! Planning the pause of a rollout in steps, and how it goes on.

use crate::judge::live::{Live, live};
use crate::judge::places::Places;
use crate::objects::workload::Workload;
use crate::plan::decision::{Decision, Plan, unchanged};
use crate::plan::patch::{Patch, stand_still};
use crate::plan::refusal::Refusal;
use crate::plan::request::Request;
use crate::plan::steps::checks::{self, GivenChecks};
use crate::plan::steps::under_way::stored;
use crate::snapshot::Snapshot;
use crate::stored::Stored;
use crate::stored::lease::{self, Holder, Lease};
use crate::stored::rollout::{Phase, Rollout};
use crate::template::{self, diff};

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

/// Plans that a rollout in steps stands still.
pub fn pause(snapshot: &Snapshot) -> Result<Decision, Refusal> {
    let rollout = stored(snapshot)?;
    match rollout.phase {
        Phase::Paused | Phase::Failed => return Err(Refusal::AlreadyPaused),
        Phase::Aborting => return Err(rollout.under_way(snapshot)),
        Phase::Running => {}
    }
    let mut plan = unchanged(snapshot);
    plan.impact.known = snapshot.pods.is_some();
    plan.requests = vec![stand_still(snapshot, &rollout, Phase::Paused, None)];
    Ok(Decision::Change(Box::new(plan)))
}

/// Plans that a rollout goes on.
pub fn resume(snapshot: &Snapshot, options: &ResumeOptions) -> Result<Decision, Refusal> {
    let rollout = stored(snapshot)?;
    let driven = matches!(rollout.phase, Phase::Running | Phase::Aborting);
    let held = rollout.held(snapshot.now).filter(|it| driven && it.holder != options.holder);
    if held.as_ref().is_some_and(|it| !it.over) && !options.take_over {
        return Err(rollout.under_way(snapshot));
    }
    let mut after = Rollout {
        holder: Some(options.holder.clone()),
        lease: Some(Lease::begins(snapshot.now)),
        began: lease::whole(snapshot.now),
        pause_after: options.pause_after,
        retry: rollout.phase == Phase::Failed,
        between: false,
        ..rollout.clone()
    };
    let mut plan = unchanged(snapshot);
    plan.notes.extend(held.map(|it| it.taken_over()));
    let mut patch = Patch::guarded(&snapshot.workload);
    if rollout.phase != Phase::Aborting {
        after.phase = Phase::Running;
        after.failure = None;
        if forward(snapshot, &rollout, &mut plan)? {
            patch = patch.template(&plan.template);
        }
        let (shown, warning) = checks::shown(&rollout.options, &options.given)?;
        plan.notes.extend(shown);
        plan.warnings.extend(warning);
    }
    plan.impact.known = snapshot.pods.is_some();
    plan.requests = vec![patch.stores(Some(&after)).request()];
    plan.steps = Places::of(snapshot, &rollout)
        .map_or_else(Vec::new, |places| places.planned(snapshot, rollout.done, plan.to != plan.from));
    Ok(Decision::Change(Box::new(plan)))
}

/// A failed step put the old template back; the stored target is applied again. Tells whether that is so.
fn forward(snapshot: &Snapshot, rollout: &Rollout, plan: &mut Plan) -> Result<bool, Refusal> {
    match live(snapshot, rollout) {
        Live::Target | Live::Unknown => Ok(false),
        Live::Other => Err(Refusal::Superseded),
        Live::Previous if rollout.phase == Phase::Failed => {
            let target = rollout.target.as_ref().and_then(|it| it.find(snapshot));
            let target = target.ok_or(Refusal::TargetLost)?;
            let wanted = target.readable_template()?;
            plan.changes = diff::changes(snapshot.workload.template(), wanted);
            plan.template = template::writable(wanted);
            plan.to = target.number;
            plan.to_object = target.name.clone();
            Ok(true)
        }
        Live::Previous => Err(Refusal::PutBackByHand),
    }
}

/// Makes the patch with which a driver that ends lets a rollout go; none where it does not hold it.
pub fn let_go(workload: &Workload, holder: &Holder) -> Option<Request> {
    let rollout = Stored::of(workload)?.rollout?;
    let mine = rollout.workload == workload.id.uid && rollout.holder.as_ref() == Some(holder);
    let after = Rollout { holder: None, lease: None, ..rollout.clone() };
    (mine && rollout.is_driven()).then(|| Patch::guarded(workload).stores(Some(&after)).request())
}
