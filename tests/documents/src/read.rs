//! Reads what was printed: one document or several, events before them as lines of JSON.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Deserializer, Value};

use crate::command::Form;

/// Reads the schemas of a folder, by their kinds.
pub(crate) fn folder(folder: &Path) -> io::Result<Vec<(String, Value)>> {
    let mut schemas = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        schemas.push((kind, serde_json::from_str(&fs::read_to_string(path)?)?));
    }
    Ok(schemas)
}

/// Reads documents; of a text that is `cut` those that are whole.
pub(crate) fn documents(text: &str, form: Form, cut: bool) -> Result<Vec<Value>, String> {
    match form {
        Form::Json => {
            let mut documents = Vec::new();
            for document in Deserializer::from_str(text).into_iter() {
                match document {
                    Ok(document) => documents.push(document),
                    Err(error) if cut && error.is_eof() => break,
                    Err(error) => return Err(format!("no JSON: {error}\n{text}")),
                }
            }
            Ok(documents)
        }
        Form::Yaml => {
            let event = |line: &str| serde_json::from_str(line).ok().filter(Value::is_object);
            let mut documents: Vec<Value> = text.lines().map_while(event).collect();
            let rest: Vec<&str> = text.lines().skip(documents.len()).collect();
            let mut parts: Vec<String> =
                rest.split(|line| *line == "---").map(|lines| lines.join("\n")).collect();
            if cut {
                parts.pop();
            }
            for part in parts.iter().filter(|part| !part.trim().is_empty()) {
                documents
                    .push(serde_yaml::from_str(part).map_err(|error| format!("no YAML: {error}\n{part}"))?);
            }
            Ok(documents)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_read_one_after_the_other() {
        let of = |text: &str, form| documents(text, form, false);
        let both = Ok(vec![json!({"a": 1}), json!({"b": "yes"})]);
        assert_eq!(of("{\"a\":1}\n{\n  \"b\": \"yes\"\n}\n", Form::Json), both);
        assert_eq!(of("{\"a\":1}\nb: \"yes\"\n", Form::Yaml), both);
        assert_eq!(of("a: 1\n---\nb: \"yes\"\n", Form::Yaml), both);
        assert_eq!(of("---\n{\n  a: 1,\n}\n---\n{\n  b: \"yes\",\n}\n", Form::Yaml), both);
        assert_eq!(of("", Form::Yaml), Ok(Vec::new()));
        assert!(of("{\"a\":1}\nwarning\n", Form::Json).is_err());
        assert!(of("{\"a\":1}\n{\"b\":", Form::Json).is_err());
        assert_eq!(documents("{\"a\":1}\n{\"b\":", Form::Json, true), Ok(vec![json!({"a": 1})]));
        assert_eq!(documents("a: 1\n---\nb: ye", Form::Yaml, true), Ok(vec![json!({"a": 1})]));
    }
}
