//! Following a rollout in front of somebody: the engine's events become a bar, lines, or JSON.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use k8s_openapi::jiff::Timestamp;
use kubectl_terminal::progress::{Progress, Share};
use kubectl_terminal::{Ui, forms};
use rollout_core::WorkloadId;
use rollout_core::machine::{Act, CheckRun, Ending, Event, Machine, Order, Verdict};
use rollout_core::snapshot::{CauseId, Patience, Symptom};
use rollout_kube::{Checking, Cluster, End, Feed, Seen, SendOptions};
use tokio::sync::mpsc;

use crate::say::{self, documents};

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
    /// How patient whoever watches is with what may pass by itself.
    pub patience: Patience,
    /// One that failed before anything is watched.
    pub failed: Option<WorkloadId>,
}

impl WatchOptions<'_> {
    /// For machines that ask for no checks, with the patience that each sort of trouble needs.
    pub fn plain(events: bool, field_manager: String) -> WatchOptions<'static> {
        let check = &|_: &WorkloadId, _| -> Checking { Box::pin(std::future::ready(Verdict::Passed)) };
        WatchOptions {
            events,
            field_manager,
            check,
            together: false,
            patience: Patience::default(),
            failed: None,
        }
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
    /// What failed before the change: it is not this rollout's doing.
    pub known: BTreeSet<Symptom>,
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
    let spans = ids.iter().any(|id| id.namespace != ids[0].namespace);
    let name = |id: &WorkloadId| if spans { format!("{id} in {}", id.namespace) } else { id.to_string() };
    let progress = Progress::start(ui, ids.iter().map(name));
    let mut display = Display {
        ui,
        ids,
        progress,
        counts: BTreeMap::new(),
        soaking: BTreeSet::new(),
        in_steps: BTreeMap::new(),
        held_up: BTreeSet::new(),
        tried: BTreeMap::new(),
    };
    let mut together = Together { on: options.together, order, passed: BTreeSet::new() };
    options.failed.iter().for_each(|id| together.take_back(id));
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
    job: Job,
    options: &WatchOptions<'_>,
    sender: mpsc::UnboundedSender<(usize, Event)>,
    orders: tokio::sync::watch::Receiver<Option<Order>>,
) -> (usize, End) {
    let Job { id, seen, mut machine, known } = job;
    let mut feed = Feed::start(cluster, seen);
    // Nobody listens any more only when nobody waits for the end either.
    let tell = |event| drop(sender.send((index, event)));
    let send = SendOptions { dry_run: false, field_manager: options.field_manager.clone() };
    let check = |asked| (options.check)(&id, asked);
    let run =
        rollout_kube::Run { send, check: &check, orders, known, patience: options.patience, tell: &tell };
    (index, rollout_kube::run(cluster, &mut feed, machine.as_mut(), run).await)
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
            | Event::Step(_)
            | Event::OutsideStep { .. }
            | Event::EvictionForbidden { .. }
            | Event::StoredOtherwise(_)
            | Event::Soaking(_)
            | Event::ConnectionLost { .. }
            | Event::ConnectionBack => {}
        }
    }

    fn ended(&mut self, id: &WorkloadId, ending: &Ending) {
        if *ending != Ending::Complete {
            self.take_back(id);
        }
    }

    fn take_back(&mut self, id: &WorkloadId) {
        if self.on && self.order.borrow().is_none() {
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
    /// Those that go in steps, and how much of the step is done.
    in_steps: BTreeMap<usize, Share>,
    /// What was said to hold them up: the job, the cause, the pod.
    held_up: BTreeSet<(usize, CauseId, Option<String>)>,
    /// What was said to be done, and then that the server does not answer: what is tried again is not said again.
    tried: BTreeMap<usize, (BTreeSet<String>, Option<String>)>,
}

impl Display<'_> {
    fn event(&mut self, index: usize, event: &Event, now: Timestamp, as_json: bool) {
        if as_json {
            let document = documents::Event::at(now, event);
            forms::print_event(self.ui, &documents::about(&self.ids[index], document));
        }
        let Display { ui, progress, counts: shown, soaking, in_steps, held_up, tried, .. } = self;
        match event {
            Event::Progress(it) => {
                if let Some((said, None)) = tried.get_mut(&index) {
                    said.clear();
                }
                // A step says more than the counts of the whole.
                let counts = say::event::counts(it);
                if !in_steps.contains_key(&index)
                    && shown.insert(index, counts.clone()).as_ref() != Some(&counts)
                {
                    soaking.remove(&index);
                    progress.show(ui, now, index, &counts, None);
                }
                // What fails a rollout is told at its end.
                for cause in it.causes.pending() {
                    if held_up.insert((index, cause.id, cause.pod.clone())) {
                        let text = format!("{}: {}", cause.id.as_str(), cause.message);
                        progress.note(ui, now, index, &text);
                    }
                }
            }
            Event::Soaking(left) if progress.is_drawn() => {
                let counts = shown.get(&index).map_or("", String::as_str);
                let share = in_steps.get(&index).copied();
                progress.show(ui, now, index, &format!("{counts}, {left}s to go"), share);
            }
            Event::Soaking(left) if soaking.insert(index) => {
                progress.note(
                    ui,
                    now,
                    index,
                    &format!("its pods are available and have to stay so for {left}s"),
                );
            }
            Event::Soaking(_) | Event::Passed => {}
            // Only for whoever goes on with it.
            Event::Doing(Act::Record | Act::Renew | Act::Clean { .. }) => {}
            Event::Doing(act) => {
                let (said, lost) = tried.entry(index).or_default();
                let text = say::event::doing(act);
                if lost.is_none() || !said.contains(&text) {
                    progress.note(ui, now, index, &text);
                    *lost = None;
                    said.insert(text);
                }
            }
            Event::NotDone(act) => progress.note(ui, now, index, &say::event::not_done(act)),
            Event::Step(step) => {
                let share = Share { done: step.settled, of: step.total };
                in_steps.insert(index, share);
                soaking.remove(&index);
                shown.insert(index, say::event::step(step));
                progress.show(ui, now, index, &say::event::step(step), Some(share));
            }
            Event::OutsideStep { pod, node } => {
                let node = node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
                let text = format!("outside-step: pod {pod}{node} is new although no step has come to it");
                progress.note(ui, now, index, &text);
            }
            Event::EvictionForbidden { pod, words } => {
                progress.note(ui, now, index, &format!("pod {pod} may not be evicted now: {words}"));
            }
            Event::StoredOtherwise(changes) => {
                progress.note(ui, now, index, &say::event::stored_otherwise(changes));
            }
            Event::ConnectionLost { error } => {
                let (_, lost) = tried.entry(index).or_default();
                let text = format!("the API server does not answer ({error}): trying again");
                if lost.as_ref() != Some(&text) {
                    progress.note(ui, now, index, &text);
                    *lost = Some(text);
                }
            }
            Event::ConnectionBack => {
                tried.remove(&index);
                progress.note(ui, now, index, "the API server answers again");
            }
        }
        progress.tick(ui, now);
    }
}
