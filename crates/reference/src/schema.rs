//! The JSON Schema of each kind of document, a file each.

use std::fs;
use std::path::Path;

use plugin_kit::say::documents::schema::schemas;

use crate::Result;

/// Writes `Status.json` and so on.
pub(crate) fn write(folder: &Path) -> Result {
    for (name, text) in files()? {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// Returns the files, by name.
fn files() -> Result<Vec<(String, String)>> {
    let file = |it: &plugin_kit::say::documents::schema::Schema| {
        Ok((format!("{}.json", it.kind), serde_json::to_string_pretty(&it.value)? + "\n"))
    };
    schemas().iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs;

    #[test]
    fn the_schemas_are_current_and_there_is_no_other() {
        let folder = docs().join("schema/v1alpha1");
        let files = files().unwrap();
        for (name, text) in &files {
            let path = folder.join(name);
            let written = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                written == *text,
                "{} is not what is printed: cargo run -p reference -- all docs",
                path.display()
            );
        }
        assert_eq!(fs::read_dir(folder).unwrap().count(), files.len());
    }
}
