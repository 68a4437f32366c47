//! A machine at work: what it sees, and what it has sent.

use std::collections::VecDeque;
use std::fmt::Debug;

use rollout_core::Snapshot;
use rollout_core::machine::{Machine, Step};
use rollout_core::plan::Request;

use crate::cluster::Cluster;

/// Turns for which a picture stays what it is.
const LAG: u32 = 2;

#[derive(Clone, Debug)]
pub struct Process<M> {
    pub id: u32,
    pub machine: M,
    /// What it has seen last, and decides on.
    pub picture: Option<Snapshot>,
    /// For how many more looks nothing new is seen, and whether that is so of the pods only.
    lag: (u32, bool),
    /// What is under way.
    pub open: VecDeque<Request>,
}

impl<M> Process<M> {
    pub fn new(id: u32, machine: M) -> Process<M> {
        Process { id, machine, picture: None, lag: (0, false), open: VecDeque::new() }
    }

    /// The next pictures are old, or their pods are.
    pub fn lags(&mut self, cluster: &Cluster, pods_only: bool) {
        self.picture.get_or_insert_with(|| cluster.snapshot());
        self.lag = (LAG, pods_only);
    }

    fn look(&mut self, cluster: &Cluster) {
        let fresh = cluster.snapshot();
        let (left, pods_only) = self.lag;
        let before = self.picture.take().filter(|_| left > 0);
        self.lag.0 = left.saturating_sub(1);
        self.picture = Some(match before {
            None => fresh,
            Some(old) if pods_only => Snapshot { pods: old.pods, ..fresh },
            Some(old) => Snapshot { now: fresh.now, ..old },
        });
    }
}

impl<M: Machine + Debug> Process<M> {
    /// Looks, and says what comes next.
    pub fn step(&mut self, cluster: &Cluster) -> Step {
        self.look(cluster);
        let (_, step) = self.machine.step(self.picture.as_ref().unwrap());
        self.machine.news();
        step
    }

    /// Everything of it that matters for what comes.
    pub fn key(&self) -> String {
        let Process { id, machine, lag, open, picture } = self;
        let mut text = format!("{id} {machine:?} {lag:?} {open:?}");
        // A picture that is neither decided on again nor judged by says nothing.
        if lag.0 > 0 || !open.is_empty() {
            let picture = picture.as_ref().map(|it| (&it.workload.object, &it.pods, &it.nodes));
            text.push_str(&format!("{picture:?}"));
        }
        text
    }
}
