//! Why a request failed, in kubectl's words.

use std::error::Error as StdError;

use kube::core::Status;
use kube::core::response::StatusDetails;

use crate::ConnectError;
use crate::http_stack::{Failure, describe_failure};

/// The sort of a failure, for programs to act upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// The object, or the resource, does not exist (404).
    NotFound,
    /// The object exists already (409).
    AlreadyExists,
    /// Somebody else changed the object first (409).
    Conflict,
    /// The user may not do this (403).
    Forbidden,
    /// The server does not know who is asking (401).
    Unauthorized,
    /// The object's content is wrong (422).
    Invalid,
    /// A JSON patch could not be applied, most likely because one of its `test` operations failed (422 without details).
    TestFailed,
    /// The request makes no sense to the server (400).
    BadRequest,
    /// The server is busy (429).
    TooManyRequests,
    /// The resource version is too old to continue from (410).
    Gone,
    /// The server is not ready (503).
    Unavailable,
    /// The server failed (500 and the rest of its kind).
    Internal,
    /// Time ran out, here or at the server.
    Timeout,
    /// Nothing listens at the server's address.
    Refused,
    /// There is no way to the server's address.
    Unreachable,
    /// The server's name cannot be resolved.
    Dns,
    /// The server's certificate cannot be trusted.
    Certificate,
    /// The TLS handshake failed for another reason.
    Tls,
    /// The proxy does not let the request through.
    Proxy,
    /// No credentials could be obtained.
    Credentials,
    /// The connection broke.
    Broken,
    /// The answer cannot be understood.
    Decode,
    /// None of the others.
    Other,
}

impl ApiErrorKind {
    /// Returns one word for it: the API's reason where it has one.
    pub fn as_str(self) -> &'static str {
        match self {
            ApiErrorKind::NotFound => "NotFound",
            ApiErrorKind::AlreadyExists => "AlreadyExists",
            ApiErrorKind::Conflict => "Conflict",
            ApiErrorKind::Forbidden => "Forbidden",
            ApiErrorKind::Unauthorized => "Unauthorized",
            ApiErrorKind::Invalid | ApiErrorKind::TestFailed => "Invalid",
            ApiErrorKind::BadRequest => "BadRequest",
            ApiErrorKind::TooManyRequests => "TooManyRequests",
            ApiErrorKind::Gone => "Gone",
            ApiErrorKind::Unavailable => "ServiceUnavailable",
            ApiErrorKind::Internal => "InternalError",
            ApiErrorKind::Timeout => "Timeout",
            ApiErrorKind::Refused => "ConnectionRefused",
            ApiErrorKind::Unreachable => "Unreachable",
            ApiErrorKind::Dns => "NameNotResolved",
            ApiErrorKind::Certificate => "CertificateNotTrusted",
            ApiErrorKind::Tls => "TLSFailed",
            ApiErrorKind::Proxy => "ProxyRefused",
            ApiErrorKind::Credentials => "NoCredentials",
            ApiErrorKind::Broken => "ConnectionBroken",
            ApiErrorKind::Decode => "AnswerNotUnderstood",
            ApiErrorKind::Other => "Unknown",
        }
    }
}

/// A failed request; its text is the whole sentence that kubectl prints, prefix included.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct ApiError {
    kind: ApiErrorKind,
    sentence: String,
    status: Option<Box<Status>>,
    hint: Option<String>,
}

impl ApiError {
    /// Returns the sort of the failure.
    pub fn kind(&self) -> ApiErrorKind {
        self.kind
    }

    /// Returns the HTTP status, if the server answered.
    pub fn code(&self) -> Option<u16> {
        self.status.as_ref().map(|status| status.code)
    }

    /// Returns the server's own message, without kubectl's prefix.
    pub fn message(&self) -> &str {
        self.status.as_ref().map_or(&self.sentence, |status| &status.message)
    }

    /// Returns one word for the failure: the server's own where it gave one.
    pub fn reason(&self) -> &str {
        let given = self.status.as_ref().map(|status| status.reason.as_str());
        given.filter(|reason| !reason.is_empty()).unwrap_or(self.kind.as_str())
    }

    /// Returns the server's whole answer, if it gave one.
    pub fn status(&self) -> Option<&Status> {
        self.status.as_deref()
    }

    /// Returns advice, where there is some.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Replaces the advice.
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    fn new(kind: ApiErrorKind, sentence: impl Into<String>) -> Self {
        Self { kind, sentence: sentence.into(), status: None, hint: None }
    }
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        Self {
            kind: kind_of(&status),
            sentence: sentence_of(&status),
            status: Some(Box::new(status)),
            hint: None,
        }
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from(*status),
            kube::Error::SerdeError(error) => Self::new(ApiErrorKind::Decode, undecodable(&error)),
            kube::Error::FromUtf8(_) => {
                Self::new(ApiErrorKind::Decode, "error: the server's answer is not UTF-8")
            }
            kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
                let Failure { kind, sentence, hint, .. } = describe_failure(innermost(&error));
                Self::new(kind, sentence).with_hint(hint)
            }
            other => Self::new(ApiErrorKind::Other, format!("error: {other}")),
        }
    }
}

