//! `pause` and `resume`: hold a rollout where it is, and let it go on; what is stored of a rollout in steps is respected.

use std::cell::RefCell;
use std::collections::BTreeMap;

use clap::Args;
use kubectl_terminal::forms::OutputArgs;
use rollout_core::drive::{Driver, Follow};
use rollout_core::machine::{CheckRun, Machine, Verdict};
use rollout_core::plan::steps::{self, GivenChecks, ResumeOptions};
use rollout_core::plan::{Decision, Plan, Refusal, WarningId, pause};
use rollout_core::stored::{Holder, Phase, Query, Rollout, Stored, Unreadable};
use rollout_core::{RevisionNumber, Snapshot, WorkloadId};
use rollout_kube::{Checking, Service};

use crate::call::{CliError, Exit, Session, holder};
use crate::change::{self, ActionArgs, Intent, WriteArgs, subject, waits_for_nothing};
use crate::follow::gates::{Checks, GateArgs};
use crate::targets::{TargetArgs, VerbMode};

/// The arguments of `pause`.
#[derive(Args, Debug)]
#[command(mut_args(waits_for_nothing))]
pub struct PauseArgs {
    #[command(flatten)]
    action: ActionArgs,
}

/// The arguments of `resume`.
#[derive(Args, Debug)]
pub struct ResumeArgs {
    #[command(flatten)]
    targets: TargetArgs,
    /// Pause a rollout in steps again after so many of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pause_after: Option<u64>,
    /// Let go of a rollout in steps whose template somebody replaced: the controller goes on with theirs
    #[arg(long, conflicts_with_all = ["pause_after", "take_over"])]
    release: bool,
    /// Drive a rollout in steps although somebody else has renewed its lease just now
    #[arg(long)]
    take_over: bool,
    /// A check that is stored with a rollout in steps, in the same words: it runs again
    #[arg(long, value_name = "COMMAND")]
    check: Vec<String>,
    /// A query that is stored with it
    #[arg(long, value_name = "PROMQL OP NUMBER", requires = "prometheus")]
    check_query: Vec<Query>,
    /// Where the stored queries go
    #[arg(long, value_name = "NAMESPACE/SERVICE:PORT", requires = "check_query")]
    prometheus: Option<Service>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `pause`.
pub async fn pause(args: PauseArgs, session: &mut Session) -> Result<Exit, CliError> {
    args.action.run(session, &mut Pause).await
}

/// Runs `resume`.
pub async fn resume(args: ResumeArgs, session: &mut Session) -> Result<Exit, CliError> {
    let ResumeArgs {
        targets,
        pause_after,
        release,
        take_over,
        check,
        check_query,
        prometheus,
        output,
        write,
    } = args;
    let form = session.form_of_ending(&output, write.follow.summary.as_deref())?;
    let found = session.find(&targets, VerbMode::Writing).await?;
    let allowed = write.follow.allow.iter().any(|id| id == WarningId::StoredChecks.as_str());
    let checks = Checks::of(session, allowed || !check.is_empty()).await?;
    let mut intent = Resume {
        holder: holder(),
        release,
        take_over,
        pause_after: pause_after.and_then(|steps| usize::try_from(steps).ok()),
        given: GivenChecks {
            checks: check,
            queries: check_query.iter().map(ToString::to_string).collect(),
            prometheus: prometheus.as_ref().map(ToString::to_string),
        },
        checks,
        gates: RefCell::default(),
    };
    change::run(session, &write, &form, found, &mut intent).await
}

fn rollout(snapshot: &Snapshot) -> Option<Rollout> {
    Stored::of(&snapshot.workload)?.rollout
}

struct Pause;

impl Intent for Pause {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        match rollout(snapshot) {
            Some(_) => steps::pause(snapshot),
            None => pause::pause(snapshot),
        }
    }

    fn question(&self, plans: &[&Plan]) -> String {
        format!("Pause {}?", subject(plans))
    }

    fn done(&self, _: &Plan) -> String {
        "paused".to_string()
    }

    /// A pause is over with its write.
    fn machine(&self, _: &Plan, _: &Snapshot, _: Option<i64>) -> Option<Box<dyn Machine>> {
        None
    }
}

struct Resume {
    holder: Holder,
    /// Whether somebody else's template is what the controller goes on with.
    release: bool,
    take_over: bool,
    pause_after: Option<usize>,
    given: GivenChecks,
    checks: Checks,
    /// The checks that are stored with the rollouts and were agreed to, by the workloads' UIDs.
    gates: RefCell<BTreeMap<String, GateArgs>>,
}

impl Intent for Resume {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        if self.release {
            return steps::release(snapshot);
        }
        let Some(rollout) = Stored::read(&snapshot.workload)?.and_then(|it| it.rollout) else {
            let given = !self.given.is_empty();
            return if given { Err(Refusal::NoRollout) } else { pause::resume(snapshot) };
        };
        // What would only fail once the rollout is driven is refused before.
        GateArgs::stored(&rollout.options).map_err(Unreadable::broken)?;
        let options = ResumeOptions {
            holder: self.holder.clone(),
            take_over: self.take_over,
            pause_after: self.pause_after,
            given: self.given.clone(),
        };
        steps::resume(snapshot, &options)
    }

    fn question(&self, plans: &[&Plan]) -> String {
        match self.release {
            true => format!("Let the controller roll out to {} what somebody put there?", subject(plans)),
            false => format!("Resume {}?", subject(plans)),
        }
    }

    fn done(&self, _: &Plan) -> String {
        if self.release { "released".to_string() } else { "resumed".to_string() }
    }

    /// A rollout in steps is driven on; any other is watched like one that somebody started.
    fn machine(&self, plan: &Plan, before: &Snapshot, limit: Option<i64>) -> Option<Box<dyn Machine>> {
        match rollout(before).filter(|_| plan.drives()) {
            Some(rollout) => {
                // On the way back nothing is checked, so nothing was shown.
                let checked = Some(rollout.options).filter(|_| rollout.phase != Phase::Aborting);
                if let Some(Ok(gates)) = checked.as_ref().map(GateArgs::stored) {
                    self.gates.borrow_mut().insert(plan.workload.uid.clone(), gates);
                }
                Some(Box::new(Driver::new(self.holder.clone())))
            }
            None => Some(Box::new(Follow::watching(limit))),
        }
    }

    fn check(&self, id: &WorkloadId, run: CheckRun) -> Checking {
        match self.gates.borrow().get(&id.uid) {
            Some(gates) => self.checks.run(gates, id, run),
            None => Box::pin(std::future::ready(Verdict::Broken("no checks were agreed to".to_string()))),
        }
    }
}
