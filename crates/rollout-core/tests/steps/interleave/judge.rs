//! What must never be, held against the true state of the cluster in the moment in which a request comes to it.

use rollout_core::drive::Driver;
use rollout_core::machine::Ending;
use rollout_core::model::ModelPod;
use rollout_core::plan::Request;
use rollout_core::stored::{Phase, Reached, Rest, Rollout, Stored};
use rollout_core::{Kind, Snapshot, Strategy};
use serde_json::Value;

use crate::cluster::{Cluster, holder, image_of, reach};
use crate::interleave::in_steps::World;
use crate::interleave::process::Process;

fn ensure(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(words()) }
}

fn stored_in(picture: &Snapshot) -> Option<Rollout> {
    Stored::read(&picture.workload).unwrap().and_then(|it| it.rollout)
}

/// A patch that has got through: nothing that somebody else changed meanwhile was written over, and nobody else drives.
pub fn patch(
    world: &World,
    process: &Process<Driver>,
    before: &Cluster,
    request: &Request,
) -> Result<(), String> {
    let picture = process.picture.as_ref().unwrap();
    let body = &request.body;
    for path in ["/metadata/uid", "/spec/template", "/spec/updateStrategy"] {
        let (seen, was) = (picture.workload.object.pointer(path), before.object.pointer(path));
        ensure(seen == was, || format!("{} wrote over another {path}: {was:?}, not {seen:?}", process.id))?;
    }
    let stored = before.stored();
    let holds = stored.as_ref().and_then(|it| it.holder.clone());
    ensure(holds == Some(holder(process.id)), || format!("{} wrote what {holds:?} drives", process.id))?;
    ensure(stored == stored_in(picture), || format!("{} wrote over what was stored meanwhile", process.id))?;
    if before.kind == Kind::StatefulSet {
        let written = body.as_array().unwrap().iter().filter(|it| it["op"] != "test");
        let partition =
            written.filter_map(|it| it["value"]["rollingUpdate"]["partition"].as_u64()).next_back();
        let after = world.cluster.stored();
        // The way back is by the partition that was before, and what is held again is what it had reached: nothing was counted
        // for those.
        let is_back = |it: &Rollout| {
            it.phase != Phase::Running || stored.as_ref().is_some_and(|before| before.reached == it.reached)
        };
        let is_counted = partition.is_some() && !after.as_ref().is_some_and(is_back);
        let seen = picture.workload.desired;
        ensure(!is_counted || seen == before.world.desired, || format!("counted against {seen} replicas"))?;
        if let (Some(partition), Some(after)) = (partition, after.filter(|it| it.phase == Phase::Running)) {
            is_within(world, after.done, partition, &stored)?;
        }
    }
    Ok(())
}

/// No partition is below its step, but where an earlier one, of other replicas, has reached further.
fn is_within(world: &World, done: usize, partition: u64, before: &Option<Rollout>) -> Result<(), String> {
    let desired = world.cluster.world.desired;
    let lowest = desired - (end(world, done, desired as usize) as u32).min(desired);
    let reached = match before.as_ref().and_then(|it| it.reached.clone()) {
        Some(Reached::Index { partition, .. }) => partition,
        Some(Reached::Node { .. }) | None => u32::MAX,
    };
    ensure(partition >= u64::from(lowest.min(reached)), || format!("partition {partition} below {lowest}"))
}

fn end(world: &World, done: usize, total: usize) -> usize {
    let Rest::Amounts(amounts) = &world.scene.start.rules.rest else { unreachable!() };
    reach(amounts, done, total)
}

