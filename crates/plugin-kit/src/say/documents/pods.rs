//! `Pods`: a StatefulSet by ordinal.

use rollout_core::view::ordinals::{Notice, OrdinalRow};
use rollout_core::{RevisionNumber, Side, Snapshot};
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
    /// Pods below this ordinal stay old.
    partition: Option<u32>,
    /// The pods, one by one; those that are missing too.
    pods: Vec<Ordinal<'a>>,
    /// The rollout in steps that is stored, where one is.
    rollout: Option<Rollout>,
    /// What else is to be known.
    warnings: &'a [Notice],
}

/// One ordinal.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Ordinal<'a> {
    /// The name that the pod has, or will have.
    name: &'a str,
    /// Its ordinal.
    ordinal: u32,
    /// Its node.
    node: Option<&'a str>,
    /// Its revision.
    revision: Option<RevisionNumber>,
    /// Whether it has the revision that the set asks for.
    updated: bool,
    /// Whether it is ready.
    ready: bool,
    /// Restarts of its containers.
    restarts: Option<u32>,
    /// Why it is not available, in one word.
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
            restarts: row.pod.map(|pod| pod.restarts()),
            reason: row.reason.as_deref(),
        }
    }
}
