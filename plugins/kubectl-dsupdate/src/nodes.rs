//! `nodes`: what runs on each node of a DaemonSet, and why a node is not updated or not ready.

use std::collections::BTreeMap;

use clap::Args;
use k8s_openapi::jiff::Timestamp;
use kubectl_terminal::forms::{OutputArgs, OutputForm};
use kubectl_terminal::table::{Cell, Column, Table};
use kubectl_terminal::{Style, Ui, duration, escape};
use plugin_kit::call::{CliError, Exit, Session};
use plugin_kit::follow::{LiveRow, LiveTable, live, one_alone};
use plugin_kit::say::{self, Reports, documents};
use plugin_kit::targets::{IgnoreArgs, TargetArgs, VerbMode, together};
use rollout_core::objects::few;
use rollout_core::plan::steps;
use rollout_core::stored::{Phase, Stored};
use rollout_core::view::nodes::{NodeRow, Nodes, NodesId, Share, Trouble};
use rollout_core::view::ordinals;
use rollout_core::{RevisionNumber, Snapshot, Workload, WorkloadId};
use rollout_kube::Depth;
use serde_json::Value;

/// The examples with which its help starts.
pub const EXAMPLES: (&str, &str) = (
    "nodes",
    "\
Examples:
  {me} nodes {target}            # which revision runs where
  {me} nodes {target} --behind   # only what is not updated
  {me} nodes {target} --by topology.kubernetes.io/zone
  {me} nodes {target} -w         # watch it",
);

/// The arguments of `nodes`.
#[derive(Args, Debug)]
pub struct NodesArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    ignore: IgnoreArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Show only the nodes that are not updated
    #[arg(long)]
    behind: bool,
    /// Group the nodes by the values of a label
    #[arg(long, value_name = "LABEL")]
    by: Option<String>,
    /// Watch: draw the table anew on a terminal, print the rows that change elsewhere
    #[arg(short, long)]
    watch: bool,
}

/// Runs `nodes`.
pub async fn run(args: NodesArgs, session: &mut Session) -> Result<Exit, CliError> {
    let form = session.form(&args.output, &[])?;
    if args.by.as_deref() == Some("") {
        return Err(CliError::usage("--by needs a label"));
    }
    if args.watch && !form.is_human() {
        return Err(CliError::usage("--watch shows a table; a document is printed once, without --watch"));
    }
    let found = session.find_or::<Workload>(&args.targets, VerbMode::Reading, args.ignore.missing()).await?;
    let view = View { form: &form, args: &args, called: session.called() };
    let cluster = session.cluster().await?;
    if args.watch {
        let missing = Exit::worst_of(found.exits.iter().copied());
        if let Some(workload) = one_alone(found)? {
            let mut table = LiveTable::default();
            let show = async |session: &mut Session, snapshot: Snapshot| {
                show_again(&mut table, &mut session.ui, &view, &snapshot)
            };
            live(session, &cluster, workload, Depth::Nodes, show).await?;
        }
        return Ok(missing);
    }
    let mut reports = Reports::new(session, &form, found.exits);
    reports.ignores(args.ignore);
    let ui = &mut reports.session.ui;
    let seen = together::seen(ui, &cluster, found.workloads, found.whole.as_ref(), |_| Depth::Nodes).await;
    for (index, (id, seen)) in seen.into_iter().enumerate() {
        let snapshot = seen.map(|seen| seen.into_snapshot(cluster.now())).map_err(CliError::from);
        match snapshot.and_then(|it| view.show(&mut reports.session.ui, &it, index > 0)) {
            Ok(document) => document.into_iter().for_each(|it| reports.document(it)),
            Err(error) => reports.failed(&error.about(&id)),
        }
    }
    reports.answer(found.single)
}

/// How the nodes are shown.
struct View<'a> {
    form: &'a OutputForm,
    args: &'a NodesArgs,
    called: String,
}

