//! The versioned documents of `-o json` and its relatives: shapes and names, no wording. A type a kind; what the core's own types
//! look like in them is said where they are (`Change`, `Request`, `Impact`, `Warning`, `Cause`).

mod change;
mod event;
mod history;
mod nodes;
mod outcome;
mod pods;
mod rollout;
#[cfg(test)]
#[cfg(feature = "schema")]
mod samples;
#[cfg(feature = "schema")]
pub mod schema;
mod status;
mod strategy;
mod timeline;
mod watched;

pub use crate::call::document::{API_VERSION, Body, about, list};
pub use change::{Diff, Outcome, Plan, ResultBody};
pub use event::{Act, Event, Happened};
pub use history::{History, Revision, RevisionState, manager, revision_state};
pub use nodes::Nodes;
pub use outcome::OutcomeWord;
pub use pods::Pods;
pub use rollout::Rollout;
pub use status::Status;
pub use strategy::Strategy;
pub use timeline::{Entry, Timeline};
pub use watched::{WatchType, Watched};
