//! A verb that needs nothing but its targets.

use clap::Args;
use kubectl_terminal::forms::OutputArgs;

use super::{Intent, WriteArgs, run};
use crate::call::{CliError, Exit, Session};
use crate::targets::{TargetArgs, VerbMode};

/// The arguments of a verb that needs nothing but its targets.
#[derive(Args, Debug)]
pub struct ActionArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// How it is done.
    #[command(flatten)]
    pub write: WriteArgs,
}

impl ActionArgs {
    /// Does what is wanted to the targets.
    pub async fn run(&self, session: &mut Session, intent: &mut dyn Intent) -> Result<Exit, CliError> {
        let form = session.form_of_ending(&self.output, self.write.follow.summary.as_deref())?;
        let found = session.find(&self.targets, VerbMode::Writing).await?;
        run(session, &self.write, &form, found, intent).await
    }
}
