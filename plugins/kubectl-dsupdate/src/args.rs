//! What `kubectl dsupdate` is.

use plugin_kit::{Kind, Plugin};

/// The plugin.
pub const PLUGIN: Plugin = Plugin {
    name: "kubectl-dsupdate",
    about: "Update DaemonSets, and roll them back",
    examples: "\
Examples:
  {me} history agent                  # what was rolled out, and what changed
  {me} status agent                   # also true for OnDelete
  {me} undo agent --to-revision 3     # drives an OnDelete set, pod by pod",
    kind: Some(Kind::DaemonSet),
    default_verb: None,
};
