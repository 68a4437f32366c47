//! A view on a terminal that is drawn over whenever it changes.

use crate::ui::Ui;

/// What was drawn last.
#[derive(Default)]
pub struct Screen {
    text: String,
}

impl Screen {
    /// Draws lines over what was drawn before, as many as the terminal holds.
    pub fn draw(&mut self, ui: &mut Ui, mut lines: Vec<String>) {
        let room = ui.height().unwrap_or(usize::MAX).saturating_sub(1).max(1);
        if lines.len() > room {
            let left = lines.len() - (room - 1);
            lines.truncate(room - 1);
            lines.push(format!("and {left} more lines"));
        }
        let text = lines.join("\u{1b}[K\n");
        if text != self.text {
            // Nothing flickers where each line is written over and only the rest is cleared.
            let home = if self.text.is_empty() { "\u{1b}[H\u{1b}[2J" } else { "\u{1b}[H" };
            ui.out(&format!("{home}{text}\u{1b}[K\n\u{1b}[J"));
            self.text = text;
        }
    }
}
