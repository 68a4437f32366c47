//! The versioned documents of `-o json` and its relatives: shapes and names, no wording. A type a kind; what the core's own types
//! look like in them is said where they are (`Change`, `Request`, `Impact`, `Warning`, `Cause`).

mod change;
mod event;
mod history;
mod nodes;
mod pods;
mod rollout;
mod status;
mod strategy;
mod timeline;

pub use crate::call::document::{API_VERSION, Body, about, list};
pub use change::{Diff, Outcome, Plan, ResultBody};
pub use event::{Event, Fields};
pub use history::{History, Revision, manager, revision_state};
pub use nodes::Nodes;
pub use pods::Pods;
pub use rollout::Rollout;
pub use status::Status;
pub use strategy::Strategy;
pub use timeline::{Entry, Timeline};
