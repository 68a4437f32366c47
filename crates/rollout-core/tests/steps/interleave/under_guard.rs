//! A rollout under guard, and whoever else touches the workload: one state of the search.

use std::sync::Arc;

use rollout_core::drive::{Guard, GuardOptions};
use rollout_core::judge::Hold;
use rollout_core::machine::{Act, Ending, GateOptions, Machine, Outcome, Step};
use rollout_core::model::{Behaviour, RevisionId, World as Model};
use rollout_core::plan::{Method, Request};
use rollout_core::{Kind, Pod, Strategy};
use serde_json::Value;

use crate::cluster::{Cluster, image_of, template};
use crate::interleave::beside::{self, Beside, Marks};
use crate::interleave::explore::{After, State};
use crate::interleave::key;
use crate::interleave::process::{Process, REPLACED, Trouble};
use crate::interleave::story::Story;

/// Seconds for which pods have to stay available, and that they may take until they are.
const SOAK: i64 = 2;
const LIMIT: i64 = 30;

/// What is rolled out.
#[derive(Clone, Debug)]
pub struct Scene {
    pub cluster: Cluster,
    /// Whether pods of the new revision never get ready.
    pub bad: bool,
}

/// Something that happens beside what comes anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something comes between the guard and the cluster.
    Trouble(Trouble),
    /// Something that no guard does.
    Beside(Beside),
}

#[derive(Clone, Debug)]
pub struct World {
    scene: Arc<Scene>,
    cluster: Cluster,
    /// The guard, until it has ended.
    guard: Option<Process<Guard>>,
    /// How many events there may be yet.
    left: u32,
    marks: Marks,
    /// Whether the guard was killed, and nobody has begun again.
    killed: bool,
    /// Whether a request was refused.
    refused: bool,
    /// Whether it went back.
    turned: bool,
    story: Story,
}

fn options() -> GuardOptions {
    GuardOptions {
        gate: GateOptions { soak: SOAK, max_restarts: 0, checks: false },
        limit: Some(LIMIT),
        undo_limit: Some(LIMIT),
        allow: Vec::new(),
        back_to: None,
        before: None,
        together: false,
    }
}

impl World {
    /// A rollout that has just begun.
    pub fn new(mut scene: Scene, left: u32) -> World {
        let behaviour = if scene.bad { Behaviour::NeverReady } else { Behaviour::Ready { after: 1 } };
        scene.cluster.world.behaviours.insert(RevisionId(1), behaviour);
        let mut cluster = scene.cluster.clone();
        cluster.change(|it| it["spec"]["template"] = template(1));
        World {
            scene: Arc::new(scene),
            cluster,
            guard: Some(Process::new(1, Guard::of(&template(1), options()).driving())),
            left,
            marks: Marks::default(),
            killed: false,
            refused: false,
            turned: false,
            story: Story::default(),
        }
    }

    fn tell(&mut self, words: &str) {
        self.story.tell(self.cluster.now - self.scene.cluster.now, words);
    }

    fn live(&self) -> u32 {
        image_of(&self.cluster.object["spec"]["template"])
    }

    /// A request comes to the server; what it does is judged.
    fn arrives(&mut self, request: &Request) -> Result<Outcome, String> {
        let before = self.cluster.clone();
        let outcome = self.cluster.send(request);
        self.cluster.deleted.clear();
        if let (Outcome::Done(_), Some(guard)) = (&outcome, &self.guard) {
            match request.method {
                Method::Patch => patched(guard, &before)?,
                Method::Delete | Method::Post => deleted(guard, &before, request)?,
            }
        }
        Ok(outcome)
    }

