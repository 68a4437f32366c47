//! `timeline`: what was rolled out lately, in all workloads at once.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kubectl_terminal::duration::{self, Moment};
use kubectl_terminal::forms::{self, OutputArgs, OutputForm};
use kubectl_terminal::table::{Column, Table};
use plugin_kit::call::{CliError, Exit, Session};
use plugin_kit::follow::{LiveDocuments, LiveRow, LiveTable, live_fleet};
use plugin_kit::say::changes::began_with;
use plugin_kit::say::documents;
use plugin_kit::targets::together::{self, AT_ONCE};
use plugin_kit::targets::{Found, IgnoreArgs, TargetArgs, VerbMode};
use rollout_core::history::RevisionMetadata;
use rollout_core::template::diff::{Change, summary};
use rollout_core::view::timeline::{Entry, EntryState, Outline, Timeline};
use rollout_core::{Kind, Revision, RevisionNumber, WorkloadId};
use rollout_kube::{Cluster, Fleet, Scope, Wanted};

/// How many entries are shown where nobody says how many.
const SHOWN: usize = 50;
/// How many entries' templates are held in memory at once.
const TEMPLATES: usize = 50;

/// The examples with which its help starts.
pub const EXAMPLES: (&str, &str) = (
    "timeline",
    "\
Examples:
  {me} timeline                        # what was rolled out lately
  {me} timeline -A --since 2h          # in the whole cluster
  {me} timeline {target} --limit 0   # all that is recorded of it",
);

/// The arguments of `timeline`.
#[derive(Args, Debug)]
pub struct TimelineArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    ignore: IgnoreArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Show what went live since a time such as 2026-01-31T14:00:00Z, or so long back, e.g. 24h
    #[arg(long, value_name = "TIME", value_parser = duration::moment)]
    since: Option<Moment>,
    /// Show the newest N entries; 0 shows all. By default 50, or all since --since
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Watch: draw the table anew on a terminal, print what is new and what changes elsewhere
    #[arg(short, long)]
    watch: bool,
}

/// Runs `timeline`.
pub async fn run(args: TimelineArgs, session: &mut Session) -> Result<Exit, CliError> {
    let TimelineArgs { targets, ignore, output, since, limit, watch } = args;
    let form = session.form(&output, &[])?;
    let mut found: Found<Outline> =
        session.find_or(&everything(targets), VerbMode::Reading, ignore.missing()).await?;
    let cluster = session.cluster().await?;
    let since = since.map(|moment| moment.before(cluster.now()));
    let limit = match (limit, since) {
        (Some(0), _) | (None, Some(_)) => None,
        (Some(limit), _) => Some(limit),
        (None, None) => Some(SHOWN),
    };
    if watch {
        let missing = Exit::worst_of(found.exits.iter().copied());
        if let Some(wanted) = found.to_watch() {
            let watching = Watching { form: &form, no_headers: output.no_headers, since, limit };
            watching.watch(session, &cluster, wanted).await?;
        }
        return Ok(missing);
    }
    let (mut exits, all_namespaces, any) = (found.exits, found.all_namespaces, !found.workloads.is_empty());
    let timeline = read(session, &cluster, found.workloads, found.whole.as_ref(), &mut exits).await?;
    let shown = timeline.shown(since, limit);
    let lines = lines(session, &cluster, &timeline, &shown.entries, &mut exits).await?;
    if form.is_human() {
        let table = table(&lines, cluster.now(), all_namespaces, form.is_wide());
        table.no_headers(output.no_headers).print(&mut session.ui);
    } else if any || exits.is_empty() && !ignore.ignore_not_found {
        let entries = lines.iter().map(Line::document).collect();
        forms::print_document(&mut session.ui, &documents::Timeline::document(entries), &form)?;
        session.answered();
    }
    let ui = &mut session.ui;
    if lines.is_empty() && any && exits.is_empty() {
        ui.note(match since {
            Some(_) => "Nothing was rolled out since then.",
            None => "No rollout history found.",
        });
    }
    if shown.left_out > 0 {
        ui.note(&left_out(shown.left_out));
    }
    if let Some(newest) = lines.first().filter(|line| form.is_human() && line.can_be_undone) {
        let (called, id) = (session.called(), newest.id);
        session.ui.hint(&format!("to undo the newest: {called} undo {id} -n {}", id.namespace));
    }
    Ok(Exit::worst_of(exits))
}

