//! The one flow of every verb that changes something: plan, question, write, wait, report; the same plan all the way.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use kubectl_terminal::duration;
use kubectl_terminal::forms::OutputForm;
use rollout_core::plan::{Decision, Needs, Plan, Refusal};
use rollout_core::{Snapshot, Workload, WorkloadId, judge};
use rollout_kube::{Reading, Seen, SendOptions, Sent};

use super::agree::Agreement;
use super::args::{DryRun, WriteArgs};
use super::flow::{Flow, Planned, changed_meanwhile};
use super::intent::Intent;
use super::reason::Given;
use crate::call::{CliError, Exit, Session};
use crate::follow::{self, Job, WatchOptions, observed};
use crate::say::Reports;
use crate::say::documents::{self, Outcome, OutcomeWord};
use crate::targets::{Found, together};

/// How often a plan is made anew because the workload changed while the question stood.
const ATTEMPTS: u32 = 3;

/// Does what is wanted to everything that was found.
pub async fn run(
    session: &mut Session,
    args: &WriteArgs,
    form: &OutputForm,
    found: Found,
    intent: &mut dyn Intent,
) -> Result<Exit, CliError> {
    let cluster = session.cluster().await?;
    let (single, whole) = (found.single, found.whole);
    let missing = found.exits.len();
    let several = found.workloads.len() + missing > 1;
    let reports = Reports::new(session, form, found.exits);
    let mut flow = Flow { args, reports, cluster, intent, several, whole, resolved: BTreeMap::new() };
    flow.all(found.workloads, missing).await;
    flow.reports.close(single)
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

impl Flow<'_> {
    /// Does it to all; `missing` are those that were not even found.
    async fn all(&mut self, mut workloads: Vec<Workload>, mut missing: usize) {
        for _ in 0..ATTEMPTS {
            let mut planned = Vec::new();
            let depth = |workload: &Workload| self.intent.depth(workload);
            let ui = &mut self.reports.session.ui;
            for (id, seen) in together::seen(ui, &self.cluster, workloads, self.whole.as_ref(), depth).await {
                match self.plan(&id, seen).await {
                    Ok(plan) => planned.extend(plan),
                    Err(mut error) => {
                        missing += 1;
                        error.message = self.reports.session.placed(error.message, &id);
                        self.reports.failed(&error.about(&id));
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
                        self.reports.failed(&error.about(&id));
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
            self.reports.failed(&CliError::sentence(Exit::Superseded, words).about(&id));
        }
    }

    /// Where nothing is done to a part of several, says so.
    fn refuses_a_part(&mut self, planned: &[Planned]) -> bool {
        let Some(why) = self.intent.whole().filter(|_| !planned.is_empty()) else { return false };
        let plural = if planned.len() == 1 { "" } else { "s" };
        let ui = &mut self.reports.session.ui;
        ui.error(&format!("nothing was done to the other {} workload{plural} either", planned.len()));
        ui.hint(why);
        self.not_done(planned, OutcomeWord::Stopped);
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
                let warnings = warning.as_slice();
                self.reports
                    .finish(id, Outcome { warnings, ..Outcome::new(OutcomeWord::Unchanged, Exit::Done) });
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
        if let Some(note) = written.as_ref().and_then(|object| super::admission::heed(&mut plan, object)) {
            self.reports.session.ui.note(&format!("{}: {note}", plan.workload));
        }
        let seen = seen.after(written);
        let given = plan
            .reason()
            .map(|reason| Box::new(Given { seen: seen.of_revisions(), reason: reason.to_string() }));
        let limit = duration::limit(self.args.follow.timeout);
        let Some(machine) = self.intent.machine(&plan, &snapshot, limit) else {
            self.settle(given).await;
            self.reports.finish(&plan.workload, Outcome::new(OutcomeWord::Done, Exit::Done).of(&plan));
            return Ok(Carried::Done);
        };
        if !self.args.wait {
            self.settle(given).await;
            self.reports.session.ui.note("written, not waited for");
            self.reports.finish(&plan.workload, Outcome::new(OutcomeWord::Written, Exit::Done).of(&plan));
            return Ok(Carried::Done);
        }
        let known = self.intent.known(&snapshot);
        let job = Job { id: plan.workload.clone(), seen, machine, known };
        Ok(Carried::Follow(Box::new(plan), given, Box::new(job)))
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
        let watching = follow::watch(&mut self.reports.session.ui, &self.cluster, followed, &options);
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

    fn dry(&mut self, plan: &Plan, suffix: &str) {
        let name = self.reports.session.named(&plan.workload);
        self.reports.say(&format!("{name} {}{suffix}", self.intent.done(plan)));
        self.reports.exit(Exit::Done);
        self.reports.document(documents::about(&plan.workload, documents::Plan::of(plan)));
    }
}
