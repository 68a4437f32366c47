//! A workload, the drivers that are at it, and whoever else touches it: one state of the search.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rollout_core::drive::Driver;
use rollout_core::machine::{Machine, Outcome, Step};
use rollout_core::model::{Behaviour, RevisionId, World as Model};
use rollout_core::plan::steps::{self, GivenChecks, ResumeOptions, StartOptions};
use rollout_core::plan::{Decision, Method, Refusal, Request};
use rollout_core::stored::Phase;
use rollout_core::{Kind, Snapshot};
use serde_json::{Value, json};

use crate::cluster::{Cluster, holder, image_of, template};
use crate::interleave::{judge, key};

/// How often somebody takes up what was left before it counts as never ending.
const ROUNDS: u32 = 4;
/// Seconds within which another pod is in the place of one that was deleted.
const REPLACED: u32 = 4;
/// Turns for which a picture stays what it is.
const LAG: u32 = 2;

/// What is rolled out, and how.
#[derive(Clone, Debug)]
pub struct Scene {
    pub cluster: Cluster,
    pub start: StartOptions,
    /// Pods that may be missing.
    pub budget: usize,
    /// Whether pods of the new revision never get ready.
    pub bad: bool,
}

/// A driver at work.
#[derive(Clone, Debug)]
pub struct Process {
    pub id: u32,
    driver: Driver,
    /// What it has seen last, and decides on.
    pub picture: Option<Snapshot>,
    /// For how many more looks nothing new is seen, and whether that is so of the pods only.
    lag: (u32, bool),
    /// What is under way.
    open: VecDeque<Request>,
}

/// Something that happens beside what comes anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The request that is under way is lost, or its answer is.
    Lost {
        done: bool,
    },
    /// The server refuses the request that is under way.
    Refused,
    /// A second passes while somebody could go on.
    Second,
    /// Another driver gets its turn first.
    Late,
    /// The next pictures are old, or their pods are.
    Lag {
        pods_only: bool,
    },
    /// The driver dies.
    Killed,
    /// Somebody goes on with it while the driver lives.
    TakenOver,
    /// Somebody has it stand still.
    Paused,
    /// Somebody takes it back.
    Aborted,
    /// Somebody rolls out something else.
    Rival,
    /// Somebody sets the strategy.
    Strategy,
    /// Something changes that does not matter.
    Touched,
    /// The workload is deleted and made anew around its pods.
    Recreated,
    /// Somebody scales.
    Scaled(u32),
    /// A pod is deleted, ends, or is not ready for a moment.
    Dies(u32),
    Fails(u32),
    Falls(u32),
    /// A pod is deleted, and another one is in its place before a request comes.
    Replaced(u32),
    /// A node joins, or one dies.
    Joins,
    NodeDies(u32),
}

/// What comes after a quiet turn.
pub enum After {
    More,
    /// Nobody has anything left to do.
    Over,
    /// Or this.
    Either(Box<World>),
}

#[derive(Clone, Debug)]
pub struct World {
    pub scene: Arc<Scene>,
    pub cluster: Cluster,
    pub crew: Vec<Process>,
    /// Whose turn it is, and how many had nothing to do since anybody had.
    turn: usize,
    idle: usize,
    /// How many events there may be yet.
    left: u32,
    last_id: u32,
    round: u32,
    /// The places that are without an available pod because of a driver, with the driver and the UID of the pod.
    pub emptied: BTreeMap<u32, (u32, u64)>,
    rival: bool,
    strategy: bool,
    recreated: bool,
    scaled: bool,
    joined: bool,
    /// Whether the server refused to have a revision cleaned.
    unclean: bool,
    /// Nodes that have been dead.
    died: BTreeSet<u32>,
    story: Option<Arc<Line>>,
}

#[derive(Debug)]
struct Line {
    words: String,
    before: Option<Arc<Line>>,
}

