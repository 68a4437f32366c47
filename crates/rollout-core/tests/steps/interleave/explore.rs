//! The search: every state that so many events can lead to, depth first, each state once.
//!
//! Of its own and not a library's: the clock is part of a state and has to be taken out of what is compared, which the machines
//! themselves do not know how to; and "it ends" is held on every path, also where paths meet, which needs the order of this
//! search: a quiet run is followed to its end before another one begins, so that what meets an earlier run ends as that does.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// One state of a world: what may happen in it, and what comes of that.
pub trait State: Clone {
    type Event;

    /// Everything that anybody could see, and what may happen yet.
    fn key(&self) -> String;

    /// What may happen now.
    fn events(&self) -> Vec<Self::Event>;

    fn happens(&mut self, event: Self::Event) -> Result<(), String>;

    /// What comes next where nothing happens.
    fn go(&mut self) -> Result<After<Self>, String>;

    /// Tells how it came to this.
    fn tells(&self, what: &str) -> String;
}

/// What comes after a quiet turn.
pub enum After<S> {
    More,
    /// Nobody has anything left to do.
    Over,
    /// Or this.
    Either(Box<S>),
}

/// Quiet turns within which a world that is left alone must end.
const ENDS_WITHIN: usize = 2000;

/// What was explored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Explored {
    /// States that differ.
    pub states: usize,
    /// Steps from one to another.
    pub steps: usize,
    /// States at which all was over.
    pub ends: usize,
}

/// Explores what so many events can make of a world; or tells how something came that must not.
pub fn explore<S: State>(first: S) -> Result<Explored, String> {
    let mut explored = Explored::default();
    let (mut seen, mut open) = (HashSet::new(), vec![first]);
    while let Some(world) = open.pop() {
        follow(world, &mut seen, &mut open, &mut explored)?;
    }
    explored.states = seen.len();
    Ok(explored)
}

/// Follows a world that is left alone to its end, or to where another one was already; what else may happen on the way is left
/// open.
fn follow<S: State>(
    mut world: S,
    seen: &mut HashSet<u64>,
    open: &mut Vec<S>,
    explored: &mut Explored,
) -> Result<(), String> {
    let mut run = HashSet::new();
    for _ in 0..ENDS_WITHIN {
        let state = fingerprint(&world.key());
        if !seen.insert(state) {
            return if run.contains(&state) { Err(world.tells("goes in circles")) } else { Ok(()) };
        }
        run.insert(state);
        for event in world.events() {
            let mut other = world.clone();
            explored.steps += 1;
            other.happens(event).map_err(|words| other.tells(&words))?;
            open.push(other);
        }
        explored.steps += 1;
        match world.go().map_err(|words| world.tells(&words))? {
            After::More => {}
            After::Over => {
                explored.ends += 1;
                return Ok(());
            }
            After::Either(other) => open.push(*other),
        }
    }
    Err(world.tells("does not end"))
}

fn fingerprint(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
