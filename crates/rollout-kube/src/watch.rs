//! Watching a workload with its revisions and pods: three watches that carry on from the lists that were read.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rollout_core::objects::{ApiObject, Node};
use rollout_core::{Kind, Pod, Snapshot, Workload};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::cluster::{Cluster, NODES, Scope, pods_path, revisions_path_of, workloads_path};
use crate::list::Listing;
use crate::seen::Seen;
use crate::source::{Change, Heard, Source, Unanswered, Watched};

/// How long changes are gathered before they are looked at: a controller's writes come in bursts.
const GATHER: Duration = Duration::from_millis(30);
/// How many pods that ended are remembered when they are gone.
const REMEMBERED: usize = 16;

/// What is watched of a workload, each by a watch of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Workload,
    Revisions,
    Pods,
    Nodes,
}

/// A change of what is watched.
enum Update {
    Workload(Change<ApiObject>),
    Revision(Change<ApiObject>),
    Pod(Box<Change<Pod>>),
    Node(Box<Change<Node>>),
    Forbidden(String),
    Lost(Part, String),
    Back(Part),
}

impl Update {
    fn of<T>(part: Part, heard: Heard<T>, update: fn(Change<T>) -> Update) -> Update {
        match heard {
            Heard::Change(change) => update(change),
            // Without it nothing is ever seen to end.
            Heard::Forbidden(words) => Update::Forbidden(words),
            Heard::Lost(error) => Update::Lost(part, error),
            Heard::Back => Update::Back(part),
        }
    }
}

/// What a feed shows after a change.
#[derive(Debug)]
pub enum Sight {
    /// The workload as it is now.
    Snapshot(Box<Snapshot>),
    /// The workload is gone.
    Gone,
    /// Something may not be watched, in the server's words, which name the right that is missing.
    Forbidden(String),
    /// The server does not answer.
    Lost(String),
    /// The server answers again.
    Back,
}

/// A workload that is watched.
pub struct Feed {
    cluster: Cluster,
    kind: Kind,
    workload: Option<ApiObject>,
    revisions: BTreeMap<String, ApiObject>,
    pods: Option<BTreeMap<String, Pod>>,
    /// Pods that ended by themselves, the last ones only.
    ended: VecDeque<Pod>,
    nodes: Option<BTreeMap<String, Node>>,
    updates: mpsc::UnboundedReceiver<Update>,
    unanswered: Unanswered<Part>,
    _watches: JoinSet<()>,
}

impl Feed {
    /// Watches on from what was read.
    pub fn start(cluster: &Cluster, seen: Seen) -> Feed {
        let Seen { kind, workload, fresh, revisions, pods, nodes } = seen;
        let (sender, updates) = mpsc::unbounded_channel();
        let mut watches = JoinSet::new();
        if let Some(object) = &workload
            && let Ok(workload) = Workload::from_object(kind, object.0.clone())
        {
            let source = |path, labels: Option<&str>, fields| Source {
                cluster: cluster.clone(),
                path,
                labels: labels.map(str::to_string),
                fields,
                listing: Listing::Objects,
                sender: sender.clone(),
            };
            let selector = Some(workload.selector.as_str());
            let scope = Scope::of(&workload);
            let name = Some(format!("metadata.name={}", workload.id.name));
            // What was read long after its last change has a version that the server may have forgotten.
            let version = match fresh {
                true => object.resource_version().to_string(),
                false => String::new(),
            };
            watches.spawn(
                source(workloads_path(kind, &scope), None, name)
                    .watch(version, |it| Update::of(Part::Workload, it, Update::Workload)),
            );
            let version = revisions.version.clone();
            watches.spawn(
                source(revisions_path_of(&workload), selector, None)
                    .watch(version, |it| Update::of(Part::Revisions, it, Update::Revision)),
            );
            if let Some(pods) = &pods {
                let version = pods.version.clone();
                watches.spawn(
                    source(pods_path(&scope), selector, None).watch(version, |it| {
                        Update::of(Part::Pods, it, |change| Update::Pod(Box::new(change)))
                    }),
                );
            }
            if let Some(nodes) = &nodes {
                let version = nodes.version.clone();
                watches.spawn(source(NODES.to_string(), None, None).watch(version, |it| {
                    Update::of(Part::Nodes, it, |change| Update::Node(Box::new(change)))
                }));
            }
        }
        Feed {
            cluster: cluster.clone(),
            kind,
            workload,
            revisions: by_name(revisions.items),
            pods: pods.map(|pods| by_name(pods.items)),
            ended: VecDeque::new(),
            nodes: nodes.map(|nodes| by_name(nodes.items)),
            updates,
            unanswered: Unanswered::new(),
            _watches: watches,
        }
    }

