//! What tells one plugin from another.

use rollout_core::Kind;

/// What tells one plugin from another.
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// The binary's name, e.g. `kubectl-rollback`.
    pub name: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// Examples, before anything else in `--help`; `{me}` is the name that the plugin was called by.
    pub examples: &'static str,
    /// The kind that it is for; all three otherwise.
    pub kind: Option<Kind>,
    /// The verb that is meant where the first word is a target.
    pub default_verb: Option<&'static str>,
}
