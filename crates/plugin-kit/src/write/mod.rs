//! The one flow of every verb that changes something: plan, question, write, wait, report; the same plan all the way.

mod admission;
mod agree;
mod args;
mod reason;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use rollout_core::history::RevisionNumber;
use rollout_core::machine::{CheckRun, Machine, Verdict};
use rollout_core::objects::WorkloadId;
use rollout_core::plan::{Decision, Needs, Plan, Refusal, Request};
use rollout_core::snapshot::Symptom;
use rollout_core::stored::STORED;
use rollout_core::{Kind, Snapshot, Strategy, Workload, judge};
use rollout_kube::{Checking, Cluster, Depth, Feed, Reading, Seen, SendOptions, Sent, Sight};
use serde_json::json;
use tokio::time::Instant;

use crate::documents::{self, Outcome};
use crate::duration;
use crate::error::CliError;
use crate::escape;
use crate::exit::Exit;
use crate::output::OutputForm;
use crate::report::Reports;
use crate::session::{Found, Session};
use crate::together;
use crate::ui::Ui;
use crate::watch::{self, Job, WatchOptions};
use agree::Agreement;
pub use args::{ActionArgs, DryRun, FollowArgs, WriteArgs};
use reason::Given;

/// How often a plan is made anew because the workload changed while the question stood.
const ATTEMPTS: u32 = 3;
/// How long the controller may take to act upon a change that was made just before.
const OBSERVE: Duration = Duration::from_secs(30);

/// What somebody wants of each workload.
pub trait Intent {
    /// Plans it; `resolved` is what a word like "previous" came to when the question was asked before.
    fn plan(&self, snapshot: &Snapshot, resolved: Option<RevisionNumber>) -> Result<Decision, Refusal>;
    /// Returns how much of a workload has to be read: nodes where a DaemonSet's pods may have to be deleted.
    fn depth(&self, workload: &Workload) -> Depth {
        depth(workload)
    }
    /// Tells whether what is around the workload takes part in it.
    fn looks_around(&self, plan: &Plan) -> bool {
        !plan.changes.is_empty()
    }
    /// Returns the question for one workload.
    fn question(&self, plan: &Plan) -> String;
    /// Returns the question for several.
    fn question_for(&self, count: usize) -> String;
    /// Returns what was done, as kubectl's success lines say it behind the object's name.
    fn done(&self, plan: &Plan) -> String;
    /// Returns what is said behind the object's name where there is nothing to do; a verb that refuses then never says it.
    fn nothing(&self, _revision: Option<RevisionNumber>) -> String {
        "unchanged".to_string()
    }
    /// Returns what follows the change, for that many seconds at most; none where the write is all.
    fn machine(&self, plan: &Plan, before: &Snapshot, limit: Option<i64>) -> Option<Box<dyn Machine>>;
    /// Returns what failed before the change and is not held against it.
    fn known(&self, _before: &Snapshot) -> BTreeSet<Symptom> {
        BTreeSet::new()
    }
    /// Runs the checks that the machine asks for.
    fn check(&self, _id: &WorkloadId, _run: CheckRun) -> Checking {
        Box::pin(std::future::ready(Verdict::Passed))
    }
    /// Tells whether all are taken back when one fails.
    fn together(&self) -> bool {
        false
    }
    /// Returns what is said where nothing is done because one of several cannot be planned; none where the others go on.
    fn whole(&self) -> Option<&'static str> {
        None
    }
    /// Tells whether it is a success that something holds the rollout.
    fn held_ok(&self) -> bool {
        true
    }
    /// Takes the revision that a warning named instead.
    fn prefer(&mut self, _better: RevisionNumber) {}
}

/// Returns how much of a workload has to be read before it is changed.
pub fn depth(workload: &Workload) -> Depth {
    let driven = workload.strategy == Strategy::OnDelete || workload.annotation(STORED).is_some();
    // Which pods do not come back depends on the nodes.
    if driven || workload.id.kind == Kind::DaemonSet { Depth::Nodes } else { Depth::Pods }
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
    let missing = found.exits.len();
    let several = found.workloads.len() + missing > 1;
    let reports = Reports::new(session, form, found.exits);
    let mut flow = Flow { args, reports, cluster, intent, several, resolved: BTreeMap::new() };
    flow.all(found.workloads, missing).await;
    flow.reports.close(single)
}

