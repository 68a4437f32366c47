//! KYAML, the explicit flow style of YAML that `-o kyaml` of kubectl prints: braces, every string in double quotes, a key
//! quoted only where it could be taken for something else, a `---` above it.

use std::fmt::Write;

use serde_json::Value;

/// Writes one document with its header.
pub(crate) fn to_string(value: &Value) -> String {
    let mut out = String::from("---\n");
    write_value(&mut out, value, 0);
    out.push('\n');
    out
}

fn write_value(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => push(out, format_args!("{value}")),
        Value::String(text) => write_string(out, text, indent + 1),
        Value::Array(items) => write_list(out, items, indent),
        Value::Object(fields) if fields.is_empty() => out.push_str("{}"),
        Value::Object(fields) => {
            out.push_str("{\n");
            for (key, value) in fields {
                push_indent(out, indent + 1);
                write_key(out, key);
                out.push_str(": ");
                write_value(out, value, indent + 1);
                out.push_str(",\n");
            }
            push_indent(out, indent);
            out.push('}');
        }
    }
}

/// Lists of objects and lists sit snugly in their brackets; others have an item a line.
fn write_list(out: &mut String, items: &[Value], indent: usize) {
    let snug = items.iter().all(|item| item.is_object() || item.is_array());
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if snug {
            out.push_str(if index > 0 { ", " } else { "" });
            write_value(out, item, indent);
        } else {
            out.push_str(if index > 0 { "" } else { "\n" });
            push_indent(out, indent + 1);
            write_value(out, item, indent + 1);
            out.push_str(",\n");
        }
    }
    if !snug {
        push_indent(out, indent);
    }
    out.push(']');
}

fn write_key(out: &mut String, key: &str) {
    if !needs_quotes(key) {
        return out.push_str(key);
    }
    out.push('"');
    for c in key.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => push_escaped(out, c),
        }
    }
    out.push('"');
}

/// Writes a string; one of several lines is folded, so that each of its lines has a line.
fn write_string(out: &mut String, text: &str, indent: usize) {
    let folded = text.contains('\n');
    let mut at_line_start = folded;
    out.push_str(if folded { "\"\\\n" } else { "\"" });
    for c in text.chars() {
        if at_line_start {
            push_indent(out, indent);
            // Blanks before the first character of a folded line are dropped by readers; a text's own must be escaped.
            out.push(if c.is_whitespace() && c != '\n' { '\\' } else { ' ' });
        }
        at_line_start = c == '\n';
        match c {
            '\n' => out.push_str("\\n\\\n"),
            '\t' => out.push('\t'),
            c => push_escaped(out, c),
        }
    }
    if folded {
        out.push_str(if at_line_start { "" } else { "\\\n" });
        push_indent(out, indent);
    }
    out.push('"');
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        '\u{b}' => out.push_str("\\v"),
        '\0' => out.push_str("\\0"),
        '\u{1b}' => out.push_str("\\e"),
        '\u{85}' => out.push_str("\\N"),
        '\u{a0}' => out.push_str("\\_"),
        '\u{2028}' => out.push_str("\\L"),
        '\u{2029}' => out.push_str("\\P"),
        c if c.is_ascii_control() => push(out, format_args!("\\x{:02x}", u32::from(c))),
        c if is_printable(c) => out.push(c),
        c if u32::from(c) < 0x10000 => push(out, format_args!("\\u{:04x}", u32::from(c))),
        c => push(out, format_args!("\\U{:08x}", u32::from(c))),
    }
}

