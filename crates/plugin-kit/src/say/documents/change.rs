//! `Diff`, `Plan` and `Result`: what differs, what is going to change, and what came of it.

use k8s_openapi::jiff::Timestamp;
use rollout_core::judge::Cause;
use rollout_core::plan::{self, Impact, PlannedStep, Request, Warning};
use rollout_core::template::diff::Change;
use rollout_core::{RevisionNumber, WorkloadId};
use serde::Serialize;
use serde_json::Value;
use serde_with::skip_serializing_none;

use super::outcome::OutcomeWord;
use super::status::Status;
use crate::call::Exit;
use crate::call::document::{Body, about, second};

/// Two revisions compared.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Diff<'a> {
    /// The older revision; absent where it has no number.
    from: Option<RevisionNumber>,
    /// The newer one; absent where it has no number, or is not recorded.
    to: Option<RevisionNumber>,
    /// What differs in the pod template.
    changes: &'a [Change],
}

impl Body for Diff<'_> {
    const KIND: &'static str = "Diff";
}

impl<'a> Diff<'a> {
    /// These two.
    pub fn of(from: &rollout_core::Revision, to: &rollout_core::Revision, changes: &'a [Change]) -> Diff<'a> {
        Diff { from: from.number, to: to.number, changes }
    }
}

/// A change before it is made.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Plan<'a> {
    /// The revision that it has; absent where it is not recorded.
    from_revision: Option<RevisionNumber>,
    /// The revision that it gets; absent where its template is a new one.
    to_revision: Option<RevisionNumber>,
    /// What changes in the pod template.
    changes: &'a [Change],
    /// What is sent, in this order.
    requests: &'a [Request],
    /// The steps in which the pods are replaced, where there are any.
    steps: Option<&'a [PlannedStep]>,
    /// What it does to the pods; absent where nobody can know.
    impact: Option<&'a Impact>,
    /// What else is to be known before.
    notes: &'a [String],
    /// What speaks against it.
    warnings: &'a [Warning],
}

impl Body for Plan<'_> {
    const KIND: &'static str = "Plan";
}

impl<'a> Plan<'a> {
    /// This one.
    pub fn of(plan: &'a plan::Plan) -> Plan<'a> {
        Plan {
            from_revision: plan.from,
            to_revision: plan.to,
            changes: &plan.changes,
            requests: &plan.requests,
            steps: filled(&plan.steps),
            impact: Some(&plan.impact).filter(|impact| impact.known),
            notes: &plan.notes,
            warnings: &plan.warnings,
        }
    }
}

/// What a verb that writes came to.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// One word for it.
    pub outcome: OutcomeWord,
    /// How the verb ends.
    pub exit: Exit,
    /// What was planned.
    pub plan: Option<&'a plan::Plan>,
    /// The revision that was left and the one that came back, where that was not planned beforehand.
    pub back: Option<(Option<RevisionNumber>, Option<RevisionNumber>)>,
    /// When that was so; nothing for now.
    pub ended: Option<Timestamp>,
    /// How far the rollout is.
    pub status: Option<Status<'a>>,
    /// Why a rollout failed that was taken back.
    pub causes: &'a [Cause],
    /// Warnings where there was no plan.
    pub warnings: &'a [Warning],
}

/// What a verb that writes, or guards, came to.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResultBody<'a> {
    /// What became of it, in one word.
    outcome: OutcomeWord,
    /// The exit code that goes with it.
    exit_code: Exit,
    /// When the call began.
    started_at: Timestamp,
    /// When it was over with this workload.
    ended_at: Timestamp,
    /// The revision that was left.
    from_revision: Option<RevisionNumber>,
    /// The revision that it got.
    to_revision: Option<RevisionNumber>,
    /// Why a rollout failed that was taken back or stands still; causes that still show are in `status`.
    causes: Option<&'a [Cause]>,
    /// What was planned.
    plan: Option<Plan<'a>>,
    /// How far the rollout is.
    status: Option<Status<'a>>,
    /// Warnings where there was no plan.
    warnings: Option<&'a [Warning]>,
}

impl Body for ResultBody<'_> {
    const KIND: &'static str = "Result";
}

impl<'a> Outcome<'a> {
    /// An outcome of which nothing more is known.
    pub fn new(outcome: OutcomeWord, exit: Exit) -> Outcome<'a> {
        Outcome {
            outcome,
            exit,
            plan: None,
            back: None,
            ended: None,
            status: None,
            causes: &[],
            warnings: &[],
        }
    }

    /// Adds what was planned.
    pub fn of(self, plan: impl Into<Option<&'a plan::Plan>>) -> Outcome<'a> {
        Outcome { plan: plan.into(), ..self }
    }

    /// Returns its document.
    pub fn document(self, workload: &WorkloadId, started: Timestamp, now: Timestamp) -> Value {
        let Outcome { outcome, exit, plan, back, ended, status, causes, warnings } = self;
        let (from_revision, to_revision) = plan.map(|plan| (plan.from, plan.to)).or(back).unwrap_or_default();
        let rolled = ResultBody {
            outcome,
            exit_code: exit,
            started_at: second(started),
            ended_at: second(ended.unwrap_or(now).max(started)),
            from_revision,
            to_revision,
            causes: filled(causes),
            plan: plan.map(Plan::of),
            status,
            warnings: filled(warnings),
        };
        about(workload, rolled)
    }
}

fn filled<T>(items: &[T]) -> Option<&[T]> {
    Some(items).filter(|items| !items.is_empty())
}
