//! `status -A` and `history -A` of a thousand workloads against `kubectl get deployments,replicasets,pods -A -o json`, which reads
//! the same.

use std::time::Duration;

use cluster::{Cluster, Namespace};
use serde_json::Value;

use super::audit::{AuditLog, Requests};
use super::timeline::in_parallel;
use super::workloads::numbered;
use super::{compare_runs, cost, report, words};
use crate::Result;
use crate::measure::Cost;

const WORKLOADS: u32 = 1_000;
/// How many revisions each of them has.
const REVISIONS: u32 = 3;
const LONG: Duration = Duration::from_secs(900);

/// What share of kubectl's time they may take.
const SHARE: f64 = 0.25;
/// How many requests they may send.
const REQUESTS: f64 = 10.0;

/// Creates the workloads, compares, and prints the table.
pub(super) fn run(cluster: &Cluster, runs: usize) -> Result {
    let namespace = cluster.namespace("bench");
    for revision in 1..=REVISIONS {
        eprintln!("creating {WORKLOADS} Deployments, revision {revision}");
        let items: Vec<Value> = (0..WORKLOADS).map(|number| numbered(number, revision)).collect();
        in_parallel(&namespace, "apply", &items);
        rest(&namespace, revision);
    }
    let lines = [
        "kubectl get deployments,replicasets,pods -A -o json",
        "kubectl-rollback status -A --watch=false",
        "kubectl-rollback history -A",
    ]
    .map(words);
    let mut log = AuditLog::of(cluster)?;
    let mut requests = Vec::new();
    for line in &lines {
        // Also warms up: kubectl keeps what it discovered on disk.
        cost(cluster, line)?;
        log.skip()?;
        cost(cluster, line)?;
        requests.push(log.requests(&line[0])?);
    }
    eprintln!("{runs} runs each");
    let costs = compare_runs(cluster, &lines.each_ref().map(Some), runs)?;
    println!(
        "\n{WORKLOADS} Deployments of {REVISIONS} revisions and a pod each: medians of {runs} runs each."
    );
    println!(
        "Requests, and the server's time for them, are by the audit log; a bound that is missed is marked with !\n"
    );
    let header = ["", "WALL ms", "CPU ms", "MEMORY MB", "REQUESTS", "SERVER ms"].map(str::to_string);
    let mut rows = vec![header];
    let mut kubectl = None;
    for ((line, cost), requests) in lines.iter().zip(costs.into_iter().flatten()).zip(requests) {
        let ran = Ran { line: line.join(" "), cost, requests };
        rows.push(ran.row(kubectl.as_ref()));
        kubectl.get_or_insert(ran);
    }
    report::table(&rows);
    Ok(())
}

/// A command, what it took, and what it asked.
struct Ran {
    line: String,
    cost: Cost,
    requests: Requests,
}

impl Ran {
    /// Returns a row; kubectl's own has no bounds.
    fn row(&self, kubectl: Option<&Ran>) -> [String; 6] {
        let Ran { line, cost, requests } = self;
        let plain = |figure: f64| format!("{figure:.1}");
        let share = |figure: fn(&Ran) -> f64, bound: f64| match kubectl {
            Some(other) => {
                let share = figure(self) / figure(other).max(f64::MIN_POSITIVE);
                format!("{} = {}", plain(figure(self)), report::bounded(share, 2, bound))
            }
            None => plain(figure(self)),
        };
        let count = requests.count as f64;
        [
            line.clone(),
            share(|it| it.cost.wall, SHARE),
            plain(cost.cpu),
            plain(cost.memory),
            if kubectl.is_some() { report::bounded(count, 0, REQUESTS) } else { format!("{count:.0}") },
            share(|it| it.requests.time, 1.0),
        ]
    }
}

/// Waits until all pods are of a revision and available, and no others are left.
fn rest(namespace: &Namespace<'_>, revision: u32) {
    namespace.wait_until("all Deployments are at rest", LONG, || {
        let all = namespace.get(&["deployments"]);
        let items = all["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rests = |it: &Value| {
            let status = |field: &str| it["status"][field].as_u64().unwrap_or_default();
            let number = it["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
            number == Some(&revision.to_string())
                && [status("replicas"), status("updatedReplicas"), status("availableReplicas")] == [1, 1, 1]
        };
        items.len() == WORKLOADS as usize && items.iter().all(rests)
    });
}
