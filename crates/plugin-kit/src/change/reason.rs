//! Bringing the reason of a change to its revision, and off the workload, from which the next change would inherit it.

use std::time::Duration;

use kubectl_terminal::escape;
use rollout_core::plan::reason::{self, Next};
use rollout_kube::{Cluster, Feed, Seen, SendOptions, Sent, Sight};
use tokio::time::Instant;

use crate::follow::OBSERVE;

/// A reason that was written with a change.
pub(super) struct Given {
    /// The workload as it was read, and what the server answered.
    pub(super) seen: Seen,
    /// The reason.
    pub(super) reason: String,
}

impl Given {
    /// Brings it to the revision, and returns what is to be warned of.
    pub(super) async fn settle(self, cluster: &Cluster, send: &SendOptions) -> Option<String> {
        let Given { seen, reason } = self;
        let mut feed = Feed::start(cluster, seen);
        let deadline = Instant::now() + OBSERVE;
        let mut warning = None;
        while Instant::now() < deadline {
            let snapshot = match feed.next(Duration::from_secs(1)).await {
                Sight::Snapshot(snapshot) => snapshot,
                Sight::Gone => return None,
                Sight::Forbidden(words) => return Some(left(&words)),
                Sight::Lost(_) | Sight::Back => continue,
            };
            let off = match reason::next(&snapshot, &reason) {
                Next::Wait => continue,
                Next::Over => return warning,
                Next::TakeOff(request) => request,
                Next::Write(request) => {
                    // Who may not write to it has given the reason in vain, but it is not the next change's.
                    warning = match cluster.send(&request, send).await {
                        Ok(Sent::Done(_)) => None,
                        Ok(Sent::Changed | Sent::Gone | Sent::NotNow(_)) => continue,
                        Err(error) => Some(not_written(&error)),
                    };
                    reason::take_off(&snapshot, &reason)
                }
            };
            return match cluster.send(&off, send).await {
                Ok(Sent::Done(_) | Sent::Changed | Sent::Gone | Sent::NotNow(_)) => warning,
                Err(error) => Some(left(&words(error))),
            };
        }
        Some(left("the controller has not recorded the revision yet"))
    }
}

fn words(error: kube::Error) -> String {
    kubectl_connect::ApiError::from(error).to_string()
}

fn not_written(error: &kube::Error) -> String {
    let words = match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    };
    format!(
        "the reason could not be written to the revision, whose CHANGE-CAUSE stays: {}",
        escape::inline(&words)
    )
}

fn left(why: &str) -> String {
    format!("the reason stays on the workload, and the next change inherits it: {}", escape::inline(why))
}
