//! The models of the controllers against what the controllers' sources and a real cluster say.

mod daemonset;
mod deployment;
mod snapshot;
mod statefulset;

use rollout_core::model::{Behaviour, Frame, RevisionId, World};

/// The revisions that the tests roll between.
const A: RevisionId = RevisionId(0);
const B: RevisionId = RevisionId(1);
const C: RevisionId = RevisionId(2);

/// Ticks after which any world of these tests is at rest.
const LONG: u32 = 1000;

/// Lets the world come to rest, which it must.
fn rest(world: &mut World) {
    assert!(world.settle(LONG), "does not come to rest: {world:#?}");
}

/// The pods of a world by name as `name:revision`, with `!` where not available and `-` where it ends.
fn pods(world: &World) -> Vec<String> {
    let mut pods: Vec<String> = world
        .pods
        .iter()
        .map(|pod| {
            let available = if world.available(pod) { "" } else { "!" };
            let ending = if pod.terminating() { "-" } else { "" };
            format!("{}:{}{available}{ending}", pod.name, pod.revision.0)
        })
        .collect();
    pods.sort();
    pods
}

/// How many pods of a revision there are, all and available ones.
fn of(world: &World, revision: RevisionId) -> (usize, usize) {
    let of = world.pods.iter().filter(|pod| pod.revision == revision && !pod.terminating());
    (of.clone().count(), of.filter(|pod| world.available(pod)).count())
}

/// Phases as (old, new, available, existing).
fn frames(frames: &[Frame]) -> Vec<(u32, u32, u32, u32)> {
    frames.iter().map(|it| (it.old, it.new, it.available, it.existing)).collect()
}

fn never(world: &mut World, revision: RevisionId) {
    world.behaviours.insert(revision, Behaviour::NeverReady);
}

/// Ticks to rest and returns the fewest available and the most existing pods meanwhile.
fn extremes(world: &mut World) -> (u32, u32) {
    let (mut least, mut most) = (u32::MAX, 0);
    for _ in 0..LONG {
        let living = || world.pods.iter().filter(|pod| !pod.terminating());
        least = least.min(living().filter(|pod| world.available(pod)).count() as u32);
        most = most.max(living().count() as u32);
        let controlled = world.control();
        let living = || world.pods.iter().filter(|pod| !pod.terminating());
        least = least.min(living().filter(|pod| world.available(pod)).count() as u32);
        most = most.max(living().count() as u32);
        if !world.run_pods() && !controlled {
            return (least, most);
        }
    }
    panic!("does not come to rest: {world:#?}");
}

/// Lets pods be available only after so many ready ticks; those that exist have been.
fn must_wait(world: &mut World, ticks: u32) {
    world.min_ready = ticks;
    world.pods.iter_mut().for_each(|pod| pod.ready_for = ticks);
}
