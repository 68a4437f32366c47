//! Following a rollout in front of somebody: the engine's events become a bar, lines, or JSON.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use k8s_openapi::jiff::Timestamp;
use rollout_core::causes::Cause;
use rollout_core::event::Event;
use rollout_core::machine::{Act, CheckRun, Ending, Machine, NoWayBack, Order, Verdict, Why};
use rollout_core::status::Hold;
use rollout_core::workload::WorkloadId;
use rollout_core::{Kind, Side, Snapshot};
use rollout_kube::{Checking, Cluster, End, Feed, Seen, SendOptions};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::documents;
use crate::exit::Exit;
use crate::output;
use crate::progress::Progress;
use crate::ui::Ui;

/// How rollouts are watched.
pub struct WatchOptions<'a> {
    /// Whether events are printed as JSON lines.
    pub events: bool,
    /// Who writes and deletes.
    pub field_manager: String,
    /// Runs the checks that a machine asks for.
    pub check: &'a dyn Fn(&WorkloadId, CheckRun) -> Checking,
    /// Whether the end of all depends on each.
    pub together: bool,
}

impl WatchOptions<'_> {
    /// For machines that ask for no checks.
    pub fn plain(events: bool, field_manager: String) -> WatchOptions<'static> {
        let check = &|_: &WorkloadId, _| -> Checking { Box::pin(std::future::ready(Verdict::Passed)) };
        WatchOptions { events, field_manager, check, together: false }
    }
}

/// A rollout that is watched.
pub struct Job {
    /// Whose.
    pub id: WorkloadId,
    /// What was read of it.
    pub seen: Seen,
    /// What follows or drives it.
    pub machine: Box<dyn Machine>,
}

/// Runs the machines of all jobs to their ends, at once, and shows them meanwhile. The ends are in the order of the jobs.
pub async fn watch(ui: &mut Ui, cluster: &Cluster, jobs: Vec<Job>, options: &WatchOptions<'_>) -> Vec<End> {
    let ids: Vec<WorkloadId> = jobs.iter().map(|job| job.id.clone()).collect();
    let (sender, mut events) = mpsc::unbounded_channel();
    let (order, orders) = tokio::sync::watch::channel(None);
    let mut running: FuturesUnordered<_> = jobs
        .into_iter()
        .enumerate()
        .map(|(index, job)| run(cluster, index, job, options, sender.clone(), orders.clone()))
        .collect();
    let progress = Progress::start(ui, ids.iter().map(WorkloadId::to_string));
    let mut display = Display { ui, ids, progress, counts: BTreeMap::new(), soaking: BTreeSet::new() };
    let mut together = Together { on: options.together, order, passed: BTreeSet::new() };
    let mut ends: BTreeMap<usize, End> = BTreeMap::new();
    while ends.len() < display.ids.len() {
        tokio::select! {
            biased;
            Some((index, event)) = events.recv() => {
                together.heard(index, &event);
                display.event(index, &event, cluster.now(), options.events);
            }
            Some((index, end)) = running.next() => {
                display.progress.ended(index);
                together.ended(&display.ids[index], &end.ending);
                ends.insert(index, end);
            }
        }
        together.decide(display.ids.len() - ends.len(), |index| ends.contains_key(&index));
    }
    display.progress.finish(display.ui);
    ends.into_values().collect()
}

async fn run(
    cluster: &Cluster,
    index: usize,
    mut job: Job,
    options: &WatchOptions<'_>,
    sender: mpsc::UnboundedSender<(usize, Event)>,
    orders: tokio::sync::watch::Receiver<Option<Order>>,
) -> (usize, End) {
    let mut feed = Feed::start(cluster, job.seen);
    // Nobody listens any more only when nobody waits for the end either.
    let tell = |event| drop(sender.send((index, event)));
    let send = SendOptions { dry_run: false, field_manager: options.field_manager.clone() };
    let check = |asked| (options.check)(&job.id, asked);
    let run = rollout_kube::Run { send, check: &check, orders, tell: &tell };
    (index, rollout_kube::run(cluster, &mut feed, job.machine.as_mut(), run).await)
}

