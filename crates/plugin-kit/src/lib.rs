//! What makes the three plugins one family, in the order in which a call passes: what the call is ([`call`]), what it points at
//! ([`targets`]), what is said ([`say`]), what is followed ([`follow`]), what is changed ([`change`]), the verbs that two
//! plugins or more have ([`verbs`]), and what is offered to whoever is still typing ([`complete`]). A verb that one plugin alone has lives with that plugin.
#![deny(missing_docs, unreachable_pub)]

pub mod call;
pub mod targets;

pub mod say;

pub mod follow;

pub mod change;

pub mod verbs;

pub mod complete;

use std::process::ExitCode;

pub use call::{Plugin, Verb, command};
pub use rollout_core::Kind;

/// Runs a plugin on the arguments of this process, or completes them.
pub fn run<V: Verb>(plugin: Plugin) -> ExitCode {
    call::run::<V>(plugin, complete::answer)
}
