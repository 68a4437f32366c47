//! What a rollout is: revisions, their differences, the plan of a change, the state of a rollout, and the models of the
//! controllers. Values in, values out: no client, no runtime, no terminal, no clock. The cluster side is `rollout-kube`.
#![deny(missing_docs)]

pub mod cause;
pub mod causes;
mod deletion;
pub mod diff;
pub mod event;
pub mod evidence;
#[cfg(test)]
mod fixture;
mod fleet;
pub mod follow;
pub mod gate;
pub mod guard;
pub mod history;
mod json;
pub mod kind;
mod live_at;
pub mod machine;
pub mod model;
pub mod names;
pub mod node_rows;
pub mod nodes;
pub mod ordinal_rows;
pub mod partition;
pub mod patience;
pub mod pause;
pub mod placement;
pub mod plan;
pub mod pods;
pub mod quantity;
pub mod query;
pub mod reason;
pub mod record;
pub mod recreate;
pub mod references;
pub mod resources;
pub mod revision;
pub mod snapshot;
pub mod status;
pub mod steps;
pub mod stored;
pub mod strategy;
pub mod stuck;
pub mod surroundings;
pub mod template;
pub mod timeline;
pub mod undo;
pub mod unstick;
pub mod upgrade;
pub mod warnings;
pub mod workload;

pub use history::{History, NoRevision, RevisionSelector};
pub use kind::Kind;
pub use pods::Pod;
pub use revision::{Revision, RevisionNumber};
pub use snapshot::{Side, Snapshot};
pub use workload::{Amount, Strategy, Workload, WorkloadId};
