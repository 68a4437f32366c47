//! What became of a change, for a step summary of GitHub or a chat: documents in, markdown out.
//!
//! What stands in a document is a cluster's or somebody's: it is escaped and bounded, so that it forms no link, no mention and no
//! heading, and no page that nobody can open.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kubectl_terminal::escape;
use kubectl_terminal::forms::{Maker, OutputForm, json};
use serde_json::Value;

use super::{CliError, Exit};

/// `-o markdown`.
pub const MARKDOWN: OutputForm = OutputForm::Made(Maker { name: "markdown", make: of_one });

/// How many workloads are told of.
const WORKLOADS: usize = 50;
/// How many changes, causes and hints of each.
const ITEMS: usize = 10;
/// How many of the last lines of a log.
const LINES: usize = 20;
/// How many characters of one value.
const CHARACTERS: usize = 500;

/// The file that a summary is added to.
#[derive(Debug)]
pub(super) struct SummaryFile {
    path: PathBuf,
    file: File,
}

impl SummaryFile {
    /// Opens it, and makes it where it is not there.
    pub(super) fn open(path: &Path) -> Result<SummaryFile, CliError> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file =
            file.map_err(|error| CliError::usage(format!("--summary: {}: {error}", path.display())))?;
        Ok(SummaryFile { path: path.to_path_buf(), file })
    }

    /// Adds what became of workloads.
    pub(super) fn add(mut self, documents: &[Value]) -> Result<(), CliError> {
        let text = markdown(documents);
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| CliError::failed(format!("--summary: {}: {error}", self.path.display())))
    }
}

/// A list is what is in it.
fn of_one(document: &Value) -> String {
    markdown(json::items(document))
}

/// Returns the summary of documents, those that failed first.
fn markdown(documents: &[Value]) -> String {
    let mut sorted: Vec<&Value> = documents.iter().collect();
    sorted.sort_by_key(|document| rank(document));
    let mut text: String = sorted.iter().take(WORKLOADS).map(|document| section(document)).collect();
    if let Some(more @ 1..) = sorted.len().checked_sub(WORKLOADS) {
        let _ = writeln!(text, "… and {more} more\n");
    }
    text
}

fn rank(document: &Value) -> usize {
    let code = document.get("exitCode").and_then(Value::as_u64);
    Exit::WORST_FIRST.iter().position(|exit| Some(u64::from(exit.code())) == code).unwrap_or(usize::MAX)
}

fn section(document: &Value) -> String {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let name = match (text("/workload/kind"), text("/workload/name")) {
        (Some(kind), Some(name)) => format!("{}/{name}", kind.to_ascii_lowercase()),
        (_, _) => "request".to_string(),
    };
    let outcome = match text("/kind") {
        Some("Plan") => "planned",
        Some("Error") => "error",
        _ => text("/outcome").or(text("/state")).unwrap_or("ended"),
    };
    let mut out = format!("### {}: {}{}\n\n", plain(&name), plain(outcome), revisions(document));
    let planned = document.get("plan");
    let plan = planned.unwrap_or(document);
    list(&mut out, &items(plan, "changes").map(changed).collect::<Vec<_>>());
    let status = document.get("status").unwrap_or(document);
    if let Some(standing) = standing(status) {
        let _ = writeln!(out, "{standing}\n");
    }
    let causes: Vec<&Value> = items(document, "causes").collect();
    // Why it was taken back is not what it is like now.
    let causes = if causes.is_empty() { items(status, "causes").collect() } else { causes };
    list(&mut out, &causes.into_iter().map(cause).collect::<Vec<_>>());
    let warnings = planned.into_iter().flat_map(|plan| items(plan, "warnings"));
    list(&mut out, &warnings.chain(items(document, "warnings")).map(cause).collect::<Vec<_>>());
    if let Some(message) = text("/error/message") {
        let _ = writeln!(out, "{}\n", plain(message));
    }
    let hints = document.pointer("/error/hints").and_then(Value::as_array).into_iter().flatten();
    let hints = hints.chain(status.get("hint")).filter_map(Value::as_str);
    for hint in hints.take(ITEMS) {
        let _ = writeln!(out, "hint: {}\n", plain(hint));
    }
    out
}

/// Writes items, not all of many.
fn list(out: &mut String, items: &[String]) {
    items.iter().take(ITEMS).for_each(|item| out.push_str(item));
    if let Some(more @ 1..) = items.len().checked_sub(ITEMS) {
        let _ = writeln!(out, "- … and {more} more");
    }
    if !items.is_empty() {
        out.push('\n');
    }
}

fn items<'v>(document: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    document.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn revisions(document: &Value) -> String {
    let number = |field: &str| document.get(field).and_then(Value::as_u64);
    match (number("fromRevision"), number("toRevision"), number("revision")) {
        (Some(from), Some(to), _) => format!(" (revision {from} to {to})"),
        (None, Some(one), _) | (None, None, Some(one)) => format!(" (revision {one})"),
        (Some(from), None, _) => format!(" (from revision {from})"),
        (None, None, None) => String::new(),
    }
}

fn standing(status: &Value) -> Option<String> {
    let number = |field: &str| status.get(field).and_then(Value::as_u64);
    let (updated, desired, available) = (number("updated")?, number("desired")?, number("available")?);
    let revision = number("revision").map_or("the new revision".to_string(), |it| format!("revision {it}"));
    Some(format!("{updated} of {desired} pods are at {revision}, {available} available"))
}

/// A changed field, as far as it is not too long to be read.
fn changed(change: &Value) -> String {
    let path =
        change.get("path").and_then(Value::as_str).filter(|path| !path.is_empty()).unwrap_or("template");
    let value = |field: &str| match change.get(field) {
        Some(Value::String(text)) => code(text),
        Some(value) => code(&value.to_string()),
        None => "nothing".to_string(),
    };
    format!("- {}: {} → {}\n", code(path), value("from"), value("to"))
}

