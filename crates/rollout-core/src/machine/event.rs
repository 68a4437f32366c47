//! What the engine says while a rollout is followed. Bars, lines and JSON are three readers of it.

use crate::judge::status::Progress;
use crate::machine::act::Act;
use crate::template::diff::change::Change;

/// Something that happened while a rollout was followed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The rollout is that far.
    Progress(Progress),
    /// Something is being done.
    Doing(Act),
    /// It was not done: what it was meant for had gone, or was another one by then.
    NotDone(Act),
    /// A step of a rollout in steps is that far.
    Step(StepProgress),
    /// A pod is new although no step has come to it: it died, or its node joined, or somebody changed the strategy.
    OutsideStep {
        /// Its name.
        pod: String,
        /// Its node.
        node: Option<String>,
    },
    /// A disruption budget forbids an eviction for now, in the server's words.
    EvictionForbidden {
        /// The pod.
        pod: String,
        /// What the server says.
        words: String,
    },
    /// The server stored another template than was sent, because admission changed it: this is what differs.
    StoredOtherwise(Vec<Change>),
    /// The pods are available and have to stay so for that many seconds.
    Soaking(i64),
    /// Everything has passed; what ends all is waited for.
    Passed,
    /// The API server cannot be reached, or refuses; it is asked again.
    ConnectionLost {
        /// What went wrong.
        error: String,
    },
    /// The API server answers again.
    ConnectionBack,
}

/// How far a step of a rollout in steps is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepProgress {
    /// The step, from 1.
    pub step: usize,
    /// How many there are.
    pub of: usize,
    /// What it is, as it was asked for.
    pub words: String,
    /// Nodes or pods that it adds.
    pub total: usize,
    /// Those that are new and available.
    pub settled: usize,
    /// Those in hand: old pods that end, and new ones that are not available yet.
    pub in_hand: Vec<String>,
}
