//! The README is true. Its `console` blocks are played in their order on a cluster that holds `docs/example.yaml`, and
//! what is printed is compared; the commands of its `sh` blocks exist, with their flags.
//!
//! In the expected output `...` stands for any number of lines and `[..]` for any text within one; how many blanks
//! separate two words does not matter, since the widths of columns depend on ages and names.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

mod document;

use std::fs;
use std::path::{Path, PathBuf};

use cluster::{Namespace, Output, cargo, workspace};
use document::{Step, commands, play};
use e2e::{cluster, settled};

fn readme() -> String {
    fs::read_to_string(workspace().join("README.md")).expect("README.md")
}

#[test]
fn the_console_blocks_print_what_the_readme_says() {
    let steps = play(&readme());
    assert!(!steps.is_empty(), "the README has no console block");
    let namespace = cluster().namespace("readme");
    create_examples(&namespace);
    let kubeconfig = kubeconfig(&namespace);
    for step in &steps {
        let said = run(&step.command, &kubeconfig);
        if let Some(difference) = difference(step, &said) {
            panic!("README.md, line {}:\n{difference}\nall that was printed:\n{said}", step.line);
        }
    }
}

/// Without the annotation that `kubectl apply` leaves, which is warned of.
fn create_examples(namespace: &Namespace<'_>) {
    let examples = workspace().join("docs/example.yaml");
    namespace.kubectl(&["create", "-f", &examples.to_string_lossy()]).expect_ok();
    let list = namespace.get(&["deployments,daemonsets,statefulsets"]);
    for object in list["items"].as_array().expect("a list") {
        let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
        settled(namespace, &format!("{}/{}", kind.as_str().expect("a kind"), name.as_str().expect("a name")));
    }
}

/// A kubeconfig in which the namespace is the default, as a reader's would be.
fn kubeconfig(namespace: &Namespace<'_>) -> PathBuf {
    let folder = cluster().bin().join("..").canonicalize().expect("the cluster's folder");
    let path = folder.join(format!("{}.kubeconfig", namespace.name()));
    fs::copy(cluster().kubeconfig(), &path).expect("a kubeconfig");
    run(&format!("kubectl config set-context --current --namespace={}", namespace.name()), &path);
    path
}

/// Runs a line as a shell would, with both streams in the order in which a terminal shows them.
fn run(line: &str, kubeconfig: &Path) -> String {
    let mut shell = cluster().command("sh");
    shell.arg("-c").arg(format!("exec 2>&1\n{line}")).env("KUBECONFIG", kubeconfig);
    Output::of(&mut shell, "").unwrap_or_else(|error| panic!("{error}")).stdout
}

fn difference(step: &Step, said: &str) -> Option<String> {
    let shown = snapbox::Data::text(blanks_squeezed(said));
    let expected = snapbox::Data::text(blanks_squeezed(&step.output));
    let compared = snapbox::Assert::new().try_eq(Some(&step.command), shown, expected);
    compared.err().map(|difference| difference.to_string())
}

fn blanks_squeezed(text: &str) -> String {
    let line = |line: &str| {
        // What leads a line is structure and stays.
        let indent = &line[..line.len() - line.trim_start().len()];
        format!("{indent}{}\n", line.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    text.lines().map(line).collect()
}

#[test]
fn only_what_is_elided_may_differ() {
    let step = Step { output: "...\nNAME   AGE\nweb    [..]\n  done\n".into(), ..Step::default() };
    assert_eq!(difference(&step, "waiting\nwaiting\nNAME  AGE\nweb   12s\n  done\n"), None);
    assert_eq!(difference(&step, "NAME     AGE\nweb      1s\n  done\n"), None);
    for wrong in [
        "NAME AGE\ndb 1s\n  done\n",
        "NAME AGE\nweb 1s\n",
        "NAME AGE\nweb 1s\ndone\n",
        "NAME AGE\nweb 1s\n  done\nmore\n",
        "",
    ] {
        assert!(difference(&step, wrong).is_some(), "{wrong}");
    }
}

#[test]
fn the_commands_of_the_sh_blocks_exist_with_their_flags() {
    let commands = commands(&readme());
    assert!(commands.iter().any(|command| command.starts_with("kubectl ")), "{commands:?}");
    assert!(commands.iter().any(|command| command.starts_with("cargo xtask ")), "{commands:?}");
    let xtask = xtask_usage();
    for command in commands {
        match command.split_whitespace().collect::<Vec<_>>()[..] {
            ["cargo", "xtask", name, ..] => {
                let listed = |line: &str| line.split_whitespace().next() == Some(name);
                assert!(xtask.lines().any(listed), "`{command}` is none of:\n{xtask}");
            }
            // An unknown verb or flag is refused before the help is printed.
            ["kubectl", ..] => {
                let help = run(&format!("{command} --help && echo accepted"), cluster().kubeconfig());
                assert!(help.ends_with("accepted\n"), "`{command}`:\n{help}");
            }
            _ => panic!("the README has a command that nobody checks: {command}"),
        }
    }
}

fn xtask_usage() -> String {
    let xtask = cargo().arg("xtask").output();
    String::from_utf8_lossy(&xtask.expect("cargo xtask").stderr).into_owned()
}
