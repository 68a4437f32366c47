//! The history of a Deployment of which nobody ever cut anything off: thousands of revisions, against the least that reading them
//! can take. Nothing of that can be a third of what kubectl takes, since kubectl is sent less: it reads protobuf.

use cluster::Cluster;

use super::limit::{Call, Limit, measured, print};
use super::timeline;
use crate::Result;

/// How many revisions it has at each stage: time must not grow with the square of their number.
const STAGES: [u32; 2] = [2_000, 10_000];

/// Creates the revisions stage by stage, compares at each, and prints the table.
pub(super) fn run(cluster: &Cluster, runs: usize) -> Result {
    let limit = Limit::of(cluster)?;
    let namespace = cluster.namespace("bench");
    let mut rows = Vec::new();
    timeline::grow(&namespace, 1, STAGES, |stage| {
        let name = format!("history of {} revisions", STAGES[stage]);
        let history = "rollout history deployment/app-0";
        let call = Call::of(&limit, &namespace, &name, "history deployment/app-0", Some(history))?;
        rows.push(measured(cluster, &call, runs)?);
        Ok(())
    })?;
    print(rows, runs);
    Ok(())
}