/// Ends all that have passed when all have, and takes all back when one fails.
struct Together {
    on: bool,
    order: tokio::sync::watch::Sender<Option<Order>>,
    passed: BTreeSet<usize>,
}

impl Together {
    fn heard(&mut self, index: usize, event: &Event) {
        match event {
            Event::Passed => {
                self.passed.insert(index);
            }
            Event::Progress(_)
            | Event::Doing(_)
            | Event::NotDone(_)
            | Event::Soaking(_)
            | Event::ConnectionLost { .. }
            | Event::ConnectionBack => {}
        }
    }

    fn ended(&mut self, id: &WorkloadId, ending: &Ending) {
        if self.on && *ending != Ending::Complete && self.order.borrow().is_none() {
            let words = format!("{id} failed, and it is all or none");
            self.order.send_replace(Some(Order::TakeBack(words)));
        }
    }

    fn decide(&mut self, left: usize, has_ended: impl Fn(usize) -> bool) {
        let waiting = self.passed.iter().filter(|index| !has_ended(**index)).count();
        if self.on && left > 0 && waiting == left && self.order.borrow().is_none() {
            self.order.send_replace(Some(Order::Accept));
        }
    }
}

/// Where the events of all machines become visible.
struct Display<'a> {
    ui: &'a mut Ui,
    ids: Vec<WorkloadId>,
    progress: Progress,
    counts: BTreeMap<usize, String>,
    /// Those of which it was said that they only have to stay as they are.
    soaking: BTreeSet<usize>,
}

impl Display<'_> {
    fn event(&mut self, index: usize, event: &Event, now: Timestamp, as_json: bool) {
        if as_json {
            let (kind, fields) = event_fields(event);
            output::print_event(self.ui, &documents::event(&self.ids[index], kind, now, fields));
        }
        let Display { ui, progress, counts: shown, soaking, .. } = self;
        match event {
            Event::Progress(it) => {
                let counts = counts(it);
                if shown.insert(index, counts.clone()).as_ref() != Some(&counts) {
                    soaking.remove(&index);
                    progress.show(ui, now, index, &counts);
                }
            }
            Event::Soaking(left) if progress.is_drawn() => {
                let counts = shown.get(&index).map_or("", String::as_str);
                progress.show(ui, now, index, &format!("{counts}, {left}s to go"));
            }
            Event::Soaking(left) if soaking.insert(index) => {
                progress.note(
                    ui,
                    now,
                    index,
                    &format!("all pods are available and have to stay so for {left}s"),
                );
            }
            Event::Soaking(_) | Event::Passed => {}
            Event::Doing(act) => progress.note(ui, now, index, &doing(act)),
            Event::NotDone(Act::Delete { pod, .. }) => {
                progress.note(ui, now, index, &format!("pod {pod} was gone already"));
            }
            Event::NotDone(Act::GoBack { .. }) => {
                progress.note(ui, now, index, "it was changed meanwhile: looking again");
            }
            Event::ConnectionLost { error } => {
                let text = format!("the API server does not answer ({error}): trying again");
                progress.note(ui, now, index, &text);
            }
            Event::ConnectionBack => progress.note(ui, now, index, "the API server answers again"),
        }
        progress.tick(ui, now);
    }
}

fn counts(progress: &rollout_core::status::Progress) -> String {
    let rollout_core::status::Progress { updated, desired, available, old, .. } = progress;
    format!("{updated} of {desired} new ({available} available), {old} old")
}

fn doing(act: &Act) -> String {
    match act {
        Act::Delete { pod, why: Why::Blocks } => {
            format!("pod {pod} blocks the set and nothing will replace it: deleting it")
        }
        Act::Delete { pod, why: Why::OnDelete } => {
            format!("deleting pod {pod}: its strategy is OnDelete")
        }
        Act::GoBack { to, causes } => {
            let why = causes.first().map(|it| format!(" ({}: {})", it.id.as_str(), it.message));
            format!(
                "the rollout failed{}: going back to revision {}",
                why.unwrap_or_default(),
                to.map_or_else(|| "?".to_string(), |number| number.to_string())
            )
        }
    }
}

