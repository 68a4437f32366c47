//! What runs on each node of a DaemonSet, and why a node is not updated or not ready: a row a node where the template places
//! a pod, or where a pod of the set is.

use std::collections::{BTreeMap, HashMap};

use crate::history::number::RevisionNumber;
use crate::history::revision::Revision;
use crate::judge::cause::Cause;
use crate::judge::causes;
use crate::judge::places::Places;
use crate::objects::node::Node;
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::objects::word::Word;
use crate::snapshot::{Side, Snapshot};
use crate::stored::rollout::Rollout;
use crate::stored::{self, Stored};
use crate::template::placement::{Obstacle, Placement};

/// The nodes of a DaemonSet.
#[derive(Clone, Debug)]
pub struct Nodes<'a> {
    /// A row a node: those with the worst trouble first, within each value of the label that they are grouped by.
    pub rows: Vec<NodeRow<'a>>,
    /// How many nodes run each revision, the newest first.
    pub revisions: Vec<Share>,
    /// Nodes on which a pod belongs and none runs.
    pub without_pod: usize,
    /// What keeps pods away from nodes, or makes nodes hold a rollout up, each with those nodes by name.
    pub blocked: Vec<(Blocked, Vec<&'a str>)>,
    /// Nodes whose pod is new although no step of the stored rollout has come to them.
    pub outside: Vec<String>,
    /// Nodes that the template selects and that get no pod because of a taint, by that taint.
    pub tainted: Vec<(String, Vec<&'a str>)>,
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeRow<'a> {
    /// The node's name.
    pub node: &'a str,
    /// Its value of the label that rows are grouped by.
    pub group: Option<&'a str>,
    /// Its pod: the newest that runs, or else one that ends or has ended.
    pub pod: Option<&'a Pod>,
    /// The revision of the pod that runs.
    pub revision: Option<RevisionNumber>,
    /// Whether a pod of the newest revision runs.
    pub updated: bool,
    /// Whether the pod that runs is ready.
    pub ready: bool,
    /// What is wrong, or what the node waits for.
    pub reason: Option<String>,
    /// How bad that is.
    pub trouble: Trouble,
}

/// How bad it is with a node, the worst first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The node itself keeps its pod from being replaced.
    Blocked(Blocked),
    /// Its pod fails.
    Failing,
    /// Its pod is missing, on its way, or not available yet.
    Unready,
    /// Its pod is old, and well.
    Behind,
    /// None.
    Fine,
}

/// Why a pod cannot be replaced on a node. A cordon is no obstacle (hazard H13).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocked {
    /// The node does not exist any more.
    Gone,
    /// Its kubelet does not say that it is ready.
    NotReady,
    /// It has this taint, which the template does not tolerate: a pod that is deleted there does not come back.
    Tainted(String),
    /// The scheduler finds no room for the pod.
    NoRoom,
}

crate::words! {
    /// The stable id of something to know about some of the nodes.
    pub enum NodesId {
        /// They do not exist any more.
        NodeGone = "node-gone",
        /// Their kubelets do not say that they are ready.
        NodeNotReady = "node-not-ready",
        /// They have a taint that the template does not tolerate.
        UntoleratedTaint = "untolerated-taint",
        /// They have no room for the pod.
        NoRoom = "no-room",
        /// They may not be read.
        NodesHidden = "nodes-hidden",
        /// Their pods are new although no step has come to them.
        OutsideStep = "outside-step",
    }
}

/// How many nodes run a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its number; absent where it is not recorded any more.
    pub revision: Option<RevisionNumber>,
    /// Nodes that run it.
    pub nodes: usize,
    /// Those of them on which the pod is ready.
    pub ready: usize,
}

