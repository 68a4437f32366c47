//! The JSON Schema of each kind of document, made of the types that print it.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{
    API_VERSION, Body, Diff, Event, History, Nodes, OutcomeWord, Plan, Pods, ResultBody, Status, Strategy,
    Timeline, Watched,
};
use crate::call::document::{Document, List};
use crate::call::failure::Failure;

/// Where schemas are read from: the project's address, which stands in its manifest alone.
pub const ADDRESS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/raw/main/docs/schema/v1alpha1");

/// The schema of a kind of document, which needs no other file.
#[derive(Debug)]
pub struct Schema {
    /// The kind.
    pub kind: &'static str,
    /// Whether such documents are the items of a `List`.
    pub is_item: bool,
    /// The schema.
    pub value: Value,
}

/// Returns the schemas of all documents.
pub fn schemas() -> Vec<Schema> {
    let mut schemas = vec![
        about::<Status<'_>>(true),
        about::<History<'_>>(true),
        about::<Diff<'_>>(true),
        about::<Plan<'_>>(true),
        result(),
        about::<Nodes<'_>>(true),
        about::<Pods<'_>>(true),
        about::<Strategy<'_>>(true),
        headed::<Failure<'_>>("Error", true),
        headed::<Timeline<'_>>("Timeline", false),
        about::<Event<'_>>(false),
    ];
    schemas.push(watched(&schemas[0]));
    schemas.push(list(&schemas));
    schemas
}

/// A document about one workload.
fn about<B: Body + JsonSchema>(is_item: bool) -> Schema {
    let mut schema = headed::<Document<'_, B>>(B::KIND, is_item);
    schema.value["description"] = B::json_schema(&mut generator()).get("description").cloned().into();
    schema
}

fn result() -> Schema {
    let mut schema = about::<ResultBody<'_>>(true);
    let ends = |word: &OutcomeWord| {
        let codes: Vec<u8> = word.exits().iter().map(|exit| exit.code()).collect();
        json!({
            "if": {"properties": {"outcome": {"const": word}}},
            "then": {"properties": {"exitCode": {"enum": codes}}},
        })
    };
    schema.value["allOf"] = OutcomeWord::ALL.iter().map(ends).collect();
    schema
}

/// A document that has the head of all.
fn headed<T: JsonSchema>(kind: &'static str, is_item: bool) -> Schema {
    let mut value = bare::<T>(kind);
    for (field, word) in [("apiVersion", API_VERSION), ("kind", kind)] {
        let field = &mut value["properties"][field];
        *field = json!({"type": "string", "const": word, "description": field["description"]});
    }
    Schema { kind, is_item, value }
}

/// What is watched are states.
fn watched(status: &Schema) -> Schema {
    let kind = "WatchEvent";
    let mut value = bare::<Watched<'_>>(kind);
    let mut definitions = value["$defs"].take();
    let description = value["properties"]["object"]["description"].take();
    value["properties"]["object"] = embedded(status, &mut definitions);
    value["properties"]["object"]["description"] = description;
    value["$defs"] = definitions;
    Schema { kind, is_item: false, value }
}

fn list(others: &[Schema]) -> Schema {
    let mut list = headed::<List>("List", false);
    let mut definitions = json!({});
    let items = others.iter().filter(|it| it.is_item);
    let items: Vec<Value> = items.map(|it| embedded(it, &mut definitions)).collect();
    list.value["properties"]["items"]["items"] = json!({"oneOf": items});
    list.value["$defs"] = definitions;
    list
}

/// Puts a schema among the definitions of another one, and returns what stands for it there.
fn embedded(schema: &Schema, definitions: &mut Value) -> Value {
    let mut whole = schema.value.clone();
    if let Some(whole) = whole.as_object_mut() {
        whole.retain(|key, _| !["$schema", "$id"].contains(&key.as_str()));
        let own = whole.shift_remove("$defs");
        for (name, definition) in own.as_ref().and_then(Value::as_object).into_iter().flatten() {
            definitions[name] = definition.clone();
        }
    }
    let name = format!("{}Document", schema.kind);
    definitions[&name] = whole;
    json!({"$ref": format!("#/$defs/{name}")})
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// What the type says by itself, closed.
fn bare<T: JsonSchema>(kind: &str) -> Value {
    let mut said = Value::from(generator().into_root_schema_for::<T>());
    said["$defs"].as_object_mut().into_iter().flat_map(|it| it.values_mut()).for_each(close);
    close(&mut said);
    let (meta, description, definitions) =
        (said["$schema"].take(), said["description"].take(), said["$defs"].take());
    let mut schema = json!({
        "$schema": meta,
        "$id": format!("{ADDRESS}/{kind}.json"),
        "title": kind,
        "description": description,
    });
    for (keyword, value) in said.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        schema[keyword] = value.clone();
    }
    if !definitions.is_null() {
        schema["$defs"] = definitions;
    }
    schema
}

/// Refuses fields that nobody knows, and null where a field is left out instead.
fn close(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    // Those of Rust's numbers are nobody else's.
    if schema.get("format").is_some_and(|format| format != "date-time") {
        schema.shift_remove("format");
    }
    let fields = schema.contains_key("properties");
    if fields && !schema.contains_key("additionalProperties") {
        let alone = !IN_PLACE.iter().any(|keyword| schema.contains_key(*keyword));
        let keyword = if alone { "additionalProperties" } else { "unevaluatedProperties" };
        schema.insert(keyword.to_string(), json!(false));
    }
    for branch in branches(schema) {
        match fields {
            // It says more about the same object.
            true => within(branch),
            false => close(branch),
        }
    }
    close_fields(schema);
}

/// Keywords whose schemas are about the same value.
const IN_PLACE: [&str; 3] = ["oneOf", "anyOf", "allOf"];

fn branches(schema: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    let lists = schema.iter_mut().filter(|(key, _)| IN_PLACE.contains(&key.as_str()));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten()
}

fn within(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    branches(schema).for_each(within);
    close_fields(schema);
}

fn close_fields(schema: &mut Map<String, Value>) {
    let required: Vec<String> =
        schema.get("required").and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default();
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, field) in fields {
            if !required.contains(name) {
                without_null(field);
            }
            close(field);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        schema.get_mut(keyword).into_iter().for_each(close);
    }
}

/// What may be missing is never null.
fn without_null(field: &mut Value) {
    let Some(field) = field.as_object_mut() else { return };
    if let Some(types) = field.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|it| it != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            field.insert("type".to_string(), one);
        }
    }
    let Some(any) = field.get_mut("anyOf").and_then(Value::as_array_mut) else { return };
    any.retain(|it| it["type"] != "null");
    if let [Value::Object(one)] = any.as_slice() {
        let one = one.clone();
        field.shift_remove("anyOf");
        for (key, value) in one {
            field.entry(key).or_insert(value);
        }
    }
}