impl World {
    pub fn new(scene: Scene, left: u32) -> World {
        let mut cluster = scene.cluster.clone();
        if scene.bad {
            cluster.world.behaviours.insert(RevisionId(1), Behaviour::NeverReady);
        }
        let generation = cluster.snapshot().workload.generation;
        let plan = cluster.start(&scene.start);
        let driver = Driver::starting(holder(1), plan.template, generation);
        let mut world = World {
            scene: Arc::new(scene),
            cluster,
            crew: Vec::new(),
            turn: 0,
            idle: 0,
            left,
            last_id: 1,
            round: 0,
            emptied: BTreeMap::new(),
            rival: false,
            strategy: false,
            recreated: false,
            scaled: false,
            joined: false,
            unclean: false,
            died: BTreeSet::new(),
            story: None,
        };
        world.hire(driver);
        world
    }

    fn hire(&mut self, driver: Driver) {
        let id = self.last_id;
        self.crew.push(Process { id, driver, picture: None, lag: (0, false), open: VecDeque::new() });
    }

    /// Everything that anybody could see, and what may happen yet.
    pub fn key(&self) -> String {
        let World { crew, turn, idle, left, round, emptied, .. } = self;
        let marks =
            (self.rival, self.strategy, self.recreated, self.scaled, self.joined, self.unclean, &self.died);
        let mut text = format!("{turn} {idle} {left} {round} {emptied:?} {marks:?}");
        text.push_str(&key::of_cluster(&self.cluster));
        for process in crew {
            let Process { id, driver, lag, open, picture } = process;
            text.push_str(&format!("{id} {driver:?} {lag:?} {open:?}"));
            // A picture that is neither decided on again nor judged by says nothing.
            if lag.0 > 0 || !open.is_empty() {
                let picture = picture.as_ref().map(|it| (&it.workload.object, &it.pods, &it.nodes));
                text.push_str(&format!("{picture:?}"));
            }
        }
        key::relative(&text, self.cluster.now, self.cluster.version)
    }

    /// What may happen now.
    pub fn events(&self) -> Vec<Event> {
        if self.left == 0 || self.crew.is_empty() {
            return Vec::new();
        }
        let process = &self.crew[self.turn];
        let mut events = vec![Event::Second, Event::Killed, Event::Touched];
        if process.open.is_empty() {
            events.extend([false, true].map(|pods_only| Event::Lag { pods_only }));
        } else {
            events.extend([Event::Lost { done: true }, Event::Lost { done: false }, Event::Refused]);
        }
        if self.crew.len() > 1 {
            events.push(Event::Late);
        }
        match self.cluster.stored().map(|it| it.phase) {
            Some(Phase::Running) => events.extend([Event::TakenOver, Event::Paused, Event::Aborted]),
            Some(Phase::Aborting) => events.push(Event::TakenOver),
            Some(Phase::Paused | Phase::Failed) | None => {}
        }
        if !self.recreated {
            events.push(Event::Recreated);
        }
        if !self.rival && self.cluster.stored().is_some_and(|it| it.phase == Phase::Running) {
            events.push(Event::Rival);
        }
        if !self.strategy {
            events.push(Event::Strategy);
        }
        for pod in self.cluster.world.pods.iter().filter(|pod| !pod.terminating()) {
            events.extend([Event::Dies(pod.slot), Event::Fails(pod.slot)]);
            if pod.ready {
                events.push(Event::Falls(pod.slot));
            }
            if !process.open.is_empty() {
                events.push(Event::Replaced(pod.slot));
            }
        }
        match self.cluster.kind {
            Kind::DaemonSet => {
                let nodes = &self.cluster.world.nodes;
                let alive = (0..nodes.len() as u32).filter(|slot| nodes[*slot as usize].alive);
                events.extend(alive.map(Event::NodeDies));
                if !self.joined {
                    events.push(Event::Joins);
                }
            }
            Kind::StatefulSet | Kind::Deployment if !self.scaled => {
                let desired = self.cluster.world.desired;
                events.extend([desired - 1, desired + 1].map(Event::Scaled));
            }
            Kind::StatefulSet | Kind::Deployment => {}
        }
        events
    }

