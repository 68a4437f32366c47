//! What happens in a round: a function of the seed and the round's number, and of nothing else.

use std::fmt;

use between::{Trouble, Weather};
use cluster::Part as Process;
use fastrand::Rng;

use super::cast::{BAD, Ending, GOOD, Kind, Part, SHAPES, Way};

/// How many nodes there are: `node-1` and so on.
pub(super) const NODES: usize = 5;

/// Who does what to whom, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) parts: Vec<Part>,
    pub(super) acts: Vec<Act>,
}

/// A fault and how many milliseconds after the one before it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) pause: u64,
    pub(super) fault: Fault,
}

/// What happens meanwhile. Workloads, pods, nodes are numbers, taken of as many as there are then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The driver of a workload gets a signal.
    Signal(usize, &'static str),
    /// Somebody else comes to a workload.
    Rival(usize, Rival),
    /// A pod of a workload is deleted, with or without its grace period.
    Pod { of: usize, number: usize, forced: bool },
    /// A node dies; without `seen` nobody finds out.
    Node { number: usize, seen: bool },
    /// A dead node comes back.
    NodeBack(usize),
    /// No more pods can be made in the namespace; or they can again.
    Quota(bool),
    /// All watches break.
    Cut,
    /// A part of the control plane is killed, and is back after so many milliseconds.
    Process(Process, u64),
    /// The proxy gets in the way from now on, or no longer.
    Weather(Option<Weather>),
}

/// What somebody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rival {
    Resume,
    TakeOver,
    Abort,
    Pause,
    Undo,
}

/// Draws a round.
pub(super) fn round(seed: u64, number: u64) -> Round {
    let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let parts = parts(&mut rng);
    let acts = acts(&mut rng, parts.len());
    Round { parts, acts }
}

/// One of each kind, and two more, each of another shape.
fn parts(rng: &mut Rng) -> Vec<Part> {
    let mut shapes = SHAPES.to_vec();
    rng.shuffle(&mut shapes);
    let mut cast = Vec::new();
    for kind in [Kind::Deployment, Kind::DaemonSet, Kind::StatefulSet] {
        if let Some(at) = shapes.iter().position(|shape| shape.kind == kind) {
            cast.push(shapes.remove(at));
        }
    }
    // Deployments are driven by their controller: the others have more that can go wrong.
    cast.extend(shapes.into_iter().filter(|shape| shape.kind != Kind::Deployment).take(2));
    let part = |shape: super::cast::Shape| {
        let way = pick(rng, shape.ways());
        let good = rng.u8(..100) < 60;
        let tag = match way {
            Way::TryRestart | Way::RestartInSteps => "1",
            Way::Undo => "0",
            Way::Try | Way::Guard | Way::Steps if good => pick(rng, &GOOD),
            Way::Try | Way::Guard | Way::Steps => pick(rng, &BAD),
        };
        let back = BAD.contains(&tag) || rng.u8(..100) < 35;
        Part {
            shape,
            replicas: rng.u32(3..=4),
            way,
            tag,
            aborts: rng.bool(),
            pause_after: (rng.u8(..4) == 0).then_some(1),
            ending: if back { Ending::Back } else { Ending::Forward },
        }
    };
    cast.into_iter().map(part).collect()
}

/// Between 14 and 28 faults; what has an end gets it.
fn acts(rng: &mut Rng, parts: usize) -> Vec<Act> {
    let count = rng.usize(14..=28);
    let mut acts = Vec::new();
    let (mut dead, mut closed, mut foul) = (Vec::new(), false, false);
    for _ in 0..count {
        let fault = match rng.u8(..100) {
            0..18 => Fault::Signal(rng.usize(..parts), pick(rng, &["KILL", "KILL", "INT", "TERM"])),
            18..32 => Fault::Rival(rng.usize(..parts), rival(rng)),
            32..44 => Fault::Pod { of: rng.usize(..parts), number: rng.usize(..8), forced: rng.bool() },
            44..54 => match dead.pop() {
                Some(node) => Fault::NodeBack(node),
                None => {
                    let node = rng.usize(1..=NODES);
                    dead.push(node);
                    Fault::Node { number: node, seen: rng.u8(..3) > 0 }
                }
            },
            54..60 => {
                closed = !closed;
                Fault::Quota(closed)
            }
            60..66 => Fault::Cut,
            66..80 => {
                let parts = [
                    Process::ApiServer,
                    Process::ApiServer,
                    Process::ControllerManager,
                    Process::Scheduler,
                    Process::Kubelets,
                ];
                Fault::Process(pick(rng, &parts), rng.u64(0..4_000))
            }
            _ if foul => {
                foul = false;
                Fault::Weather(None)
            }
            _ => {
                foul = true;
                Fault::Weather(Some(weather(rng)))
            }
        };
        acts.push(Act { pause: rng.u64(200..4_000), fault });
    }
    acts
}