    /// What an ending says is so, by what was seen last.
    fn ends(&mut self, ending: &Ending) -> Result<(), String> {
        let guard = self.guard.take().unwrap();
        let seen = image_of(guard.picture.as_ref().unwrap().workload.template());
        let right = match ending {
            // A second guard may find that the first one has gone back.
            Ending::Complete => seen == 0 && self.turned || seen == 1 && !self.scene.bad || seen == 2,
            Ending::Undone { .. } => seen == 0 && self.turned,
            Ending::Superseded => self.marks.rival,
            Ending::TimedOut | Ending::NotUndone { .. } | Ending::Refused(_) => true,
            Ending::Held(Hold::OnDelete) => self.is_left_to_others(),
            other => return Err(format!("ends with {other:?}")),
        };
        if right { Ok(()) } else { Err(format!("ends with {ending:?}")) }
    }

    /// Whoever rolls out something else where only a deletion moves has to delete too, and a pod on a dead node would not come back.
    fn is_left_to_others(&self) -> bool {
        let by_deletion = self.cluster.world.strategy == Strategy::OnDelete;
        by_deletion && (self.marks.rival || !self.marks.died.is_empty())
    }

    /// All is over, and the world has stood still since.
    fn judged(&self) -> Result<(), String> {
        let ensure = |holds: bool, words: &str| if holds { Ok(()) } else { Err(words.to_string()) };
        let live = self.live();
        let others = self.marks.rival || self.marks.recreated;
        if self.scene.bad {
            // A dead node holds up what it has, and nobody can tell of it.
            let excused = others || self.refused || !self.marks.died.is_empty();
            ensure(excused || live == 0, "what fails stays")?;
        } else {
            ensure(!self.turned, "what works is taken back")?;
        }
        ensure(live != 2 || self.marks.rival, "somebody's template is written over")?;
        let hangs = self.scene.bad && (live == 1 || live == 2 && self.cluster.kind == Kind::StatefulSet);
        // What the server refuses stays undone, which is said.
        let left = self.marks.recreated || self.refused || self.is_left_to_others();
        let mut pods = self.cluster.world.pods.iter();
        ensure(hangs || left || pods.all(|it| it.revision.0 == live), "not all pods are of it")?;
        let strategy = self.scene.cluster.strategy();
        ensure(self.marks.strategy || self.cluster.strategy() == strategy, "another strategy")?;
        ensure(!self.cluster.has_trace(), "a trace stays")
    }
}

/// Nothing that somebody else changed meanwhile is written over.
fn patched(guard: &Process<Guard>, before: &Cluster) -> Result<(), String> {
    let seen = &guard.picture.as_ref().unwrap().workload.object;
    let differs = |path: &&&str| seen.pointer(path) != before.object.pointer(path);
    match ["/metadata/uid", "/spec/template"].iter().find(differs) {
        Some(path) => Err(format!("wrote over another {path}")),
        None => Ok(()),
    }
}

/// A pod that is deleted is the one that was meant, of a revision that is not wanted, and serves nobody.
fn deleted(guard: &Process<Guard>, before: &Cluster, request: &Request) -> Result<(), String> {
    let name = request.path.rsplit('/').next().unwrap();
    let pod =
        before.world.pods.iter().find(|pod| pod.name == name).ok_or("deleted a pod of somebody else")?;
    let picture = guard.picture.as_ref().unwrap();
    let seen = picture.pods.iter().flatten().find(|it| it.name == name);
    let seen = seen.ok_or_else(|| format!("deleted {name}, which it has not seen"))?;
    if seen.uid != pod.uid.to_string() {
        return Err(format!("deleted another {name}"));
    }
    if pod.revision.0 == image_of(picture.workload.template()) {
        return Err(format!("deleted {name}, which is as it should be"));
    }
    if !seen.ready() {
        return Ok(());
    }
    // The controller leaves that to others, who let one be missing, of those within reach.
    let alive = |node: &str| picture.nodes.iter().flatten().any(|it| it.name == node && it.ready);
    let here = |it: &&Pod| before.kind == Kind::StatefulSet || it.node.as_deref().is_some_and(alive);
    let serving = picture.living().filter(|it| it.ready() && it.owner == seen.owner).filter(here).count();
    let wanted = match &picture.nodes {
        Some(nodes) => nodes.iter().filter(|node| node.ready).count(),
        None => picture.workload.desired as usize,
    };
    match picture.workload.strategy {
        Strategy::OnDelete if serving >= wanted => Ok(()),
        Strategy::OnDelete => Err(format!("deleted {name} while another one is missing")),
        _ => Err(format!("deleted {name}, which is ready")),
    }
}

