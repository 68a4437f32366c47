//! `cargo xtask bench`: the plugins against `kubectl rollout`, side by side on one cluster.
//!
//! `bench limit` is what the verbs on one object cost above the least that they can.
//! `bench timeline` makes thousands of ReplicaSets instead, `bench revisions` as many of one Deployment, `bench many` a thousand
//! Deployments, and `bench nodes` a DaemonSet on thousands of nodes, which takes minutes; `bench step` rolls a part of it. `bench failures` waits for rollouts
//! that fail, `bench recovery` takes them back, and `bench false-alarms` guards rollouts that work in the end.
//!
//! Runs alternate, so that both meet the same cluster and the same machine; medians are compared, as ratios: a
//! machine's speed cancels out. Nothing here decides a test.

mod audit;
mod failures;
mod false_alarms;
mod limit;
mod many;
mod nodes;
mod recovery;
mod report;
mod revisions;
mod step;
mod timeline;
mod workloads;

use std::path::{Path, PathBuf};
use std::{env, fs};

use cluster::{Cluster, Namespace, Options, Output};

use crate::measure::Cost;
use crate::{Result, plugins};

const KINDS: [&str; 3] = ["deployment", "daemonset", "statefulset"];

/// Below this a median says little.
const FEWEST_RUNS: usize = 15;
/// What takes seconds differs less from run to run.
const FEWEST_LONG_RUNS: usize = 5;

/// Two command lines that answer the same question.
struct Pair {
    name: String,
    here: Vec<String>,
    kubectl: Vec<String>,
    /// Whether they change the object, which has to come to rest in between.
    writes: bool,
    /// The bounds that the design sets for this pair; 0 where a figure has none.
    bounds: Option<Cost>,
}

/// What both took, and how many requests they sent.
struct Comparison<'a> {
    pair: &'a Pair,
    here: Cost,
    kubectl: Cost,
    /// None where they are not counted.
    requests: Option<(usize, usize)>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The verbs on one object.
    Verbs,
    /// The timeline of thousands of revisions.
    Timeline,
    /// The least that a call can take.
    Limit,
    /// A thousand workloads.
    Many,
    /// A DaemonSet on thousands of nodes.
    Nodes,
    /// A history of thousands of revisions.
    Revisions,
    /// A step over some of them.
    Step,
    /// Rollouts that fail.
    Failures,
    /// Rollouts that work in the end.
    FalseAlarms,
    /// The way back from them.
    Recovery,
}

pub(crate) fn run(args: &[String]) -> Result {
    let (part, args) = match args {
        [first, rest @ ..] if first == "timeline" => (Part::Timeline, rest),
        [first, rest @ ..] if first == "limit" => (Part::Limit, rest),
        [first, rest @ ..] if first == "revisions" => (Part::Revisions, rest),
        [first, rest @ ..] if first == "many" => (Part::Many, rest),
        [first, rest @ ..] if first == "nodes" => (Part::Nodes, rest),
        [first, rest @ ..] if first == "step" => (Part::Step, rest),
        [first, rest @ ..] if first == "failures" => (Part::Failures, rest),
        [first, rest @ ..] if first == "false-alarms" => (Part::FalseAlarms, rest),
        [first, rest @ ..] if first == "recovery" => (Part::Recovery, rest),
        _ => (Part::Verbs, args),
    };
    let large = matches!(part, Part::Timeline | Part::Revisions | Part::Many | Part::Nodes | Part::Step);
    let audited = matches!(part, Part::Many | Part::Step);
    let runs = runs(args, if large { FEWEST_LONG_RUNS } else { FEWEST_RUNS })?;
    let plugins = plugins::build("release")?;
    let cluster = Cluster::start(&Options { large, audited, ..Options::default() })?;
    for program in plugins.iter().chain([&cluster.bin().join("kubectl")]) {
        copy(&cluster, program)?;
    }
    match part {
        Part::Verbs => verbs(&cluster, &plugins, runs),
        Part::Limit => limit::run(&cluster, runs),
        Part::Timeline => {
            let pairs = timeline::pairs();
            let namespace = cluster.namespace("bench");
            report::print(&timeline::compare(&namespace, &pairs, runs)?, &plugins, runs)
        }
        Part::Revisions => revisions::run(&cluster, runs),
        Part::Nodes => {
            let namespace = cluster.namespace("bench");
            let pairs = nodes::pairs(namespace.name());
            report::print(&nodes::compare(&namespace, &pairs, runs)?, &plugins, runs)
        }
        Part::Many => many::run(&cluster, runs),
        Part::Step => step::run(&cluster, runs),
        Part::Failures => failures::run(&cluster),
        Part::FalseAlarms => false_alarms::run(&cluster),
        Part::Recovery => recovery::run(&cluster),
    }
}

