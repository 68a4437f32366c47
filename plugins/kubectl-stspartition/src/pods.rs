//! `pods`: a StatefulSet by ordinal, with the line where its partition is.

use clap::Args;
use kubectl_terminal::forms::{OutputArgs, OutputForm, Stream};
use kubectl_terminal::screen::Screen;
use kubectl_terminal::table::{Cell, Table};
use kubectl_terminal::{Style, Ui, duration, escape};
use plugin_kit::call::{CliError, Exit, Session};
use plugin_kit::follow::{live, one_alone};
use plugin_kit::say::{self, Reports, documents};
use plugin_kit::targets::{IgnoreArgs, TargetArgs, VerbMode, together};
use rollout_core::objects::few;
use rollout_core::plan::{Decision, partition, steps};
use rollout_core::snapshot::Patience;
use rollout_core::stored::Stored;
use rollout_core::view::ordinals::{self, OrdinalRow, Zone};
use rollout_core::{Pod, Side, Snapshot, Strategy, judge};
use rollout_kube::{Cluster, Depth, Reader};
use serde_json::Value;

/// The examples with which the help of `pods` starts.
pub const EXAMPLES: (&str, &str) = (
    "pods",
    "\
Examples:
  {me} pods {target}           # which pod is at which revision
  {me} pods {target} -w        # and again whenever that changes
  {me} pods {target} -o wide   # with nodes, restarts and images",
);

/// The arguments of `pods`.
#[derive(Args, Debug)]
pub struct PodsArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    ignore: IgnoreArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Watch: draw it anew on a terminal, print it again whenever it changes elsewhere
    #[arg(short, long)]
    watch: bool,
}

/// Runs `pods`.
pub async fn run(args: PodsArgs, session: &mut Session) -> Result<Exit, CliError> {
    let form = session.form(&args.output, &[])?;
    let found = session.find_or(&args.targets, VerbMode::Reading, args.ignore.missing()).await?;
    let cluster = session.cluster().await?;
    let view = View { form: &form, no_headers: args.output.no_headers, named: found.workloads.len() > 1 };
    if args.watch {
        let missing = Exit::worst_of(found.exits.iter().copied());
        if let Some(workload) = one_alone(found)? {
            let mut shown = Shown::default();
            let show = async |session: &mut Session, snapshot: Snapshot| {
                shown.show(session, &cluster, &view, snapshot).await
            };
            live(session, &cluster, workload, Depth::Pods, show).await?;
        }
        return Ok(missing);
    }
    let mut reports = Reports::new(session, &form, found.exits);
    reports.ignores(args.ignore);
    let ui = &mut reports.session.ui;
    let seen = together::seen(ui, &cluster, found.workloads, found.whole.as_ref(), |_| Depth::Pods).await;
    for (id, snapshot) in together::examined(ui, &cluster, seen, Patience::default()).await {
        match snapshot.map_err(CliError::from).and_then(readable) {
            Ok(snapshot) if form.is_human() => view.print(&mut reports.session.ui, &snapshot),
            Ok(snapshot) if form == OutputForm::Name => {
                say::print_names(&mut reports.session.ui, "pod", names(&snapshot));
            }
            Ok(snapshot) => reports.document(document(&snapshot)),
            Err(error) => reports.failed(&error.about(&id)),
        }
    }
    reports.answer(found.single)
}

/// Without the pods there is nothing to show, and a table of missing ones would be a lie.
fn readable(snapshot: Snapshot) -> Result<Snapshot, CliError> {
    let id = &snapshot.workload.id;
    match snapshot.pods {
        Some(_) => Ok(snapshot),
        None => {
            Err(CliError::failed(format!("the pods of {id} in namespace {} may not be listed", id.namespace)))
        }
    }
}

/// What was shown last of a set that is watched.
#[derive(Default)]
struct Shown {
    reader: Reader,
    /// On a terminal.
    screen: Screen,
    /// What was said elsewhere.
    document: Option<Value>,
    /// Documents, one after the other.
    stream: Stream,
}

