//! What changes in a template, in words.

use kubectl_terminal::escape;
use rollout_core::template::diff::Change;
use rollout_core::{Revision, template};
use serde_json::Value;

/// Returns the lines of a semantic diff: `+ path: value`, `- path: value`, `~ path: old -> new`.
pub fn change_lines(changes: &[Change]) -> Vec<String> {
    let shown = |value: &Value| match value {
        Value::String(text) => escape::inline(text).into_owned(),
        other => escape::inline(&other.to_string()).into_owned(),
    };
    changes
        .iter()
        .map(|change| {
            let path = escape::inline(&change.path);
            match (&change.from, &change.to) {
                (Some(from), Some(to)) => format!("~ {path}: {} -> {}", shown(from), shown(to)),
                (None, Some(to)) => format!("+ {path}: {}", shown(to)),
                (Some(from), None) => format!("- {path}: {}", shown(from)),
                (None, None) => format!("~ {path}"),
            }
        })
        .collect()
}

/// What a revision without a predecessor has, in a line.
pub fn began_with(revision: &Revision) -> String {
    let images = revision.template.as_ref().map(template::images).unwrap_or_default();
    images.into_iter().map(|(container, image)| format!("{container} {image}")).collect::<Vec<_>>().join("; ")
}