/// A cause or a warning, with what shows it.
fn cause(cause: &Value) -> String {
    let text = |field: &str| cause.get(field).and_then(Value::as_str);
    let mut out = "- ".to_string();
    if let Some(id) = text("id") {
        let _ = write!(out, "**{}**: ", plain(id));
    }
    out += &plain(text("message").unwrap_or_default());
    if let Some(pod) = text("pod").filter(|pod| !text("message").unwrap_or_default().contains(pod)) {
        let _ = write!(out, " (pod {})", plain(pod));
    }
    if let Some(evidence) = text("evidence") {
        let _ = write!(out, "\n  > {}", plain(evidence));
    }
    if let Some(fix) = text("fix") {
        let _ = write!(out, "\n\n  {}", plain(fix));
    }
    let log: Vec<&str> = items(cause, "log").filter_map(Value::as_str).collect();
    if !log.is_empty() {
        let lines: Vec<String> =
            log[log.len().saturating_sub(LINES)..].iter().map(|line| bounded(line)).collect();
        let fence = "`".repeat(lines.iter().map(|line| ticks(line)).max().unwrap_or(0).max(2) + 1);
        let _ = write!(out, "\n\n  {fence}text");
        lines.iter().for_each(|line| out = format!("{out}\n  {line}"));
        let _ = write!(out, "\n  {fence}");
    }
    out + "\n"
}

/// One line, not too long, without control characters.
fn bounded(text: &str) -> String {
    let line = text.split(['\n', '\r']).filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(CHARACTERS).collect();
    let more = if cut.len() < line.len() { "…" } else { "" };
    escape::inline(&cut).into_owned() + more
}

/// Text that is nothing but text: a colon and `www.` make links, an at sign makes mentions, also where they are escaped by a
/// backslash.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for character in bounded(text).chars() {
        match character {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '~' | '&' => {
                out.push('\\');
                out.push(character);
            }
            '@' => out += "@&#8203;",
            _ => out.push(character),
        }
    }
    out.replace("://", "&#58;//").replace("www.", "www&#46;").replace("WWW.", "WWW&#46;")
}

/// Text as code: no run of backticks in it ends it.
fn code(text: &str) -> String {
    let text = bounded(text);
    let fence = "`".repeat(ticks(&text) + 1);
    let blank =
        if text.is_empty() || text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// The longest run of backticks.
fn ticks(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_ending_says_what_was_tried_what_failed_and_what_it_is_now() {
        let cause = json!({"id": "image-pull", "sort": "fails", "message": "image app:2 cannot be pulled", "pod": "web-1",
            "evidence": "not found", "fix": "look at its name", "log": ["one", "```"]});
        let fine = json!({"kind": "Result", "outcome": "complete", "exitCode": 0,
            "workload": {"kind": "DaemonSet", "name": "agent"}});
        let undone = json!({"kind": "Result", "outcome": "undone", "exitCode": 5, "fromRevision": 2, "toRevision": 3,
            "workload": {"kind": "Deployment", "name": "web"}, "causes": [cause],
            "plan": {"changes": [{"path": "spec.containers[app].image", "from": "app:1", "to": "app:2"}],
                "warnings": []},
            "status": {"revision": 3, "desired": 3, "updated": 3, "available": 2, "causes": [{"message": "other"}],
                "hint": "see: kubectl rollback history deployment/web"}});
        let expected = "\
### deployment/web: undone (revision 2 to 3)

- `spec.containers[app].image`: `app:1` → `app:2`

3 of 3 pods are at revision 3, 2 available

- **image-pull**: image app:2 cannot be pulled (pod web-1)
  > not found

  look at its name

  ````text
  one
  ```
  ````

hint: see: kubectl rollback history deployment/web

### daemonset/agent: complete

";
        assert_eq!(markdown(&[fine, undone]), expected);
    }

    #[test]
    fn an_error_is_told_with_its_hints() {
        let error = json!({"kind": "Error", "exitCode": 1,
            "error": {"message": "no matching resources found", "reason": "NotFound", "hints": ["which?"]}});
        assert_eq!(
            markdown(&[error]),
            "### request: error\n\nno matching resources found\n\nhint: which?\n\n"
        );
    }

    #[test]
    fn what_somebody_else_wrote_is_text_and_never_more() {
        for (text, expected) in [
            ("<img src=x onerror=alert(1)>", r"\<img src=x onerror=alert(1)\>"),
            ("[a](http://b) www.c", r"\[a\](http&#58;//b) www&#46;c"),
            ("ends\n# heading\r\n* item", r"ends \# heading \* item"),
            ("@all &amp; \\*", r"@&#8203;all \&amp; \\\*"),
        ] {
            assert_eq!(plain(text), expected);
        }
        assert_eq!([code("a"), code("a``b"), code("`"), code("")], ["`a`", "```a``b```", "`` ` ``", "`  `"]);
        let long = plain(&"x".repeat(100_000));
        assert_eq!(long.chars().count(), CHARACTERS + 1);
        assert!(!plain("\u{1b}[31mred").contains('\u{1b}'));
    }

    #[test]
    fn of_very_many_not_all_is_told() {
        let causes: Vec<Value> = (0..500).map(|it| json!({"id": "x", "message": it.to_string()})).collect();
        let one = json!({"kind": "Result", "outcome": "failed", "exitCode": 3, "causes": causes});
        let text = markdown(&vec![one; 1000]);
        assert!(text.ends_with("… and 950 more\n\n") && text.contains("- … and 490 more\n"), "{text}");
        assert!(text.len() < 50_000, "{}", text.len());
    }
}
