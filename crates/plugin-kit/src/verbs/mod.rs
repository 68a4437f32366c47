//! The verbs that all plugins have, or two of them.

pub mod diff;
pub mod history;
pub mod pause;
mod revision;
mod shared;
pub mod status;
mod status_table;
pub mod steps;
pub mod undo;
pub mod unstick;

pub use revision::parse_revision;
pub use shared::{EXAMPLES, SharedVerb};
