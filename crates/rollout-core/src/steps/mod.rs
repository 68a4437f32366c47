//! Rollouts in steps over the nodes of a DaemonSet or the ordinals of a StatefulSet: one engine, two ways to move a pod.
//!
//! A rollout is stored on the workload ([`Rollout`]), so that it outlives its terminal. [`start`], [`resume`], [`pause`] and
//! [`abort`] are plans; the [`Driver`] is the state machine that does the steps.

mod abort;
pub(crate) mod bounds;
mod checks;
mod driver;
mod forward;
mod hold;
mod lease;
mod pace;
mod places;
mod put_back;
mod record;
mod rules;
mod start;
mod undo;

pub use abort::{abort, is_superseded, release};
pub use checks::GivenChecks;
pub use driver::Driver;
pub(crate) use hold::is_stored;
pub use hold::{ResumeOptions, none_under_way, pause, resume};
pub use lease::{Held, Holder, Lease, RENEW, let_go};
pub use places::{Place, Places};
pub(crate) use record::{ALL, cleaning, set_strategy, stored_is, stored_stays, with_annotations, write};
pub use record::{OnFailure, Reached, Recorded, Rollout, Stage, StepOptions};
pub use rules::{BadSteps, First, Rest, Rules};
pub use start::{StartOptions, start};
pub(crate) use undo::undoing;
