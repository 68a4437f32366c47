//! The README and the pages beside it are true. Their `console` blocks are played in their order, those of each page on
//! workloads of its own as in `docs/example.yaml`, and what is printed is compared; the commands of their `sh` blocks
//! exist, with their flags; where the project lives is said as the workspace says it. `bash` blocks are for what is
//! released, and nobody can run them before.
//!
//! What is shown is real output, and none of it is elided: `shown` says what is made the same on both sides, and why of
//! the lines of progress more may be printed than are shown. A command that only reads is asked again for a while, since
//! controllers may not be as far as they were when the page was written.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

mod document;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cluster::{Namespace, Output, cargo, workspace};
use document::{Step, commands, play};
use e2e::{cluster, settled};

/// What is played.
const PLAYED: [&str; 8] = [
    "README.md",
    "docs/tutorial.md",
    "docs/compared.md",
    "docs/how-to/canary-on-nodes.md",
    "docs/how-to/database-by-partition.md",
    "docs/how-to/guard-in-a-pipeline.md",
    "docs/how-to/back-to-a-time.md",
    "docs/how-to/stuck-set.md",
];
/// What holds commands besides.
const PAGES: [&str; 5] = [
    "docs/measured.md",
    "docs/reference/rbac.md",
    "docs/reference/checks.md",
    "docs/troubleshooting.md",
    "docs/support.md",
];

/// The namespace that the pages show.
const SHOWN: &str = "shop";
/// How long a command that only reads is asked again.
const GAZE: Duration = Duration::from_secs(10);
/// What only reads.
const READING: [&str; 6] = [
    "kubectl rollback history ",
    "kubectl rollback diff ",
    "kubectl rollback timeline",
    "kubectl rollout history ",
    "kubectl dsupdate nodes ",
    "kubectl stspartition pods ",
];

fn page(name: &str) -> String {
    fs::read_to_string(workspace().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_console_blocks_print_what_the_pages_say() {
    let played = thread::scope(|scope| {
        // Most of the time is spent on waiting.
        PLAYED.map(|name| scope.spawn(move || play_page(name))).map(|page| page.join().unwrap())
    });
    let wrong: Vec<String> = played.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Returns the first thing that is not as it is shown.
fn play_page(name: &str) -> Option<String> {
    let steps = play(&page(name));
    assert!(!steps.is_empty(), "{name} has no console block");
    let namespace = cluster().namespace("page");
    create_examples(&namespace);
    let kubeconfig = kubeconfig(&namespace);
    for step in &steps {
        let begun = Instant::now();
        loop {
            let said = run(&step.command, &kubeconfig);
            let Some(difference) = difference(step, &said, namespace.name()) else { break };
            let again = READING.iter().any(|verb| step.command.starts_with(verb)) && begun.elapsed() < GAZE;
            if !again {
                return Some(format!(
                    "{name}, line {}:\n{difference}\nall that was printed:\n{said}",
                    step.line
                ));
            }
            thread::sleep(Duration::from_millis(300));
        }
    }
    None
}

fn difference(step: &Step, said: &str, namespace: &str) -> Option<String> {
    let names = [(namespace, SHOWN)];
    // What went live within one second stands in any order.
    match step.command.starts_with("kubectl rollback timeline") {
        true => {
            shown::difference(&by_what_follows_the_age(&step.output), &by_what_follows_the_age(said), &names)
        }
        false => shown::difference(&step.output, said, &names),
    }
}

fn by_what_follows_the_age(table: &str) -> String {
    let mut lines: Vec<&str> = table.lines().collect();
    lines.sort_by_key(|line| line.split_whitespace().skip(1).collect::<String>());
    lines.join("\n")
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

/// No line stands for others, and nothing in a line for anything.
#[test]
fn nothing_is_elided() {
    for name in PLAYED {
        for step in play(&page(name)) {
            let elided = |line: &str| line.trim() == "..." || line.contains("[..]");
            assert!(!step.output.lines().any(elided), "{name}, line {}: {}", step.line, step.output);
        }
    }
}

#[test]
fn the_project_lives_where_the_workspace_says() {
    let home = env!("CARGO_PKG_REPOSITORY");
    let (_, name) = home.split_once("github.com/").expect("a project on GitHub");
    let readme = page("README.md");
    for wanted in [
        format!("{home}/releases/download/$version/$file"),
        format!("--git {home} kubectl-rollback"),
        format!("--repo {name}\n"),
        format!("ghcr.io/{name}`"),
    ] {
        assert!(readme.contains(&wanted), "the README has no {wanted:?}");
    }
    let version = format!("version=v{};", env!("CARGO_PKG_VERSION"));
    assert!(readme.contains(&version), "the README has no {version:?}");
}

#[test]
fn the_commands_of_the_sh_blocks_exist_with_their_flags() {
    let commands: Vec<String> = PLAYED.iter().chain(&PAGES).flat_map(|name| commands(&page(name))).collect();
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
                // What a runner sets.
                let set = "GITHUB_STEP_SUMMARY=summary.md";
                let help = run(&format!("{set}; {command} --help && echo accepted"), cluster().kubeconfig());
                assert!(help.ends_with("accepted\n"), "`{command}`:\n{help}");
            }
            _ => panic!("a page has a command that nobody checks: {command}"),
        }
    }
}

fn xtask_usage() -> String {
    let xtask = cargo().arg("xtask").output();
    String::from_utf8_lossy(&xtask.expect("cargo xtask").stderr).into_owned()
}
