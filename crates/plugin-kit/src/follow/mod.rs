//! What is followed: until it ends, passes its gates, or is acted upon.

pub mod gates;
mod group;
mod live;
mod observed;
pub mod overlay;
mod patience;
mod watch;

pub use live::{LiveDocuments, LiveRow, LiveTable, live, live_fleet, one_alone};
pub use observed::{OBSERVE, observed};
pub use patience::PatienceArgs;
pub use watch::{Job, WatchOptions, watch};
