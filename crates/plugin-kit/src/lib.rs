//! What makes the three plugins one family: targets, output, progress, prompts, errors, exit codes, completion.
#![deny(missing_docs)]

// The terminal: what every verb says, asks and is told.
pub mod exit;
pub mod manifests;
pub mod patience;
pub mod process;
pub mod targets;

// The flow of a verb: arguments, session, objects, what is said of them, exit code.
pub mod describe;
pub mod documents;
pub mod ending_text;
pub mod error;
pub mod event_text;
pub mod gates;
mod overlay;
pub mod plan_text;
pub mod report;
pub mod run;
pub mod session;
mod together;
pub mod verbs;
pub mod watch;
pub mod write;

pub use rollout_core::Kind;
pub use run::{Plugin, Verb, run};
