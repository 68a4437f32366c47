//! Tables as kubectl prints them: three blanks between columns, no borders, no trailing blanks. Columns are data, and a
//! cell is always one line, whatever the value holds. tabled is this file's own affair.

use tabled::builder::Builder;
use tabled::grid::util::string::get_line_width;
use tabled::settings::{Padding, Style as Borders};

use crate::escape;
use crate::{Style, Ui};

/// The blanks between two columns.
const GAP: usize = 3;
/// The columns that a shortened cell keeps at least, and where even that is too much.
const LEAST_FLEXIBLE: [usize; 2] = [12, 8];

/// One value in a table, escaped, and how it is painted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Option<Style>,
}

impl Cell {
    /// Builds a cell; the text is escaped here, once.
    pub fn new(text: &str) -> Cell {
        Cell { text: escape::cell(text).into_owned(), style: None }
    }

    /// Paints the cell.
    pub fn styled(mut self, style: Style) -> Cell {
        self.style = Some(style);
        self
    }

    fn shortened(&self, width: usize) -> String {
        if get_line_width(&self.text) <= width {
            return self.text.clone();
        }
        let mut short = String::new();
        for c in self.text.chars() {
            short.push(c);
            if get_line_width(&short) >= width {
                short.pop();
                break;
            }
        }
        short.push('…');
        short
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::new(&text)
    }
}

macro_rules! cell_from_number {
    ($($number:ty),*) => {$(
        impl From<$number> for Cell {
            fn from(number: $number) -> Cell {
                Cell { text: number.to_string(), style: None }
            }
        }
    )*};
}
cell_from_number!(i32, i64, u32, u64, usize);

/// A column: its header, when it shows, and how its cell comes out of a row.
pub struct Column<'a, T> {
    header: &'a str,
    wide_only: bool,
    flexible: bool,
    cell: Box<dyn Fn(&T) -> Cell + 'a>,
}

impl<'a, T> Column<'a, T> {
    /// Builds a column that always shows.
    pub fn new<C: Into<Cell>>(header: &'a str, cell: impl Fn(&T) -> C + 'a) -> Column<'a, T> {
        Column { header, wide_only: false, flexible: false, cell: Box::new(move |row| cell(row).into()) }
    }

    /// Shows the column with `-o wide` only.
    pub fn wide(mut self) -> Column<'a, T> {
        self.wide_only = true;
        self
    }

    /// Lets the column be shortened where the terminal is too narrow; of several the widest first.
    pub fn flexible(mut self) -> Column<'a, T> {
        self.flexible = true;
        self
    }
}

#[derive(Clone, Debug)]
enum Row {
    Cells(Vec<Cell>),
    Rule(String),
}

/// A table ready to print.
#[derive(Clone, Debug)]
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Row>,
    flexible: Vec<usize>,
    show_headers: bool,
    wide: bool,
}

impl Table {
    /// Builds a table from columns and rows; `wide` shows every column and shortens none.
    pub fn of<'r, T: 'r>(
        columns: &[Column<'_, T>],
        rows: impl IntoIterator<Item = &'r T>,
        wide: bool,
    ) -> Table {
        let shown: Vec<_> = columns.iter().filter(|column| wide || !column.wide_only).collect();
        let headers: Vec<_> = shown.iter().map(|column| column.header).collect();
        let mut table = Table::plain(&headers);
        table.flexible = (0..shown.len()).filter(|at| shown[*at].flexible).collect();
        table.wide = wide;
        for row in rows {
            table.push(shown.iter().map(|column| (column.cell)(row)));
        }
        table
    }

    /// Builds an empty table from headers alone.
    pub fn plain(headers: &[&str]) -> Table {
        Table {
            headers: headers.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
            flexible: Vec::new(),
            show_headers: true,
            wide: false,
        }
    }

    /// Adds a row.
    pub fn push<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(Row::Cells(cells.into_iter().map(Into::into).collect()));
    }

    /// Adds a line drawn across the table with a text in it.
    pub fn rule(&mut self, text: &str) {
        self.rows.push(Row::Rule(escape::cell(text).into_owned()));
    }

    /// Lets the named column be shortened where the terminal is too narrow.
    pub fn shorten(mut self, header: &str) -> Table {
        self.flexible.extend(self.headers.iter().position(|h| h == header));
        self
    }

    /// Leaves out the headers when told to.
    pub fn no_headers(mut self, no_headers: bool) -> Table {
        self.show_headers = !no_headers;
        self
    }

    /// Returns how many lines stand above the rows.
    pub fn head(&self) -> usize {
        usize::from(self.show_headers && !self.headers.is_empty())
    }

    /// Returns whether the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints the table to stdout; without rows nothing, as kubectl.
    pub fn print(&self, ui: &mut Ui) {
        let width = if self.wide { None } else { ui.width() };
        let text = self.render(width, ui.stdout_has_color());
        ui.out(&text);
    }

