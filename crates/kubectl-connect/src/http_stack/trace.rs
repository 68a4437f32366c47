//! `-v`: what is sent and received, on stderr, with credentials masked.
//!
//! From level 6 on there is one line a request, so counting those lines counts requests.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

/// Takes the lines that `-v` asks for; a plugin with a progress bar hands in its own.
pub type LogSink = Arc<dyn Fn(&str) + Send + Sync>;

/// How much of a body is shown below level 9.
const SHORT_BODY: usize = 1024;

/// The level of `-v` and where the lines go.
#[derive(Clone)]
pub(crate) struct Trace {
    level: u8,
    sink: LogSink,
}

impl Trace {
    pub(crate) fn new(level: u8, sink: Option<LogSink>) -> Self {
        Self { level, sink: sink.unwrap_or_else(|| Arc::new(to_stderr)) }
    }

    pub(crate) fn request(&self, method: &Method, url: &Uri, headers: &HeaderMap, body: Option<&[u8]>) {
        if self.level >= 7 {
            self.write(&format!("{method} {url}"));
            self.write("Request Headers:");
            self.headers(headers);
        }
        if let Some(body) = body.filter(|body| !body.is_empty()) {
            self.body("Request Body", body);
        }
    }

    pub(crate) fn response(
        &self,
        method: &Method,
        url: &Uri,
        status: StatusCode,
        took: Duration,
        headers: &HeaderMap,
    ) {
        if self.level >= 6 {
            self.write(&format!("{method} {url} {status} in {} milliseconds", took.as_millis()));
        }
        if self.level >= 8 {
            self.write("Response Headers:");
            self.headers(headers);
        }
    }

    pub(crate) fn failure(&self, method: &Method, url: &Uri, took: Duration, error: &str) {
        if self.level >= 6 {
            self.write(&format!("{method} {url}  in {} milliseconds: {error}", took.as_millis()));
        }
    }

    /// Says whether bodies are wanted.
    pub(crate) fn bodies(&self) -> bool {
        self.level >= 8
    }

    /// Returns how many bytes of a body are shown.
    pub(crate) fn body_limit(&self) -> usize {
        if self.level >= 9 { usize::MAX } else { SHORT_BODY }
    }

    /// Shows a body, cut to the level's limit.
    pub(crate) fn body(&self, title: &str, bytes: &[u8]) {
        let shown = &bytes[..bytes.len().min(self.body_limit())];
        self.cut_body(title, shown, bytes.len() - shown.len());
    }

    /// Shows the part of a body that was kept, and how much was not.
    pub(crate) fn cut_body(&self, title: &str, kept: &[u8], dropped: usize) {
        if !self.bodies() {
            return;
        }
        let mut line = format!("{title}: {}", String::from_utf8_lossy(kept));
        if dropped > 0 {
            let _ = write!(line, " [truncated {dropped} chars]");
        }
        self.write(&line);
    }

    fn headers(&self, headers: &HeaderMap) {
        for (name, value) in headers {
            self.write(&format!("    {}: {}", canonical(name), masked(name, value)));
        }
    }

    fn write(&self, line: &str) {
        (self.sink)(line);
    }
}

fn to_stderr(line: &str) {
    // Nobody is left to be told that stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Spells a header's name as Go does.
fn canonical(name: &HeaderName) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
    };
    name.as_str().split('-').map(capital).collect::<Vec<_>>().join("-")
}

/// Shows a value, of credentials only their kind.
fn masked(name: &HeaderName, value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    if *name != AUTHORIZATION && *name != PROXY_AUTHORIZATION && !value.is_sensitive() {
        return text;
    }
    match text.split_once(' ') {
        Some((kind, _)) if ["bearer", "basic", "negotiate"].contains(&kind.to_lowercase().as_str()) => {
            format!("{kind} <masked>")
        }
        _ => "<masked>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn lines(level: u8, log: impl Fn(&Trace)) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        log(&Trace::new(level, Some(Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned())))));
        lines.lock().unwrap().clone()
    }

    fn exchange(trace: &Trace) {
        let url: Uri = "https://k/api".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, "Bearer s3cret".parse().unwrap());
        headers.insert("user-agent", "me".parse().unwrap());
        trace.request(&Method::PATCH, &url, &headers, Some(&[b'x'; 1030]));
        trace.response(&Method::PATCH, &url, StatusCode::OK, Duration::from_millis(12), &HeaderMap::new());
    }

    #[test]
    fn says_more_with_every_level() {
        assert!(lines(5, exchange).is_empty());
        assert_eq!(lines(6, exchange), ["PATCH https://k/api 200 OK in 12 milliseconds"]);
        let seven = lines(7, exchange);
        assert_eq!(seven[..2], ["PATCH https://k/api", "Request Headers:"]);
        assert!(seven.contains(&"    Authorization: Bearer <masked>".to_owned()), "{seven:?}");
        assert!(seven.contains(&"    User-Agent: me".to_owned()));
        let eight = lines(8, exchange);
        assert!(eight.iter().any(|line| line.ends_with("xx [truncated 6 chars]")), "{eight:?}");
        assert!(lines(9, exchange).iter().any(|line| line.len() == 1030 + "Request Body: ".len()));
        assert!(!lines(10, exchange).concat().contains("s3cret"));
    }

    #[test]
    fn masks_unknown_kinds_whole() {
        assert_eq!(masked(&AUTHORIZATION, &"s3cret".parse().unwrap()), "<masked>");
        assert_eq!(masked(&AUTHORIZATION, &"Own s3cret".parse().unwrap()), "<masked>");
    }
}
