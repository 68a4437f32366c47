//! `cargo xtask test`: everything that a change must pass, stage by stage.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use cluster::{LEFT_OUT, Programs, Version, cargo};
use tempfile::NamedTempFile;

use crate::Result;

/// The end-to-end tests mostly wait for the cluster, so there are more at a time than cores.
const E2E_THREADS: &str = "4";

/// So many end-to-end tests may fail and are run again, alone, twice at most, and named: a control plane that four of them and
/// a busy machine share is late at times. What is wrong fails alone too.
const MOST_UNSTEADY: usize = 3;

/// What the rounds of chaos are drawn from.
const CHAOS_SEED: &str = "1";

/// Some of the end-to-end tests.
struct Selection {
    programs: &'static [&'static str],
    /// Parts of their names, as `cargo test` takes them.
    tests: &'static [&'static str],
}

/// What runs on the oldest version of Kubernetes too, where changes are tried: each verb and kind, about a third of all, and what an
/// older server does otherwise.
const ON_THE_OLDEST: Selection = Selection {
    programs: &["rollback", "dsupdate", "stspartition"],
    tests: &[
        "advance::",
        "attempt::an_image",
        "budget::",
        "causes::a_pod_below",
        "causes::pods_that",
        "diff::",
        "guard::a_set_that_hangs",
        "guard::what_fails",
        "history::",
        "nodes::",
        "pause::",
        "pods::the_line",
        "set::",
        "status::",
        "steps::",
        "strategy::",
        "stuck::",
        "timeline::what_went_live",
        "undo::",
        "unstick::",
        "verdict::pods_that_end",
        "warnings::a_revision",
    ],
};

struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn(&Request) -> Result<Counts>,
}

/// In this order: what fails fastest and most often comes first.
const STAGES: &[Stage] = &[
    Stage { name: "format", about: "every file as rustfmt writes it", run: format },
    Stage { name: "lint", about: "no warning of the compiler or clippy", run: lint },
    Stage { name: "docs", about: "the API documentation and the site, without broken links", run: docs },
    Stage { name: "deny", about: "licences, versions, sources and advisories of what is linked", run: deny },
    Stage {
        name: "workflows",
        about: "the workflows and the action, as actionlint reads them",
        run: workflows,
    },
    Stage { name: "unit", about: "unit and property tests of all crates", run: unit },
    Stage { name: "controlplane", about: "build of Kubernetes, once", run: control_plane },
    Stage { name: "cluster", about: "tests of the test cluster", run: cluster_tests },
    Stage { name: "e2e", about: "the plugins through kubectl on a real control plane", run: end_to_end },
    Stage { name: "node", about: "the plugins against real kubelets and containers", run: real_nodes },
    Stage {
        name: "oldest",
        about: "a third of the end-to-end tests on the oldest Kubernetes, which is built once",
        run: oldest,
    },
    Stage {
        name: "pictures",
        about: "the pictures of the documents are what is on the screen",
        run: pictures,
    },
    Stage { name: "demo", about: "the demo, to its end", run: demo },
    Stage { name: "chaos", about: "three minutes in which everything fails at random", run: chaos },
];

/// What was asked for.
#[derive(Debug, Default)]
struct Request {
    stages: Vec<String>,
    filter: Vec<String>,
    /// Of which Kubernetes the control planes are, where that was said.
    kubernetes: Option<Version>,
}

impl Request {
    /// Tells whether everything is meant.
    fn names_nothing(&self) -> bool {
        self.stages.is_empty() && self.filter.is_empty() && self.kubernetes.is_none()
    }
}

/// How many tests ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    /// Of those that passed, how many did so alone only.
    unsteady: u64,
    /// How many had nothing to show on this version of Kubernetes, and did not pass therefore.
    left_out: u64,
}

pub(crate) fn run(args: &[String]) -> Result {
    let request = parse(args)?;
    let stages: Vec<&Stage> = STAGES.iter().filter(|stage| chosen(&request, stage.name)).collect();
    let mut report = Vec::new();
    let (mut left_out, mut total) = (Vec::new(), Counts::default());
    let mut outcome = Ok(());
    for (index, stage) in stages.iter().enumerate() {
        println!("\n== {} ({} of {}): {}", stage.name, index + 1, stages.len(), stage.about);
        if let Some(obstacle) = obstacle(stage.name) {
            println!("left out: {obstacle}");
            left_out.push(format!("{} ({obstacle})", stage.name));
            continue;
        }
        let start = Instant::now();
        let result = (stage.run)(&request);
        report.push((stage.name, start.elapsed()));
        match result {
            Ok(counts) => total = total.plus(counts),
            Err(error) => {
                outcome = Err(format!("{}: {error}; again: cargo xtask test {0}", stage.name).into());
                break;
            }
        }
    }
    println!();
    report.iter().for_each(|(name, took)| println!("{name:<14}{:>8}", minutes(*took)));
    if outcome.is_ok() && (total.passed > 0 || !left_out.is_empty()) {
        println!("\n{} of the tests were unsteady", total.unsteady);
        println!("\n{} of the tests were left out", total.left_out);
        println!("\n{} passed, {} failed", total.passed, total.failed);
        if !left_out.is_empty() {
            println!("left out: {}", left_out.join(", "));
        }
    }
    outcome
}

