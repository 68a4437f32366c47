//! A round is played: somebody begins, faults happen, the world is whole again, somebody finishes, and it is judged.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use between::Proxy;
use cluster::Cluster;

use crate::Result;

use super::calls::Calls;
use super::cast::{Call, Ending, Part, Way};
use super::eyes::Eyes;
use super::judge::{self, Move, Picture};
use super::ledger::{self, Entry};
use super::plan::{Fault, Rival, Round};
use super::story::{Figures, Story};
use super::world::{World, within};

/// How often somebody tries to finish what was begun, in a world that is whole.
const TRIES: usize = 7;

/// What the rounds have in common.
pub(super) struct Stage<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) proxy: &'a Proxy,
    /// The kubeconfig that leads to the proxy.
    pub(super) proxied: &'a Path,
    pub(super) figures: &'a Figures,
}

/// A workload of a round, as it was before.
struct Actor<'p> {
    number: usize,
    part: &'p Part,
    before: Picture,
    /// Somebody else has been at it.
    disturbed: AtomicBool,
}

impl Stage<'_> {
    /// Plays a round, and returns what was wrong.
    pub(super) fn play(&self, round: &Round, story: &Story) -> Result<Vec<String>> {
        let namespace = self.cluster.namespace("chaos");
        let world = World::new(self.cluster, self.proxy, namespace.name());
        let calls = Calls::new(self.cluster, namespace.name(), story, self.figures)?;
        let actors = enter(round, &world)?;
        story.tell("all workloads are there");
        // What passed before is another round's.
        let _ = self.proxy.passed();
        // Whether things still happen.
        let (open, eyes) = (AtomicBool::new(true), Eyes::default());
        let healed = thread::scope(|around| {
            around.spawn(|| eyes.look(self.cluster, namespace.name()));
            let healed = self.drive(round, &actors, &world, &calls, &open, story);
            story.tell("who drove has ended");
            self.count(&actors, &eyes.shut(), &world, &calls);
            healed
        });
        healed?;
        thread::scope(|scope| {
            for actor in &actors {
                scope.spawn(|| self.finish(actor, &world, &calls, story));
            }
        });
        Ok(calls.problems())
    }

    /// Those who drive, and what happens to them, until the world is whole and they have ended.
    fn drive(
        &self,
        round: &Round,
        actors: &[Actor<'_>],
        world: &World<'_>,
        calls: &Calls<'_>,
        open: &AtomicBool,
        story: &Story,
    ) -> Result {
        thread::scope(|scope| {
            for actor in actors {
                scope.spawn(|| {
                    self.begin(actor, world, calls);
                    self.go_on(actor, world, calls, open);
                });
            }
            for act in &round.acts {
                thread::sleep(Duration::from_millis(act.pause));
                self.figures.add(format!("fault: {}", act.fault.sort()), 1);
                story.tell(&act.fault);
                match &act.fault {
                    Fault::Signal(part, signal) => {
                        let number = calls.signal(*part, signal);
                        let who = number.map_or("nobody".into(), |number| format!("call {number}"));
                        story.tell(format_args!("{who} got it"));
                    }
                    Fault::Rival(part, rival) => {
                        let actor = &actors[*part];
                        actor.disturbed.store(true, Ordering::SeqCst);
                        let call = comes(actor.part, *rival);
                        scope.spawn(move || self.call(calls, actor, &call, self.proxied));
                    }
                    fault => {
                        if let Err(error) = world.suffers(fault, &round.parts) {
                            story.tell(format_args!("it could not be: {error}"));
                        }
                    }
                }
            }
            let healed = world.heal();
            open.store(false, Ordering::SeqCst);
            story.tell("the world is whole again");
            healed
        })
    }

    /// Never more pods missing because of drivers than are allowed; one more where another one took over, whose
    /// predecessor's deletion may have been under way: a deletion tests the pod and nothing else.
    fn count(&self, actors: &[Actor<'_>], entries: &[Entry], world: &World<'_>, calls: &Calls<'_>) {
        let most = ledger::most_missing(entries, &world.deleted_by_drivers());
        for actor in actors {
            let Some(missing) = most.get(actor.part.name()) else { continue };
            self.figures.add("available pods deleted by drivers", missing.deleted);
            let replaced = actor.disturbed.load(Ordering::SeqCst);
            let allowed = actor.part.shape.allowed() + usize::from(replaced);
            if missing.pods.len() > allowed {
                let (target, pods) = (actor.part.target(), missing.pods.join(", "));
                calls.blame(format!(
                    "{target}: {allowed} may be missing because of a driver, and these were: {pods}"
                ));
            }
        }
    }

    fn call(
        &self,
        calls: &Calls<'_>,
        actor: &Actor<'_>,
        call: &Call,
        kubeconfig: &Path,
    ) -> Option<(i32, bool)> {
        match calls.run(actor.number, call, kubeconfig) {
            Ok(ended) => Some((ended.code, ended.disturbed)),
            Err(error) => {
                calls.blame(format!("{call} could not be run: {error}"));
                None
            }
        }
    }

    /// The first call, whose word is checked where nobody else was there.
    fn begin(&self, actor: &Actor<'_>, world: &World<'_>, calls: &Calls<'_>) {
        let call = actor.part.begins();
        let Some((code, signalled)) = self.call(calls, actor, &call, self.proxied) else { return };
        if signalled || actor.disturbed.load(Ordering::SeqCst) {
            return;
        }
        let Ok(object) = world.object(actor.part) else { return };
        // Somebody may have come in between.
        let lie = judge::claim(actor.part, code, &actor.before, &object);
        if let Some(lie) = lie.filter(|_| !actor.disturbed.load(Ordering::SeqCst)) {
            calls.blame(format!("{call}: {lie}"));
        }
        self.figures.add("ends whose word was checked", 1);
    }

    /// Whoever begins does not give up as long as things happen: looks again and again, and does what there is to do.
    fn go_on(&self, actor: &Actor<'_>, world: &World<'_>, calls: &Calls<'_>, open: &AtomicBool) {
        let mut wanted = actor.part.clone();
        for tried in 0.. {
            thread::sleep(Duration::from_secs(1));
            if !open.load(Ordering::SeqCst) {
                return;
            }
            let Ok(now) = world.picture(actor.part) else { continue };
            match judge::next(&wanted, &actor.before, &now, tried) {
                Move::Call(call) => drop(self.call(calls, actor, &call, self.proxied)),
                // There, and back again.
                Move::Nothing if wanted.ending == Ending::Forward => wanted.ending = Ending::Back,
                Move::Nothing => {
                    self.call(calls, actor, &judge::again(&wanted, &now), self.proxied);
                    if wanted.is_good() {
                        wanted.ending = Ending::Forward;
                    }
                }
            }
        }
    }

    /// What a user does who finds it as it is, until it is as it should be.
    fn finish(&self, actor: &Actor<'_>, world: &World<'_>, calls: &Calls<'_>, story: &Story) {
        let (part, before) = (actor.part, &actor.before);
        let mut said = Vec::new();
        for tried in 0..=TRIES {
            let now = match world.tend().and_then(|()| self.look(actor, world)) {
                Ok(now) => now,
                Err(error) => return calls.blame(format!("{}: {error}", part.target())),
            };
            match judge::next(part, before, &now, tried) {
                Move::Nothing => {
                    self.figures.add("workloads that were as they should be at the end", 1);
                    self.figures.add(format!("workloads that took {} calls in peace", said.len()), 1);
                    return;
                }
                Move::Call(call) if tried < TRIES => {
                    let call = call.patient();
                    let Some((code, _)) = self.call(calls, actor, &call, self.cluster.kubeconfig()) else {
                        return;
                    };
                    if code != 0 {
                        self.figures.add(format!("calls in peace that ended with {code}"), 1);
                        story.tell(format_args!("in peace, {call} ended with {code}"));
                    }
                    said.push(format!("{call}: {code}"));
                }
                Move::Call(_) => {
                    let wrongs = judge::wrongs(part, before, &now).join("\n");
                    let said = said.join("\n");
                    calls
                        .blame(format!("{} is not as it should be:\n{wrongs}\nafter\n{said}", part.target()));
                }
            }
        }
    }

    /// Looks at it, for a moment longer where only pods come and go.
    fn look(&self, actor: &Actor<'_>, world: &World<'_>) -> Result<Picture> {
        let mut now = world.picture(actor.part)?;
        for _ in 0..10 {
            if judge::is_over(actor.part, &actor.before, &now) {
                break;
            }
            thread::sleep(Duration::from_secs(1));
            now = world.picture(actor.part)?;
        }
        Ok(now)
    }
}

/// Creates the workloads, and rolls them to where they begin.
fn enter<'p>(round: &'p Round, world: &World<'_>) -> Result<Vec<Actor<'p>>> {
    for part in &round.parts {
        world.create(&part.manifest(part.past()[0]))?;
    }
    let mut actors = Vec::new();
    for (number, part) in round.parts.iter().enumerate() {
        let settled = || {
            let mut before = Picture::default();
            let target = part.target();
            within(&format!("{target} is settled"), || {
                before = world.picture(part).unwrap_or_default();
                let peace = Part { ending: Ending::Back, ..part.clone() };
                judge::wrongs(&peace, &before, &before).is_empty()
            })?;
            Ok::<_, Box<dyn std::error::Error>>(before)
        };
        let mut before = settled()?;
        for tag in &part.past()[1..] {
            world.set_tag(part, tag)?;
            if part.shape.is_on_delete() {
                world.delete_pods(part)?;
            }
            before = settled()?;
        }
        actors.push(Actor { number, part, before, disturbed: AtomicBool::new(false) });
    }
    for part in round.parts.iter().filter(|part| part.way == Way::Guard) {
        world.set_tag(part, part.tag)?;
    }
    Ok(actors)
}

/// What somebody else says.
fn comes(part: &Part, rival: Rival) -> Call {
    match rival {
        Rival::Resume => part.rollback("resume", &[]),
        Rival::TakeOver => part.rollback("resume", &["--take-over"]),
        Rival::Abort => part.abort(),
        Rival::Pause => part.rollback("pause", &[]),
        Rival::Undo => part.rollback("undo", &[]),
    }
}
