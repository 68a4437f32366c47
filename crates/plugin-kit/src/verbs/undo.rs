//! `undo`: back to an older revision. Plan, question, write, wait, report; the same plan all the way.

use std::time::Duration;

use clap::{ArgAction, Args};
use rollout_core::follow::{Ending, Follow};
use rollout_core::plan::{Plan, WarningId};
use rollout_core::revision::RevisionNumber;
use rollout_core::undo::{Refusal, Undo, UndoOptions, plan};
use rollout_core::{RevisionSelector, Snapshot, Workload};
use rollout_kube::{Cluster, Depth, Feed, Seen, SendOptions, Sent, Sight};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::documents::{self, Outcome};
use crate::duration;
use crate::error::CliError;
use crate::escape;
use crate::exit::Exit;
use crate::output::{self, OutputArgs, OutputForm};
use crate::plan_text;
use crate::prompt::{self, Answer, Choice};
use crate::session::Session;
use crate::targets::{TargetArgs, VerbMode};
use crate::verbs::diff::parse_revision;
use crate::verbs::status::print_causes;
use crate::watch::{self, WatchOptions};

/// How often a plan is made anew because the workload changed while the question stood.
const ATTEMPTS: u32 = 3;
/// How long the controller may take to act upon a change that was made just before.
const OBSERVE: Duration = Duration::from_secs(30);

/// The arguments of `undo`.
#[derive(Args, Debug)]
pub struct UndoArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// The revision to go back to; 0 is the previous one
    #[arg(long, value_name = "N", default_value = "0", allow_negative_numbers = true, value_parser = parse_to_revision)]
    to_revision: ToRevision,
    /// Go back to the newest older revision that is known to have worked
    #[arg(long, conflicts_with = "to_revision")]
    to_last_good: bool,
    /// Resume a paused Deployment in the same change
    #[arg(long)]
    resume: bool,
    /// Why; becomes the change cause
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// The flags of every verb that writes.
#[derive(Args, Debug)]
pub struct WriteArgs {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Stop after the plan; with server, the server checks it too
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "none", default_missing_value = "client",
        value_name = "none|client|server", value_parser = parse_dry_run)]
    dry_run: DryRun,
    /// Go on although a warning with this id stops it
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = parse_warning)]
    allow: Vec<String>,
    /// Wait until the pods run; --wait=false returns after the write
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = ArgAction::Set)]
    wait: bool,
    /// How long to wait; 0 for ever
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    timeout: Duration,
    /// The name under which the changed fields are managed
    #[arg(long, value_name = "NAME")]
    field_manager: Option<String>,
    /// Print a line of JSON for every event while waiting
    #[arg(long)]
    output_watch_events: bool,
}

/// How far a dry run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It is no dry run.
    None,
    /// Nothing is sent.
    Client,
    /// The server checks what is sent and writes nothing.
    Server,
}

fn parse_dry_run(text: &str) -> Result<DryRun, String> {
    match text {
        "none" | "false" => Ok(DryRun::None),
        "client" | "true" => Ok(DryRun::Client),
        "server" => Ok(DryRun::Server),
        other => Err(format!("invalid dry-run value ({other}): must be \"none\", \"server\", or \"client\"")),
    }
}

fn parse_warning(text: &str) -> Result<String, String> {
    let known: Vec<&str> = WarningId::ALL.iter().map(|id| id.as_str()).collect();
    if known.contains(&text) {
        Ok(text.to_string())
    } else {
        Err(format!("no such warning; there are {}", known.join(", ")))
    }
}

/// A revision number, or 0 for the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToRevision(Option<RevisionNumber>);

fn parse_to_revision(text: &str) -> Result<ToRevision, String> {
    match text {
        "0" => Ok(ToRevision(None)),
        number => parse_revision(number).map(|number| ToRevision(Some(number))),
    }
}

/// Runs `undo`.
pub async fn run(args: UndoArgs, session: &mut Session) -> Result<Exit, CliError> {
    let form = args.output.form(&[])?;
    let found = session.find(&args.targets, VerbMode::Writing).await?;
    let cluster = session.cluster().await?;
    let mut run =
        Run { args: &args, form: &form, session, cluster, documents: Vec::new(), exits: found.exits };
    let options = UndoOptions {
        target: match (args.to_revision.0, args.to_last_good) {
            (Some(number), _) => RevisionSelector::Number(number),
            (None, true) => RevisionSelector::LastGood,
            (None, false) => RevisionSelector::Previous,
        },
        resume: args.resume,
        reason: args.reason.clone(),
    };
    run.all(found.workloads, options).await;
    let Run { documents, exits, .. } = run;
    if !form.is_human()
        && let Some(document) = documents::list(documents, found.single)
    {
        output::print_document(&mut session.ui, &document, &form)?;
    }
    Ok(Exit::worst_of(exits))
}