fn left_out(count: usize) -> String {
    let are = if count == 1 { "one is" } else { "ones are" };
    format!("{count} older {are} not shown: --since TIME or --limit N, 0 for all")
}

/// Without any word all three kinds are meant.
fn everything(mut targets: TargetArgs) -> TargetArgs {
    let TargetArgs { targets: words, selector, all_namespaces: _, all, files } = &targets;
    targets.all |= words.is_empty()
        && selector.is_none()
        && !*all
        && files.filename.is_empty()
        && files.kustomize.is_none();
    targets
}

/// Reads the numbers and times of all revisions; what may not be read is reported and left out.
async fn read(
    session: &mut Session,
    cluster: &Cluster,
    workloads: Vec<Outline>,
    scope: Option<&Scope>,
    exits: &mut Vec<Exit>,
) -> Result<Timeline, CliError> {
    let mut lists: Vec<(Kind, Scope, Option<String>)> = Vec::new();
    match scope.filter(|_| workloads.len() > AT_ONCE) {
        Some(scope) => {
            let has = |kinds: &[Kind]| workloads.iter().any(|it| kinds.contains(&it.id.kind));
            // Sets of both kinds have the same objects for revisions.
            let kinds: [&[Kind]; 2] = [&[Kind::Deployment], &[Kind::DaemonSet, Kind::StatefulSet]];
            lists.extend(
                kinds.into_iter().filter(|kinds| has(kinds)).map(|kinds| (kinds[0], scope.clone(), None)),
            );
        }
        None => lists.extend(
            workloads
                .iter()
                .map(|it| (it.id.kind, Scope::Namespace(it.id.namespace.clone()), Some(it.selector.clone()))),
        ),
    }
    let timeline = RefCell::new(Timeline::new(workloads));
    let list = async |(kind, scope, selector): (Kind, Scope, Option<String>)| {
        cluster.records(kind, &scope, selector.as_deref(), |record| timeline.borrow_mut().add(record)).await
    };
    let reads = together::all(&mut session.ui, lists.into_iter().map(list).collect()).await;
    for error in reads.into_iter().filter_map(Result::err) {
        let error = CliError::from(error);
        session.report(&error);
        exits.push(error.exit);
    }
    let mut timeline = timeline.into_inner();
    timeline.arrange();
    Ok(timeline)
}

/// One line of the table, or one entry of the document.
struct Line<'a> {
    id: &'a WorkloadId,
    entry: &'a Entry,
    state: EntryState,
    can_be_undone: bool,
    told: Told,
}

/// What only the object itself tells of a revision.
#[derive(Clone, Default)]
struct Told {
    cause: Option<String>,
    /// What it changed; none for the first one and where a template may not be read or is gone.
    changes: Option<Vec<Change>>,
    changed: Option<String>,
}

async fn lines<'a>(
    session: &mut Session,
    cluster: &Cluster,
    timeline: &'a Timeline,
    shown: &[usize],
    exits: &mut Vec<Exit>,
) -> Result<Vec<Line<'a>>, CliError> {
    let mut told = HashMap::new();
    if let Err(error) = read_templates(cluster, timeline, shown, &mut told).await {
        session.report(&error);
        exits.push(error.exit);
    }
    Ok(lines_of(timeline, shown, told))
}

/// Reads what only the objects themselves tell of some entries, as far as that goes.
async fn read_templates(
    cluster: &Cluster,
    timeline: &Timeline,
    shown: &[usize],
    told: &mut HashMap<usize, Told>,
) -> Result<(), CliError> {
    // Neighbours of one workload next to each other: each is the one before the next.
    let mut order = shown.to_vec();
    order.sort_unstable();
    for some in order.chunks(TEMPLATES) {
        let revisions = revisions(cluster, timeline, some).await?;
        told.extend(some.iter().map(|index| (*index, tell(timeline, &revisions, *index))));
    }
    Ok(())
}

