//! `Error`: what stands in the place of a document that could not be made.

use serde::Serialize;
use serde_json::Value;
use serde_with::skip_serializing_none;

use super::document::{API_VERSION, Workload, value};
use super::{CliError, Exit};

/// What failed.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure<'a> {
    /// The version of all documents.
    api_version: &'static str,
    /// Which document it is.
    kind: &'static str,
    /// Absent where it is about none, or about all.
    workload: Option<Workload<'a>>,
    /// The exit code that goes with it.
    exit_code: Exit,
    /// What failed.
    error: Error<'a>,
}

/// Why.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "WhatFailed"))]
struct Error<'a> {
    /// The sentence that stands on standard error, without `error: `.
    message: &'a str,
    /// One word for it: a reason of the API's `Status`, or one of ours.
    reason: &'a str,
    /// Ways on.
    hints: &'a [String],
}

/// Returns the document of an error with the hints that were given.
pub(crate) fn failure(error: &CliError, hints: &[String]) -> Value {
    let message = error.message.strip_prefix("error: ").unwrap_or(&error.message);
    value(&Failure {
        api_version: API_VERSION,
        kind: "Error",
        workload: error.workload.as_deref().map(Workload::of),
        exit_code: error.exit,
        error: Error { message, reason: error.reason(), hints },
    })
}

#[cfg(test)]
mod tests {
    use rollout_core::plan::Refusal;
    use rollout_core::{Kind, WorkloadId};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_says_what_standard_error_says_and_which_workload_it_is_about() {
        let id = WorkloadId {
            kind: Kind::Deployment,
            namespace: "shop".to_string(),
            name: "web".to_string(),
            uid: String::new(),
        };
        let refused = CliError::refused(&id, &Refusal::NoRollout).hint("to start one: …".to_string());
        let document = failure(&refused, &refused.hints);
        let expected = json!({
            "apiVersion": API_VERSION,
            "kind": "Error",
            "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
            "exitCode": 1,
            "error": {
                "message": "deployment/web in namespace shop has no rollout in steps",
                "reason": "NoRollout",
                "hints": ["to start one: …"],
            },
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn a_reason_is_known_by_the_exit_code_at_least() {
        let reason = |exit| CliError::sentence(exit, String::new()).reason().to_string();
        assert_eq!(
            [Exit::Usage, Exit::TimedOut, Exit::Superseded, Exit::Failed].map(reason),
            ["Usage", "TimedOut", "Superseded", "Failed"]
        );
    }
}