/// Tells why a stage cannot be run on this machine, if it cannot.
fn obstacle(stage: &str) -> Option<String> {
    if stage == "node" { node::obstacle() } else { None }
}

fn parse(args: &[String]) -> Result<Request> {
    let mut request = Request::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--" => request.filter = words.by_ref().cloned().collect(),
            "--kubernetes" => request.kubernetes = Some(kubernetes(words.next())?),
            stage => request.stages.push(stage.into()),
        }
    }
    let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
    match request.stages.iter().find(|stage| !names.contains(&stage.as_str())) {
        Some(unknown) => Err(format!("no stage {unknown}; there are {}", names.join(", ")).into()),
        None => Ok(request),
    }
}

/// Reads what follows `--kubernetes`: a version that there is.
pub(crate) fn kubernetes(word: Option<&String>) -> Result<Version> {
    let version: Version = word.ok_or("--kubernetes needs a version, such as 1.33")?.parse()?;
    version.source()?;
    Ok(version)
}

/// A filter or a version without a stage is meant for the end-to-end tests: nobody else's names are known by heart, and other
/// stages have none.
fn chosen(request: &Request, stage: &str) -> bool {
    match (request.names_nothing(), request.stages.is_empty()) {
        (true, _) => true,
        (false, true) => stage == "e2e",
        (false, false) => request.stages.iter().any(|name| name == stage),
    }
}

/// Returns cargo, of which all that starts a control plane learns what was asked for.
fn cargo_for(request: &Request) -> Command {
    let mut command = cargo();
    command.envs(request.kubernetes.map(|version| (Version::VARIABLE, version.to_string())));
    command
}

fn format(_: &Request) -> Result<Counts> {
    component("fmt", "rustfmt")?;
    succeed(cargo().args(["fmt", "--all", "--check"]))
}