fn lines_of<'a>(timeline: &'a Timeline, shown: &[usize], mut told: HashMap<usize, Told>) -> Vec<Line<'a>> {
    shown
        .iter()
        .map(|&index| {
            let state = timeline.state(index);
            Line {
                id: &timeline.workload(index).id,
                entry: timeline.entry(index),
                state,
                can_be_undone: state != EntryState::Old && timeline.before(index).is_some(),
                told: told.remove(&index).unwrap_or_default(),
            }
        })
        .collect()
}

/// Reads the objects of some entries, and of those before them, a few at a time.
async fn revisions(
    cluster: &Cluster,
    timeline: &Timeline,
    some: &[usize],
) -> Result<HashMap<usize, Revision>, kube::Error> {
    let wanted: BTreeSet<usize> =
        some.iter().flat_map(|&index| [Some(index), timeline.before(index)]).flatten().collect();
    stream::iter(wanted)
        .map(|index| async move {
            let WorkloadId { kind, namespace, name: _, uid: _ } = &timeline.workload(index).id;
            let revision = cluster.revision(*kind, namespace, &timeline.entry(index).name).await?;
            Ok(revision.map(|revision| (index, revision)))
        })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|revision| async { Ok(revision) })
        .try_collect()
        .await
}

fn tell(timeline: &Timeline, revisions: &HashMap<usize, Revision>, index: usize) -> Told {
    let Some(revision) = revisions.get(&index) else { return Told::default() };
    let before = timeline.before(index);
    let changes = before.and_then(|before| revision.changes_since(revisions.get(&before)?));
    let changed = match (&changes, before) {
        (Some(changes), _) => Some(summary(changes)),
        (None, None) => Some(began_with(revision)),
        (None, Some(_)) => None,
    };
    Told { cause: revision.change_cause.clone(), changes, changed }
}

/// How a timeline is watched.
struct Watching<'a> {
    form: &'a OutputForm,
    no_headers: bool,
    since: Option<Timestamp>,
    limit: Option<usize>,
}

impl Watching<'_> {
    async fn watch(self, session: &mut Session, cluster: &Cluster, wanted: Wanted) -> Result<(), CliError> {
        let fleet: Fleet<Outline, RevisionMetadata> = Fleet::start(cluster, wanted, false);
        let mut shown = Shown {
            timeline: None,
            told: HashMap::new(),
            table: LiveTable::default(),
            documents: LiveDocuments::of_the_past(),
        };
        let show = async |session: &mut Session, fleet: &mut Fleet<Outline, RevisionMetadata>| {
            shown.show(session, cluster, &self, fleet).await
        };
        live_fleet(session, fleet, None, show).await
    }
}

/// What was shown last of a timeline that is watched.
struct Shown {
    timeline: Option<Timeline>,
    /// What was read of the entries that are shown, by what they are.
    told: HashMap<String, Told>,
    table: LiveTable,
    documents: LiveDocuments,
}

impl Shown {
    async fn show(
        &mut self,
        session: &mut Session,
        cluster: &Cluster,
        watching: &Watching<'_>,
        fleet: &mut Fleet<Outline, RevisionMetadata>,
    ) -> Result<(), CliError> {
        if !fleet.changed().is_empty() || self.timeline.is_none() {
            let mut timeline = Timeline::new(fleet.workloads().cloned().collect());
            let records = fleet.workloads().flat_map(|it| fleet.revisions(&it.id));
            records.for_each(|record| timeline.add(record.clone()));
            timeline.arrange();
            self.timeline = Some(timeline);
        }
        let Some(timeline) = &self.timeline else { return Ok(()) };
        let shown = timeline.shown(watching.since, watching.limit).entries;
        let told = told_of(session, cluster, timeline, &shown, &mut self.told).await;
        let lines = lines_of(timeline, &shown, told);
        let ui = &mut session.ui;
        if watching.form.is_human() {
            let table = table(&lines, cluster.now(), session.spans(), watching.form.is_wide());
            let table = table.no_headers(watching.no_headers);
            // What a limit leaves out, or a controller cleans up, was there nevertheless.
            self.table.show(&mut session.ui, None, &table, lines.iter().map(Line::row).collect(), |_| None);
        } else {
            // Each entry alone, the oldest first: what comes is behind what was.
            let document = |it: &Line<'_>| (it.key(), documents::Timeline::document(vec![it.document()]));
            self.documents.show(ui, watching.form, false, lines.iter().rev().map(document).collect())?;
        }
        Ok(())
    }
}

