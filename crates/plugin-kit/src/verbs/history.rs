//! `history`: the revisions of a workload, and what changed in each.

use clap::Args;
use k8s_openapi::jiff::Timestamp;
use kubectl_terminal::forms::{OutputArgs, OutputForm};
use kubectl_terminal::table::{Column, Table};
use kubectl_terminal::{Ui, duration, escape};
use rollout_core::judge::{Progress, evaluate};
use rollout_core::template::diff::summary;
use rollout_core::{Kind, Revision, RevisionNumber, RevisionSelector, Snapshot, Workload, template};
use rollout_kube::{Cluster, Depth};

use super::revision::parse_revision;
use crate::call::{CliError, Exit, Session};
use crate::follow::{LiveDocuments, LiveRow, LiveTable, live, one_alone};
use crate::say::changes::began_with;
use crate::say::documents::RevisionState;
use crate::say::{self, Reports, documents};
use crate::targets::{Found, IgnoreArgs, TargetArgs, VerbMode, together};

/// The arguments of `history`.
#[derive(Args, Debug)]
pub struct HistoryArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    ignore: IgnoreArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Show one revision in full
    #[arg(long, value_name = "N", value_parser = parse_revision)]
    revision: Option<RevisionNumber>,
    /// Watch: draw the table anew on a terminal, print the rows that change elsewhere
    #[arg(short, long)]
    watch: bool,
}

/// Runs `history`.
pub async fn run(args: HistoryArgs, session: &mut Session) -> Result<Exit, CliError> {
    let form = session.form(&args.output, &[])?;
    let found = session.find_or(&args.targets, VerbMode::Reading, args.ignore.missing()).await?;
    let cluster = session.cluster().await?;
    if args.watch {
        return watch(&args, &form, session, &cluster, found).await;
    }
    let mut reports = Reports::new(session, &form, found.exits);
    reports.ignores(args.ignore);
    let mut first = true;
    let depth = |workload: &Workload| depth(workload, &form, args.revision.is_some());
    for (id, seen) in
        together::seen(&mut reports.session.ui, &cluster, found.workloads, found.whole.as_ref(), depth).await
    {
        let head = reports.session.named(&id);
        let shown = match seen {
            Ok(seen) => {
                let snapshot = seen.into_snapshot(cluster.now());
                let mut view = View {
                    head,
                    ui: &mut reports.session.ui,
                    form: &form,
                    no_headers: args.output.no_headers,
                };
                if form.is_human() && !std::mem::take(&mut first) {
                    view.ui.line("");
                }
                let shown = view.show(&snapshot, args.revision);
                // To give thousands of templates back piece by piece takes as long as to compare them; the process ends soon.
                std::mem::forget(snapshot);
                shown
            }
            Err(error) => Err(error.into()),
        };
        match shown {
            Ok(document) => document.into_iter().for_each(|it| reports.document(it)),
            Err(error) => reports.failed(&error.about(&id)),
        }
    }
    reports.answer(found.single)
}

/// Shows the revisions of one workload until it is gone.
async fn watch(
    args: &HistoryArgs,
    form: &OutputForm,
    session: &mut Session,
    cluster: &Cluster,
    found: Found,
) -> Result<Exit, CliError> {
    if args.revision.is_some() {
        return Err(CliError::usage(
            "--watch shows the revisions; one of them is printed once, without --watch",
        ));
    }
    let missing = Exit::worst_of(found.exits.iter().copied());
    let Some(workload) = one_alone(found)? else { return Ok(missing) };
    let depth = depth(&workload, form, false);
    let (mut shown, mut documents) = (LiveTable::default(), LiveDocuments::default());
    let show = async |session: &mut Session, snapshot: Snapshot| {
        let (progress, id) = (evaluate(&snapshot), &snapshot.workload.id);
        if !form.is_human() {
            let document = documents::about(id, documents::History::of(&snapshot, &progress));
            return Ok(documents.show(&mut session.ui, form, false, vec![(id.uid.clone(), document)])?);
        }
        let columns = columns(&snapshot, &progress);
        let table = Table::of(&columns, snapshot.history.iter(), form.is_wide());
        let table = table.no_headers(args.output.no_headers);
        let row = |it: &Revision| LiveRow { key: it.name.clone(), state: state(&snapshot, it, &progress) };
        let rows: Vec<LiveRow> = snapshot.history.iter().map(row).collect();
        let head = [session.named(id)].into_iter();
        let empty = rows.is_empty().then(|| "No rollout history found.".to_string());
        // Revisions that are folded into others, or that the controller has cleaned up, are no longer shown.
        shown.show(&mut session.ui, head.chain(empty), &table, rows, |name| Some(format!("{name}   gone")));
        Ok(())
    };
    live(session, cluster, workload, depth, show).await?;
    Ok(missing)
}