    /// Renders the table, within a width if one is given.
    pub fn render(&self, width: Option<usize>, color: bool) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let grid = self.grid(width);
        let widths = column_widths(&grid);
        let mut lines = layout(&grid);
        let mut out = String::new();
        if self.show_headers && !self.headers.is_empty() {
            push_line(&mut out, &lines.next().unwrap_or_default());
        }
        let mut texts = grid.iter().skip(usize::from(self.show_headers));
        for row in &self.rows {
            match row {
                Row::Rule(text) => push_line(&mut out, &drawn(text, &widths)),
                Row::Cells(cells) => {
                    let (line, texts) = (lines.next().unwrap_or_default(), texts.next());
                    match texts {
                        Some(texts) if color => push_line(&mut out, &painted(&line, texts, &widths, cells)),
                        Some(_) | None => push_line(&mut out, &line),
                    }
                }
            }
        }
        out
    }

    /// Returns the texts as they will show: the headers if wanted, then the rows, the flexible column shortened.
    fn grid(&self, width: Option<usize>) -> Vec<Vec<String>> {
        let rows = self.rows.iter().filter_map(|row| match row {
            Row::Cells(cells) => Some(cells),
            Row::Rule(_) => None,
        });
        let headers = self.show_headers.then(|| self.headers.clone());
        let whole: Vec<Vec<String>> = headers
            .clone()
            .into_iter()
            .chain(rows.clone().map(|cells| cells.iter().map(|cell| cell.text.clone()).collect()))
            .collect();
        let Some(limit) = width else { return whole };
        let rooms = self.rooms(column_widths(&whole), limit);
        let shortened = rows.map(|cells| {
            let text = |(at, cell): (usize, &Cell)| match self.flexible.contains(&at) {
                true => cell.shortened(rooms[at]),
                false => cell.text.clone(),
            };
            cells.iter().enumerate().map(text).collect()
        });
        headers.into_iter().chain(shortened).collect()
    }

    /// Returns the columns' widths, with the flexible ones narrowed until the table fits, the widest of them first.
    fn rooms(&self, mut widths: Vec<usize>, limit: usize) -> Vec<usize> {
        let header = |at: usize| if self.show_headers { get_line_width(&self.headers[at]) } else { 0 };
        let gaps = GAP * widths.len().saturating_sub(1);
        for least in LEAST_FLEXIBLE {
            while widths.iter().sum::<usize>() + gaps > limit {
                let narrowable = |at: &usize| widths[*at] > header(*at).max(least);
                let widest = self.flexible.iter().copied().filter(narrowable).max_by_key(|at| widths[*at]);
                let Some(widest) = widest else { break };
                widths[widest] -= 1;
            }
        }
        widths
    }
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn column_widths(grid: &[Vec<String>]) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in grid {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, text) in widths.iter_mut().zip(row) {
            *width = (*width).max(get_line_width(text));
        }
    }
    widths
}

/// Lays the texts out in columns and gives the lines, without blanks at their ends.
fn layout(grid: &[Vec<String>]) -> impl Iterator<Item = String> {
    let mut builder = Builder::default();
    for row in grid {
        builder.push_record(row);
    }
    let mut table = builder.build();
    table.with(Borders::empty()).with(Padding::new(0, GAP, 0, 0));
    let text = if grid.is_empty() { String::new() } else { table.to_string() };
    text.lines().map(|line| line.trim_end().to_string()).collect::<Vec<_>>().into_iter()
}

/// Paints the cells of a laid out line, which stand where the widths say.
fn painted(line: &str, texts: &[String], widths: &[usize], cells: &[Cell]) -> String {
    let mut out = String::new();
    let mut rest = line;
    for ((text, width), cell) in texts.iter().zip(widths).zip(cells) {
        // A text with blanks at its end may have lost them to the trimming.
        let (shown, tail) = rest.split_at(text.len().min(rest.len()));
        match cell.style {
            Some(style) if !shown.is_empty() => out.push_str(&style.wrap(shown)),
            Some(_) | None => out.push_str(shown),
        }
        let blanks = (width - get_line_width(text) + GAP).min(tail.len());
        let (gap, tail) = tail.split_at(blanks);
        out.push_str(gap);
        rest = tail;
    }
    out
}

