//! What a rollout is: revisions, their differences, the plan of a change, the state of a rollout, and the models of the
//! controllers. Values in, values out: no client, no runtime, no terminal, no clock. The cluster side is `rollout-kube`.
//!
//! The modules are floors: each knows only those above it in this list.
#![deny(missing_docs, unreachable_pub)]

pub mod objects;

pub mod template;

pub mod history;

pub mod snapshot;

pub mod stored;

pub mod model;

pub mod judge;

pub mod plan;

pub mod machine;

pub mod drive;

pub mod view;

#[cfg(test)]
mod fixture;

pub use history::{History, NoRevision, Revision, RevisionNumber, RevisionSelector};
pub use objects::{Amount, Kind, Pod, Strategy, Workload, WorkloadId};
pub use snapshot::{Side, Snapshot};
