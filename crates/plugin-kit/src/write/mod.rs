//! The one flow of every verb that changes something: plan, question, write, wait, report; the same plan all the way.

mod agree;
mod args;

use std::collections::BTreeMap;
use std::time::Duration;

use rollout_core::follow::{Ending, Follow};
use rollout_core::plan::{Decision, Plan, Refusal};
use rollout_core::revision::RevisionNumber;
use rollout_core::workload::WorkloadId;
use rollout_core::{Snapshot, Workload};
use rollout_kube::{Cluster, Depth, End, Feed, Seen, SendOptions, Sent, Sight};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::documents::{self, Outcome};
use crate::error::CliError;
use crate::escape;
use crate::exit::Exit;
use crate::output::{self, OutputForm};
use crate::session::{Found, Session};
use crate::verbs::status::print_causes;
use crate::watch::{self, WatchOptions};
use agree::Agreement;
pub use args::{DryRun, WriteArgs};

/// How often a plan is made anew because the workload changed while the question stood.
const ATTEMPTS: u32 = 3;
/// How long the controller may take to act upon a change that was made just before.
const OBSERVE: Duration = Duration::from_secs(30);

/// What somebody wants of each workload.
pub trait Intent {
    /// Plans it; `resolved` is what a word like "previous" came to when the question was asked before.
    fn plan(&self, snapshot: &Snapshot, resolved: Option<RevisionNumber>) -> Result<Decision, Refusal>;
    /// Returns the question for one workload.
    fn question(&self, plan: &Plan) -> String;
    /// Returns the question for several.
    fn question_for(&self, count: usize) -> String;
    /// Returns what was done, as kubectl's success lines say it behind the object's name.
    fn done(&self, plan: &Plan) -> String;
    /// Returns what is said behind the object's name where there is nothing to do.
    fn nothing(&self, revision: Option<RevisionNumber>) -> String;
    /// Returns what is waited for; none where the write is all.
    fn follow(&self, plan: &Plan) -> Option<Follow>;
    /// Takes the revision that a warning named instead.
    fn prefer(&mut self, better: RevisionNumber);
}

/// Does what is wanted to everything that was found.
pub async fn run(
    session: &mut Session,
    args: &WriteArgs,
    form: &OutputForm,
    found: Found,
    intent: &mut dyn Intent,
) -> Result<Exit, CliError> {
    let cluster = session.cluster().await?;
    let single = found.single;
    let several = found.workloads.len() + found.exits.len() > 1;
    let (documents, exits) = (Vec::new(), found.exits);
    let resolved = BTreeMap::new();
    let mut flow = Flow { args, form, session, cluster, intent, several, resolved, documents, exits };
    flow.all(found.workloads).await;
    let Flow { documents, exits, .. } = flow;
    if !form.is_human()
        && let Some(document) = documents::list(documents, single)
    {
        output::print_document(&mut session.ui, &document, form)?;
    }
    Ok(Exit::worst_of(exits))
}

/// A workload with its plan and what the plan was made from.
struct Planned {
    seen: Seen,
    snapshot: Snapshot,
    plan: Plan,
}

struct Flow<'a> {
    args: &'a WriteArgs,
    form: &'a OutputForm,
    session: &'a mut Session,
    cluster: Cluster,
    intent: &'a mut dyn Intent,
    /// Whether several were pointed at, however many of them can be changed.
    several: bool,
    /// The revisions that were asked about, by the workloads' UIDs: what "previous" came to is never resolved anew.
    resolved: BTreeMap<String, RevisionNumber>,
    documents: Vec<Value>,
    exits: Vec<Exit>,
}

