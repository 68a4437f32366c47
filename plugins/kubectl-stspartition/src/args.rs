//! What `kubectl stspartition` is, and the verbs that only it has.

use clap::Subcommand;
use plugin_kit::call::{CliError, Examples, Exit, Lazy, Session, Verb};
use plugin_kit::change::ActionArgs;
use plugin_kit::verbs::steps::{self, NodeArgs, StartArgs};
use plugin_kit::verbs::{EXAMPLES, SharedVerb, unstick};
use plugin_kit::{Kind, Plugin};

use crate::partition::{self, AdvanceArgs, SetArgs};
use crate::pods::{self, PodsArgs};

/// The plugin.
pub const PLUGIN: Plugin = Plugin {
    name: "kubectl-stspartition",
    about: "Update StatefulSets part by part, free stuck ones, and roll them back",
    examples: "\
Examples:
  {me} start db db=db:2  # one pod, then 25%, 50% and all
  {me} abort db          # only what was updated goes back
  {me} pods db           # which pod is at which revision
  {me} advance db        # one more pod is new
  {me} history db        # what changed in each revision
  {me} status db         # also true for partitions and OnDelete
  {me} undo db           # frees a stuck set by itself
  {me} unstick db        # only frees it",
    kind: Some(Kind::StatefulSet),
    default_verb: None,
};

/// A verb of the plugin.
#[derive(Debug, Subcommand)]
pub enum StspartitionVerb {
    #[command(flatten)]
    Shared(SharedVerb),
    /// Show the pods by ordinal, with the line where the partition is
    Pods(Lazy<PodsArgs>),
    /// Set the partition
    Set(Lazy<SetArgs>),
    /// Let more pods be new
    Advance(Lazy<AdvanceArgs>),
    /// Roll out in steps over the partition
    Start(Lazy<Box<StartArgs>>),
    /// Take a rollout in steps back
    Abort(Lazy<ActionArgs>),
    /// Free a set that waits for a broken pod for ever
    Unstick(Lazy<unstick::UnstickArgs>),
}

const START_EXAMPLES: Examples = (
    "start",
    "\
Examples:
  {me} start db db=db:2                # one pod, 25%, 50%, all
  {me} start db db=db:2 --steps 1,100% --pause-after 1
  {me} start db -f db.yaml --dry-run   # every step, its pods",
);

impl Verb for StspartitionVerb {
    const EXAMPLES: &'static [&'static [Examples]] = &[
        EXAMPLES,
        &[
            START_EXAMPLES,
            steps::ABORT_EXAMPLES,
            pods::EXAMPLES,
            partition::SET_EXAMPLES,
            partition::ADVANCE_EXAMPLES,
            unstick::EXAMPLES,
        ],
    ];

    async fn run(self, session: &mut Session) -> Result<Exit, CliError> {
        match self {
            StspartitionVerb::Shared(verb) => verb.run(session).await,
            StspartitionVerb::Pods(Lazy(args)) => pods::run(args, session).await,
            StspartitionVerb::Set(Lazy(args)) => partition::run_set(args, session).await,
            StspartitionVerb::Advance(Lazy(args)) => partition::run_advance(args, session).await,
            StspartitionVerb::Start(Lazy(args)) => steps::start(*args, NodeArgs::default(), session).await,
            StspartitionVerb::Abort(Lazy(args)) => steps::abort(args, session).await,
            StspartitionVerb::Unstick(Lazy(args)) => unstick::run(args, session).await,
        }
    }
}
