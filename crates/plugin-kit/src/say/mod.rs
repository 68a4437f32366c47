//! What is said, to people and to programs.

pub mod causes;
pub mod changes;
pub mod documents;
pub mod ending;
pub mod event;
pub mod plan;
mod refusal;
mod reports;
pub mod template;

pub use reports::{Reports, print_names};
