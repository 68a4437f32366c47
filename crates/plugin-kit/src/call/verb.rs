//! What a plugin can be asked for.

use std::future::Future;

use clap::Subcommand;

use super::{CliError, Exit, Session};

/// The examples with which the help of a verb starts; `{me}` and `{target}` are filled in.
pub type Examples = (&'static str, &'static str);

/// A verb of a plugin.
pub trait Verb: Subcommand {
    /// The examples of its verbs.
    const EXAMPLES: &'static [&'static [Examples]];

    /// Runs the verb.
    fn run(self, session: &mut Session) -> impl Future<Output = Result<Exit, CliError>>;
}
