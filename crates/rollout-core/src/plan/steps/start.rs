//! Planning the start of a rollout in steps: one guarded patch that changes the template and holds the workload.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::history::revision::Revision;
use crate::history::select::NoRevision;
use crate::judge::places::Places;
use crate::judge::{ordinals, stuck};
use crate::objects::kind::Kind;
use crate::objects::names::few;
use crate::objects::pod::Pod;
use crate::objects::strategy::{Amount, HIGHEST_PARTITION, Strategy};
use crate::plan::after::with_template;
use crate::plan::decision::{self, Decision, PlannedStep};
use crate::plan::impact::{Impact, ReplacedPod};
use crate::plan::operations::strategy_of;
use crate::plan::patch::Patch;
use crate::plan::refusal::Refusal;
use crate::plan::request::Request;
use crate::plan::warning::{Warning, WarningId};
use crate::plan::warnings::change::TemplateChange;
use crate::plan::{losses, warnings};
use crate::snapshot::{Side, Snapshot};
use crate::stored::Stored;
use crate::stored::lease::{self, Holder, Lease};
use crate::stored::rollout::{Phase, Reached, RevisionRef, Rollout, StepOptions, Way};
use crate::stored::rules::{Rest, Rules};
use crate::template::placement::Placement;
use crate::template::{self, diff};

/// What is asked of a rollout in steps.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// The template that is rolled out; none for what the workload's says already.
    pub template: Option<Value>,
    /// The steps.
    pub rules: Rules,
    /// How it is done.
    pub options: StepOptions,
    /// The number of steps after which it pauses.
    pub pause_after: Option<usize>,
    /// Who drives it; nobody where it only is written, and then it is paused until somebody resumes it.
    pub holder: Option<Holder>,
    /// The reason that becomes the change cause.
    pub reason: Option<String>,
}

/// The old and the new side of what is planned.
struct Change<'a> {
    /// The template where it has to be written.
    template: Option<&'a Value>,
    /// The revision to go back to.
    previous: &'a Revision,
    /// The revision that is rolled out, where it is recorded already.
    target: Option<&'a Revision>,
    /// The strategy to put back, and the limit that a superseded rollout raised.
    strategy: Value,
    limit: Option<u32>,
}

/// Plans the start of a rollout in steps.
pub fn start(snapshot: &Snapshot, options: &StartOptions) -> Result<Decision, Refusal> {
    let workload = &snapshot.workload;
    check_kind(snapshot)?;
    let stored = Stored::read(workload)?;
    if stored.as_ref().is_some_and(|stored| stored.paused_strategy.is_some()) {
        return Err(Refusal::IsPaused);
    }
    let before = stored.and_then(|stored| stored.rollout);
    if let Some(rollout) = before.as_ref().filter(|it| !is_superseded(snapshot, it)) {
        return Err(rollout.under_way(snapshot));
    }
    if !snapshot.observed() {
        return Err(Refusal::Unobserved);
    }
    let pods = snapshot.pods.as_deref().ok_or(Refusal::Unread("pods"))?;
    let wanted = options.template.as_ref().filter(|it| !template::same(it, workload.template()));
    if wanted.is_none() && !snapshot.living().any(|pod| snapshot.side(pod) == Side::Old) {
        return Ok(nothing(snapshot));
    }
    let change = change(snapshot, wanted, before.as_ref())?;
    let after = with_template(snapshot, wanted);
    let places =
        Places::resolve(&after, &options.rules, options.options.skip_unready_nodes, wanted.is_some())
            .ok_or(Refusal::Unread("nodes"))??;
    let rollout = rollout(snapshot, options, &change);
    reaches_what_blocks(snapshot, &places)?;
    let mut plan = decision::unchanged(snapshot);
    plan.to = change.target.and_then(|it| it.number);
    plan.to_object = change.target.map(|it| it.name.clone()).unwrap_or_default();
    plan.from = change.previous.number;
    plan.requests = vec![request(snapshot, options, &change, &rollout)];
    plan.steps = places.planned(&after, 0, wanted.is_some());
    plan.impact = impact(snapshot, pods, &places, &rollout, &plan.steps);
    plan.notes = notes(&after, &places, options, &rollout);
    plan.notes.extend(warnings::skipped(snapshot));
    plan.warnings = warnings(snapshot, options, &change, &rollout);
    if options.options.evict {
        plan.warnings.extend(warnings::never_evicted(snapshot));
        plan.notes.push("evictions heed disruption budgets: one that forbids them is waited for".to_string());
    }
    if let Some(template) = wanted {
        let around = warnings::of_steps(&TemplateChange {
            snapshot,
            wanted: template,
            target: None,
            defaulted: false,
            impact: &plan.impact,
        });
        // What is evicted never gets below a budget.
        let counts = |it: &Warning| !options.options.evict || it.id != WarningId::Pdb;
        plan.warnings.extend(around.into_iter().filter(counts));
        plan.changes = diff::changes(workload.template(), template);
        plan.template = template::writable(template);
    }
    Ok(Decision::Change(Box::new(plan)))
}

