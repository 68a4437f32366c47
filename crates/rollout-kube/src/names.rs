//! The names that there are, for whoever is typing one: a page, metadata alone.

use std::collections::BTreeMap;

use kube::Error;
use kube::api::{ListParams, Request};
use rollout_core::Kind;
use serde::Deserialize;

use crate::cluster::{Cluster, NAMESPACES, NODES, Scope, workloads_path};

/// Names beyond that are not offered to anybody who types: no terminal shows as many.
const MOST: u32 = 500;

/// What is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The workloads of a kind.
    Workloads(Kind, Scope),
    /// The namespaces.
    Namespaces,
    /// The nodes.
    Nodes,
}

/// A name, with the labels of what bears it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub name: String,
    /// The labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Name,
}

impl Cluster {
    /// Reads names, at most a page of them.
    pub async fn names(&self, named: &Named) -> Result<Vec<Name>, Error> {
        let path = match named {
            Named::Workloads(kind, scope) => workloads_path(*kind, scope),
            Named::Namespaces => NAMESPACES.to_string(),
            Named::Nodes => NODES.to_string(),
        };
        let request = Request::new(path).list_metadata(&ListParams::default().limit(MOST));
        let mut names = Vec::new();
        let mut each = |object: Object| names.push(object.metadata);
        self.page(request.map_err(Error::BuildRequest)?, &mut each).await?;
        Ok(names)
    }
}
