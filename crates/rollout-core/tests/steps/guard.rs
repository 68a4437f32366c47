//! What holds for a guard whatever happens beside the rollout: a good one stays, a bad one goes back.

use proptest::prelude::*;
use rollout_core::drive::{Guard, GuardOptions};
use rollout_core::machine::{Ending, GateOptions, Machine, Step};
use rollout_core::model::{Behaviour, RevisionId};
use rollout_core::{Kind, RevisionNumber, Snapshot};

use crate::cluster::{Cluster, image_of, template};

const SOAK: i64 = 15;
const LIMIT: i64 = 100;
/// Longer than whatever comes and goes here can take, pod after pod of a set that grows.
const LONG: i64 = 1_000;

/// What happens beside a rollout, and is not its doing.
#[derive(Clone, Debug)]
enum Chaos {
    Nothing,
    /// Somebody, or an autoscaler, asks for another number of pods; a node joins.
    Grow,
    Shrink,
    /// A node's kubelet dies, and the node controller makes its pods unready.
    Death(usize),
    /// A pod is unready for a moment.
    Hiccup(usize),
    /// Somebody drains a node.
    Drain(usize),
    /// A pod is evicted.
    Eviction(usize),
}

fn chaos() -> impl Strategy<Value = Chaos> {
    let which = 0..6_usize;
    prop_oneof![
        6 => Just(Chaos::Nothing),
        2 => Just(Chaos::Grow),
        1 => Just(Chaos::Shrink),
        1 => which.clone().prop_map(Chaos::Death),
        2 => which.clone().prop_map(Chaos::Hiccup),
        2 => which.clone().prop_map(Chaos::Drain),
        1 => which.prop_map(Chaos::Eviction),
    ]
}

/// A guarded rollout of `app:1` and how many of its acts went back.
struct Guarded {
    cluster: Cluster,
    guard: Guard,
    returns: usize,
    deaths: usize,
    evictions: usize,
}

impl Guarded {
    fn new(kind: Kind, size: u32, behaviour: Behaviour, limit: i64) -> Guarded {
        let mut cluster = Cluster::rolling(kind, size);
        cluster.world.behaviours.insert(RevisionId(1), behaviour);
        cluster.change(|object| object["spec"]["template"] = template(1));
        let options = GuardOptions {
            gate: GateOptions { soak: SOAK, max_restarts: 0, checks: false },
            limit: Some(limit),
            undo_limit: Some(LIMIT),
            allow: Vec::new(),
            back_to: RevisionNumber::new(1),
            before: None,
            together: false,
        };
        let guard = Guard::of(&template(1), options);
        Guarded { cluster, guard, returns: 0, deaths: 0, evictions: 0 }
    }

    fn happen(&mut self, chaos: &Chaos) {
        let cluster = &mut self.cluster;
        let pods: Vec<(String, u32)> = cluster
            .world
            .pods
            .iter()
            .filter(|pod| !pod.terminating())
            .map(|it| (it.name.clone(), it.slot))
            .collect();
        let pick = |which: &usize| pods.get(which % pods.len().max(1)).cloned();
        let size = cluster.world.wanted();
        match chaos {
            Chaos::Nothing => {}
            Chaos::Grow if cluster.kind == Kind::DaemonSet => {
                cluster.join(&format!("n{}", cluster.world.nodes.len()));
            }
            Chaos::Grow => cluster.scale(size + 1),
            Chaos::Shrink if cluster.kind == Kind::StatefulSet && size > 1 => cluster.scale(size - 1),
            Chaos::Shrink => {}
            Chaos::Death(which) if cluster.kind == Kind::DaemonSet => {
                if let Some((name, slot)) = pick(which) {
                    cluster.world.nodes[slot as usize].alive = false;
                    cluster.world.unready_pod(&name);
                    self.deaths += 1;
                }
            }
            Chaos::Death(_) => {}
            Chaos::Hiccup(which) => drop(pick(which).map(|(name, _)| cluster.world.unready_pod(&name))),
            Chaos::Drain(which) => drop(pick(which).map(|(name, _)| cluster.world.delete_pod(&name))),
            // A few in a row would be the revision's doing.
            Chaos::Eviction(which) if self.evictions < 2 => {
                if let Some((name, _)) = pick(which) {
                    cluster.world.fail_pod(&name);
                    self.evictions += 1;
                }
            }
            Chaos::Eviction(_) => {}
        }
        self.cluster.remember();
    }

