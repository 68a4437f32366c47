//! The cluster, and where in it objects are.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use rollout_core::{Kind, Workload};

/// Where nodes are listed.
pub(crate) const NODES: &str = "/api/v1/nodes";

/// Where namespaces are listed.
pub(crate) const NAMESPACES: &str = "/api/v1/namespaces";

/// A cluster that is read and written.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Where workloads are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One namespace.
    Namespace(String),
    /// The whole cluster.
    All,
}

impl Scope {
    pub(crate) fn of(workload: &Workload) -> Scope {
        Scope::Namespace(workload.id.namespace.clone())
    }
}

impl Cluster {
    /// Uses a client, and a clock that tells the server's time.
    pub fn new(client: Client, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Cluster {
        Cluster { client, clock: Arc::new(clock) }
    }

    /// Tells the server's time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

pub(crate) fn workloads_path(kind: Kind, scope: &Scope) -> String {
    apps_path(kind.plural(), scope)
}

fn apps_path(plural: &str, scope: &Scope) -> String {
    match scope {
        Scope::Namespace(namespace) => format!("/apis/apps/v1/namespaces/{}/{plural}", segment(namespace)),
        Scope::All => format!("/apis/apps/v1/{plural}"),
    }
}

pub(crate) fn revisions_path(kind: Kind, scope: &Scope) -> String {
    apps_path(kind.revisions(), scope)
}

pub(crate) fn revisions_path_of(workload: &Workload) -> String {
    revisions_path(workload.id.kind, &Scope::of(workload))
}

pub(crate) fn pods_path(scope: &Scope) -> String {
    match scope {
        Scope::Namespace(namespace) => format!("/api/v1/namespaces/{}/pods", segment(namespace)),
        Scope::All => "/api/v1/pods".to_string(),
    }
}

/// Returns a name as a segment of a path: nothing in it is taken for anything else.
pub(crate) fn segment(name: &str) -> String {
    form_encoded(name)
}

pub(crate) fn form_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// The last cause of a chain says what happened; what stands before it only says where.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
