//! Rollouts in steps against the models of the controllers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test makes itself is well-formed"
)]

mod around;
mod cluster;
mod daemonset;
mod guard;
mod hostile;
mod interleave;
mod lease;
mod properties;
mod statefulset;
mod time;
mod undo;
