//! What the live template is to a rollout that is stored.

use crate::snapshot::Snapshot;
use crate::stored::rollout::{RevisionRef, Rollout};

/// What the live template is to a stored rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Live {
    /// What is rolled out.
    Target,
    /// What was there before.
    Previous,
    /// Not recorded yet, and neither is the target.
    Unknown,
    /// Somebody else's.
    Other,
}

/// Says what the live template is.
pub(crate) fn live(snapshot: &Snapshot, rollout: &Rollout) -> Live {
    let current = snapshot.history.current().map(|it| it.name.as_str());
    let is = |recorded: &RevisionRef| {
        current.is_some() && recorded.find(snapshot).map(|it| it.name.as_str()) == current
    };
    match &rollout.target {
        Some(target) if is(target) => Live::Target,
        _ if is(&rollout.previous) => Live::Previous,
        None if current.is_some() => Live::Target,
        None => Live::Unknown,
        Some(_) => Live::Other,
    }
}
