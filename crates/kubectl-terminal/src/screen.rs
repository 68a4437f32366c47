//! A view on a terminal that is drawn over whenever it changes.

use console::truncate_str;

use crate::Ui;

/// What was drawn last.
#[derive(Default)]
pub struct Screen {
    text: String,
    width: usize,
}

impl Screen {
    /// Draws lines over what was drawn before, as many and as much of each as the terminal holds: one that wraps would push
    /// the rest away.
    pub fn draw(&mut self, ui: &mut Ui, mut lines: Vec<String>) {
        let width = ui.width().unwrap_or(usize::MAX);
        let room = ui.height().unwrap_or(usize::MAX).saturating_sub(1).max(1);
        if lines.len() > room {
            let left = lines.len() - (room - 1);
            lines.truncate(room - 1);
            lines.push(format!("and {left} more lines"));
        }
        let lines: Vec<_> = lines.iter().map(|line| truncate_str(line, width, "…")).collect();
        let text = lines.join("\u{1b}[K\n");
        if text != self.text || width != self.width {
            // Nothing flickers where each line is written over and only the rest is cleared. What was drawn is elsewhere when the
            // terminal has been resized.
            let home = if width != self.width { "\u{1b}[H\u{1b}[2J" } else { "\u{1b}[H" };
            ui.out(&format!("{home}{text}\u{1b}[K\n\u{1b}[J"));
            (self.text, self.width) = (text, width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_to_the_terminal_and_drawn_over() {
        let (mut ui, captured) = Ui::captured_terminal("", true);
        let mut screen = Screen::default();
        let painted = format!("\u{1b}[31m{}\u{1b}[0m", "ü".repeat(90));
        screen.draw(&mut ui, vec![painted.clone(), "short".to_string()]);
        screen.draw(&mut ui, vec![painted, "short".to_string()]);
        let cut = format!("\u{1b}[31m{}…\u{1b}[0m", "ü".repeat(79));
        let first = format!("\u{1b}[H\u{1b}[2J{cut}\u{1b}[K\nshort\u{1b}[K\n\u{1b}[J");
        assert_eq!(captured.stdout(), first, "nothing changed the second time");
        screen.draw(&mut ui, vec!["other".to_string()]);
        assert_eq!(captured.stdout(), format!("{first}\u{1b}[Hother\u{1b}[K\n\u{1b}[J"));
    }
}
