//! The cluster is asked, for as long as somebody waits who has pressed a key.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kubectl_connect::{Agent, ConnectionArgs, Connector};
use rollout_core::{Kind, Snapshot, Workload, template};
use rollout_kube::{Cluster, Depth, Name, Named, Scope};

use super::typed::Typed;
use crate::targets::TargetName;
use crate::verbs::history::changed;

/// How long that is.
const PATIENCE: Duration = Duration::from_secs(2);

/// A name, and what is said of it.
pub(super) type Described = (String, String);

impl Typed {
    /// Returns the names of the workloads of a kind.
    pub(super) fn workloads(&self, kind: Kind) -> Vec<String> {
        let named = async |cluster: Cluster, namespace: String| {
            let scope = Scope::Namespace(namespace);
            Some(only_names(cluster.names(&Named::Workloads(kind, scope)).await.ok()?))
        };
        self.ask(named)
    }

    /// Returns the namespaces.
    pub(super) fn namespaces(&self) -> Vec<String> {
        self.ask(async |cluster, _| Some(only_names(cluster.names(&Named::Namespaces).await.ok()?)))
    }

    /// Returns the nodes.
    pub(super) fn nodes(&self) -> Vec<String> {
        self.ask(async |cluster, _| Some(only_names(cluster.names(&Named::Nodes).await.ok()?)))
    }

    /// Returns the keys of the labels that nodes bear.
    pub(super) fn node_labels(&self) -> Vec<String> {
        let keys = async |cluster: Cluster, _| {
            let nodes = cluster.names(&Named::Nodes).await.ok()?;
            let keys: BTreeSet<String> = nodes.into_iter().flat_map(|node| node.labels.into_keys()).collect();
            Some(keys.into_iter().collect())
        };
        self.ask(keys)
    }

    /// Returns the containers of a workload, each with its image.
    pub(super) fn containers(&self, target: &TargetName) -> Vec<Described> {
        let images = async |cluster: Cluster, namespace: String| {
            let workload: Workload = cluster.workload(target.kind, &namespace, &target.name).await.ok()?;
            Some(template::images(workload.template()))
        };
        self.ask(images)
    }

    /// Returns the revisions of a workload, the newest first, each with what it changed.
    pub(super) fn revisions(&self, target: &TargetName) -> Vec<Described> {
        let revisions = async |cluster: Cluster, namespace: String| {
            let workload: Workload = cluster.workload(target.kind, &namespace, &target.name).await.ok()?;
            let snapshot: Snapshot = cluster.snapshot(workload, Depth::Revisions).await.ok()?;
            let newest_first = snapshot.history.iter().rev();
            let numbered = newest_first.filter_map(|it| Some((it.number?.get().to_string(), it)));
            Some(numbered.map(|(number, it)| (number, changed(&snapshot, it))).collect())
        };
        self.ask(revisions)
    }

    /// Connects as the line says, and asks; whatever is in the way of an answer leaves nothing.
    fn ask<T, F>(&self, question: impl FnOnce(Cluster, String) -> F) -> Vec<T>
    where
        F: Future<Output = Option<Vec<T>>>,
    {
        let args = ConnectionArgs {
            request_timeout: Some(format!("{}s", PATIENCE.as_secs())),
            verbosity: 0,
            ..self.connection.clone()
        };
        let asked = async {
            let agent = Agent { plugin: self.plugin.name, version: env!("CARGO_PKG_VERSION") };
            // No helper may ask for a password in the middle of a line.
            let connection = Connector::new(&args, &agent).stdin_taken(true).connect().await.ok()?;
            let clock = connection.clock.clone();
            let now = move || clock.now().unwrap_or_else(Timestamp::now);
            question(Cluster::new(connection.client.clone(), now), connection.namespace).await
        };
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return Vec::new();
        };
        let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await });
        // A helper that hangs is not waited for.
        runtime.shutdown_background();
        answer.ok().flatten().unwrap_or_default()
    }
}

fn only_names(names: Vec<Name>) -> Vec<String> {
    names.into_iter().map(|it| it.name).collect()
}
