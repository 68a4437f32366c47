//! `guard`: follow rollouts that somebody started, and take back what fails.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use kubectl_terminal::forms::OutputArgs;
use kubectl_terminal::{Ui, duration};
use plugin_kit::call::{CliError, Exit, Session};
use plugin_kit::change::{self, FollowArgs};
use plugin_kit::follow::gates::{Checks, GateArgs};
use plugin_kit::follow::{self, Job, WatchOptions};
use plugin_kit::say::Reports;
use plugin_kit::say::causes::warn_of_hidden_pods;
use plugin_kit::targets::{Found, TargetArgs, VerbMode};
use plugin_kit::verbs::parse_revision;
use rollout_core::drive::{Guard, GuardOptions};
use rollout_core::plan::steps;
use rollout_core::snapshot::Symptom;
use rollout_core::{RevisionNumber, Workload};
use rollout_kube::Cluster;

/// How long pods soak unless somebody says otherwise.
const SOAK: Duration = Duration::from_secs(30);

/// The examples with which the help of `guard` starts.
pub const EXAMPLES: (&str, &str) = (
    "guard",
    "\
Examples:
  kubectl apply -f . && {me} guard -f .           # back where it fails
  {me} guard {target} --check 'curl -fs http://web/healthz'
  {me} guard -f . --all-or-none",
);

/// The arguments of `guard`.
#[derive(Args, Debug)]
pub struct GuardArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    guarding: GuardingArgs,
    /// The revision to go back to; otherwise the last one that is known to have worked
    #[arg(long, value_name = "N", value_parser = parse_revision)]
    to_revision: Option<RevisionNumber>,
    #[command(flatten)]
    follow: FollowArgs,
}

/// The flags of the verbs that take back what fails.
#[derive(Args, Clone, Debug)]
pub struct GuardingArgs {
    /// The gate that a rollout has to pass.
    #[command(flatten)]
    pub gate: GateArgs,
    /// How long the way back may take; 0 for ever
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    pub undo_timeout: Duration,
    /// Take all of them back when one fails
    #[arg(long)]
    pub all_or_none: bool,
}

impl GuardingArgs {
    /// Returns how rollouts are guarded.
    pub fn options(&self, follow: &FollowArgs) -> Result<GuardOptions, CliError> {
        Ok(GuardOptions {
            gate: self.gate.options(SOAK)?,
            limit: duration::limit(follow.timeout),
            undo_limit: duration::limit(self.undo_timeout),
            allow: follow.allow.clone(),
            back_to: None,
            before: None,
            together: self.all_or_none,
        })
    }
}

/// Runs `guard`. It never asks: calling it is the consent.
pub async fn run(args: GuardArgs, session: &mut Session) -> Result<Exit, CliError> {
    let GuardArgs { targets, output, guarding, to_revision, follow } = args;
    let form = session.form_of_ending(&output, follow.summary.as_deref())?;
    let options = GuardOptions { back_to: to_revision, ..guarding.options(&follow)? };
    let found: Found = session.find(&targets, VerbMode::Writing).await?;
    let checks = guarding.gate.checks(session).await?;
    let cluster = session.cluster().await?;
    let mut reports = Reports::new(session, &form, found.exits);
    let mut jobs = Vec::new();
    for workload in found.workloads {
        let id = workload.id.clone();
        let guard = Guard::new(options.clone());
        match job(&mut reports.session.ui, &cluster, workload, guard, BTreeSet::new()).await {
            Ok(job) => jobs.push(job),
            Err(error) => reports.failed(&error.about(&id)),
        }
    }
    guard(&mut reports, &guarding, &follow, &checks, jobs).await?;
    reports.close(found.single)
}

/// Reads what a guard needs: the nodes too, where it may have to delete a DaemonSet's pods. What drives a rollout in steps
/// guards it itself.
pub async fn job(
    ui: &mut Ui,
    cluster: &Cluster,
    workload: Workload,
    guard: Guard,
    known: BTreeSet<Symptom>,
) -> Result<Job, CliError> {
    let id = workload.id.clone();
    let depth = change::depth(&workload);
    let seen = cluster.seen(workload, depth).await?;
    let snapshot = seen.snapshot(cluster.now());
    steps::none_under_way(&snapshot).map_err(|refusal| CliError::refused(&id, &refusal))?;
    warn_of_hidden_pods(ui, &snapshot);
    Ok(Job { id, seen, machine: Box::new(guard), known })
}

/// Guards rollouts to their ends, and says how they ended.
pub async fn guard(
    reports: &mut Reports<'_>,
    guarding: &GuardingArgs,
    follow: &FollowArgs,
    checks: &Checks,
    jobs: Vec<Job>,
) -> Result<(), CliError> {
    let cluster = reports.session.cluster().await?;
    reports.in_lines(follow.prints_events(reports.form));
    let check = |id: &_, run| checks.run(&guarding.gate, id, run);
    let options = WatchOptions {
        events: follow.prints_events(reports.form),
        field_manager: follow.manager(reports.session),
        check: &check,
        together: guarding.all_or_none,
        patience: follow.patience.patience(),
        failed: None,
    };
    let ids: Vec<_> = jobs.iter().map(|job| job.id.clone()).collect();
    let ends = follow::watch(&mut reports.session.ui, &cluster, jobs, &options).await;
    for (id, end) in ids.iter().zip(&ends) {
        reports.ended(id, None, end, false);
    }
    Ok(())
}
