//! `history`: the revisions of a workload, and what changed in each.

use clap::Args;
use k8s_openapi::jiff::Timestamp;
use kubectl_terminal::forms::{OutputArgs, OutputForm};
use kubectl_terminal::table::{Column, Table};
use kubectl_terminal::{Ui, duration, escape};
use rollout_core::judge::{Progress, evaluate};
use rollout_core::template::diff::summary;
use rollout_core::{Kind, Revision, RevisionNumber, RevisionSelector, Snapshot, Workload, template};
use rollout_kube::Depth;

use super::revision::parse_revision;
use crate::call::{CliError, Exit, Session};
use crate::say::changes::began_with;
use crate::say::{self, Reports, documents};
use crate::targets::{TargetArgs, VerbMode, together};

/// The arguments of `history`.
#[derive(Args, Debug)]
pub struct HistoryArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Show one revision in full
    #[arg(long, value_name = "N", value_parser = parse_revision)]
    revision: Option<RevisionNumber>,
}

/// Runs `history`.
pub async fn run(args: HistoryArgs, session: &mut Session) -> Result<Exit, CliError> {
    let form = args.output.form(&[])?;
    let found = session.find(&args.targets, VerbMode::Reading).await?;
    let cluster = session.cluster().await?;
    let mut reports = Reports::new(session, &form, found.exits);
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
                view.show(&snapshot, args.revision)
            }
            Err(error) => Err(error.into()),
        };
        match shown {
            Ok(document) => document.into_iter().for_each(|it| reports.document(it)),
            Err(error) => reports.failed(&error),
        }
    }
    reports.answer(found.single)
}

/// A Deployment's ReplicaSets count their pods themselves; the pods are read where somebody wants to see them.
fn depth(workload: &Workload, form: &OutputForm, one_revision: bool) -> Depth {
    match workload.id.kind {
        _ if one_revision => Depth::Revisions,
        Kind::Deployment if !form.is_wide() => Depth::Revisions,
        Kind::Deployment | Kind::DaemonSet | Kind::StatefulSet => Depth::Pods,
    }
}

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
        let now = snapshot.now;
        let columns: Vec<Column<'_, Revision>> = vec![
            Column::new("REVISION", |it: &Revision| numbers(snapshot, it, progress)),
            Column::new("AGE", |it: &Revision| age(it, now)),
            Column::new("PODS", |it: &Revision| pods(snapshot, it)),
            Column::new("CHANGED", |it: &Revision| changed(snapshot, it)).flexible(),
            Column::new("CHANGE-CAUSE", |it: &Revision| none(it.change_cause.as_deref())).flexible(),
            Column::new("IMAGES", |it: &Revision| images(it)).wide(),
            Column::new("MANAGER", |it: &Revision| none(documents::manager(snapshot, it).as_deref())).wide(),
            Column::new("OBJECT", |it: &Revision| it.name.clone()).wide(),
            Column::new("NODES", |it: &Revision| nodes(snapshot, it)).wide(),
        ];
        let rows: Vec<&Revision> = snapshot.history.iter().collect();
        Table::of(&columns, rows, self.form.is_wide()).no_headers(self.no_headers).print(self.ui);
    }
}

/// `*` marks the current revision, `>` the one that is being rolled out.
fn numbers(snapshot: &Snapshot, revision: &Revision, progress: &Progress) -> String {
    let mark = match documents::revision_state(&snapshot.history, revision, progress) {
        "current" => "*",
        "updating" => ">",
        _ => "",
    };
    let number = RevisionNumber::or(revision.number, "?");
    let mut former: Vec<String> = revision.former.iter().map(ToString::to_string).collect();
    former.extend(revision.duplicates.iter().filter_map(|twin| twin.number.map(|it| format!("={it}"))));
    match former.is_empty() {
        true => format!("{mark}{number}"),
        false => format!("{mark}{number} (was {})", former.join(","))
            .replace("was =", "equals ")
            .replace(",=", ", equals "),
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