fn check_kind(snapshot: &Snapshot) -> Result<(), Refusal> {
    let workload = &snapshot.workload;
    match (workload.id.kind, &workload.strategy) {
        (Kind::Deployment, _) => Err(Refusal::NotInSteps("Deployments".to_string())),
        (kind, Strategy::Recreate | Strategy::Other(_)) => {
            let name = workload.strategy.name();
            Err(Refusal::NotInSteps(format!("{} with the strategy {name}", kind.plural())))
        }
        (
            Kind::DaemonSet | Kind::StatefulSet,
            Strategy::RollingUpdate { .. } | Strategy::Partitioned { .. } | Strategy::OnDelete,
        ) => Ok(()),
    }
}

/// Somebody replaced the template of a stored rollout: to drive the new one in steps is one of the two ways on (hazard H9).
fn is_superseded(snapshot: &Snapshot, rollout: &Rollout) -> bool {
    let Some(target) = &rollout.target else { return false };
    let live = snapshot.history.current().map(|it| it.name.as_str());
    let is = |recorded: &RevisionRef| recorded.find(snapshot).map(|it| it.name.as_str()) == live;
    rollout.workload == snapshot.workload.id.uid && live.is_some() && !is(target) && !is(&rollout.previous)
}

fn nothing(snapshot: &Snapshot) -> Decision {
    let current = snapshot.history.current();
    Decision::Nothing {
        revision: current.and_then(|it| it.number),
        warning: Some(Warning {
            id: WarningId::SameTemplate,
            message: format!("all pods of {} are at the revision asked for already", snapshot.workload.id),
            fix: None,
            stops: false,
        }),
    }
}

fn change<'a>(
    snapshot: &'a Snapshot,
    template: Option<&'a Value>,
    before: Option<&Rollout>,
) -> Result<Change<'a>, Refusal> {
    let current = snapshot.history.current().ok_or(Refusal::Unobserved)?;
    let strategy = before.map_or_else(|| strategy_of(&snapshot.workload), |it| it.strategy.clone());
    let limit = before.and_then(|it| it.history_limit);
    let previous = match template {
        Some(_) => current,
        // What most likely worked: the newest revision that old pods still run.
        None => snapshot
            .history
            .others()
            .find(|it| it.pods.available > 0)
            .or_else(|| snapshot.history.others().find(|it| it.pods.total > 0))
            .ok_or(NoRevision::OnlyOne)?,
    };
    previous.readable_template()?;
    let target = if template.is_some() { None } else { Some(current) };
    Ok(Change { template, previous, target, strategy, limit })
}

fn rollout(snapshot: &Snapshot, options: &StartOptions, change: &Change<'_>) -> Rollout {
    let workload = &snapshot.workload;
    let raised = raised_limit(snapshot, change).map(|_| workload.history_limit);
    let mut stored = Rollout {
        workload: workload.id.uid.clone(),
        target: change.target.map(RevisionRef::of),
        previous: RevisionRef::of(change.previous),
        strategy: change.strategy.clone(),
        history_limit: change.limit.or(raised),
        rules: options.rules.clone(),
        done: 0,
        reached: None,
        pause_after: options.pause_after,
        phase: if options.holder.is_some() { Phase::Running } else { Phase::Paused },
        failure: None,
        retry: false,
        between: options.holder.is_none(),
        undo: false,
        options: options.options.clone(),
        holder: options.holder.clone(),
        lease: options.holder.as_ref().map(|_| Lease::begins(snapshot.now)),
        started: lease::whole(snapshot.now),
        began: lease::whole(snapshot.now),
    };
    let own = change.strategy.pointer("/rollingUpdate/maxUnavailable").and_then(Amount::from_value);
    let own = own.filter(|it| !matches!(it, Amount::Count(0) | Amount::Percent(0)));
    stored.options.max_unavailable =
        Some(options.options.max_unavailable.or(own).unwrap_or(Amount::Count(1)));
    if stored.way(workload.id.kind) == Way::Partition {
        let partition = first_partition(snapshot, change);
        stored.reached = Some(Reached::Index { partition, replicas: workload.desired });
    }
    stored
}

