//! Checks that are run for a machine, and what they came to.

use crate::history::number::RevisionNumber;
use crate::judge::cause::Cause;

/// Checks that are to be run: somebody's commands and queries about these pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRun {
    /// The revision that they judge.
    pub revision: Option<RevisionNumber>,
    /// The step of a rollout in steps, from 1; 0 for a whole rollout.
    pub step: usize,
    /// The pods that are judged.
    pub pods: Vec<String>,
    /// Their nodes.
    pub nodes: Vec<String>,
}

/// What checks came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All passed.
    Passed,
    /// One did not.
    Failed(Cause),
    /// One could not be run at all, which says nothing about the rollout.
    Broken(String),
}