/// A workload with its plan and what the plan was made from.
struct Planned {
    seen: Seen,
    snapshot: Snapshot,
    plan: Plan,
}

struct Run<'a> {
    args: &'a UndoArgs,
    form: &'a OutputForm,
    session: &'a mut Session,
    cluster: Cluster,
    documents: Vec<Value>,
    exits: Vec<Exit>,
}

impl Run<'_> {
    async fn all(&mut self, workloads: Vec<Workload>, mut options: UndoOptions) {
        let mut workloads = workloads;
        for _ in 0..ATTEMPTS {
            let mut planned = Vec::new();
            for workload in workloads {
                match self.plan(workload, &options).await {
                    Ok(plan) => planned.extend(plan),
                    Err(error) => self.failed(&error),
                }
            }
            if planned.is_empty() {
                return;
            }
            let planned = match self.agree(planned, &mut options) {
                Agreement::Go(planned) => planned,
                Agreement::Again(again) => {
                    workloads = again;
                    continue;
                }
                Agreement::Stop => return,
            };
            workloads = Vec::new();
            for planned in planned {
                match self.carry_out(planned).await {
                    Ok(changed) => workloads.extend(changed),
                    Err(error) => self.failed(&error),
                }
            }
            if workloads.is_empty() {
                return;
            }
            self.session.ui.note("it was changed while the question stood; this is what would happen now:");
        }
        for workload in workloads {
            self.failed(&CliError::sentence(
                Exit::Superseded,
                format!(
                    "error: {} in namespace {} changes all the time: nothing was written",
                    workload.id, workload.id.namespace
                ),
            ));
        }
    }

    fn failed(&mut self, error: &CliError) {
        self.session.report(error);
        self.exits.push(error.exit);
    }

    /// Makes the plan; none where there is nothing to do.
    async fn plan(&mut self, workload: Workload, options: &UndoOptions) -> Result<Option<Planned>, CliError> {
        let id = workload.id.clone();
        let seen = self.cluster.seen(workload, Depth::Pods).await?;
        let (seen, snapshot) = self.observed(seen, options).await?;
        match plan(&snapshot, options).map_err(|refusal| CliError::refused(&id, &refusal))? {
            Undo::Change(plan) => Ok(Some(Planned { seen, snapshot, plan: *plan })),
            Undo::Nothing { revision, warning } => {
                let number = revision.map_or_else(|| "?".to_string(), |number| number.to_string());
                let line = format!(
                    "{} skipped rollback (current template already matches revision {number})",
                    id.qualified()
                );
                self.say(&line);
                self.exits.push(Exit::Done);
                let warnings = vec![json!(warning)];
                let outcome =
                    Outcome { outcome: "unchanged", exit: Exit::Done, plan: None, status: None, warnings };
                self.documents.push(documents::result(&id, &outcome));
                Ok(None)
            }
        }
    }

    /// "Previous" is one step too far back until the controller has acted upon the last change, so that is waited for.
    async fn observed(&mut self, seen: Seen, options: &UndoOptions) -> Result<(Seen, Snapshot), CliError> {
        let snapshot = seen.snapshot(self.cluster.now());
        let id = snapshot.workload.id.clone();
        let named = matches!(options.target, RevisionSelector::Number(_));
        if named || snapshot.observed() {
            return Ok((seen, snapshot));
        }
        self.session.ui.note(&format!("waiting for the controller to act upon the last change of {id}"));
        let mut feed = Feed::start(&self.cluster, seen);
        let deadline = Instant::now() + OBSERVE;
        while Instant::now() < deadline {
            match feed.next(Duration::from_secs(1)).await {
                Sight::Snapshot(snapshot) if snapshot.observed() => {
                    let seen = self.cluster.seen(snapshot.workload, Depth::Pods).await?;
                    let snapshot = seen.snapshot(self.cluster.now());
                    return Ok((seen, snapshot));
                }
                Sight::Gone => return Err(CliError::failed("object has been deleted")),
                Sight::Snapshot(_) | Sight::Lost(_) | Sight::Back => {}
            }
        }
        Err(CliError::refused(&id, &Refusal::Unobserved))
    }

    /// Shows the plans, and asks where somebody can be asked.
    fn agree(&mut self, planned: Vec<Planned>, options: &mut UndoOptions) -> Agreement {
        let write = &self.args.write;
        let ui = &mut self.session.ui;
        if self.form.is_human() || ui.can_ask() {
            let plans: Vec<&Plan> = planned.iter().map(|it| &it.plan).collect();
            let desired = |plan: &Plan| {
                let of = planned.iter().find(|it| it.plan.workload == plan.workload);
                of.map_or(0, |it| it.snapshot.workload.desired)
            };
            plan_text::print(ui, &plans, desired);
        }
        let dry = write.dry_run != DryRun::None;
        let stopped = planned.iter().any(|it| it.plan.stopped_by(&write.allow).next().is_some());
        if stopped {
            return self.stopped(planned, options);
        }
        if dry || write.yes {
            return Agreement::Go(planned);
        }
        let question = match planned.as_slice() {
            [one] => format!("Roll {} back to revision {}?", one.plan.workload, number(one.plan.to)),
            several => format!("Roll {} workloads back?", several.len()),
        };
        match prompt::confirm(ui, &question) {
            Answer::Yes => Agreement::Go(planned),
            Answer::Unavailable if planned.len() == 1 => Agreement::Go(planned),
            Answer::Unavailable => {
                let error = CliError::usage(format!(
                    "{} workloads would be rolled back and nobody can be asked",
                    planned.len()
                ))
                .hint(Some("-y agrees to all of them".to_string()));
                self.failed(&error);
                Agreement::Stop
            }
            Answer::No => {
                ui.note("nothing was changed");
                self.not_done(&planned, "declined");
                Agreement::Stop
            }
        }
    }

    /// A default target that a warning speaks against: on a terminal there is a choice.
    fn stopped(&mut self, planned: Vec<Planned>, options: &mut UndoOptions) -> Agreement {
        let write = &self.args.write;
        let ui = &mut self.session.ui;
        if let ([one], DryRun::None, false) = (planned.as_slice(), write.dry_run, write.yes)
            && let (Some(better), true) = (one.plan.better, ui.can_ask())
        {
            let choices = [
                format!("revision {better}, which is known to have worked or differs"),
                format!("revision {} all the same", number(one.plan.to)),
            ];
            match prompt::choose(ui, "Go back to which revision?", &choices) {
                Choice::Chosen(0) => {
                    options.target = RevisionSelector::Number(better);
                    let again = planned.into_iter().map(|it| it.snapshot.workload).collect();
                    return Agreement::Again(again);
                }
                Choice::Chosen(_) => return Agreement::Go(planned),
                Choice::Declined | Choice::Unavailable => {}
            }
        }
        for it in &planned {
            let ids: Vec<&str> =
                it.plan.stopped_by(&write.allow).map(|warning| warning.id.as_str()).collect();
            if !ids.is_empty() {
                let allow = ids.join(",");
                ui.error(&format!(
                    "{} in namespace {}: stopped by {allow}: nothing was changed",
                    it.plan.workload, it.plan.workload.namespace
                ));
                ui.hint(&format!("--allow {allow} goes on all the same"));
            }
        }
        self.not_done(&planned, "stopped");
        Agreement::Stop
    }

    fn not_done(&mut self, planned: &[Planned], outcome: &'static str) {
        for it in planned {
            self.exits.push(Exit::NotDone);
            let outcome = Outcome {
                outcome,
                exit: Exit::NotDone,
                plan: Some(&it.plan),
                status: None,
                warnings: Vec::new(),
            };
            self.documents.push(documents::result(&it.plan.workload, &outcome));
        }
    }

    /// Writes and waits. Gives the workload back where the plan no longer holds and somebody can be asked again.
    async fn carry_out(&mut self, planned: Planned) -> Result<Option<Workload>, CliError> {
        let Planned { seen, snapshot: _, plan } = planned;
        let id = &plan.workload;
        let dry_run = self.args.write.dry_run;
        if dry_run == DryRun::Client {
            self.dry(&plan, " (dry run)");
            return Ok(None);
        }
        let field_manager =
            self.args.write.field_manager.clone().unwrap_or_else(|| self.session.plugin.name.to_string());
        let send = SendOptions { dry_run: dry_run == DryRun::Server, field_manager: field_manager.clone() };
        let mut written = None;
        for request in &plan.requests {
            match (self.cluster.send(request, &send).await, request.required) {
                (Ok(Sent::Done(object)), true) => written = Some(object),
                (Ok(Sent::Done(_)), false) => {}
                (Ok(Sent::Changed | Sent::Gone), true) => return self.changed(&plan).await,
                (Ok(Sent::Changed | Sent::Gone), false) => self.cause_not_written("it was changed meanwhile"),
                (Err(error), true) => return Err(error.into()),
                (Err(error), false) => {
                    self.cause_not_written(&kubectl_connect::ApiError::from(error).to_string())
                }
            }
        }
        if dry_run == DryRun::Server {
            self.dry(&plan, " (server dry run)");
            return Ok(None);
        }
        self.say(&match plan.requests.is_empty() {
            true => {
                format!("{}: current template already matches revision {}", id.qualified(), number(plan.to))
            }
            false => format!("{} rolled back to revision {}", id.qualified(), number(plan.to)),
        });
        if !self.args.write.wait {
            self.session.ui.note("written, not waited for");
            self.finish(&plan, "written", Exit::Done, None);
            return Ok(None);
        }
        let seen = seen.after(written);
        let options = WatchOptions {
            timeout: Some(self.args.write.timeout).filter(|timeout| !timeout.is_zero()),
            events: self.args.write.output_watch_events && !self.form.is_human(),
            field_manager,
        };
        let mut machine = Follow::driving(&plan.template);
        let end = watch::watch(&mut self.session.ui, &self.cluster, id, seen, &mut machine, &options).await?;
        self.report(&plan, &end);
        Ok(None)
    }

    async fn changed(&mut self, plan: &Plan) -> Result<Option<Workload>, CliError> {
        let id = &plan.workload;
        if self.session.ui.can_ask() && !self.args.write.yes {
            return Ok(Some(self.cluster.workload(id.kind, &id.namespace, &id.name).await?));
        }
        Err(CliError::sentence(
            Exit::Superseded,
            format!(
                "error: somebody changed {id} in namespace {} meanwhile: nothing was written",
                id.namespace
            ),
        )
        .hint(Some("look at it and run the command again".to_string())))
    }

    fn cause_not_written(&mut self, why: &str) {
        let why = escape::inline(why).into_owned();
        self.session.ui.warn(&format!(
            "the reason could not be written to the revision, whose CHANGE-CAUSE stays: {why}"
        ));
    }

    fn dry(&mut self, plan: &Plan, suffix: &str) {
        self.say(&format!(
            "{} rolled back to revision {}{suffix}",
            plan.workload.qualified(),
            number(plan.to)
        ));
        self.exits.push(Exit::Done);
        self.documents.push(documents::plan(plan));
    }

    fn report(&mut self, plan: &Plan, end: &rollout_kube::End) {
        let (exit, sentence) = watch::ending(end, &plan.workload, true);
        if exit == Exit::Done {
            self.say(&sentence);
        } else {
            self.session.ui.note(&sentence);
        }
        if let Some(progress) = end.progress.as_ref().filter(|_| exit != Exit::Done) {
            print_causes(&mut self.session.ui, progress);
        }
        let outcome = match &end.ending {
            None => "timed-out",
            Some(Ending::Complete) => "complete",
            Some(Ending::Held(_)) => "held",
            Some(Ending::Failed) => "failed",
            Some(Ending::Superseded) => "superseded",
            Some(Ending::Gone) => "gone",
        };
        let status = end
            .snapshot
            .as_deref()
            .zip(end.progress.as_ref())
            .map(|(snapshot, progress)| documents::status_fields(snapshot, progress, None));
        self.finish(plan, outcome, exit, status);
    }

    fn finish(&mut self, plan: &Plan, outcome: &'static str, exit: Exit, status: Option<Value>) {
        self.exits.push(exit);
        let outcome = Outcome { outcome, exit, plan: Some(plan), status, warnings: Vec::new() };
        self.documents.push(documents::result(&plan.workload, &outcome));
    }

    fn say(&mut self, line: &str) {
        if self.form.is_human() {
            self.session.ui.line(&escape::inline(line));
        }
    }
}

enum Agreement {
    Go(Vec<Planned>),
    Again(Vec<Workload>),
    Stop,
}

fn number(number: Option<RevisionNumber>) -> String {
    number.map_or_else(|| "?".to_string(), |number| number.to_string())
}
