//! A view of one workload that is shown again whenever it changes.

use std::time::Duration;

use kubectl_terminal::escape;
use rollout_core::{Snapshot, Workload};
use rollout_kube::{Cluster, Depth, Feed, Sight};

use crate::call::{CliError, Session};
use crate::targets::Found;

/// How often it is drawn at most: what comes in between is seen at once.
const REDRAW: Duration = Duration::from_millis(250);
/// How long nothing is looked at when nothing changes: ages grow, and some things become true by the time alone.
const GLANCE: Duration = Duration::from_secs(1);

/// Takes the one workload that can be watched, or none where it was not found; several are refused in kubectl's words.
pub fn one_alone(found: Found) -> Result<Option<Workload>, CliError> {
    match found.workloads.len() + found.exits.len() {
        0 | 1 => Ok(found.workloads.into_iter().next()),
        several => Err(CliError::usage(format!(
            "watch is only supported on individual resources - {several} resources were found"
        ))),
    }
}

/// Shows a workload until nobody reads any more, or it is gone.
pub async fn live(
    session: &mut Session,
    cluster: &Cluster,
    workload: Workload,
    depth: Depth,
    mut show: impl AsyncFnMut(&mut Session, Snapshot) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut feed = Feed::start(cluster, cluster.seen(workload, depth).await?);
    let mut sight = feed.sight();
    while !session.ui.stdout_is_closed() {
        match sight {
            Sight::Snapshot(snapshot) => show(session, *snapshot).await?,
            Sight::Gone => return Err(CliError::failed("object has been deleted")),
            Sight::Forbidden(words) => return Err(CliError::failed(words)),
            Sight::Lost(error) => {
                let error = escape::inline(&error).into_owned();
                session.ui.note(&format!("the API server does not answer ({error}): trying again"));
            }
            Sight::Back => session.ui.note("the API server answers again"),
        }
        tokio::time::sleep(REDRAW).await;
        sight = feed.next(GLANCE).await;
    }
    Ok(())
}