impl Blocked {
    /// Returns the stable id.
    pub fn id(&self) -> NodesId {
        match self {
            Blocked::Gone => NodesId::NodeGone,
            Blocked::NotReady => NodesId::NodeNotReady,
            Blocked::Tainted(_) => NodesId::UntoleratedTaint,
            Blocked::NoRoom => NodesId::NoRoom,
        }
    }
}

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Blocked::Gone => f.write_str("the node is gone"),
            Blocked::NotReady => f.write_str("the node is not ready"),
            Blocked::Tainted(taint) => write!(f, "untolerated taint {taint}"),
            Blocked::NoRoom => f.write_str("no room for the pod"),
        }
    }
}

impl<'a> Nodes<'a> {
    /// Puts the rows together, grouped by a label's values where one is given, nodes without it last; nothing where the pods
    /// were not read. Where the nodes were not read, there is a row for each node that a pod names.
    pub fn of(snapshot: &'a Snapshot, by: Option<&str>) -> Option<Nodes<'a>> {
        let mut by_node: HashMap<&str, Vec<&Pod>> = HashMap::new();
        for pod in snapshot.pods.as_deref()? {
            by_node.entry(pod.node.as_deref().unwrap_or("<none>")).or_default().push(pod);
        }
        let judge = Judge::of(snapshot);
        let mut rows = Vec::new();
        let mut tainted: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for node in snapshot.nodes.iter().flatten() {
            let pods = by_node.remove(node.name.as_str()).unwrap_or_default();
            let obstacle = judge.placement.lasting_obstacle(node);
            match (obstacle, pods.is_empty()) {
                (Some(Obstacle::NotSelected), true) => {}
                (Some(Obstacle::Tainted(taint)), true) => {
                    tainted.entry(taint.to_string()).or_default().push(&node.name);
                }
                (obstacle, _) => rows.push(judge.row(
                    &node.name,
                    by.and_then(|label| node.labels.get(label)).map(Word::as_str),
                    Some(node),
                    obstacle.as_ref(),
                    &pods,
                )),
            }
        }
        rows.extend(by_node.iter().map(|(name, pods)| judge.row(name, None, None, None, pods)));
        rows.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        Some(Nodes {
            revisions: shares(&rows),
            without_pod: rows.iter().filter(|row| !row.runs()).count(),
            blocked: blocked(&rows),
            tainted: tainted.into_iter().collect(),
            outside: Places::outside(snapshot)
                .into_iter()
                .map(|pod| pod.node.clone().unwrap_or_else(|| pod.name.clone()))
                .collect(),
            rows,
        })
    }
}

impl NodeRow<'_> {
    /// Tells whether a pod runs here.
    fn runs(&self) -> bool {
        self.pod.is_some_and(is_living)
    }
}

/// Blocked nodes are told apart by why; but for that they are one rank.
fn sort_key<'r>(row: &'r NodeRow<'_>) -> (bool, Option<&'r str>, &'r Trouble, &'r str) {
    (row.group.is_none(), row.group, &row.trouble, row.node)
}

fn is_living(pod: &Pod) -> bool {
    !pod.terminating && !pod.ended()
}

fn shares(rows: &[NodeRow<'_>]) -> Vec<Share> {
    let mut shares: BTreeMap<Option<RevisionNumber>, (usize, usize)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.runs()) {
        let (nodes, ready) = shares.entry(row.revision).or_default();
        *nodes += 1;
        *ready += usize::from(row.ready);
    }
    let share = |(revision, (nodes, ready))| Share { revision, nodes, ready };
    shares.into_iter().rev().map(share).collect()
}

fn blocked<'a>(rows: &[NodeRow<'a>]) -> Vec<(Blocked, Vec<&'a str>)> {
    let mut all: BTreeMap<&Blocked, Vec<&str>> = BTreeMap::new();
    for row in rows {
        match &row.trouble {
            Trouble::Blocked(why) => all.entry(why).or_default().push(row.node),
            Trouble::Failing | Trouble::Unready | Trouble::Behind | Trouble::Fine => {}
        }
    }
    all.into_iter().map(|(why, nodes)| (why.clone(), nodes)).collect()
}

