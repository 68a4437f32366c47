//! YAML in and out, so that kubectl and this crate understand the same thing by the same text. The YAML crate is used
//! nowhere else.

use serde_json::Value;
use serde_yaml::{DuplicateKeyPolicy, Options, SerializerOptions};

/// Reads every document of a YAML or JSON text as kubectl does: `on` is true, `0644` is octal, the last of two equal keys
/// counts; empty documents are left out.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    // JSON is read as such: it may hold several documents one after another, which YAML has no word for.
    if text.trim_start().starts_with('{') {
        let stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        if let Ok(values) = stream.collect::<Result<Vec<_>, _>>() {
            return Ok(values);
        }
    }
    let values: Vec<Value> =
        serde_yaml::from_multiple_with_options(text, reading()).map_err(|error| error.to_string())?;
    Ok(values.into_iter().filter(|value| !value.is_null()).collect())
}

/// Writes one document; every string comes back from kubectl as the same string.
pub fn to_string(value: &Value) -> Result<String, String> {
    let mut text = String::new();
    serde_yaml::to_fmt_writer_with_options(&mut text, value, writing()).map_err(|error| error.to_string())?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// How much may be repeated by aliases: ten lines of them make millions of nodes. kubectl's reader has a limit, too.
const MOST_REPEATED: usize = 200_000;

fn reading() -> Options {
    serde_yaml::options! {
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: MOST_REPEATED },
        legacy_octal_numbers: true,
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    }
}

fn writing() -> SerializerOptions {
    serde_yaml::ser_options! {}
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Strings that some YAML reader takes for something else, or that break a careless writer.
    const AWKWARD: [&str; 52] = [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "Y",
        "N",
        "NO",
        "Yes",
        "ON",
        "Off",
        "true",
        "True",
        "FALSE",
        "null",
        "Null",
        "~",
        "",
        " ",
        "=",
        "<<",
        "-",
        "---",
        "...",
        "?",
        ":",
        "1_000",
        "12:30:45",
        "0777",
        "0o17",
        "0x1F",
        "0b11",
        "1e3",
        ".5",
        "+1",
        "-0",
        ".inf",
        "-.Inf",
        ".NaN",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "a: b",
        "a #b",
        "#c",
        "&a",
        "*a",
        "!t",
        "{a}",
        "[a]",
        "\"q\"",
        "it's",
    ];

    #[test]
    fn awkward_strings_come_back_as_they_were() {
        for text in AWKWARD {
            let document = json!({"value": text, "list": [text], text: "as a key"});
            let yaml = to_string(&document).unwrap();
            assert_eq!(documents(&yaml).unwrap(), [document], "{yaml}");
        }
    }

    #[test]
    fn what_kubectl_would_misread_is_quoted() {
        for text in AWKWARD.into_iter().filter(|text| !matches!(*text, "it's")) {
            let yaml = to_string(&json!({ "v": text })).unwrap();
            assert!(yaml.starts_with("v: \"") || yaml.starts_with("v: '"), "{yaml}");
        }
    }

    #[test]
    fn long_and_many_lined_strings_survive() {
        for text in [
            "#!/bin/sh\necho hi\n".to_string(),
            "no end\nof line".to_string(),
            "\n\nblank first".to_string(),
            "  indented\n first".to_string(),
            "trailing  \nblanks \n\n\n".to_string(),
            "tab\there\r\ncrlf".to_string(),
            "control \u{1b}[31m \u{7} \u{9b} \u{2028} \u{feff}".to_string(),
            "word ".repeat(100),
            "x".repeat(300),
        ] {
            let document = json!({"a": {"b": [text.clone()]}, "c": text});
            let yaml = to_string(&document).unwrap();
            assert_eq!(documents(&yaml).unwrap(), [document], "{yaml}");
        }
    }

    #[test]
    fn numbers_keep_their_value() {
        let document =
            json!({"a": 1, "b": -7, "c": 0.5, "d": 9_007_199_254_740_993_i64, "e": true, "f": null});
        assert_eq!(documents(&to_string(&document).unwrap()).unwrap(), [document]);
    }

    #[test]
    fn yaml_is_understood_as_by_kubectl() {
        for (yaml, value) in [
            ("v: on", json!({"v": true})),
            ("v: no", json!({"v": false})),
            ("v: 0644", json!({"v": 420})),
            ("v: 0x1F", json!({"v": 31})),
            ("v: 1_000", json!({"v": 1000})),
            ("v: 12:30:45", json!({"v": "12:30:45"})),
            ("v: 2026-01-01", json!({"v": "2026-01-01"})),
            ("v: \"on\"", json!({"v": "on"})),
            ("v: 1\nv: 2", json!({"v": 2})),
            ("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2", json!({"a": {"b": 1}, "c": {"b": 1, "d": 2}})),
        ] {
            assert_eq!(documents(yaml).unwrap(), [value], "{yaml}");
        }
    }

    #[test]
    fn empty_documents_are_left_out() {
        assert_eq!(documents("---\n# only a comment\n---\na: 1\n---\n").unwrap(), [json!({"a": 1})]);
        assert_eq!(documents("").unwrap(), Vec::<Value>::new());
        assert_eq!(documents("{\"a\": 1}{\"b\": 2}").unwrap(), [json!({"a": 1}), json!({"b": 2})]);
        assert_eq!(documents("{a: 1}").unwrap(), [json!({"a": 1})]);
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut yaml = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..8 {
            let items = vec![format!("*a{}", level - 1); 9].join(", ");
            yaml.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert!(documents(&yaml).is_err());
    }
}