/// What a row says, but for its age.
fn state(snapshot: &Snapshot, revision: &Revision, progress: &Progress) -> String {
    let numbers = numbers(snapshot, revision, progress);
    format!("{numbers} {} {:?} {:?}", pods(snapshot, revision), revision.live_since, revision.change_cause)
}

/// A Deployment's ReplicaSets count their pods themselves; the pods are read where somebody wants to see them.
fn depth(workload: &Workload, form: &OutputForm, one_revision: bool) -> Depth {
    match workload.id.kind {
        _ if one_revision => Depth::Revisions,
        Kind::Deployment if !form.is_wide() => Depth::Revisions,
        Kind::Deployment | Kind::DaemonSet | Kind::StatefulSet => Depth::Pods,
    }
}

/// How many other numbers of a revision its row names.
const MOST_NUMBERS: usize = 4;

struct View<'a> {
    head: String,
    ui: &'a mut Ui,
    form: &'a OutputForm,
    no_headers: bool,
}

impl View<'_> {
    fn show(
        &mut self,
        snapshot: &Snapshot,
        revision: Option<RevisionNumber>,
    ) -> Result<Option<serde_json::Value>, CliError> {
        let progress = evaluate(snapshot);
        let id = &snapshot.workload.id;
        let chosen = revision
            .map(|number| snapshot.history.select(RevisionSelector::Number(number)))
            .transpose()
            .map_err(|error| CliError::no_revision(id, &error))?;
        match (chosen, self.form.is_human()) {
            (None, false) => Ok(Some(documents::about(id, documents::History::of(snapshot, &progress)))),
            (Some(chosen), false) => {
                Ok(Some(documents::about(id, documents::History::of_one(snapshot, chosen, &progress))))
            }
            (Some(chosen), true) => {
                let number = chosen.label();
                self.ui.line(&format!("{} with revision #{number}", self.head));
                let wanted = chosen.readable_template().map_err(|error| CliError::no_revision(id, &error))?;
                let text = say::template::pod_template(wanted, chosen.change_cause.as_deref());
                self.ui.out(&escape::block(&text));
                Ok(None)
            }
            (None, true) => {
                self.table(snapshot, &progress);
                Ok(None)
            }
        }
    }

    fn table(&mut self, snapshot: &Snapshot, progress: &Progress) {
        self.ui.line(&self.head);
        if snapshot.history.is_empty() {
            self.ui.line("No rollout history found.");
            return;
        }
        let rows: Vec<&Revision> = snapshot.history.iter().collect();
        Table::of(&columns(snapshot, progress), rows, self.form.is_wide())
            .no_headers(self.no_headers)
            .print(self.ui);
    }
}

