//! What a rollout will do to the pods, step by step.

use std::cmp::Reverse;

use serde::Serialize;

use crate::model::window::Window;
use crate::model::world::World;
use crate::objects::kind::Kind;
use crate::objects::strategy::Strategy;

/// Frames that a forecast keeps at most.
const KEPT: usize = 50;
/// Old pods that are looked at together at least.
const WINDOW: usize = 256;

/// The pods at one moment of a rollout; pods that are on their way out count nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Frame {
    /// Pods of other revisions.
    pub old: u32,
    /// Pods of the revision that is rolled out.
    pub new: u32,
    /// Pods that are available.
    pub available: u32,
    /// Pods that exist.
    pub existing: u32,
}

/// What a rollout will do if the pods of the new revision become ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// The names of the pods that the controller replaces, in order.
    pub replaced: Vec<String>,
    /// Whether that order is the one in which it will happen; where not, the controller chooses by what is not known
    /// here (a Deployment) or by chance (a DaemonSet).
    pub ordered: bool,
    /// The fewest available pods at any moment, the first one too.
    pub least_available: u32,
    /// The most pods at any moment.
    pub most_existing: u32,
    /// The steps, of many only some: the first, the last, the extremes, and a selection between them.
    #[serde(rename = "phases")]
    pub frames: Vec<Frame>,
    /// Whether the controller gets on by itself: false where pods are old and it replaces none of them (OnDelete, paused,
    /// all below the partition, stuck).
    pub moves_without_help: bool,
    /// How many pods are old when the controller has come to rest.
    pub left_old: u32,
    /// The pod that an ordered StatefulSet waits for when it has come to rest before its end.
    pub blocked_by: Option<String>,
}

/// Runs a world to rest, as if new pods were available one tick after they were made.
pub fn forecast(mut world: World) -> Forecast {
    world.min_ready = 0;
    world.replaced.clear();
    world.resolve_amounts();
    let keep = WINDOW.max(8 * (world.max_unavailable() as usize + world.surge() as usize));
    forecast_through(world, keep)
}

/// Runs a world to rest, about so many old pods at a time: at least twice what one tick replaces.
fn forecast_through(mut world: World, keep: usize) -> Forecast {
    let mut course = Course::new(&world);
    while course.ticks > 0 {
        let Some(window) = Window::open(&mut world, keep) else {
            if course.tick(&mut world, (0, 0)) { continue } else { break }
        };
        let taken = (window.old, window.new);
        while course.tick(&mut world, taken) && frame(&world).old as usize > keep / 2 {}
        window.close(&mut world);
        // The part has come to rest, or another part is due: the whole has the last word.
        if !course.tick(&mut world, (0, 0)) {
            break;
        }
    }
    course.forecast(world)
}

/// The frames of a rollout so far.
struct Course {
    frames: Vec<Frame>,
    /// Ticks that are left before the model gives up.
    ticks: usize,
}

impl Course {
    fn new(world: &World) -> Course {
        // A pod takes two ticks where they go one by one; twice that is plenty.
        let ticks = 4 * (world.pods.len() + world.wanted() as usize) + 100;
        Course { frames: vec![frame(world)], ticks }
    }

    /// Ticks once, with so many old and new pods out of sight; tells whether anything has changed.
    fn tick(&mut self, world: &mut World, (old, new): (u32, u32)) -> bool {
        self.ticks = self.ticks.saturating_sub(1);
        let controlled = world.control();
        let seen = frame(world);
        let frame = Frame {
            old: seen.old + old,
            new: seen.new + new,
            available: seen.available + old + new,
            existing: seen.existing + old + new,
        };
        // Right after the controller fewest pods are available and most exist.
        self.note(frame);
        (world.run_pods() || controlled) && self.ticks > 0
    }

    fn note(&mut self, frame: Frame) {
        if self.frames.last() != Some(&frame) {
            self.frames.push(frame);
        }
    }

    fn forecast(mut self, world: World) -> Forecast {
        let end = frame(&world);
        self.note(end);
        let least = extreme(&self.frames, |frame| Reverse(frame.available));
        let most = extreme(&self.frames, |frame| frame.existing);
        Forecast {
            ordered: ordered(&world),
            least_available: self.frames[least].available,
            most_existing: self.frames[most].existing,
            frames: thin(&self.frames, &[least, most]),
            moves_without_help: end.old == 0 || !world.replaced.is_empty(),
            left_old: end.old,
            blocked_by: world.blocker().map(str::to_string),
            replaced: world.replaced,
        }
    }
}

