//! `undo`: back to an older revision.

use clap::Args;
use kubectl_terminal::duration::{self, Moment};
use kubectl_terminal::forms::OutputArgs;
use rollout_core::drive::{Driver, Follow, Guard, GuardOptions};
use rollout_core::machine::{GateOptions, Machine};
use rollout_core::plan::undo::{Drive, UndoOptions, plan};
use rollout_core::plan::{Decision, Plan, Refusal, steps as core_steps};
use rollout_core::stored::Stored;
use rollout_core::{RevisionNumber, RevisionSelector, Snapshot};

use super::revision::parse_revision;
use crate::call::{CliError, Exit, Session, holder};
use crate::change::{self, Intent, WriteArgs, subject};
use crate::targets::{TargetArgs, VerbMode};
use crate::verbs::steps;

/// The arguments of `undo`.
#[derive(Args, Debug)]
pub struct UndoArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// The revision to go back to; 0 is the previous one
    #[arg(long, value_name = "N", default_value = "0", allow_negative_numbers = true, value_parser = parse_to_revision)]
    to_revision: ToRevision,
    /// Go back to the newest older revision that is known to have worked
    #[arg(long, conflicts_with = "to_revision")]
    to_last_good: bool,
    /// Go back to the revision that was live at a time such as 2026-01-31T14:00:00Z, or so long ago, e.g. 30m
    #[arg(long, value_name = "TIME", value_parser = duration::moment, conflicts_with_all = ["to_revision", "to_last_good"])]
    to_time: Option<Moment>,
    /// Of several, go back with those of which it is known what was live at that time
    #[arg(long, requires = "to_time")]
    partial: bool,
    /// Take all of them back to where they were when one does not get healthy
    #[arg(long, conflicts_with = "partial")]
    all_or_none: bool,
    /// Resume a paused Deployment in the same change
    #[arg(long)]
    resume: bool,
    /// Why; becomes the change cause
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// A revision number, or 0 for the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToRevision(Option<RevisionNumber>);

fn parse_to_revision(text: &str) -> Result<ToRevision, String> {
    match text {
        "0" => Ok(ToRevision(None)),
        number => parse_revision(number).map(|number| ToRevision(Some(number))),
    }
}

/// Runs `undo`.
pub async fn run(args: UndoArgs, session: &mut Session) -> Result<Exit, CliError> {
    let UndoArgs {
        targets,
        output,
        to_revision,
        to_last_good,
        to_time,
        partial,
        all_or_none,
        resume,
        reason,
        write,
    } = args;
    if all_or_none && !write.wait {
        return Err(CliError::usage("what is all or none cannot be left alone: --wait=false"));
    }
    let form = session.form_of_ending(&output, write.follow.summary.as_deref())?;
    let found = session.find(&targets, VerbMode::Writing).await?;
    let now = session.cluster().await?.now();
    let target = match (to_revision.0, to_time.map(|moment| moment.before(now)), to_last_good) {
        (Some(number), _, _) => RevisionSelector::Number(number),
        (None, Some(at), _) if at > now => {
            return Err(CliError::usage(format!(
                "--to-time: {at} is in the future: it is {} now",
                Moment::At(now).before(now)
            )));
        }
        (None, Some(at), _) => RevisionSelector::AtTime(at),
        (None, None, true) => RevisionSelector::LastGood,
        (None, None, false) => RevisionSelector::Previous,
    };
    let timeout = duration::limit(write.follow.timeout);
    // What is taken back together is guarded, and a guard drives what it guards.
    let drive = (write.wait && !all_or_none).then(|| Drive { holder: holder(), timeout });
    let whole = all_or_none || to_time.is_some() && !partial;
    let allow = write.follow.allow.clone();
    let options = UndoOptions { target, resume, reason, drive };
    let mut intent = Undo { options, whole, all_or_none, allow };
    change::run(session, &write, &form, found, &mut intent).await
}

struct Undo {
    options: UndoOptions,
    /// Whether nothing is done where one of several cannot be answered.
    whole: bool,
    /// Whether one that fails takes all of them back.
    all_or_none: bool,
    /// Ids of warnings that do not stop the way back from there.
    allow: Vec<String>,
}

impl Intent for Undo {
    fn plan(&self, snapshot: &Snapshot, resolved: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        let stored = Stored::of(&snapshot.workload).and_then(|stored| stored.rollout);
        if let (Some(rollout), true) = (&stored, self.all_or_none) {
            // What is aborted cannot be taken back.
            return Err(rollout.under_way(snapshot));
        }
        if stored.is_some() && self.options.target == RevisionSelector::Previous {
            // This process drives what has to be driven.
            return core_steps::abort(snapshot, Some(holder()));
        }
        let mut options = self.options.clone();
        options.target = resolved.map_or(options.target, RevisionSelector::Number);
        plan(snapshot, &options)
    }

    fn question(&self, plans: &[&Plan]) -> String {
        let [plan] = plans else { return format!("Roll {} back?", subject(plans)) };
        let (workload, to) = (&plan.workload, RevisionNumber::or(plan.to, "?"));
        match plan.changes.is_empty() {
            true if plan.drives() => format!("Put the pods of {workload} back to revision {to}?"),
            true => format!("Free {workload}?"),
            false => format!("Roll {workload} back to revision {to}?"),
        }
    }

    fn done(&self, plan: &Plan) -> String {
        match plan.requests.is_empty() {
            true => self.nothing(plan.to),
            false if plan.changes.is_empty() => {
                format!("pods go back to revision {}", RevisionNumber::or(plan.to, "?"))
            }
            false => format!("rolled back to revision {}", RevisionNumber::or(plan.to, "?")),
        }
    }

    fn nothing(&self, revision: Option<RevisionNumber>) -> String {
        format!(
            "skipped rollback (current template already matches revision {})",
            RevisionNumber::or(revision, "?")
        )
    }

    /// What is stored of a rollout in steps says how it is taken back.
    fn machine(&self, plan: &Plan, before: &Snapshot, limit: Option<i64>) -> Option<Box<dyn Machine>> {
        if let Some(aborting) = steps::aborting(&holder(), before) {
            return Some(aborting);
        }
        if plan.drives() {
            return Some(Box::new(Driver::new(holder())));
        }
        if !self.all_or_none {
            return Some(Box::new(Follow::driving(&plan.template, limit)));
        }
        let options = GuardOptions {
            gate: GateOptions { soak: 0, max_restarts: u32::MAX, checks: false },
            limit,
            undo_limit: limit,
            allow: self.allow.clone(),
            back_to: None,
            before: before.history.current().cloned().map(Box::new),
            together: true,
        };
        Some(Box::new(Guard::of(&plan.template, options).driving()))
    }

    fn prefer(&mut self, better: RevisionNumber) {
        self.options.target = RevisionSelector::Number(better);
    }

    fn together(&self) -> bool {
        self.all_or_none
    }

    fn whole(&self) -> Option<&'static str> {
        self.whole.then_some(match self.all_or_none {
            true => "it is all or none",
            false => "--partial goes on with the others",
        })
    }
}
