//! The contract of what follows or drives a rollout: what a machine is shown, asks for and tells, and how it ends.

pub(crate) mod act;
pub(crate) mod check;
pub(crate) mod contract;
pub(crate) mod ending;
pub(crate) mod event;
pub(crate) mod gate;

pub use act::{Act, Why};
pub use check::{CheckRun, Verdict};
pub use contract::{Deadline, Machine, Order, Outcome, Step};
pub use ending::{Ending, NoWayBack};
pub use event::{Event, StepProgress};
pub use gate::{Gate, GateOptions, GateState};
