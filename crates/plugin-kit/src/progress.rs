//! How a verb shows that it is at work: a spinner on a terminal, timestamped lines elsewhere. It is told what happens and
//! what time it is, and decides nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use k8s_openapi::jiff::{SignedDuration, Timestamp, Unit};

use crate::escape;
use crate::ui::Ui;

/// How long it may be silent off a terminal.
const SILENCE: SignedDuration = SignedDuration::from_secs(60);
/// How often the spinner moves.
const FRAME: Duration = Duration::from_millis(120);

/// How far the pods of a rollout are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The pods at the revision that is rolled out.
    pub updated: usize,
    /// The pods that there should be.
    pub total: usize,
    /// Those of them that are available.
    pub available: usize,
    /// The pods at an older revision.
    pub old: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { updated, total, available, old } = self;
        write!(f, "{updated} of {total} new ({available} available), {old} old")
    }
}

/// The display of one rollout, or of several at once.
pub struct Progress {
    bar: Option<ProgressBar>,
    step: String,
    counts: Option<Counts>,
    last_line: String,
    last_time: Option<Timestamp>,
}

impl Progress {
    /// Starts a display on stderr.
    pub fn start(ui: &mut Ui) -> Progress {
        let bar = ui.can_animate().then(spinner);
        ui.attach(bar.clone());
        Progress { bar, step: String::new(), counts: None, last_line: String::new(), last_time: None }
    }

    /// Names what all lines are about, without a line of its own.
    pub fn of(mut self, subject: &str) -> Progress {
        self.step = escape::inline(subject).into_owned();
        self
    }

    /// Shows what is being done now.
    pub fn step(&mut self, ui: &mut Ui, now: Timestamp, text: &str) {
        self.step = escape::inline(text).into_owned();
        self.show(ui, now);
    }

    /// Shows how far the pods are.
    pub fn counts(&mut self, ui: &mut Ui, now: Timestamp, counts: Counts) {
        self.counts = Some(counts);
        self.show(ui, now);
    }

    /// Leaves a line that stays: something that happened.
    pub fn note(&mut self, ui: &mut Ui, now: Timestamp, text: &str) {
        let text = escape::inline(text).into_owned();
        match self.bar {
            Some(_) => ui.note(&text),
            None => self.write(ui, now, &text),
        }
    }

    /// Breaks a silence that has become too long, off a terminal.
    pub fn tick(&mut self, ui: &mut Ui, now: Timestamp) {
        if self.bar.is_some() {
            return;
        }
        match self.last_time {
            None => self.last_time = Some(now),
            Some(last) if now.duration_since(last) >= SILENCE => {
                let line = self.line();
                let line =
                    if line.is_empty() { "still waiting".to_string() } else { format!("still: {line}") };
                self.write(ui, now, &line);
            }
            Some(_) => {}
        }
    }

    /// Takes the display away; what was noted stays.
    pub fn finish(self, ui: &mut Ui) {
        ui.attach(None);
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn show(&mut self, ui: &mut Ui, now: Timestamp) {
        let line = self.line();
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None if line != self.last_line => {
                self.write(ui, now, &line);
                self.last_line = line;
            }
            None => {}
        }
    }

    fn line(&self) -> String {
        match (self.step.is_empty(), self.counts) {
            (_, None) => self.step.clone(),
            (true, Some(counts)) => counts.to_string(),
            (false, Some(counts)) => format!("{}: {counts}", self.step),
        }
    }

    fn write(&mut self, ui: &mut Ui, now: Timestamp, text: &str) {
        let time = now.round(Unit::Second).unwrap_or(now);
        ui.note(&format!("{time} {text}"));
        self.last_time = Some(now);
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(FRAME);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }

    fn counts(updated: usize) -> Counts {
        Counts { updated, total: 3, available: 1, old: 2 }
    }

    #[test]
    fn lines_carry_the_time_and_are_not_repeated() {
        let (mut ui, captured) = Ui::captured();
        let mut progress = Progress::start(&mut ui);
        progress.step(&mut ui, at(0), "deployment/web");
        progress.step(&mut ui, at(1), "deployment/web");
        progress.counts(&mut ui, at(2), counts(1));
        progress.counts(&mut ui, at(3), counts(1));
        progress.counts(&mut ui, at(4), counts(2));
        progress.note(&mut ui, at(5), "pod web-1 restarted\nforged line");
        progress.finish(&mut ui);
        assert_eq!(
            captured.stderr(),
            "2026-01-01T00:00:00Z deployment/web\n\
             2026-01-01T00:00:02Z deployment/web: 1 of 3 new (1 available), 2 old\n\
             2026-01-01T00:00:04Z deployment/web: 2 of 3 new (1 available), 2 old\n\
             2026-01-01T00:00:05Z pod web-1 restarted\\nforged line\n"
        );
        assert_eq!(captured.stdout(), "");
    }

    #[test]
    fn a_silence_is_broken_once_a_minute() {
        let (mut ui, captured) = Ui::captured();
        let mut progress = Progress::start(&mut ui);
        progress.tick(&mut ui, at(0));
        progress.step(&mut ui, at(10), "waiting for web-2");
        for second in 11..=200 {
            progress.tick(&mut ui, at(second));
        }
        assert_eq!(
            captured.stderr(),
            "2026-01-01T00:00:10Z waiting for web-2\n\
             2026-01-01T00:01:10Z still: waiting for web-2\n\
             2026-01-01T00:02:10Z still: waiting for web-2\n\
             2026-01-01T00:03:10Z still: waiting for web-2\n"
        );
    }

    #[test]
    fn silence_from_the_start_is_broken_too() {
        let (mut ui, captured) = Ui::captured();
        let mut progress = Progress::start(&mut ui);
        progress.tick(&mut ui, at(0));
        progress.tick(&mut ui, at(59));
        progress.tick(&mut ui, at(60));
        assert_eq!(captured.stderr(), "2026-01-01T00:01:00Z still waiting\n");
    }

    #[test]
    fn times_are_whole_seconds() {
        let (mut ui, captured) = Ui::captured();
        let mut progress = Progress::start(&mut ui);
        progress.step(&mut ui, "2026-01-01T00:00:00.25Z".parse().unwrap(), "now");
        assert_eq!(captured.stderr(), "2026-01-01T00:00:00Z now\n");
    }
}
