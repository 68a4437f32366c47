//! `set` and `advance`: where the partition of a StatefulSet is.

use clap::Args;
use kubectl_terminal::forms::OutputArgs;
use plugin_kit::call::{CliError, Exit, Session};
use plugin_kit::change::{self, Intent, WriteArgs, subject};
use plugin_kit::targets::{TargetArgs, VerbMode};
use rollout_core::drive::{Follow, Revert};
use rollout_core::machine::Machine;
use rollout_core::objects::{HIGHEST_PARTITION, few};
use rollout_core::plan::{Decision, Plan, Refusal, partition};
use rollout_core::{Amount, RevisionNumber, Snapshot};

/// The examples with which the help of `set` starts.
pub const SET_EXAMPLES: (&str, &str) = (
    "set",
    "\
Examples:
  {me} set {target} --partition 2              # the lowest two stay
  {me} set {target} --partition 3 --recreate   # new ones go back",
);

/// The examples with which the help of `advance` starts.
pub const ADVANCE_EXAMPLES: (&str, &str) = (
    "advance",
    "\
Examples:
  {me} advance {target}                # one more pod is new
  {me} advance {target} --to 50%       # half of them, rounded up
  {me} advance {target} --to 100%      # all, no partition any more",
);

/// The arguments of `set`.
#[derive(Args, Debug)]
pub struct SetArgs {
    #[command(flatten)]
    targets: TargetArgs,
    /// How many pods, from the lowest ordinal, are not updated
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_partition)]
    partition: u32,
    /// Put the updated pods below it back to the older revision, one by one
    #[arg(long)]
    recreate: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// The arguments of `advance`.
#[derive(Args, Debug)]
pub struct AdvanceArgs {
    #[command(flatten)]
    targets: TargetArgs,
    /// How many pods, from the highest ordinal, are at the new revision then; by default one more
    #[arg(long, value_name = "N|P%", allow_negative_numbers = true, value_parser = parse_amount)]
    to: Option<Amount>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    write: WriteArgs,
}

fn parse_partition(text: &str) -> Result<u32, String> {
    match text.parse::<i64>() {
        Ok(number) if number < 0 => Err("a partition is 0 or more".to_string()),
        Ok(number) => u32::try_from(number)
            .ok()
            .filter(|it| *it <= HIGHEST_PARTITION)
            .ok_or_else(|| format!("a partition is {HIGHEST_PARTITION} at most")),
        Err(_) => Err("a partition is a whole number".to_string()),
    }
}

fn parse_amount(text: &str) -> Result<Amount, String> {
    match text.parse() {
        Ok(Amount::Count(0) | Amount::Percent(0)) => Err("at least one pod is to be new".to_string()),
        Ok(Amount::Percent(101..)) => Err("100% is all of them".to_string()),
        Ok(amount) => Ok(amount),
        Err(_) => Err("a number of pods or a percentage is needed, such as 2 or 50%".to_string()),
    }
}

/// Runs `set`.
pub async fn run_set(args: SetArgs, session: &mut Session) -> Result<Exit, CliError> {
    let SetArgs { targets, partition, recreate, output, write } = args;
    if recreate && !write.wait {
        return Err(CliError::usage("no pod is put back without waiting: --recreate and --wait=false"));
    }
    let form = session.form_of_ending(&output, write.follow.summary.as_deref())?;
    let found = session.find(&targets, VerbMode::Writing).await?;
    change::run(session, &write, &form, found, &mut Set { partition, recreate }).await
}

/// Runs `advance`.
pub async fn run_advance(args: AdvanceArgs, session: &mut Session) -> Result<Exit, CliError> {
    let AdvanceArgs { targets, to, output, write } = args;
    let form = session.form_of_ending(&output, write.follow.summary.as_deref())?;
    let found = session.find(&targets, VerbMode::Writing).await?;
    change::run(session, &write, &form, found, &mut Advance { to }).await
}

struct Set {
    partition: u32,
    recreate: bool,
}

impl Intent for Set {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        partition::set(snapshot, self.partition, self.recreate)
    }

    fn question(&self, plans: &[&Plan]) -> String {
        format!("Set the partition of {} to {}?", subject(plans), self.partition)
    }

    fn done(&self, _: &Plan) -> String {
        format!("partition set to {}", self.partition)
    }

    fn nothing(&self, _: Option<RevisionNumber>) -> String {
        match self.recreate {
            true => format!("unchanged: its partition is {} and no pod is to be put back", self.partition),
            false => format!("unchanged: its partition is {}", self.partition),
        }
    }

    /// A partition that is raised makes no pod new.
    fn machine(&self, plan: &Plan, before: &Snapshot, limit: Option<i64>) -> Option<Box<dyn Machine>> {
        match (self.recreate, self.partition < before.workload.partition()) {
            (true, _) => Some(Box::new(Revert::new(before, self.partition, limit))),
            (false, true) => Some(Box::new(Follow::driving(&plan.template, limit))),
            (false, false) => None,
        }
    }
}

struct Advance {
    to: Option<Amount>,
}

impl Intent for Advance {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        partition::advance(snapshot, self.to)
    }

    fn question(&self, plans: &[&Plan]) -> String {
        format!("Advance {}?", subject(plans))
    }

    fn done(&self, plan: &Plan) -> String {
        let names: Vec<String> = plan.impact.pods.iter().map(|pod| pod.name.clone()).collect();
        match names.as_slice() {
            [] => "partition lowered".to_string(),
            [_] => format!("partition lowered: {} becomes new", few(&names)),
            [_, ..] => format!("partition lowered: {} become new", few(&names)),
        }
    }

    fn nothing(&self, _: Option<RevisionNumber>) -> String {
        "unchanged: no old pod is held back by its partition".to_string()
    }

    fn machine(&self, plan: &Plan, _: &Snapshot, limit: Option<i64>) -> Option<Box<dyn Machine>> {
        Some(Box::new(Follow::driving(&plan.template, limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_amounts_are_read_strictly() {
        assert_eq!(parse_partition("0"), Ok(0));
        assert_eq!(parse_partition("2147483647"), Ok(HIGHEST_PARTITION));
        for bad in ["-1", "2147483648", "99999999999999999999", "two", "", "1.5", "50%"] {
            assert!(parse_partition(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_amount("2"), Ok(Amount::Count(2)));
        assert_eq!(parse_amount("100%"), Ok(Amount::Percent(100)));
        for bad in ["0", "0%", "101%", "-1", "+1", "1.5", "%", "", "all", "5 %"] {
            assert!(parse_amount(bad).is_err(), "{bad}");
        }
    }
}
