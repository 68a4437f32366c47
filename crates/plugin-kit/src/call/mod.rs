//! From a process's arguments to its exit code.

pub mod document;
mod error;
mod exit;
pub(crate) mod failure;
mod helps;
mod holder;
mod lazy;
mod plugin;
mod run;
mod session;
pub mod summary;
mod verb;

pub use error::CliError;
pub use exit::Exit;
pub use holder::holder;
pub use lazy::Lazy;
pub use plugin::Plugin;
pub(crate) use run::means_default_verb;
pub use run::{Complete, command, run};
pub use session::{CommandLine, Session};
pub use verb::{Examples, Verb};
