//! Driving a rollout in steps: one engine, two ways to move a pod.

pub(crate) mod backward;
pub(crate) mod driver;
pub(crate) mod forward;
pub(crate) mod judged;
pub(crate) mod outbox;
pub(crate) mod pace;

pub use driver::Driver;
