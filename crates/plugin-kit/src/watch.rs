//! Following a rollout in front of somebody: the engine's events become a bar, lines, or JSON.

use std::time::Duration;

use rollout_core::event::Event;
use rollout_core::follow::{Ending, Follow, Why};
use rollout_core::status::Hold;
use rollout_core::workload::WorkloadId;
use rollout_core::{Kind, Side, Snapshot};
use rollout_kube::{Cluster, End, Feed, FollowOptions, Seen, SendOptions};
use serde_json::{Value, json};

use crate::documents;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output;
use crate::progress::{Counts, Progress};
use crate::ui::Ui;

/// How a rollout is watched.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// How long at most; none is for ever.
    pub timeout: Option<Duration>,
    /// Whether events are printed as JSON lines.
    pub events: bool,
    /// Who deletes pods.
    pub field_manager: String,
}

/// Follows one rollout to its end and shows it meanwhile.
pub async fn watch(
    ui: &mut Ui,
    cluster: &Cluster,
    id: &WorkloadId,
    seen: Seen,
    machine: &mut Follow,
    options: &WatchOptions,
) -> Result<End, CliError> {
    let mut feed = Feed::start(cluster, seen);
    let send = SendOptions { dry_run: false, field_manager: options.field_manager.clone() };
    let follow_options = FollowOptions { timeout: options.timeout, send };
    let mut progress = Progress::start(ui).of(&id.to_string());
    let mut tell = |event: Event| {
        let now = cluster.now();
        if options.events {
            print_event(ui, id, now, &event);
        }
        show(&mut progress, ui, now, &event);
        progress.tick(ui, now);
    };
    let end = rollout_kube::follow(cluster, &mut feed, machine, &follow_options, &mut tell).await;
    progress.finish(ui);
    Ok(end?)
}

fn show(progress: &mut Progress, ui: &mut Ui, now: k8s_openapi::jiff::Timestamp, event: &Event) {
    match event {
        Event::Progress(it) => {
            let [updated, total, available, old] =
                [it.updated, it.desired, it.available, it.old].map(|count| count as usize);
            progress.counts(ui, now, Counts { updated, total, available, old });
        }
        Event::Deleting { pod, why: Why::Blocks } => {
            progress.note(
                ui,
                now,
                &format!("pod {pod} blocks the set and nothing will replace it: deleting it"),
            );
        }
        Event::Deleting { pod, why: Why::OnDelete } => {
            progress.note(ui, now, &format!("deleting pod {pod}: its strategy is OnDelete"));
        }
        Event::NotDeleted { pod } => progress.note(ui, now, &format!("pod {pod} was gone already")),
        Event::ConnectionLost { error } => {
            progress.note(ui, now, &format!("the API server does not answer ({error}): trying again"));
        }
        Event::ConnectionBack => progress.note(ui, now, "the API server answers again"),
    }
}

fn print_event(ui: &mut Ui, id: &WorkloadId, now: k8s_openapi::jiff::Timestamp, event: &Event) {
    let (kind, fields): (_, Value) = match event {
        Event::Progress(it) => (
            "progress",
            json!({"state": it.state, "revision": it.revision, "desired": it.desired, "updated": it.updated,
                "ready": it.ready, "available": it.available, "old": it.old}),
        ),
        Event::Deleting { pod, why } => {
            let why = match why {
                Why::Blocks => "blocks",
                Why::OnDelete => "on-delete",
            };
            ("deleting", json!({"pod": pod, "why": why}))
        }
        Event::NotDeleted { pod } => ("not-deleted", json!({"pod": pod})),
        Event::ConnectionLost { error } => ("connection-lost", json!({"error": error})),
        Event::ConnectionBack => ("connection-back", json!({})),
    };
    output::print_event(ui, &documents::event(id, kind, now, fields));
}

/// Returns the sentence and the exit code of an ending; `held_ok` makes being held a success.
pub fn ending(end: &End, id: &WorkloadId, held_ok: bool) -> (Exit, String) {
    let name = format!("{} {:?}", id.kind.words(), id.name);
    match &end.ending {
        None => (Exit::TimedOut, "error: timed out waiting for the condition".to_string()),
        Some(Ending::Complete) => (Exit::Done, format!("{name} successfully rolled out")),
        Some(Ending::Held(hold)) => {
            let exit = if held_ok { Exit::Done } else { Exit::Held };
            (exit, format!("held: {}", held(*hold, end.snapshot.as_deref())))
        }
        Some(Ending::Failed) => (Exit::RolloutFailed, format!("error: the rollout of {name} failed")),
        Some(Ending::Superseded) => {
            (Exit::Superseded, format!("error: somebody rolled out something else to {name} meanwhile"))
        }
        Some(Ending::Gone) => (Exit::Failed, "error: object has been deleted".to_string()),
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
