//! The reference of the documents that programs read, made of their schemas.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use plugin_kit::say::documents::OutcomeWord;
use plugin_kit::say::documents::schema::{ADDRESS, Schema, schemas};
use serde_json::{Map, Value};

use crate::Result;

const FILE: &str = "documents.md";

/// Writes `documents.md`.
pub(crate) fn write(folder: &Path) -> Result {
    Ok(fs::write(folder.join(FILE), page())?)
}

/// What is to be known of all of them.
const HEAD: &str = "\
What the plugins print with `-o json`, `yaml` and `kyaml`, and what `jsonpath` and `custom-columns` are asked of. One named object is a document of
its own, any other request a [`List`](#list) of them, with an [`Error`](#error) for each object that failed. Where nothing but an error can be said, the `Error` is
the only document. `--output-watch-events` prints an [`Event`](#event) a line while something is waited for, and the `Result` or `Status` as the last line; `-w`
prints a document each time that it has changed, and with `--output-watch-events` a [`WatchEvent`](#watchevent) a line.

| Document | Printed by |
| --- | --- |
| [`Status`](#status) | `status` |
| [`History`](#history) | `history` |
| [`Diff`](#diff) | `diff` |
| [`Plan`](#plan) | whatever changes something, with `--dry-run` |
| [`Result`](#result) | whatever changes something, and `guard` |
| [`Nodes`](#nodes) | `kubectl dsupdate nodes` |
| [`Pods`](#pods) | `kubectl stspartition pods` |
| [`Strategy`](#strategy) | `kubectl dsupdate strategy` |
| [`Timeline`](#timeline) | `kubectl rollback timeline` |

A field that has no value is left out, and never null. Times are in UTC, in whole seconds. [Causes](../causes.md) and
[warnings](../warnings.md) have pages that say when they are told and what helps; what a check finds around it is [on another](checks.md).
";

/// How the schemas are used, and what may change.
const PROMISE: &str = "\
## What may change

Within `v1alpha1` there may be new kinds, new fields and new values of fields, so that a program passes over what it does not know. A field that is here is
renamed, goes, or changes its meaning only with a line in the changelog. The schemas are those of one version of the plugins, and strict: they refuse what that
version does not print. The whole promise is in the [support policy](../support.md).
";

fn page() -> String {
    let schemas = schemas();
    let notice = crate::cli::NOTICE;
    let mut page = format!("# Documents\n\n{notice}\n\n{HEAD}\n{}\n{PROMISE}", usage());
    for schema in &schemas {
        page.push_str(&document(schema));
    }
    let (words, parts): (Definitions<'_>, Definitions<'_>) =
        definitions(&schemas).into_iter().partition(|(_, definition)| !is_object(definition));
    page.push_str("\n## Parts of documents\n");
    for (name, part) in parts {
        let _ = write!(page, "\n### {name}\n\n{}\n\n{}", described(part), fields(part));
    }
    page.push_str("\n## Words and values\n");
    for (name, value) in words {
        let _ = write!(page, "\n### {name}\n\n{}\n\n{}", described(value), values(name, value));
    }
    page
}

fn usage() -> String {
    format!(
        "Each has a JSON Schema: [`docs/schema/v1alpha1`](../schema/v1alpha1/List.json) has a file for each kind, which needs no other. A pipeline holds what it was \
         given against it with, e.g., [check-jsonschema](https://check-jsonschema.readthedocs.io):\n\n\
         ```sh\n\
         kubectl rollback status deploy/web --watch=false -o json > status.json\n\
         check-jsonschema --schemafile {ADDRESS}/Status.json status.json\n\
         ```\n"
    )
}

/// Definitions by name.
type Definitions<'s> = BTreeMap<&'s str, &'s Value>;

/// Returns all definitions but those of whole documents, and of such without their heads.
fn definitions(schemas: &[Schema]) -> Definitions<'_> {
    let all = schemas.iter().filter_map(|it| it.value["$defs"].as_object()).flatten();
    let named = all.map(|(name, definition)| (name.as_str(), definition));
    let is_kind = |name: &str| schemas.iter().any(|it| it.kind == name);
    named.filter(|(name, _)| !name.ends_with("Document") && !is_kind(name)).collect()
}

fn is_object(schema: &Value) -> bool {
    schema.get("properties").is_some()
}

fn document(schema: &Schema) -> String {
    let Schema { kind, value, .. } = schema;
    let mut text =
        format!("\n## {kind}\n\n{} [Schema](../schema/v1alpha1/{kind}.json)\n\n", described(value));
    text.push_str(&fields(value));
    let happenings = branches(value);
    if !happenings.is_empty() {
        text.push_str("\nWhat happened is told by `event`, and each has fields of its own:\n\n");
        text.push_str("| Event | What happened | Fields |\n| --- | --- | --- |\n");
        for branch in happenings {
            text.push_str(&happening(branch));
        }
    }
    text
}

/// Returns the sorts of an object of which there are several, those within each other too.
fn branches(schema: &Value) -> Vec<&Value> {
    let lists = ["oneOf", "anyOf"].iter().filter_map(|keyword| schema[*keyword].as_array()).flatten();
    lists.flat_map(|it| if is_object(it) { vec![it] } else { branches(it) }).collect()
}

fn happening(branch: &Value) -> String {
    let event = branch["properties"]["event"]["const"].as_str().unwrap_or_default();
    let fields: Vec<String> = properties(branch)
        .filter(|(name, _)| *name != "event")
        .map(|(name, field)| {
            let may_miss = if is_required(branch, name) { "" } else { ", may be missing" };
            format!("`{name}` ({}{may_miss}): {}", sort(field), described(field))
        })
        .collect();
    format!("| `{event}` | {} | {} |\n", described(branch), fields.join("<br>"))
}

fn fields(schema: &Value) -> String {
    let mut table = "| Field | Type | What it is |\n| --- | --- | --- |\n".to_string();
    for (name, field) in properties(schema) {
        let may_miss = if is_required(schema, name) { "" } else { ", may be missing" };
        let _ = writeln!(table, "| `{name}` | {}{may_miss} | {} |", sort(field), described(field));
    }
    table
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flat_map(Map::iter)
}

fn is_required(schema: &Value, field: &str) -> bool {
    schema["required"].as_array().into_iter().flatten().any(|it| it == field)
}

fn described(schema: &Value) -> String {
    let words = schema["description"].as_str().unwrap_or_default();
    words.replace("\n\n", " ").replace('\n', " ").replace('|', "\\|").replace('<', "&lt;")
}

/// Says what can stand in a field.
fn sort(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
        let name = name.strip_suffix("Document").unwrap_or(name);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(word) = schema.get("const") {
        return format!("`{}`", word.as_str().map_or_else(|| word.to_string(), str::to_string));
    }
    if let Some(several) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let sorts: Vec<String> = several.iter().map(event_of).collect();
        return sorts.join(" or ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", sort(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of {}", sort(&schema["additionalProperties"]))
        }
        Some("string") if schema["format"] == "date-time" => "time".to_string(),
        Some(name) => name.to_string(),
        None => "any value".to_string(),
    }
}

/// An act is the fields of its own event.
fn event_of(schema: &Value) -> String {
    match schema["properties"]["event"]["const"].as_str() {
        Some(event) => format!("`{event}`"),
        None => sort(schema),
    }
}

/// Lists the words or values that there are.
fn values(name: &str, schema: &Value) -> String {
    let mut rows = Vec::new();
    list(schema, &mut rows);
    if let Some(all) = schema["enum"].as_array() {
        rows.extend(all.iter().map(|it| (code(it), String::new())));
    }
    if name == "Outcome" {
        let mut table = "| Word | What it means | Exit code |\n| --- | --- | --- |\n".to_string();
        for (word, meaning) in rows {
            let _ = writeln!(table, "| {word} | {meaning} | {} |", exits(&word));
        }
        return table;
    }
    match rows.is_empty() {
        true => format!("{}.\n", sort(schema)),
        false if rows.iter().all(|(_, meaning)| meaning.is_empty()) => {
            rows.into_iter().map(|it| it.0).collect::<Vec<_>>().join(", ") + "\n"
        }
        false => {
            let rows = rows.into_iter().map(|(word, meaning)| format!("| {word} | {meaning} |\n"));
            format!("| Value | What it means |\n| --- | --- |\n{}", rows.collect::<String>())
        }
    }
}

fn list(schema: &Value, rows: &mut Vec<(String, String)>) {
    for it in ["oneOf", "anyOf"].iter().filter_map(|keyword| schema[*keyword].as_array()).flatten() {
        if let Some(word) = it.get("const") {
            rows.push((code(word), described(it)));
        } else if it.get("oneOf").is_some() || it.get("enum").is_some() {
            list(it, rows);
        } else {
            rows.push((sort(it), described(it)));
        }
    }
}

fn code(value: &Value) -> String {
    format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_string))
}

/// Names the exit codes that go with an outcome.
fn exits(word: &str) -> String {
    let outcome = OutcomeWord::ALL.iter().find(|it| it.as_str() == word.trim_matches('`'));
    let codes = outcome.into_iter().flat_map(|it| it.exits()).map(|exit| exit.code().to_string());
    codes.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs;

    #[test]
    fn the_reference_of_documents_is_current() {
        let path = docs().join("reference").join(FILE);
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page(),
            "{} is not what is printed: cargo run -p reference -- all docs",
            path.display()
        );
    }

    #[test]
    fn every_kind_word_and_field_is_in_it_and_is_described() {
        let (page, schemas) = (page(), schemas());
        for schema in &schemas {
            assert!(page.contains(&format!("\n## {}\n", schema.kind)), "{}", schema.kind);
        }
        for outcome in OutcomeWord::ALL {
            assert!(page.contains(&format!("\n| `{}` | ", outcome.as_str())), "{outcome:?}");
        }
        for (name, definition) in definitions(&schemas) {
            assert!(!described(definition).is_empty(), "{name}");
            for (field, schema) in properties(definition) {
                let known = !described(schema).is_empty() && page.contains(&format!("| `{field}` | "));
                assert!(known, "{name}.{field}");
            }
        }
    }

    #[test]
    fn what_leads_to_a_part_leads_somewhere() {
        let page = page();
        for link in page.split("](#").skip(1).filter_map(|it| it.split_once(')')).map(|it| it.0) {
            let heading = |line: &str| line.trim_start_matches('#').trim().to_lowercase() == link;
            assert!(page.lines().filter(|it| it.starts_with('#')).any(heading), "{link}");
        }
    }
}
