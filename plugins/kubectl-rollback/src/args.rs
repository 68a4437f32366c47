//! What `kubectl rollback` is, and the verbs that only it has.

use clap::Subcommand;
use plugin_kit::Plugin;
use plugin_kit::call::{CliError, Examples, Exit, Lazy, Session, Verb};
use plugin_kit::verbs::{EXAMPLES, SharedVerb, unstick};

use crate::attempt::{self, TryArgs};
use crate::guard::{self, GuardArgs};
use crate::timeline::{self, TimelineArgs};

/// The plugin.
pub const PLUGIN: Plugin = Plugin {
    name: "kubectl-rollback",
    about: "Roll Deployments, DaemonSets and StatefulSets back, and see what a rollback would do",
    examples: "\
Examples:
  {me} timeline                      # what was rolled out lately
  {me} history deploy/web            # what changed in each revision
  {me} diff deploy/web               # the last change
  {me} deploy/web                    # back to the previous revision
  {me} undo sts/db --to-last-good    # back to one that worked
  {me} status ds/agent --timeout 5m  # wait for the end of a rollout",
    kind: None,
    default_verb: Some("undo"),
};

/// A verb of the plugin.
#[derive(Debug, Subcommand)]
pub enum RollbackVerb {
    #[command(flatten)]
    Shared(SharedVerb),
    /// Show what was rolled out lately, in many workloads at once
    Timeline(Lazy<TimelineArgs>),
    /// Follow rollouts to their end, and take back what fails
    Guard(Lazy<GuardArgs>),
    /// Change something, and take it back where it fails
    Try(Lazy<Box<TryArgs>>),
    /// Free a StatefulSet that waits for a broken pod for ever
    Unstick(Lazy<unstick::UnstickArgs>),
}

impl Verb for RollbackVerb {
    const EXAMPLES: &'static [&'static [Examples]] =
        &[EXAMPLES, &[timeline::EXAMPLES, guard::EXAMPLES, attempt::EXAMPLES, unstick::EXAMPLES]];

    async fn run(self, session: &mut Session) -> Result<Exit, CliError> {
        match self {
            RollbackVerb::Shared(verb) => verb.run(session).await,
            RollbackVerb::Timeline(Lazy(args)) => timeline::run(args, session).await,
            RollbackVerb::Guard(Lazy(args)) => guard::run(args, session).await,
            RollbackVerb::Try(Lazy(args)) => attempt::run(*args, session).await,
            RollbackVerb::Unstick(Lazy(args)) => unstick::run(args, session).await,
        }
    }
}
