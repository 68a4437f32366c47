//! A revision as the value of a flag.

use rollout_core::RevisionNumber;

/// Reads a revision number; for clap.
pub fn parse_revision(text: &str) -> Result<RevisionNumber, String> {
    let number = text.parse().ok().and_then(RevisionNumber::new);
    number.ok_or_else(|| format!("revision must be a positive integer: {text}"))
}
