//! How a verb shows that it is at work: a line for each rollout on a terminal, with a bar for the step that it is at, and
//! timestamped lines elsewhere. It is told what happens and what time it is, and decides nothing.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use k8s_openapi::jiff::{SignedDuration, Timestamp, Unit};

use crate::Ui;
use crate::escape;

/// How long it may be silent off a terminal.
const SILENCE: SignedDuration = SignedDuration::from_secs(60);
/// In fewer columns the bar is short, and one rollout alone is not named again: how far it is must be seen.
const WIDE: usize = 80;
/// How often the spinner moves.
const FRAME: Duration = Duration::from_millis(120);

/// The display of one rollout, or of several at once.
pub struct Progress {
    bars: Option<MultiProgress>,
    subjects: Vec<Subject>,
    last_time: Option<Timestamp>,
}

/// One rollout: what it is called, and what was last said of it.
struct Subject {
    name: String,
    line: String,
    bar: Option<ProgressBar>,
}

/// How much of a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// So many of its places.
    pub done: usize,
    /// Of so many.
    pub of: usize,
}

impl Progress {
    /// Starts a display on stderr of what has these names.
    pub fn start(ui: &mut Ui, names: impl IntoIterator<Item = String>) -> Progress {
        let bars = ui.can_animate().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        ui.attach(bars.clone());
        let subject = |name: String| Subject {
            name: escape::inline(&name).into_owned(),
            line: String::new(),
            bar: bars.as_ref().map(|bars| bars.add(spinner())),
        };
        let subjects = names.into_iter().map(subject).collect();
        Progress { bars, subjects, last_time: None }
    }

    /// Tells whether what is shown is drawn over again and again, so that it may change all the time.
    pub fn is_drawn(&self) -> bool {
        self.bars.is_some()
    }

    /// Shows how far one of them is, with a bar where it goes in steps.
    pub fn show(&mut self, ui: &mut Ui, now: Timestamp, index: usize, text: &str, share: Option<Share>) {
        let text = escape::inline(text).into_owned();
        let alone = self.subjects.len() == 1;
        let Some(subject) = self.subjects.get_mut(index).filter(|it| it.line != text) else { return };
        subject.line = text;
        match &subject.bar {
            Some(bar) => {
                let width = ui.message_width().unwrap_or(WIDE);
                bar.set_style(style(share.is_some(), width));
                if let Some(Share { done, of }) = share {
                    bar.set_length(of as u64);
                    bar.set_position(done as u64);
                }
                bar.set_message(match alone && width < WIDE {
                    true => subject.line.clone(),
                    false => subject.full(),
                });
            }
            None => {
                let line = subject.full();
                self.write(ui, now, &line);
            }
        }
    }

    /// Leaves a line that stays: something that happened to one of them.
    pub fn note(&mut self, ui: &mut Ui, now: Timestamp, index: usize, text: &str) {
        let name = self.subjects.get(index).filter(|_| self.subjects.len() > 1).map(|it| it.name.as_str());
        let text = match name {
            Some(name) => format!("{name}: {}", escape::inline(text)),
            None => escape::inline(text).into_owned(),
        };
        match self.bars {
            Some(_) => ui.note(&text),
            None => self.write(ui, now, &text),
        }
    }

    /// Takes one of them from the display: it has ended.
    pub fn ended(&mut self, index: usize) {
        if let Some(subject) = self.subjects.get_mut(index) {
            subject.line.clear();
            if let Some(bar) = &subject.bar {
                bar.finish_and_clear();
            }
        }
    }

    /// Breaks a silence that has become too long, off a terminal.
    pub fn tick(&mut self, ui: &mut Ui, now: Timestamp) {
        if self.bars.is_some() {
            return;
        }
        match self.last_time {
            None => self.last_time = Some(now),
            Some(last) if now.duration_since(last) >= SILENCE => {
                let lines = self.lines().join("; ");
                let line =
                    if lines.is_empty() { "still waiting".to_string() } else { format!("still: {lines}") };
                self.write(ui, now, &line);
            }
            Some(_) => {}
        }
    }

