//! `Timeline`: what was rolled out lately, in all workloads at once.

use k8s_openapi::jiff::Timestamp;
use rollout_core::template::diff::Change;
use rollout_core::view::timeline::EntryState;
use rollout_core::{RevisionNumber, WorkloadId};
use serde::Serialize;
use serde_json::Value;
use serde_with::skip_serializing_none;

use crate::call::document::{API_VERSION, Workload, seconds, value};

/// What was rolled out; it is about no workload of its own.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Timeline<'a> {
    /// The version of all documents.
    api_version: &'static str,
    /// Which document it is.
    kind: &'static str,
    /// What went live, newest first; of a watch one a document.
    entries: Vec<Entry<'a>>,
}

/// One revision that went live.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Entry<'a> {
    /// When it went live, as far as the API remembers.
    time: Option<Timestamp>,
    /// The workload.
    workload: Workload<'a>,
    /// Its number.
    revision: Option<RevisionNumber>,
    /// Its state, as far as the workload's status tells.
    state: EntryState,
    /// What differs from the revision before.
    changes: Option<&'a [Change]>,
    /// The annotation `kubernetes.io/change-cause`.
    change_cause: Option<&'a str>,
}

impl<'a> Timeline<'a> {
    /// Returns the document of these entries.
    pub fn document(entries: Vec<Entry<'a>>) -> Value {
        value(&Timeline { api_version: API_VERSION, kind: "Timeline", entries })
    }
}

impl<'a> Entry<'a> {
    /// One entry, with what is known of its template.
    pub fn of(
        workload: &'a WorkloadId,
        entry: &rollout_core::view::timeline::Entry,
        state: EntryState,
        change_cause: Option<&'a str>,
        changes: Option<&'a [Change]>,
    ) -> Entry<'a> {
        Entry {
            time: seconds(entry.since),
            workload: Workload::of(workload),
            revision: entry.number,
            state,
            changes,
            change_cause,
        }
    }
}
