//! What a program prints for programs, held against the schemas of its documents.

mod command;
mod read;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

pub use command::fault;

/// The schemas of all kinds.
#[derive(Debug)]
pub struct Schemas(BTreeMap<String, Validator>);

impl Schemas {
    /// Takes the schemas of these kinds.
    ///
    /// # Panics
    ///
    /// When one is no schema.
    pub fn of<'a>(schemas: impl IntoIterator<Item = (String, &'a Value)>) -> Schemas {
        let options = || jsonschema::options().should_validate_formats(true);
        let built = |schema: &Value| options().build(schema).unwrap_or_else(|error| panic!("{error}"));
        Schemas(schemas.into_iter().map(|(kind, schema)| (kind, built(schema))).collect())
    }

    /// Returns those that the documentation has, which its generator's tests hold current.
    ///
    /// # Panics
    ///
    /// When they cannot be read.
    pub fn kept() -> &'static Schemas {
        static KEPT: OnceLock<Schemas> = OnceLock::new();
        KEPT.get_or_init(|| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/v1alpha1");
            let files: Vec<(String, Value)> = read::folder(&folder)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
                .into_iter()
                .collect();
            Schemas::of(files.iter().map(|(kind, schema)| (kind.clone(), schema)))
        })
    }

    /// Holds a document against the schema of its kind, and each that is in it against its own.
    ///
    /// # Errors
    ///
    /// With what is wrong, where, and the document.
    pub fn check(&self, document: &Value) -> Result<(), String> {
        let kind = match (&document["kind"], document.get("type").and(document.get("object"))) {
            (Value::String(kind), _) => kind,
            (_, Some(object)) => {
                self.check(object)?;
                "WatchEvent"
            }
            (_, None) => return Err(format!("a document without a kind: {document:#}")),
        };
        if kind == "List" {
            document["items"].as_array().into_iter().flatten().try_for_each(|item| self.check(item))?;
        }
        let Some(validator) = self.0.get(kind) else {
            return Err(format!("a document of an unknown kind: {document:#}"));
        };
        let faults: Vec<String> = validator
            .iter_errors(document)
            .map(|error| format!("{kind}{}: {error}", error.instance_path()))
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(format!("{}\nin {document:#}", faults.join("\n"))) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result() -> Value {
        json!({
            "apiVersion": "rollout-plugins.dev/v1alpha1",
            "kind": "Result",
            "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
            "outcome": "complete",
            "exitCode": 0,
            "startedAt": "2026-01-01T00:00:00Z",
            "endedAt": "2026-01-01T00:00:05Z",
        })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut document = result();
        document[field] = value;
        document
    }

    /// Returns where the kept schemas find fault.
    fn fault_of(document: &Value) -> String {
        let fault = Schemas::kept().check(document).unwrap_err();
        fault.lines().next().unwrap_or_default().to_string()
    }

    #[test]
    fn a_document_as_it_is_printed_has_no_fault() {
        assert_eq!(Schemas::kept().check(&result()), Ok(()));
        let list = json!({"apiVersion": "rollout-plugins.dev/v1alpha1", "kind": "List", "items": [result()]});
        assert_eq!(Schemas::kept().check(&list), Ok(()));
    }

    #[test]
    fn a_made_up_field_outcome_time_or_exit_code_is_a_fault_and_so_is_what_is_missing() {
        let fault = fault_of(&with("mood", json!("good")));
        assert!(fault.starts_with("Result: ") && fault.contains("mood"), "{fault}");
        let fault = fault_of(&with("outcome", json!("splendid")));
        assert!(fault.starts_with("Result/outcome: ") && fault.contains("splendid"), "{fault}");
        let fault = fault_of(&with("exitCode", json!(3)));
        assert!(fault.starts_with("Result/exitCode: "), "{fault}");
        let fault = fault_of(&with("endedAt", json!("yesterday")));
        assert!(fault.starts_with("Result/endedAt: "), "{fault}");
        let mut workload = result()["workload"].take();
        workload["color"] = json!("red");
        let fault = fault_of(&with("workload", workload));
        assert!(fault.starts_with("Result/workload: ") && fault.contains("color"), "{fault}");
        let mut document = result();
        document.as_object_mut().unwrap().remove("outcome");
        let fault = fault_of(&document);
        assert!(fault.starts_with("Result: ") && fault.contains("outcome"), "{fault}");
    }

    #[test]
    fn an_event_has_the_fields_of_what_happened_and_no_other() {
        let event = |fields: Value| {
            let mut event = json!({
                "apiVersion": "rollout-plugins.dev/v1alpha1",
                "kind": "Event",
                "workload": {"apiVersion": "apps/v1", "kind": "StatefulSet", "namespace": "x", "name": "db"},
                "time": "2026-01-01T00:00:00Z",
            });
            event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            Schemas::kept().check(&event)
        };
        let act = json!({"event": "deleting", "pod": "db-0", "why": "blocks"});
        assert_eq!(event(act.clone()), Ok(()));
        assert_eq!(event(json!({"event": "not-done", "act": act})), Ok(()));
        assert_eq!(event(json!({"event": "passed"})), Ok(()));
        assert!(event(json!({"event": "passed", "pod": "db-0"})).is_err());
        assert!(event(json!({"event": "sighing"})).is_err());
        assert!(event(json!({"event": "deleting", "pod": "db-0"})).is_err());
        assert!(event(json!({"event": "not-done", "act": {"event": "deleting", "pod": "db-0"}})).is_err());
    }

    #[test]
    fn a_kind_that_nobody_knows_is_a_fault_in_a_list_and_in_a_watch_too() {
        let unknown = with("kind", json!("Outcome"));
        assert!(Schemas::kept().check(&unknown).is_err());
        let list = json!({"apiVersion": "rollout-plugins.dev/v1alpha1", "kind": "List", "items": [unknown]});
        assert!(Schemas::kept().check(&list).is_err());
        // What is watched are states.
        assert!(Schemas::kept().check(&json!({"type": "ADDED", "object": result()})).is_err());
        assert!(Schemas::kept().check(&json!({"mood": "good"})).is_err());
    }
}
