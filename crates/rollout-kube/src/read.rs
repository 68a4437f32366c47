//! Reading workloads, their revisions and their pods, with as few requests as the data needs and no discovery.

use kube::Error;
use kube::api::{GetParams, Request};
use rollout_core::history::{RevisionMetadata, RevisionObject};
use rollout_core::objects::{NotAWorkload, ReadAs};
use rollout_core::{Kind, Revision, Snapshot, Workload};

use crate::cluster::{
    Cluster, NODES, Scope, pods_path, revisions_path, revisions_path_of, segment, workloads_path,
};
use crate::list::{Listing, Selection};
use crate::seen::Seen;

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

impl Depth {
    /// Only the pods of DaemonSets belong to nodes.
    pub(crate) fn has_nodes(self, workload: &Workload) -> bool {
        self == Depth::Nodes && workload.id.kind == Kind::DaemonSet
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

impl Reading {
    /// Tells whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Reading::Api(Error::Api(status)) if status.code == 404)
    }
}

impl Cluster {
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
        let (revisions, pods, nodes) = tokio::try_join!(
            self.revisions(&revisions, selected),
            self.readable(depth >= Depth::Pods, &pods, selected),
            self.readable(depth.has_nodes(&workload), NODES, Selection::default()),
        )?;
        Ok(Seen::new(workload, revisions, pods, nodes))
    }

    /// Reads a workload with what belongs to it.
    pub async fn snapshot(&self, workload: Workload, depth: Depth) -> Result<Snapshot, Reading> {
        Ok(self.seen(workload, depth).await?.into_snapshot(self.now()))
    }
}
