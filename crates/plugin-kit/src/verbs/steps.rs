//! `start` and `abort`: rollouts in steps, and the way back from them. They go on by `resume` (`pause.rs`).

use std::time::Duration;

use clap::{Args, ValueEnum};
use kubectl_terminal::forms::OutputArgs;
use kubectl_terminal::{duration, signals};
use rollout_core::drive::Driver;
use rollout_core::machine::{CheckRun, Machine};
use rollout_core::plan::steps::{self, StartOptions};
use rollout_core::plan::upgrade::{self, SetImage};
use rollout_core::plan::{Decision, Plan, Refusal};
use rollout_core::stored::{First, Holder, OnFailure, Rest, Rules, StepOptions, Stored};
use rollout_core::{Amount, Kind, RevisionNumber, Snapshot, Workload, WorkloadId, template};
use rollout_kube::{Checking, Depth};
use serde_json::Value;

use crate::call::{CliError, Exit, Session, holder};
use crate::change::{self, ActionArgs, Intent, WriteArgs, always_waits, subject};
use crate::follow::gates::{Checks, GateArgs};
use crate::targets::{Found, ManifestSource, TargetArgs, VerbMode, manifests};

/// How long a step's pods soak unless somebody says otherwise.
const SOAK: Duration = Duration::from_secs(120);

/// The examples with which the help of `abort` starts.
pub const ABORT_EXAMPLES: (&str, &str) = (
    "abort",
    "\
Examples:
  {me} abort {target}                  # back to the old template",
);

/// The arguments of `start`.
#[derive(Args, Debug)]
#[command(mut_args(always_waits))]
pub struct StartArgs {
    /// What to roll out, and the new images: NAME CONTAINER=IMAGE...
    #[arg(value_name = "NAME")]
    words: Vec<String>,
    /// Take the template from this manifest
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "restart", value_hint = clap::ValueHint::FilePath)]
    filename: Option<String>,
    /// Restart the pods, as kubectl rollout restart does
    #[arg(long)]
    restart: bool,
    /// How many are new after each step, e.g. 1,10%,50%,100%
    #[arg(long, value_name = "LIST", value_parser = Rest::parse)]
    steps: Option<Rest>,
    /// Pause after so many steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pause_after: Option<u64>,
    /// What to do when a step fails
    #[arg(long, value_enum, default_value_t = FailureArg::Pause, value_name = "pause|abort")]
    on_failure: FailureArg,
    /// Why; becomes the change cause
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// What becomes of a rollout whose step fails.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailureArg {
    /// It stands still until somebody resumes or aborts it
    Pause,
    /// It is taken back
    Abort,
}

/// The flags of `start` that only rollouts over nodes have.
#[derive(Args, Debug, Default)]
pub struct NodeArgs {
    /// One node first, then a step for each value of this label
    #[arg(long, value_name = "LABEL", conflicts_with = "steps")]
    by: Option<String>,
    /// The nodes of the first step
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "node_selector")]
    nodes: Vec<String>,
    /// The nodes of the first step, by their labels
    #[arg(long, value_name = "SELECTOR")]
    node_selector: Option<String>,
    /// Pods that may be missing within a step
    #[arg(long, value_name = "N|%", value_parser = parse_amount)]
    max_unavailable: Option<Amount>,
    /// Evict pods instead of deleting them: disruption budgets may forbid that
    #[arg(long)]
    evict: bool,
    /// Leave out nodes that are not ready
    #[arg(long)]
    skip_unready_nodes: bool,
}

/// Reads a number, or a percentage of at most 100; for clap.
pub fn parse_amount(text: &str) -> Result<Amount, String> {
    match text.parse() {
        Ok(amount @ (Amount::Count(_) | Amount::Percent(0..=100))) => Ok(amount),
        Ok(Amount::Percent(_)) | Err(_) => {
            Err(format!("{text:?} is neither a number nor a percentage up to 100%"))
        }
    }
}

