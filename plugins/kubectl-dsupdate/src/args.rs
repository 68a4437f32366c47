//! What `kubectl dsupdate` is, and its verbs.

use clap::Subcommand;
use plugin_kit::error::CliError;
use plugin_kit::exit::Exit;
use plugin_kit::session::Session;
use plugin_kit::verbs::SharedVerb;
use plugin_kit::{Kind, Plugin};

/// The plugin.
pub const PLUGIN: Plugin = Plugin {
    name: "kubectl-dsupdate",
    about: "Update DaemonSets, and roll them back",
    examples: "\
Examples:
  {me} history agent                  # what was rolled out, and what changed
  {me} status agent                   # also true for OnDelete
  {me} undo agent --to-revision 3     # drives an OnDelete set, pod by pod",
    kind: Some(Kind::DaemonSet),
    default_verb: None,
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
