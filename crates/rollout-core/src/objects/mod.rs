//! What is read: the objects of the API server in the fields on which a rollout depends.

pub(crate) mod api_object;
pub(crate) mod condition;
pub(crate) mod event;
pub(crate) mod json;
pub(crate) mod kind;
pub(crate) mod names;
pub(crate) mod node;
pub(crate) mod pod;
pub(crate) mod quantity;
pub(crate) mod selector;
pub(crate) mod shared;
pub(crate) mod strategy;
pub(crate) mod word;
mod words;
pub(crate) mod workload;

pub use api_object::ApiObject;
pub use condition::Condition;
pub use event::EventRecord;
pub use kind::Kind;
pub use names::few;
pub use node::{Node, NodeFacts, NodeReadiness, Taint};
pub use pod::{Container, End, Pod, PodFacts, Unplaced};
pub use quantity::Quantity;
pub use selector::Labels;
pub use shared::Shared;
pub use strategy::{Amount, HIGHEST_PARTITION, NoAmount, Strategy};
pub use word::{Word, WordMap};
pub use workload::{NotAWorkload, ReadAs, Workload, WorkloadId, WorkloadStatus};
