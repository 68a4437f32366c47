//! Looking at many workloads: several at a time, in their order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, stream};
use kubectl_terminal::Ui;
use rollout_core::snapshot::Patience;
use rollout_core::{Snapshot, Workload, WorkloadId};
use rollout_kube::{Cluster, Depth, Reader, Reading, Scope, Seen};
use tokio::time::timeout;

/// How many are read at once: enough that nobody waits for each, and few enough for any server. Where there are more, and all
/// of a namespace or of the cluster are wanted, one list of everything serves them all.
pub const AT_ONCE: usize = 8;
/// How long nothing is said of it.
const SILENCE: Duration = Duration::from_secs(1);

/// What was read of workloads, or why not.
pub type Answers<T> = Vec<(WorkloadId, Result<T, Reading>)>;

/// Reads what belongs to workloads, which may be all of a scope; the answers are in their order.
pub async fn seen(
    ui: &mut Ui,
    cluster: &Cluster,
    workloads: Vec<Workload>,
    whole: Option<&Scope>,
    depth: impl Fn(&Workload) -> Depth,
) -> Answers<Seen> {
    let wanted = workloads.into_iter().map(|it| {
        let depth = depth(&it);
        (it, depth)
    });
    let wanted: Vec<(Workload, Depth)> = wanted.collect();
    if let Some(scope) = whole.filter(|_| wanted.len() > AT_ONCE) {
        let doing = format!("looking at {} workloads", wanted.len());
        // What may not be listed there may be readable in the namespace of each.
        if let Ok(mut all) = patiently(ui, &doing, cluster.belongings(scope, &wanted)).await {
            let one =
                |(workload, depth): (Workload, Depth)| (workload.id.clone(), Ok(all.of(workload, depth)));
            return wanted.into_iter().map(one).collect();
        }
    }
    let one = async |(workload, depth): (Workload, Depth)| {
        (workload.id.clone(), cluster.seen(workload, depth).await)
    };
    all(ui, wanted.into_iter().map(one).collect()).await
}

/// Looks more closely at what was read where something looks wrong.
pub async fn examined(
    ui: &mut Ui,
    cluster: &Cluster,
    seen: Answers<Seen>,
    patience: Patience,
) -> Answers<Snapshot> {
    let look = async |(id, seen): (WorkloadId, Result<Seen, Reading>)| match seen {
        Ok(seen) => {
            let mut snapshot = seen.into_snapshot(cluster.now());
            Reader::new(BTreeSet::new(), patience).look(cluster, &mut snapshot).await;
            (id, Ok(snapshot))
        }
        Err(error) => (id, Err(error)),
    };
    all(ui, seen.into_iter().map(look).collect()).await
}

/// Waits for something, and says what is being done when it takes long.
pub async fn patiently<T>(ui: &mut Ui, doing: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match timeout(SILENCE, &mut work).await {
        Ok(answer) => answer,
        Err(_) => {
            ui.note(doing);
            work.await
        }
    }
}

/// Does many things several at a time, and says so when it takes long; the answers are in their order.
pub async fn all<T>(ui: &mut Ui, work: Vec<impl Future<Output = T>>) -> Vec<T> {
    let count = work.len();
    gather(ui, count, stream::iter(work).buffered(AT_ONCE)).await
}

async fn gather<T>(ui: &mut Ui, count: usize, answers: impl Stream<Item = T>) -> Vec<T> {
    let mut gathered = Vec::with_capacity(count);
    let mut said = Instant::now();
    let mut answers = std::pin::pin!(answers);
    while let Some(answer) = answers.next().await {
        gathered.push(answer);
        if said.elapsed() >= SILENCE && gathered.len() < count {
            ui.note(&format!("looking at {count} workloads: {} are seen", gathered.len()));
            said = Instant::now();
        }
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn eight_are_looked_at_at_once_and_answers_keep_their_order() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut ui, captured) = Ui::captured();
        let (running, most) = (Cell::new(0), Cell::new(0));
        let one = |index: u64| {
            let (running, most) = (&running, &most);
            async move {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                tokio::time::sleep(Duration::from_millis(400 - 10 * index)).await;
                running.set(running.get() - 1);
                index
            }
        };
        let answers = runtime.block_on(all(&mut ui, (0..30).map(one).collect()));
        assert_eq!(answers, (0..30).collect::<Vec<_>>());
        assert_eq!(most.get(), 8);
        assert!(captured.stderr().starts_with("looking at 30 workloads: "), "{}", captured.stderr());
        let (mut ui, captured) = Ui::captured();
        runtime.block_on(all(&mut ui, (20..30).map(one).collect()));
        assert_eq!(captured.stderr(), "");
    }
}
