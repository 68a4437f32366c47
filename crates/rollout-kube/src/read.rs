//! Reading workloads, their revisions and their pods, with as few requests as the data needs and no discovery.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::api::{GetParams, ListParams, Request};
use kube::{Client, Error};
use rollout_core::workload::NotAWorkload;
use rollout_core::{Kind, Pod, Snapshot, Workload};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::feed::Seen;

/// Items a page; kubectl's number.
const PAGE: u32 = 500;

/// A cluster that is read and written.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// How much of a workload is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// The workload and its revisions.
    Revisions,
    /// The pods too; where they may not be read, that is no error.
    Pods,
}

/// Where workloads are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One namespace.
    Namespace(String),
    /// The whole cluster.
    All,
}

/// Why a workload could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Reading {
    /// The server did not answer, or refused.
    #[error(transparent)]
    Api(#[from] Error),
    /// The server's answer is no workload.
    #[error(transparent)]
    NotAWorkload(#[from] NotAWorkload),
}

/// One answer of a list request.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    metadata: PageMetadata,
    #[serde(default = "Vec::new")]
    items: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    more: String,
}

/// A whole list, and the version from which a watch carries on.
#[derive(Clone, Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) version: String,
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

    /// Reads one workload.
    pub async fn workload(&self, kind: Kind, namespace: &str, name: &str) -> Result<Workload, Reading> {
        let request = Request::new(workloads_path(kind, &Scope::Namespace(namespace.to_string())));
        let request = request.get(name, &GetParams::default()).map_err(Error::BuildRequest)?;
        Ok(Workload::from_object(kind, self.client.request(request).await?)?)
    }

    /// Reads the workloads of a kind, by name.
    pub async fn workloads(
        &self,
        kind: Kind,
        scope: &Scope,
        selector: Option<&str>,
    ) -> Result<Vec<Workload>, Reading> {
        let listed: Listed<Value> = self.list(&workloads_path(kind, scope), selector).await?;
        listed.items.into_iter().map(|object| Ok(Workload::from_object(kind, object)?)).collect()
    }

    /// Reads what belongs to a workload.
    pub async fn seen(&self, workload: Workload, depth: Depth) -> Result<Seen, Reading> {
        let selector = workload.selector.clone();
        let (revisions, pods) = match depth {
            Depth::Revisions => (self.list(&revisions_path(&workload), Some(&selector)).await?, None),
            Depth::Pods => {
                let revisions = revisions_path(&workload);
                let pods = pods_path(&workload);
                tokio::try_join!(self.list(&revisions, Some(&selector)), self.readable(&pods, &selector))?
            }
        };
        Ok(Seen::new(workload, revisions, pods))
    }

    /// Reads a workload with what belongs to it.
    pub async fn snapshot(&self, workload: Workload, depth: Depth) -> Result<Snapshot, Reading> {
        Ok(self.seen(workload, depth).await?.into_snapshot(self.now()))
    }

    async fn readable(&self, path: &str, selector: &str) -> Result<Option<Listed<Pod>>, Error> {
        match self.list(path, Some(selector)).await {
            Ok(listed) => Ok(Some(listed)),
            Err(Error::Api(status)) if status.code == 403 => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        selector: Option<&str>,
    ) -> Result<Listed<T>, Error> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = selector.map(str::to_string);
        let mut items = Vec::new();
        loop {
            let request = Request::new(path).list(&params).map_err(Error::BuildRequest)?;
            let page: Page<T> = self.client.request(request).await?;
            items.extend(page.items);
            if page.metadata.more.is_empty() {
                return Ok(Listed { items, version: page.metadata.resource_version });
            }
            params.continue_token = Some(page.metadata.more);
        }
    }
}

pub(crate) fn workloads_path(kind: Kind, scope: &Scope) -> String {
    match scope {
        Scope::Namespace(namespace) => format!("/apis/apps/v1/namespaces/{namespace}/{}", kind.plural()),
        Scope::All => format!("/apis/apps/v1/{}", kind.plural()),
    }
}

pub(crate) fn revisions_path(workload: &Workload) -> String {
    let plural = match workload.id.kind {
        Kind::Deployment => "replicasets",
        Kind::DaemonSet | Kind::StatefulSet => "controllerrevisions",
    };
    format!("/apis/apps/v1/namespaces/{}/{plural}", workload.id.namespace)
}

pub(crate) fn pods_path(workload: &Workload) -> String {
    format!("/api/v1/namespaces/{}/pods", workload.id.namespace)
}