fn frame(world: &World) -> Frame {
    let mut frame = Frame { old: 0, new: 0, available: 0, existing: 0 };
    for pod in world.pods.iter().filter(|pod| !pod.terminating()) {
        let new = pod.revision == world.template;
        frame.new += u32::from(new);
        frame.old += u32::from(!new);
        frame.available += u32::from(world.available(pod));
        frame.existing += 1;
    }
    frame
}

/// Returns the first place of the greatest.
fn extreme<K: Ord>(frames: &[Frame], by: impl Fn(&Frame) -> K) -> usize {
    let mut best = 0;
    for (place, frame) in frames.iter().enumerate() {
        if by(frame) > by(&frames[best]) {
            best = place;
        }
    }
    best
}

fn thin(frames: &[Frame], keep: &[usize]) -> Vec<Frame> {
    if frames.len() <= KEPT {
        return frames.to_vec();
    }
    let evenly = KEPT - keep.len();
    let mut places: Vec<usize> = (0..evenly).map(|step| step * (frames.len() - 1) / (evenly - 1)).collect();
    places.extend(keep);
    places.sort_unstable();
    places.dedup();
    places.into_iter().map(|place| frames[place]).collect()
}

fn ordered(world: &World) -> bool {
    match world.kind {
        Kind::StatefulSet => true,
        Kind::Deployment => false,
        Kind::DaemonSet => match &world.strategy {
            Strategy::OnDelete => true,
            Strategy::RollingUpdate { .. }
            | Strategy::Partitioned { .. }
            | Strategy::Recreate
            | Strategy::Other(_) => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy as Values, any, prop_assert_eq, prop_oneof, proptest};

    use super::*;
    use crate::model::RevisionId;
    use crate::objects::strategy::Amount;

    fn strategies() -> impl Values<Value = (Kind, Strategy)> {
        let counts = (0..4u32, 0..4u32).prop_map(|(unavailable, surge)| Strategy::RollingUpdate {
            max_unavailable: Amount::Count(unavailable),
            max_surge: Amount::Count(surge),
        });
        let one_of_both = (1..4u32, any::<bool>()).prop_map(|(count, surging)| Strategy::RollingUpdate {
            max_unavailable: Amount::Count(if surging { 0 } else { count }),
            max_surge: Amount::Count(if surging { count } else { 0 }),
        });
        let partitioned = (0..60u32, proptest::option::of(1..4u32)).prop_map(|(partition, count)| {
            Strategy::Partitioned { partition, max_unavailable: count.map(Amount::Count) }
        });
        prop_oneof![
            counts.prop_map(|strategy| (Kind::Deployment, strategy)),
            one_of_both.prop_map(|strategy| (Kind::DaemonSet, strategy)),
            partitioned.prop_map(|strategy| (Kind::StatefulSet, strategy)),
        ]
    }

    /// A world of which some pods are new, bad, or gone.
    fn started(
        kind: Kind,
        strategy: Strategy,
        size: u32,
        parallel: bool,
        ticks: u32,
        bad: &[usize],
    ) -> World {
        let mut world = World::new(kind, "web", strategy, size);
        (world.parallel, world.first_ordinal) = (parallel, 2);
        (0..size).for_each(|node| world.add_node(&format!("node-{node}")));
        world.settle(1000);
        world.template = RevisionId::TARGET;
        (0..ticks).for_each(|_| _ = world.tick());
        for (place, index) in bad.iter().enumerate() {
            let Some(pod) = world.pods.get(index % size as usize) else { continue };
            let name = pod.name.clone();
            let _ = if place % 2 == 0 { world.break_pod(&name) } else { world.delete_pod(&name) };
        }
        world.replaced.clear();
        world
    }

    proptest! {
        #[test]
        fn a_part_at_a_time_foretells_what_the_whole_does(
            (kind, strategy) in strategies(),
            size in 1..70u32,
            parallel in any::<bool>(),
            ticks in 0..40u32,
            bad in proptest::collection::vec(any::<usize>(), 0..3),
            more in 1..16usize,
        ) {
            let world = started(kind, strategy, size, parallel, ticks, &bad);
            let whole = forecast_through(world.clone(), usize::MAX);
            let at_once = (world.max_unavailable() + world.surge()) as usize;
            let parts = forecast_through(world, 2 * at_once + more);
            prop_assert_eq!(parts, whole);
        }
    }
}