/// A workload with its plan and what the plan was made from.
struct Planned {
    seen: Seen,
    snapshot: Snapshot,
    plan: Plan,
}

/// How far a change came when it was sent.
enum Carried {
    /// There is nothing to wait for.
    Done,
    /// It is followed.
    Follow(Box<Plan>, Option<Box<Given>>, Box<Job>),
    /// The plan no longer holds, and somebody can be asked again.
    Changed(Box<Workload>),
}

struct Flow<'a> {
    args: &'a WriteArgs,
    reports: Reports<'a>,
    cluster: Cluster,
    intent: &'a mut dyn Intent,
    /// Whether several were pointed at, however many of them can be changed.
    several: bool,
    /// The revisions that were asked about, by the workloads' UIDs: what "previous" came to is never resolved anew.
    resolved: BTreeMap<String, RevisionNumber>,
}

impl Flow<'_> {
    /// Does it to all; `missing` are those that were not even found.
    async fn all(&mut self, mut workloads: Vec<Workload>, mut missing: usize) {
        for _ in 0..ATTEMPTS {
            let mut planned = Vec::new();
            let depth = |workload: &Workload| self.intent.depth(workload);
            let ui = &mut self.reports.session.ui;
            for (id, seen) in together::seen(ui, &self.cluster, workloads, depth).await {
                match self.plan(&id, seen).await {
                    Ok(plan) => planned.extend(plan),
                    Err(mut error) => {
                        missing += 1;
                        error.message = self.reports.session.placed(error.message, &id);
                        self.reports.failed(&error);
                    }
                }
            }
            let before = planned.len();
            let planned = self.rehearse(planned).await;
            missing += before - planned.len();
            if missing > 0 && self.refuses_a_part(&planned) {
                return;
            }
            missing = 0;
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
            let (mut jobs, mut failed) = (Vec::new(), None);
            for planned in planned {
                let id = planned.plan.workload.clone();
                match self.carry_out(planned).await {
                    Ok(Carried::Done) => {}
                    Ok(Carried::Follow(plan, given, job)) => jobs.push((plan, given, *job)),
                    Ok(Carried::Changed(_)) if self.intent.together() => {
                        self.reports.failed(&changed_meanwhile(&id));
                        failed = Some(id);
                    }
                    Ok(Carried::Changed(workload)) => workloads.push(*workload),
                    Err(error) => {
                        self.reports.failed(&error);
                        failed = Some(id);
                    }
                }
            }
            self.follow(jobs, failed).await;
            if workloads.is_empty() {
                return;
            }
            self.reports
                .session
                .ui
                .note("it was changed while the question stood; this is what would happen now:");
        }
        for workload in workloads {
            let Workload { id, .. } = workload;
            let words = format!(
                "error: {id} in namespace {} changes all the time: nothing was written",
                id.namespace
            );
            self.reports.failed(&CliError::sentence(Exit::Superseded, words));
        }
    }

    /// Where nothing is done to a part of several, says so.
    fn refuses_a_part(&mut self, planned: &[Planned]) -> bool {
        let Some(why) = self.intent.whole().filter(|_| !planned.is_empty()) else { return false };
        let plural = if planned.len() == 1 { "" } else { "s" };
        let ui = &mut self.reports.session.ui;
        ui.error(&format!("nothing was done to the other {} workload{plural} either", planned.len()));
        ui.hint(why);
        self.not_done(planned, "stopped");
        true
    }

    /// Makes the plan; none where there is nothing to do.
    async fn plan(
        &mut self,
        id: &WorkloadId,
        seen: Result<Seen, Reading>,
    ) -> Result<Option<Planned>, CliError> {
        let mut seen = seen?;
        let patience = self.args.follow.patience.patience();
        let mut snapshot = Snapshot { patience, ..seen.snapshot(self.cluster.now()) };
        if snapshot.workload.deleting {
            return Err(CliError::refused(id, &Refusal::Deleting));
        }
        let depth = self.intent.depth(&snapshot.workload);
        // What a set hangs on may only stand in its events.
        if let Some(wanted) = judge::of_refused_update(&snapshot) {
            snapshot.evidence = self.cluster.evidence(&id.namespace, &[wanted]).await.0;
        }
        let resolved = self.resolved.get(&id.uid).copied();
        let mut decision = self.intent.plan(&snapshot, resolved);
        if decision.as_ref().is_err_and(|refusal| *refusal == Refusal::Unobserved) {
            let ui = &mut self.reports.session.ui;
            (seen, snapshot) = observed(ui, &self.cluster, id, seen, depth).await?;
            snapshot.patience = patience;
            decision = self.intent.plan(&snapshot, resolved);
        }
        if let Ok(Decision::Change(plan)) = &decision
            && self.intent.looks_around(plan)
        {
            let needs = Needs::of(&snapshot, &plan.template, &plan.impact);
            snapshot.surroundings = self.cluster.surroundings(id, &needs).await?;
            decision = self.intent.plan(&snapshot, resolved);
        }
        match decision.map_err(|refusal| CliError::refused(id, &refusal))? {
            Decision::Change(plan) => Ok(Some(Planned { seen, snapshot, plan: *plan })),
            Decision::Nothing { revision, warning } => {
                let name = self.reports.session.named(id);
                self.reports.say(&format!("{name} {}", self.intent.nothing(revision)));
                let warnings = warning.iter().map(|warning| json!(warning)).collect();
                self.reports.finish(id, &Outcome { warnings, ..Outcome::new("unchanged", Exit::Done) });
                Ok(None)
            }
        }
    }

    /// Sends what the plan says.
    async fn carry_out(&mut self, planned: Planned) -> Result<Carried, CliError> {
        let Planned { seen, snapshot, mut plan } = planned;
        match self.args.dry_run {
            DryRun::None => {}
            DryRun::Client => {
                self.dry(&plan, " (dry run)");
                return Ok(Carried::Done);
            }
            DryRun::Server => {
                self.dry(&plan, " (server dry run)");
                return Ok(Carried::Done);
            }
        }
        let send = SendOptions { dry_run: false, field_manager: self.field_manager() };
        let mut written = None;
        for request in &plan.requests {
            match (self.cluster.send(request, &send).await, request.required) {
                (Ok(Sent::Done(object)), true) => written = Some(object),
                (Ok(Sent::Done(_)), false) => {}
                (Ok(Sent::Changed | Sent::Gone | Sent::NotNow(_)), true) => return self.changed(&plan).await,
                // It is off already, or the revision is gone.
                (Ok(Sent::Changed | Sent::Gone), false) if request.forgets_stored() => {}
                (Ok(Sent::Changed | Sent::Gone | Sent::NotNow(_)), false) => {
                    self.left_undone(request, "it was changed meanwhile");
                }
                (Err(error), true) => return Err(error.into()),
                (Err(error), false) => {
                    self.left_undone(request, &kubectl_connect::ApiError::from(error).to_string());
                }
            }
        }
        let name = self.reports.session.named(&plan.workload);
        self.reports.say(&format!("{name} {}", self.intent.done(&plan)));
        if let Some(note) = written.as_ref().and_then(|object| admission::heed(&mut plan, object)) {
            self.reports.session.ui.note(&format!("{}: {note}", plan.workload));
        }
        let seen = seen.after(written);
        let given = plan
            .reason()
            .map(|reason| Box::new(Given { seen: seen.of_revisions(), reason: reason.to_string() }));
        let limit = duration::limit(self.args.follow.timeout);
        let Some(machine) = self.intent.machine(&plan, &snapshot, limit) else {
            self.settle(given).await;
            self.reports.finish(&plan.workload, &Outcome::new("done", Exit::Done).of(&plan));
            return Ok(Carried::Done);
        };
        if !self.args.wait {
            self.settle(given).await;
            self.reports.session.ui.note("written, not waited for");
            self.reports.finish(&plan.workload, &Outcome::new("written", Exit::Done).of(&plan));
            return Ok(Carried::Done);
        }
        let known = self.intent.known(&snapshot);
        let job = Job { id: plan.workload.clone(), seen, machine, known };
        Ok(Carried::Follow(Box::new(plan), given, Box::new(job)))
    }

    fn field_manager(&self) -> String {
        self.args.follow.manager(self.reports.session)
    }

    /// Brings the reason of a change that is not followed to its revision.
    async fn settle(&mut self, given: Option<Box<Given>>) {
        let send = SendOptions { dry_run: false, field_manager: self.field_manager() };
        let Some(given) = given else { return };
        if let Some(warning) = given.settle(&self.cluster, &send).await {
            self.reports.session.ui.warn(&warning);
        }
    }

    /// Follows all that was changed to its end, at once, and brings the reasons to the revisions meanwhile.
    /// `failed` is one that could not be written.
    async fn follow(&mut self, jobs: Vec<(Box<Plan>, Option<Box<Given>>, Job)>, failed: Option<WorkloadId>) {
        let (mut plans, mut given, mut followed) = (Vec::new(), Vec::new(), Vec::new());
        for (plan, reason, job) in jobs {
            plans.push(plan);
            given.extend(reason);
            followed.push(job);
        }
        let send = SendOptions { dry_run: false, field_manager: self.field_manager() };
        let settling = join_all(given.into_iter().map(|given| given.settle(&self.cluster, &send)));
        let driven = plans.iter().filter(|plan| plan.drives()).map(|plan| plan.workload.clone());
        self.reports.session.drives(driven);
        self.reports.in_lines(self.args.follow.prints_events(self.reports.form));
        let held_ok = self.intent.held_ok();
        let intent = &*self.intent;
        let options = WatchOptions {
            events: self.args.follow.prints_events(self.reports.form),
            field_manager: self.field_manager(),
            check: &|id, run| intent.check(id, run),
            together: intent.together(),
            patience: self.args.follow.patience.patience(),
            failed,
        };
        let watching = watch::watch(&mut self.reports.session.ui, &self.cluster, followed, &options);
        let (ends, warnings) = tokio::join!(watching, settling);
        for warning in warnings.into_iter().flatten() {
            self.reports.session.ui.warn(&warning);
        }
        // Whatever ended a driver: another one may go on at once.
        let left = ends.iter().filter_map(|end| end.snapshot.as_deref());
        self.reports.session.driven_still(left).await;
        for (plan, end) in plans.iter().zip(&ends) {
            self.reports.ended(&plan.workload, Some(plan), end, held_ok);
        }
    }

    async fn changed(&mut self, plan: &Plan) -> Result<Carried, CliError> {
        let id = &plan.workload;
        if self.reports.session.ui.can_ask() && !self.args.yes {
            self.resolved.extend(plan.to.map(|number| (id.uid.clone(), number)));
            let workload = self.cluster.workload(id.kind, &id.namespace, &id.name).await?;
            return Ok(Carried::Changed(Box::new(workload)));
        }
        Err(changed_meanwhile(id))
    }

    /// Says what was not done to a revision, without which the change holds all the same.
    fn left_undone(&mut self, request: &Request, why: &str) {
        let (name, why) = (request.path.rsplit('/').next().unwrap_or_default(), escape::inline(why));
        let words = format!("a copy of what was stored stays on controllerrevision {name}: {why}");
        self.reports.session.ui.warn(&words);
    }

    fn dry(&mut self, plan: &Plan, suffix: &str) {
        let name = self.reports.session.named(&plan.workload);
        self.reports.say(&format!("{name} {}{suffix}", self.intent.done(plan)));
        self.reports.exit(Exit::Done);
        self.reports.document(documents::plan(plan));
    }
}

