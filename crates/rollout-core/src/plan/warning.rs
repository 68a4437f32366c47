//! What speaks against a change: stable ids with a sentence.

use serde::Serialize;

crate::words! {
    /// The stable id of a warning.
    pub enum WarningId {
        /// The target revision never had an available pod while an older one still has.
        TargetUnavailable = "target-unavailable",
        /// The target differs from the current revision only in the time of a restart.
        RestartOnly = "restart-only",
        /// The object was made by `kubectl apply`, whose next run puts the change back.
        LastApplied = "last-applied",
        /// The target's template is the current one.
        SameTemplate = "same-template",
        /// Pods are deleted one by one, and the overlap of a surge is lost (hazard H20).
        SurgeLost = "surge-lost",
        /// A pod that dies below the partition comes back at another revision (hazard H2).
        MixedRevisions = "mixed-revisions",
        /// The change makes the controller delete revisions.
        HistoryLimit = "history-limit",
        /// Something owns the object and puts the change back.
        GitopsOwner = "gitops-owner",
        /// An autoscaler owns the number of pods.
        Hpa = "hpa",
        /// The new template names an object that does not exist.
        MissingConfig = "missing-config",
        /// The new template names an object that was changed since that template was live.
        ConfigChanged = "config-changed",
        /// A quota has no room for the pods of the change.
        Quota = "quota",
        /// Fewer pods will be available than a disruption budget asks for, which controllers do not respect.
        Pdb = "pdb",
        /// A StatefulSet's partition keeps pods at another revision.
        PartitionLeft = "partition-left",
        /// Fields of the template are owned by a manager that applies server-side (hazard H26).
        SsaOwner = "ssa-owner",
        /// Pods of a held DaemonSet move at once (hazard H1).
        Placement = "placement",
        /// The controller does not find the revision again and restarts its pods (hazard H7).
        RevisionBytes = "revision-bytes",
        /// Checks that are stored on the workload would run where it is resumed.
        StoredChecks = "stored-checks",
    }
}

impl WarningId {
    /// Tells whether it stops only a revision that nobody has chosen.
    pub fn is_about_a_default(self) -> bool {
        matches!(self, WarningId::TargetUnavailable | WarningId::RestartOnly)
    }
}

/// Something that speaks against a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Warning {
    /// The stable id.
    pub id: WarningId,
    /// What it means here.
    pub message: String,
    /// What to do about it; a command where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Whether it stops the change until it is allowed.
    pub stops: bool,
}
