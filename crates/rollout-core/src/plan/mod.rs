//! What is planned: a change as a value, with what it sends, what it does to the pods, and what speaks against it.

pub(crate) mod after;
pub(crate) mod decision;
pub(crate) mod impact;
pub(crate) mod losses;
pub(crate) mod needs;
pub(crate) mod operations;
pub mod partition;
pub(crate) mod patch;
pub mod pause;
pub mod reason;
pub(crate) mod refusal;
pub(crate) mod request;
pub mod steps;
pub mod strategy;
pub mod undo;
pub mod unstick;
pub mod upgrade;
pub(crate) mod warning;
pub(crate) mod warnings;

pub use decision::{Decision, Plan, PlannedStep};
pub use impact::{Impact, ReplacedPod};
pub use needs::Needs;
pub use refusal::{BadStrategy, Refusal};
pub use request::{Method, Request};
pub use warning::{Warning, WarningId};