impl Shown {
    async fn show(
        &mut self,
        session: &mut Session,
        cluster: &Cluster,
        view: &View<'_>,
        snapshot: Snapshot,
    ) -> Result<(), CliError> {
        let mut snapshot = readable(snapshot)?;
        self.reader.look(cluster, &mut snapshot).await;
        if view.form.is_human() && session.ui.can_redraw() {
            let lines = view.lines(&session.ui, &snapshot);
            self.screen.draw(&mut session.ui, lines);
            return Ok(());
        }
        let document = document(&snapshot);
        // An age that grows is no change.
        if self.document.as_ref() != Some(&document) {
            let changed = self.document.is_some();
            if view.form.is_human() || *view.form == OutputForm::Name {
                view.again(&mut session.ui, &snapshot, changed);
            } else {
                self.stream.print(&mut session.ui, &document, view.form)?;
            }
            self.document = Some(document);
        }
        Ok(())
    }
}

/// Those that there are, for a pipe to kubectl.
fn names(snapshot: &Snapshot) -> Vec<&str> {
    ordinals::rows(snapshot).iter().filter_map(|row| row.pod).map(|pod| pod.name.as_str()).collect()
}

fn document(snapshot: &Snapshot) -> Value {
    let (rows, notices) = (ordinals::rows(snapshot), ordinals::notices(snapshot));
    documents::about(&snapshot.workload.id, documents::Pods::of(snapshot, &rows, &notices))
}

/// How a set is shown.
struct View<'a> {
    form: &'a OutputForm,
    no_headers: bool,
    /// Whether it is one of several.
    named: bool,
}

impl View<'_> {
    fn again(&self, ui: &mut Ui, snapshot: &Snapshot, changed: bool) {
        if *self.form == OutputForm::Name {
            say::print_names(ui, "pod", names(snapshot));
            return;
        }
        if changed {
            ui.line("");
        }
        self.print(ui, snapshot);
    }

    fn print(&self, ui: &mut Ui, snapshot: &Snapshot) {
        self.lines(ui, snapshot).iter().for_each(|line| ui.line(line));
    }

    fn lines(&self, ui: &Ui, snapshot: &Snapshot) -> Vec<String> {
        let id = &snapshot.workload.id;
        let mut lines = Vec::new();
        if self.named {
            lines.push(format!("{} in namespace {}", id.qualified(), escape::inline(&id.namespace)));
        }
        let rows = ordinals::rows(snapshot);
        let table = self.table(snapshot, &rows).render(ui.width(), ui.stdout_has_color());
        lines.extend(table.lines().map(str::to_string));
        if rows.is_empty() {
            lines.push(format!("{id} has 0 replicas and no pods"));
        }
        for notice in ordinals::notices(snapshot) {
            lines.push(format!("{}: {}", notice.id.as_str(), escape::inline(&notice.message)));
            lines.extend(notice.fix.as_ref().map(|fix| format!("  to help: {}", escape::inline(fix))));
        }
        lines.push(escape::inline(&next(snapshot)).into_owned());
        if self.named {
            lines.push(String::new());
        }
        lines
    }

    fn table(&self, snapshot: &Snapshot, rows: &[OrdinalRow<'_>]) -> Table {
        let wide = self.form.is_wide();
        let headers = ["POD", "REVISION", "SIDE", "READY", "REASON", "NODE", "RESTARTS", "AGE", "IMAGES"];
        let shown = if wide { headers.len() } else { 5 };
        let mut table = Table::plain(&headers[..shown]).no_headers(self.no_headers);
        if !wide {
            table = table.shorten("REASON");
        }
        let mut zone: Option<Zone> = None;
        for row in rows {
            if zone != Some(row.zone) {
                for rule in rules(snapshot, zone, row.zone) {
                    table.rule(&rule);
                }
                zone = Some(row.zone);
            }
            table.push(cells(snapshot, row).into_iter().take(shown));
        }
        table
    }
}

