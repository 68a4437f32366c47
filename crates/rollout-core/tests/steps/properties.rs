//! What holds under any order of events: pods dying, nodes leaving and joining, API errors, pictures that lag behind, and
//! drivers that die at any point.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rollout_core::drive::Driver;
use rollout_core::machine::{Act, Ending, Machine, Outcome, Step};
use rollout_core::model::{Behaviour, RevisionId};
use rollout_core::plan::steps::{self, StartOptions};
use rollout_core::plan::{Method, Request};
use rollout_core::stored::{self, OnFailure, Phase, Rest};
use rollout_core::{Amount, Kind, Pod, Snapshot, judge};
use serde_json::{Value, json};

use crate::cluster::{Cluster, holder, image_of, reach, to};

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Chaos {
    /// Nothing for so many turns.
    Turns(u32),
    /// Somebody deletes a pod.
    Kill(u32),
    /// A pod is unready for a moment.
    Unready(u32),
    /// A pod never gets ready again.
    Break(u32),
    /// A pod ends by itself.
    Fail(u32),
    Join,
    Leave(u32),
    Die(u32),
    Revive(u32),
    Taint(u32),
    Untaint(u32),
    Scale(u32),
    /// The driver dies, and another one goes on.
    Restart,
    /// The server does not answer, and did or did not do it.
    Unanswered(bool),
    /// Somebody changes something that does not matter, right before a request.
    Touch,
    /// The pictures of the next turns are old.
    Lag(u32),
}

fn chaos(kind: Kind, harsh: bool) -> impl Strategy<Value = Vec<Chaos>> {
    let slot = 0..12_u32;
    let common = prop_oneof![
        6 => (1..12_u32).prop_map(Chaos::Turns),
        2 => slot.clone().prop_map(Chaos::Kill),
        1 => slot.clone().prop_map(Chaos::Unready),
        1 => slot.clone().prop_map(Chaos::Fail),
        2 => Just(Chaos::Restart),
        2 => any::<bool>().prop_map(Chaos::Unanswered),
        1 => Just(Chaos::Touch),
        1 => (1..4_u32).prop_map(Chaos::Lag),
    ];
    let nodes = prop_oneof![
        1 => slot.clone().prop_map(Chaos::Break),
        1 => Just(Chaos::Join),
        1 => slot.clone().prop_map(Chaos::Leave),
        1 => slot.clone().prop_map(Chaos::Die),
        1 => slot.clone().prop_map(Chaos::Revive),
        1 => slot.clone().prop_map(Chaos::Taint),
        1 => slot.clone().prop_map(Chaos::Untaint),
    ];
    let ordinals = prop_oneof![
        1 => slot.prop_map(Chaos::Break),
        1 => (1..8_u32).prop_map(Chaos::Scale),
    ];
    let harsher = match kind {
        Kind::DaemonSet => nodes.boxed(),
        Kind::StatefulSet | Kind::Deployment => ordinals.boxed(),
    };
    let one = if harsh { prop_oneof![2 => common, 1 => harsher].boxed() } else { common.boxed() };
    prop::collection::vec(one, 0..30)
}

/// A driver at work, and what has been asked of it.
struct Run {
    cluster: Cluster,
    driver: Driver,
    pid: u32,
    budget: u32,
    amounts: Vec<Amount>,
    /// UIDs of pods that this driver deleted, or may have.
    gone: BTreeSet<String>,
    picture: Snapshot,
    lag: u32,
    unanswered: Option<bool>,
}

impl Run {
    fn new(mut cluster: Cluster, start: &StartOptions) -> Run {
        cluster.start(start);
        let Rest::Amounts(amounts) = start.rules.rest.clone() else { unreachable!() };
        let budget = match start.options.max_unavailable {
            Some(Amount::Count(count)) => count,
            Some(Amount::Percent(_)) | None => 1,
        };
        let picture = cluster.snapshot();
        Run {
            driver: Driver::new(holder(1)),
            pid: 1,
            budget,
            amounts,
            gone: BTreeSet::new(),
            picture,
            lag: 0,
            unanswered: None,
            cluster,
        }
    }

