//! Reading many workloads: each sort of object is listed once, and shared out by owner.

use std::collections::{HashMap, HashSet};

use kube::Error;
use rollout_core::history::owner;
use rollout_core::objects::{ApiObject, Node};
use rollout_core::{Kind, Pod, Workload};
use serde::de::DeserializeOwned;

use crate::cluster::{Cluster, NODES, Scope, pods_path, revisions_path};
use crate::list::{Listed, Listing, Selection};
use crate::read::Depth;
use crate::seen::Seen;

/// What a list holds, by the UID of who owns it, and the version from which a watch carries on.
#[derive(Debug)]
struct Shares<T> {
    items: HashMap<String, Vec<T>>,
    version: String,
}

impl<T> Shares<T> {
    /// Takes out what somebody owns.
    fn of(&mut self, owner: &str) -> Listed<T> {
        let items = self.items.remove(owner).unwrap_or_default();
        Listed { items, version: self.version.clone() }
    }
}

/// What belongs to many workloads, to be shared out among them.
#[derive(Debug)]
pub struct Belongings {
    replica_sets: Shares<ApiObject>,
    controller_revisions: Shares<ApiObject>,
    pods: Shares<Pod>,
    nodes: Option<Listed<Node>>,
}

impl Belongings {
    /// Takes out what belongs to one of the workloads that it was read for.
    pub fn of(&mut self, workload: Workload, depth: Depth) -> Seen {
        let nodes = self.nodes.clone().filter(|_| depth.has_nodes(&workload));
        let uid_of = &workload.id.uid;
        let (revisions, owners): (_, Vec<String>) = match workload.id.kind {
            Kind::Deployment => {
                let revisions = self.replica_sets.of(uid_of);
                let owners = revisions.items.iter().map(|it| it.uid().to_string()).collect();
                (revisions, owners)
            }
            Kind::DaemonSet | Kind::StatefulSet => {
                (self.controller_revisions.of(uid_of), vec![uid_of.clone()])
            }
        };
        let pods = (depth >= Depth::Pods).then(|| {
            let items = owners.iter().flat_map(|owner| self.pods.of(owner).items).collect();
            Listed { items, version: self.pods.version.clone() }
        });
        Seen::new(workload, revisions, pods, nodes)
    }
}

impl Cluster {
    /// Reads what belongs to workloads that are all in a scope. What is refused is an error: it may be readable in the
    /// namespace of each.
    pub async fn belongings(
        &self,
        scope: &Scope,
        workloads: &[(Workload, Depth)],
    ) -> Result<Belongings, Error> {
        let is_deployment = |(it, _): &(Workload, Depth)| it.id.kind == Kind::Deployment;
        let uids: HashSet<String> = workloads.iter().map(|(it, _)| it.id.uid.clone()).collect();
        let of_workload =
            |object: &ApiObject| owner(&object.0).filter(|uid| uids.contains(*uid)).map(str::to_string);
        let (deployments, sets) = (workloads.iter().any(is_deployment), !workloads.iter().all(is_deployment));
        let (replica_sets, controller_revisions) = tokio::try_join!(
            self.shares(deployments, revisions_path(Kind::Deployment, scope), of_workload),
            // Those of StatefulSets are the same objects.
            self.shares(sets, revisions_path(Kind::DaemonSet, scope), of_workload),
        )?;
        // A Deployment's pods belong to its ReplicaSets. Those of anybody else, such as jobs, may be many.
        let owners: HashSet<String> =
            replica_sets.items.values().flatten().map(|it| it.uid().to_string()).chain(uids).collect();
        let of_owner =
            |pod: &Pod| pod.owner.as_deref().filter(|uid| owners.contains(*uid)).map(str::to_string);
        let with_pods = workloads.iter().any(|(_, depth)| *depth >= Depth::Pods);
        let with_nodes = workloads.iter().any(|(it, depth)| depth.has_nodes(it));
        let (pods, nodes) = tokio::try_join!(
            self.shares(with_pods, pods_path(scope), of_owner),
            self.readable::<Node>(with_nodes, NODES, Selection::default()),
        )?;
        Ok(Belongings { replica_sets, controller_revisions, pods, nodes })
    }

    /// Lists what is wanted, and keeps what has an owner that is.
    async fn shares<T: DeserializeOwned>(
        &self,
        wanted: bool,
        path: String,
        owner: impl Fn(&T) -> Option<String>,
    ) -> Result<Shares<T>, Error> {
        let mut items: HashMap<String, Vec<T>> = HashMap::new();
        if !wanted {
            return Ok(Shares { items, version: String::new() });
        }
        let mut each = |item| {
            if let Some(owner) = owner(&item) {
                items.entry(owner).or_default().push(item);
            }
        };
        let version = self.pages(&path, Selection::default(), Listing::Objects, &mut each).await?;
        Ok(Shares { items, version })
    }
}
