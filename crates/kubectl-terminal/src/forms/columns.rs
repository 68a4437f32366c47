//! `-o custom-columns=NAME:.path,…` by kubectl's rules (k8s.io/kubectl, `pkg/cmd/get/customcolumn.go`): JSONPath with or
//! without its braces and its first dot, `<none>` for what is not there, several values joined by commas. A value is one
//! cell whatever it holds, which kubectl leaves to its reader.

use std::fmt::Write as _;

use console::measure_text_width;
use serde_json::Value;

use super::json;
use super::jsonpath::{JsonPathError, Template};
use crate::escape;

/// The least that a column takes, and the blanks behind it: those of kubectl's tab writer.
const LEAST: usize = 6;
const GAP: usize = 3;

const NO_COLUMNS: &str = "custom-columns format specified but no custom columns given";

/// What is wrong with somebody's columns, in kubectl's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadColumns(String);

/// Columns that somebody asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    columns: Vec<(String, Template)>,
    headers: bool,
}

impl Columns {
    /// Reads a list of `HEADER:path`, taken apart at its commas.
    pub fn parse(spec: &str) -> Result<Columns, BadColumns> {
        if spec.is_empty() {
            return Err(BadColumns(NO_COLUMNS.to_string()));
        }
        let column = |part: &str| match part.split_once(':') {
            Some((header, path)) => Ok((header.to_string(), relaxed(path)?)),
            None => Err(BadColumns(format!(
                "unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
            ))),
        };
        Columns::of(spec.split(',').map(column))
    }

    /// Reads the lines of a file, which may not be left out.
    pub fn from_file(path: &str) -> Result<Columns, BadColumns> {
        if path.is_empty() {
            return Err(BadColumns(NO_COLUMNS.to_string()));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| BadColumns(format!("error reading template {path}, {error}")))?;
        Columns::parse_lines(&text)
    }

    /// Reads two lines, of headers and of paths between blanks.
    fn parse_lines(text: &str) -> Result<Columns, BadColumns> {
        let mut lines = text.lines();
        let mut line = |what: &str| {
            lines.next().map(|line| line.split_whitespace().collect::<Vec<_>>()).ok_or_else(|| {
                BadColumns(format!(
                    "invalid template, missing {what} line. Expected format is one line of space separated headers, one line of space separated column specs."
                ))
            })
        };
        let (headers, paths) = (line("header")?, line("spec")?);
        if headers.len() != paths.len() {
            let (headers, paths) = (headers.len(), paths.len());
            return Err(BadColumns(format!(
                "number of headers ({headers}) and field specifications ({paths}) don't match"
            )));
        }
        Columns::of(headers.iter().zip(paths).map(|(header, path)| Ok((header.to_string(), relaxed(path)?))))
    }

    fn of(
        columns: impl Iterator<Item = Result<(String, Template), BadColumns>>,
    ) -> Result<Columns, BadColumns> {
        Ok(Columns { columns: columns.collect::<Result<_, _>>()?, headers: true })
    }

    /// Leaves out the headers when told to.
    pub fn no_headers(mut self, no_headers: bool) -> Columns {
        self.headers = !no_headers;
        self
    }

    /// Lays out a row for a document, or for each item of a list.
    pub fn render(&self, document: &Value) -> Result<String, JsonPathError> {
        self.render_below(document, &mut Vec::new())
    }

    /// Does the same below what was laid out before: columns are as wide as there, or wider.
    pub(super) fn render_below(
        &self,
        document: &Value,
        widths: &mut Vec<usize>,
    ) -> Result<String, JsonPathError> {
        let rows = json::items(document).iter().map(|item| self.row(item));
        let headers = self.columns.iter().map(|(header, _)| escape::cell(header).into_owned()).collect();
        let mut grid = if self.headers { vec![headers] } else { Vec::new() };
        for row in rows {
            grid.push(row?);
        }
        Ok(layout(&grid, widths))
    }

    fn row(&self, item: &Value) -> Result<Vec<String>, JsonPathError> {
        self.columns.iter().map(|(_, path)| cell(path, item)).collect()
    }
}

/// Returns the template that a path means: `name`, `.name`, `{name}` and `{.name}` are the same.
fn relaxed(path: &str) -> Result<Template, BadColumns> {
    let inner = path.strip_prefix('{').map_or(Some(path), |rest| rest.strip_suffix('}'));
    let inner = inner.map(|inner| inner.strip_prefix('.').filter(|rest| !rest.is_empty()).unwrap_or(inner));
    let template = match inner {
        // A column of nothing.
        Some("") if path.is_empty() => String::new(),
        Some(inner) if !inner.is_empty() && !inner.contains(['{', '}']) => format!("{{.{inner}}}"),
        Some(_) | None => {
            return Err(BadColumns(
                "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'"
                    .to_string(),
            ));
        }
    };
    Template::parse(&template).map_err(|error| BadColumns(error.to_string()))
}

fn cell(path: &Template, item: &Value) -> Result<String, JsonPathError> {
    let mut actions = 0;
    let mut texts = Vec::new();
    path.find(item, &mut |found| {
        if actions == 0 && found.is_empty() {
            texts.push("<none>".to_string());
        }
        actions += 1;
        texts.extend(found.iter().map(|value| {
            let mut text = String::new();
            plain(value, &mut text);
            text
        }));
    })?;
    let text = if actions == 0 { "<none>".to_string() } else { texts.join(",") };
    Ok(escape::cell(&text).into_owned())
}

