//! Paths of fields as people write them: `spec.containers[nginx].env[LOG_LEVEL].value`.

/// What a path ends with when only the order of a list differs.
pub(super) const ORDER: &str = " order";

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A field of an object.
    Field(String),
    /// An element of a list.
    Element(String),
}

/// Appends a field: `.name`, or `["name"]` where the name is not a plain word.
pub(super) fn field(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (plain, path.is_empty()) {
        (true, true) => name.to_string(),
        (true, false) => format!("{path}.{name}"),
        (false, _) => format!("{path}[{}]", quoted(name)),
    }
}

/// Appends an element of a list by its label: `[nginx]`, quoted as `[<"a]b">]` where the label would end the bracket.
pub(super) fn element(path: &str, label: &str) -> String {
    let plain = !label.is_empty() && !label.contains([']', '"', '<']) && !label.contains(char::is_control);
    match plain {
        true => format!("{path}[{label}]"),
        false => format!("{path}[<{}>]", quoted(label)),
    }
}

/// Reads a path back into its steps.
pub(super) fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, behind) = match rest.strip_prefix('[') {
            Some(inner) => bracket(inner),
            None => {
                let word = rest.strip_prefix('.').unwrap_or(rest);
                let (name, behind) = word.split_at(word.find(['.', '[']).unwrap_or(word.len()));
                (Step::Field(name.to_string()), behind)
            }
        };
        steps.push(step);
        rest = behind;
    }
    steps
}

fn bracket(inner: &str) -> (Step, &str) {
    let (open, as_step): (&str, fn(String) -> Step) = match inner.starts_with('<') {
        true => (&inner[1..], Step::Element),
        false => (inner, Step::Field),
    };
    if open.starts_with('"') {
        let mut texts = serde_json::Deserializer::from_str(open).into_iter::<String>();
        if let Some(Ok(name)) = texts.next() {
            let behind = &open[texts.byte_offset()..];
            return (as_step(name), behind.trim_start_matches('>').strip_prefix(']').unwrap_or(""));
        }
    }
    let (label, behind) = inner.split_once(']').unwrap_or((inner, ""));
    (Step::Element(label.to_string()), behind)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let names = ["env", "a.b/c", "", "x]y", "quo\"te", "[", "with space", "<", "back\\slash"];
        for name in names {
            for label in ["nginx", "/data", "a]b", "\"", "", "key=v:NoSchedule op=Exists", "<x>"] {
                let path = field(&element(&field(&field("", "spec"), name), label), name);
                let expected = [
                    Step::Field("spec".into()),
                    Step::Field(name.into()),
                    Step::Element(label.into()),
                    Step::Field(name.into()),
                ];
                assert_eq!(steps(&path), expected, "{path}");
            }
        }
    }

    #[test]
    fn words_are_dotted_and_all_else_is_quoted() {
        assert_eq!(field("metadata.annotations", "a.b/c"), r#"metadata.annotations["a.b/c"]"#);
        assert_eq!(element("spec.containers", "nginx"), "spec.containers[nginx]");
        assert_eq!(field("", "spec"), "spec");
    }
}