    fn happen(&mut self, chaos: Chaos) -> Option<Ending> {
        let world = &mut self.cluster.world;
        let pods = world.pods.len().max(1) as u32;
        let nodes = world.nodes.len().max(1) as u32;
        let pod = |world: &rollout_core::model::World, slot: u32| {
            world.pods.get((slot % pods) as usize).map(|pod| pod.name.clone()).unwrap_or_default()
        };
        match chaos {
            Chaos::Turns(turns) => {
                for _ in 0..turns {
                    if let Some(ending) = self.turn() {
                        return Some(ending);
                    }
                }
            }
            Chaos::Kill(slot) => {
                let name = pod(world, slot);
                world.delete_pod(&name);
            }
            Chaos::Unready(slot) => {
                let name = pod(world, slot);
                world.unready_pod(&name);
            }
            Chaos::Break(slot) => {
                let name = pod(world, slot);
                world.break_pod(&name);
            }
            Chaos::Fail(slot) => {
                let name = pod(world, slot);
                world.fail_pod(&name);
            }
            Chaos::Join if world.nodes.len() < 14 => {
                let name = format!("late{}", world.nodes.len());
                self.cluster.join(&name);
            }
            Chaos::Join => {}
            Chaos::Leave(slot) => {
                let name = world.nodes[(slot % nodes) as usize].name.clone();
                world.remove_node(&name);
            }
            Chaos::Die(slot) => {
                let slot = slot % nodes;
                let node = &mut world.nodes[slot as usize];
                (node.alive, node.accepts) = (false, false);
                let dead: Vec<String> =
                    world.pods.iter().filter(|it| it.slot == slot).map(|it| it.name.clone()).collect();
                dead.iter().for_each(|name| {
                    world.unready_pod(name);
                });
            }
            Chaos::Revive(slot) => {
                let node = &mut world.nodes[(slot % nodes) as usize];
                if !node.alive {
                    (node.alive, node.accepts) = (true, true);
                }
            }
            Chaos::Taint(slot) => world.nodes[(slot % nodes) as usize].accepts = false,
            Chaos::Untaint(slot) => {
                let node = &mut world.nodes[(slot % nodes) as usize];
                node.accepts = node.alive;
            }
            Chaos::Scale(replicas) => self.cluster.scale(replicas),
            Chaos::Restart => self.restart(),
            Chaos::Unanswered(done) => self.unanswered = Some(done),
            Chaos::Touch => self.cluster.change(|it| {
                let map = &mut it["metadata"]["labels"];
                let count = map["touched"].as_str().map_or(0, str::len);
                *map = json!({"touched": "x".repeat(count + 1)});
            }),
            Chaos::Lag(turns) => self.lag = turns,
        }
        self.cluster.remember();
        None
    }

    /// A new process: it reads everything anew.
    fn restart(&mut self) {
        self.pid += 1;
        let stage = self.cluster.stored().map(|it| it.phase);
        if !matches!(stage, Some(Phase::Running | Phase::Aborting)) {
            return;
        }
        let options = steps::ResumeOptions {
            holder: holder(self.pid),
            take_over: true,
            pause_after: None,
            given: steps::GivenChecks::default(),
        };
        if let Ok(rollout_core::plan::Decision::Change(plan)) =
            steps::resume(&self.cluster.snapshot(), &options)
        {
            assert_eq!(self.cluster.send(&plan.requests[0]), Outcome::Done(None));
            self.driver = Driver::new(holder(self.pid));
            self.gone.clear();
            self.lag = 0;
            self.picture = self.cluster.snapshot();
        }
    }

    fn turn(&mut self) -> Option<Ending> {
        if self.lag > 0 {
            self.lag -= 1;
            self.picture.now = self.cluster.snapshot().now;
        } else {
            self.picture = self.cluster.snapshot();
        }
        let (_, step) = self.driver.step(&self.picture);
        self.cluster.events.extend(self.driver.news());
        match step {
            Step::End(ending) => return Some(ending),
            Step::Wait | Step::Soak(_) | Step::Passed => self.cluster.tick(),
            Step::Check(_) | Step::Survey(_) => unreachable!("no checks were asked for"),
            Step::Send { act, request } => self.errand(act, &request),
            Step::SendAll(all) => all.into_iter().for_each(|(act, request)| self.errand(act, &request)),
        }
        None
    }

