//! What the plugin says of itself: help, version, options, completion, and how kubectl lists it.

use cluster::Output;
use e2e::{assert_code, cluster};

fn plugin(words: &[&str]) -> Output {
    cluster().kubectl(&[&["rollback"], words].concat())
}

#[test]
fn help_starts_with_examples_under_the_name_that_was_typed() {
    for verb in [None, Some("history"), Some("diff"), Some("undo"), Some("status"), Some("completion")] {
        let words: Vec<&str> = verb.into_iter().chain(["--help"]).collect();
        let help = plugin(&words).expect_ok();
        assert!(help.starts_with("Examples:\n  kubectl rollback "), "{help}");
        let usage = format!("Usage: kubectl rollback {}", verb.unwrap_or_default());
        assert!(help.contains(&usage), "{help}");
        // The connection flags are many, and kubectl's: `options` lists them.
        assert!(!help.contains("--certificate-authority"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
    let nothing = plugin(&[]);
    assert_code(&nothing, 2);
    assert!(nothing.stderr.starts_with("Examples:\n"), "{nothing}");
}

#[test]
fn version_and_options_are_there() {
    let version = plugin(&["version"]).expect_ok();
    assert_eq!(version, format!("kubectl-rollback v{}\n", env!("CARGO_PKG_VERSION")));
    let options = plugin(&["options"]).expect_ok();
    for flag in ["--kubeconfig", "--context", "--namespace", "--as", "--token", "--server", "--v"] {
        assert!(options.contains(&format!("{flag}=")), "{flag} is not in {options}");
    }
}

#[test]
fn the_flag_and_the_verb_say_the_same() {
    assert_eq!(plugin(&["--version"]).expect_ok(), plugin(&["version"]).expect_ok());
    assert_eq!(plugin(&["help", "undo"]).expect_ok(), plugin(&["undo", "--help"]).expect_ok());
    assert_code(&plugin(&["help", "nothing"]), 2);
}

#[test]
fn a_typo_is_answered_with_what_was_meant() {
    for (words, meant) in
        [(["stauts", "deploy/web"], "'status'"), (["undo", "--to-revison=3"], "'--to-revision'")]
    {
        let refused = plugin(&words);
        assert_code(&refused, 2);
        assert!(refused.stderr.contains(meant), "{refused}");
    }
}

#[test]
fn helps_say_what_scripts_rely_on() {
    for (verb, said) in
        [("status", "Exit codes: 0"), ("guard", "5 it failed"), ("guard", "ROLLOUT_PODS_FILE")]
    {
        assert!(plugin(&[verb, "--help"]).expect_ok().contains(said), "{verb}");
    }
}

#[test]
fn kubectl_lists_the_plugins_without_a_warning() {
    let list = cluster().kubectl(&["plugin", "list", "--name-only"]);
    for name in ["kubectl-dsupdate", "kubectl-rollback", "kubectl-stspartition"] {
        assert!(list.stdout.lines().any(|line| line == name), "{list}");
    }
    let all = format!("{}{}", list.stdout, list.stderr).to_lowercase();
    assert!(!all.contains("warning"), "{list}");
}
