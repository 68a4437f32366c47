//! What the server makes of a change: admission may store another template than the one that is sent.

use rollout_core::plan::Plan;
use rollout_core::template::diff;
use rollout_kube::{SendOptions, Sent};
use serde_json::Value;

use super::args::DryRun;
use super::flow::{Flow, Planned, changed_meanwhile};
use crate::call::CliError;
use crate::say;

/// Makes a plan follow what the server stored, and returns what is to be said where that is not what was sent.
pub(super) fn heed(plan: &mut Plan, written: &Value) -> Option<String> {
    let stored = written.pointer("/spec/template")?;
    let changes = diff::changes(&plan.template, stored);
    plan.template = stored.clone();
    if changes.is_empty() {
        return None;
    }
    let note = say::event::stored_otherwise(&changes);
    plan.notes.push(note.clone());
    Some(note)
}

impl Flow<'_> {
    /// Lets the server try what is planned, where it was asked for: the plans that are shown then say what it answers.
    pub(super) async fn rehearse(&mut self, planned: Vec<Planned>) -> Vec<Planned> {
        if self.args.dry_run != DryRun::Server {
            return planned;
        }
        let mut rehearsed = Vec::new();
        for mut it in planned {
            match self.try_out(&mut it).await {
                Ok(()) => rehearsed.push(it),
                Err(error) => self.reports.failed(&error.about(&it.plan.workload)),
            }
        }
        rehearsed
    }

    async fn try_out(&mut self, planned: &mut Planned) -> Result<(), CliError> {
        let Planned { seen: _, snapshot, plan } = planned;
        let send = SendOptions { dry_run: true, field_manager: self.field_manager() };
        for request in plan.requests.clone() {
            match (self.cluster.send(&request, &send).await, request.required) {
                (Ok(Sent::Done(answer)), true) => {
                    heed(plan, &answer);
                    plan.changes = diff::changes(snapshot.workload.template(), &plan.template);
                }
                (Ok(Sent::Changed | Sent::Gone | Sent::NotNow(_)), true) => {
                    return Err(changed_meanwhile(&plan.workload));
                }
                (Ok(Sent::Done(_)), false) => {}
                (Ok(Sent::Changed | Sent::Gone | Sent::NotNow(_)), false) => {
                    self.left_undone(&request, "it was changed meanwhile");
                }
                (Err(error), true) => return Err(error.into()),
                (Err(error), false) => {
                    self.left_undone(&request, &kubectl_connect::ApiError::from(error).to_string());
                }
            }
        }
        Ok(())
    }
}
