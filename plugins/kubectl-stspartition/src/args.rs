//! What `kubectl stspartition` is.

use plugin_kit::{Kind, Plugin};

/// The plugin.
pub const PLUGIN: Plugin = Plugin {
    name: "kubectl-stspartition",
    about: "Update StatefulSets, and roll them back",
    examples: "\
Examples:
  {me} history db                 # what was rolled out, and what changed
  {me} status db                  # also true for partitions and OnDelete
  {me} undo db                    # frees a stuck set by itself",
    kind: Some(Kind::StatefulSet),
    default_verb: None,
};
