//! The flags that every verb has which changes something.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, Args};
use kubectl_terminal::duration;
use kubectl_terminal::forms::{self, OutputForm};
use rollout_core::plan::WarningId;

use crate::call::Session;
use crate::call::summary::MARKDOWN;
use crate::follow::PatienceArgs;

/// The flags of every verb that changes something.
#[derive(Args, Debug)]
pub struct WriteArgs {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Stop after the plan; with server, the server checks it too
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "none", default_missing_value = "client",
        value_name = "none|client|server", value_parser = parse_dry_run)]
    pub dry_run: DryRun,
    /// Wait for the end; --wait=false returns after the write
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = ArgAction::Set)]
    pub wait: bool,
    /// How it is followed.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// The flags of every verb that follows what it changes.
///
/// They come last: what was declared before them is taken out of the help where it is of no use to a verb that writes.
#[derive(Args, Debug)]
#[command(mut_args(of_writing))]
pub struct FollowArgs {
    /// Go on although a warning with this id stops it
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = parse_warning)]
    pub allow: Vec<String>,
    /// How long to wait; 0 for ever
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    pub timeout: Duration,
    /// How long what may pass by itself may last.
    #[command(flatten)]
    pub patience: PatienceArgs,
    /// The name under which the changed fields are managed
    #[arg(long, value_name = "NAME")]
    pub field_manager: Option<String>,
    /// With -o json, print a line for every event while waiting
    #[arg(long)]
    pub output_watch_events: bool,
    /// Add what became of it to this file, as markdown
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
}

impl FollowArgs {
    /// Tells whether events are printed: they are lines of JSON, so only beside a document.
    pub fn prints_events(&self, form: &OutputForm) -> bool {
        self.output_watch_events && !form.is_human()
    }

    /// Returns the name under which fields are managed.
    pub fn manager(&self, session: &Session) -> String {
        self.field_manager.clone().unwrap_or_else(|| session.plugin.name.to_string())
    }
}

/// `-A` is always refused, tables are of plans, and nothing is wider than it is.
fn of_writing(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "all_namespaces" | "no_headers" => arg.hide(true),
        "output" => forms::also(forms::without_wide(arg), &[MARKDOWN]),
        _ => arg,
    }
}

/// For verbs that wait for nothing: takes out of the help what says for how long, and how.
pub fn waits_for_nothing(arg: Arg) -> Arg {
    match arg.get_long() {
        Some("wait" | "timeout" | "patience" | "output-watch-events") => arg.hide(true),
        _ => arg,
    }
}

/// For verbs that cannot be left alone: takes out of the help what is always refused.
pub fn always_waits(arg: Arg) -> Arg {
    if arg.get_id() == "wait" { arg.hide(true) } else { arg }
}

/// How far a dry run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It is no dry run.
    None,
    /// Nothing is sent.
    Client,
    /// The server checks what is sent and writes nothing.
    Server,
}

fn parse_dry_run(text: &str) -> Result<DryRun, String> {
    match text {
        "none" | "false" => Ok(DryRun::None),
        "client" | "true" => Ok(DryRun::Client),
        "server" => Ok(DryRun::Server),
        other => Err(format!("invalid dry-run value ({other}): must be \"none\", \"server\", or \"client\"")),
    }
}

fn parse_warning(text: &str) -> Result<String, String> {
    let known: Vec<&str> = WarningId::ALL.iter().map(|id| id.as_str()).collect();
    if known.contains(&text) {
        Ok(text.to_string())
    } else {
        Err(format!("no such warning; there are {}", known.join(", ")))
    }
}
