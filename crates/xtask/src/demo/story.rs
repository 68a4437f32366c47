//! What a story is made of.

/// A kind of workload, from its first release to its repair.
pub(super) struct Part {
    /// What `--part` calls it.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// Written to `NAME.yaml` in the folder in which the commands run.
    pub(super) manifest: &'static str,
    pub(super) steps: &'static [Step],
}

/// A numbered step: what to see, and the commands that show it.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) see: &'static str,
    pub(super) acts: &'static [Act],
}

/// A command, and what it has to come to.
pub(super) struct Act {
    /// As a user types it: a line for the shell.
    pub(super) line: &'static str,
    pub(super) code: i32,
    /// What its output contains.
    pub(super) shows: &'static [&'static str],
    /// What its output does not contain.
    pub(super) hides: &'static [&'static str],
    pub(super) mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Run once, shown while it runs.
    Act,
    /// Changes nothing: run until it shows what it should, as the controllers may not be that far yet; the last is shown.
    Look,
}

/// A command that is run once and ends with 0.
pub(super) const fn act(line: &'static str) -> Act {
    Act { line, code: 0, shows: &[], hides: &[], mode: Mode::Act }
}

/// A command that only reads.
pub(super) const fn look(line: &'static str) -> Act {
    Act { mode: Mode::Look, ..act(line) }
}

impl Act {
    pub(super) const fn ends(self, code: i32) -> Self {
        Self { code, ..self }
    }

    pub(super) const fn shows(self, shows: &'static [&'static str]) -> Self {
        Self { shows, ..self }
    }

    pub(super) const fn hides(self, hides: &'static [&'static str]) -> Self {
        Self { hides, ..self }
    }
}

/// Tags of an image that any cluster can pull, for those of the story: the oldest are in a format that today's
/// container runtimes refuse.
const TAGS: [(&str, &str); 4] = [
    ("1.7.9", "1.26.3-alpine"),
    ("1.9.1", "1.27.5-alpine"),
    ("1.10.3", "1.28.0-alpine"),
    ("1.11.13", "1.29.0-alpine"),
];

/// Puts today's tags into a text of the story.
pub(super) fn with_tags_of_today(text: &str) -> String {
    TAGS.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
}
