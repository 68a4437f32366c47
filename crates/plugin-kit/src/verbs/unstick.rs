//! `unstick`: find the pod that a StatefulSet hangs on, explain, and delete it.

use clap::Args;
use rollout_core::drive::Follow;
use rollout_core::machine::Machine;
use rollout_core::plan::{Decision, Plan, Refusal, unstick};
use rollout_core::{RevisionNumber, Snapshot};

use crate::call::{CliError, Exit, Session};
use crate::change::{ActionArgs, Intent, always_waits, subject};

/// The examples with which the help of `unstick` starts.
pub const EXAMPLES: (&str, &str) = (
    "unstick",
    "\
Examples:
  {me} unstick sts/db             # delete what blocks it
  {me} unstick sts/db --dry-run   # only say which it is",
);

/// The arguments of `unstick`.
#[derive(Args, Debug)]
#[command(mut_args(always_waits))]
pub struct UnstickArgs {
    #[command(flatten)]
    action: ActionArgs,
}

/// Runs `unstick`.
pub async fn run(args: UnstickArgs, session: &mut Session) -> Result<Exit, CliError> {
    if !args.action.write.wait {
        return Err(CliError::usage("nothing moves without waiting: --wait=false"));
    }
    args.action.run(session, &mut Unstick).await
}

struct Unstick;

impl Intent for Unstick {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        unstick::plan(snapshot)
    }

    fn question(&self, plans: &[&Plan]) -> String {
        format!("Free {}?", subject(plans))
    }

    fn done(&self, plan: &Plan) -> String {
        match plan.impact.pods.first() {
            Some(pod) => format!("is freed by deleting pod {}", pod.name),
            None => "is looked at until it moves".to_string(),
        }
    }

    fn nothing(&self, _: Option<RevisionNumber>) -> String {
        "is not stuck".to_string()
    }

    fn machine(&self, plan: &Plan, _: &Snapshot, limit: Option<i64>) -> Option<Box<dyn Machine>> {
        Some(Box::new(Follow::driving(&plan.template, limit)))
    }
}
