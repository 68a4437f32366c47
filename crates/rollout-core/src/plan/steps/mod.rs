//! Planning rollouts in steps over the nodes of a DaemonSet or the ordinals of a StatefulSet: how they start, stand still, go
//! on, and are taken back. What is planned is stored on the workload, so that it outlives its terminal.

pub(crate) mod abort;
pub(crate) mod checks;
pub(crate) mod hold;
pub(crate) mod planned;
pub(crate) mod start;
pub(crate) mod under_way;
pub(crate) mod undo;

pub use abort::{abort, is_superseded, release};
pub use checks::GivenChecks;
pub use hold::{ResumeOptions, let_go, pause, resume};
pub use start::{StartOptions, start};
pub use under_way::none_under_way;
pub(crate) use undo::undoing;
