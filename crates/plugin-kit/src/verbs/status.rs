//! `status`: how far a rollout is, and waiting for its end.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, Args};
use kubectl_terminal::forms::{self, OutputArgs, OutputForm};
use kubectl_terminal::{Ui, duration, escape};
use rollout_core::drive::Follow;
use rollout_core::judge::{Progress, State, evaluate};
use rollout_core::machine::Ending;
use rollout_core::{RevisionNumber, Snapshot, Workload, WorkloadId};
use rollout_kube::{Cluster, Depth, End, Reading, Seen};
use serde_json::Value;

use super::revision::parse_revision;
use super::status_table::{self, Row, Watching, hint};
use crate::call::summary::MARKDOWN;
use crate::call::{CliError, Exit, Session};
use crate::follow::{self, Job, PatienceArgs, WatchOptions};
use crate::say::causes::{print_causes, print_skipped, warn_of_hidden_pods};
use crate::say::{self, Reports, documents};
use crate::targets::together::{self, Answers};
use crate::targets::{IgnoreArgs, TargetArgs, VerbMode};

/// The arguments of `status`.
#[derive(Args, Debug)]
#[command(mut_args(of_status))]
pub struct StatusArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    ignore: IgnoreArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Watch until the rollout ends; --watch=false says how far it is now. -w of several, or -A -w: a table that
    /// stays, drawn anew on a terminal, a line a change elsewhere
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    watch: Option<bool>,
    /// Fail unless this revision is the one that is rolled out
    #[arg(long, value_name = "N", value_parser = parse_revision)]
    revision: Option<RevisionNumber>,
    /// Give up after this time, e.g. 10m; 0 never does
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    timeout: Duration,
    #[command(flatten)]
    patience: PatienceArgs,
    /// Exit 0 also where nothing more moves by itself and somebody wanted it so
    #[arg(long)]
    held_ok: bool,
    /// With -o json, print a line for every event while waiting
    #[arg(long)]
    output_watch_events: bool,
    /// Add what it is to this file, as markdown
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

fn of_status(arg: Arg) -> Arg {
    if arg.get_id() == "output" { forms::also(arg, &[MARKDOWN]) } else { arg }
}

/// Runs `status`.
pub async fn run(args: StatusArgs, session: &mut Session) -> Result<Exit, CliError> {
    let form = session.form_of_ending(&args.output, args.summary.as_deref())?;
    let mut found = session.find_or(&args.targets, VerbMode::Reading, args.ignore.missing()).await?;
    let cluster = session.cluster().await?;
    if args.watch == Some(true) && !found.single && args.revision.is_none() {
        if args.summary.is_some() {
            return Err(CliError::usage(
                "what is watched for ever has no end to sum up: --summary and -w of several",
            ));
        }
        let missing = Exit::worst_of(found.exits.iter().copied());
        if let Some(wanted) = found.to_watch() {
            let watching = Watching {
                form: &form,
                no_headers: args.output.no_headers,
                events: args.output_watch_events,
                limit: (!args.timeout.is_zero()).then_some(args.timeout),
                called: session.called(),
                patience: args.patience.patience(),
            };
            status_table::watch(session, &cluster, wanted, &watching).await?;
        }
        return Ok(missing);
    }
    // Many workloads that nobody named are a table of what is.
    let watches = args.watch.unwrap_or(!found.all_namespaces);
    let seen = together::seen(&mut session.ui, &cluster, found.workloads, found.whole.as_ref(), depth).await;
    let told = match watches {
        true => wait(&args, &form, session, &cluster, seen).await,
        false => look(&args, session, &cluster, seen).await,
    };
    let mut reports = Reports::new(session, &form, found.exits);
    reports.ignores(args.ignore);
    reports.in_lines(args.output_watch_events);
    let mut rows: Vec<Report> = Vec::new();
    for report in told {
        match report {
            Ok(report) => {
                reports.exit(report.exit);
                if reports.wants_documents() {
                    reports.document(report.document());
                }
                rows.push(report);
            }
            Err(error) => reports.failed(&error),
        }
    }
    if !form.is_human() {
        return reports.answer(found.single);
    }
    if found.all_namespaces {
        let mut rows: Vec<Row> = rows.iter().map(|it| Row::of(&it.snapshot, &it.progress)).collect();
        let ui = &mut reports.session.ui;
        let table = status_table::table(ui, &mut rows, cluster.now(), form.is_wide(), true);
        table.no_headers(args.output.no_headers).print(ui);
    } else {
        for row in &mut rows {
            row.sentence =
                reports.session.placed(std::mem::take(&mut row.sentence), &row.snapshot.workload.id);
            row.print(&mut reports.session.ui);
        }
    }
    reports.answer(found.single)
}

/// The nodes are many, and worth reading where some of them want their pods no longer.
fn depth(workload: &Workload) -> Depth {
    if workload.has_unwanted() { Depth::Nodes } else { Depth::Pods }
}

/// What is told of one workload.
struct Report {
    exit: Exit,
    sentence: String,
    hint: Option<String>,
    snapshot: Box<Snapshot>,
    progress: Progress,
}

