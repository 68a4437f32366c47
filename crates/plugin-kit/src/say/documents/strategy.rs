//! `Strategy`: how a DaemonSet replaces its pods, and how many those are.

use rollout_core::plan::strategy;
use rollout_core::{Amount, Workload};
use serde::Serialize;
use serde_json::Value;
use serde_with::skip_serializing_none;

use crate::call::document::Body;

/// How pods are replaced.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Strategy<'a> {
    r#type: &'a str,
    max_unavailable: Option<Amount>,
    max_surge: Option<Amount>,
    resolved: Option<Resolved>,
    desired: u32,
    /// The strategy that comes back when the pause ends.
    paused_strategy: Option<&'a Value>,
}

/// How many pods that means now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resolved {
    max_unavailable: u32,
    max_surge: u32,
}

impl Body for Strategy<'_> {
    const KIND: &'static str = "Strategy";
}

impl<'a> Strategy<'a> {
    /// That of a DaemonSet, and what it had before it was paused.
    pub fn of(workload: &'a Workload, paused_strategy: Option<&'a Value>) -> Strategy<'a> {
        let amounts = match &workload.strategy {
            rollout_core::Strategy::RollingUpdate { max_unavailable, max_surge } => {
                Some((*max_unavailable, *max_surge))
            }
            rollout_core::Strategy::Partitioned { .. }
            | rollout_core::Strategy::OnDelete
            | rollout_core::Strategy::Recreate
            | rollout_core::Strategy::Other(_) => None,
        };
        let resolved = |(missing, twice)| {
            let (max_unavailable, max_surge) = strategy::resolved(missing, twice, workload.desired);
            Resolved { max_unavailable, max_surge }
        };
        Strategy {
            r#type: workload.strategy.name(),
            max_unavailable: amounts.map(|it| it.0),
            max_surge: amounts.map(|it| it.1),
            resolved: amounts.map(resolved),
            desired: workload.desired,
            paused_strategy,
        }
    }
}