impl State for World {
    type Event = Event;

    fn key(&self) -> String {
        let World { left, marks, killed, refused, turned, .. } = self;
        let mut text = format!("{left} {marks:?} {killed} {refused} {turned}");
        text.push_str(&key::of_cluster(&self.cluster));
        text.extend(self.guard.iter().map(Process::key));
        key::relative(&text, self.cluster.now, self.cluster.version)
    }

    fn events(&self) -> Vec<Event> {
        let Some(guard) = self.guard.as_ref().filter(|_| self.left > 0) else { return Vec::new() };
        let troubles = guard.troubles(&self.cluster).into_iter().map(Event::Trouble);
        troubles.chain(self.marks.events(&self.cluster).into_iter().map(Event::Beside)).collect()
    }

    fn happens(&mut self, event: Event) -> Result<(), String> {
        self.left -= 1;
        self.tell(&format!("{event:?}"));
        match event {
            Event::Trouble(Trouble::Lost { done }) => {
                let request = self.guard.as_mut().and_then(|it| it.open.pop_front()).unwrap();
                if done {
                    self.arrives(&request)?;
                }
                self.guard.as_mut().unwrap().machine.sent(&Outcome::Unanswered);
            }
            Event::Trouble(Trouble::Refused) => {
                self.refused = true;
                let guard = self.guard.as_mut().unwrap();
                guard.open.pop_front();
                guard.machine.sent(&Outcome::Refused("forbidden".into()));
            }
            Event::Trouble(Trouble::Second) => self.cluster.tick(),
            Event::Trouble(Trouble::Lag { pods_only }) => {
                self.guard.as_mut().unwrap().lags(&self.cluster, pods_only);
            }
            Event::Trouble(Trouble::Killed) => {
                self.killed = true;
                self.guard = None;
            }
            Event::Trouble(Trouble::Replaced(slot)) => {
                beside::pod(&mut self.cluster, slot, Model::delete_pod);
                self.cluster.ticks(REPLACED);
            }
            Event::Beside(event) => self.marks.happens(&mut self.cluster, event),
        }
        self.cluster.remember();
        Ok(())
    }

    fn go(&mut self) -> Result<After<World>, String> {
        let Some(guard) = &mut self.guard else {
            if self.killed {
                // Somebody guards what is there then.
                self.killed = false;
                self.guard = Some(Process::new(2, Guard::new(options()).driving()));
                return Ok(After::More);
            }
            Marks::heal(&mut self.cluster);
            self.cluster.ticks(120);
            return self.judged().map(|()| After::Over);
        };
        if let Some(request) = guard.open.pop_front() {
            let outcome = self.arrives(&request)?;
            self.guard.as_mut().unwrap().machine.sent(&outcome);
            return Ok(After::More);
        }
        match guard.step(&self.cluster) {
            Step::Wait | Step::Soak(_) => self.cluster.tick(),
            Step::Survey(_) => {}
            Step::Send { act, request } => {
                guard.open.push_back(request);
                self.turned |= matches!(act, Act::GoBack { .. });
                self.tell(&format!("{act:?}"));
            }
            Step::End(ending) => {
                self.tell(&format!("{ending:?}"));
                self.ends(&ending)?;
            }
            other @ (Step::Passed | Step::Check(_) | Step::SendAll(_)) => return Err(format!("{other:?}")),
        }
        Ok(After::More)
    }

    fn tells(&self, what: &str) -> String {
        let template: &Value = &self.cluster.object["spec"]["template"];
        format!("{what}\n{}\n{:?}\n{template}", self.story.lines(), self.cluster.shown())
    }
}
