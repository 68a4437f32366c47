//! The table of `status`: a row a workload, the worst first, once or for as long as somebody watches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kubectl_terminal::duration;
use kubectl_terminal::forms::OutputForm;
use kubectl_terminal::table::{Cell, Column, Table};
use kubectl_terminal::{Style, Ui};
use rollout_core::judge::{Progress, State, evaluate};
use rollout_core::objects::ApiObject;
use rollout_core::snapshot::Patience;
use rollout_core::{RevisionNumber, Snapshot, Workload, WorkloadId};
use rollout_kube::{Cluster, Fleet, Reader, Wanted};
use serde_json::Value;
use tokio::time::Instant;

use crate::call::{CliError, Session};
use crate::follow::{LiveDocuments, LiveRow, LiveTable, live_fleet};
use crate::say::{self, documents};
use crate::targets::together::AT_ONCE;

/// How often it is looked anew for what keeps a workload from getting on while nothing of it changes: what is said in events
/// is not watched, and some things become true by the time alone.
const LOOK: Duration = Duration::from_secs(10);

/// Below how many columns there is no room for whole kinds.
const NARROW: usize = 80;

/// What is shown of a workload.
#[derive(Clone, Debug)]
pub(super) struct Row {
    id: WorkloadId,
    state: State,
    revision: Option<RevisionNumber>,
    updated: u32,
    desired: u32,
    since: Option<Timestamp>,
    cause: Option<&'static str>,
}

impl Row {
    pub(super) fn of(snapshot: &Snapshot, progress: &Progress) -> Row {
        Row {
            id: snapshot.workload.id.clone(),
            state: progress.state,
            revision: progress.revision,
            updated: progress.updated,
            desired: progress.desired,
            since: snapshot.target().and_then(|target| target.live_since),
            cause: progress.causes.iter().next().map(|cause| cause.id.as_str()),
        }
    }

    fn name(&self) -> String {
        self.id.to_string()
    }

    /// The worst first.
    fn rank(&self) -> impl Ord + use<> {
        let rank = match self.state {
            State::Failed => 0,
            State::Stalled => 1,
            State::Unobserved => 2,
            State::Advancing => 3,
            State::Held => 4,
            State::Complete => 5,
        };
        (rank, self.id.namespace.clone(), self.id.kind, self.id.name.clone())
    }

    /// What it says, but for its age.
    fn said(&self) -> String {
        let Row { id: _, state, revision, updated, desired, since, cause } = self;
        format!("{state:?} {revision:?} {updated} {desired} {since:?} {cause:?}")
    }
}

/// Lays the rows out, the worst first.
pub(super) fn table(ui: &Ui, rows: &mut [Row], now: Timestamp, wide: bool, namespaces: bool) -> Table {
    let narrow = ui.width().is_some_and(|width| width < NARROW);
    rows.sort_by_cached_key(Row::rank);
    let mut columns: Vec<Column<'_, Row>> = Vec::new();
    if namespaces {
        columns.push(Column::new("NAMESPACE", |it: &Row| it.id.namespace.clone()).flexible());
    }
    columns.extend([
        Column::new("NAME", move |it: &Row| match narrow {
            true => format!("{}/{}", it.id.kind.short(), it.id.name),
            false => it.name(),
        })
        .flexible(),
        Column::new("STATE", |it: &Row| state(it.state)),
        Column::new("REVISION", |it: &Row| RevisionNumber::or(it.revision, "<none>")),
        Column::new("UPDATED", |it: &Row| format!("{}/{}", it.updated, it.desired)),
        Column::new("AGE", move |it: &Row| {
            it.since.map_or_else(|| "<unknown>".to_string(), |since| duration::age(since, now))
        }),
        Column::new("CAUSE", |it: &Row| it.cause.unwrap_or("<none>")).flexible(),
    ]);
    Table::of(&columns, rows.iter(), wide)
}

fn state(state: State) -> Cell {
    let cell = Cell::new(state.as_str());
    match state {
        State::Failed => cell.styled(Style::Bad),
        State::Stalled | State::Held => cell.styled(Style::Warn),
        State::Unobserved | State::Advancing | State::Complete => cell,
    }
}

/// How a table is watched.
pub(super) struct Watching<'a> {
    /// How it is printed.
    pub(super) form: &'a OutputForm,
    /// Whether its headers are left out.
    pub(super) no_headers: bool,
    /// Whether documents are told with what became of them.
    pub(super) events: bool,
    /// For how long at most.
    pub(super) limit: Option<Duration>,
    /// The name that the plugin was called by.
    pub(super) called: String,
    /// How patient it is with what may pass by itself.
    pub(super) patience: Patience,
}

