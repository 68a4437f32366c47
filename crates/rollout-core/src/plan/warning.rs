//! What speaks against a change: stable ids with a sentence.

use serde::{Serialize, Serializer};

/// The stable id of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningId {
    /// The target revision never had an available pod while an older one still has.
    TargetUnavailable,
    /// The target differs from the current revision only in the time of a restart.
    RestartOnly,
    /// The object was made by `kubectl apply`, whose next run puts the change back.
    LastApplied,
    /// The target's template is the current one.
    SameTemplate,
    /// Pods are deleted one by one, and the overlap of a surge is lost (hazard H20).
    SurgeLost,
    /// A pod that dies below the partition comes back at another revision (hazard H2).
    MixedRevisions,
    /// The change makes the controller delete revisions.
    HistoryLimit,
    /// Something owns the object and puts the change back.
    GitopsOwner,
    /// An autoscaler owns the number of pods.
    Hpa,
    /// The new template names an object that does not exist.
    MissingConfig,
    /// The new template names an object that was changed since that template was live.
    ConfigChanged,
    /// A quota has no room for the pods of the change.
    Quota,
    /// Fewer pods will be available than a disruption budget asks for, which controllers do not respect.
    Pdb,
    /// A StatefulSet's partition keeps pods at another revision.
    PartitionLeft,
    /// Fields of the template are owned by a manager that applies server-side (hazard H26).
    SsaOwner,
    /// Pods of a held DaemonSet move at once (hazard H1).
    Placement,
    /// The controller does not find the revision again and restarts its pods (hazard H7).
    RevisionBytes,
    /// Checks that are stored on the workload would run where it is resumed.
    StoredChecks,
}

impl WarningId {
    /// All ids.
    pub const ALL: [WarningId; 18] = [
        WarningId::TargetUnavailable,
        WarningId::RestartOnly,
        WarningId::LastApplied,
        WarningId::SameTemplate,
        WarningId::SurgeLost,
        WarningId::MixedRevisions,
        WarningId::HistoryLimit,
        WarningId::GitopsOwner,
        WarningId::Hpa,
        WarningId::MissingConfig,
        WarningId::ConfigChanged,
        WarningId::Quota,
        WarningId::Pdb,
        WarningId::PartitionLeft,
        WarningId::SsaOwner,
        WarningId::Placement,
        WarningId::RevisionBytes,
        WarningId::StoredChecks,
    ];

    /// Returns the id as documents and `--allow` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            WarningId::TargetUnavailable => "target-unavailable",
            WarningId::RestartOnly => "restart-only",
            WarningId::LastApplied => "last-applied",
            WarningId::SameTemplate => "same-template",
            WarningId::SurgeLost => "surge-lost",
            WarningId::MixedRevisions => "mixed-revisions",
            WarningId::HistoryLimit => "history-limit",
            WarningId::GitopsOwner => "gitops-owner",
            WarningId::Hpa => "hpa",
            WarningId::MissingConfig => "missing-config",
            WarningId::ConfigChanged => "config-changed",
            WarningId::Quota => "quota",
            WarningId::Pdb => "pdb",
            WarningId::PartitionLeft => "partition-left",
            WarningId::SsaOwner => "ssa-owner",
            WarningId::Placement => "placement",
            WarningId::RevisionBytes => "revision-bytes",
            WarningId::StoredChecks => "stored-checks",
        }
    }

    /// Tells whether it stops only a revision that nobody has chosen.
    pub fn is_about_a_default(self) -> bool {
        matches!(self, WarningId::TargetUnavailable | WarningId::RestartOnly)
    }
}

impl Serialize for WarningId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something that speaks against a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