/// What a rolling update in progress has updated stays so; otherwise nothing is, however many pods come (hazard H3).
fn first_partition(snapshot: &Snapshot, change: &Change<'_>) -> u32 {
    match change.template {
        Some(_) => HIGHEST_PARTITION,
        None => ordinals::standing(snapshot),
    }
}

/// Returns the limit that keeps the way back, where the present one would cut it off (hazard H12): newer revisions than the
/// one to go back to are kept before it.
fn raised_limit(snapshot: &Snapshot, change: &Change<'_>) -> Option<u32> {
    let target = change.target.map(|it| it.name.as_str());
    let newer = snapshot.history.in_order().rev().take_while(|it| it.name != change.previous.name);
    let kept: usize =
        newer.filter(|it| Some(it.name.as_str()) != target).map(|it| 1 + it.duplicates.len()).sum();
    let needed = kept as u32 + 1;
    (snapshot.workload.history_limit < needed).then_some(needed)
}

fn request(snapshot: &Snapshot, options: &StartOptions, change: &Change<'_>, rollout: &Rollout) -> Request {
    let workload = &snapshot.workload;
    let mut patch = Patch::guarded(workload);
    if let Some(template) = change.template {
        patch = patch.template(&template::writable(template));
    }
    let partition = match &rollout.reached {
        Some(Reached::Index { partition, .. }) => *partition,
        Some(Reached::Node { .. }) | None => 0,
    };
    patch = patch.strategy(&rollout.held_strategy(workload.id.kind, partition));
    if let Some(limit) = raised_limit(snapshot, change) {
        patch = patch.set("/spec/revisionHistoryLimit", json!(limit));
    }
    patch.stores(Some(rollout)).reason(options.reason.as_deref()).request()
}

fn impact(
    snapshot: &Snapshot,
    pods: &[Pod],
    places: &Places<'_>,
    rollout: &Rollout,
    steps: &[PlannedStep],
) -> Impact {
    let replaced = steps.iter().flat_map(|step| step.pods.iter().cloned());
    let available = snapshot.count_available();
    let budget = match (snapshot.workload.id.kind, rollout.options.max_unavailable) {
        (Kind::DaemonSet, Some(amount)) => amount.rounded_up(places.all.len() as u32).max(1),
        (Kind::DaemonSet | Kind::StatefulSet | Kind::Deployment, _) => 1,
    };
    let largest = steps.iter().map(|step| step.pods.len() as u32).max().unwrap_or(0);
    Impact {
        pods: ReplacedPod::named(pods, replaced),
        least_available: available.saturating_sub(budget.min(largest)),
        most_existing: snapshot.living().count() as u32,
        frames: Vec::new(),
        moves_by_itself: rollout.way(snapshot.workload.id.kind) == Way::Partition,
        known: true,
    }
}

