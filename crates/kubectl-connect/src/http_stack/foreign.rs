//! Answers that did not come from an API server: client-go makes a `Status` of them, so that a proxy's page, a gateway's JSON and
//! an empty answer all lead to the same sentence.

use http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::words::one_line;

/// How much of an answer's text goes into a sentence, as in client-go.
const MOST_TEXT: usize = 2048;

/// Says whether a body is the `Status` of a failure.
pub(crate) fn is_status(body: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
    let is = |field: &str, wanted: &str| value.get(field).and_then(Value::as_str) == Some(wanted);
    is("status", "Failure") && value.get("kind").is_none_or(|kind| kind == "Status" || kind == "")
}

/// Makes the `Status` that client-go would (`NewGenericServerResponse`).
pub(crate) fn status(
    method: &Method,
    url: &Uri,
    code: StatusCode,
    content_type: &str,
    body: &[u8],
) -> String {
    // Behind the server's proxy somebody else speaks, and says why in its own document.
    let own = url.path().contains("/proxy/") && content_type.starts_with("application/json");
    let is_text = content_type.starts_with("text/") || own;
    let text = is_text.then(|| plain(body)).filter(|text| !text.starts_with('<'));
    let said = text.unwrap_or_else(|| "unknown".to_owned());
    let (reason, message) = words(method, code, &said);
    let verb = method.as_str().to_lowercase();
    let mut details = json!({ "causes": [{ "reason": "UnexpectedServerResponse", "message": said }] });
    let message = match resource(url) {
        Some(About { resource, group, name }) => {
            details["kind"] = json!(resource);
            details["group"] = json!(group);
            details["name"] = json!(name);
            let dot = if group.is_empty() { "" } else { "." };
            let blank = if name.is_empty() { "" } else { " " };
            format!("{message} ({verb} {resource}{dot}{group}{blank}{name})")
        }
        None => message,
    };
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "code": code.as_u16(),
        "reason": reason,
        "message": message,
        "details": details,
    })
    .to_string()
}

fn plain(body: &[u8]) -> String {
    let cut = &body[..body.len().min(MOST_TEXT)];
    one_line(&String::from_utf8_lossy(cut))
}

fn words(method: &Method, code: StatusCode, said: &str) -> (&'static str, String) {
    let (reason, message) = match code.as_u16() {
        400 => ("BadRequest", "the server rejected our request for an unknown reason"),
        401 => ("Unauthorized", "the server has asked for the client to provide credentials"),
        403 => ("Forbidden", said),
        404 => ("NotFound", "the server could not find the requested resource"),
        405 => ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
        406 if said.is_empty() || said == "unknown" => {
            ("NotAcceptable", "the server was unable to respond with a content type that the client supports")
        }
        406 => ("NotAcceptable", said),
        409 if *method == Method::POST => ("AlreadyExists", "the server reported a conflict"),
        409 => ("Conflict", "the server reported a conflict"),
        415 => ("UnsupportedMediaType", said),
        422 => ("Invalid", "the server rejected our request due to an error in our request"),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        ),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        504 => (
            "Timeout",
            "the server was unable to return a response in the time allotted, but may still be processing the request",
        ),
        500.. => {
            return (
                "InternalError",
                format!("an error on the server ({said:?}) has prevented the request from succeeding"),
            );
        }
        code => {
            return (
                "",
                format!(
                    "the server responded with the status code {code} but did not return more information"
                ),
            );
        }
    };
    (reason, message.to_owned())
}

/// What an address means; what it does not name is empty.
struct About<'a> {
    resource: &'a str,
    group: &'a str,
    name: &'a str,
}

/// Reads which resource, and which object of it, an address means: `deployments.apps` and `web`.
fn resource(url: &Uri) -> Option<About<'_>> {
    let mut parts = url.path().split('/').filter(|part| !part.is_empty()).peekable();
    // A gateway's own path stands in front.
    let group = loop {
        match parts.next()? {
            "api" => {
                parts.next()?;
                break "";
            }
            "apis" => {
                let group = parts.next()?;
                parts.next()?;
                break group;
            }
            _ => {}
        }
    };
    let mut kind = parts.next()?;
    let mut name = parts.next();
    if kind == "namespaces"
        && let Some(next) = parts.next()
    {
        (kind, name) = (next, parts.next());
    }
    Some(About { resource: kind, group, name: name.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &str, code: u16, content_type: &str, body: &str) -> (String, String) {
        let url: Uri = format!("https://k{path}").parse().unwrap();
        let code = StatusCode::from_u16(code).unwrap();
        let text = status(&Method::GET, &url, code, content_type, body.as_bytes());
        assert!(is_status(text.as_bytes()));
        let value: Value = serde_json::from_str(&text).unwrap();
        (value["reason"].as_str().unwrap().to_owned(), value["message"].as_str().unwrap().to_owned())
    }

    const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

    #[test]
    fn a_gateways_json_is_not_taken_for_the_servers_word() {
        for body in
            [r#"{"message": "no"}"#, r#"{"error": "x"}"#, "[]", "", r#"{"kind":"Status","status":"Success"}"#]
        {
            assert!(!is_status(body.as_bytes()), "{body}");
        }
        assert_eq!(
            message(WEB, 401, "application/json", r#"{"message": "no"}"#),
            (
                "Unauthorized".into(),
                "the server has asked for the client to provide credentials (get deployments.apps web)"
                    .into()
            )
        );
        assert_eq!(
            message(WEB, 413, "application/json", "{}").1,
            "the server responded with the status code 413 but did not return more information (get deployments.apps web)"
        );
    }

    #[test]
    fn text_is_said_and_pages_are_not() {
        assert_eq!(
            message("/api/v1/namespaces/a/pods?limit=1", 502, "text/plain", "bad\ngateway").1,
            "an error on the server (\"bad gateway\") has prevented the request from succeeding (get pods)"
        );
        assert_eq!(
            message("/k8s/clusters/c/api/v1/nodes/n", 500, "text/html", "<html>…").1,
            "an error on the server (\"unknown\") has prevented the request from succeeding (get nodes n)"
        );
        assert_eq!(message("/version", 403, "text/plain", "go away"), ("Forbidden".into(), "go away".into()));
        assert_eq!(
            message("/api/v1/namespaces/a", 404, "", "").1.split(" (").last(),
            Some("get namespaces a)")
        );
    }
}
