//! `WatchEvent`: a document that is watched, with what became of it, as `kubectl get --output-watch-events` tells objects.

use rollout_core::words;
use serde::Serialize;
use serde_json::Value;

words! {
    /// What became of a document.
    pub enum WatchType {
        /// It is new, or was there when the watch began.
        Added = "ADDED",
        /// It has changed.
        Modified = "MODIFIED",
        /// What it is about is gone.
        Deleted = "DELETED",
    }
}

/// A document that is watched.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Watched<'a> {
    /// What became of it.
    pub r#type: WatchType,
    /// The document as it is, or was.
    pub object: &'a Value,
}