/// Runs `start`.
pub async fn start(args: StartArgs, nodes: NodeArgs, session: &mut Session) -> Result<Exit, CliError> {
    let StartArgs { words, filename, restart, steps, pause_after, on_failure, reason, gate, output, write } =
        args;
    if !write.wait {
        return Err(CliError::usage("nothing moves without a driver: --wait=false"));
    }
    let form = session.form_of_ending(&output, write.follow.summary.as_deref())?;
    let kind = session.plugin.kind.unwrap_or(Kind::DaemonSet);
    let (images, names): (Vec<String>, Vec<String>) = words.into_iter().partition(|word| word.contains('='));
    let change = change(session, &images, filename, restart)?;
    let options = step_options(&gate, &nodes, on_failure, &write)?;
    let rules = rules(kind, steps, nodes);
    let names = match (&change, names.is_empty()) {
        (Change::Manifest { name, .. }, true) => vec![name.clone()],
        (_, _) => names,
    };
    let found: Found =
        session.find(&TargetArgs { targets: names, ..TargetArgs::default() }, VerbMode::Writing).await?;
    if found.workloads.len() > 1 {
        return Err(CliError::usage("one rollout in steps at a time: name one"));
    }
    let cluster = session.cluster().await?;
    let change = match (change, found.workloads.first()) {
        (Change::Manifest { template, .. }, Some(workload)) => {
            Change::Template(cluster.defaulted(workload, &template).await?)
        }
        (change, _) => change,
    };
    let checks = gate.checks(session).await?;
    let pause_after = pause_after.and_then(|steps| usize::try_from(steps).ok());
    let start = StartOptions { template: None, rules, options, pause_after, holder: Some(holder()), reason };
    change::run(session, &write, &form, found, &mut Start { change, start, gate, checks }).await
}

/// What the template becomes.
enum Change {
    /// What it is already.
    Nothing,
    Images(Vec<SetImage>),
    /// The time of the restart.
    Restart(String),
    /// What a manifest says, before the server has filled in what it leaves out.
    Manifest {
        name: String,
        template: Value,
    },
    Template(Value),
}

fn change(
    session: &mut Session,
    images: &[String],
    filename: Option<String>,
    restart: bool,
) -> Result<Change, CliError> {
    let images = upgrade::parse(images).map_err(|error| CliError::usage(error.to_string()))?;
    match (filename, restart, images.is_empty()) {
        (Some(file), false, true) => manifest(session, file),
        (None, true, true) => Ok(Change::Restart(duration::rfc3339(k8s_openapi::jiff::Timestamp::now()))),
        (None, false, false) => Ok(Change::Images(images)),
        (None, false, true) => Ok(Change::Nothing),
        (_, _, _) => Err(CliError::usage("either images, --restart or -f change the template, not several")),
    }
}

fn manifest(session: &mut Session, file: String) -> Result<Change, CliError> {
    let source = ManifestSource::Files { paths: vec![file.clone()], recursive: false };
    let wanted = session.plugin.kind;
    let documents = signals::at_once(|| manifests::documents(&source, &mut session.ui))?;
    let mut found = documents.into_iter().map(|(_, document)| document).filter(|document| {
        document["kind"].as_str().and_then(Kind::parse) == wanted
            && document.pointer("/spec/template").is_some()
    });
    let kind = wanted.map_or("workload", Kind::singular);
    match (found.next(), found.next()) {
        (Some(mut document), None) => Ok(Change::Manifest {
            name: document["metadata"]["name"].as_str().unwrap_or_default().to_string(),
            template: document["spec"]["template"].take(),
        }),
        (None, _) => Err(CliError::failed(format!("{file} has no {kind} with a template"))),
        (Some(_), Some(_)) => Err(CliError::failed(format!("{file} has more than one {kind}"))),
    }
}

