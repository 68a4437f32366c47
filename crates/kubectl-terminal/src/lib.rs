//! Be kubectl to people and pipes: streams, colour, escaping, tables, questions, progress, the forms of `-o`, durations,
//! completion. Knows no cluster and no rollout: whatever is a kubectl plugin can be built on it.
#![deny(missing_docs, unreachable_pub)]

mod captured;
pub mod completion;
pub mod duration;
pub mod escape;
pub mod forms;
pub mod path;
pub mod progress;
pub mod prompt;
pub mod screen;
pub mod signals;
mod style;
pub mod table;
mod ui;

pub use captured::Captured;
pub use style::{ColorEnv, Style, use_color};
pub use ui::{Streams, Ui};

/// What the README shows compiles, and runs where it can.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
