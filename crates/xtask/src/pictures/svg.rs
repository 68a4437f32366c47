//! A screen as a picture: a window with a title, a row of text each a `<text>`, and nothing that has to be fetched.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

/// In the units of the picture: a column, a row, what surrounds them, the bar with the title, the size of the letters.
const COLUMN: f32 = 8.4;
const ROW: u16 = 20;
const MARGIN: u16 = 18;
const BAR: u16 = 36;
const LETTER: u16 = 14;

/// What a row starts with in the file, and one that goes on in the next.
const ROW_STARTS: &str = "<text class=\"row\" ";
const ROW_GOES_ON: &str = "<text class=\"row on\" ";

const BACKGROUND: &str = "#0d1117";
const FOREGROUND: &str = "#d6dde6";

/// The sixteen colours of a terminal, the bright ones last.
const COLOURS: [&str; 16] = [
    "#484f58", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#b1bac4", "#6e7681",
    "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff",
];

/// Draws the rows of a screen down to the last that shows something.
pub(super) fn drawn(screen: &Screen, title: &str) -> String {
    let columns = screen.size().1.get();
    let rows: Vec<String> = screen.rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
    let last = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |index| index + 1);
    let width = (f32::from(columns) * COLUMN + f32::from(2 * MARGIN)).ceil();
    let height = BAR + 2 * MARGIN + ROW * u16::try_from(last).unwrap_or(u16::MAX) - (ROW - LETTER);
    let title = escaped(title);
    let middle = width / 2.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\">\n\
         <style>\n\
         text {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, \"DejaVu Sans Mono\", \"Liberation Mono\", monospace; \
         font-size: {LETTER}px; fill: {FOREGROUND}; white-space: pre }}\n\
         .title {{ fill: #8b949e; font-size: 13px; text-anchor: middle }}\n\
         .bold {{ font-weight: bold }} .dim {{ opacity: .65 }} .italic {{ font-style: italic }} .under {{ text-decoration: underline }}\n\
         </style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"10\" fill=\"{BACKGROUND}\"/>\n\
         <path d=\"M0 {BAR}V10a10 10 0 0 1 10-10H{}a10 10 0 0 1 10 10V{BAR}z\" fill=\"#21262d\"/>\n\
         <circle cx=\"20\" cy=\"18\" r=\"6\" fill=\"#ff5f57\"/><circle cx=\"40\" cy=\"18\" r=\"6\" fill=\"#febc2e\"/>\
         <circle cx=\"60\" cy=\"18\" r=\"6\" fill=\"#28c840\"/>\n\
         <text class=\"title\" x=\"{middle}\" y=\"23\">{title}</text>\n",
        width - 10.0,
    );
    for (index, text) in rows.iter().take(last).enumerate().filter(|(_, text)| !text.is_empty()) {
        let row = u16::try_from(index).unwrap_or(u16::MAX);
        let bottom = BAR + MARGIN + ROW * row + LETTER - 3;
        // The font is the reader's; whatever it is, what stands below each other does so in the picture.
        let length = COLUMN * text.chars().count() as f32;
        let start = if screen.row_wrapped(row) { ROW_GOES_ON } else { ROW_STARTS };
        // A picture is text for whoever writes it: a `write!` to a String does not fail.
        let _ = writeln!(
            svg,
            "{start}x=\"{MARGIN}\" y=\"{bottom}\" textLength=\"{length:.1}\" xml:space=\"preserve\">{}</text>",
            runs(screen, row, text.chars().count())
        );
    }
    svg + "</svg>\n"
}

/// Returns the text of a picture that was drawn here, a line that took several rows as one.
pub(super) fn text(svg: &str) -> String {
    let mut text = String::new();
    for line in svg.lines() {
        let (row, end) = match (line.strip_prefix(ROW_STARTS), line.strip_prefix(ROW_GOES_ON)) {
            (Some(row), _) => (row, "\n"),
            (None, Some(row)) => (row, ""),
            (None, None) => continue,
        };
        let mut inside = true;
        text.extend(row.chars().filter(|letter| {
            let outside = !inside && *letter != '<';
            inside = (inside || *letter == '<') && *letter != '>';
            outside
        }));
        text.push_str(end);
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The cells of a row, those that look alike together.
fn runs(screen: &Screen, row: u16, length: usize) -> String {
    let mut runs: Vec<(String, String)> = Vec::new();
    for cell in (0..).map_while(|column| screen.cell(row, column)).take(length) {
        let look = look(cell);
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match runs.last_mut() {
            Some((last, run)) if *last == look => run.push_str(text),
            _ => runs.push((look, text.to_owned())),
        }
    }
    let run = |(look, text): &(String, String)| match look.as_str() {
        "" => escaped(text),
        look => format!("<tspan{look}>{}</tspan>", escaped(text)),
    };
    runs.iter().map(run).collect()
}

/// How a cell is told from plain text, as attributes.
fn look(cell: &Cell) -> String {
    let looks =
        [("bold", cell.bold()), ("dim", cell.dim()), ("italic", cell.italic()), ("under", cell.underline())];
    let classes: Vec<&str> = looks.into_iter().filter_map(|(name, is)| is.then_some(name)).collect();
    let class = if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) };
    match colour(cell.fgcolor()) {
        Some(colour) => format!("{class} fill=\"{colour}\""),
        None => class,
    }
}

fn colour(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        // Beyond the sixteen nothing is used that is drawn here.
        Color::Idx(index) => COLOURS.get(usize::from(index)).map(|it| (*it).to_owned()),
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::{drawn, text};

    fn picture(shown: &str) -> String {
        let mut terminal = vt100::Parser::new(NonZeroU16::new(10).unwrap(), NonZeroU16::new(40).unwrap(), 0);
        terminal.process(shown.as_bytes());
        drawn(terminal.screen(), "a & b")
    }

    #[test]
    fn what_is_on_the_screen_is_read_out_of_the_picture() {
        let shown =
            "\x1b[1m$ a <b> \"c\" &lt;\x1b[0m\r\n\r\n  \x1b[31mred\x1b[0m   plain\r\ngone\r\x1b[Knew ⠋";
        assert_eq!(text(&picture(shown)), "$ a <b> \"c\" &lt;\n  red   plain\nnew ⠋\n");
        let long = "a line that is too long for forty columns, and ends in the next row";
        assert_eq!(text(&picture(long)), format!("{long}\n"));
        assert_eq!(text(&picture("")), "");
        assert_eq!(text(""), "");
    }

    #[test]
    fn colours_are_those_of_a_terminal() {
        let drawn = picture("\x1b[1;31mbad\x1b[0m \x1b[33mwarn\x1b[39m ok");
        assert!(drawn.contains("<tspan class=\"bold\" fill=\"#ff7b72\">bad</tspan> "), "{drawn}");
        assert!(drawn.contains("<tspan fill=\"#e3b341\">warn</tspan> ok</text>"), "{drawn}");
        assert!(drawn.contains("a &amp; b"), "{drawn}");
    }
}