/// The controller makes no pod above one that never gets ready, and below the partition that one comes back as it is.
fn reaches_what_blocks(snapshot: &Snapshot, places: &Places<'_>) -> Result<(), Refusal> {
    let first = snapshot.workload.desired.saturating_sub(places.end(1) as u32);
    match stuck::never_ready(snapshot) {
        Some(pod) if snapshot.index(pod).is_some_and(|index| index < first) => {
            Err(Refusal::NeverReady { pod: pod.name.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

fn notes(snapshot: &Snapshot, places: &Places<'_>, options: &StartOptions, rollout: &Rollout) -> Vec<String> {
    let mut notes: Vec<String> = losses::unwanted(snapshot).into_iter().collect();
    // Hazard H4.
    notes.extend(match (rollout.way(snapshot.workload.id.kind), snapshot.workload.id.kind) {
        (Way::Deletion, Kind::DaemonSet) => Some(
            "a pod that dies before its step, and a node that joins, get the new revision at once"
                .to_string(),
        ),
        (Way::Deletion, _) => {
            Some("a pod that dies before its step gets the new revision at once".to_string())
        }
        (Way::Partition, _) => None,
    });
    let left = places.all.len() - places.end(places.ends.len());
    let what = match snapshot.workload.id.kind {
        Kind::DaemonSet => "nodes",
        Kind::StatefulSet | Kind::Deployment => "pods",
    };
    if left > 0 {
        notes.push(format!(
            "the steps end before all {what} are new: {left} of {} stay old, and the workload stays held",
            places.all.len()
        ));
    } else if let (false, Rest::Amounts(_)) = (options.rules.reach_all(), &options.rules.rest) {
        notes.push(format!("the steps reach all {what} that there are now, and no more"));
    }
    let elsewhere: BTreeSet<&str> = places.elsewhere.iter().filter_map(|pod| pod.node.as_deref()).collect();
    for (node, why) in &places.left_out {
        if elsewhere.contains(node.name.as_str()) {
            notes.push(format!("node {} is never touched: {why}", node.name));
        }
    }
    let unready: Vec<&str> =
        places.all.iter().filter(|it| !it.touchable).map(|it| it.name.as_str()).collect();
    if !unready.is_empty() {
        let skip = "--skip-unready-nodes leaves such nodes out";
        notes.push(format!("the steps wait for nodes that are not ready: {} ({skip})", unready.join(", ")));
    }
    notes
}

fn warnings(
    snapshot: &Snapshot,
    options: &StartOptions,
    change: &Change<'_>,
    rollout: &Rollout,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    warnings.extend(placement(snapshot, change));
    warnings.extend(surge_lost(snapshot, options, change));
    if rollout.way(snapshot.workload.id.kind) == Way::Partition {
        warnings.extend(mixed(snapshot, change));
    }
    // Where its controller replaces no pods, it restarts none either.
    if change.strategy["type"] != "OnDelete" {
        warnings.extend(warnings::way_back_restarts(snapshot, change.previous, rollout.partition_before()));
    }
    warnings
}

/// The controller follows the template's placement whatever the strategy (hazard H1).
fn placement(snapshot: &Snapshot, change: &Change<'_>) -> Option<Warning> {
    let template = change.template.filter(|_| snapshot.workload.id.kind == Kind::DaemonSet)?;
    let (before, after) = (Placement::of(snapshot.workload.template()), Placement::of(template));
    if before == after {
        return None;
    }
    let nodes = snapshot.nodes.as_deref()?;
    let fits = |placement: &Placement, node| placement.lasting_obstacle(node).is_none();
    let names = |lost: bool| -> Vec<&str> {
        nodes
            .iter()
            .filter(|node| fits(&before, node) == lost && fits(&after, node) != lost)
            .map(|node| node.name.as_str())
            .collect()
    };
    let (lost, gained) = (names(true), names(false));
    if lost.is_empty() && gained.is_empty() {
        return None;
    }
    let of = |nodes: &[&str], what: &str| {
        (!nodes.is_empty()).then(|| format!("{what} {} ({})", nodes.len(), few(nodes)))
    };
    let parts = [of(&lost, "its pods vanish from"), of(&gained, "new ones come up on")];
    Some(Warning {
        id: WarningId::Placement,
        message: format!(
            "the template moves the pods to other nodes, and no step holds that back: {}",
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        ),
        fix: Some("change the placement on its own, before or after".to_string()),
        stops: true,
    })
}

fn surge_lost(snapshot: &Snapshot, options: &StartOptions, change: &Change<'_>) -> Option<Warning> {
    let surge = change.strategy.pointer("/rollingUpdate/maxSurge").and_then(Amount::from_value)?;
    let surges = !matches!(surge, Amount::Count(0) | Amount::Percent(0));
    let asked = options.options.max_unavailable.is_some();
    (surges && !asked && snapshot.workload.id.kind == Kind::DaemonSet).then(|| Warning {
        id: WarningId::SurgeLost,
        message: format!(
            "its pods overlap when they are replaced (maxSurge {surge}); in steps each is missing for a moment"
        ),
        fix: Some("--max-unavailable says how many may be missing at once".to_string()),
        stops: true,
    })
}

/// Below the partition a pod comes back at `status.currentRevision`, whatever it was (hazard H2).
fn mixed(snapshot: &Snapshot, change: &Change<'_>) -> Option<Warning> {
    let kind = snapshot.workload.id.kind;
    let known = |label: &str| {
        change.previous.owns_label(kind, label) || change.target.is_some_and(|it| it.owns_label(kind, label))
    };
    let others: Vec<&str> = snapshot
        .living()
        .filter(|pod| !pod.revision.as_deref().is_some_and(known))
        .map(|pod| pod.name.as_str())
        .collect();
    let status = &snapshot.workload.status;
    let current = status.current_revision.as_deref().and_then(|name| snapshot.history.by_name(name));
    let moves = current.filter(|it| it.name != change.previous.name);
    let old = snapshot.living().next().is_some();
    let message = match (others.is_empty(), moves) {
        (false, _) => format!("pods are at other revisions already ({})", few(&others)),
        (true, Some(current)) if old => {
            format!("a pod that dies before its step comes back at {}", current.name)
        }
        (true, Some(_) | None) => return None,
    };
    Some(Warning {
        id: WarningId::MixedRevisions,
        message: format!("the set is at more than one revision: {message}"),
        fix: Some("finish or undo the rollout that left it so".to_string()),
        stops: true,
    })
}
