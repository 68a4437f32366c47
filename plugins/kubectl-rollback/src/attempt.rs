//! `try`: a guarded upgrade, whose starting point is known before the change.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, Args};
use kubectl_terminal::forms::OutputArgs;
use plugin_kit::call::{CliError, Exit, Session};
use plugin_kit::change::{self, DryRun, Intent, WriteArgs, always_waits, subject};
use plugin_kit::follow::gates::Checks;
use plugin_kit::follow::overlay::{Overlay, Ran};
use plugin_kit::follow::{Job, observed};
use plugin_kit::say::Reports;
use plugin_kit::say::documents::{Outcome, OutcomeWord};
use plugin_kit::targets::{Found, Missing, TargetArgs, VerbMode};
use rollout_core::drive::{Guard, GuardOptions};
use rollout_core::judge::causes;
use rollout_core::machine::{CheckRun, Machine};
use rollout_core::plan::upgrade::{self, SetImage};
use rollout_core::plan::{Decision, Plan, Refusal, steps};
use rollout_core::snapshot::Symptom;
use rollout_core::{Revision, RevisionNumber, Snapshot, Workload, WorkloadId, template};
use rollout_kube::Checking;

use crate::guard::{self, GuardingArgs};

/// The examples with which the help of `try` starts.
pub const EXAMPLES: (&str, &str) = (
    "try",
    "\
Examples:
  {me} try {target} web=nginx:1.29               # back on failure
  {me} try {target} '*=nginx:1.29' --soak 5m
  {me} try {target} -- kubectl edit {target}     # any command
  {me} try -f . --all-or-none -- kubectl apply -f .",
);

/// The arguments of `try`.
#[derive(Args, Debug)]
#[command(mut_args(always_waits), mut_args(with_images))]
pub struct TryArgs {
    #[command(flatten)]
    targets: TargetArgs,
    /// The command that makes the change
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    /// Why; becomes the change cause of new images
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    guarding: GuardingArgs,
    #[command(flatten)]
    write: WriteArgs,
}

fn with_images(arg: Arg) -> Arg {
    match arg.get_id() == "targets" {
        true => arg.help("What to change, and the new images: TARGET... CONTAINER=IMAGE..."),
        false => arg,
    }
}

/// Runs `try`.
pub async fn run(mut args: TryArgs, session: &mut Session) -> Result<Exit, CliError> {
    let (images, targets): (Vec<String>, _) =
        args.targets.targets.into_iter().partition(|word| word.contains('='));
    args.targets.targets = targets;
    let images = upgrade::parse(&images).map_err(|error| CliError::usage(error.to_string()))?;
    if !args.write.wait {
        return Err(CliError::usage("try guards what it changes, so it cannot be left alone: --wait=false"));
    }
    match (images.is_empty(), args.command.is_empty()) {
        (false, true) => set_images(args, images, session).await,
        (true, false) => run_command(args, session).await,
        (true, true) => Err(CliError::usage("at least one image update is required")
            .hint(Some("CONTAINER=IMAGE, or a command behind --".to_string()))),
        (false, false) => Err(CliError::usage("either images or a command change the target, not both")),
    }
}

async fn set_images(args: TryArgs, images: Vec<SetImage>, session: &mut Session) -> Result<Exit, CliError> {
    let TryArgs { targets, command: _, output, reason, guarding, write } = args;
    let form = session.form_of_ending(&output, write.follow.summary.as_deref())?;
    let options = guarding.options(&write.follow)?;
    let found = session.find(&targets, VerbMode::Writing).await?;
    let checks = guarding.gate.checks(session).await?;
    let mut intent = Try { images, reason, guarding, options, checks };
    change::run(session, &write, &form, found, &mut intent).await
}

struct Try {
    images: Vec<SetImage>,
    reason: Option<String>,
    guarding: GuardingArgs,
    options: GuardOptions,
    checks: Checks,
}

impl Intent for Try {
    fn plan(&self, snapshot: &Snapshot, _: Option<RevisionNumber>) -> Result<Decision, Refusal> {
        upgrade::plan(snapshot, &self.images, self.reason.as_deref())
    }

    fn question(&self, plans: &[&Plan]) -> String {
        format!("Try this on {}?", subject(plans))
    }

    fn done(&self, _: &Plan) -> String {
        "image updated".to_string()
    }

    fn nothing(&self, _: Option<RevisionNumber>) -> String {
        "has these images already".to_string()
    }

    fn machine(&self, plan: &Plan, before: &Snapshot, _: Option<i64>) -> Option<Box<dyn Machine>> {
        let before = before.history.current().cloned().map(Box::new);
        Some(Box::new(Guard::of(&plan.template, GuardOptions { before, ..self.options.clone() })))
    }

    fn known(&self, before: &Snapshot) -> BTreeSet<Symptom> {
        causes::symptoms(before)
    }

    fn check(&self, id: &WorkloadId, run: CheckRun) -> Checking {
        self.checks.run(&self.guarding.gate, id, run)
    }