/// Tells how far they are now.
async fn look(
    args: &StatusArgs,
    session: &mut Session,
    cluster: &Cluster,
    seen: Answers<Seen>,
) -> Vec<Result<Report, CliError>> {
    let snapshots = together::examined(&mut session.ui, cluster, seen, args.patience.patience()).await;
    let report = |(id, snapshot): (WorkloadId, Result<Snapshot, Reading>)| {
        let snapshot = snapshot.map_err(|error| CliError::from(error).about(&id))?;
        is_wanted(args, &mut session.ui, &snapshot).map_err(|error| error.about(&id))?;
        Ok(now(Box::new(snapshot), &session.called()))
    };
    snapshots.into_iter().map(report).collect()
}

/// Waits until their rollouts end.
async fn wait(
    args: &StatusArgs,
    form: &OutputForm,
    session: &mut Session,
    cluster: &Cluster,
    seen: Answers<Seen>,
) -> Vec<Result<Report, CliError>> {
    let (mut reports, mut jobs) = (Vec::new(), Vec::new());
    for (id, seen) in seen {
        let wanted = seen.map_err(CliError::from).and_then(|seen| {
            is_wanted(args, &mut session.ui, &seen.snapshot(cluster.now()))?;
            Ok(seen)
        });
        match wanted {
            Ok(seen) => {
                let machine = Box::new(Follow::watching(duration::limit(args.timeout)));
                jobs.push(Job { id, seen, machine, known: BTreeSet::new() });
            }
            Err(error) => reports.push(Err(error.about(&id))),
        }
    }
    let options = WatchOptions {
        patience: args.patience.patience(),
        ..WatchOptions::plain(args.output_watch_events && !form.is_human(), session.plugin.name.to_string())
    };
    let ids: Vec<WorkloadId> = jobs.iter().map(|job| job.id.clone()).collect();
    let ends = follow::watch(&mut session.ui, cluster, jobs, &options).await;
    let called = session.called();
    reports.extend(ids.iter().zip(ends).map(|(id, end)| ended(id, end, args.held_ok, &called)));
    reports
}

/// Fails where another revision is asked for than the one that is rolled out.
fn is_wanted(args: &StatusArgs, ui: &mut Ui, snapshot: &Snapshot) -> Result<(), CliError> {
    if let (Some(wanted), Some(running)) = (args.revision, evaluate(snapshot).revision)
        && wanted != running
    {
        return Err(CliError::failed(format!(
            "desired revision ({wanted}) is different from the running revision ({running})"
        )));
    }
    warn_of_hidden_pods(ui, snapshot);
    Ok(())
}

fn ended(id: &WorkloadId, end: End, held_ok: bool, called: &str) -> Result<Report, CliError> {
    let (exit, sentence) = say::ending::of(&end, id, held_ok);
    match end {
        End { snapshot: Some(snapshot), progress: Some(progress), ending } if ending != Ending::Gone => {
            Ok(Report::new(exit, sentence, snapshot, progress, called))
        }
        End { .. } => Err(CliError::sentence(exit, sentence)),
    }
}

/// Without watching, only a failure is one: kubectl's `--watch=false` is 0 while a rollout goes on.
fn now(snapshot: Box<Snapshot>, called: &str) -> Report {
    let progress = evaluate(&snapshot);
    let id = &snapshot.workload.id;
    let ended = |ending| say::ending::ending(&ending, Some(&snapshot), id, true);
    let (exit, sentence) = match (progress.state, progress.hold) {
        (State::Complete, _) => ended(Ending::Complete),
        (State::Failed, _) => ended(Ending::Failed),
        (State::Held, Some(hold)) => ended(Ending::Held(hold)),
        (State::Unobserved | State::Advancing | State::Stalled | State::Held, _) => {
            (Exit::Done, waiting(&snapshot, &progress))
        }
    };
    Report::new(exit, sentence, snapshot, progress, called)
}

fn waiting(snapshot: &Snapshot, progress: &Progress) -> String {
    let id = &snapshot.workload.id;
    let name = format!("{} {:?}", id.kind.words(), id.name);
    match progress.state {
        State::Unobserved => format!("Waiting for {} spec update to be observed...", id.kind.words()),
        State::Stalled => format!("the rollout of {name} stands still: {}", counts(progress)),
        State::Advancing | State::Held | State::Complete | State::Failed => {
            format!("Waiting for {name} rollout to finish: {}...", counts(progress))
        }
    }
}

fn counts(progress: &Progress) -> String {
    let Progress { desired, updated, available, old, .. } = progress;
    format!("{updated} of {desired} pods are new, {available} of them available, {old} old")
}

impl Report {
    fn new(
        exit: Exit,
        sentence: String,
        snapshot: Box<Snapshot>,
        progress: Progress,
        called: &str,
    ) -> Report {
        let hint = hint(&snapshot, &progress, called);
        Report { exit, sentence, hint, snapshot, progress }
    }

    fn document(&self) -> Value {
        let status = documents::Status::of(&self.snapshot, &self.progress, self.hint.as_deref());
        documents::about(&self.snapshot.workload.id, status)
    }

    fn print(&self, ui: &mut Ui) {
        // What somebody asked for is data; what went wrong is said where errors are said.
        if self.sentence.starts_with("error:") {
            ui.note(&escape::inline(&self.sentence));
        } else {
            ui.line(&escape::inline(&self.sentence));
        }
        print_causes(ui, self.progress.causes.iter());
        self.progress.notes.iter().for_each(|note| ui.note(&format!("  {}", escape::inline(note))));
        print_skipped(ui, &self.progress.skipped);
        if let Some(hint) = &self.hint {
            ui.hint(&escape::inline(hint));
        }
    }
}
