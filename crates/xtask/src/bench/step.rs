//! A step of a rollout in steps against the controller's own rolling update of as many nodes of the same set, with as many pods
//! missing at once.

use std::thread::sleep;
use std::time::{Duration, SystemTime};

use cluster::Cluster;
use serde_json::{Value, json};

use super::audit::{AuditLog, Requests};
use super::nodes::{available, create, manifest};
use super::{cost, report, words};
use crate::Result;
use crate::measure::{Cost, median};

/// How many nodes the set in steps has at each stage: neither time nor memory of the driver must grow much with them.
const STAGES: [usize; 2] = [5_000, 10_000];
/// The nodes of the step, which its controller then puts back.
const STEP: usize = 200;
const UNAVAILABLE: usize = 50;
const IMAGE: &str = "registry.example/team/app:2";

/// How long the cluster rests before each: what the last one left to do is nobody's cost.
const REST: Duration = Duration::from_secs(3);

/// How many times of the controller's own a step may take.
const TIMES: f64 = 1.2;
/// What the driver may hold, in MB: 64 MiB.
const MEMORY: f64 = 67.1;
/// How many requests the driver may send for each pod of the step, what it reads and stores included.
const REQUESTS: f64 = 2.0;

/// A call that replaces the pods, and what it took from the request that begins it to its end, in milliseconds.
#[derive(Clone, Copy)]
struct Run {
    call: Cost,
    step: f64,
    requests: Requests,
}

/// What a stage came to.
struct Stage {
    nodes: usize,
    here: Run,
    controller: Run,
}

/// Adds the nodes stage by stage, compares at each, and prints the table.
pub(super) fn run(cluster: &Cluster, runs: usize) -> Result {
    let namespace = cluster.namespace("bench");
    let here = words(&format!(
        "kubectl-dsupdate start web app={IMAGE} --steps {STEP},100% --pause-after 1 --soak 0s \
         --max-unavailable {UNAVAILABLE} --yes --namespace {}",
        namespace.name()
    ));
    let mut set = manifest();
    set["spec"]["updateStrategy"] = json!({ "rollingUpdate": { "maxUnavailable": UNAVAILABLE } });
    let controller = ["/bin/sh", "-c", &rolling_update(namespace.name(), &set)].map(str::to_string);
    let mut log = AuditLog::of(cluster)?;
    let mut stages = Vec::new();
    let mut made = 0;
    for nodes in STAGES {
        create(&namespace, made..nodes)?;
        made = nodes;
        namespace.apply(&set.to_string());
        available(&namespace, nodes);
        eprintln!("a step of {STEP} of {nodes} nodes: {runs} runs each");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            ours.push(Run::of(cluster, &mut log, &here, "kubectl-dsupdate")?);
            theirs.push(Run::of(cluster, &mut log, &controller, "kubectl")?);
            available(&namespace, nodes);
        }
        stages.push(Stage { nodes, here: Run::median(&ours), controller: Run::median(&theirs) });
    }
    print(&stages, runs);
    Ok(())
}

impl Run {
    /// Runs a line in which a program begins the change.
    fn of(cluster: &Cluster, log: &mut AuditLog, line: &[String], program: &str) -> Result<Run> {
        sleep(REST);
        log.skip()?;
        let call = cost(cluster, line)?;
        let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
        let requests = log.requests(program)?;
        let began = requests.wrote.ok_or_else(|| format!("{program} has changed nothing"))?;
        Ok(Run { call, step: end * 1e3 - began.as_microsecond() as f64 / 1e3, requests })
    }

    /// The medians of what they took, and the most requests.
    fn median(runs: &[Run]) -> Run {
        let calls: Vec<Cost> = runs.iter().map(|run| run.call).collect();
        Run {
            call: Cost::median(&calls),
            step: median(runs.iter().map(|run| run.step).collect()),
            requests: runs.iter().fold(Requests::default(), |most, run| most.most(run.requests)),
        }
    }
}

/// Puts the set back as it was, and takes off what is stored on it: the pods of the step are the only ones that are replaced.
fn rolling_update(namespace: &str, set: &Value) -> String {
    format!(
        "echo '{set}' | kubectl replace --filename - --namespace {namespace} && \
         kubectl rollout status daemonset/web --namespace {namespace}"
    )
}

fn print(stages: &[Stage], runs: usize) {
    println!(
        "\nA step of {STEP} nodes / the controller's own update of as many: medians of {runs} runs each."
    );
    println!(
        "A step lasts from the request that begins it; the call has the first look at all nodes and pods too."
    );
    println!("Requests are the most of a run, by the audit log; a bound that is missed is marked with !\n");
    let header = ["", "STEP ms", "CALL ms", "CPU ms", "MEMORY MB", "REQUESTS A POD", "READ AGAIN"];
    let rows: Vec<[String; 7]> =
        [header.map(str::to_string)].into_iter().chain(stages.iter().map(row)).collect();
    report::table(&rows);
}

fn row(stage: &Stage) -> [String; 7] {
    let Stage { nodes, here, controller } = stage;
    let times = |here: f64, controller: f64| here / controller.max(f64::MIN_POSITIVE);
    let step = times(here.step, controller.step);
    let call = times(here.call.wall, controller.call.wall);
    [
        format!("{nodes} nodes"),
        format!("{:.0} / {:.0} = {}", here.step, controller.step, report::bounded(step, 2, TIMES)),
        format!("{:.0} / {:.0} = {call:.2}", here.call.wall, controller.call.wall),
        format!("{:.0}", here.call.cpu),
        report::bounded(here.call.memory, 1, MEMORY),
        report::bounded(here.requests.count as f64 / STEP as f64, 2, REQUESTS),
        report::bounded(here.requests.again as f64, 0, 0.0),
    ]
}