fn lint(_: &Request) -> Result<Counts> {
    component("clippy", "clippy")?;
    succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn docs(_: &Request) -> Result<Counts> {
    crate::docs::site()?;
    succeed(cargo().args(["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "--deny warnings"))
}

fn deny(_: &Request) -> Result<Counts> {
    crate::deny::run()?;
    Ok(Counts::default())
}

fn workflows(_: &Request) -> Result<Counts> {
    crate::workflows::lint()?;
    Ok(Counts::default())
}

fn unit(request: &Request) -> Result<Counts> {
    let others = ["--workspace", "--exclude", "e2e", "--exclude", "cluster", "--exclude", "node"];
    cargo_test(request, &others, &request.filter)
}

fn control_plane(request: &Request) -> Result<Counts> {
    let version = request.kubernetes.map_or_else(Version::chosen, Ok)?;
    println!("{}", Programs::build(version)?.path("kube-apiserver").display());
    Ok(Counts::default())
}

fn cluster_tests(request: &Request) -> Result<Counts> {
    cargo_test(request, &["--package", "cluster"], &request.filter)
}

fn end_to_end(request: &Request) -> Result<Counts> {
    let package = ["--package", "e2e", "--no-fail-fast"];
    on_a_cluster(request, &package, &request.filter)
}

fn oldest(request: &Request) -> Result<Counts> {
    let oldest = Version::all()?.into_iter().next();
    let request = Request { kubernetes: request.kubernetes.or(oldest), ..Request::default() };
    control_plane(&request)?;
    let programs = ON_THE_OLDEST.programs.iter().flat_map(|program| ["--test", program]);
    let package: Vec<&str> = ["--package", "e2e", "--no-fail-fast"].into_iter().chain(programs).collect();
    let filter: Vec<String> = ON_THE_OLDEST.tests.iter().map(ToString::to_string).collect();
    on_a_cluster(&request, &package, &filter)
}

fn on_a_cluster(request: &Request, package: &[&str], filter: &[String]) -> Result<Counts> {
    let threads = env::var("RUST_TEST_THREADS").unwrap_or_else(|_| E2E_THREADS.to_string());
    let mut args = vec!["--test-threads".to_string(), threads];
    args.extend(filter.iter().cloned());
    steady(request, package, &args, usize::MAX)
}

fn real_nodes(request: &Request) -> Result<Counts> {
    // Its tests take one name at a time.
    steady(request, &["--package", "node"], &request.filter, 1)
}

/// Runs tests, and what fails beside others once more, alone, so many names at a time.
fn steady(request: &Request, package: &[&str], args: &[String], names: usize) -> Result<Counts> {
    let first = run_tests(request, package, args)?;
    if !first.ended || first.failed.is_empty() || first.failed.len() > MOST_UNSTEADY {
        return first.result();
    }
    let words = ["--exact", "--test-threads", "1"].map(str::to_string);
    let (mut failed, mut alone) = (first.failed.clone(), Counts::default());
    for last in [false, true] {
        println!("\n{} failed beside others; alone:", failed.join(", "));
        let mut still = Vec::new();
        for some in failed.chunks(names.min(failed.len())) {
            let again = run_tests(request, package, &[&words[..], some].concat())?;
            if last || !again.ended {
                again.result()?;
            }
            // A machine that stalls for seconds fails one that is right; what is wrong fails each time.
            alone.passed += again.counts.passed;
            still.extend(again.failed);
        }
        failed = still;
        if failed.is_empty() {
            break;
        }
    }
    first.failed.iter().for_each(|name| println!("unsteady: {name} failed beside others and passed alone"));
    let passed = first.counts.passed + alone.passed;
    Ok(Counts { passed, failed: 0, unsteady: alone.passed, ..first.counts })
}

fn demo(request: &Request) -> Result<Counts> {
    succeed(cargo_for(request).args(["xtask", "demo"]).stdin(Stdio::null()))
}

/// Always the same rounds: the machine's timing is another one each time as it is.
fn chaos(request: &Request) -> Result<Counts> {
    succeed(
        cargo_for(request)
            .args(["xtask", "chaos", "--minutes", "3", "--seed", CHAOS_SEED])
            .stdin(Stdio::null()),
    )
}

/// Once more where one differs: beside a controller that is late something else may be on the screen.
fn pictures(_: &Request) -> Result<Counts> {
    let check = || succeed(cargo().args(["xtask", "docs", "pictures", "--check"]).stdin(Stdio::null()));
    check().or_else(|_| {
        println!("\nonce more:");
        check()
    })
}

/// Brings a part of the toolchain that not every installation has.
fn component(command: &str, component: &str) -> Result {
    let there = cargo().args([command, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if there.success() {
        return Ok(());
    }
    println!("the toolchain lacks {component}: rustup component add {component}");
    match Command::new("rustup").args(["component", "add", component]).status() {
        Ok(status) if status.success() => Ok(()),
        _ => {
            Err(format!("{component} is missing, and rustup cannot add it: install it for {}", rustc())
                .into())
        }
    }
}

fn rustc() -> String {
    let version = Command::new("rustc").arg("--version").output();
    version.map_or_else(|_| "your Rust".into(), |it| String::from_utf8_lossy(&it.stdout).trim().to_string())
}

fn succeed(command: &mut Command) -> Result<Counts> {
    let status = command.status()?;
    if status.success() { Ok(Counts::default()) } else { Err(format!("failed ({status})").into()) }
}

fn cargo_test(request: &Request, packages: &[&str], args: &[String]) -> Result<Counts> {
    run_tests(request, packages, args)?.result()
}

/// What became of tests.
struct Ran {
    counts: Counts,
    /// The names of those that failed.
    failed: Vec<String>,
    /// Whether each program of tests came to its end.
    ended: bool,
    status: ExitStatus,
}

impl Ran {
    /// Returns how many passed, or that not all did.
    fn result(&self) -> Result<Counts> {
        match self.status.success() {
            true => Ok(self.counts),
            false => Err(format!("{} tests failed ({})", self.counts.failed, self.status).into()),
        }
    }
}

/// Runs `cargo test`, shows what it prints, and counts.
fn run_tests(request: &Request, packages: &[&str], args: &[String]) -> Result<Ran> {
    let left_out = NamedTempFile::new()?;
    let mut command = cargo_for(request);
    command.env(LEFT_OUT, left_out.path());
    command.arg("test").args(packages).arg("--").args(args).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let (mut counts, mut failed, mut open) = (Counts::default(), Vec::new(), 0);
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).split(b'\n')) {
        let line = line?;
        stdout().write_all(&line)?;
        println!();
        let line = String::from_utf8_lossy(&line);
        open += i32::from(is_start(&line)) - i32::from(read_counts(&line).is_some());
        counts = counts.plus(read_counts(&line).unwrap_or_default());
        failed.extend(read_failure(&line).map(str::to_string));
    }
    let status = child.wait()?;
    let left_out = fs::read_to_string(left_out.path())?;
    let left_out: BTreeSet<&str> = left_out.lines().collect();
    left_out.iter().for_each(|line| println!("{line}"));
    Ok(Ran { counts: counts.without(&left_out), failed, ended: open == 0, status })
}

/// Reads `running 12 tests`.
fn is_start(line: &str) -> bool {
    line.starts_with("running ") && (line.ends_with(" test") || line.ends_with(" tests"))
}

/// Reads `test undo::a_plan ... FAILED`.
fn read_failure(line: &str) -> Option<&str> {
    Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.trim_end())
}

/// Reads `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
fn read_counts(line: &str) -> Option<Counts> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| {
        let part = counts.split("; ").find(|part| part.ends_with(word))?;
        part.split_once(' ')?.0.parse().ok()
    };
    Some(Counts { passed: number(" passed")?, failed: number(" failed")?, ..Counts::default() })
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            unsteady: self.unsteady + other.unsteady,
            left_out: self.left_out + other.left_out,
        }
    }

    /// A test that left itself out, with a line that says so, is one of those that passed for `cargo test`.
    fn without(self, left_out: &BTreeSet<&str>) -> Self {
        let left_out = left_out.len() as u64;
        Self { passed: self.passed.saturating_sub(left_out), left_out, ..self }
    }
}