fn columns<'s>(snapshot: &'s Snapshot, progress: &'s Progress) -> Vec<Column<'s, Revision>> {
    let now = snapshot.now;
    vec![
        Column::new("REVISION", move |it: &Revision| numbers(snapshot, it, progress)),
        Column::new("AGE", move |it: &Revision| age(it, now)),
        Column::new("PODS", move |it: &Revision| pods(snapshot, it)),
        Column::new("CHANGED", move |it: &Revision| changed(snapshot, it)).flexible(),
        Column::new("CHANGE-CAUSE", |it: &Revision| none(it.change_cause.as_deref())).flexible(),
        Column::new("IMAGES", |it: &Revision| images(it)).wide(),
        Column::new("MANAGER", move |it: &Revision| none(documents::manager(snapshot, it).as_deref())).wide(),
        Column::new("OBJECT", |it: &Revision| it.name.clone()).wide(),
        Column::new("NODES", move |it: &Revision| nodes(snapshot, it)).wide(),
    ]
}

/// `*` marks the current revision, `>` the one that is being rolled out.
fn numbers(snapshot: &Snapshot, revision: &Revision, progress: &Progress) -> String {
    let mark = match documents::revision_state(&snapshot.history, revision, progress) {
        RevisionState::Current => "*",
        RevisionState::Updating => ">",
        RevisionState::Old => "",
    };
    let number = RevisionNumber::or(revision.number, "?");
    let mut equal: Vec<RevisionNumber> = revision.duplicates.iter().filter_map(|twin| twin.number).collect();
    equal.sort();
    let others = [("was", revision.former.as_slice()), ("equals", &equal)];
    let others: Vec<String> = others
        .into_iter()
        .filter(|(_, numbers)| !numbers.is_empty())
        .map(|(word, numbers)| format!("{word} {}", few(numbers)))
        .collect();
    match others.is_empty() {
        true => format!("{mark}{number}"),
        false => format!("{mark}{number} ({})", others.join(", ")),
    }
}

/// Names the newest of some revisions: one that is gone back to every day has had hundreds of numbers, and all of them stand in
/// the documents.
fn few(numbers: &[RevisionNumber]) -> String {
    let older = numbers.len().saturating_sub(MOST_NUMBERS);
    let named: Vec<String> = numbers[older..].iter().map(ToString::to_string).collect();
    match older {
        0 => named.join(","),
        older => format!("{} and {older} older", named.join(",")),
    }
}

fn age(revision: &Revision, now: Timestamp) -> String {
    revision.live_since.map_or_else(|| "<unknown>".to_string(), |since| duration::age(since, now))
}

fn pods(snapshot: &Snapshot, revision: &Revision) -> String {
    match (&snapshot.pods, snapshot.workload.id.kind) {
        (None, Kind::DaemonSet | Kind::StatefulSet) => "<hidden>".to_string(),
        _ => format!("{}/{}", revision.pods.ready, revision.pods.total),
    }
}

/// Returns in a line what a revision changed.
pub(crate) fn changed(snapshot: &Snapshot, revision: &Revision) -> String {
    if revision.template.is_none() {
        return "<unreadable>".to_string();
    }
    match snapshot.history.changes(revision) {
        Some(changes) => summary(&changes),
        None => began_with(revision),
    }
}

fn images(revision: &Revision) -> String {
    let images = revision.template.as_ref().map(template::images).unwrap_or_default();
    images.into_iter().map(|(container, image)| format!("{container}={image}")).collect::<Vec<_>>().join(",")
}

fn nodes(snapshot: &Snapshot, revision: &Revision) -> String {
    let kind = snapshot.workload.id.kind;
    let pods: Vec<String> = snapshot
        .living()
        .filter(|pod| pod.revision.as_deref().is_some_and(|label| revision.owns_label(kind, label)))
        .map(|pod| format!("{}@{}", pod.name, pod.node.as_deref().unwrap_or("<none>")))
        .collect();
    if pods.is_empty() { "<none>".to_string() } else { pods.join(",") }
}

fn none(text: Option<&str>) -> String {
    text.unwrap_or("<none>").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_numbers_the_newest_are_named() {
        let numbers = |last| (1..=last).filter_map(RevisionNumber::new).collect::<Vec<_>>();
        assert_eq!(
            [4, 5, 90].map(|last| few(&numbers(last))),
            ["1,2,3,4", "2,3,4,5 and 1 older", "87,88,89,90 and 86 older"]
        );
    }
}
