//! How a state came to be what it is: shared between all states that began alike.

use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Story(Option<Arc<Line>>);

#[derive(Debug)]
struct Line {
    words: String,
    before: Story,
}

impl Story {
    /// Something happens, so many seconds after the beginning.
    pub fn tell(&mut self, second: i64, words: &str) {
        let words = format!("{second:>4} {words}");
        *self = Story(Some(Arc::new(Line { words, before: self.clone() })));
    }

    /// Returns it from the beginning, a line each.
    pub fn lines(&self) -> String {
        let mut lines = Vec::new();
        let mut story = self;
        while let Some(line) = &story.0 {
            lines.push(line.words.as_str());
            story = &line.before;
        }
        lines.reverse();
        lines.join("\n")
    }
}
