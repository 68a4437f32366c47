//! What `kubectl dsupdate` is, and the verbs that only it has.

use clap::{Args, Subcommand};
use plugin_kit::call::{CliError, Examples, Exit, Lazy, Session, Verb};
use plugin_kit::change::ActionArgs;
use plugin_kit::verbs::steps::{self, NodeArgs, StartArgs};
use plugin_kit::verbs::{EXAMPLES, SharedVerb};
use plugin_kit::{Kind, Plugin};

use crate::nodes::{self, NodesArgs};
use crate::strategy::{self, StrategyArgs};

/// The plugin.
pub const PLUGIN: Plugin = Plugin {
    name: "kubectl-dsupdate",
    about: "Update DaemonSets, and roll them back",
    examples: "\
Examples:
  {me} nodes agent                # which revision runs where
  {me} start agent agent=agent:2  # one node, then 10%, 50% and all
  {me} abort agent                # only what was updated goes back
  {me} history agent              # what was rolled out lately
  {me} status agent               # also true for OnDelete
  {me} undo agent                 # drives an OnDelete set too",
    kind: Some(Kind::DaemonSet),
    default_verb: None,
};

/// A verb of the plugin.
#[derive(Debug, Subcommand)]
pub enum DsupdateVerb {
    #[command(flatten)]
    Shared(SharedVerb),
    /// Roll out in steps over the nodes
    Start(Lazy<Box<StartOverNodes>>),
    /// Take a rollout in steps back
    Abort(Lazy<ActionArgs>),
    /// Show which revision runs on which node, and why a node is not updated or not ready
    Nodes(Lazy<NodesArgs>),
    /// Show how pods are replaced, or change it
    Strategy(Lazy<Box<StrategyArgs>>),
}

/// The arguments of `start`.
#[derive(Args, Debug)]
pub struct StartOverNodes {
    #[command(flatten)]
    start: StartArgs,
    #[command(flatten)]
    nodes: NodeArgs,
}

const START_EXAMPLES: Examples = (
    "start",
    "\
Examples:
  {me} start agent agent=agent:2             # 1, 10%, 50% and all
  {me} start agent agent=agent:2 --steps 1,50% --pause-after 1
  {me} start agent agent=agent:2 --by topology.kubernetes.io/zone
  {me} start agent --restart --nodes node-a --soak 10m
  {me} start agent --restart --check 'curl -fs http://agent/healthz'
  {me} start agent -f agent.yaml --dry-run   # every step, its nodes",
);

impl Verb for DsupdateVerb {
    const EXAMPLES: &'static [&'static [Examples]] =
        &[EXAMPLES, &[START_EXAMPLES, steps::ABORT_EXAMPLES, nodes::EXAMPLES, strategy::EXAMPLES]];

    async fn run(self, session: &mut Session) -> Result<Exit, CliError> {
        match self {
            DsupdateVerb::Shared(verb) => verb.run(session).await,
            DsupdateVerb::Start(Lazy(args)) => {
                let StartOverNodes { start, nodes } = *args;
                steps::start(start, nodes, session).await
            }
            DsupdateVerb::Abort(Lazy(args)) => steps::abort(args, session).await,
            DsupdateVerb::Nodes(Lazy(args)) => nodes::run(args, session).await,
            DsupdateVerb::Strategy(Lazy(args)) => strategy::run(*args, session).await,
        }
    }
}