    pub fn happens(&mut self, event: Event) -> Result<(), String> {
        self.left -= 1;
        self.tell(&format!("{event:?}"));
        let turn = self.turn;
        match event {
            Event::Lost { done } => {
                let request = self.crew[turn].open.pop_front().unwrap();
                if done {
                    self.arrives(turn, &request)?;
                }
                self.crew[turn].driver.sent(&Outcome::Unanswered);
            }
            Event::Refused => {
                let request = self.crew[turn].open.pop_front().unwrap();
                self.unclean |= request.forgets_stored();
                self.crew[turn].driver.sent(&Outcome::Refused("forbidden".into()));
            }
            Event::Second => self.second(),
            Event::Late => self.turn = (turn + 1) % self.crew.len(),
            Event::Lag { pods_only } => {
                let picture = self.cluster.snapshot();
                let process = &mut self.crew[turn];
                process.picture.get_or_insert(picture);
                process.lag = (LAG, pods_only);
            }
            Event::Killed => self.leaves(turn),
            Event::TakenOver => {
                let took = self.resume();
                self.is_refused_rightly("to take over", took)?;
            }
            Event::Paused => {
                let plan = steps::pause(&self.cluster.snapshot());
                let paused = self.carry_out(plan);
                self.is_refused_rightly("to pause", paused)?;
            }
            Event::Aborted => {
                let aborted = self.abort();
                self.is_refused_rightly("to abort", aborted)?;
            }
            Event::Rival => {
                self.rival = true;
                self.cluster.change(|it| it["spec"]["template"] = template(2));
            }
            Event::Strategy => {
                self.strategy = true;
                let rolling = match self.cluster.kind {
                    Kind::StatefulSet => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
                    Kind::DaemonSet | Kind::Deployment => {
                        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})
                    }
                };
                self.cluster.change(|it| it["spec"]["updateStrategy"] = rolling);
            }
            Event::Touched => self.cluster.change(|it| {
                let mark = it["metadata"]["labels"]["touched"] != "once";
                it["metadata"]["labels"] = json!({"touched": if mark { "once" } else { "twice" }});
            }),
            Event::Recreated => {
                self.recreated = true;
                self.cluster.change(|it| it["metadata"]["uid"] = json!("another"));
            }
            Event::Scaled(replicas) => {
                self.scaled = true;
                self.cluster.scale(replicas);
            }
            Event::Dies(slot) => self.pod(slot, Model::delete_pod),
            Event::Fails(slot) => self.pod(slot, Model::fail_pod),
            Event::Falls(slot) => self.pod(slot, Model::unready_pod),
            Event::Replaced(slot) => {
                self.pod(slot, Model::delete_pod);
                (0..REPLACED).for_each(|_| self.second());
            }
            Event::Joins => {
                self.joined = true;
                self.cluster.join("late");
            }
            Event::NodeDies(slot) => {
                self.died.insert(slot);
                let node = &mut self.cluster.world.nodes[slot as usize];
                (node.alive, node.accepts) = (false, false);
                self.pod(slot, Model::unready_pod);
            }
        }
        self.cluster.remember();
        Ok(())
    }

    fn pod(&mut self, slot: u32, act: impl Fn(&mut Model, &str) -> bool) {
        let world = &mut self.cluster.world;
        let here = world.pods.iter().filter(|pod| pod.slot == slot).map(|pod| pod.name.clone());
        for name in here.collect::<Vec<_>>() {
            let _ = act(world, &name);
        }
    }

    /// What comes next where nothing happens.
    pub fn go(&mut self) -> Result<After, String> {
        if self.crew.is_empty() {
            return self.is_left();
        }
        let turn = self.turn;
        self.turn = (turn + 1) % self.crew.len();
        if let Some(request) = self.crew[turn].open.pop_front() {
            self.idle = 0;
            let outcome = self.arrives(turn, &request)?;
            self.crew[turn].driver.sent(&outcome);
            return Ok(After::More);
        }
        self.look(turn);
        let process = &mut self.crew[turn];
        let (_, step) = process.driver.step(process.picture.as_ref().unwrap());
        process.driver.news();
        self.idle += 1;
        match step {
            Step::Wait | Step::Soak(_) | Step::Passed => {}
            Step::Check(_) | Step::Survey(_) => return Err("asks for what was not asked for".into()),
            Step::Send { act, request } => {
                self.crew[turn].open.push_back(request);
                self.tell(&format!("{} {act:?}", self.crew[turn].id));
                self.idle = 0;
            }
            Step::SendAll(all) => {
                for (act, request) in all {
                    self.crew[turn].open.push_back(request);
                    self.tell(&format!("{} {act:?}", self.crew[turn].id));
                }
                self.idle = 0;
            }
            Step::End(ending) => {
                self.tell(&format!("{} {ending:?}", self.crew[turn].id));
                judge::ending(self, &ending)?;
                self.leaves(turn);
            }
        }
        if self.idle >= self.crew.len() && !self.crew.is_empty() {
            self.second();
        }
        Ok(After::More)
    }

    fn leaves(&mut self, turn: usize) {
        self.crew.remove(turn);
        self.turn = 0;
        self.idle = 0;
    }

    fn second(&mut self) {
        self.idle = 0;
        self.cluster.tick();
        let World { cluster, emptied, .. } = self;
        let serves = |slot: u32, uid: u64| {
            let mut pods = cluster.world.pods.iter();
            pods.any(|pod| pod.slot == slot && pod.uid != uid && pod.ready && !pod.terminating())
        };
        emptied.retain(|slot, (_, uid)| !serves(*slot, *uid));
    }

    fn look(&mut self, turn: usize) {
        let fresh = self.cluster.snapshot();
        let process = &mut self.crew[turn];
        let (left, pods_only) = process.lag;
        let before = process.picture.take().filter(|_| left > 0);
        process.lag.0 = left.saturating_sub(1);
        process.picture = Some(match before {
            None => fresh,
            Some(old) if pods_only => Snapshot { pods: old.pods, ..fresh },
            Some(old) => Snapshot { now: fresh.now, ..old },
        });
    }

    /// A request comes to the server; what it does is judged.
    fn arrives(&mut self, turn: usize, request: &Request) -> Result<Outcome, String> {
        if request.path.ends_with("/other-0") {
            return Err("deletes a pod of somebody else".into());
        }
        let before = self.cluster.clone();
        let outcome = self.cluster.send(request);
        self.cluster.acts.clear();
        self.cluster.deleted.clear();
        if matches!(outcome, Outcome::Done(_)) && !request.path.contains("/controllerrevisions/") {
            match request.method {
                Method::Patch => judge::patch(self, &self.crew[turn], &before, request)?,
                Method::Delete | Method::Post => self.judge_deletion(turn, &before, request)?,
            }
        }
        Ok(outcome)
    }

    fn judge_deletion(&mut self, turn: usize, before: &Cluster, request: &Request) -> Result<(), String> {
        let name = request.path.rsplit('/').next().unwrap();
        let pod = before.world.pods.iter().find(|pod| pod.name == name).unwrap();
        judge::deletion(self, &self.crew[turn], before, pod)?;
        if pod.ready {
            self.emptied.insert(pod.slot, (self.crew[turn].id, pod.uid));
        }
        Ok(())
    }

    /// Refused is what somebody asks for only where somebody else's template is there, or another workload of that name.
    fn is_refused_rightly(&self, what: &str, done: Result<(), String>) -> Result<(), String> {
        match done {
            Err(refusal) if !self.rival && !self.recreated => Err(format!("{what} is refused: {refusal}")),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn carry_out(&mut self, plan: Result<Decision, Refusal>) -> Result<(), String> {
        match plan {
            Ok(Decision::Change(plan)) => {
                for request in &plan.requests {
                    let outcome = self.cluster.send(request);
                    if request.required && !matches!(outcome, Outcome::Done(_)) {
                        return Err(format!("{outcome:?}"));
                    }
                }
                Ok(())
            }
            Ok(Decision::Nothing { .. }) => Ok(()),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    fn resume(&mut self) -> Result<(), String> {
        let holder = holder(self.last_id + 1);
        let given = GivenChecks::default();
        let options = ResumeOptions { holder: holder.clone(), take_over: true, pause_after: None, given };
        let plan = steps::resume(&self.cluster.snapshot(), &options);
        self.carry_out(plan)?;
        self.last_id += 1;
        self.hire(Driver::new(holder));
        Ok(())
    }

    fn abort(&mut self) -> Result<(), String> {
        let rollout = self.cluster.stored().ok_or("nothing is stored")?;
        let holder = holder(self.last_id + 1);
        let plan = steps::abort(&self.cluster.snapshot(), Some(holder.clone()));
        self.carry_out(plan)?;
        self.last_id += 1;
        self.hire(Driver::aborting(holder, rollout));
        Ok(())
    }

    /// Everybody has ended: what is left is taken up as somebody would, in either way, and in the end it is judged.
    fn is_left(&mut self) -> Result<After, String> {
        if self.recreated {
            return Ok(After::Over);
        }
        self.heals();
        let Some(rollout) = self.cluster.stored() else {
            self.cluster.ticks(120);
            return judge::the_end(self).map(|()| After::Over);
        };
        self.round += 1;
        if self.round > ROUNDS {
            return Err(format!("taken up {ROUNDS} times and not over"));
        }
        if self.is_superseded() {
            let plan = steps::release(&self.cluster.snapshot());
            self.carry_out(plan).map_err(|words| format!("to release is refused: {words}"))?;
            self.tell("released");
            return Ok(After::More);
        }
        let mut other = self.clone();
        if let Err(words) = other.abort() {
            return Err(format!("to take it back is refused: {words}"));
        }
        other.tell("taken back");
        // What fails again is taken back, and so is what is on its way back.
        let goes_on = self.round == 1 && !matches!(rollout.phase, Phase::Aborting);
        if goes_on && self.resume().is_ok() {
            self.tell("taken up");
            return Ok(After::Either(Box::new(other)));
        }
        *self = other;
        Ok(After::More)
    }

    fn is_superseded(&self) -> bool {
        steps::is_superseded(&self.cluster.snapshot())
    }

    /// The world stands still from now on, and everything works but for a revision that never does.
    fn heals(&mut self) {
        for node in &mut self.cluster.world.nodes {
            (node.alive, node.accepts) = (true, true);
        }
        self.cluster.ticks(5);
        self.emptied.clear();
    }

    /// Tells whether somebody has set the strategy.
    pub fn is_set(&self) -> bool {
        self.strategy
    }

    pub fn had_died(&self, slot: u32) -> bool {
        self.cluster.kind == Kind::DaemonSet && self.died.contains(&slot)
    }

    pub fn is_unclean(&self) -> bool {
        self.unclean
    }

    pub fn recreated(&self) -> bool {
        self.recreated
    }

    pub fn live(&self) -> u32 {
        image_of(&self.cluster.object["spec"]["template"])
    }

    pub fn first_strategy(&self) -> &Value {
        self.scene.cluster.strategy()
    }

    fn tell(&mut self, words: &str) {
        let words = format!("{:>4} {words}", self.cluster.now - self.scene.cluster.now);
        self.story = Some(Arc::new(Line { words, before: self.story.take() }));
    }

    /// Tells how it came to this.
    pub fn tells(&self, what: &str) -> String {
        let mut lines = Vec::new();
        let mut line = self.story.as_ref();
        while let Some(it) = line {
            lines.push(it.words.clone());
            line = it.before.as_ref();
        }
        lines.reverse();
        format!("{what}\n{}\n{:?}\n{:?}", lines.join("\n"), self.cluster.shown(), self.cluster.stored())
    }
}
