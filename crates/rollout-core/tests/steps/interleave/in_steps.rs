//! A workload, the drivers that are at it, and whoever else touches it: one state of the search.

use std::collections::BTreeMap;
use std::sync::Arc;

use rollout_core::Kind;
use rollout_core::drive::Driver;
use rollout_core::machine::{Machine, Outcome, Step};
use rollout_core::model::{Behaviour, RevisionId, World as Model};
use rollout_core::plan::steps::{self, GivenChecks, ResumeOptions, StartOptions};
use rollout_core::plan::{Decision, Method, Refusal, Request};
use rollout_core::stored::Phase;
use serde_json::Value;

use crate::cluster::{Cluster, holder, image_of};
use crate::interleave::beside::{self, Beside, Marks};
use crate::interleave::explore::{After, State};
use crate::interleave::process::{Process, REPLACED, Trouble};
use crate::interleave::story::Story;
use crate::interleave::{judge, key};

/// How often somebody takes up what was left before it counts as never ending.
const ROUNDS: u32 = 4;

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

/// Something that happens beside what comes anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something comes between the driver whose turn it is and the cluster.
    Trouble(Trouble),
    /// Another driver gets its turn first.
    Late,
    /// Somebody goes on with it while the driver lives.
    TakenOver,
    /// Somebody has it stand still.
    Paused,
    /// Somebody takes it back.
    Aborted,
    /// Something that no driver does.
    Beside(Beside),
}

#[derive(Clone, Debug)]
pub struct World {
    pub scene: Arc<Scene>,
    pub cluster: Cluster,
    pub crew: Vec<Process<Driver>>,
    /// Whose turn it is, and how many had nothing to do since anybody had.
    turn: usize,
    idle: usize,
    /// How many events there may be yet.
    left: u32,
    last_id: u32,
    round: u32,
    /// The places that are without an available pod because of a driver, with the driver and the UID of the pod.
    pub emptied: BTreeMap<u32, (u32, u64)>,
    marks: Marks,
    /// Whether the server refused to have a revision cleaned.
    unclean: bool,
    story: Story,
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
            marks: Marks::default(),
            unclean: false,
            story: Story::default(),
        };
        world.hire(driver);
        world
    }

    fn hire(&mut self, driver: Driver) {
        self.crew.push(Process::new(self.last_id, driver));
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
            Err(refusal) if !self.marks.rival && !self.marks.recreated => {
                Err(format!("{what} is refused: {refusal}"))
            }
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
    fn is_left(&mut self) -> Result<After<World>, String> {
        if self.marks.recreated {
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
        Marks::heal(&mut self.cluster);
        self.emptied.clear();
    }

    /// Tells whether somebody has set the strategy.
    pub fn is_set(&self) -> bool {
        self.marks.strategy
    }

    pub fn had_died(&self, slot: u32) -> bool {
        self.cluster.kind == Kind::DaemonSet && self.marks.died.contains(&slot)
    }

    pub fn is_unclean(&self) -> bool {
        self.unclean
    }

    pub fn recreated(&self) -> bool {
        self.marks.recreated
    }

    pub fn live(&self) -> u32 {
        image_of(&self.cluster.object["spec"]["template"])
    }

    pub fn first_strategy(&self) -> &Value {
        self.scene.cluster.strategy()
    }

    fn tell(&mut self, words: &str) {
        self.story.tell(self.cluster.now - self.scene.cluster.now, words);
    }
}

impl State for World {
    type Event = Event;

    fn key(&self) -> String {
        let World { crew, turn, idle, left, round, emptied, marks, unclean, .. } = self;
        let mut text = format!("{turn} {idle} {left} {round} {emptied:?} {marks:?} {unclean}");
        text.push_str(&key::of_cluster(&self.cluster));
        crew.iter().for_each(|process| text.push_str(&process.key()));
        key::relative(&text, self.cluster.now, self.cluster.version)
    }

    fn events(&self) -> Vec<Event> {
        if self.left == 0 || self.crew.is_empty() {
            return Vec::new();
        }
        let troubles = self.crew[self.turn].troubles(&self.cluster).into_iter();
        let mut events: Vec<Event> = troubles.map(Event::Trouble).collect();
        if self.crew.len() > 1 {
            events.push(Event::Late);
        }
        let phase = self.cluster.stored().map(|it| it.phase);
        match phase {
            Some(Phase::Running) => events.extend([Event::TakenOver, Event::Paused, Event::Aborted]),
            Some(Phase::Aborting) => events.push(Event::TakenOver),
            Some(Phase::Paused | Phase::Failed) | None => {}
        }
        let beside = self.marks.events(&self.cluster).into_iter();
        // Who rolls out something else on the way back finds what was there before.
        let rivals = |it: &Beside| *it != Beside::Rival || phase == Some(Phase::Running);
        events.extend(beside.filter(rivals).map(Event::Beside));
        events
    }

    fn happens(&mut self, event: Event) -> Result<(), String> {
        self.left -= 1;
        self.tell(&format!("{event:?}"));
        let turn = self.turn;
        match event {
            Event::Trouble(Trouble::Lost { done }) => {
                let request = self.crew[turn].open.pop_front().unwrap();
                if done {
                    self.arrives(turn, &request)?;
                }
                self.crew[turn].machine.sent(&Outcome::Unanswered);
            }
            Event::Trouble(Trouble::Refused) => {
                let request = self.crew[turn].open.pop_front().unwrap();
                self.unclean |= request.forgets_stored();
                self.crew[turn].machine.sent(&Outcome::Refused("forbidden".into()));
            }
            Event::Trouble(Trouble::Second) => self.second(),
            Event::Late => self.turn = (turn + 1) % self.crew.len(),
            Event::Trouble(Trouble::Lag { pods_only }) => self.crew[turn].lags(&self.cluster, pods_only),
            Event::Trouble(Trouble::Killed) => self.leaves(turn),
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
            Event::Trouble(Trouble::Replaced(slot)) => {
                beside::pod(&mut self.cluster, slot, Model::delete_pod);
                (0..REPLACED).for_each(|_| self.second());
            }
            Event::Beside(event) => self.marks.happens(&mut self.cluster, event),
        }
        self.cluster.remember();
        Ok(())
    }

    fn go(&mut self) -> Result<After<World>, String> {
        if self.crew.is_empty() {
            return self.is_left();
        }
        let turn = self.turn;
        self.turn = (turn + 1) % self.crew.len();
        if let Some(request) = self.crew[turn].open.pop_front() {
            self.idle = 0;
            let outcome = self.arrives(turn, &request)?;
            self.crew[turn].machine.sent(&outcome);
            return Ok(After::More);
        }
        let process = &mut self.crew[turn];
        let step = process.step(&self.cluster);
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

    fn tells(&self, what: &str) -> String {
        format!("{what}\n{}\n{:?}\n{:?}", self.story.lines(), self.cluster.shown(), self.cluster.stored())
    }
}
