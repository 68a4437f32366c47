//! `Pods`: a StatefulSet by ordinal.

use rollout_core::view::ordinals::{Notice, OrdinalRow};
use rollout_core::{Pod, RevisionNumber, Side, Snapshot};
use serde::Serialize;
use serde_with::skip_serializing_none;

use super::rollout::Rollout;
use super::status::partition;
use crate::call::document::Body;

/// The pods of a StatefulSet, from the highest ordinal down.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pods<'a> {
    partition: Option<u32>,
    pods: Vec<Ordinal<'a>>,
    rollout: Option<Rollout>,
    warnings: &'a [Notice],
}

/// One ordinal.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Ordinal<'a> {
    name: &'a str,
    ordinal: u32,
    node: Option<&'a str>,
    revision: Option<RevisionNumber>,
    updated: bool,
    ready: bool,
    restarts: Option<u32>,
    reason: Option<&'a str>,
}

impl Body for Pods<'_> {
    const KIND: &'static str = "Pods";
}

impl<'a> Pods<'a> {
    /// These rows, and what is to be known of the set as a whole.
    pub fn of(snapshot: &Snapshot, rows: &'a [OrdinalRow<'_>], notices: &'a [Notice]) -> Pods<'a> {
        Pods {
            partition: partition(snapshot),
            pods: rows.iter().map(Ordinal::of).collect(),
            rollout: Rollout::of(snapshot),
            warnings: notices,
        }
    }
}

impl<'a> Ordinal<'a> {
    fn of(row: &'a OrdinalRow<'_>) -> Ordinal<'a> {
        Ordinal {
            name: &row.name,
            ordinal: row.ordinal,
            node: row.pod.and_then(|pod| pod.node.as_deref()),
            revision: row.revision.and_then(|revision| revision.number),
            updated: row.side == Some(Side::New),
            ready: row.pod.is_some_and(|pod| pod.ready() && !pod.terminating),
            restarts: row.pod.map(Pod::restarts),
            reason: row.reason.as_deref(),
        }
    }
}