fn drawn(text: &str, widths: &[usize]) -> String {
    let total: usize = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let line = format!("── {text} ");
    let missing = total.saturating_sub(get_line_width(&line));
    format!("{line}{}", "─".repeat(missing)).trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pod {
        name: &'static str,
        ready: usize,
        image: &'static str,
    }

    const PODS: [Pod; 2] = [
        Pod { name: "web-1", ready: 1, image: "nginx:1.9.1" },
        Pod { name: "web-10", ready: 0, image: "<none>" },
    ];

    fn columns() -> Vec<Column<'static, Pod>> {
        vec![
            Column::new("NAME", |pod: &Pod| pod.name),
            Column::new("READY", |pod: &Pod| pod.ready),
            Column::new("IMAGE", |pod: &Pod| pod.image).wide(),
        ]
    }

    #[test]
    fn a_table_looks_like_kubectls() {
        let table = Table::of(&columns(), &PODS, false);
        assert_eq!(table.render(None, false), "NAME     READY\nweb-1    1\nweb-10   0\n");
    }

    #[test]
    fn wide_shows_all_columns_and_headers_can_be_left_out() {
        let table = Table::of(&columns(), &PODS, true);
        assert_eq!(
            table.render(None, false),
            "NAME     READY   IMAGE\nweb-1    1       nginx:1.9.1\nweb-10   0       <none>\n"
        );
        let table = Table::of(&columns(), &PODS, false).no_headers(true);
        assert_eq!(table.render(None, false), "web-1    1\nweb-10   0\n");
    }

    #[test]
    fn no_rows_print_nothing() {
        assert_eq!(Table::of(&columns(), &[], false).render(None, false), "");
    }

    #[test]
    fn an_empty_last_cell_leaves_no_blanks() {
        let mut table = Table::plain(&["A", "B"]);
        table.push(["long-name", ""]);
        table.push(["", "x"]);
        assert_eq!(table.render(None, false), "A           B\nlong-name\n            x\n");
    }

    #[test]
    fn one_value_is_one_cell() {
        let mut table = Table::plain(&["NAME", "CHANGE-CAUSE"]);
        table.push(["a", "harmless\nweb   true   forged row"]);
        table.push(["b", "\u{1b}[2Jgone\ttab"]);
        assert_eq!(
            table.render(None, false),
            "NAME   CHANGE-CAUSE\na      harmless...\nb      ^[[2Jgone\\ttab\n"
        );
    }

    #[test]
    fn wide_characters_are_aligned() {
        let mut table = Table::plain(&["NAME", "B"]);
        table.push(["日本", "x"]);
        table.push(["ab", "y"]);
        assert_eq!(table.render(None, false), "NAME   B\n日本   x\nab     y\n");
    }

    #[test]
    fn only_the_flexible_column_is_shortened_and_only_as_far_as_needed() {
        let mut table = Table::plain(&["NAME", "CHANGED", "AGE"]).shorten("CHANGED");
        table.push(["web", "nginx 1.7.9 -> 1.9.1; +1 env", "5s"]);
        table.push(["db", "short", "10m"]);
        let whole = "NAME   CHANGED                        AGE\n\
                     web    nginx 1.7.9 -> 1.9.1; +1 env   5s\n\
                     db     short                          10m\n";
        assert_eq!(table.render(None, false), whole);
        assert_eq!(table.render(Some(41), false), whole);
        let fitted = table.render(Some(30), false);
        assert_eq!(
            fitted,
            "NAME   CHANGED             AGE\n\
             web    nginx 1.7.9 -> 1…   5s\n\
             db     short               10m\n"
        );
        assert!(table.render(Some(10), false).contains("nginx 1…"), "never below its least width");
    }

    #[test]
    fn of_several_flexible_columns_the_widest_gives_way_first() {
        let mut table = Table::plain(&["A", "B", "C"]).shorten("A").shorten("B");
        table.push(["x".repeat(60), "y".repeat(20), "z".to_string()]);
        let widths = |limit: usize| -> Vec<usize> {
            let text = table.render(Some(limit), false);
            text.lines().nth(1).into_iter().flat_map(str::split_whitespace).map(get_line_width).collect()
        };
        assert_eq!(widths(80), [53, 20, 1]);
        assert_eq!(widths(37), [15, 15, 1]);
    }

    #[test]
    fn the_rest_of_a_table_stays_whole_on_a_narrow_terminal() {
        let mut table = Table::plain(&["NAME"]);
        table.push(["a-rather-long-name-of-a-pod"]);
        assert_eq!(table.render(Some(10), false), "NAME\na-rather-long-name-of-a-pod\n");
    }

    #[test]
    fn cells_are_painted_without_moving_the_columns() {
        let mut table = Table::plain(&["NAME", "STATE", "AGE"]);
        table.push([
            Cell::from("日本"),
            Cell::from("failed").styled(Style::Bad),
            Cell::from("5s").styled(Style::Dim),
        ]);
        let painted = table.render(None, true);
        assert_eq!(
            painted,
            "NAME   STATE    AGE\n日本   \u{1b}[1m\u{1b}[31mfailed\u{1b}[0m   \u{1b}[2m5s\u{1b}[0m\n"
        );
        assert_eq!(table.render(None, false), "NAME   STATE    AGE\n日本   failed   5s\n");
    }

    #[test]
    fn a_rule_is_drawn_across() {
        let mut table = Table::plain(&["POD", "SIDE"]);
        table.push(["web-2", "updated-side"]);
        table.rule("partition 2");
        table.push(["web-1", "old"]);
        assert_eq!(
            table.render(None, true),
            "POD     SIDE\nweb-2   updated-side\n── partition 2 ─────\nweb-1   old\n"
        );
    }

    #[test]
    fn only_a_terminal_narrows_what_is_printed() {
        for (terminal, shortened) in [(true, true), (false, false)] {
            let (mut ui, captured) = Ui::captured_terminal("", terminal);
            let mut table = Table::plain(&["CAUSE"]).shorten("CAUSE");
            table.push(["x".repeat(100)]);
            table.print(&mut ui);
            assert_eq!(captured.stdout().contains('…'), shortened);
        }
    }
}