impl Flow<'_> {
    async fn all(&mut self, mut workloads: Vec<Workload>) {
        for _ in 0..ATTEMPTS {
            let mut planned = Vec::new();
            for workload in workloads {
                match self.plan(workload).await {
                    Ok(plan) => planned.extend(plan),
                    Err(error) => self.failed(&error),
                }
            }
            if planned.is_empty() {
                return;
            }
            let planned = match self.agree(planned) {
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
            let Workload { id, .. } = workload;
            let words = format!(
                "error: {id} in namespace {} changes all the time: nothing was written",
                id.namespace
            );
            self.failed(&CliError::sentence(Exit::Superseded, words));
        }
    }

    fn failed(&mut self, error: &CliError) {
        self.session.report(error);
        self.exits.push(error.exit);
    }

    /// Makes the plan; none where there is nothing to do.
    async fn plan(&mut self, workload: Workload) -> Result<Option<Planned>, CliError> {
        let id = workload.id.clone();
        let mut seen = self.cluster.seen(workload, Depth::Pods).await?;
        let mut snapshot = seen.snapshot(self.cluster.now());
        let resolved = self.resolved.get(&id.uid).copied();
        let mut decision = self.intent.plan(&snapshot, resolved);
        if decision.as_ref().is_err_and(|refusal| *refusal == Refusal::Unobserved) {
            (seen, snapshot) = self.observed(&id, seen).await?;
            decision = self.intent.plan(&snapshot, resolved);
        }
        match decision.map_err(|refusal| CliError::refused(&id, &refusal))? {
            Decision::Change(plan) => Ok(Some(Planned { seen, snapshot, plan: *plan })),
            Decision::Nothing { revision, warning } => {
                self.say(&format!("{} {}", id.qualified(), self.intent.nothing(revision)));
                self.exits.push(Exit::Done);
                let warnings = vec![json!(warning)];
                let outcome =
                    Outcome { outcome: "unchanged", exit: Exit::Done, plan: None, status: None, warnings };
                self.documents.push(documents::result(&id, &outcome));
                Ok(None)
            }
        }
    }

    /// Waits until the controller has acted upon the last change, without which no plan can stand.
    async fn observed(&mut self, id: &WorkloadId, seen: Seen) -> Result<(Seen, Snapshot), CliError> {
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
        Err(CliError::refused(id, &Refusal::Unobserved))
    }

    /// Writes and waits. Gives the workload back where the plan no longer holds and somebody can be asked again.
    async fn carry_out(&mut self, planned: Planned) -> Result<Option<Workload>, CliError> {
        let Planned { seen, snapshot: _, plan } = planned;
        if self.args.dry_run == DryRun::Client {
            self.dry(&plan, " (dry run)");
            return Ok(None);
        }
        let send = SendOptions {
            dry_run: self.args.dry_run == DryRun::Server,
            field_manager: self
                .args
                .field_manager
                .clone()
                .unwrap_or_else(|| self.session.plugin.name.to_string()),
        };
        let mut written = None;
        for request in &plan.requests {
            match (self.cluster.send(request, &send).await, request.required) {
                (Ok(Sent::Done(object)), true) => written = Some(object),
                (Ok(Sent::Done(_)), false) => {}
                (Ok(Sent::Changed | Sent::Gone), true) => return self.changed(&plan).await,
                (Ok(Sent::Changed | Sent::Gone), false) => self.cause_not_written("it was changed meanwhile"),
                (Err(error), true) => return Err(error.into()),
                (Err(error), false) => {
                    self.cause_not_written(&kubectl_connect::ApiError::from(error).to_string());
                }
            }
        }
        if send.dry_run {
            self.dry(&plan, " (server dry run)");
            return Ok(None);
        }
        self.say(&format!("{} {}", plan.workload.qualified(), self.intent.done(&plan)));
        self.follow(&plan, seen.after(written), send.field_manager).await?;
        Ok(None)
    }

    async fn follow(&mut self, plan: &Plan, seen: Seen, field_manager: String) -> Result<(), CliError> {
        let Some(mut machine) = self.intent.follow(plan) else {
            self.finish(plan, "done", Exit::Done, None);
            return Ok(());
        };
        if !self.args.wait {
            self.session.ui.note("written, not waited for");
            self.finish(plan, "written", Exit::Done, None);
            return Ok(());
        }
        let options = WatchOptions {
            timeout: Some(self.args.timeout).filter(|timeout| !timeout.is_zero()),
            events: self.args.output_watch_events && !self.form.is_human(),
            field_manager,
        };
        let ui = &mut self.session.ui;
        let end = watch::watch(ui, &self.cluster, &plan.workload, seen, &mut machine, &options).await?;
        self.report(plan, &end);
        Ok(())
    }

    async fn changed(&mut self, plan: &Plan) -> Result<Option<Workload>, CliError> {
        let id = &plan.workload;
        if self.session.ui.can_ask() && !self.args.yes {
            self.resolved.extend(plan.to.map(|number| (id.uid.clone(), number)));
            return Ok(Some(self.cluster.workload(id.kind, &id.namespace, &id.name).await?));
        }
        let words = format!(
            "error: somebody changed {id} in namespace {} meanwhile: nothing was written",
            id.namespace
        );
        Err(CliError::sentence(Exit::Superseded, words)
            .hint(Some("look at it and run the command again".to_string())))
    }

    fn cause_not_written(&mut self, why: &str) {
        let why = escape::inline(why).into_owned();
        self.session.ui.warn(&format!(
            "the reason could not be written to the revision, whose CHANGE-CAUSE stays: {why}"
        ));
    }

    fn dry(&mut self, plan: &Plan, suffix: &str) {
        self.say(&format!("{} {}{suffix}", plan.workload.qualified(), self.intent.done(plan)));
        self.exits.push(Exit::Done);
        self.documents.push(documents::plan(plan));
    }

    fn report(&mut self, plan: &Plan, end: &End) {
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
