//! What is followed: until it ends, passes its gates, or is acted upon.

pub mod gates;
mod group;
mod observed;
pub mod overlay;
mod patience;
mod watch;

pub use observed::{OBSERVE, observed};
pub use patience::PatienceArgs;
pub use watch::{Job, WatchOptions, watch};
