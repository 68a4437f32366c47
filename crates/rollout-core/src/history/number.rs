//! The numbers of revisions.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Serialize, Serializer};

/// The annotation in which the Deployment controller numbers its ReplicaSets.
pub const REVISION: &str = "deployment.kubernetes.io/revision";

/// The number of a revision. Numbers move when a revision comes back; the object's name does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevisionNumber(NonZeroU64);

impl RevisionNumber {
    /// Makes a revision number; 0 is none.
    pub fn new(number: u64) -> Option<RevisionNumber> {
        NonZeroU64::new(number).map(RevisionNumber)
    }

    /// Returns the plain number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Returns the number as text, or what stands in its place where there is none.
    pub fn or(number: Option<RevisionNumber>, none: &str) -> String {
        number.map_or_else(|| none.to_string(), |number| number.to_string())
    }
}

impl fmt::Display for RevisionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for RevisionNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}
