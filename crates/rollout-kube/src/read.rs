//! Reading workloads, their revisions and their pods, with as few requests as the data needs and no discovery.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::api::{GetParams, ListParams, Request};
use kube::{Client, Error};
use rollout_core::history::{RevisionMetadata, RevisionObject};
use rollout_core::objects::{NotAWorkload, ReadAs};
use rollout_core::{Kind, Revision, Snapshot, Workload};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::feed::Seen;
use crate::send::form_encoded;

/// Where nodes are listed.
pub(crate) const NODES: &str = "/api/v1/nodes";
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
    /// The nodes of a DaemonSet too; where they may not be read, that is no error.
    Nodes,
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

/// What a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    Objects,
    Metadata,
}

impl Reading {
    /// Tells whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Reading::Api(Error::Api(status)) if status.code == 404)
    }
}

/// Which objects of a list are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Selection<'a> {
    pub(crate) labels: Option<&'a str>,
    pub(crate) fields: Option<&'a str>,
}

impl<'a> Selection<'a> {
    pub(crate) fn labelled(selector: &'a str) -> Selection<'a> {
        Selection { labels: Some(selector), fields: None }
    }
}

/// One answer of a list request.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    metadata: PageMetadata,
    #[serde(default = "Vec::new")]
    pub(crate) items: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    more: String,
}

/// A whole list, and the version from which a watch carries on; empty where a new list has to come first.
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
    pub async fn workload<W: ReadAs>(&self, kind: Kind, namespace: &str, name: &str) -> Result<W, Reading> {
        let request = Request::new(workloads_path(kind, &Scope::Namespace(namespace.to_string())));
        let request = request.get(&segment(name), &GetParams::default()).map_err(Error::BuildRequest)?;
        Ok(W::read(kind, self.client.request(request).await?)?)
    }

    /// Reads the workloads of a kind, by name.
    pub async fn workloads<W: ReadAs>(
        &self,
        kind: Kind,
        scope: &Scope,
        selector: Option<&str>,
    ) -> Result<Vec<W>, Reading> {
        let mut workloads = Vec::new();
        let mut each = |object| workloads.push(W::read(kind, object));
        let selection = Selection { labels: selector, fields: None };
        self.pages(&workloads_path(kind, scope), selection, Listing::Objects, &mut each).await?;
        Ok(workloads.into_iter().collect::<Result<_, _>>()?)
    }

    /// Reads the numbers and times of the revisions of a kind, page by page: what is done with each is all that is kept.
    ///
    /// ReplicaSets come as metadata alone. A ControllerRevision's number is none of its metadata.
    pub async fn records(
        &self,
        kind: Kind,
        scope: &Scope,
        selector: Option<&str>,
        mut each: impl FnMut(RevisionMetadata),
    ) -> Result<(), Error> {
        let listing = match kind {
            Kind::Deployment => Listing::Metadata,
            Kind::DaemonSet | Kind::StatefulSet => Listing::Objects,
        };
        let mut record = |object: RevisionObject| each(RevisionMetadata::new(kind, object));
        let selection = Selection { labels: selector, fields: None };
        self.pages(&revisions_path(kind, scope), selection, listing, &mut record).await?;
        Ok(())
    }

    /// Reads one revision; none where it is gone.
    pub async fn revision(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Revision>, Error> {
        let request = Request::new(revisions_path(kind, &Scope::Namespace(namespace.to_string())));
        let request = request.get(name, &GetParams::default()).map_err(Error::BuildRequest)?;
        match self.client.request(request).await {
            Ok(object) => Ok(Revision::from_object(kind, object)),
            Err(Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads what belongs to a workload.
    pub async fn seen(&self, workload: Workload, depth: Depth) -> Result<Seen, Reading> {
        let selector = workload.selector.clone();
        let selected = Selection::labelled(&selector);
        let (revisions, pods) = (revisions_path_of(&workload), pods_path(&Scope::of(&workload)));
        let with_nodes = depth == Depth::Nodes && workload.id.kind == Kind::DaemonSet;
        let (revisions, pods, nodes) = tokio::try_join!(
            self.list(&revisions, selected),
            self.readable(depth >= Depth::Pods, &pods, selected),
            self.readable(with_nodes, NODES, Selection::default()),
        )?;
        Ok(Seen::new(workload, revisions, pods, nodes))
    }

    /// Reads a workload with what belongs to it.
    pub async fn snapshot(&self, workload: Workload, depth: Depth) -> Result<Snapshot, Reading> {
        Ok(self.seen(workload, depth).await?.into_snapshot(self.now()))
    }

    /// Lists what is wanted; where it may not be read, that is no error.
    pub(crate) async fn readable<T: DeserializeOwned>(
        &self,
        wanted: bool,
        path: &str,
        selection: Selection<'_>,
    ) -> Result<Option<Listed<T>>, Error> {
        if !wanted {
            return Ok(None);
        }
        match self.list(path, selection).await {
            Ok(listed) => Ok(Some(listed)),
            Err(Error::Api(status)) if status.code == 403 => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        selection: Selection<'_>,
    ) -> Result<Listed<T>, Error> {
        let mut items = Vec::new();
        let mut each = |item| items.push(item);
        let version = self.pages(path, selection, Listing::Objects, &mut each).await?;
        Ok(Listed { items, version })
    }

    /// Reads a list page by page, and returns the version that it has.
    ///
    /// The server forgets the state of a list after minutes. It then answers with a token for the rest as it is by then
    /// (k8s.io/apiserver, `pkg/storage/etcd3/errors.go`), so that what was read is no state of any moment, and has no version.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        selection: Selection<'_>,
        listing: Listing,
        each: &mut impl FnMut(T),
    ) -> Result<String, Error> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = selection.labels.map(str::to_string);
        params.field_selector = selection.fields.map(str::to_string);
        let mut of_one_moment = true;
        loop {
            let request = Request::new(path);
            let request = match listing {
                Listing::Objects => request.list(&params),
                Listing::Metadata => request.list_metadata(&params),
            };
            let answer = self.client.request::<Page<T>>(request.map_err(Error::BuildRequest)?).await;
            let page = match answer {
                Ok(page) => page,
                Err(Error::Api(status)) if status.code == 410 && params.continue_token.is_some() => {
                    let rest = status.metadata.as_ref().and_then(|it| it.continue_.clone());
                    // One that does not lead on would be asked for ever.
                    if rest.is_none() || rest == params.continue_token {
                        return Err(Error::Api(status));
                    }
                    of_one_moment = false;
                    params.continue_token = rest;
                    continue;
                }
                Err(error) => return Err(error),
            };
            page.items.into_iter().for_each(&mut *each);
            if page.metadata.more.is_empty() {
                return Ok(if of_one_moment { page.metadata.resource_version } else { String::new() });
            }
            params.continue_token = Some(page.metadata.more);
        }
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
