//! Pod templates: compared, written back, told apart field by field; where they place pods, and what they name.

pub mod diff;
pub(crate) mod form;
pub(crate) mod placement;
pub(crate) mod references;
pub(crate) mod resources;

pub(crate) use form::into_writable;
pub use form::{
    HASH_LABEL, RESTARTED_AT, fingerprint, images, normal, nulls, restarted, same, same_but_restart, writable,
};
pub use placement::{Obstacle, Placement};
pub use references::{Reference, ReferenceKind};
