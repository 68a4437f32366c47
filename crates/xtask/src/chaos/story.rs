//! What happened, in the order of time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The story of a round, told by many at once.
pub(super) struct Story {
    begun: Instant,
    aloud: bool,
    lines: Mutex<Vec<(Duration, String)>>,
}

impl Story {
    /// Begins one; `aloud` it is printed as it comes.
    pub(super) fn new(aloud: bool) -> Self {
        Self { begun: Instant::now(), aloud, lines: Mutex::default() }
    }

    pub(super) fn tell(&self, text: impl fmt::Display) {
        let at = self.begun.elapsed();
        if self.aloud {
            println!("{}", line(at, &text));
        }
        lock(&self.lines).push((at, text.to_string()));
    }

    pub(super) fn lasts(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lock(&self.lines).iter().try_for_each(|(at, text)| writeln!(f, "{}", line(*at, text)))
    }
}

fn line(at: Duration, text: &impl fmt::Display) -> String {
    let text = text.to_string().replace('\n', "\n           | ");
    format!("{:>8.1} s {text}", at.as_secs_f64())
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Figures(Mutex<BTreeMap<String, u64>>);

impl Figures {
    pub(super) fn add(&self, what: impl Into<String>, count: u64) {
        *lock(&self.0).entry(what.into()).or_default() += count;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = lock(&self.0);
        let width = figures.keys().map(String::len).max().unwrap_or(0);
        figures.iter().try_for_each(|(what, count)| writeln!(f, "{what:<width$} {count:>7}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Story};

    #[test]
    fn a_story_keeps_its_lines_together() {
        let story = Story::new(false);
        story.tell("one\ntwo");
        let text = story.to_string();
        assert!(text.ends_with(" s one\n           | two\n"), "{text}");
    }

    #[test]
    fn figures_are_a_table() {
        let figures = Figures::default();
        figures.add("calls", 2);
        figures.add("calls", 3);
        figures.add("a", 1);
        assert_eq!(figures.to_string(), "a           1\ncalls       5\n");
    }
}
