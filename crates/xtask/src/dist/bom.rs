//! The bill of materials of a program, in CycloneDX 1.5: what the program's own list says, with the licences.
//!
//! auditable2cdx makes one of that list too, but without licences, without what a crate is to the program, and without the
//! version that the schema asks for; the document is a few fields.

use serde_json::{Value, json};

use super::licences;
use super::linked::{Id, Kind, Part};
use crate::Result;
use crate::sums::sum;

/// Returns the document. Nothing in it tells when or where it was made, so that the same program has the same.
pub(super) fn text(program: &[u8], parts: &[Part]) -> Result<String> {
    let mut root = None;
    let mut components = Vec::new();
    for part in parts {
        match part.kind {
            Kind::Root => {
                let mut component = component(part)?;
                component["hashes"] = json!([{"alg": "SHA-256", "content": sum(program)}]);
                root = Some(component);
            }
            Kind::Own | Kind::Linked | Kind::Build => components.push(component(part)?),
        }
    }
    let root = root.ok_or("the list of what is linked does not say into what")?;
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": root},
        "components": components,
        "dependencies": parts.iter().map(dependency).collect::<Vec<Value>>(),
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn component(part: &Part) -> Result<Value> {
    let (name, version) = &part.id;
    let sort = if part.kind == Kind::Root { "application" } else { "library" };
    let scope = if part.kind == Kind::Build { "excluded" } else { "required" };
    let licence = licences::expression(&part.said.license).map_err(|error| format!("{name}: {error}"))?;
    let mut component = json!({
        "type": sort,
        "bom-ref": reference(&part.id),
        "name": name,
        "version": version,
        "scope": scope,
        "licenses": [{"expression": licence.as_ref()}],
    });
    if part.public {
        // A plus would be a blank.
        component["purl"] = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")).into();
    }
    Ok(component)
}

fn dependency(part: &Part) -> Value {
    let needs: Vec<String> = part.needs.iter().map(reference).collect();
    json!({"ref": reference(&part.id), "dependsOn": needs})
}

fn reference((name, version): &Id) -> String {
    format!("{name}@{version}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::linked::tests::parts;
    use super::text;
    use crate::sums::sum;

    #[test]
    fn the_document_lists_what_is_linked_and_what_built_it() {
        let document: Value = serde_json::from_str(&text(b"program", &parts()).unwrap()).unwrap();
        let root = &document["metadata"]["component"];
        assert_eq!((&root["type"], &root["name"]), (&json!("application"), &json!("program")));
        assert_eq!(root["hashes"], json!([{"alg": "SHA-256", "content": sum(b"program")}]));
        let component = |at: usize, field: &str| document["components"][at][field].clone();
        assert_eq!((component(0, "scope"), component(2, "scope")), (json!("excluded"), json!("required")));
        assert_eq!(component(2, "purl"), "pkg:cargo/linked@2.0.0%2Bx");
        assert_eq!(component(2, "licenses"), json!([{"expression": "MIT OR Apache-2.0"}]));
        assert_eq!(component(1, "purl"), Value::Null, "nobody finds a crate of the workspace on crates.io");
        assert_eq!(
            document["dependencies"][3],
            json!({"ref": "program@1.0.0", "dependsOn": ["core@1.0.0", "linked@2.0.0+x"]})
        );
    }

    #[test]
    fn a_list_without_a_program_is_refused() {
        let mut parts = parts();
        parts.pop();
        assert!(text(b"", &parts).is_err());
    }
}
