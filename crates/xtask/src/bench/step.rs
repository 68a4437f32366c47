//! A step of a rollout in steps against the controller's own rolling update of as many nodes, with as many pods missing at once.

use cluster::Cluster;
use serde_json::json;

use super::audit::{AuditLog, Requests};
use super::nodes::{available, create, manifest, node};
use super::{cost, report, words};
use crate::Result;
use crate::measure::Cost;

/// How many nodes the set in steps has at each stage: neither time nor memory of the driver must grow much with them.
const STAGES: [usize; 2] = [5_000, 10_000];
/// The nodes of the step, and those of the set that its controller updates.
const STEP: usize = 200;
const UNAVAILABLE: usize = 50;
const IMAGE: &str = "registry.example/team/app:2";

/// How many times of the controller's own a step may take.
const TIMES: f64 = 1.2;
/// What the driver may hold, in MB: 64 MiB.
const MEMORY: f64 = 67.1;
/// How many requests the driver may send for each pod of the step, what it reads and stores included.
const REQUESTS: f64 = 2.0;

/// What a stage came to.
struct Stage {
    nodes: usize,
    here: Cost,
    controller: Cost,
    requests: Requests,
}

/// Adds the nodes stage by stage, compares at each, and prints the table.
pub(super) fn run(cluster: &Cluster, runs: usize) -> Result {
    let namespace = cluster.namespace("bench");
    let here = words(&format!(
        "kubectl-dsupdate start web app={IMAGE} --steps {STEP},100% --pause-after 1 --soak 0s \
         --max-unavailable {UNAVAILABLE} --yes --namespace {}",
        namespace.name()
    ));
    let controller = ["/bin/sh", "-c", &rolling_update(namespace.name())].map(str::to_string).to_vec();
    let few = |number: usize| match number < STEP {
        true => node(number).label("example.com/few", "true"),
        false => node(number),
    };
    let strategy = json!({ "rollingUpdate": { "maxUnavailable": UNAVAILABLE } });
    let mut all = manifest("web");
    all["spec"]["updateStrategy"] = strategy.clone();
    let mut part = manifest("few");
    part["spec"]["updateStrategy"] = strategy;
    part["spec"]["template"]["spec"]["nodeSelector"] = json!({ "example.com/few": "true" });
    let mut log = AuditLog::of(cluster)?;
    let mut stages = Vec::new();
    let mut made = 0;
    for nodes in STAGES {
        create(&namespace, made..nodes, few)?;
        made = nodes;
        namespace.apply(&all.to_string());
        namespace.apply(&part.to_string());
        available(&namespace, "web", nodes);
        available(&namespace, "few", STEP);
        eprintln!("a step of {STEP} of {nodes} nodes: {runs} runs each");
        let (mut ours, mut theirs, mut requests) = (Vec::new(), Vec::new(), Requests::default());
        for _ in 0..runs {
            log.skip()?;
            ours.push(cost(cluster, &here)?);
            requests = requests.most(log.requests("kubectl-dsupdate")?);
            namespace.kubectl(&["dsupdate", "abort", "web", "--yes"]).expect_ok();
            available(&namespace, "web", nodes);
            theirs.push(cost(cluster, &controller)?);
            namespace.apply(&part.to_string());
            available(&namespace, "few", STEP);
        }
        let (here, controller) = (Cost::median(&ours), Cost::median(&theirs));
        stages.push(Stage { nodes, here, controller, requests });
    }
    print(&stages, runs);
    Ok(())
}

fn rolling_update(namespace: &str) -> String {
    format!(
        "kubectl set image daemonset/few app={IMAGE} --namespace {namespace} && \
         kubectl rollout status daemonset/few --namespace {namespace}"
    )
}

fn print(stages: &[Stage], runs: usize) {
    println!(
        "\nA step of {STEP} nodes / the controller's own update of as many: medians of {runs} runs each."
    );
    println!("Requests are the most of a run, by the audit log; a bound that is missed is marked with !\n");
    let header = ["", "WALL ms", "CPU ms", "MEMORY MB", "REQUESTS A POD", "READ AGAIN"].map(str::to_string);
    let rows: Vec<[String; 6]> = [header].into_iter().chain(stages.iter().map(row)).collect();
    report::table(&rows);
}

fn row(stage: &Stage) -> [String; 6] {
    let Stage { nodes, here, controller, requests } = stage;
    let times = here.wall / controller.wall.max(f64::MIN_POSITIVE);
    let again = requests.again as f64;
    [
        format!("{nodes} nodes"),
        format!("{:.0} / {:.0} = {}", here.wall, controller.wall, report::bounded(times, 2, TIMES)),
        format!("{:.0}", here.cpu),
        report::bounded(here.memory, 1, MEMORY),
        report::bounded(requests.count as f64 / STEP as f64, 2, REQUESTS),
        report::bounded(again, 0, 0.0),
    ]
}
