//! What a change works with on its way from the plan to the end.

use std::collections::BTreeMap;

use kubectl_terminal::escape;
use rollout_core::plan::{Plan, Request};
use rollout_core::{RevisionNumber, Snapshot, WorkloadId};
use rollout_kube::{Cluster, Scope, Seen};

use super::args::WriteArgs;
use super::intent::Intent;
use crate::call::{CliError, Exit};
use crate::say::Reports;

/// A workload with its plan and what the plan was made from.
pub(super) struct Planned {
    pub(super) seen: Seen,
    pub(super) snapshot: Snapshot,
    pub(super) plan: Plan,
}

/// The change of everything that one call points at.
pub(super) struct Flow<'a> {
    pub(super) args: &'a WriteArgs,
    pub(super) reports: Reports<'a>,
    pub(super) cluster: Cluster,
    pub(super) intent: &'a mut dyn Intent,
    /// Whether several were pointed at, however many of them can be changed.
    pub(super) several: bool,
    /// Where everything was asked for.
    pub(super) whole: Option<Scope>,
    /// The revisions that were asked about, by the workloads' UIDs: what "previous" came to is never resolved anew.
    pub(super) resolved: BTreeMap<String, RevisionNumber>,
}

impl Flow<'_> {
    /// Returns under which name the changed fields are managed.
    pub(super) fn field_manager(&self) -> String {
        self.args.follow.manager(self.reports.session)
    }

    /// Says what was not done to a revision, without which the change holds all the same.
    pub(super) fn left_undone(&mut self, request: &Request, why: &str) {
        let (name, why) = (request.path.rsplit('/').next().unwrap_or_default(), escape::inline(why));
        let words = format!("a copy of what was stored stays on controllerrevision {name}: {why}");
        self.reports.session.ui.warn(&words);
    }
}

/// Says that nothing was written because somebody else did.
pub(super) fn changed_meanwhile(id: &WorkloadId) -> CliError {
    let words =
        format!("error: somebody changed {id} in namespace {} meanwhile: nothing was written", id.namespace);
    let hint = "look at it and run the command again".to_string();
    CliError::sentence(Exit::Superseded, words).hint(hint).about(id)
}