fn step_options(
    gate: &GateArgs,
    nodes: &NodeArgs,
    on_failure: FailureArg,
    write: &WriteArgs,
) -> Result<StepOptions, CliError> {
    let options = gate.options(SOAK)?;
    Ok(StepOptions {
        soak: options.soak,
        max_restarts: options.max_restarts,
        max_unavailable: nodes.max_unavailable,
        checks: gate.check.clone(),
        queries: gate.check_query.iter().map(ToString::to_string).collect(),
        prometheus: gate.prometheus.as_ref().map(ToString::to_string),
        on_failure: match on_failure {
            FailureArg::Pause => OnFailure::Pause,
            FailureArg::Abort => OnFailure::Abort,
        },
        evict: nodes.evict,
        skip_unready_nodes: nodes.skip_unready_nodes,
        timeout: duration::limit(write.follow.timeout),
    })
}

fn rules(kind: Kind, steps: Option<Rest>, nodes: NodeArgs) -> Rules {
    let default = Rules::default_of(kind);
    let NodeArgs { by, nodes, node_selector, .. } = nodes;
    let first = match (nodes.is_empty(), node_selector) {
        (false, _) => Some(First::Nodes(nodes)),
        (true, selector) => selector.map(First::Selector),
    };
    Rules { first, rest: by.map(Rest::Label).or(steps).unwrap_or(default.rest) }
}

struct Start {
    change: Change,
    start: StartOptions,
    gate: GateArgs,
    checks: Checks,
}

impl Intent for Start {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        let live = snapshot.workload.template();
        let template = match &self.change {
            Change::Nothing => None,
            Change::Images(images) => Some(upgrade::with_images(live, images)?),
            Change::Restart(at) => Some(template::restarted(live, at)),
            Change::Manifest { template, .. } | Change::Template(template) => Some(template.clone()),
        };
        steps::start(snapshot, &StartOptions { template, ..self.start.clone() })
    }

    fn depth(&self, _: &Workload) -> Depth {
        Depth::Nodes
    }

    fn looks_around(&self, plan: &Plan) -> bool {
        !plan.changes.is_empty() || self.start.options.evict
    }

    fn question(&self, plans: &[&Plan]) -> String {
        match plans {
            [plan] => format!("Roll {} out in {} steps?", plan.workload, plan.steps.len()),
            several => format!("Roll {} out in steps?", subject(several)),
        }
    }

    fn done(&self, plan: &Plan) -> String {
        format!("rollout started in {} steps", plan.steps.len())
    }

    fn nothing(&self, _: Option<RevisionNumber>) -> String {
        "has nothing to roll out: all pods are at this revision".to_string()
    }

    fn machine(&self, plan: &Plan, before: &Snapshot, _: Option<i64>) -> Option<Box<dyn Machine>> {
        let holder = self.start.holder.clone()?;
        Some(Box::new(Driver::starting(holder, plan.template.clone(), before.workload.generation)))
    }

    fn check(&self, id: &WorkloadId, run: CheckRun) -> Checking {
        self.checks.run(&self.gate, id, run)
    }
}

/// Runs `abort`.
pub async fn abort(args: ActionArgs, session: &mut Session) -> Result<Exit, CliError> {
    args.run(session, &mut Abort { holder: holder() }).await
}

struct Abort {
    holder: Holder,
}

impl Intent for Abort {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        steps::abort(snapshot, Some(self.holder.clone()))
    }

    fn question(&self, plans: &[&Plan]) -> String {
        format!("Take the rollout of {} back?", subject(plans))
    }

    fn done(&self, _: &Plan) -> String {
        "rollout is taken back".to_string()
    }

    fn machine(&self, _: &Plan, before: &Snapshot, _: Option<i64>) -> Option<Box<dyn Machine>> {
        aborting(&self.holder, before)
    }
}

/// Returns what drives the way back of the rollout that was stored.
pub fn aborting(holder: &Holder, before: &Snapshot) -> Option<Box<dyn Machine>> {
    let rollout = Stored::of(&before.workload)?.rollout?;
    Some(Box::new(Driver::aborting(holder.clone(), rollout)))
}
