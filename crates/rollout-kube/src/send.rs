//! Sending a plan's requests.

use kube::Error;
use kube::core::Status;
use rollout_core::Workload;
use rollout_core::plan::{Method, Request};
use serde_json::{Value, json};

use crate::cluster::{Cluster, form_encoded};

/// How requests are sent.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// Whether the server only checks them.
    pub dry_run: bool,
    /// Who is named as the manager of the fields that change.
    pub field_manager: String,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    /// It is done; the server's answer.
    Done(Value),
    /// What it was planned on is no more: a `test` failed, or another object has the name. Nothing was written.
    Changed,
    /// There is no such object any more.
    Gone,
    /// Not now, in the server's words: a disruption budget forbids the eviction.
    NotNow(String),
}

impl Cluster {
    /// Returns a template as the server writes it: with what a manifest leaves out. Nothing is changed.
    pub async fn defaulted(&self, workload: &Workload, template: &Value) -> Result<Value, Error> {
        let change = json!({"op": "replace", "path": "/spec/template", "value": template});
        let request = Request::patch(workload, Vec::new(), vec![change]);
        let options = SendOptions { dry_run: true, field_manager: "rollout".to_string() };
        match self.send(&request, &options).await? {
            Sent::Done(mut answer) => Ok(answer["spec"]["template"].take()),
            // The real change tells.
            Sent::Changed | Sent::Gone | Sent::NotNow(_) => Ok(template.clone()),
        }
    }

    /// Sends one request.
    pub async fn send(&self, request: &Request, options: &SendOptions) -> Result<Sent, Error> {
        let Request { method, path, body, required: _ } = request;
        let dry_run = if options.dry_run { "&dryRun=All" } else { "" };
        let manager: String = form_encoded(&options.field_manager);
        let (verb, content_type, query) = match method {
            Method::Patch => (
                http::Method::PATCH,
                "application/json-patch+json",
                format!("?fieldManager={manager}{dry_run}"),
            ),
            Method::Post => {
                (http::Method::POST, "application/json", format!("?fieldManager={manager}{dry_run}"))
            }
            Method::Delete => {
                (http::Method::DELETE, "application/json", format!("?{}", dry_run.trim_start_matches('&')))
            }
        };
        let http = http::Request::builder()
            .method(verb)
            .uri(format!("{path}{}", query.trim_end_matches('?')))
            .header(http::header::CONTENT_TYPE, content_type)
            .body(as_go_writes(body).into_bytes())
            .map_err(Error::HttpError)?;
        match self.client.request::<Value>(http).await {
            Ok(answer) => Ok(Sent::Done(answer)),
            Err(Error::Api(status)) => meaning(*method, &status).ok_or(Error::Api(status)),
            Err(error) => Err(error),
        }
    }
}

/// Returns what an error means for a plan; none where it is one. A webhook refuses without details, whatever the code is that
/// it says it with (apiserver, `admission/plugin/webhook/errors/statuserror.go`).
fn meaning(method: Method, status: &Status) -> Option<Sent> {
    let details = status.details.as_ref();
    match (status.code, method) {
        (409, _) if details.is_some() => Some(Sent::Changed),
        (404, Method::Delete | Method::Post) => Some(Sent::Gone),
        // Priority and fairness answers with 429 as well: that is no word about the pod.
        (429, Method::Post) if is_budgets(status) => Some(Sent::NotNow(words(status))),
        // A failed test and a missing path come with empty details, a validation with causes (hazard H16).
        (422, Method::Patch) if details.is_some_and(|it| it.causes.is_empty()) => Some(Sent::Changed),
        _ => None,
    }
}

/// The handler of evictions names the budget as a cause (pkg/registry/core/pod/storage/eviction.go, `checkAndDecrement`),
/// and says so in words too, which is all that is left where something between drops what it does not know.
fn is_budgets(status: &Status) -> bool {
    let named = |details: &kube::core::response::StatusDetails| {
        details.causes.iter().any(|cause| cause.reason == "DisruptionBudget")
    };
    status.details.as_ref().is_some_and(named) || status.message.contains("disruption budget")
}

/// The cause that the server names says which budget it is; the message only that there is one.
fn words(status: &Status) -> String {
    let cause = status.details.as_ref().and_then(|details| details.causes.first());
    cause.map_or_else(|| status.message.clone(), |cause| format!("{} {}", status.message, cause.message))
}

/// Writes JSON as Go's encoder does, which escapes `<`, `>`, `&` and two line separators: the server compares the strings of
/// a `test` by their bytes as they are written (gopkg.in/evanphx/json-patch.v4, `lazyNode.equal`), so that a template with
/// `a && b` would never be what it was. They only occur within strings.
fn as_go_writes(body: &Value) -> String {
    let mut text = String::new();
    for character in body.to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_webhook_refuses_is_no_change_by_somebody_else() {
        let status = |answer: Value| serde_json::from_value::<Status>(answer).unwrap();
        let test_failed = status(json!({"code": 422, "reason": "Invalid", "details": {}}));
        assert_eq!(meaning(Method::Patch, &test_failed), Some(Sent::Changed));
        let cause = json!({"code": 422, "details": {"causes": [{"message": "denied request"}]}});
        let conflict = status(json!({"code": 409, "details": {"name": "web-1", "kind": "pods"}}));
        for method in [Method::Patch, Method::Delete, Method::Post] {
            assert_eq!(meaning(method, &conflict), Some(Sent::Changed));
            assert_eq!(meaning(method, &status(cause.clone())), None);
            for code in [403, 409, 422] {
                assert_eq!(meaning(method, &status(json!({"code": code, "message": "denied"}))), None);
            }
        }
    }

    #[test]
    fn only_a_budgets_429_is_an_eviction_that_is_forbidden_for_now() {
        let status = |answer: Value| serde_json::from_value::<Status>(answer).unwrap();
        let budget = "The disruption budget web needs 3 healthy pods and has 3 currently";
        let cause = json!({"reason": "DisruptionBudget", "message": budget});
        let said = "Cannot evict pod as it would violate the pod's disruption budget.";
        let forbidden = status(json!({"code": 429, "message": said, "details": {"causes": [cause]}}));
        assert_eq!(meaning(Method::Post, &forbidden), Some(Sent::NotNow(format!("{said} {budget}"))));
        let bare = status(json!({"code": 429, "message": said}));
        assert_eq!(meaning(Method::Post, &bare), Some(Sent::NotNow(said.to_string())));
        let busy = "Too many requests, please try again later.";
        for details in [json!({}), json!({"retryAfterSeconds": 1}), Value::Null] {
            let fairness =
                json!({"code": 429, "reason": "TooManyRequests", "message": busy, "details": details});
            assert_eq!(meaning(Method::Post, &status(fairness)), None);
        }
    }

    #[test]
    fn what_go_escapes_is_escaped_and_means_the_same() {
        let body = json!({"command": ["a && b <c> \u{2028}", "d\ne"]});
        let text = as_go_writes(&body);
        assert_eq!(text, r#"{"command":["a \u0026\u0026 b \u003cc\u003e \u2028","d\ne"]}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), body);
    }
}
