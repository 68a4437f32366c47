//! A machine at work: what it sees, and what it has sent.

use std::collections::VecDeque;
use std::fmt::Debug;

use rollout_core::Snapshot;
use rollout_core::machine::{Machine, Step};
use rollout_core::plan::Request;

use crate::cluster::Cluster;

/// Turns for which a picture stays what it is.
const LAG: u32 = 2;

/// Seconds within which another pod is in the place of one that was deleted.
pub const REPLACED: u32 = 4;

/// What may come between a machine and the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The request that is under way is lost, or its answer is.
    Lost { done: bool },
    /// The server refuses the request that is under way.
    Refused,
    /// A second passes while it could go on.
    Second,
    /// The next pictures are old, or their pods are.
    Lag { pods_only: bool },
    /// It dies.
    Killed,
    /// A pod is deleted, and another one is in its place before a request comes.
    Replaced(u32),
}

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

    /// What may come between it and the cluster now.
    pub fn troubles(&self, cluster: &Cluster) -> Vec<Trouble> {
        let mut troubles = vec![Trouble::Second, Trouble::Killed];
        if self.open.is_empty() {
            troubles.extend([false, true].map(|pods_only| Trouble::Lag { pods_only }));
        } else {
            troubles.extend([Trouble::Lost { done: true }, Trouble::Lost { done: false }, Trouble::Refused]);
            let pods = cluster.world.pods.iter().filter(|pod| !pod.terminating());
            troubles.extend(pods.map(|pod| Trouble::Replaced(pod.slot)));
        }
        troubles
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