/// The lines between two zones.
fn rules(snapshot: &Snapshot, from: Option<Zone>, to: Zone) -> Vec<String> {
    let workload = &snapshot.workload;
    let mut rules = Vec::new();
    if from == Some(Zone::Beyond) {
        rules.push(format!("above: beyond {} replicas", workload.desired));
    }
    match to {
        Zone::Kept => rules.push(format!("partition {}", workload.partition())),
        Zone::BelowStart => rules.push(format!("below: lower than ordinal {}", workload.first_ordinal)),
        Zone::Beyond | Zone::Updated => {}
    }
    rules
}

fn cells(snapshot: &Snapshot, row: &OrdinalRow<'_>) -> Vec<Cell> {
    let none = || "<none>".to_string();
    let pod = row.pod;
    let revision = match (row.revision, pod) {
        (Some(revision), _) => revision.label(),
        (None, Some(pod)) => pod.revision.as_ref().map_or_else(none, ToString::to_string),
        (None, None) => none(),
    };
    let side = row.side.map_or("<none>", |side| match side {
        Side::New => "new",
        Side::Old => "old",
    });
    let ready = pod.is_some_and(|pod| pod.ready() && !pod.terminating);
    let reason = Cell::from(row.reason.clone().unwrap_or_else(none));
    let images = |pod: &Pod| {
        let images = pod.containers.iter().map(|it| format!("{}={}", it.name, it.image));
        images.collect::<Vec<_>>().join(",")
    };
    vec![
        Cell::from(row.name.as_str()),
        Cell::from(revision),
        Cell::from(side),
        Cell::from(if ready { "yes" } else { "no" }),
        if row.reason.is_some() { reason.styled(Style::Bad) } else { reason },
        Cell::from(pod.and_then(|pod| pod.node.clone()).unwrap_or_else(none)),
        Cell::from(pod.map_or_else(none, |pod| pod.restarts().to_string())),
        Cell::from(
            pod.and_then(|pod| pod.created).map_or_else(none, |created| duration::age(created, snapshot.now)),
        ),
        Cell::from(pod.map_or_else(none, images)),
    ]
}

/// Says what `advance` would do, or what else has a hand on the set.
fn next(snapshot: &Snapshot) -> String {
    if steps::is_superseded(snapshot) {
        let words =
            say::ending::held_in_steps(snapshot).into_iter().chain(say::ending::ways_on_in_steps(snapshot));
        return words.collect::<Vec<_>>().join("; ");
    }
    if let Some(rollout) = Stored::of(&snapshot.workload).and_then(|stored| stored.rollout) {
        return format!("stored: {}", rollout.under_way(snapshot));
    }
    let old = snapshot.living().filter(|pod| snapshot.side(pod) == Side::Old).count();
    match partition::advance(snapshot, None) {
        Ok(Decision::Change(plan)) => {
            let names: Vec<String> = plan.impact.pods.iter().map(|pod| pod.name.clone()).collect();
            match (names.is_empty(), snapshot.target()) {
                (true, _) => "next: advance would lower the partition and replace no pod".to_string(),
                (false, None) => format!("next: advance would make {} new", few(&names)),
                (false, Some(target)) => {
                    format!("next: advance would make {} new ({})", few(&names), judge::called(target))
                }
            }
        }
        Ok(Decision::Nothing { .. }) if old == 0 => "next: nothing, no pod is old".to_string(),
        Ok(Decision::Nothing { .. }) => {
            "next: nothing is held back, the controller replaces what is old".to_string()
        }
        Err(_) if snapshot.workload.strategy == Strategy::OnDelete => {
            format!("next: nothing by itself, the strategy is OnDelete and {old} pods are old")
        }
        Err(refusal) => format!("next: advance would be refused: {refusal}"),
    }
}
