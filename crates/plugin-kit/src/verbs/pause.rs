//! `pause` and `resume`: hold a rollout where it is, and let it go on.

use clap::Args;
use rollout_core::Snapshot;
use rollout_core::follow::Follow;
use rollout_core::machine::Machine;
use rollout_core::pause;
use rollout_core::plan::{Decision, Plan, Refusal};
use rollout_core::revision::RevisionNumber;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::OutputArgs;
use crate::session::Session;
use crate::targets::{TargetArgs, VerbMode};
use crate::write::{self, Intent, WriteArgs};

/// The arguments of `pause` and of `resume`.
#[derive(Args, Debug)]
pub struct PauseArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Hold.
    Pause,
    /// Let go on.
    Resume,
}

/// Runs `pause` or `resume`.
pub async fn run(args: PauseArgs, direction: Direction, session: &mut Session) -> Result<Exit, CliError> {
    let form = args.output.form(&[])?;
    let found = session.find(&args.targets, VerbMode::Writing).await?;
    write::run(session, &args.write, &form, found, &mut { direction }).await
}

impl Intent for Direction {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        match self {
            Direction::Pause => pause::pause(snapshot),
            Direction::Resume => pause::resume(snapshot),
        }
    }

    fn question(&self, plan: &Plan) -> String {
        match self {
            Direction::Pause => format!("Pause {}?", plan.workload),
            Direction::Resume => format!("Resume {}?", plan.workload),
        }
    }

    fn question_for(&self, count: usize) -> String {
        match self {
            Direction::Pause => format!("Pause {count} workloads?"),
            Direction::Resume => format!("Resume {count} workloads?"),
        }
    }

    fn done(&self, _: &Plan) -> String {
        match self {
            Direction::Pause => "paused".to_string(),
            Direction::Resume => "resumed".to_string(),
        }
    }

    /// A pause is over with its write; what is resumed is watched like any rollout.
    fn machine(&self, _: &Plan, _: &Snapshot, limit: Option<i64>) -> Option<Box<dyn Machine>> {
        match self {
            Direction::Pause => None,
            Direction::Resume => Some(Box::new(Follow::watching(limit))),
        }
    }

    fn prefer(&mut self, _: RevisionNumber) {}
}
