//! What a command line points at, and the objects that there are of it.

mod args;
mod error;
mod find;
mod glob;
pub mod manifests;
pub mod segment;
pub mod together;
mod words;

pub use args::{FileArgs, IgnoreArgs, ManifestSource, Missing, TargetArgs, TargetSpec, VerbMode};
pub use error::TargetError;
pub use find::Found;
pub use words::{SetImage, TargetName, Words, parse_words, split_images};

#[cfg(test)]
mod tests;
