//! What `kubectl stspartition` is, and its verbs.

use clap::Subcommand;
use plugin_kit::error::CliError;
use plugin_kit::exit::Exit;
use plugin_kit::session::Session;
use plugin_kit::verbs::SharedVerb;
use plugin_kit::{Kind, Plugin};

/// The plugin.
pub const PLUGIN: Plugin = Plugin {
    name: "kubectl-stspartition",
    about: "Update StatefulSets, and roll them back",
    examples: "\
Examples:
  {me} history db                 # what was rolled out, and what changed
  {me} status db                  # also true for partitions and OnDelete
  {me} undo db                    # frees a stuck set by itself",
    kind: Some(Kind::StatefulSet),
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
