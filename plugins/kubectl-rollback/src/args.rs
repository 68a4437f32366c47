//! What `kubectl rollback` is.

use plugin_kit::Plugin;

/// The plugin.
pub const PLUGIN: Plugin = Plugin {
    name: "kubectl-rollback",
    about: "Roll Deployments, DaemonSets and StatefulSets back, and see what a rollback would do",
    examples: "\
Examples:
  {me} history deploy/web             # what was rolled out, and what changed
  {me} diff deploy/web                # the previous revision against the current one
  {me} deploy/web                     # back to the previous revision, after a question
  {me} undo sts/db --to-last-good     # back to the newest revision that worked
  {me} status ds/agent --timeout 5m   # wait for the end of a rollout",
    kind: None,
    default_verb: Some("undo"),
};
