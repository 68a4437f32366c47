//! The cluster side of a rollout: read a snapshot, send a plan's requests, watch. Decides nothing; what to do is said by
//! `rollout-core`, and how errors are told to people is `plugin-kit`'s.
#![deny(missing_docs)]

mod drive;
mod evidence;
mod feed;
mod query;
mod read;
mod send;
mod share;
mod surroundings;

pub use drive::{Checking, End, Run, run};
pub use evidence::Reader;
pub use feed::{Feed, Seen, Sight};
pub use query::{NoAnswer, NoService, Service};
pub use read::{Cluster, Depth, Reading, Scope};
pub use send::{SendOptions, Sent};
