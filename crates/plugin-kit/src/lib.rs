//! What makes the three plugins one family, in the order in which a call passes: what the call is ([`call`]), what it points at
//! ([`targets`]), what is said ([`say`]), what is followed ([`follow`]), what is changed ([`change`]), and the verbs that two
//! plugins or more have ([`verbs`]). A verb that one plugin alone has lives with that plugin.
#![deny(missing_docs, unreachable_pub)]

pub mod call;
pub mod targets;

pub mod say;

pub mod follow;

pub mod change;

pub mod verbs;

pub use call::{Plugin, Verb, command, run};
pub use rollout_core::Kind;