    fn together(&self) -> bool {
        self.guarding.all_or_none
    }

    fn whole(&self) -> Option<&'static str> {
        self.guarding.all_or_none.then_some("it is all or none")
    }

    fn held_ok(&self) -> bool {
        false
    }
}

/// What a workload was before the command ran.
struct Before {
    workload: Workload,
    revision: Option<Box<Revision>>,
    symptoms: BTreeSet<Symptom>,
}

async fn run_command(args: TryArgs, session: &mut Session) -> Result<Exit, CliError> {
    let TryArgs { targets, command, output, reason, guarding, write } = args;
    if write.dry_run != DryRun::None || reason.is_some() {
        return Err(CliError::usage("--dry-run and --reason are the command's own business here"));
    }
    let form = session.form_of_ending(&output, write.follow.summary.as_deref())?;
    let options = guarding.options(&write.follow)?;
    let overlay = Overlay::of(session).await?;
    let checks = guarding.gate.checks(session).await?;
    let before = remember(&targets, session).await?;
    let ran = overlay.run(&command, !form.is_human()).await;
    let found: Found = session.find(&targets, VerbMode::Writing).await?;
    let mut reports = Reports::new(session, &form, found.exits);
    match ran {
        Ran::Fine => {}
        Ran::Failed(error) => reports.failed(&error.because("CommandFailed")),
        Ran::Ended(exit) => {
            unguarded(&mut reports, &found.workloads, &before, exit);
            return reports.close(found.single);
        }
    }
    let jobs = changed(&mut reports, found.workloads, &before, &options).await?;
    guard::guard(&mut reports, &guarding, &write.follow, &checks, jobs).await?;
    reports.close(found.single)
}

/// Whoever ends the command ends the guard with it, and has to know what is left.
fn unguarded(
    reports: &mut Reports<'_>,
    workloads: &[Workload],
    before: &BTreeMap<String, Before>,
    exit: Exit,
) {
    reports.exit(exit);
    for workload in workloads {
        let id = &workload.id;
        let words = match before.get(&id.uid) {
            Some(it) if template::same(it.workload.template(), workload.template()) => {
                format!("{id} in namespace {} was not changed by the command", id.namespace)
            }
            Some(_) | None => format!(
                "{id} in namespace {} was changed by the command and is not guarded: kubectl rollback guard {id} -n {} \
                 guards it",
                id.namespace, id.namespace
            ),
        };
        reports.session.ui.note(&words);
        reports.finish(id, Outcome::new(OutcomeWord::Interrupted, exit));
    }
}

async fn remember(targets: &TargetArgs, session: &mut Session) -> Result<BTreeMap<String, Before>, CliError> {
    let found: Found = session.find_or(targets, VerbMode::Writing, Missing::IsFine).await?;
    let cluster = session.cluster().await?;
    let mut before = BTreeMap::new();
    for workload in found.workloads {
        let id = workload.id.clone();
        if workload.deleting {
            return Err(CliError::refused(&id, &Refusal::Deleting));
        }
        let depth = change::depth(&workload);
        let mut seen = cluster.seen(workload, depth).await?;
        let mut snapshot = seen.snapshot(cluster.now());
        // What a command does cannot be planned: it is not even run.
        steps::none_under_way(&snapshot).map_err(|refusal| CliError::refused(&id, &refusal))?;
        if !snapshot.observed() {
            (seen, snapshot) = observed(&mut session.ui, &cluster, &id, seen, depth).await?;
            drop(seen);
        }
        let revision = snapshot.history.current().cloned().map(Box::new);
        let symptoms = causes::symptoms(&snapshot);
        before.insert(id.uid, Before { workload: snapshot.workload, revision, symptoms });
    }
    Ok(before)
}

/// What the command changed is guarded; of the rest it is said that it did not.
async fn changed(
    reports: &mut Reports<'_>,
    workloads: Vec<Workload>,
    before: &BTreeMap<String, Before>,
    options: &GuardOptions,
) -> Result<Vec<Job>, CliError> {
    let cluster = reports.session.cluster().await?;
    let mut jobs = Vec::new();
    for workload in workloads {
        let id = workload.id.clone();
        let known = before.get(&id.uid);
        if known.is_some_and(|it| template::same(it.workload.template(), workload.template())) {
            let name = reports.session.named(&id);
            reports.say(&format!("{name} was not changed by the command"));
            reports.finish(&id, Outcome::new(OutcomeWord::Unchanged, Exit::Done));
            continue;
        }
        let before = known.and_then(|it| it.revision.clone());
        let known = known.map(|it| it.symptoms.clone()).unwrap_or_default();
        let guard = Guard::of(workload.template(), GuardOptions { before, ..options.clone() });
        match guard::job(&mut reports.session.ui, &cluster, workload, guard, known).await {
            Ok(job) => jobs.push(job),
            Err(error) => reports.failed(&error.about(&id)),
        }
    }
    Ok(jobs)
}
