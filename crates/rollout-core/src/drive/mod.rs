//! What is driven: the machines that follow a rollout, guard it, take it in steps, and put pods back.

pub(crate) mod blame;
pub(crate) mod follow;
pub(crate) mod guard;
pub(crate) mod revert;
pub(crate) mod steps;

pub use follow::Follow;
pub use guard::{Guard, GuardOptions};
pub use revert::Revert;
pub use steps::Driver;