    fn errand(&mut self, act: Act, request: &Request) {
        self.judge(request);
        self.cluster.acts.push(act);
        let sent = match self.unanswered.take() {
            Some(true) => {
                self.cluster.send(request);
                Outcome::Unanswered
            }
            Some(false) => Outcome::Unanswered,
            None => self.cluster.send(request),
        };
        self.driver.sent(&sent);
        // The world goes on while requests are sent.
        if self.cluster.acts.len().is_multiple_of(3) {
            self.cluster.tick();
        }
    }

    fn judge(&mut self, request: &Request) {
        let stored = rollout_core::stored::Stored::read(&self.picture.workload).unwrap();
        let Some(rollout) = stored.and_then(|it| it.rollout) else { return };
        if request.method == Method::Patch {
            if !request.path.contains("/controllerrevisions/") {
                self.judge_patch(request, rollout.phase, rollout.done);
            }
            return;
        }
        let uid = request.body["preconditions"]["uid"].as_str().unwrap().to_string();
        let pods = self.picture.pods.clone().unwrap();
        let pod = pods.iter().find(|pod| pod.uid == uid).expect("a pod of the picture");
        let again = !self.gone.insert(uid);
        match self.cluster.kind {
            Kind::DaemonSet => self.judge_node(pod, again, rollout.phase, rollout.done),
            Kind::StatefulSet | Kind::Deployment => self.judge_ordinal(pod, rollout.phase, rollout.done),
        }
    }

    /// The pod's node is in the step, it takes a pod again, and no more are missing than may be.
    fn judge_node(&self, pod: &Pod, again: bool, stage: Phase, done: usize) {
        let mut nodes = self.picture.nodes.clone().unwrap();
        nodes.retain(|node| !node.taints.iter().any(|taint| taint.key == "gpu"));
        nodes.sort_by_key(|node| (node.created, node.name.clone()));
        let rank = nodes.iter().position(|node| Some(&node.name) == pod.node.as_ref());
        let rank = rank.expect("a node that takes pods");
        assert!(nodes[rank].ready && nodes[rank].taints.is_empty(), "an unready or tainted node was touched");
        match stage {
            Phase::Running => {
                let end = reach(&self.amounts, done, nodes.len());
                assert!(rank < end, "{} on place {rank} of {end} was touched", pod.name);
                assert_eq!(pod.revision.as_deref(), Some("h0"), "a new pod was touched");
            }
            Phase::Aborting => assert_eq!(pod.revision.as_deref(), Some("h1")),
            Phase::Paused | Phase::Failed => panic!("touched while it stands still"),
        }
        let pods = self.picture.pods.as_deref().unwrap();
        let serves = |node: &String| {
            pods.iter().any(|it| {
                it.node.as_ref() == Some(node)
                    && it.ready()
                    && !it.terminating
                    && !it.ended()
                    && (it.uid == pod.uid || !self.gone.contains(&it.uid))
            })
        };
        let missing = nodes.iter().filter(|node| !serves(&node.name)).count() as u32;
        assert!(again || !pod.ready() || missing < self.budget, "{missing} of {} missing", self.budget);
    }

    /// The pod is not below the step, and nothing is missing but what is below it and blocks.
    fn judge_ordinal(&self, pod: &Pod, stage: Phase, done: usize) {
        let desired = self.picture.workload.desired;
        let place = self.picture.index(pod).unwrap();
        if stage == Phase::Running && place < desired {
            let end = reach(&self.amounts, done, desired as usize) as u32;
            // What an earlier step, of fewer replicas, has reached is the controller's to replace already.
            let lowest = match self.picture.workload.strategy {
                rollout_core::Strategy::OnDelete => desired - end,
                _ => (desired - end).min(self.picture.workload.partition()),
            };
            assert!(place >= lowest, "{place} is below the step {end} of {desired}");
        }
        let on_delete = self.picture.workload.strategy == rollout_core::Strategy::OnDelete;
        if !on_delete {
            assert!(!pod.ready(), "the controller replaces what is ready");
            return;
        }
        let serves = |index: &u32| {
            let mut here =
                self.picture.pods.iter().flatten().filter(|it| self.picture.index(it) == Some(*index));
            here.any(|it| it.ready() && !it.terminating && !it.ended())
        };
        let lowest = (0..desired).find(|index| !serves(index));
        assert!(lowest.is_none() || lowest == Some(place), "deleted {place} while {lowest:?} is missing");
        // A quorum never loses a second member: not while another pod ends, or has not been unready for long.
        let moment = |it: &Pod| !it.ready() && self.picture.seconds_since(it.unready_since) < judge::MOMENT;
        for other in self.picture.pods.iter().flatten().filter(|it| !it.ended()) {
            let same = other.uid == pod.uid;
            assert!(
                same || !other.terminating && !moment(other),
                "{} while {} comes or goes",
                pod.name,
                other.name
            );
        }
        assert!(!moment(pod), "{} may get ready again", pod.name);
    }

