//! What was read of a workload.

use k8s_openapi::jiff::Timestamp;
use rollout_core::objects::{ApiObject, Node};
use rollout_core::{Kind, Pod, Snapshot, Workload};
use serde_json::Value;

use crate::list::Listed;

/// What was read of a workload, as it can be watched on from.
#[derive(Clone, Debug)]
pub struct Seen {
    pub(crate) kind: Kind,
    pub(crate) workload: Option<ApiObject>,
    /// Whether the workload is the answer to a write, from whose version it can be watched on.
    pub(crate) fresh: bool,
    pub(crate) revisions: Listed<ApiObject>,
    pub(crate) pods: Option<Listed<Pod>>,
    pub(crate) nodes: Option<Listed<Node>>,
}

impl Seen {
    pub(crate) fn new(
        workload: Workload,
        revisions: Listed<ApiObject>,
        pods: Option<Listed<Pod>>,
        nodes: Option<Listed<Node>>,
    ) -> Seen {
        let kind = workload.id.kind;
        Seen { kind, workload: Some(ApiObject(workload.object)), fresh: false, revisions, pods, nodes }
    }

    /// Takes in what the server answered to a write, from which the workload's watch carries on.
    pub fn after(mut self, written: Option<Value>) -> Seen {
        self.fresh |= written.is_some();
        self.workload = written.map(ApiObject).or(self.workload);
        self
    }

    /// Returns it without pods and nodes, where only what is recorded is watched.
    pub fn of_revisions(&self) -> Seen {
        let Seen { kind, workload, fresh, revisions, pods: _, nodes: _ } = self.clone();
        Seen { kind, workload, fresh, revisions, pods: None, nodes: None }
    }

    /// Puts together the snapshot of what was read.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        self.clone().into_snapshot(now)
    }

    /// Puts together the snapshot where nothing is watched on from it.
    ///
    /// # Panics
    ///
    /// Never: what was read holds a workload.
    pub fn into_snapshot(self, now: Timestamp) -> Snapshot {
        match Workload::from_object(self.kind, self.workload.map(ApiObject::into).unwrap_or_default()) {
            Ok(workload) => {
                let pods = self.pods.map(|pods| pods.items);
                let nodes = self.nodes.map(|nodes| nodes.items);
                let revisions = self.revisions.items.into_iter().map(ApiObject::into).collect();
                Snapshot { nodes, ..Snapshot::new(workload, revisions, pods, now) }
            }
            Err(error) => unreachable!("{error}"),
        }
    }
}
