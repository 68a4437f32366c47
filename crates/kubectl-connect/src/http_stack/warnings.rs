//! Collects the `Warning: 299` headers that an API server adds for the user's eyes.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use http::header::WARNING;

use crate::words::one_line;

/// The server's warnings, each once, for the plugin to print as `Warning: …` on stderr.
#[derive(Clone, Debug, Default)]
pub struct Warnings {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    texts: Vec<String>,
    taken: usize,
}

impl Warnings {
    /// Returns the warnings that came since the last call.
    pub fn take_new(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new = seen.texts[seen.taken..].to_vec();
        seen.taken = seen.texts.len();
        new
    }

    /// Returns how many different warnings came in all.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).texts.len()
    }

    /// Returns kubectl's sentence for `--warnings-as-errors`, if there were any.
    pub fn as_error(&self) -> Option<String> {
        match self.count() {
            0 => None,
            1 => Some("error: 1 warning received".to_owned()),
            count => Some(format!("error: {count} warnings received")),
        }
    }

    pub(crate) fn observe(&self, headers: &HeaderMap) {
        for value in headers.get_all(WARNING) {
            for text in parse(&String::from_utf8_lossy(value.as_bytes())) {
                let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if !seen.texts.contains(&text) {
                    seen.texts.push(text);
                }
            }
        }
    }
}

/// Reads `code agent "text" ["date"], …` and returns the texts of code 299.
fn parse(header: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = header;
    while let Some((code, agent_on)) = rest.trim_start_matches([' ', ',']).split_once(' ') {
        let Some((_, quoted)) = agent_on.split_once(' ') else { break };
        let Some((text, after)) = quoted_string(quoted.trim_start()) else { break };
        let text = one_line(&text);
        if code == "299" && !text.is_empty() {
            texts.push(text);
        }
        rest = match quoted_string(after.trim_start()) {
            Some((_date, after)) => after,
            None => after,
        };
    }
    texts
}

/// Reads a quoted string with backslash escapes; returns it and what follows.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut unescaped = String::new();
    let mut chars = inner.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return Some((unescaped, &inner[index + 1..])),
            '\\' => unescaped.push(chars.next()?.1),
            _ => unescaped.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_headers_that_servers_send() {
        assert_eq!(parse(r#"299 - "a is deprecated""#), ["a is deprecated"]);
        assert_eq!(
            parse(r#"299 - "say \"hi\", \\o/" "Tue, 24 Nov 2026 17:19:50 GMT""#),
            ["say \"hi\", \\o/"]
        );
        assert_eq!(parse(r#"299 - "one", 199 - "not this", 299 k8s "two""#), ["one", "two"]);
        assert_eq!(parse("299 - \"a\x1b[31m\tb\""), ["a [31m b"]);
        for bad in ["", "299", "299 -", "299 - text", "299 - \"open", "299 - \"\\"] {
            assert!(parse(bad).is_empty(), "{bad}");
        }
    }

    #[test]
    fn tells_each_once() {
        let warnings = Warnings::default();
        let mut headers = HeaderMap::new();
        headers.append(WARNING, "299 - \"a\"".parse().unwrap());
        headers.append(WARNING, "299 - \"b\"".parse().unwrap());
        assert_eq!(warnings.as_error(), None);
        warnings.observe(&headers);
        warnings.observe(&headers);
        assert_eq!(warnings.take_new(), ["a", "b"]);
        assert!(warnings.take_new().is_empty());
        assert_eq!(warnings.as_error().as_deref(), Some("error: 2 warnings received"));
    }
}
