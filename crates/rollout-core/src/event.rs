//! What the engine says while a rollout is followed. Bars, lines and JSON are three readers of it.

use crate::machine::Act;
use crate::status::Progress;

/// Something that happened while a rollout was followed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The rollout is that far.
    Progress(Progress),
    /// Something is being done.
    Doing(Act),
    /// It was not done: what it was meant for had gone, or was another one by then.
    NotDone(Act),
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
