//! Reading many workloads: each sort of object is listed once, and shared out by owner.

use std::collections::{HashMap, HashSet};

use kube::Error;
use rollout_core::history::owner;
use rollout_core::objects::Node;
use rollout_core::{Kind, Pod, Workload};
use serde::de::DeserializeOwned;
use serde_json::Value;

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

impl Cluster {
    /// Reads what belongs to all workloads of a scope; the answers are in their order. What is refused is an error: it may be
    /// readable in the namespace of each.
    pub async fn seen_in(
        &self,
        scope: &Scope,
        workloads: Vec<(Workload, Depth)>,
    ) -> Result<Vec<Seen>, Error> {
        let is_deployment = |(it, _): &(Workload, Depth)| it.id.kind == Kind::Deployment;
        let with_nodes =
            |(it, depth): &(Workload, Depth)| it.id.kind == Kind::DaemonSet && *depth == Depth::Nodes;
        let uids: HashSet<String> = workloads.iter().map(|(it, _)| it.id.uid.clone()).collect();
        let of_workload =
            |object: &Value| owner(object).filter(|uid| uids.contains(*uid)).map(str::to_string);
        let (deployments, sets) = (workloads.iter().any(is_deployment), !workloads.iter().all(is_deployment));
        let (mut replica_sets, mut controller_revisions) = tokio::try_join!(
            self.shares(deployments, revisions_path(Kind::Deployment, scope), of_workload),
            // Those of StatefulSets are the same objects.
            self.shares(sets, revisions_path(Kind::DaemonSet, scope), of_workload),
        )?;
        // A Deployment's pods belong to its ReplicaSets. Those of anybody else, such as jobs, may be many.
        let owners: HashSet<String> = replica_sets.items.values().flatten().map(uid).chain(uids).collect();
        let of_owner = |pod: &Pod| pod.owner.clone().filter(|uid| owners.contains(uid));
        let (mut pods, nodes) = tokio::try_join!(
            self.shares(workloads.iter().any(|(_, depth)| *depth >= Depth::Pods), pods_path(scope), of_owner),
            self.readable::<Node>(workloads.iter().any(with_nodes), NODES, Selection::default()),
        )?;
        let seen = workloads.into_iter().map(|wanted| {
            let nodes = nodes.clone().filter(|_| with_nodes(&wanted));
            let (workload, depth) = wanted;
            let (shares, is_deployment) = match workload.id.kind {
                Kind::Deployment => (&mut replica_sets, true),
                Kind::DaemonSet | Kind::StatefulSet => (&mut controller_revisions, false),
            };
            let revisions = shares.of(&workload.id.uid);
            let owners: Vec<String> = match is_deployment {
                true => revisions.items.iter().map(uid).collect(),
                false => vec![workload.id.uid.clone()],
            };
            let pods = (depth >= Depth::Pods).then(|| {
                let items = owners.iter().flat_map(|owner| pods.of(owner).items).collect();
                Listed { items, version: pods.version.clone() }
            });
            Seen::new(workload, revisions, pods, nodes)
        });
        Ok(seen.collect())
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

fn uid(object: &Value) -> String {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_string()
}
