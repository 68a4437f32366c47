//! The verbs that all three plugins have.

use clap::Subcommand;
use kubectl_terminal::completion::{self, CompletionArgs};

use super::{diff, history, pause, status, undo};
use crate::call::{CliError, Examples, Exit, Lazy, Session, Verb};

/// The examples of these verbs.
pub const EXAMPLES: &[Examples] = &[
    (
        "history",
        "\
Examples:
  {me} history {target}                # what changed in each
  {me} history {target} --revision 3   # one of them in full
  {me} history {target} -o json",
    ),
    (
        "diff",
        "\
Examples:
  {me} diff {target}                   # the last change
  {me} diff {target} --revision 2,5    # two of them
  {me} diff {target} -o unified",
    ),
    (
        "undo",
        "\
Examples:
  {me} undo {target}                   # to the previous one
  {me} undo {target} --dry-run=server  # what it would do
  {me} undo {target} --to-revision 3 -y --reason 'too many errors'
  {me} undo {target} --to-last-good    # to one that worked
  {me} undo {target} --to-time 30m     # to what was live then",
    ),
    (
        "status",
        "\
Examples:
  {me} status {target}                 # wait for its end
  {me} status {target} --watch=false   # how far it is now
  {me} status {target} --timeout 5m -o json",
    ),
    (
        "pause",
        "\
Examples:
  {me} pause {target}                  # hold it where it is",
    ),
    (
        "resume",
        "\
Examples:
  {me} resume {target}                 # put back what was
  {me} resume {target} --release       # keep what somebody put there",
    ),
    ("version", "Examples:\n  {me} version"),
    ("options", "Examples:\n  {me} options"),
    (
        "completion",
        "\
Examples:
  {me} completion install       # kubectl completes this plugin
  {me} completion bash          # a script for the binary itself",
    ),
];

/// Where the help names what is about the plugin itself: behind the verbs of each.
const LAST: usize = 100;

/// A verb that every plugin has.
#[derive(Debug, Subcommand)]
pub enum SharedVerb {
    /// Show the revisions of workloads and what changed in each
    History(Lazy<history::HistoryArgs>),
    /// Show what differs between two revisions
    Diff(Lazy<diff::DiffArgs>),
    /// Go back to an older revision, and wait until its pods run
    Undo(Lazy<undo::UndoArgs>),
    /// Show how far a rollout is, and wait for its end
    Status(Lazy<status::StatusArgs>),
    /// Hold a rollout where it is
    Pause(Lazy<pause::PauseArgs>),
    /// Let a paused rollout go on
    Resume(Lazy<pause::ResumeArgs>),
    /// Print the version
    #[command(display_order = LAST)]
    Version,
    /// Print the connection flags, which are kubectl's
    #[command(display_order = LAST)]
    Options,
    /// Print the completion script of a shell, or install completion for kubectl
    #[command(display_order = LAST)]
    Completion(Lazy<CompletionArgs>),
}

impl Verb for SharedVerb {
    const EXAMPLES: &'static [&'static [Examples]] = &[EXAMPLES];

    async fn run(self, session: &mut Session) -> Result<Exit, CliError> {
        match self {
            SharedVerb::History(Lazy(args)) => history::run(args, session).await,
            SharedVerb::Diff(Lazy(args)) => diff::run(args, session).await,
            SharedVerb::Undo(Lazy(args)) => undo::run(args, session).await,
            SharedVerb::Status(Lazy(args)) => status::run(args, session).await,
            SharedVerb::Pause(Lazy(args)) => pause::pause(args, session).await,
            SharedVerb::Resume(Lazy(args)) => pause::resume(args, session).await,
            SharedVerb::Version => {
                let line = format!("{} v{}", session.plugin.name, env!("CARGO_PKG_VERSION"));
                session.ui.line(&line);
                Ok(Exit::Done)
            }
            SharedVerb::Options => {
                session.ui.out(&kubectl_connect::options_help());
                Ok(Exit::Done)
            }
            SharedVerb::Completion(Lazy(args)) => complete(args, session),
        }
    }
}

fn complete(args: CompletionArgs, session: &mut Session) -> Result<Exit, CliError> {
    match args.what.shell() {
        Some(shell) => {
            let script = completion::script(session.command(), session.plugin.name, shell);
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
