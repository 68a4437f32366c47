//! What all documents have: the head, the list, the form of times.

use k8s_openapi::jiff::{Timestamp, Unit};
use rollout_core::{Kind, WorkloadId};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The API version of all documents.
pub const API_VERSION: &str = "rollout-plugins.dev/v1alpha1";

/// What a document says beside its head.
pub trait Body: Serialize {
    /// Its kind.
    const KIND: &'static str;
}

/// Returns the whole document about a workload.
pub fn about<B: Body>(workload: &WorkloadId, body: B) -> Value {
    let workload = Workload::of(workload);
    value(&Document { api_version: API_VERSION, kind: B::KIND, workload, body })
}

/// A document about one workload.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a, B> {
    /// The version of all documents.
    api_version: &'static str,
    /// Which document it is.
    kind: &'static str,
    /// Which workload it is about.
    workload: Workload<'a>,
    #[serde(flatten)]
    body: B,
}

/// Which workload it is about.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Workload<'a> {
    /// That of its kind.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "apps/v1")))]
    api_version: &'static str,
    /// Its kind.
    kind: Kind,
    /// Its namespace.
    namespace: &'a str,
    /// Its name.
    name: &'a str,
    /// Absent where the server did not tell.
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
}

impl Workload<'_> {
    pub(crate) fn of(id: &WorkloadId) -> Workload<'_> {
        let WorkloadId { kind, namespace, name, uid } = id;
        Workload { api_version: "apps/v1", kind: *kind, namespace, name, uid }
    }
}

/// The documents of a request that named no single object.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct List {
    /// The version of all documents.
    api_version: &'static str,
    /// Which document it is.
    kind: &'static str,
    /// The documents, one for each workload, and an `Error` for what failed.
    items: Vec<Value>,
}

/// Returns the list of documents, or the one document of a request that named one object.
pub fn list(documents: Vec<Value>, single: bool) -> Option<Value> {
    match single {
        // What failed beside it, e.g. the command that made the change, stands before it.
        true => documents.into_iter().next_back(),
        false => Some(value(&List { api_version: API_VERSION, kind: "List", items: documents })),
    }
}

/// Every field is a string, a number, a boolean or a list or map of such, and every key a string: nothing can go wrong.
pub(crate) fn value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

/// Writes pairs as a map, in their order.
pub(crate) fn as_map<K: Serialize, V: Serialize, S: Serializer>(
    pairs: &[(K, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// Times are whole seconds, as the API's.
pub(crate) fn second(at: Timestamp) -> Timestamp {
    at.round(Unit::Second).unwrap_or(at)
}

/// The same of a time that may be unknown.
pub(crate) fn seconds(at: Option<Timestamp>) -> Option<Timestamp> {
    at.map(second)
}