fn minutes(took: Duration) -> String {
    format!("{}:{:02} min", took.as_secs() / 60, took.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use cluster::workspace;

    use super::{Counts, ON_THE_OLDEST, STAGES, chosen, is_start, parse, read_counts, read_failure};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn a_result_line_of_cargo_test_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(read_counts(line), Some(Counts { passed: 12, failed: 3, ..Counts::default() }));
        assert_eq!(read_counts("test undo ... ok"), None);
        assert_eq!(read_failure("test undo::a_plan ... FAILED"), Some("undo::a_plan"));
        assert_eq!(read_failure("test crash::daemonset      ... FAILED"), Some("crash::daemonset"));
        assert_eq!(read_failure("test undo::a_plan ... ok"), None);
        assert!(is_start("running 12 tests") && is_start("running 1 test") && !is_start(line));
    }

    #[test]
    fn a_test_that_was_left_out_did_not_pass() {
        let ran = Counts { passed: 12, ..Counts::default() };
        let lines = BTreeSet::from(["left out: budget::one: why", "left out: budget::two: why"]);
        assert_eq!(ran.without(&lines), Counts { passed: 10, left_out: 2, ..Counts::default() });
    }

    #[test]
    fn a_filter_alone_is_for_the_end_to_end_tests() {
        let request = parse(&words("-- undo")).unwrap();
        assert!(chosen(&request, "e2e") && !chosen(&request, "unit"));
        let request = parse(&words("unit -- undo")).unwrap();
        assert!(chosen(&request, "unit") && !chosen(&request, "e2e"));
        assert_eq!(request.filter, ["undo"]);
    }

    #[test]
    fn a_version_is_one_that_there_is_and_for_the_end_to_end_tests_where_no_stage_is_named() {
        let request = parse(&words("--kubernetes 1.33 -- undo")).unwrap();
        assert!(chosen(&request, "e2e") && !chosen(&request, "oldest"));
        assert_eq!(request.kubernetes.unwrap().to_string(), "1.33");
        let request = parse(&words("cluster e2e --kubernetes 1.33")).unwrap();
        assert!(chosen(&request, "cluster") && !chosen(&request, "unit"));
        let error = parse(&words("e2e --kubernetes 1.5")).unwrap_err().to_string();
        assert!(error.starts_with("there is no Kubernetes 1.5 here, but 1.33"), "{error}");
        let error = parse(&words("e2e --kubernetes")).unwrap_err().to_string();
        assert_eq!(error, "--kubernetes needs a version, such as 1.33");
    }

    #[test]
    fn each_test_that_runs_on_the_oldest_version_is_there() {
        let sources = |module: &str| {
            let file = format!("{module}.rs");
            let folders =
                ON_THE_OLDEST.programs.iter().map(|it| workspace().join("tests").join(it).join(&file));
            folders.filter_map(|path| fs::read_to_string(path).ok()).collect::<String>()
        };
        for filter in ON_THE_OLDEST.tests {
            let (module, begin) = filter.split_once("::").unwrap();
            assert!(sources(module).contains(&format!("#[test]\nfn {begin}")), "{filter}");
        }
    }

    #[test]
    fn all_stages_run_where_none_is_named() {
        let request = parse(&[]).unwrap();
        assert!(STAGES.iter().all(|stage| chosen(&request, stage.name)));
        let request = parse(&words("node")).unwrap();
        assert!(!chosen(&request, "unit") && chosen(&request, "node"));
    }

    #[test]
    fn an_unknown_stage_is_refused_with_those_that_exist() {
        let error = parse(&words("units")).unwrap_err().to_string();
        assert!(error.starts_with("no stage units; there are format, lint, docs"), "{error}");
    }
}