fn changed_meanwhile(id: &WorkloadId) -> CliError {
    let words =
        format!("error: somebody changed {id} in namespace {} meanwhile: nothing was written", id.namespace);
    CliError::sentence(Exit::Superseded, words).hint(Some("look at it and run the command again".to_string()))
}

/// Waits until the controller has acted upon the last change, without which no plan can stand.
pub async fn observed(
    ui: &mut Ui,
    cluster: &Cluster,
    id: &WorkloadId,
    seen: Seen,
    depth: Depth,
) -> Result<(Seen, Snapshot), CliError> {
    ui.note(&format!("waiting for the controller to act upon the last change of {id}"));
    let mut feed = Feed::start(cluster, seen);
    let deadline = Instant::now() + OBSERVE;
    while Instant::now() < deadline {
        match feed.next(Duration::from_secs(1)).await {
            Sight::Snapshot(snapshot) if snapshot.observed() => {
                let seen = cluster.seen(snapshot.workload, depth).await?;
                let snapshot = seen.snapshot(cluster.now());
                return Ok((seen, snapshot));
            }
            Sight::Gone => return Err(CliError::failed("object has been deleted")),
            Sight::Forbidden(words) => return Err(CliError::failed(words)),
            Sight::Snapshot(_) | Sight::Lost(_) | Sight::Back => {}
        }
    }
    Err(CliError::refused(id, &Refusal::Unobserved))
}
