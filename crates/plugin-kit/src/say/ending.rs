//! How a rollout ended, in words: a sentence with its exit code, what holds it, and the command that helps.

use kubectl_terminal::path;
use rollout_core::judge::{Cause, Hold};
use rollout_core::machine::{Ending, NoWayBack};
use rollout_core::objects::few;
use rollout_core::plan::steps;
use rollout_core::stored::{Phase, STORED, Stored};
use rollout_core::{Kind, RevisionNumber, Side, Snapshot, WorkloadId};
use rollout_kube::End;

use crate::call::Exit;

/// Returns the sentence and the exit code of an end; `held_ok` makes being held a success.
pub fn of(end: &End, id: &WorkloadId, held_ok: bool) -> (Exit, String) {
    ending(&end.ending, end.snapshot.as_deref(), id, held_ok)
}

/// Returns the sentence and the exit code of an ending of what is seen, as [`of`] does.
pub fn ending(
    ending: &Ending,
    snapshot: Option<&Snapshot>,
    id: &WorkloadId,
    held_ok: bool,
) -> (Exit, String) {
    let name = format!("{} {:?}", id.kind.words(), id.name);
    match ending {
        Ending::Complete => (Exit::Done, format!("{name} successfully rolled out")),
        Ending::Held(hold) => {
            let exit = if held_ok { Exit::Done } else { Exit::Held };
            (exit, format!("held: {}", held(*hold, snapshot)))
        }
        Ending::Failed => {
            let in_steps = snapshot.and_then(held_in_steps);
            let in_steps = in_steps.map(|words| format!("; {words}")).unwrap_or_default();
            (Exit::RolloutFailed, format!("error: the rollout of {name} failed{in_steps}"))
        }
        Ending::TimedOut => (Exit::TimedOut, "error: timed out waiting for the condition".to_string()),
        Ending::Superseded => {
            (Exit::Superseded, format!("error: somebody rolled out something else to {name} meanwhile"))
        }
        Ending::Gone => (Exit::Failed, "error: object has been deleted".to_string()),
        Ending::Refused(words) => (Exit::Failed, format!("error: {words}")),
        Ending::CheckBroken(words) => (Exit::Failed, format!("error: a check cannot be run: {words}")),
        Ending::Paused { done, of } => (Exit::Done, format!("held: {done} of {of} steps of {name} are done")),
        Ending::HeldShort { old } => (
            Exit::Done,
            format!("held: all steps of {name} are done, and {} stay old: {}", old.len(), few(old)),
        ),
        Ending::StepFailed { step, .. } => (
            Exit::RolloutFailed,
            format!("error: step {step} of the rollout of {name} failed: it stands still"),
        ),
        Ending::StepHeld { step, .. } => (
            Exit::TimedOut,
            format!("error: step {step} of the rollout of {name} is held up: it stands still"),
        ),
        Ending::Aborted { to } => {
            (Exit::Done, format!("{name} is back at revision {}", RevisionNumber::or(*to, "?")))
        }
        Ending::AbortedByHand => {
            (Exit::Superseded, format!("error: somebody put the old template of {name} back meanwhile"))
        }
        Ending::TakenOver(holder) => {
            let by = holder.as_ref().map_or_else(|| "somebody else".to_string(), ToString::to_string);
            (Exit::Superseded, format!("error: the rollout of {name} is driven by {by} now"))
        }
        Ending::Undone { to, .. } => {
            let to = RevisionNumber::or(*to, "?");
            (
                Exit::Undone,
                format!("error: the rollout of {name} failed and was undone: revision {to} is back"),
            )
        }
        Ending::NotUndone { why, .. } => (
            Exit::RolloutFailed,
            format!("error: the rollout of {name} failed and was not undone: {}", no_way_back(why)),
        ),
    }
}