fn event_fields(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Progress(it) => (
            "progress",
            json!({"state": it.state, "revision": it.revision, "desired": it.desired, "updated": it.updated,
                "ready": it.ready, "available": it.available, "old": it.old}),
        ),
        Event::Doing(act) => act_fields(act),
        Event::NotDone(act) => ("not-done", act_fields(act).1),
        Event::Soaking(left) => ("soaking", json!({"secondsLeft": left})),
        Event::Passed => ("passed", json!({})),
        Event::ConnectionLost { error } => ("connection-lost", json!({"error": error})),
        Event::ConnectionBack => ("connection-back", json!({})),
    }
}

fn act_fields(act: &Act) -> (&'static str, Value) {
    match act {
        Act::Delete { pod, why } => {
            let why = match why {
                Why::Blocks => "blocks",
                Why::OnDelete => "on-delete",
            };
            ("deleting", json!({"pod": pod, "why": why}))
        }
        Act::GoBack { to, causes } => ("going-back", json!({"toRevision": to, "causes": causes})),
    }
}

/// Returns the sentence and the exit code of an ending; `held_ok` makes being held a success.
pub fn ending(end: &End, id: &WorkloadId, held_ok: bool) -> (Exit, String) {
    let name = format!("{} {:?}", id.kind.words(), id.name);
    match &end.ending {
        Ending::Complete => (Exit::Done, format!("{name} successfully rolled out")),
        Ending::Held(hold) => {
            let exit = if held_ok { Exit::Done } else { Exit::Held };
            (exit, format!("held: {}", held(*hold, end.snapshot.as_deref())))
        }
        Ending::Failed => (Exit::RolloutFailed, format!("error: the rollout of {name} failed")),
        Ending::TimedOut => (Exit::TimedOut, "error: timed out waiting for the condition".to_string()),
        Ending::Superseded => {
            (Exit::Superseded, format!("error: somebody rolled out something else to {name} meanwhile"))
        }
        Ending::Gone => (Exit::Failed, "error: object has been deleted".to_string()),
        Ending::Refused(words) => (Exit::Failed, format!("error: {words}")),
        Ending::CheckBroken(words) => (Exit::Failed, format!("error: a check cannot be run: {words}")),
        Ending::Undone { to, .. } => {
            let to = to.map_or_else(|| "?".to_string(), |number| number.to_string());
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
pub fn hint(ending: &Ending, id: &WorkloadId) -> Option<String> {
    let at = format!("{id} -n {}", id.namespace);
    let Ending::NotUndone { why, .. } = ending else { return None };
    match why {
        NoWayBack::NoProof => Some(format!("choose one: kubectl rollback undo {at} --to-revision N")),
        NoWayBack::Stopped(ids) => Some(format!(
            "to go back all the same: kubectl rollback undo {at} --to-last-good --allow {}",
            ids.join(",")
        )),
        NoWayBack::Failed(_) | NoWayBack::TimedOut | NoWayBack::Held(_) => {
            Some(format!("look at it: kubectl rollback status {at}"))
        }
        NoWayBack::First | NoWayBack::Refused(_) => None,
    }
}

/// Returns why the rollout failed that an ending took back, or could not.
pub fn causes(end: &End) -> &[Cause] {
    match &end.ending {
        Ending::Undone { causes, .. } | Ending::NotUndone { causes, .. } => causes,
        Ending::Complete
        | Ending::Held(_)
        | Ending::Failed
        | Ending::TimedOut
        | Ending::Superseded
        | Ending::Gone
        | Ending::Refused(_)
        | Ending::CheckBroken(_) => end.progress.as_ref().map_or(&[], |progress| &progress.causes),
    }
}

/// Says what holds a rollout.
pub fn held(hold: Hold, snapshot: Option<&Snapshot>) -> String {
    let old = snapshot.map_or(0, |it| it.living().filter(|pod| it.side(pod) == Side::Old).count());
    match hold {
        Hold::Paused => "it is paused".to_string(),
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

/// Names the command that moves a held rollout on.
pub fn way_on(hold: Hold, snapshot: &Snapshot) -> String {
    let id = &snapshot.workload.id;
    let at = format!("{id} -n {}", id.namespace);
    match hold {
        Hold::Paused => format!("to go on: kubectl rollback resume {at}"),
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