fn verbs(cluster: &Cluster, plugins: &[PathBuf], runs: usize) -> Result {
    let namespace = cluster.namespace("bench");
    eprintln!("creating workloads of {} revisions", workloads::REVISIONS);
    KINDS.iter().for_each(|kind| workloads::create(&namespace, kind));
    workloads::create_plain(&namespace);
    let pairs = pairs(namespace.name());
    let mut comparisons = Vec::new();
    for pair in &pairs {
        eprintln!("{}: {runs} runs each", pair.name);
        comparisons.push(compare(&namespace, pair, runs)?);
    }
    report::print(&comparisons, plugins, runs)
}

/// Copies a program to where it is called, as who installs it does: what a linker has written lies in the page cache in small
/// pieces, from which each start takes a tenth longer.
fn copy(cluster: &Cluster, program: &Path) -> Result {
    let from = fs::canonicalize(program)?;
    let to = cluster.bin().join(program.file_name().ok_or("no program")?);
    if to.is_symlink() {
        fs::remove_file(&to)?;
    }
    fs::copy(from, to)?;
    Ok(())
}

fn runs(args: &[String], fewest: usize) -> Result<usize> {
    match args {
        [] => Ok(fewest),
        [flag, number] if flag == "--runs" => match number.parse()? {
            0 => Err("--runs needs at least 1".into()),
            runs => Ok(runs),
        },
        _ => {
            Err("there are only limit, timeline, revisions, many, nodes, step, failures, false-alarms, recovery and --runs N"
                .into())
        }
    }
}

/// The plugin called directly, and as `kubectl rollback`, against `kubectl rollout`.
fn pairs(namespace: &str) -> Vec<Pair> {
    let bounds = Some(Cost { wall: 8.0, cpu: 15.0, memory: 4.0 });
    let plain = format!("history deployment/plain --namespace {namespace}");
    let mut pairs = vec![Pair {
        name: "kubectl-rollback history, plain".to_string(),
        here: words(&format!("kubectl-rollback {plain}")),
        kubectl: words(&format!("kubectl rollout {plain}")),
        writes: false,
        bounds,
    }];
    for (called, bounded) in [("kubectl-rollback", true), ("kubectl rollback", false)] {
        for (verb, here, kubectl) in [
            ("history", "", ""),
            ("status", "--watch=false", "--watch=false"),
            ("undo", "--wait=false --yes", ""),
        ] {
            // What a rollback replaces is the same for all kinds; the Deployment is the quickest to rest.
            let kinds = if verb == "undo" { &KINDS[..1] } else { &KINDS[..] };
            pairs.extend(kinds.iter().map(|kind| Pair {
                name: format!("{called} {verb} {kind}"),
                here: words(&format!("{called} {verb} {kind}/web {here} --namespace {namespace}")),
                kubectl: words(&format!(
                    "kubectl rollout {verb} {kind}/web {kubectl} --namespace {namespace}"
                )),
                writes: verb == "undo",
                bounds: bounds.filter(|_| bounded && verb == "history"),
            }));
        }
    }
    pairs
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_string).collect()
}

