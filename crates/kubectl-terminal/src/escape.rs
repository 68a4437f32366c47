//! Strings from the server made safe for a terminal. ESC and CR look as in kubectl; everything else that could move the
//! cursor, recolour, hide or reorder text becomes a visible `\uXXXX`.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes one value for one cell: nothing in it can end the row, start another cell or reach the terminal as a command.
///
/// What follows a line break is cut, and `...` marks the cut, as kubectl does.
pub fn cell(text: &str) -> Cow<'_, str> {
    match text.find(is_line_break) {
        Some(end) => {
            let mut cut = escape(&text[..end], is_unsafe_in_line).into_owned();
            cut.push_str("...");
            Cow::Owned(cut)
        }
        None => escape(text, is_unsafe_in_line),
    }
}

/// Escapes one value inside a sentence: as [`cell`], but line breaks are shown as `\n` and nothing is cut.
pub fn inline(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_unsafe_in_line(c) || is_line_break(c))
}

/// Escapes text of several lines: line feeds and tabs stay.
pub fn block(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\n' && c != '\t' && (is_unsafe_in_line(c) || is_line_break(c)))
}

fn escape(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) { push_visible(&mut safe, c) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\u{1b}' => out.push_str("^["),
        '\r' => out.push_str("\\r"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        // Beyond the basic plane a JSON escape is a pair; `encode_utf16` gives one unit for all others.
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

/// The characters at which kubectl cuts a cell, and Unicode's own line ends.
fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_unsafe_in_line(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Invisible or reordering: zero width space, marks, embeddings and overrides, isolates, word joiner, BOM, tags.
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_line_and_no_command() {
        for (raw, shown) in [
            ("nginx:1.9.1", "nginx:1.9.1"),
            ("", ""),
            ("grün 日本 👩‍🚀", "grün 日本 👩‍🚀"),
            ("\u{1b}[31mred", "^[[31mred"),
            ("one\ntwo", "one..."),
            ("one\r\ntwo", "one..."),
            ("\n", "..."),
            ("one\u{c}two", "one..."),
            ("one\u{2028}two", "one..."),
            ("a\tb", "a\\tb"),
            ("bell\u{7}", "bell\\u0007"),
            ("del\u{7f}", "del\\u007f"),
            ("csi\u{9b}31m", "csi\\u009b31m"),
            ("abc\u{202e}cba", "abc\\u202ecba"),
            ("\u{2066}x\u{2069}", "\\u2066x\\u2069"),
            ("tag\u{e0041}", "tag\\udb40\\udc41"),
        ] {
            assert_eq!(cell(raw), shown, "{raw:?}");
        }
    }

    #[test]
    fn a_sentence_keeps_the_whole_value() {
        assert_eq!(inline("one\ntwo\rthree"), "one\\ntwo\\rthree");
        assert_eq!(inline("plain"), "plain");
    }

    #[test]
    fn a_block_keeps_its_lines() {
        assert_eq!(block("a\n\tb\u{1b}[2J\r\nc"), "a\n\tb^[[2J\\r\nc");
    }
}
