//! What is changed: the plan, the question, the write, what follows, and the report.

mod action;
mod admission;
mod agree;
mod args;
mod flow;
mod intent;
mod reason;
mod run;

pub use action::ActionArgs;
pub use args::{DryRun, FollowArgs, WriteArgs, always_waits, waits_for_nothing};
pub use intent::{Intent, depth, subject};
pub use run::run;
