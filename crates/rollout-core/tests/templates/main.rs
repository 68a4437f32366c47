//! Templates and their differences, over generated templates.

mod diff;
mod properties;
mod summary;
mod values;
