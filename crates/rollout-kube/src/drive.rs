//! The one loop that follows a rollout: look, ask the state machine, act, tell, wait.

use std::time::Duration;

use kube::Error;
use rollout_core::Snapshot;
use rollout_core::event::Event;
use rollout_core::follow::{Ending, Follow, Step};
use rollout_core::status::Progress;
use tokio::time::Instant;

use crate::feed::{Feed, Sight};
use crate::read::Cluster;
use crate::send::{SendOptions, Sent};

/// How often the picture is looked at although nothing changed: `minReadySeconds` passes in silence.
const GLANCE: Duration = Duration::from_secs(1);

/// How a rollout is followed.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// How long at most; none is for ever.
    pub timeout: Option<Duration>,
    /// How pods are deleted.
    pub send: SendOptions,
}

/// How the following ended.
#[derive(Debug)]
pub struct End {
    /// The state machine's word; none when the time was over.
    pub ending: Option<Ending>,
    /// How far the rollout was; none when the workload was gone at once.
    pub progress: Option<Progress>,
    /// The last picture.
    pub snapshot: Option<Box<Snapshot>>,
}

/// Follows a rollout to its end, or to the end of the time.
pub async fn follow(
    cluster: &Cluster,
    feed: &mut Feed,
    machine: &mut Follow,
    options: &FollowOptions,
    tell: &mut dyn FnMut(Event),
) -> Result<End, Error> {
    let deadline = options.timeout.map(|timeout| Instant::now() + timeout);
    let (mut progress, mut snapshot) = (None, None);
    let mut sight = feed.sight();
    loop {
        match sight {
            Sight::Gone => return Ok(End { ending: Some(Ending::Gone), progress, snapshot }),
            Sight::Lost(error) => tell(Event::ConnectionLost { error }),
            Sight::Back => tell(Event::ConnectionBack),
            Sight::Snapshot(seen) => {
                let (now, step) = machine.step(&seen);
                tell(Event::Progress(now.clone()));
                progress = Some(now);
                snapshot = Some(seen);
                match step {
                    Step::Wait => {}
                    Step::End(ending) => return Ok(End { ending: Some(ending), progress, snapshot }),
                    Step::Delete { pod, why, request } => {
                        tell(Event::Deleting { pod: pod.clone(), why });
                        match cluster.send(&request, &options.send).await? {
                            Sent::Done(_) => {}
                            Sent::Changed | Sent::Gone => tell(Event::NotDeleted { pod }),
                        }
                    }
                }
            }
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(End { ending: None, progress, snapshot });
        }
        sight = feed.next(left.unwrap_or(GLANCE).min(GLANCE)).await;
    }
}