impl View<'_> {
    /// Prints them, or returns their document.
    fn show(&self, ui: &mut Ui, snapshot: &Snapshot, next: bool) -> Result<Option<Value>, CliError> {
        let nodes = self.nodes(snapshot)?;
        if let Some(warning) = hidden_nodes(snapshot) {
            ui.warn(&warning);
        }
        let rows: Vec<&NodeRow<'_>> = self.shown(&nodes).collect();
        if *self.form == OutputForm::Name {
            say::print_names(ui, "node", rows.iter().map(|row| row.node));
            return Ok(None);
        }
        if !self.form.is_human() {
            let document = documents::Nodes::of(snapshot, &nodes, &rows, hidden_nodes(snapshot));
            return Ok(Some(documents::about(&snapshot.workload.id, document)));
        }
        if next {
            ui.line("");
        }
        for line in self.summary(snapshot, &nodes) {
            ui.line(&line);
        }
        self.table(&rows, snapshot.now).no_headers(self.args.output.no_headers).print(ui);
        if rows.is_empty() && !nodes.rows.is_empty() {
            ui.note("No node is behind.");
        }
        Ok(None)
    }

    fn nodes<'s>(&self, snapshot: &'s Snapshot) -> Result<Nodes<'s>, CliError> {
        let WorkloadId { namespace, .. } = &snapshot.workload.id;
        let at = format!("{} in namespace {namespace}", snapshot.workload.id);
        let hidden =
            || CliError::failed(format!("the pods of {at} may not be listed, and its nodes go by them"));
        let by = self.args.by.as_deref();
        let nodes = Nodes::of(snapshot, by).ok_or_else(hidden)?;
        match by {
            Some(_) if snapshot.nodes.is_none() => {
                Err(CliError::failed("the nodes may not be listed, and --by goes by their labels"))
            }
            Some(label) if !nodes.rows.is_empty() && nodes.rows.iter().all(|row| row.group.is_none()) => {
                Err(CliError::failed(format!("no node of {at} has the label {label:?}")))
            }
            Some(_) | None => Ok(nodes),
        }
    }

    fn shown<'n, 's>(&self, nodes: &'n Nodes<'s>) -> impl Iterator<Item = &'n NodeRow<'s>> {
        let behind = self.args.behind;
        nodes.rows.iter().filter(move |row| !behind || !row.updated)
    }

    /// Returns what is said above the table, a line each.
    fn summary(&self, snapshot: &Snapshot, nodes: &Nodes<'_>) -> Vec<String> {
        let total = nodes.rows.len();
        let mut lines = vec![snapshot.workload.id.qualified()];
        lines.extend(nodes.revisions.iter().map(|share| share_line(share, total)));
        if nodes.without_pod > 0 {
            lines.push(format!("no pod: {} of {total} nodes", nodes.without_pod));
        }
        if total == 0 {
            lines.push("no node: the template places no pod anywhere".to_string());
        }
        if let Some(label) = &self.args.by {
            lines.extend(group_lines(label, nodes));
        }
        lines.extend(rollout_lines(snapshot, &self.called));
        if !nodes.outside.is_empty() {
            lines.push(format!("{}: {}", NodesId::OutsideStep.as_str(), ordinals::outside(&nodes.outside)));
        }
        lines.extend(nodes.blocked.iter().map(|(why, names)| format!("blocked: {}: {why}", few(names))));
        let tainted = nodes.tainted.iter();
        lines
            .extend(tainted.map(|(taint, names)| {
                format!("no pod belongs on {}: untolerated taint {taint}", few(names))
            }));
        lines.iter().map(|line| escape::inline(line).into_owned()).collect()
    }

    fn table<'r, 's: 'r>(&self, rows: &[&'r NodeRow<'s>], now: Timestamp) -> Table {
        let header =
            self.args.by.as_deref().map(|label| label.rsplit('/').next().unwrap_or(label).to_uppercase());
        let text = |text: Option<&str>| text.unwrap_or("<none>").to_string();
        let mut columns: Vec<Column<'_, NodeRow<'s>>> =
            vec![Column::new("NODE", |it: &NodeRow<'_>| it.node).flexible()];
        if let Some(header) = &header {
            columns.push(Column::new(header, move |it: &NodeRow<'_>| text(it.group)).flexible());
        }
        columns.extend([
            Column::new("REVISION", |it: &NodeRow<'_>| RevisionNumber::or(it.revision, "<none>")),
            Column::new("UPDATED", |it: &NodeRow<'_>| yes(it.updated)),
            Column::new("READY", |it: &NodeRow<'_>| yes(it.ready)),
            Column::new("REASON", |it: &NodeRow<'_>| reason(it)).flexible(),
            Column::new("POD", move |it: &NodeRow<'_>| text(it.pod.map(|pod| pod.name.as_str()))).wide(),
            Column::new("RESTARTS", |it: &NodeRow<'_>| it.pod.map_or(0, |pod| pod.restarts())).wide(),
            Column::new("AGE", move |it: &NodeRow<'_>| {
                let since = it.pod.and_then(|pod| pod.created);
                since.map_or_else(|| "<none>".to_string(), |since| duration::age(since, now))
            })
            .wide(),
            Column::new("IMAGES", |it: &NodeRow<'_>| images(it)).wide(),
        ]);
        Table::of(&columns, rows.iter().copied(), self.form.is_wide())
    }
}

fn share_line(share: &Share, total: usize) -> String {
    let Share { revision, nodes, ready } = share;
    let revision = match revision {
        Some(number) => format!("revision {number}"),
        None => "a revision that is not recorded".to_string(),
    };
    let not_ready = nodes - ready;
    let unready = if not_ready > 0 { format!(", {not_ready} not ready") } else { String::new() };
    format!("{revision}: {nodes} of {total} nodes{unready}")
}

fn group_lines(label: &str, nodes: &Nodes<'_>) -> Vec<String> {
    let mut groups: BTreeMap<(bool, Option<&str>), (usize, usize)> = BTreeMap::new();
    for row in &nodes.rows {
        let (updated, total) = groups.entry((row.group.is_none(), row.group)).or_default();
        *updated += usize::from(row.updated);
        *total += 1;
    }
    let line = |((_, value), (updated, total)): ((bool, Option<&str>), (usize, usize))| {
        let named = value.map_or_else(|| format!("no {label}"), |value| format!("{label}={value}"));
        format!("{named}: {updated} of {total} nodes updated")
    };
    groups.into_iter().map(line).collect()
}

/// What is stored of a rollout in steps.
fn rollout_lines(snapshot: &Snapshot, called: &str) -> Vec<String> {
    let stored = match Stored::read(&snapshot.workload) {
        Ok(stored) => stored,
        Err(error) => return vec![error.to_string()],
    };
    let Some(Stored { rollout, paused_strategy, .. }) = stored else { return Vec::new() };
    let Some(rollout) = rollout else {
        let resume = format!("paused: {called} resume {} lets it go on", snapshot.workload.id.name);
        return paused_strategy.map(|_| resume).into_iter().collect();
    };
    if steps::is_superseded(snapshot) {
        let ways = say::ending::ways_on_in_steps(snapshot);
        return say::ending::held_in_steps(snapshot).into_iter().chain(ways).collect();
    }
    let mut lines = vec![rollout.under_way(snapshot).to_string()];
    let what = if rollout.phase == Phase::Paused { "it was held up" } else { "it failed" };
    lines.extend(rollout.failure.as_ref().map(|why| format!("{what}: {why}")));
    lines
}

/// Returns what is to be known where the nodes may not be read.
fn hidden_nodes(snapshot: &Snapshot) -> Option<String> {
    snapshot.nodes.is_none().then(|| {
        "the nodes may not be listed: only those with a pod are shown, and what keeps pods away is not seen".to_string()
    })
}

fn yes(it: bool) -> Cell {
    Cell::new(if it { "yes" } else { "no" })
}

fn reason(row: &NodeRow<'_>) -> Cell {
    let cell = Cell::new(row.reason.as_deref().unwrap_or("<none>"));
    match row.trouble {
        Trouble::Blocked(_) | Trouble::Failing => cell.styled(Style::Bad),
        Trouble::Unready => cell.styled(Style::Warn),
        Trouble::Behind | Trouble::Fine => cell,
    }
}

fn images(row: &NodeRow<'_>) -> String {
    let containers = row.pod.into_iter().flat_map(|pod| &pod.containers);
    containers.map(|it| format!("{}={}", it.name, it.image)).collect::<Vec<_>>().join(",")
}

/// Shows nodes that are watched.
fn show_again(
    live: &mut LiveTable,
    ui: &mut Ui,
    view: &View<'_>,
    snapshot: &Snapshot,
) -> Result<(), CliError> {
    let nodes = view.nodes(snapshot)?;
    let rows: Vec<&NodeRow<'_>> = view.shown(&nodes).collect();
    let mut head = Vec::new();
    if ui.can_redraw() {
        head.extend(hidden_nodes(snapshot));
    } else if live.is_new() {
        hidden_nodes(snapshot).iter().for_each(|warning| ui.warn(warning));
    }
    head.extend(view.summary(snapshot, &nodes));
    let table = view.table(&rows, snapshot.now).no_headers(view.args.output.no_headers);
    let said = rows.iter().map(|row| LiveRow { key: row.node.to_string(), state: state(row) }).collect();
    let why = if view.args.behind { "no longer behind" } else { "gone" };
    live.show(ui, head, &table, said, |node| Some(format!("{node}   {why}")));
    Ok(())
}

/// What a row says, but for what passes with the time.
fn state(row: &NodeRow<'_>) -> String {
    let NodeRow { node: _, group, pod, revision, updated, ready, reason, trouble } = row;
    let counts_down = *trouble == Trouble::Unready && *ready;
    let reason = reason.as_ref().filter(|_| !counts_down);
    let pod = pod.map(|pod| (&pod.name, pod.restarts()));
    format!("{group:?} {pod:?} {revision:?} {updated} {ready} {reason:?} {counts_down}")
}