/// Returns what only the objects tell of some entries; what was read before, or may not be read, is not read again.
async fn told_of(
    session: &mut Session,
    cluster: &Cluster,
    timeline: &Timeline,
    shown: &[usize],
    known: &mut HashMap<String, Told>,
) -> HashMap<usize, Told> {
    let key = |index: usize| key(&timeline.workload(index).id, timeline.entry(index));
    let unread: Vec<usize> =
        shown.iter().copied().filter(|index| !known.contains_key(&key(*index))).collect();
    let mut told = HashMap::new();
    // When they went live, and how far they are, is worth knowing without it.
    if let Err(error) = read_templates(cluster, timeline, &unread, &mut told).await {
        session.report(&error);
    }
    let mut now: HashMap<String, Told> = HashMap::new();
    for &index in shown {
        let told = told.entry(index).or_insert_with(|| known.remove(&key(index)).unwrap_or_default());
        now.insert(key(index), told.clone());
    }
    *known = now;
    told
}

/// Tells an entry from all others: a revision that came back has another number.
fn key(id: &WorkloadId, entry: &Entry) -> String {
    format!("{} {} {:?}", id.uid, entry.name, entry.number)
}

impl Line<'_> {
    fn key(&self) -> String {
        key(self.id, self.entry)
    }

    fn row(&self) -> LiveRow {
        let state = format!("{:?} {:?} {:?}", self.state, self.told.cause, self.entry.since);
        LiveRow { key: self.key(), state }
    }

    fn document(&self) -> documents::Entry<'_> {
        let Told { cause, changes, changed: _ } = &self.told;
        documents::Entry::of(self.id, self.entry, self.state, cause.as_deref(), changes.as_deref())
    }
}

fn table(lines: &[Line<'_>], now: Timestamp, namespaces: bool, wide: bool) -> Table {
    let or = |text: Option<&str>, none: &str| text.unwrap_or(none).to_string();
    let time = |line: &Line<'_>| line.entry.since.map(|at| at.to_string());
    let mut columns: Vec<Column<'_, Line<'_>>> = vec![
        Column::new("AGE", |it: &Line<'_>| {
            or(it.entry.since.map(|since| duration::age(since, now)).as_deref(), "<unknown>")
        }),
        Column::new("TIME", move |it: &Line<'_>| or(time(it).as_deref(), "<unknown>")).wide(),
    ];
    if namespaces {
        columns.push(Column::new("NAMESPACE", |it: &Line<'_>| it.id.namespace.clone()).flexible());
    }
    columns.extend([
        Column::new("NAME", |it: &Line<'_>| format!("{}/{}", it.id.kind.short(), it.id.name)).flexible(),
        Column::new("REVISION", |it: &Line<'_>| RevisionNumber::or(it.entry.number, "?")),
        Column::new("STATE", |it: &Line<'_>| it.state.as_str()),
        Column::new("CHANGED", move |it: &Line<'_>| or(it.told.changed.as_deref(), "<unknown>")).flexible(),
        Column::new("CHANGE-CAUSE", move |it: &Line<'_>| or(it.told.cause.as_deref(), "<none>")).flexible(),
        Column::new("OBJECT", |it: &Line<'_>| it.entry.name.to_string()).wide(),
    ]);
    Table::of(&columns, lines, wide)
}