/// Writes a value as Go prints one: maps by their keys' order, nothing in quotes.
fn plain(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(it) => drop(write!(out, "{it}")),
        Value::Number(it) => match it.as_f64().filter(|_| it.is_f64()) {
            Some(number) => out.push_str(&float(number)),
            None => drop(write!(out, "{it}")),
        },
        Value::String(it) => out.push_str(it),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { " " } else { "" });
                plain(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            out.push_str("map[");
            for (at, (name, field)) in fields.into_iter().enumerate() {
                let _ = write!(out, "{}{name}:", if at > 0 { " " } else { "" });
                plain(field, out);
            }
            out.push(']');
        }
    }
}

/// Writes a number as Go's `%v`: with an exponent of two digits at least where it is very small or very large.
fn float(number: f64) -> String {
    if number == 0.0 || (1e-4..1e21).contains(&number.abs()) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |it| ('-', it));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

/// Lays out lines as kubectl's tab writer does.
fn layout(grid: &[Vec<String>], widths: &mut Vec<usize>) -> String {
    widths.resize(grid.first().map_or(widths.len(), Vec::len), LEAST);
    for row in grid {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = (*width).max(measure_text_width(text) + GAP);
        }
    }
    let mut out = String::new();
    for row in grid {
        for (at, (text, width)) in row.iter().zip(&*widths).enumerate() {
            out.push_str(text);
            if at + 1 < row.len() {
                out.extend(std::iter::repeat_n(' ', width - measure_text_width(text)));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "kind": "Nodes",
            "workload": {"name": "web", "uid": "u"},
            "nodes": [{"node": "a", "ready": true}, {"node": "b", "ready": false}],
            "images": {"web": "nginx:1.9.1", "app": "app:2"},
            "share": 0.5, "none": null, "empty": [], "small": 0.000_01, "words": "a\nforged   row\u{1b}[2J",
        })
    }

    fn printed(spec: &str) -> String {
        match Columns::parse(spec) {
            Ok(columns) => columns.render(&document()).unwrap_or_else(|error| format!("error: {error}")),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn cells_are_what_kubectl_prints() {
        for (spec, cell) in [
            ("X:.kind", "Nodes"),
            ("X:kind", "Nodes"),
            ("X:{kind}", "Nodes"),
            ("X:{.workload.name}", "web"),
            ("X:.nodes[*].node", "a,b"),
            ("X:.nodes[?(@.ready==true)].node", "a"),
            ("X:.nodes[5:6].node", "error: array index out of bounds: index 5, length 2"),
            ("X:.missing.field", "<none>"),
            ("X:", "<none>"),
            ("X:.none", "<nil>"),
            ("X:.images", "map[app:app:2 web:nginx:1.9.1]"),
            ("X:.nodes", "[map[node:a ready:true] map[node:b ready:false]]"),
            ("X:.empty", "[]"),
            ("X:.empty[*]", "<none>"),
            ("X:.share", "0.5"),
            ("X:.small", "1e-05"),
            ("X:..node", "a,b"),
        ] {
            let expected = if cell.starts_with("error") { cell.to_string() } else { format!("X\n{cell}\n") };
            assert_eq!(printed(spec), expected, "{spec}");
        }
        assert_eq!([1e21, 1.5e-7, 0.0, 100.0].map(float), ["1e+21", "1.5e-07", "0", "100"]);
    }

    #[test]
    fn columns_stand_where_kubectls_stand_and_one_value_is_one_cell() {
        assert_eq!(
            printed("A:.kind,B:.share,NAME:.workload.name"),
            "A       B     NAME\nNodes   0.5   web\n"
        );
        assert_eq!(printed("Q:.workload.uid,R:.workload.uid"), "Q     R\nu     u\n");
        assert_eq!(printed("A:.words,B:.kind"), "A      B\na...   Nodes\n");
        let columns = Columns::parse("A:.kind").unwrap().no_headers(true);
        let list = json!({"kind": "List", "items": [document(), document()]});
        assert_eq!(columns.render(&list).unwrap(), "Nodes\nNodes\n");
        assert_eq!(columns.render(&json!({"kind": "List", "items": []})).unwrap(), "");
    }

    #[test]
    fn what_is_wrong_is_said_in_kubectls_words() {
        for (spec, message) in [
            ("", "custom-columns format specified but no custom columns given"),
            ("NAME", "unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>"),
            ("A:.kind,B", "unexpected custom-columns spec: B, expected <header>:<json-path-expr>"),
            (
                "A:{.a}{.b}",
                "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'",
            ),
            ("A:.a[", "unterminated array"),
        ] {
            assert_eq!(Columns::parse(spec).unwrap_err().to_string(), message, "{spec}");
        }
    }

    #[test]
    fn a_file_holds_a_line_of_headers_and_one_of_paths() {
        let columns = Columns::parse_lines("NAME    KIND\n.workload.name  {kind}\nmore\n").unwrap();
        assert_eq!(columns.render(&document()).unwrap(), "NAME   KIND\nweb    Nodes\n");
        for (text, message) in [
            ("", "invalid template, missing header line."),
            ("NAME\n", "invalid template, missing spec line."),
            ("NAME KIND\n.kind\n", "number of headers (2) and field specifications (1) don't match"),
        ] {
            let error = Columns::parse_lines(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
