//! What makes the three plugins one family: targets, output, progress, prompts, errors, exit codes, completion.
#![deny(missing_docs)]

// The terminal: what every verb says, asks and is told.
pub mod completion;
pub mod duration;
pub mod escape;
pub mod exit;
pub mod jsonpath;
mod kyaml;
pub mod manifests;
pub mod output;
mod path;
pub mod patience;
pub mod process;
pub mod progress;
pub mod prompt;
pub mod signals;
pub mod table;
pub mod targets;
pub mod ui;
pub mod yaml;

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
mod screen;
pub mod session;
mod together;
pub mod verbs;
pub mod watch;
pub mod write;

pub use rollout_core::Kind;
pub use run::{Plugin, Verb, run};