    fn judge_patch(&self, request: &Request, stage: Phase, done: usize) {
        let strategy = request
            .body
            .as_array()
            .unwrap()
            .iter()
            .find(|operation| operation["path"] == "/spec/updateStrategy" && operation["op"] != "test");
        let written = strategy.and_then(|it| it["value"]["rollingUpdate"]["partition"].as_u64());
        let ends = request.body.to_string().contains("\"remove\"");
        let back = request.body.to_string().contains("aborting");
        if let (Some(written), Phase::Running, false, false) = (written, stage, ends, back) {
            let desired = self.picture.workload.desired;
            let end = reach(&self.amounts, done, desired as usize) as u32;
            let lowest = desired - end;
            let reached = self.cluster.stored().and_then(|it| it.reached);
            let before = match reached {
                Some(stored::Reached::Index { partition, .. }) => partition,
                Some(stored::Reached::Node { .. }) | None => u32::MAX,
            };
            assert!(written >= u64::from(lowest.min(before)), "{written} is below {lowest}");
        }
    }

    /// Everything works again, but for a revision that never does.
    fn heal(&mut self) {
        for node in &mut self.cluster.world.nodes {
            (node.alive, node.accepts) = (true, true);
        }
        self.cluster.world.pods.iter_mut().for_each(|pod| pod.broken = false);
        self.lag = 0;
        self.unanswered = None;
    }

    fn end(&mut self) -> Ending {
        for _ in 0..4000 {
            if let Some(ending) = self.turn() {
                return ending;
            }
        }
        panic!("does not end: {:#?} {:?}", self.cluster.stored(), self.cluster.shown());
    }

    fn all_at(&self, revision: u32) -> bool {
        // Nobody frees an OnDelete set of the pods beyond its range, which are no part of the rollout.
        let world = &self.cluster.world;
        let counts = |slot: u32| {
            self.cluster.kind == Kind::DaemonSet
                || world.strategy != rollout_core::Strategy::OnDelete
                || slot < world.desired
        };
        world.pods.iter().all(|pod| pod.revision.0 == revision || !counts(pod.slot))
    }
}

/// Runs a rollout through its events, lets the world stand still, and takes what is left of it back.
fn drive(cluster: Cluster, start: &StartOptions, first: &[Chaos], second: &[Chaos]) {
    let strategy = cluster.strategy().clone();
    let limit = cluster.object["spec"]["revisionHistoryLimit"].clone();
    let mut run = Run::new(cluster, start);
    let ended = first.iter().find_map(|chaos| run.happen(*chaos));
    let ending = ended.unwrap_or_else(|| run.end());
    let stored = run.cluster.stored();
    run.heal();
    match (&ending, stored) {
        (_, Some(rollout)) => {
            let plan = steps::abort(&run.cluster.snapshot(), Some(holder(99))).unwrap();
            let rollout_core::plan::Decision::Change(plan) = plan else { panic!() };
            assert_eq!(run.cluster.send(&plan.requests[0]), Outcome::Done(None));
            run.pid = 99;
            run.driver = Driver::aborting(holder(99), rollout);
            run.gone.clear();
            let ended = second.iter().find_map(|chaos| run.happen(*chaos));
            let back = ended.unwrap_or_else(|| run.end());
            // A driver that died when nothing was stored any more has nothing left to do.
            assert!(matches!(back, Ending::Aborted { .. }), "{ending:?}, then {back:?}");
            settle(&mut run);
            assert!(run.all_at(0), "{ending:?}, then {:?}", run.cluster.shown());
        }
        (Ending::Complete, None) => {
            settle(&mut run);
            assert!(run.all_at(1), "{:?}", run.cluster.shown());
        }
        (Ending::Undone { .. } | Ending::NotUndone { .. }, None) => {
            settle(&mut run);
            assert!(run.all_at(0), "{:?}", run.cluster.shown());
        }
        (other, None) => panic!("{other:?} and nothing stored"),
    }
    assert_eq!(run.cluster.strategy(), &strategy);
    assert_eq!(run.cluster.object["spec"]["revisionHistoryLimit"], limit);
    assert!(!run.cluster.has_trace());
    let live = if ending == Ending::Complete { 1 } else { 0 };
    assert_eq!(image_of(&run.cluster.object["spec"]["template"]), live);
}

