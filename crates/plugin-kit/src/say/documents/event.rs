//! `Event`: what happened to one workload while it was followed, a line of JSON each.

use k8s_openapi::jiff::Timestamp;
use rollout_core::RevisionNumber;
use rollout_core::judge::{Cause, State};
use rollout_core::template::diff::Change;
use serde::Serialize;

use crate::call::document::{Body, seconds};

/// What happened, and when.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    event: &'static str,
    #[serde(flatten)]
    fields: Fields<'a>,
}

/// What is to be known of it.
#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Fields<'a> {
    /// How far the pods are.
    Progress {
        /// The state.
        state: State,
        /// The revision that is rolled out.
        #[serde(skip_serializing_if = "Option::is_none")]
        revision: Option<RevisionNumber>,
        /// Pods asked for.
        desired: u32,
        /// New ones.
        updated: u32,
        /// New ones that are ready.
        ready: u32,
        /// New ones that are available.
        available: u32,
        /// Old ones.
        old: u32,
    },
    /// How far a step is.
    Step {
        /// Its number.
        step: usize,
        /// Of so many.
        of: usize,
        /// Places that it is about.
        total: usize,
        /// Those that are done.
        settled: usize,
        /// Those that are under way.
        in_hand: &'a [String],
    },
    /// A pod that is deleted or evicted.
    Pod {
        /// Its name.
        pod: &'a str,
        /// Why.
        why: &'static str,
    },
    /// A pod that is new outside its step.
    Outside {
        /// Its name.
        pod: &'a str,
        /// Its node.
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<&'a str>,
    },
    /// A pod that may not be evicted.
    Forbidden {
        /// Its name.
        pod: &'a str,
        /// The server's sentence.
        message: &'a str,
    },
    /// Back to an older revision.
    Back {
        /// Which one.
        #[serde(skip_serializing_if = "Option::is_none")]
        to_revision: Option<RevisionNumber>,
        /// Why.
        causes: &'a [Cause],
    },
    /// What a step stands still for.
    Causes {
        /// Why.
        causes: &'a [Cause],
    },
    /// What admission changed.
    Changes {
        /// In the template.
        changes: &'a [Change],
    },
    /// Where the partition goes.
    Partition {
        /// Its new value.
        partition: u32,
    },
    /// So many steps are done.
    Done {
        /// The number of the last one.
        done: usize,
    },
    /// A strategy that somebody set.
    Found {
        /// Its name.
        found: &'a str,
    },
    /// An object that is cleaned.
    Object {
        /// Its name.
        object: &'a str,
    },
    /// What is left of a soak.
    Left {
        /// Seconds.
        seconds_left: i64,
    },
    /// What went wrong.
    Error {
        /// In words.
        error: &'a str,
    },
    /// Nothing more.
    Nothing {},
}

impl Body for Event<'_> {
    const KIND: &'static str = "Event";
}

impl<'a> Event<'a> {
    /// What happened at this moment.
    pub fn at(now: Timestamp, (event, fields): (&'static str, Fields<'a>)) -> Event<'a> {
        Event { time: seconds(Some(now)), event, fields }
    }
}