/// Leaves out what Go's table of printable characters leaves out and a reader would trip over.
fn is_printable(c: char) -> bool {
    !(c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}' | '\u{f0000}'..))
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

fn push_indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

fn needs_quotes(key: &str) -> bool {
    let last = key.chars().count().saturating_sub(1);
    let plain = |(at, c): (usize, char)| {
        c.is_alphanumeric() || c == '_' || (matches!(c, '-' | '.' | '/') && at > 0 && at < last)
    };
    key.is_empty() || is_ambiguous(key) || !key.chars().enumerate().all(plain)
}

/// Tells whether some YAML reader takes a bare word for null, a boolean, a number or a time.
fn is_ambiguous(word: &str) -> bool {
    const WORDS: [&str; 13] =
        ["null", "~", "true", "false", "t", "f", "y", "n", "yes", "no", "on", "off", "nan"];
    let lower = word.to_ascii_lowercase();
    let digits = lower.replace('_', "");
    WORDS.contains(&lower.as_str())
        || is_integer(&digits)
        || digits.parse::<f64>().is_ok()
        || matches!(lower.as_str(), "inf" | "infinity" | ".inf" | ".nan")
        || is_sexagesimal(word)
        || is_date(word)
}

fn is_integer(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((text.strip_prefix(prefix)?, radix)));
    match radix {
        Some((digits, radix)) => !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)),
        None => !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()),
    }
}

/// Tells whether YAML 1.1 reads a word as minutes and seconds, e.g. `11:00`.
fn is_sexagesimal(word: &str) -> bool {
    let mut parts = word.strip_prefix(['+', '-']).unwrap_or(word).split(':');
    let first = parts.next().is_some_and(|first| {
        first.starts_with(|c: char| ('1'..='9').contains(&c)) && first.chars().all(is_digit_or_underscore)
    });
    let rest: Vec<&str> = parts.collect();
    first
        && !rest.is_empty()
        && rest.iter().all(|part| part.chars().all(|c| is_digit_or_underscore(c) || c == '.'))
}

fn is_digit_or_underscore(c: char) -> bool {
    c.is_ascii_digit() || c == '_'
}

/// Tells whether a word starts like a date: four digits, a dash, a digit.
fn is_date(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() > 5
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[5..].iter().all(|byte| byte.is_ascii_digit() || b"-:tTzZ+. ".contains(byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_looks_as_kubectl_prints_it() {
        let document = json!({
            "apiVersion": "v1",
            "count": 3,
            "ratio": 0.5,
            "none": null,
            "empty": {},
            "nothing": [],
            "args": ["on", "--x=1"],
            "ports": [{"port": 80}, {"port": 443}],
            "nested": [["a"], []],
        });
        assert_eq!(
            to_string(&document),
            r#"---
{
  apiVersion: "v1",
  count: 3,
  ratio: 0.5,
  none: null,
  empty: {},
  nothing: [],
  args: [
    "on",
    "--x=1",
  ],
  ports: [{
    port: 80,
  }, {
    port: 443,
  }],
  nested: [[
    "a",
  ], []],
}
"#
        );
    }

    #[test]
    fn several_lines_are_folded() {
        let document =
            json!({"script": "#!/bin/sh\n  indented\n\ttab\nend", "ended": "a\n", "quote": "a\"b\\c\u{1b}"});
        let expected = concat!(
            "---\n{\n",
            "  script: \"\\\n",
            "     #!/bin/sh\\n\\\n",
            "    \\  indented\\n\\\n",
            "    \\\ttab\\n\\\n",
            "     end\\\n",
            "    \",\n",
            "  ended: \"\\\n",
            "     a\\n\\\n",
            "    \",\n",
            "  quote: \"a\\\"b\\\\c\\e\",\n",
            "}\n",
        );
        assert_eq!(to_string(&document), expected);
    }

    #[test]
    fn keys_are_quoted_where_they_could_be_something_else() {
        for key in ["name", "app.kubernetes.io/name", "a_b", "kebab-case", "nginx", "7z"] {
            assert!(!needs_quotes(key), "{key}");
        }
        for key in [
            "",
            "no",
            "NO",
            "y",
            "True",
            "null",
            "~",
            "1",
            "0x1F",
            "0o17",
            "1_000",
            "1e3",
            ".5",
            "12:30",
            "2026-01-01",
            "-a",
            "a-",
            "a b",
            "a:b",
            "*",
            "<<",
            "=",
            "t",
            "inf",
            ".inf",
        ] {
            assert!(needs_quotes(key), "{key}");
        }
    }
}
