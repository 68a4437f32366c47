//! The cluster side of a rollout: read a snapshot, send a plan's requests, watch. Decides nothing; what to do is said by
//! `rollout-core`, and how errors are told to people is `plugin-kit`'s.
#![deny(missing_docs, unreachable_pub)]

mod cluster;
mod drive;
mod evidence;
mod fleet;
mod items;
mod list;
mod names;
mod query;
mod read;
mod seen;
mod send;
mod share;
mod source;
mod surroundings;
mod watch;

pub use cluster::{Cluster, Scope};
pub use drive::{Checking, End, Run, run};
pub use evidence::Reader;
pub use fleet::{Fleet, Held, Record, Stir, Wanted};
pub use names::{Name, Named};
pub use query::{NoAnswer, NoService, Service};
pub use read::{Depth, Reading};
pub use seen::Seen;
pub use send::{SendOptions, Sent};
pub use share::Belongings;
pub use source::Watched;
pub use watch::{Feed, Sight};