    /// Takes the display away; what was noted stays.
    pub fn finish(mut self, ui: &mut Ui) {
        // Each for itself first: the thread that turns a spinner may draw it once more when all are cleared.
        (0..self.subjects.len()).for_each(|index| self.ended(index));
        ui.detach();
        if let Some(bars) = self.bars {
            // Nothing is left to be drawn over, whether that succeeds or not.
            let _ = bars.clear();
        }
    }

    fn lines(&self) -> Vec<String> {
        self.subjects.iter().filter(|it| !it.line.is_empty()).map(Subject::full).collect()
    }

    fn write(&mut self, ui: &mut Ui, now: Timestamp, text: &str) {
        let time = now.round(Unit::Second).unwrap_or(now);
        ui.note(&format!("{time} {text}"));
        self.last_time = Some(now);
    }
}

impl Subject {
    fn full(&self) -> String {
        match self.name.is_empty() {
            true => self.line.clone(),
            false => format!("{}: {}", self.name, self.line),
        }
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::no_length().with_style(style(false, WIDE));
    bar.enable_steady_tick(FRAME);
    bar
}

fn style(in_steps: bool, width: usize) -> ProgressStyle {
    let template = match (in_steps, width < WIDE) {
        (true, false) => "{spinner} [{bar:20}] {wide_msg} {elapsed}",
        (true, true) => "{spinner} [{bar:5}] {wide_msg} {elapsed}",
        (false, _) => "{spinner} {wide_msg} {elapsed}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=>-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }

    #[test]
    fn lines_carry_the_time_and_are_not_repeated() {
        let (mut ui, captured) = Ui::captured();
        let mut progress = Progress::start(&mut ui, ["deployment/web".to_string()]);
        for (second, text) in [(1, "1 of 3 new"), (2, "1 of 3 new"), (3, "2 of 3 new")] {
            progress.show(&mut ui, at(second), 0, text, None);
        }
        progress.note(&mut ui, at(5), 0, "pod web-1 restarted\nforged line");
        progress.finish(&mut ui);
        assert_eq!(
            captured.stderr(),
            "2026-01-01T00:00:01Z deployment/web: 1 of 3 new\n\
             2026-01-01T00:00:03Z deployment/web: 2 of 3 new\n\
             2026-01-01T00:00:05Z pod web-1 restarted\\nforged line\n"
        );
        assert_eq!(captured.stdout(), "");
    }

    #[test]
    fn of_several_each_is_named() {
        let (mut ui, captured) = Ui::captured();
        let mut progress = Progress::start(&mut ui, ["a".to_string(), "b".to_string()]);
        progress.show(&mut ui, at(0), 0, "1 of 3 new", None);
        progress.show(&mut ui, at(0), 1, "2 of 3 new", None);
        progress.note(&mut ui, at(1), 1, "deleting pod b-1");
        progress.ended(0);
        progress.tick(&mut ui, at(61));
        assert_eq!(
            captured.stderr(),
            "2026-01-01T00:00:00Z a: 1 of 3 new\n\
             2026-01-01T00:00:00Z b: 2 of 3 new\n\
             2026-01-01T00:00:01Z b: deleting pod b-1\n\
             2026-01-01T00:01:01Z still: b: 2 of 3 new\n"
        );
    }

    #[test]
    fn a_silence_is_broken_once_a_minute() {
        let (mut ui, captured) = Ui::captured();
        let mut progress = Progress::start(&mut ui, [String::new()]);
        progress.tick(&mut ui, at(0));
        progress.show(&mut ui, at(10), 0, "waiting for web-2", None);
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
        let mut progress = Progress::start(&mut ui, [String::new()]);
        progress.tick(&mut ui, at(0));
        progress.tick(&mut ui, at(59));
        progress.tick(&mut ui, at(60));
        assert_eq!(captured.stderr(), "2026-01-01T00:01:00Z still waiting\n");
    }

    #[test]
    fn times_are_whole_seconds() {
        let (mut ui, captured) = Ui::captured();
        let mut progress = Progress::start(&mut ui, [String::new()]);
        progress.show(&mut ui, "2026-01-01T00:00:00.25Z".parse().unwrap(), 0, "now", None);
        assert_eq!(captured.stderr(), "2026-01-01T00:00:00Z now\n");
    }
}