    /// Returns what is known now.
    pub fn sight(&self) -> Sight {
        let Some(object) = self.workload.clone() else { return Sight::Gone };
        let Ok(workload) = Workload::from_object(self.kind, object.into()) else { return Sight::Gone };
        let pods = self.pods.as_ref().map(|pods| pods.values().cloned().collect());
        let revisions = self.revisions.values().cloned().map(ApiObject::into).collect();
        let nodes = self.nodes.as_ref().map(|nodes| nodes.values().cloned().collect());
        let snapshot = Snapshot::new(workload, revisions, pods, self.cluster.now());
        let there = |it: &Pod| self.pods.iter().flatten().any(|(_, pod)| pod.uid == it.uid);
        let gone = self.ended.iter().filter(|it| !there(it)).cloned().collect();
        Sight::Snapshot(Box::new(Snapshot { nodes, ..snapshot.remembering(gone) }))
    }

    /// Waits for a change, for `patience` at most: some things become true by the time alone.
    pub async fn next(&mut self, patience: Duration) -> Sight {
        let first = timeout(patience, self.updates.recv()).await;
        if let Ok(Some(update)) = first {
            let mut shown = self.is_an_end(&update);
            if let Some(sight) = self.take(update) {
                return sight;
            }
            if !shown {
                sleep(GATHER).await;
            }
            while !shown && let Ok(update) = self.updates.try_recv() {
                shown = self.is_an_end(&update);
                if let Some(sight) = self.take(update) {
                    return sight;
                }
            }
        }
        self.sight()
    }

    /// Tells whether a pod has ended by itself: controllers of sets delete it at once, and make one of the same name (for example
    /// pkg/controller/statefulset/stateful_set_control.go, `processReplica`), so that what is gathered would not show it.
    fn is_an_end(&self, update: &Update) -> bool {
        let Update::Pod(change) = update else { return false };
        let Change::Set(pod) = &**change else { return false };
        let known = self.pods.as_ref().and_then(|pods| pods.get(&pod.name));
        pod.ended() && !pod.terminating && !known.is_some_and(|known| known.uid == pod.uid && known.ended())
    }

    fn take(&mut self, update: Update) -> Option<Sight> {
        if self.is_an_end(&update)
            && let Update::Pod(change) = &update
            && let Change::Set(pod) = &**change
        {
            self.ended.push_back(pod.clone());
            self.ended.drain(..self.ended.len().saturating_sub(REMEMBERED));
        }
        match update {
            Update::Workload(Change::All(all)) => self.workload = all.into_iter().next(),
            Update::Workload(Change::Set(object)) => self.workload = Some(object),
            Update::Workload(Change::Gone(_)) => self.workload = None,
            Update::Revision(change) => apply(&mut self.revisions, change),
            Update::Pod(change) => apply(self.pods.get_or_insert_default(), *change),
            Update::Node(change) => apply(self.nodes.get_or_insert_default(), *change),
            Update::Forbidden(words) => return Some(Sight::Forbidden(words)),
            Update::Lost(part, error) => {
                return self.unanswered.add(part).then_some(Sight::Lost(error));
            }
            Update::Back(part) => return self.unanswered.remove(&part).then_some(Sight::Back),
        }
        None
    }
}

fn apply<T: Watched>(items: &mut BTreeMap<String, T>, change: Change<T>) {
    match change {
        Change::All(all) => *items = by_name(all),
        Change::Set(item) => {
            items.insert(item.name().to_string(), item);
        }
        Change::Gone(item) => drop(items.remove(item.name())),
    }
}

fn by_name<T: Watched>(items: Vec<T>) -> BTreeMap<String, T> {
    items.into_iter().map(|item| (item.name().to_string(), item)).collect()
}
