//! What plugin-kit reads: output templates and manifests.

use std::collections::HashSet;
use std::sync::LazyLock;

use kubectl_terminal::Ui;
use kubectl_terminal::forms::jsonpath::Template;
use kubectl_terminal::forms::yaml;
use plugin_kit::targets::ManifestSource;
use plugin_kit::targets::manifests::{self, Manifests};
use serde_json::{Value, json};

use crate::{check_length, check_line};

/// What templates are applied to: every kind of value, lists in lists, keys with dots.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "kind": "List",
        "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web", "tier": "front", "": "no name"}},
        "items": [
            {"name": "a", "port": 80, "ready": true, "tags": ["x", "y"], "weight": null},
            {"name": "b", "port": -443, "ready": false, "tags": []},
            {"name": "ü\n", "port": 18_446_744_073_709_551_615_u64, "ready": true, "weight": 0.5},
        ],
        "matrix": [[1, 2, 3], [4, 5], []],
        "none": null,
    })
});

/// A template is read and applied.
pub(crate) fn jsonpath(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => return assert!(error.to_string().len() <= text.len() + 200, "{error}"),
    };
    assert_eq!(template.text(), text);
    // Each `..` finds what is found already once more, in kubectl too: whoever writes many of them waits.
    if text.matches("..").count() > 4 {
        return;
    }
    let (plain, values) = (template.render(&DOCUMENT), template.render_json(&DOCUMENT));
    assert_eq!(plain.as_ref().err(), values.as_ref().err());
    if !text.contains('{') {
        assert_eq!(plain.as_deref(), Ok(text));
    }
    if let Ok(values) = values {
        let read = serde_json::Deserializer::from_str(&values).into_iter::<Value>();
        assert!(read.map(|it| it.expect("JSON")).all(|it| it.is_array()), "{values}");
    }
}

/// Manifests are read from standard input; what is read is the same when it is written and read again.
pub(crate) fn manifests(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = match read(text) {
        Ok(read) => read,
        Err(error) => return check_line(&error),
    };
    let unique: HashSet<_> = read.objects.iter().collect();
    assert_eq!(unique.len(), read.objects.len(), "an object twice");
    assert!(read.objects.iter().all(|it| !it.name.is_empty() && it.namespace.as_deref() != Some("")));
    let documents = yaml::documents(text).expect("what was read");
    let written: Vec<String> = documents.iter().map(|it| yaml::to_string(it).expect("a document")).collect();
    for (document, written) in documents.iter().zip(&written) {
        assert_eq!(yaml::documents(written).as_deref(), Ok(std::slice::from_ref(document)), "{written}");
    }
    assert_eq!(self::read(&written.join("---\n")).as_ref(), Ok(&read), "in YAML");
    let as_json: Vec<String> = documents.iter().filter(|it| it.is_object()).map(Value::to_string).collect();
    if as_json.len() == documents.len() {
        assert_eq!(self::read(&as_json.join("\n")).as_ref(), Ok(&read), "in JSON");
    }
}

fn read(text: &str) -> Result<Manifests, String> {
    let (mut ui, _) = Ui::captured_terminal(text, false);
    let source = ManifestSource::Files { paths: vec!["-".to_string()], recursive: false };
    manifests::read(&source, &mut ui).map_err(|error| {
        let said = error.to_string();
        check_length(&said);
        said
    })
}