    /// Every pod of a set is on a node that nobody looks at.
    fn seen(&self) -> Snapshot {
        let mut seen = self.cluster.snapshot();
        for pod in seen.pods.iter_mut().flatten() {
            let name = format!("node-of-{}", pod.name);
            pod.node.get_or_insert(name);
        }
        seen
    }

    /// Looks once, and lets a second pass where nothing is to be done.
    fn turn(&mut self) -> Option<Ending> {
        match self.guard.step(&self.seen()).1 {
            Step::End(ending) => return Some(ending),
            Step::Wait | Step::Soak(_) => self.cluster.tick(),
            Step::Survey(_) => {}
            Step::Send { act, request } => {
                self.returns += usize::from(matches!(act, rollout_core::machine::Act::GoBack { .. }));
                let sent = self.cluster.send(&request);
                self.guard.sent(&sent);
            }
            other @ (Step::Passed | Step::Check(_) | Step::SendAll(_)) => panic!("{other:?}"),
        }
        None
    }

    fn run(&mut self, chaos: &[Chaos]) -> Ending {
        let mut chaos = chaos.iter();
        for _ in 0..2000 {
            if let Some(it) = chaos.next() {
                self.happen(it);
            }
            if let Some(ending) = self.turn() {
                return ending;
            }
        }
        panic!("does not end: {:#?}", self.cluster.shown());
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::DaemonSet), Just(Kind::StatefulSet)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_good_rollout_is_never_taken_back(
        kind in kind(), size in 1..5_u32, after in 0..6_u32, limit in prop_oneof![40..LIMIT, Just(LONG)],
        chaos in prop::collection::vec(chaos(), 0..60),
    ) {
        let mut it = Guarded::new(kind, size, Behaviour::Ready { after }, limit);
        // Pods that somebody ends again and again before they were ever ready have shown nothing when a short time is over.
        let ends = |it: &Chaos| matches!(it, Chaos::Drain(_) | Chaos::Eviction(_));
        let chaos: Vec<Chaos> = chaos.into_iter().filter(|it| limit == LONG || !ends(it)).collect();
        let ending = it.run(&chaos);
        prop_assert_eq!(it.returns, 0, "{:?}", ending);
        prop_assert!(matches!(ending, Ending::Complete | Ending::TimedOut), "{:?}", ending);
        if it.deaths == 0 && limit == LONG {
            prop_assert_eq!(ending, Ending::Complete);
        }
    }

    #[test]
    fn a_bad_rollout_is_always_taken_back(
        kind in kind(), size in 1..5_u32, chaos in prop::collection::vec(chaos(), 0..60),
    ) {
        let mut it = Guarded::new(kind, size, Behaviour::NeverReady, LIMIT);
        let chaos: Vec<Chaos> = chaos.into_iter().filter(|it| !matches!(it, Chaos::Death(_))).collect();
        let ending = it.run(&chaos);
        prop_assert!(matches!(ending, Ending::Undone { .. }), "{:?}", ending);
        prop_assert_eq!(image_of(&it.cluster.object["spec"]["template"]), 0);
    }

    #[test]
    fn one_that_crashes_while_it_soaks_is_taken_back_whatever_else_happens(
        kind in kind(), size in 1..5_u32, which in 0..6_usize, at in 1..10_usize,
        chaos in prop::collection::vec(prop_oneof![Just(Chaos::Nothing), Just(Chaos::Grow)], 10),
    ) {
        let mut it = Guarded::new(kind, size, Behaviour::Ready { after: 0 }, LIMIT);
        let mut left = at;
        let mut beside = chaos.iter();
        let ending = loop {
            let soaks = matches!(it.guard.clone().step(&it.seen()).1, Step::Soak(_));
            if soaks && it.returns == 0 {
                beside.next().into_iter().for_each(|chaos| it.happen(chaos));
                left = left.saturating_sub(1);
                if left == 0 && it.cluster.crashing.is_empty() {
                    let new = it.cluster.world.pods.iter().filter(|pod| pod.revision == RevisionId(1) && pod.ready);
                    let uids: Vec<u64> = new.map(|pod| pod.uid).collect();
                    it.cluster.crashing.insert(uids[which % uids.len()]);
                }
            }
            if let Some(ending) = it.turn() {
                break ending;
            }
        };
        prop_assert!(matches!(ending, Ending::Undone { .. }), "{:?}", ending);
    }
}
