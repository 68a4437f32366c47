//! Which revision somebody asks for, and why it cannot be had.

use k8s_openapi::jiff::Timestamp;

use crate::history::number::RevisionNumber;

/// Which revision somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionSelector {
    /// The one before the current one.
    Previous,
    /// The one with that number.
    Number(RevisionNumber),
    /// The newest older one that is known to have worked.
    LastGood,
    /// The one that was live at that moment of the server's clock.
    AtTime(Timestamp),
}

/// Why a revision cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRevision {
    /// No revision has that number.
    #[error("unable to find specified revision {wanted} in history")]
    NotFound {
        /// The number asked for.
        wanted: RevisionNumber,
        /// The numbers that exist.
        existing: Vec<RevisionNumber>,
        /// The revision that had this number before it came back.
        renumbered: Option<RevisionNumber>,
    },
    /// There is only the current revision.
    #[error("no last revision to roll back to")]
    OnlyOne,
    /// Nothing is recorded at all.
    #[error("no rollout history found")]
    Empty,
    /// No older revision is known to have worked.
    #[error("no older revision is known to have worked")]
    NoneGood,
    /// The records leave it open which revision was live then (hazard H24).
    #[error("renumbering hid which revision was live at {at}")]
    Hidden {
        /// The moment asked for.
        at: Timestamp,
    },
    /// The moment lies before all records.
    #[error("nothing is recorded of {at}: the oldest revision that is kept was created at {oldest}")]
    BeforeOldest {
        /// The moment asked for.
        at: Timestamp,
        /// When the oldest revision was created that is still kept.
        oldest: Timestamp,
    },
    /// Two objects carry that number, because somebody edited one by hand.
    #[error("revision {wanted} is both {} and {}", names[0], names[1])]
    Ambiguous {
        /// The number.
        wanted: RevisionNumber,
        /// The objects.
        names: [String; 2],
    },
    /// The recorded data cannot be read.
    #[error("unable to parse history {name}")]
    Corrupt {
        /// The object that holds it.
        name: String,
    },
}

impl NoRevision {
    /// Returns one word for it, upon which programs may rely.
    pub fn reason(&self) -> &'static str {
        match self {
            NoRevision::NotFound { .. } => "NoSuchRevision",
            NoRevision::OnlyOne => "OnlyOneRevision",
            NoRevision::Empty => "NoHistory",
            NoRevision::NoneGood => "NoneGood",
            NoRevision::Hidden { .. } => "Hidden",
            NoRevision::BeforeOldest { .. } => "BeforeOldest",
            NoRevision::Ambiguous { .. } => "Ambiguous",
            NoRevision::Corrupt { .. } => "Corrupt",
        }
    }
}
