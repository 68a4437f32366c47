//! What the engine says while a rollout is followed. Bars, lines and JSON are three readers of it.

use crate::follow::Why;
use crate::status::Progress;

/// Something that happened while a rollout was followed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The rollout is that far.
    Progress(Progress),
    /// A pod is deleted.
    Deleting {
        /// Its name.
        pod: String,
        /// Why.
        why: Why,
    },
    /// A pod was not deleted: it had gone, or another one had its name.
    NotDeleted {
        /// Its name.
        pod: String,
    },
    /// The API server cannot be reached, or refuses; it is asked again.
    ConnectionLost {
        /// What went wrong.
        error: String,
    },
    /// The API server answers again.
    ConnectionBack,
}