/// Judges nodes, with what is the same for all of them looked up once.
struct Judge<'a> {
    snapshot: &'a Snapshot,
    placement: Placement,
    slowest: Option<i64>,
    /// What an old pod that is well waits for.
    waits: &'static str,
    /// Which step of a stored rollout comes to each node, if any does, and how many there are.
    steps: (BTreeMap<String, Option<usize>>, usize),
    /// The generation by which the controller takes old pods for new ones (hazard H25).
    generation: Option<&'a str>,
}

impl<'a> Judge<'a> {
    fn of(snapshot: &'a Snapshot) -> Judge<'a> {
        let rollout = Stored::of(&snapshot.workload).and_then(|stored| stored.rollout);
        Judge {
            snapshot,
            placement: Placement::of(snapshot.workload.template()),
            slowest: causes::slowest_start(snapshot),
            waits: waits(snapshot, rollout.is_some()),
            steps: rollout.map(|it| steps(snapshot, &it)).unwrap_or_default(),
            generation: snapshot.workload.annotation("deprecated.daemonset.template.generation"),
        }
    }

    fn row(
        &self,
        name: &'a str,
        group: Option<&'a str>,
        node: Option<&Node>,
        obstacle: Option<&Obstacle>,
        pods: &[&'a Pod],
    ) -> NodeRow<'a> {
        let pod =
            pods.iter().copied().max_by_key(|pod| (is_living(pod), !pod.ended(), pod.created, &pod.name));
        let running = pod.filter(|pod| is_living(pod));
        let new = |pod: &Pod| is_living(pod) && self.snapshot.side(pod) == Side::New;
        let (trouble, reason) = match self.node_trouble(node, obstacle, pod) {
            Some(why) => (Trouble::Blocked(why.clone()), Some(why.to_string())),
            None => self.pod_trouble(obstacle, pod, pods),
        };
        NodeRow {
            node: name,
            group,
            pod,
            revision: running.and_then(|pod| self.revision(pod)?.number),
            updated: pods.iter().any(|pod| new(pod)),
            ready: running.is_some_and(|pod| pod.ready()),
            reason,
            trouble,
        }
    }

    fn revision(&self, pod: &Pod) -> Option<&Revision> {
        let label = pod.revision.as_deref()?;
        self.snapshot.history.iter().find(|it| it.owns_label(self.snapshot.workload.id.kind, label))
    }

    /// Says what is wrong with the node itself. A taint does not matter to a pod that is new and well.
    fn node_trouble(
        &self,
        node: Option<&Node>,
        obstacle: Option<&Obstacle>,
        pod: Option<&Pod>,
    ) -> Option<Blocked> {
        let settled = |pod: &Pod| self.snapshot.side(pod) == Side::New && self.snapshot.available(pod);
        match (node, obstacle) {
            (None, _) => self.snapshot.nodes.is_some().then_some(Blocked::Gone),
            (Some(node), _) if !node.ready => Some(Blocked::NotReady),
            (Some(_), Some(Obstacle::Tainted(taint))) if !pod.is_some_and(settled) => {
                Some(Blocked::Tainted(taint.to_string()))
            }
            (Some(_), Some(Obstacle::Tainted(_) | Obstacle::NotSelected) | None) => None,
        }
    }

    fn pod_trouble(
        &self,
        obstacle: Option<&Obstacle>,
        pod: Option<&Pod>,
        pods: &[&Pod],
    ) -> (Trouble, Option<String>) {
        let unready = |words: &str| (Trouble::Unready, Some(words.to_string()));
        let Some(pod) = pod else { return unready("no pod yet") };
        if obstacle == Some(&Obstacle::NotSelected) {
            return unready("the template does not select the node");
        }
        if pod.terminating {
            let overdue = causes::is_overdue(pod, self.snapshot);
            return unready(if overdue { "Terminating for longer than it was given" } else { "Terminating" });
        }
        if pod.ended() {
            return unready(&pod.status_word());
        }
        if !pod.ready() {
            return self.unready(pod);
        }
        if !self.snapshot.available(pod) {
            let left = i64::from(self.snapshot.workload.min_ready_seconds)
                - self.snapshot.seconds_since(pod.ready_since);
            return unready(&format!("ready, available in {left}s"));
        }
        let old = |pod: &Pod| is_living(pod) && self.snapshot.side(pod) == Side::Old;
        match (old(pod), pods.iter().any(|pod| old(pod))) {
            (true, _) => (Trouble::Behind, Some(self.why_old(pod))),
            (false, true) => (Trouble::Behind, Some("the old pod has yet to go".to_string())),
            (false, false) => (Trouble::Fine, None),
        }
    }

    fn unready(&self, pod: &Pod) -> (Trouble, Option<String>) {
        let causes = causes::of_pod_among(pod, self.snapshot, &|| self.slowest);
        match causes.first() {
            Some(cause) if causes::is_without_room(cause) => {
                (Trouble::Blocked(Blocked::NoRoom), Some(words(cause, pod)))
            }
            Some(cause) if cause.fails() => (Trouble::Failing, Some(words(cause, pod))),
            Some(cause) => (Trouble::Unready, Some(words(cause, pod))),
            None => {
                let word = pod.status_word();
                let word = if word == "Running" { "not ready yet".to_string() } else { word };
                (Trouble::Unready, Some(word))
            }
        }
    }

    fn why_old(&self, pod: &Pod) -> String {
        let (steps, of) = &self.steps;
        let taken = self.generation.is_some() && pod.template_generation.as_deref() == self.generation;
        match (&self.snapshot.workload.strategy, taken) {
            (Strategy::RollingUpdate { .. }, true) => "taken for new by its template generation".to_string(),
            (
                Strategy::RollingUpdate { .. }
                | Strategy::Partitioned { .. }
                | Strategy::OnDelete
                | Strategy::Recreate
                | Strategy::Other(_),
                _,
            ) => match pod.node.as_ref().and_then(|node| steps.get(node)) {
                Some(Some(step)) => format!("waits for step {step} of {of}"),
                Some(None) => "no step comes to it".to_string(),
                None => self.waits.to_string(),
            },
        }
    }
}

fn steps(snapshot: &Snapshot, rollout: &Rollout) -> (BTreeMap<String, Option<usize>>, usize) {
    let Some(places) = Places::of(snapshot, rollout) else { return Default::default() };
    (places.by_step().map(|(place, step)| (place.name.clone(), step)).collect(), places.ends.len())
}

fn waits(snapshot: &Snapshot, in_steps: bool) -> &'static str {
    let workload = &snapshot.workload;
    if in_steps {
        return "waits for its step";
    }
    match &workload.strategy {
        _ if stored::is_paused(workload) => "paused",
        _ if !snapshot.observed() => "the template is not rolled out yet",
        Strategy::OnDelete => "waits until its pod is deleted (OnDelete)",
        Strategy::RollingUpdate { .. }
        | Strategy::Partitioned { .. }
        | Strategy::Recreate
        | Strategy::Other(_) => "waits for its turn",
    }
}

/// A cause without the pod, which the row names already.
fn words(cause: &Cause, pod: &Pod) -> String {
    let message = cause.message.strip_prefix(&format!("pod {}", pod.name)).unwrap_or(&cause.message);
    let message = match (message.strip_prefix(", container "), &cause.container) {
        (Some(rest), Some(container)) if pod.containers.len() == 1 => {
            rest.strip_prefix(container.as_str()).unwrap_or(rest)
        }
        (Some(rest), _) => rest,
        (None, _) => message,
    };
    format!("{}: {}", cause.id.as_str(), message.trim_start_matches([':', ' ']))
}

#[cfg(test)]
#[path = "nodes_tests.rs"]
mod tests;