/// A pod is deleted: it is the one that was meant, of the revision and in the step that are, and no more are missing than may
/// be, by what the driver has seen and by what it did itself.
pub fn deletion(
    world: &World,
    process: &Process<Driver>,
    before: &Cluster,
    pod: &ModelPod,
) -> Result<(), String> {
    let picture = process.picture.as_ref().unwrap();
    let seen = picture.pods.iter().flatten().find(|it| it.name == pod.name);
    let seen = seen.ok_or_else(|| format!("{} deleted {}, which it has not seen", process.id, pod.name))?;
    ensure(seen.uid == pod.uid.to_string(), || format!("{} deleted another {}", process.id, pod.name))?;
    let rollout =
        stored_in(picture).ok_or_else(|| format!("{} deleted while nothing is stored", process.id))?;
    ensure(rollout.holder == Some(holder(process.id)), || {
        format!("{} deleted {} and had seen that {:?} drives", process.id, pod.name, rollout.holder)
    })?;
    let target = image_of(picture.workload.template());
    match rollout.phase {
        Phase::Running => {
            let retried = rollout.retry && !seen.ready();
            ensure(pod.revision.0 != target || retried, || format!("deleted {}, which is new", pod.name))?;
            is_in_step(world, picture, pod, rollout.done)?;
        }
        Phase::Aborting => {
            let frees = !seen.ready() && before.kind == Kind::StatefulSet;
            ensure(pod.revision.0 != 0 || frees, || format!("deleted {}, which is old", pod.name))?;
        }
        Phase::Paused | Phase::Failed => return Err("deleted while it stands still".into()),
    }
    if !picture.available(seen) {
        return Ok(());
    }
    let places: Vec<u32> = match before.kind {
        Kind::DaemonSet => {
            let seen = |name: &String| picture.nodes.iter().flatten().any(|it| it.name == *name);
            let nodes = before.world.nodes.iter().enumerate();
            nodes.filter(|(_, node)| seen(&node.name)).map(|(slot, _)| slot as u32).collect()
        }
        Kind::StatefulSet | Kind::Deployment => (0..picture.workload.desired).collect(),
    };
    let serves = |slot: u32| {
        picture
            .pods
            .iter()
            .flatten()
            .any(|it| slot_of(before, picture, it) == Some(slot) && picture.available(it))
    };
    let own = |slot: u32| world.emptied.get(&slot).is_some_and(|(id, _)| *id == process.id);
    let missing: Vec<u32> =
        places.into_iter().filter(|slot| *slot != pod.slot && (!serves(*slot) || own(*slot))).collect();
    ensure(missing.len() < world.scene.budget, || {
        format!("{} deleted {} while {missing:?} are missing", process.id, pod.name)
    })
}

fn slot_of(cluster: &Cluster, picture: &Snapshot, pod: &rollout_core::Pod) -> Option<u32> {
    match cluster.kind {
        Kind::DaemonSet => {
            let place = cluster.world.nodes.iter().position(|node| Some(&node.name) == pod.node.as_ref());
            place.map(|it| it as u32)
        }
        Kind::StatefulSet | Kind::Deployment => picture.index(pod),
    }
}

fn is_in_step(world: &World, picture: &Snapshot, pod: &ModelPod, done: usize) -> Result<(), String> {
    match world.cluster.kind {
        Kind::DaemonSet => {
            let mut nodes = picture.nodes.clone().unwrap();
            nodes.sort_by_key(|node| (node.created, node.name.clone()));
            let name = &world.cluster.world.nodes[pod.slot as usize].name;
            let rank = nodes.iter().position(|node| node.name == *name).unwrap();
            let end = end(world, done, nodes.len());
            ensure(rank < end, || format!("{} on place {rank} is not in the first {end}", pod.name))
        }
        Kind::StatefulSet | Kind::Deployment if picture.workload.strategy == Strategy::OnDelete => {
            let desired = picture.workload.desired;
            let lowest = desired - (end(world, done, desired as usize) as u32).min(desired);
            ensure(pod.slot >= lowest, || format!("{} is below the step", pod.name))
        }
        Kind::StatefulSet | Kind::Deployment => Ok(()),
    }
}

/// What an ending says is so.
pub fn ending(world: &World, ending: &Ending) -> Result<(), String> {
    if *ending == Ending::Complete {
        let stays = world.cluster.stored().is_some() && !world.recreated();
        ensure(!stays, || "complete, and something is stored".into())?;
    }
    Ok(())
}

/// All is over, and the world has stood still since: one revision everywhere, the right one, everything put back, no trace.
pub fn the_end(world: &World) -> Result<(), String> {
    let live = world.live();
    let cluster = &world.cluster;
    let counts = |pod: &&ModelPod| {
        cluster.kind == Kind::DaemonSet
            || cluster.world.strategy != Strategy::OnDelete
            || pod.slot < cluster.world.desired
    };
    // Whoever replaced the template of a set that only a deletion moves has to delete too.
    let moved = live != 2 || cluster.world.strategy != Strategy::OnDelete;
    // What fails does so for ever, and an ordered set hangs on it also when something else comes.
    let hangs = world.scene.bad && (live == 1 || live == 2 && cluster.kind == Kind::StatefulSet);
    // A pod on a dead node would not come back: it is left, and an OnDelete set keeps it.
    let left = |pod: &ModelPod| world.had_died(pod.slot) && cluster.world.strategy == Strategy::OnDelete;
    let mut pods = cluster.world.pods.iter().filter(counts);
    ensure(!moved || hangs || pods.all(|pod| pod.revision.0 == live || left(pod)), || {
        format!("not all pods are of {live}")
    })?;
    ensure(world.is_set() || cluster.strategy() == world.first_strategy(), || {
        format!("the strategy is {} and was {}", cluster.strategy(), world.first_strategy())
    })?;
    let limit = |it: &Value| it["spec"]["revisionHistoryLimit"].clone();
    ensure(limit(&cluster.object) == limit(&world.scene.cluster.object), || "another history limit".into())?;
    // Where the server refuses to have a revision cleaned, its copy stays.
    ensure(world.is_unclean() || !cluster.has_trace(), || "a trace stays".into())
}