fn no_way_back(why: &NoWayBack) -> String {
    match why {
        NoWayBack::First => "there is no older revision to go back to".to_string(),
        NoWayBack::NoProof => "no older revision is known to have worked".to_string(),
        NoWayBack::NoBetter => "the older revision would meet it too".to_string(),
        NoWayBack::Stopped(ids) => format!("stopped by {}", ids.join(",")),
        NoWayBack::Refused(words) => words.clone(),
        NoWayBack::Failed(causes) => {
            let why: Vec<&str> = causes.iter().map(|cause| cause.message.as_str()).collect();
            format!("the older revision is back and fails too: {}", why.join("; "))
        }
        NoWayBack::TimedOut => "the older revision is back and did not get ready in time".to_string(),
        NoWayBack::Held(_) => "the older template is back, and something holds the pods".to_string(),
    }
}

/// Names the command that helps where a failed rollout was not undone.
pub fn hint(end: &End, id: &WorkloadId) -> Option<String> {
    let at = format!("{id} -n {}", id.namespace);
    let why = match &end.ending {
        Ending::Superseded => {
            let stored = end.snapshot.as_deref().filter(|snapshot| steps::is_superseded(snapshot));
            return stored.map(|_| ways_on_superseded(id));
        }
        Ending::Failed | Ending::TimedOut => {
            // A way back that is half done is stored.
            let stored = Stored::of(&end.snapshot.as_deref()?.workload)?.rollout?;
            let back = stored.phase == Phase::Aborting;
            return end.snapshot.as_deref().filter(|_| back).and_then(ways_on_in_steps);
        }
        Ending::NotUndone { why, .. } => why,
        Ending::Paused { .. } => return Some(format!("to go on: {} resume {at}", plugin(id.kind))),
        Ending::StepFailed { .. } | Ending::StepHeld { .. } => {
            let me = plugin(id.kind);
            return Some(format!("to go on: {me} resume {at}; to take it back: {me} abort {at}"));
        }
        Ending::AbortedByHand => return Some(format!("to finish that: {} abort {at}", plugin(id.kind))),
        Ending::HeldShort { .. } => {
            return Some(format!("to take it back: {} abort {at}", plugin(id.kind)));
        }
        Ending::Complete
        | Ending::Held(_)
        | Ending::Gone
        | Ending::Refused(_)
        | Ending::CheckBroken(_)
        | Ending::Aborted { .. }
        | Ending::TakenOver(_)
        | Ending::Undone { .. } => return None,
    };
    match why {
        NoWayBack::NoProof => Some(format!("choose one: kubectl rollback undo {at} --to-revision N")),
        NoWayBack::Stopped(ids) => Some(format!(
            "to go back all the same: kubectl rollback undo {at} --to-last-good --allow {}",
            ids.join(",")
        )),
        NoWayBack::Failed(_) | NoWayBack::TimedOut | NoWayBack::Held(_) => {
            Some(format!("look at it: kubectl rollback status {at}"))
        }
        NoWayBack::First | NoWayBack::NoBetter | NoWayBack::Refused(_) => None,
    }
}

/// The plugin that rolls a kind out in steps.
fn plugin(kind: Kind) -> &'static str {
    match kind {
        Kind::DaemonSet => "kubectl dsupdate",
        Kind::StatefulSet => "kubectl stspartition",
        Kind::Deployment => "kubectl rollback",
    }
}

/// Returns why the rollout failed, or what holds it up.
pub fn causes(end: &End) -> Vec<&Cause> {
    let of_progress = || end.progress.iter().flat_map(|progress| progress.causes.iter()).collect();
    end.ending.causes().map_or_else(of_progress, |causes| causes.iter().collect())
}

/// Says what holds a rollout.
pub fn held(hold: Hold, snapshot: Option<&Snapshot>) -> String {
    if let Some(words) = snapshot.filter(|_| hold != Hold::Deleting).and_then(held_in_steps) {
        return words;
    }
    let old = snapshot.map_or(0, |it| it.living().filter(|pod| it.side(pod) == Side::Old).count());
    match hold {
        Hold::Deleting => "it is being deleted".to_string(),
        Hold::Paused => "it is paused".to_string(),
        Hold::InSteps => "a rollout in steps is stored".to_string(),
        Hold::Partition(partition) => {
            format!("partition {partition} keeps {old} pod{} at an older revision", plural(old))
        }
        Hold::OnDelete => {
            format!(
                "the strategy is OnDelete and {old} pod{} at an older revision",
                if old == 1 { " is" } else { "s are" }
            )
        }
        Hold::TakenForNew => {
            format!(
                "the controller takes {old} old pod{} for new ones by a label and will not replace them",
                plural(old)
            )
        }
    }
}

