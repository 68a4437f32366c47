//! Waiting for a controller to act upon a change.

use std::time::Duration;

use kubectl_terminal::Ui;
use rollout_core::plan::Refusal;
use rollout_core::{Snapshot, WorkloadId};
use rollout_kube::{Cluster, Depth, Feed, Seen, Sight};
use tokio::time::Instant;

use crate::call::CliError;

/// How long the controller may take to act upon a change that was made just before.
pub const OBSERVE: Duration = Duration::from_secs(30);

/// Waits until the controller has acted upon the last change, without which no plan can stand.
pub async fn observed(
    ui: &mut Ui,
    cluster: &Cluster,
    id: &WorkloadId,
    seen: Seen,
    depth: Depth,
) -> Result<(Seen, Snapshot), CliError> {
    ui.note(&format!("waiting for the controller to act upon the last change of {id}"));
    let mut feed = Feed::start(cluster, seen);
    let deadline = Instant::now() + OBSERVE;
    while Instant::now() < deadline {
        match feed.next(Duration::from_secs(1)).await {
            Sight::Snapshot(snapshot) if snapshot.observed() => {
                let seen = cluster.seen(snapshot.workload, depth).await?;
                let snapshot = seen.snapshot(cluster.now());
                return Ok((seen, snapshot));
            }
            Sight::Gone => return Err(CliError::failed("object has been deleted")),
            Sight::Forbidden(words) => return Err(CliError::failed(words)),
            Sight::Snapshot(_) | Sight::Lost(_) | Sight::Back => {}
        }
    }
    Err(CliError::refused(id, &Refusal::Unobserved))
}
