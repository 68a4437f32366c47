//! What the plugin says of itself: help, version, options, completion, and how kubectl lists it.

use std::fs;
use std::os::unix::fs::symlink;

use cluster::Output;
use e2e::{assert_code, cluster};

use e2e::Running;

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
fn the_completion_script_is_one_that_its_shell_reads() {
    let script = plugin(&["completion", "bash"]).expect_ok();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("completion.bash");
    fs::write(&path, format!("{script}\ncomplete -p kubectl-rollback\n")).unwrap();
    let mut bash = cluster().command("bash");
    bash.arg(&path);
    let read = Running::start(bash).ends();
    assert_code(&read, 0);
    assert!(read.stdout.contains("kubectl-rollback"), "{read}");
    assert_code(&plugin(&["completion", "no-such-shell"]), 2);
}

#[test]
fn kubectl_completes_the_plugin_once_it_is_linked() {
    let folder = tempfile::tempdir().unwrap();
    let binary = fs::canonicalize(cluster().bin().join("kubectl-rollback")).unwrap();
    for name in ["kubectl-rollback", "kubectl_complete-rollback"] {
        symlink(&binary, folder.path().join(name)).unwrap();
    }
    let completed = |words: &[&str]| {
        let mut kubectl = cluster().command("kubectl");
        let path = format!("{}:{}:/usr/bin:/bin", folder.path().display(), cluster().bin().display());
        kubectl.env("PATH", path).args(["__complete", "rollback"]).args(words);
        let output = Running::start(kubectl).ends();
        assert_code(&output, 0);
        output.stdout
    };
    let verbs = completed(&["his"]);
    assert!(verbs.starts_with("history\t") && verbs.lines().count() == 2, "{verbs}");
    assert!(completed(&["undo", "--to-l"]).starts_with("--to-last-good"));
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