fn compare<'a>(namespace: &Namespace<'_>, pair: &'a Pair, runs: usize) -> Result<Comparison<'a>> {
    let rest = || {
        if pair.writes {
            workloads::rest(namespace, KINDS[0]);
        }
    };
    // Also warms both up: kubectl keeps what it discovered on disk.
    let here = requests(namespace.cluster(), &pair.here)?;
    rest();
    requests(namespace.cluster(), &pair.kubectl)?;
    rest();
    let kubectl = requests(namespace.cluster(), &pair.kubectl)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        rest();
        ours.push(cost(namespace.cluster(), &pair.here)?);
        rest();
        theirs.push(cost(namespace.cluster(), &pair.kubectl)?);
    }
    rest();
    Ok(Comparison {
        pair,
        here: Cost::median(&ours),
        kubectl: Cost::median(&theirs),
        requests: Some((here, kubectl)),
    })
}

/// Compares two commands that change nothing and take seconds, run after run by turns.
fn compare_reading<'a>(cluster: &Cluster, pair: &'a Pair, runs: usize) -> Result<Comparison<'a>> {
    eprintln!("{}: {runs} runs each", pair.name);
    let counts = (requests(cluster, &pair.here)?, requests(cluster, &pair.kubectl)?);
    let costs = compare_runs(cluster, &[Some(&pair.here), Some(&pair.kubectl)], runs)?;
    let [Some(here), Some(kubectl)] = costs.as_slice() else { return Err("nothing was measured".into()) };
    Ok(Comparison { pair, here: *here, kubectl: *kubectl, requests: Some(counts) })
}

/// Returns the medians of commands that run by turns; none where there is none.
fn compare_runs(cluster: &Cluster, lines: &[Option<&Vec<String>>], runs: usize) -> Result<Vec<Option<Cost>>> {
    let mut costs = vec![Vec::new(); lines.len()];
    for _ in 0..runs {
        for (line, costs) in lines.iter().zip(&mut costs) {
            costs.extend(line.map(|line| cost(cluster, line)).transpose()?);
        }
    }
    Ok(costs.iter().map(|costs| (!costs.is_empty()).then(|| Cost::median(costs))).collect())
}

/// Runs a command in a process that measures it.
fn cost(cluster: &Cluster, line: &[String]) -> Result<Cost> {
    let this = env::current_exe()?;
    let (program, args) = line.split_first().ok_or("no program")?;
    let program = cluster.bin().join(program);
    let mut measure = cluster.command(&this.to_string_lossy());
    measure.arg("measure").arg(program).args(args);
    Cost::read(&Output::of(&mut measure, "")?.checked()?)
}

/// Counts the requests that a command says it sends.
fn requests(cluster: &Cluster, line: &[String]) -> Result<usize> {
    let (program, args) = line.split_first().ok_or("no program")?;
    let output = Output::of(cluster.command(program).args(args).arg("-v=6"), "")?;
    let count = output.stderr.lines().filter(|line| is_response(line)).count();
    if output.ok() && count > 0 { Ok(count) } else { Err(format!("no request seen: {output}").into()) }
}

/// The plugins' lines are `GET URL 200 OK in 3 milliseconds`, kubectl's `"Response" verb="GET" … milliseconds=3`.
fn is_response(line: &str) -> bool {
    let ours = line.ends_with(" milliseconds") && line.contains("://");
    ours || line.contains("\"Response\" verb=")
}

fn size(path: &Path) -> Result<f64> {
    Ok(path.metadata()?.len() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::{is_response, runs};

    #[test]
    fn a_request_is_one_line_of_either_program() {
        assert!(is_response(
            "GET https://127.0.0.1:6443/apis/apps/v1/namespaces/a/deployments/web 200 OK in 3 milliseconds"
        ));
        assert!(is_response(
            r#"I0101 00:00:00.000000 1 round_trippers.go:632] "Response" verb="GET" url="https://127.0.0.1:6443/api" status="200 OK" milliseconds=2"#
        ));
        assert!(!is_response(
            r#"I0101 00:00:00.000000 1 loader.go:402] Config loaded from file:  kubeconfig"#
        ));
    }

    #[test]
    fn the_number_of_runs_is_read_or_refused() {
        assert_eq!(runs(&[], 15).unwrap(), 15);
        assert_eq!(runs(&["--runs".to_string(), "30".to_string()], 15).unwrap(), 30);
        assert!(runs(&["--runs".to_string(), "0".to_string()], 15).is_err());
        assert!(runs(&["--run".to_string()], 15).is_err());
    }
}
