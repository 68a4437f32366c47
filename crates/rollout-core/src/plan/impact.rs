//! What a change does to the pods, foretold by the model of the controllers.

use std::collections::HashMap;

use serde::Serialize;

use crate::history::revision::Revision;
use crate::judge::deletion::{self, Reach};
use crate::judge::revision_bytes;
use crate::model::{self, Forecast, Frame, World};
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::snapshot::Snapshot;

/// A pod that a change replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReplacedPod {
    /// Its name.
    pub name: String,
    /// Its node, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl ReplacedPod {
    /// Names a pod.
    pub(crate) fn of(pod: &Pod) -> ReplacedPod {
        ReplacedPod { name: pod.name.clone(), node: pod.node.clone() }
    }

    /// Names pods of which there may be thousands by their names.
    pub(crate) fn named(pods: &[Pod], names: impl IntoIterator<Item = String>) -> Vec<ReplacedPod> {
        let by_name: HashMap<&str, &Pod> = pods.iter().map(|pod| (pod.name.as_str(), pod)).collect();
        let node = |name: &str| by_name.get(name).and_then(|pod| pod.node.clone());
        names.into_iter().map(|name| ReplacedPod { node: node(&name), name }).collect()
    }
}

/// What a change does to the pods, foretold by the model of the controllers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Impact {
    /// The pods that are replaced, in that order.
    pub pods: Vec<ReplacedPod>,
    /// The least number of available pods meanwhile.
    pub least_available: u32,
    /// The largest number of pods meanwhile.
    pub most_existing: u32,
    /// The steps.
    #[serde(rename = "phases")]
    pub frames: Vec<Frame>,
    /// Whether the controller does it by itself.
    #[serde(skip)]
    pub moves_by_itself: bool,
    /// Whether the pods are known; where they may not be read, nothing can be foretold.
    #[serde(skip)]
    pub known: bool,
}

/// Foretells what becomes of the pods when a revision's template is the workload's.
pub(crate) fn impact(snapshot: &Snapshot, target: Option<&Revision>) -> Impact {
    let Some(pods) = &snapshot.pods else { return Impact::default() };
    let kind = snapshot.workload.id.kind;
    let is_target = |pod: &Pod| {
        target.zip(pod.revision.as_deref()).is_some_and(|(target, label)| {
            target.owns_label(kind, label) && revision_bytes::is_found_again(snapshot, target, label)
        })
    };
    if snapshot.workload.strategy == Strategy::OnDelete {
        let reach = Reach::of(snapshot);
        let old = snapshot.living().filter(|pod| !is_target(pod) && reach.has(pod));
        return deleted_one_by_one(snapshot, old.collect());
    }
    let mut world = World::of(snapshot, pods, is_target);
    let mut forecast = model::forecast(world.clone());
    let moves_by_itself = forecast.moves_without_help;
    while let Some(blocker) = forecast.blocked_by.take().filter(|pod| is_freed(&world, pod)) {
        free(&mut world, blocker, &mut forecast);
    }
    Impact {
        pods: ReplacedPod::named(pods, forecast.replaced),
        least_available: forecast.least_available,
        most_existing: forecast.most_existing,
        frames: forecast.frames,
        moves_by_itself,
        known: true,
    }
}

/// Nothing replaces the pods of an OnDelete workload; they are deleted here, each when the one before is available again.
fn deleted_one_by_one(snapshot: &Snapshot, mut old: Vec<&Pod>) -> Impact {
    deletion::sort_for_deletion(snapshot, &mut old);
    let available = snapshot.count_available();
    // A broken pod goes first, and a good one comes back in its place before a good one goes.
    let costs = old.first().is_some_and(|pod| snapshot.available(pod));
    Impact {
        pods: old.into_iter().map(ReplacedPod::of).collect(),
        least_available: available - u32::from(costs),
        most_existing: snapshot.living().count() as u32,
        frames: Vec::new(),
        moves_by_itself: false,
        known: true,
    }
}

/// Tells whether a pod that a StatefulSet hangs on comes back at the target once it is deleted.
fn is_freed(world: &World, name: &str) -> bool {
    let counts = world.first_ordinal + world.partition();
    world.pod(name).is_some_and(|pod| pod.revision != world.template && pod.slot >= counts)
}

/// Deletes the pod that a set hangs on, as the driver does, and adds what comes of it.
fn free(world: &mut World, blocker: String, forecast: &mut Forecast) {
    world.min_ready = 0;
    world.settle(4 * world.wanted() + 100);
    world.delete_pod(&blocker);
    let rest = model::forecast(world.clone());
    forecast.replaced.push(blocker);
    forecast.replaced.extend(rest.replaced);
    forecast.least_available = forecast.least_available.min(rest.least_available);
    forecast.most_existing = forecast.most_existing.max(rest.most_existing);
    forecast.frames.extend(rest.frames);
    forecast.blocked_by = rest.blocked_by;
}

/// Returns how many pods a change makes beyond those that exist.
pub(crate) fn extra_pods(snapshot: &Snapshot, impact: &Impact) -> u32 {
    if impact.known {
        return impact.most_existing.saturating_sub(snapshot.living().count() as u32);
    }
    match &snapshot.workload.strategy {
        Strategy::RollingUpdate { max_surge, max_unavailable: _ } => {
            max_surge.rounded_up(snapshot.workload.desired)
        }
        Strategy::Partitioned { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => 0,
    }
}
