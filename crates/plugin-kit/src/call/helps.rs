//! What the help of a verb says besides its flags: examples first, and last what scripts rely on.

use clap::Command;

use super::Plugin;

/// As clap's own, with the examples as they are: wrapped they could not be copied.
const BELOW_EXAMPLES: &str = "\n\n{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}{after-help}";

/// What a verb that only compares ends with.
const COMPARES: &str = "0 no difference, 1 they differ, 2 error";

/// What every other verb that scripts wait for ends with.
const ALL: &str = "0 done, 1 error, 2 wrong command line";

/// What a verb that follows rollouts ends with besides.
const FOLLOWS: &str = "3 the rollout failed, 4 the time is up, 6 somebody rolled out something else, 7 nothing more moves by itself";

/// What a verb that takes back what fails ends with besides.
const GUARDS: &str = "\
3 the rollout failed and is not taken back, 4 the time is up, 5 it failed and is taken back, 6 somebody rolled out something else, \
7 nothing more moves by itself";

/// What a verb that asks ends with besides.
const ASKS: &str = "8 not agreed to";

/// What a check finds in its environment.
const CHECKS: &str = "\
A check finds ROLLOUT_WORKLOAD, ROLLOUT_NAMESPACE, ROLLOUT_REVISION and ROLLOUT_STEP in its environment, the pods and nodes in \
ROLLOUT_PODS and ROLLOUT_NODES while they are few, and always, one a line, in the files ROLLOUT_PODS_FILE and ROLLOUT_NODES_FILE.";

/// Puts examples above everything else; `{me}` is the name that the plugin was called by.
pub(super) fn with_examples(command: Command, plugin: Plugin, called: &str, text: &str) -> Command {
    let target = match plugin.kind {
        None => "deploy/web",
        Some(_) => "web",
    };
    let examples = aligned(&text.replace("{me}", called).replace("{target}", target));
    // A template has names in braces; what has braces itself is clap's to print.
    let command = match examples.contains(['{', '}']) {
        false => command.help_template(format!("{examples}{BELOW_EXAMPLES}")),
        true => command,
    };
    command.before_help(examples)
}

/// What stands behind two blanks and a hash is put under each other: names differ in length.
fn aligned(examples: &str) -> String {
    let split = |line: &str| {
        line.split_once("  # ").map(|(left, right)| (left.trim_end().to_string(), right.to_string()))
    };
    let width = examples.lines().filter_map(split).map(|(left, _)| left.chars().count()).max().unwrap_or(0);
    let line = |line: &str| match split(line) {
        Some((left, right)) => format!("{left:width$}  # {right}"),
        None => line.to_string(),
    };
    examples.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Says in the help of a verb what is the same for all verbs that have a flag.
pub(super) fn with_exits(verb: Command, plugin: Plugin) -> Command {
    let has = |long: &str| verb.get_arguments().any(|arg| arg.get_long() == Some(long) && !arg.is_hide_set());
    let follows = match (["undo-timeout", "on-failure", "take-over"].into_iter().any(has), has("patience")) {
        (true, _) => Some(GUARDS),
        (false, true) => Some(FOLLOWS),
        (false, false) => None,
    };
    let asks = has("dry-run").then_some(ASKS);
    let exits = match verb.get_name() {
        "diff" => Some(COMPARES.to_string()),
        _ if follows.or(asks).is_none() => None,
        _ => Some([Some(ALL), follows, asks].into_iter().flatten().collect::<Vec<_>>().join(", ")),
    };
    let exits = exits.map(|exits| format!("Exit codes: {exits}."));
    let checks = has("max-restarts").then_some(CHECKS);
    let said: Vec<&str> = [checks, exits.as_deref()].into_iter().flatten().collect();
    let verb = match said.is_empty() {
        true => verb,
        false => verb.after_help(said.join("\n\n")),
    };
    match plugin.kind.is_some() {
        true => verb.mut_args(|arg| match arg.get_id() == "targets" {
            true => arg.help("What to work on: NAME, or TYPE/NAME"),
            false => arg,
        }),
        false => verb,
    }
}