fn settle(run: &mut Run) {
    run.heal();
    run.cluster.ticks(120);
}

fn start(steps: &str, budget: u32, on_failure: OnFailure) -> StartOptions {
    let mut start = to(1, steps);
    start.options.on_failure = on_failure;
    start.options.max_unavailable = Some(Amount::Count(budget));
    start
}

fn steps_of() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("1,10%,50%,100%"), Just("100%"), Just("2,60%"), Just("1,2,3,100%"), Just("30%,100%")]
}

fn daemon_set(nodes: u32, on_delete: bool, bad: bool, grace: u32) -> Cluster {
    let strategy = if on_delete {
        json!({"type": "OnDelete"})
    } else {
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})
    };
    with(Kind::DaemonSet, nodes, strategy, bad, grace)
}

fn with(kind: Kind, size: u32, strategy: Value, bad: bool, grace: u32) -> Cluster {
    let mut cluster = Cluster::new(kind, size, strategy);
    cluster.world.grace = grace;
    if bad {
        cluster.world.behaviours.insert(RevisionId(1), Behaviour::NeverReady);
    }
    cluster
}

fn set_strategy() -> impl Strategy<Value = Value> {
    let partitioned =
        |partition: u32| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}});
    prop_oneof![
        2 => Just(partitioned(0)),
        1 => Just(partitioned(2)),
        2 => Just(json!({"type": "OnDelete"})),
    ]
}

proptest! {

    #[test]
    fn a_daemon_set_is_never_touched_where_it_must_not_be_and_always_comes_back(
        nodes in 1..9_u32, on_delete: bool, bad in prop::bool::weighted(0.3), grace in 0..3_u32, budget in 1..4_u32,
        steps in steps_of(), first in chaos(Kind::DaemonSet, true), second in chaos(Kind::DaemonSet, false),
    ) {
        let cluster = daemon_set(nodes, on_delete, bad, grace);
        drive(cluster, &start(steps, budget, OnFailure::Pause), &first, &second);
    }

    #[test]
    fn a_daemon_set_that_aborts_by_itself_leads_back(
        nodes in 1..9_u32, on_delete: bool, grace in 0..3_u32, budget in 1..4_u32, steps in steps_of(),
        first in chaos(Kind::DaemonSet, false), second in chaos(Kind::DaemonSet, false),
    ) {
        let cluster = daemon_set(nodes, on_delete, true, grace);
        drive(cluster, &start(steps, budget, OnFailure::Abort), &first, &second);
    }

    #[test]
    fn a_stateful_set_is_never_touched_below_the_step_and_always_comes_back(
        replicas in 1..7_u32, strategy in set_strategy(), parallel: bool, bad in prop::bool::weighted(0.3),
        grace in 0..3_u32, steps in steps_of(), first in chaos(Kind::StatefulSet, true),
        second in chaos(Kind::StatefulSet, false), abort: bool,
    ) {
        let mut cluster = with(Kind::StatefulSet, replicas, strategy, bad, grace);
        if parallel {
            cluster.change(|it| it["spec"]["podManagementPolicy"] = json!("Parallel"));
            cluster.tick();
        }
        let on_failure = if abort { OnFailure::Abort } else { OnFailure::Pause };
        drive(cluster, &start(steps, 1, on_failure), &first, &second);
    }
}