/// What is known of a workload that is watched.
#[derive(Default)]
struct Known {
    reader: Reader,
    at: Option<Instant>,
    shown: Option<(Row, Option<Value>)>,
}

impl Known {
    /// What is complete stays so until something of it changes.
    fn is_due(&self) -> bool {
        let complete = self.shown.as_ref().is_some_and(|(row, _)| row.state == State::Complete);
        !complete && self.at.is_none_or(|at| at.elapsed() >= LOOK)
    }
}

/// Watches workloads: new ones come, deleted ones go.
pub(super) async fn watch(
    session: &mut Session,
    cluster: &Cluster,
    wanted: Wanted,
    watching: &Watching<'_>,
) -> Result<(), CliError> {
    let fleet: Fleet<Workload, ApiObject> = Fleet::start(cluster, wanted, true);
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let (mut live, mut documents) = (LiveTable::default(), LiveDocuments::default());
    let show = async |session: &mut Session, fleet: &mut Fleet<Workload, ApiObject>| {
        look(cluster, fleet, &mut known, watching).await;
        let shown = known.values().filter_map(|it| it.shown.as_ref());
        if !watching.form.is_human() {
            let all = shown.filter_map(|(row, document)| Some((row.id.uid.clone(), document.clone()?)));
            let all = all.collect();
            return Ok(documents.show(&mut session.ui, watching.form, watching.events, all)?);
        }
        let mut rows: Vec<Row> = shown.map(|(row, _)| row.clone()).collect();
        let spans = session.spans();
        let table = table(&session.ui, &mut rows, cluster.now(), watching.form.is_wide(), spans);
        let table = table.no_headers(watching.no_headers);
        let key = |row: &Row| if spans { format!("{}   {}", row.id.namespace, row.id) } else { row.name() };
        let rows = rows.iter().map(|row| LiveRow { key: key(row), state: row.said() }).collect();
        let gone = |key: &str| Some(format!("{key}   gone"));
        live.show(&mut session.ui, None, &table, rows, gone);
        Ok(())
    };
    live_fleet(session, fleet, watching.limit, show).await
}

/// Looks at what has changed, several at a time, and forgets what is gone.
async fn look(
    cluster: &Cluster,
    fleet: &mut Fleet<Workload, ApiObject>,
    known: &mut BTreeMap<String, Known>,
    watching: &Watching<'_>,
) {
    let changed = fleet.changed();
    let there: BTreeSet<&str> = fleet.workloads().map(|it| it.id.uid.as_str()).collect();
    known.retain(|uid, _| there.contains(uid.as_str()));
    for uid in there {
        if !known.contains_key(uid) {
            let reader = Reader::new(BTreeSet::new(), watching.patience);
            known.insert(uid.to_string(), Known { reader, ..Known::default() });
        }
    }
    let due = known.iter_mut().filter(|(uid, it)| changed.contains(*uid) || it.is_due());
    let fleet = &*fleet;
    let looks = due.map(|(uid, it)| async move {
        let Some(mut snapshot) = fleet.snapshot(uid) else { return };
        it.reader.look(cluster, &mut snapshot).await;
        it.at = Some(Instant::now());
        let progress = evaluate(&snapshot);
        let id = &snapshot.workload.id;
        let document = (!watching.form.is_human()).then(|| {
            let hint = hint(&snapshot, &progress, &watching.called);
            documents::about(id, documents::Status::of(&snapshot, &progress, hint.as_deref()))
        });
        it.shown = Some((Row::of(&snapshot, &progress), document));
    });
    stream::iter(looks).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Returns what would help.
pub(super) fn hint(snapshot: &Snapshot, progress: &Progress, called: &str) -> Option<String> {
    let held = progress.hold.filter(|_| progress.state == State::Held);
    let way_on = held.map(|hold| say::ending::way_on(hold, snapshot));
    way_on.or_else(|| failed_hint(snapshot, progress, called))
}

fn failed_hint(snapshot: &Snapshot, progress: &Progress, called: &str) -> Option<String> {
    let id = &snapshot.workload.id;
    if progress.state != State::Failed {
        return None;
    }
    if let Some(ways) = say::ending::ways_on_in_steps(snapshot) {
        return Some(ways);
    }
    let stuck = progress.causes.iter().any(|cause| cause.id.is_stuck());
    match progress.revision.filter(|_| stuck) {
        Some(number) => {
            Some(format!("to free it: {called} undo {id} --to-revision {number} -n {}", id.namespace))
        }
        None => (snapshot.history.len() > 1 && progress.causes.is_old_better())
            .then(|| format!("to go back: {called} undo {id} -n {}", id.namespace)),
    }
}