/// Says how a rollout in steps stands, where one is stored: it holds the pods, whatever the strategy is called.
pub fn held_in_steps(snapshot: &Snapshot) -> Option<String> {
    let rollout = Stored::of(&snapshot.workload)?.rollout?;
    if steps::is_superseded(snapshot) {
        return Some(
            "the rollout in steps is superseded: somebody replaced its template, and no pod is replaced"
                .to_string(),
        );
    }
    let failure = rollout.failure.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("{}{failure}", rollout.under_way(snapshot)))
}

/// Names the two ways on after somebody replaced the template of a rollout in steps (hazard H9).
pub fn ways_on_superseded(id: &WorkloadId) -> String {
    let (me, at) = (plugin(id.kind), format!("{id} -n {}", id.namespace));
    format!("to let the controller go on: {me} resume {at} --release; to drive it in steps: {me} start {at}")
}

/// Names the ways on from a rollout in steps, where one is stored.
pub fn ways_on_in_steps(snapshot: &Snapshot) -> Option<String> {
    let id = &snapshot.workload.id;
    if steps::is_superseded(snapshot) {
        return Some(ways_on_superseded(id));
    }
    if Stored::of(&snapshot.workload)?.rollout?.workload != id.uid {
        return Some(way_on_recreated(id));
    }
    let (me, at) = (plugin(id.kind), format!("{id} -n {}", id.namespace));
    if Stored::of(&snapshot.workload)?.rollout?.undo {
        return Some(format!("to go on: kubectl rollback undo {at}"));
    }
    Some(format!("to go on: {me} resume {at}; to take it back: {me} abort {at}"))
}

/// Names the way on where what is stored was copied from another object: it drives nothing here (hazard H25).
pub fn way_on_recreated(id: &WorkloadId) -> String {
    format!(
        "take it off, then this one can be rolled out: kubectl annotate {id} -n {} {STORED}-",
        id.namespace
    )
}

/// Names the command that moves a held rollout on.
pub fn way_on(hold: Hold, snapshot: &Snapshot) -> String {
    if let Some(ways) = ways_on_in_steps(snapshot).filter(|_| hold != Hold::Deleting) {
        return ways;
    }
    let id = &snapshot.workload.id;
    let at = format!("{id} -n {}", id.namespace);
    let me = plugin(id.kind);
    let in_steps = path::has_plugin(me);
    match hold {
        Hold::Deleting => format!("what keeps it: kubectl get {at} -o jsonpath='{{.metadata.finalizers}}'"),
        Hold::InSteps => format!("to go on: {me} resume {at}"),
        Hold::Paused => format!("to go on: kubectl rollback resume {at}"),
        Hold::Partition(_) if in_steps => format!("to go on: {me} advance {at}"),
        Hold::OnDelete if in_steps => format!("to go on in steps: {me} start {at}"),
        Hold::Partition(_) => format!(
            "to go on: kubectl patch {at} --type merge -p '{{\"spec\":{{\"updateStrategy\":{{\"rollingUpdate\":{{\"partition\":0}}}}}}}}'"
        ),
        Hold::OnDelete | Hold::TakenForNew => {
            let mut old: Vec<_> = snapshot.living().filter(|pod| snapshot.side(pod) == Side::Old).collect();
            match id.kind {
                Kind::StatefulSet => old.sort_by_key(|pod| std::cmp::Reverse(pod.ordinal())),
                Kind::Deployment | Kind::DaemonSet => old.sort_by(|a, b| a.name.cmp(&b.name)),
            }
            let first = old.first().map_or("POD", |pod| pod.name.as_str());
            format!(
                "to go on, delete the old pods one by one: kubectl delete pod {first} -n {}",
                id.namespace
            )
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
