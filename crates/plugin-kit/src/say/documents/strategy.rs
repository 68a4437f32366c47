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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Strategy<'a> {
    /// The type.
    r#type: StrategyType<'a>,
    /// Pods that may be missing meanwhile.
    max_unavailable: Option<Amount>,
    /// Pods that may exist beyond the desired number meanwhile.
    max_surge: Option<Amount>,
    /// How many pods that means now.
    resolved: Option<Resolved>,
    /// Pods asked for.
    desired: u32,
    /// The strategy that comes back when the pause ends.
    paused_strategy: Option<&'a Value>,
}

/// How pods are replaced, as the API spells it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) enum StrategyType<'a> {
    /// The controller replaces them; at and above the partition, where there is one.
    RollingUpdate,
    /// The controller replaces a pod when somebody deletes it.
    OnDelete,
    /// All old pods go before the first new one comes.
    Recreate,
    /// A strategy that is newer than this program.
    #[serde(untagged)]
    Other(&'a str),
}

impl StrategyType<'_> {
    pub(super) fn of(strategy: &rollout_core::Strategy) -> StrategyType<'_> {
        match strategy {
            rollout_core::Strategy::RollingUpdate { .. } | rollout_core::Strategy::Partitioned { .. } => {
                StrategyType::RollingUpdate
            }
            rollout_core::Strategy::OnDelete => StrategyType::OnDelete,
            rollout_core::Strategy::Recreate => StrategyType::Recreate,
            rollout_core::Strategy::Other(name) => StrategyType::Other(name),
        }
    }
}

/// How many pods that means now.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Resolved {
    /// Pods that may be missing.
    max_unavailable: u32,
    /// Pods that may exist beyond the desired number.
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
            r#type: StrategyType::of(&workload.strategy),
            max_unavailable: amounts.map(|it| it.0),
            max_surge: amounts.map(|it| it.1),
            resolved: amounts.map(resolved),
            desired: workload.desired,
            paused_strategy,
        }
    }
}
