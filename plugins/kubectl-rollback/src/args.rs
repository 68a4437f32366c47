//! What `kubectl rollback` is, and its verbs.

use clap::Subcommand;
use plugin_kit::Plugin;
use plugin_kit::error::CliError;
use plugin_kit::exit::Exit;
use plugin_kit::session::Session;
use plugin_kit::verbs::SharedVerb;

/// The plugin.
pub const PLUGIN: Plugin = Plugin {
    name: "kubectl-rollback",
    about: "Roll Deployments, DaemonSets and StatefulSets back, and see what a rollback would do",
    examples: "\
Examples:
  {me} history deploy/web             # what was rolled out, and what changed
  {me} diff deploy/web                # the previous revision against the current one
  {me} deploy/web                     # back to the previous revision, after a question
  {me} undo sts/db --to-last-good     # back to the newest revision that worked
  {me} status ds/agent --timeout 5m   # wait for the end of a rollout",
    kind: None,
    default_verb: Some("undo"),
};

/// A verb of the plugin.
#[derive(Debug, Subcommand)]
pub enum Verb {
    #[command(flatten)]
    Shared(SharedVerb),
}

impl plugin_kit::Verb for Verb {
    async fn run(self, session: &mut Session) -> Result<Exit, CliError> {
        match self {
            Verb::Shared(verb) => verb.run(session).await,
        }
    }
}