impl From<ConnectError> for ApiError {
    fn from(error: ConnectError) -> Self {
        let kind = match error {
            ConnectError::Credentials { .. } => ApiErrorKind::Credentials,
            _ => ApiErrorKind::Other,
        };
        Self::new(kind, error.to_string()).with_hint(error.hint())
    }
}

/// Skips kube's own wrapping, whose text would only stand in front of the cause's.
fn innermost(error: &kube::Error) -> &(dyn StdError + 'static) {
    error.source().unwrap_or(error)
}

/// Says where an answer stopped making sense, never what it was: it may be a Secret.
fn undecodable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = match text.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
        Some((field, _)) => format!("the field \"{field}\" is missing"),
        None => "it is not what was expected".to_owned(),
    };
    format!(
        "error: unable to decode the server's answer: {what} (line {}, column {})",
        error.line(),
        error.column()
    )
}

fn kind_of(status: &Status) -> ApiErrorKind {
    match (status.reason.as_str(), status.code) {
        ("Invalid", _) | ("", 422) if is_bare(status.details.as_ref()) => ApiErrorKind::TestFailed,
        ("NotFound", _) => ApiErrorKind::NotFound,
        ("AlreadyExists", _) => ApiErrorKind::AlreadyExists,
        ("Conflict", _) => ApiErrorKind::Conflict,
        ("Forbidden", _) => ApiErrorKind::Forbidden,
        ("Unauthorized", _) => ApiErrorKind::Unauthorized,
        ("Invalid", _) => ApiErrorKind::Invalid,
        ("BadRequest", _) => ApiErrorKind::BadRequest,
        ("TooManyRequests", _) => ApiErrorKind::TooManyRequests,
        ("Gone" | "Expired", _) => ApiErrorKind::Gone,
        ("Timeout" | "ServerTimeout", _) => ApiErrorKind::Timeout,
        ("ServiceUnavailable", _) => ApiErrorKind::Unavailable,
        (_, code) => kind_of_code(code),
    }
}

fn kind_of_code(code: u16) -> ApiErrorKind {
    match code {
        400 => ApiErrorKind::BadRequest,
        401 => ApiErrorKind::Unauthorized,
        403 => ApiErrorKind::Forbidden,
        404 => ApiErrorKind::NotFound,
        409 => ApiErrorKind::Conflict,
        410 => ApiErrorKind::Gone,
        422 => ApiErrorKind::Invalid,
        429 => ApiErrorKind::TooManyRequests,
        503 => ApiErrorKind::Unavailable,
        504 => ApiErrorKind::Timeout,
        500.. => ApiErrorKind::Internal,
        _ => ApiErrorKind::Other,
    }
}

/// Says whether nothing is known about what was wrong: neither an object nor a field.
fn is_bare(details: Option<&StatusDetails>) -> bool {
    details
        .is_none_or(|details| details.kind.is_empty() && details.name.is_empty() && details.causes.is_empty())
}

fn sentence_of(status: &Status) -> String {
    match status.reason.as_str() {
        "Invalid" => invalid(status),
        "Unauthorized" => format!("error: You must be logged in to the server ({})", status.message),
        "" => format!("Error from server: {}", status.message),
        reason => format!("Error from server ({reason}): {}", status.message),
    }
}

/// Lists what is wrong with an object, each thing once.
fn invalid(status: &Status) -> String {
    let mut sentence = "The request is invalid".to_owned();
    let details = status.details.as_ref();
    match details {
        Some(details) if !details.kind.is_empty() || !details.name.is_empty() => {
            sentence = format!("The {} \"{}\" is invalid", details.kind, details.name);
        }
        Some(details) if !details.causes.is_empty() => {}
        _ if status.message.is_empty() => {}
        _ => sentence = format!("{sentence}: {}", status.message),
    }
    let mut causes: Vec<String> = Vec::new();
    for cause in details.map(|details| details.causes.as_slice()).unwrap_or_default() {
        let text = format!("{}: {}", cause.field, cause.message);
        if !causes.contains(&text) {
            causes.push(text);
        }
    }
    match causes.as_slice() {
        [] => sentence,
        [one] => format!("{sentence}: {one}"),
        many => format!("{sentence}: \n* {}", many.join("\n* ")),
    }
}

#[cfg(test)]
#[path = "api_error_tests.rs"]
mod tests;