fn rival(rng: &mut Rng) -> Rival {
    pick(rng, &[Rival::Resume, Rival::TakeOver, Rival::TakeOver, Rival::Abort, Rival::Pause, Rival::Undo])
}

fn weather(rng: &mut Rng) -> Weather {
    let delay = Trouble::Delays(rng.u64(100..3_000));
    let troubles = [
        Trouble::Answers(429),
        Trouble::Answers(500),
        Trouble::Answers(503),
        Trouble::Loses,
        Trouble::LosesAnswer,
        Trouble::LosesAnswer,
        delay,
        Trouble::Mutes,
    ];
    let trouble = pick(rng, &troubles);
    let percent = if trouble == Trouble::Mutes { 100 } else { rng.u8(20..80) };
    Weather { trouble, percent }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

impl Fault {
    /// Its row in the figures.
    pub(super) fn sort(&self) -> &'static str {
        match self {
            Fault::Signal(..) => "drivers killed or interrupted",
            Fault::Rival(..) => "rivals",
            Fault::Pod { .. } => "pods deleted",
            Fault::Node { .. } => "nodes died",
            Fault::NodeBack(_) => "nodes came back early",
            Fault::Quota(true) => "quotas closed",
            Fault::Quota(false) => "quotas opened early",
            Fault::Cut => "all watches broken",
            Fault::Process(Process::ApiServer, _) => "API server killed",
            Fault::Process(Process::ControllerManager, _) => "controller manager killed",
            Fault::Process(Process::Scheduler, _) => "scheduler killed",
            Fault::Process(..) => "kubelets killed",
            Fault::Weather(Some(_)) => "foul connections",
            Fault::Weather(None) => "connections fair again early",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Signal(of, signal) => write!(f, "the driver of workload {of} gets SIG{signal}"),
            Fault::Rival(of, rival) => write!(f, "somebody else at workload {of}: {rival:?}"),
            Fault::Pod { of, number, forced } => {
                write!(
                    f,
                    "pod {number} of workload {of} is deleted{}",
                    if *forced { " by force" } else { "" }
                )
            }
            Fault::Node { number, seen } => {
                write!(f, "node-{number} dies{}", if *seen { "" } else { ", and nobody finds out" })
            }
            Fault::NodeBack(number) => write!(f, "node-{number} comes back"),
            Fault::Quota(closed) => write!(f, "the quota {}", if *closed { "closes" } else { "opens" }),
            Fault::Cut => write!(f, "all watches break"),
            Fault::Process(process, millis) => write!(f, "{process} is killed, for {millis} ms"),
            Fault::Weather(None) => write!(f, "the connection is good again"),
            Fault::Weather(Some(weather)) => {
                write!(f, "the connection: {:?}, {} %", weather.trouble, weather.percent)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Ending, Fault, Kind, round};
    use crate::chaos::cast::{BAD, Part, SHAPES, Way};

    #[test]
    fn a_round_is_a_function_of_the_seed_and_its_number() {
        assert_eq!(round(7, 3), round(7, 3));
        assert_ne!(round(7, 3), round(7, 4));
        assert_ne!(round(7, 3), round(8, 3));
    }

    #[test]
    fn each_round_has_all_kinds_and_what_is_bad_is_taken_back() {
        for number in 0..200 {
            let round = round(1, number);
            for kind in [Kind::Deployment, Kind::DaemonSet, Kind::StatefulSet] {
                assert!(round.parts.iter().any(|part| part.shape.kind == kind), "{round:?}");
            }
            let names: BTreeSet<_> = round.parts.iter().map(Part::name).collect();
            assert_eq!(names.len(), round.parts.len());
            let bad = round.parts.iter().filter(|part| BAD.contains(&part.tag));
            assert!(bad.into_iter().all(|part| part.ending == Ending::Back));
        }
    }

    #[test]
    fn some_rounds_later_each_shape_way_and_fault_has_been_there() {
        let rounds: Vec<_> = (0..60).map(|number| round(1, number)).collect();
        let parts = || rounds.iter().flat_map(|round| &round.parts);
        let shapes: BTreeSet<_> = parts().map(Part::name).collect();
        assert_eq!(shapes.len(), SHAPES.len());
        let steps = |part: &&crate::chaos::cast::Part| matches!(part.way, Way::Steps | Way::RestartInSteps);
        assert!(parts().any(|part| part.way == Way::TryRestart) && parts().filter(steps).count() > 50);
        let sorts: BTreeSet<_> =
            rounds.iter().flat_map(|round| &round.acts).map(|act| act.fault.sort()).collect();
        assert_eq!(sorts.len(), 14, "{sorts:?}");
        let dies = |fault: &Fault| matches!(fault, Fault::Node { .. });
        let dead = |acts: &[super::Act]| acts.iter().filter(|act| dies(&act.fault)).count();
        assert!(rounds.iter().all(|round| dead(&round.acts) <= 28));
    }
}
