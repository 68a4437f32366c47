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
    api_version: &'static str,
    kind: &'static str,
    entries: Vec<Entry<'a>>,
}

/// One revision that went live.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Entry<'a> {
    time: Option<Timestamp>,
    workload: Workload<'a>,
    revision: Option<RevisionNumber>,
    state: EntryState,
    changes: Option<&'a [Change]>,
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
