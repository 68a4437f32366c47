//! What is shown: a workload by its nodes or its ordinals, and what was rolled out when.

pub mod nodes;
pub mod ordinals;
pub mod timeline;
