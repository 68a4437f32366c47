//! `strategy`: how a DaemonSet replaces its pods, shown or changed.

use std::str::FromStr;

use clap::{Arg, Args};
use kubectl_terminal::forms::{OutputArgs, OutputForm};
use kubectl_terminal::table::{Column, Table};
use plugin_kit::call::{CliError, Exit, Session};
use plugin_kit::change::{self, Intent, WriteArgs, subject};
use plugin_kit::say::{Reports, documents};
use plugin_kit::targets::{Found, TargetArgs, VerbMode};
use rollout_core::drive::Follow;
use rollout_core::machine::Machine;
use rollout_core::plan::strategy::{self, StrategyChange, StrategyKind};
use rollout_core::plan::{Decision, Plan, Refusal};
use rollout_core::stored::Stored;
use rollout_core::{Amount, RevisionNumber, Snapshot, Strategy, Workload};

/// The examples with which its help starts.
pub const EXAMPLES: (&str, &str) = (
    "strategy",
    "\
Examples:
  {me} strategy {target}                        # what it is
  {me} strategy {target} --max-unavailable 10%  # after a question
  {me} strategy {target} --max-unavailable 0 --max-surge 1
  {me} strategy {target} --type OnDelete        # nothing moves by itself",
);

/// The arguments of `strategy`.
#[derive(Args, Debug)]
#[command(mut_args(also_reads))]
pub struct StrategyArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// The type: RollingUpdate or OnDelete
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_kind)]
    kind: Option<StrategyKind>,
    /// How many pods may be missing during a rollout: a number or a percentage of the nodes
    #[arg(long, value_name = "N|%", value_parser = Amount::from_str, allow_hyphen_values = true)]
    max_unavailable: Option<Amount>,
    /// How many nodes may have an old and a new pod during a rollout: a number or a percentage of the nodes
    #[arg(long, value_name = "N|%", value_parser = Amount::from_str, allow_hyphen_values = true)]
    max_surge: Option<Amount>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Without a change it is a verb that reads.
fn also_reads(arg: Arg) -> Arg {
    if ["all_namespaces", "no_headers"].contains(&arg.get_id().as_str()) { arg.hide(false) } else { arg }
}

/// Runs `strategy`.
pub async fn run(args: StrategyArgs, session: &mut Session) -> Result<Exit, CliError> {
    let StrategyArgs { targets, output, kind, max_unavailable, max_surge, write } = args;
    let change = StrategyChange { kind, max_unavailable, max_surge };
    if change.is_empty() {
        if write.follow.summary.is_some() {
            return Err(CliError::usage("nothing is changed whose end could be summed up: --summary"));
        }
        let form = session.form(&output, &[])?;
        let found = session.find(&targets, VerbMode::Reading).await?;
        return show(session, &form, output.no_headers, found);
    }
    let form = session.form_of_ending(&output, write.follow.summary.as_deref())?;
    change.check().map_err(|error| CliError::strategy(Exit::Usage, &error.to_string(), &error))?;
    let found = session.find(&targets, VerbMode::Writing).await?;
    change::run(session, &write, &form, found, &mut Change(change)).await
}

fn parse_kind(text: &str) -> Result<StrategyKind, String> {
    StrategyKind::ALL
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| "must be RollingUpdate or OnDelete".to_string())
}

fn show(session: &mut Session, form: &OutputForm, no_headers: bool, found: Found) -> Result<Exit, CliError> {
    let Found { workloads, exits, single, all_namespaces, .. } = found;
    if !form.is_human() {
        let paused = |it: &Workload| Stored::of(it).and_then(|stored| stored.paused_strategy);
        let document =
            |it: &Workload| documents::about(&it.id, documents::Strategy::of(it, paused(it).as_ref()));
        let mut reports = Reports::new(session, form, exits);
        workloads.iter().for_each(|it| reports.document(document(it)));
        return reports.answer(single);
    }
    let mut columns: Vec<Column<'_, Workload>> = Vec::new();
    if all_namespaces {
        columns.push(Column::new("NAMESPACE", |it: &Workload| it.id.namespace.clone()));
    }
    columns.extend([
        Column::new("NAME", |it: &Workload| it.id.name.clone()).flexible(),
        Column::new("TYPE", |it: &Workload| it.strategy.name().to_string()),
        Column::new("MAX-UNAVAILABLE", |it: &Workload| amounts(it).0),
        Column::new("MAX-SURGE", |it: &Workload| amounts(it).1),
    ]);
    Table::of(&columns, &workloads, form.is_wide()).no_headers(no_headers).print(&mut session.ui);
    for workload in &workloads {
        if let Some(words) = held(workload) {
            session.ui.note(&words);
        }
    }
    Ok(Exit::worst_of(exits))
}

/// Returns both amounts, with what they come to: `10% (1 of 4 pods)`.
fn amounts(workload: &Workload) -> (String, String) {
    let desired = workload.desired;
    match &workload.strategy {
        Strategy::RollingUpdate { max_unavailable, max_surge } => {
            let (missing, twice) = strategy::resolved(*max_unavailable, *max_surge, desired);
            let words = |amount: &Amount, pods: u32| match amount {
                Amount::Count(0) => "0".to_string(),
                Amount::Count(_) | Amount::Percent(_) => format!("{amount} ({pods} of {desired} pods)"),
            };
            (words(max_unavailable, missing), words(max_surge, twice))
        }
        Strategy::Partitioned { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => {
            ("<none>".to_string(), "<none>".to_string())
        }
    }
}

/// Says where the strategy is only what holds a workload for now.
fn held(workload: &Workload) -> Option<String> {
    let stored = Stored::of(workload)?;
    let (what, before) = match (stored.rollout, stored.paused_strategy) {
        (Some(rollout), _) => ("in a rollout in steps", rollout.strategy),
        (None, Some(strategy)) => ("paused", strategy),
        (None, None) => return None,
    };
    let mut object = workload.object.clone();
    object["spec"]["updateStrategy"] = before;
    let before = Workload::from_object(workload.id.kind, object).ok()?.strategy;
    Some(format!("{} is {what}; afterwards it has {} again", workload.id, strategy::words(&before)))
}

/// Another strategy for each.
struct Change(StrategyChange);

impl Intent for Change {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        strategy::plan(snapshot, &self.0)
    }

    fn question(&self, plans: &[&Plan]) -> String {
        format!("Change the strategy of {}?", subject(plans))
    }

    fn done(&self, _: &Plan) -> String {
        "strategy changed".to_string()
    }

    fn nothing(&self, _: Option<RevisionNumber>) -> String {
        "unchanged: it has this strategy already".to_string()
    }

    /// What the change sets going is watched to its end.
    fn machine(&self, plan: &Plan, _: &Snapshot, limit: Option<i64>) -> Option<Box<dyn Machine>> {
        let moves = plan.impact.moves_by_itself && !plan.impact.pods.is_empty();
        moves.then(|| Box::new(Follow::watching(limit)) as Box<dyn Machine>)
    }
}
