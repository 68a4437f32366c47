//! JSON as kubectl prints it.

use serde_json::Value;

/// Writes JSON with kubectl's four blanks and a line end.
pub fn to_string(document: &Value) -> String {
    let mut bytes = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, indent);
    // Writing a Value to memory cannot fail.
    let _ = serde::Serialize::serialize(document, &mut serializer);
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns a document itself, or what a list or a timeline consists of.
pub fn items(document: &Value) -> &[Value] {
    let items = ["items", "entries"].iter().find_map(|list| document.get(list)?.as_array());
    items.map_or(std::slice::from_ref(document), Vec::as_slice)
}
