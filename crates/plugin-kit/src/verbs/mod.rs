//! The verbs that all three plugins have.

pub mod diff;
pub mod history;
pub mod status;
pub mod undo;

use clap::Subcommand;

use crate::completion::{self, CompletionArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;

/// A verb that every plugin has.
#[derive(Debug, Subcommand)]
pub enum SharedVerb {
    /// Show the revisions of workloads and what changed in each
    History(history::HistoryArgs),
    /// Show what differs between two revisions
    Diff(diff::DiffArgs),
    /// Go back to an older revision, and wait until its pods run
    Undo(undo::UndoArgs),
    /// Show how far a rollout is, and wait for its end
    Status(status::StatusArgs),
    /// Print the version
    Version,
    /// Print the connection flags, which are kubectl's
    Options,
    /// Print the completion script of a shell, or install completion for kubectl
    Completion(CompletionArgs),
}

impl SharedVerb {
    /// Runs the verb.
    pub async fn run(self, session: &mut Session) -> Result<Exit, CliError> {
        match self {
            SharedVerb::History(args) => history::run(args, session).await,
            SharedVerb::Diff(args) => diff::run(args, session).await,
            SharedVerb::Undo(args) => undo::run(args, session).await,
            SharedVerb::Status(args) => status::run(args, session).await,
            SharedVerb::Version => {
                let line = format!("{} v{}", session.plugin.name, env!("CARGO_PKG_VERSION"));
                session.ui.line(&line);
                Ok(Exit::Done)
            }
            SharedVerb::Options => {
                session.ui.out(&kubectl_connect::options_help());
                Ok(Exit::Done)
            }
            SharedVerb::Completion(args) => complete(args, session),
        }
    }
}

fn complete(args: CompletionArgs, session: &mut Session) -> Result<Exit, CliError> {
    match args.what.shell() {
        Some(shell) => {
            let script = completion::script(session.command.clone(), session.plugin.name, shell);
            session.ui.out(&script);
        }
        None => {
            let argv0 = std::env::args_os().next().unwrap_or_default();
            let link = completion::install(&argv0, std::env::var_os("PATH").as_deref())
                .map_err(|error| CliError::failed(error.to_string()))?;
            session.ui.note(&format!("kubectl completes {} now ({})", session.plugin.name, link.display()));
        }
    }
    Ok(Exit::Done)
}
