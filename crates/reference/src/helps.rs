//! What holds for the helps and the completion of all plugins; where they are generated from is where they can be looked through.

use clap::{Arg, Command};
use plugin_kit::complete::Offer;

use crate::PLUGINS;

/// Flags whose value nobody can know, and those that mean a file or one of a few words, which clap completes.
const FREE: &[&str] = &[
    "asked",
    "as",
    "cache_dir",
    "certificate_authority",
    "check",
    "check_query",
    "client_certificate",
    "client_key",
    "color",
    "command",
    "field_manager",
    "filename",
    "impersonate",
    "impersonate_extra",
    "impersonate_groups",
    "impersonate_uid",
    "kubeconfig",
    "kuberc",
    "kustomize",
    "limit",
    "log_flush_frequency",
    "max_restarts",
    "max_surge",
    "max_unavailable",
    "node_selector",
    "on_failure",
    "partition",
    "password",
    "pause_after",
    "profile",
    "profile_output",
    "prometheus",
    "reason",
    "request_timeout",
    "selector",
    "server",
    "since",
    "soak",
    "steps",
    "summary",
    "timeout",
    "tls_server_name",
    "to",
    "to_time",
    "token",
    "undo_timeout",
    "username",
    "verbosity",
    "vmodule",
    "wait",
    "watch",
    "what",
    "disable_compression",
    "insecure_skip_tls_verify",
    "match_server_version",
    "warnings_as_errors",
];

fn verbs() -> impl Iterator<Item = (String, Command)> {
    PLUGINS.iter().flat_map(|command| {
        let mut command = command();
        command.build();
        let all: Vec<_> = command.get_subcommands().filter(|it| it.get_name() != "help").cloned().collect();
        all.into_iter().map(move |verb| (format!("{} {}", command.get_name(), verb.get_name()), verb))
    })
}

#[test]
fn examples_fit_a_terminal() {
    for command in PLUGINS.map(|command| command()).into_iter().chain(verbs().map(|(_, verb)| verb)) {
        let examples = command.get_before_help().map(ToString::to_string).unwrap_or_default();
        assert!(examples.starts_with("Examples:\n"), "{}: {examples}", command.get_name());
        for line in examples.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn examples_are_never_wrapped_and_helps_fit_80_columns() {
    for (name, verb) in verbs() {
        let examples = verb.get_before_help().map(ToString::to_string).unwrap_or_default();
        for columns in [60, 80] {
            let mut verb = verb.clone().term_width(columns);
            for help in [verb.render_help().to_string(), verb.render_long_help().to_string()] {
                assert!(help.starts_with(&format!("{examples}\n\n")), "{name} at {columns}: {help}");
                let below = help.lines().skip(examples.lines().count());
                let wide: Vec<&str> = below.filter(|line| line.chars().count() > 80).collect();
                assert!(columns < 80 || wide.is_empty(), "{name}: {wide:#?}");
            }
        }
    }
}

#[test]
fn what_is_typed_is_completed_or_nobody_can_know_it() {
    for (name, verb) in verbs() {
        let takes_value = |arg: &&Arg| arg.is_positional() || arg.get_action().takes_values();
        for arg in verb.get_arguments().filter(takes_value) {
            let (offers, free) = (Offer::of(arg).is_some(), FREE.contains(&arg.get_id().as_str()));
            assert!(offers != free, "{name} {}: either it offers something or it is free", arg.get_id());
        }
    }
}

#[test]
fn a_flag_is_offered_only_where_it_works() {
    for (name, verb) in verbs() {
        let offers = |id: &str| verb.get_arguments().any(|arg| arg.get_id() == id && !arg.is_hide_set());
        let writes = offers("dry_run") || offers("field_manager");
        if writes && !name.ends_with(" strategy") {
            assert!(!offers("all_namespaces") && !offers("no_headers"), "{name} writes");
        } else if offers("targets") {
            assert!(offers("all_namespaces"), "{name} reads");
        }
        let alone = !["start", "try", "unstick", "pause"].iter().any(|it| name.ends_with(&format!(" {it}")));
        assert_eq!(offers("wait"), offers("dry_run") && alone, "{name}");
        let waits = name.ends_with(" status") || writes && !name.ends_with(" pause");
        assert_eq!(offers("timeout"), waits, "{name}");
        let forms = verb.get_arguments().find(|arg| arg.get_id() == "output").and_then(Arg::get_help);
        let forms = forms.map(ToString::to_string).unwrap_or_default();
        let tables = offers("no_headers") && !name.ends_with(" strategy");
        assert_eq!(forms.contains("wide"), tables, "{name}: {forms}");
        assert_eq!(forms.contains("json-patch"), name.ends_with(" diff"), "{name}: {forms}");
    }
}
