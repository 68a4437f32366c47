//! Many workloads that are watched, with one watch for each sort of object whatever their number. What is held is what there
//! is: each object once, and of those that nobody here owns nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use rollout_core::history::{RevisionMetadata, RevisionObject};
use rollout_core::objects::{ApiObject, Node, ReadAs};
use rollout_core::view::timeline::Outline;
use rollout_core::{Kind, Pod, Snapshot, Workload, WorkloadId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cluster::{Cluster, NODES, Scope, pods_path, revisions_path, workloads_path};
use crate::list::Listing;
use crate::source::{Change, Heard, Source, Unanswered, Watched};

/// How long changes are gathered before they are looked at.
const GATHER: Duration = Duration::from_millis(30);

/// A workload as it is held.
pub trait Held: ReadAs<Object: Watched> {
    /// Returns which one it is.
    fn id(&self) -> &WorkloadId;
}

impl Held for Workload {
    fn id(&self) -> &WorkloadId {
        &self.id
    }
}

impl Held for Outline {
    fn id(&self) -> &WorkloadId {
        &self.id
    }
}

/// A revision as it is held.
pub trait Record: Sized {
    /// What is read of it.
    type Object: Watched;
    /// Whether its metadata say enough, of ReplicaSets: a ControllerRevision's number is none of its metadata.
    const METADATA: bool;

    /// Reads it.
    fn read(kind: Kind, object: Self::Object) -> Self;
}

impl Record for ApiObject {
    type Object = ApiObject;
    const METADATA: bool = false;

    fn read(_: Kind, object: ApiObject) -> ApiObject {
        object
    }
}

impl Record for RevisionMetadata {
    type Object = RevisionObject;
    const METADATA: bool = true;

    fn read(kind: Kind, object: RevisionObject) -> RevisionMetadata {
        RevisionMetadata::new(kind, object)
    }
}

/// What is heard, and from which of the watches.
struct Update<W, R> {
    source: usize,
    heard: Of<W, R>,
}

enum Of<W, R> {
    Workload(Kind, Heard<W>),
    Revision(Kind, Heard<R>),
    Pod(Box<Heard<Pod>>),
    Node(Box<Heard<Node>>),
}

/// What became of the watches.
#[derive(Debug)]
pub enum Stir {
    /// Something has changed, or nothing has for so long.
    Now,
    /// Something may not be watched, in the server's words, which name the right that is missing.
    Forbidden(String),
    /// The server does not answer.
    Lost(String),
    /// The server answers again.
    Back,
}

/// Which workloads are watched.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Where.
    pub scopes: Vec<Scope>,
    /// Of which kinds.
    pub kinds: Vec<Kind>,
    /// With which labels.
    pub selector: Option<String>,
    /// By their kinds, namespaces and names; all where nobody named any.
    pub named: Option<BTreeSet<(Kind, String, String)>>,
}

/// Objects that have owners, by their own UIDs and by those of their owners.
struct Owned<T> {
    by_owner: HashMap<String, BTreeMap<String, T>>,
    owner_of: HashMap<String, (usize, String)>,
}

impl<T> Owned<T> {
    fn new() -> Owned<T> {
        Owned { by_owner: HashMap::new(), owner_of: HashMap::new() }
    }

    /// Takes a change in, and returns the owners that it is about.
    fn take<O: Watched>(&mut self, source: usize, change: Change<O>, read: impl Fn(O) -> T) -> Vec<String> {
        let mut about = Vec::new();
        let items = match change {
            Change::All(items) => {
                let of_source = self.owner_of.iter().filter(|(_, (from, _))| *from == source);
                let before: Vec<String> = of_source.map(|(uid, _)| uid.clone()).collect();
                about.extend(before.iter().filter_map(|uid| self.remove(uid)));
                items
            }
            Change::Set(item) => vec![item],
            Change::Gone(item) => return self.remove(item.uid()).into_iter().collect(),
        };
        for item in items {
            let (uid, owner) = (item.uid().to_string(), item.owner().map(str::to_string));
            about.extend(self.remove(&uid));
            let Some(owner) = owner else { continue };
            about.push(owner.clone());
            self.owner_of.insert(uid.clone(), (source, owner.clone()));
            self.by_owner.entry(owner).or_default().insert(uid, read(item));
        }
        about
    }

    fn remove(&mut self, uid: &str) -> Option<String> {
        let (_, owner) = self.owner_of.remove(uid)?;
        if let Some(items) = self.by_owner.get_mut(&owner) {
            items.remove(uid);
            if items.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
        Some(owner)
    }

    fn of(&self, owner: &str) -> impl Iterator<Item = (&String, &T)> {
        self.by_owner.get(owner).into_iter().flatten()
    }
}

/// Workloads that are watched.
pub struct Fleet<W: Held, R: Record> {
    cluster: Cluster,
    named: Option<BTreeSet<(Kind, String, String)>>,
    workloads: BTreeMap<String, (usize, W)>,
    revisions: Owned<R>,
    pods: Option<Owned<Pod>>,
    nodes: Option<BTreeMap<String, Node>>,
    /// The workloads of which something has changed since somebody looked.
    changed: BTreeSet<String>,
    /// The watches that have not been heard of yet.
    silent: BTreeSet<usize>,
    updates: mpsc::UnboundedReceiver<Update<W::Object, R::Object>>,
    unanswered: Unanswered<usize>,
    _watches: JoinSet<()>,
}

impl<W, R> Fleet<W, R>
where
    W: Held + 'static,
    R: Record + 'static,
{
    /// Watches workloads and their revisions; also their pods, and the nodes of DaemonSets, where told.
    pub fn start(cluster: &Cluster, wanted: Wanted, with_pods: bool) -> Fleet<W, R> {
        let Wanted { scopes, kinds, selector, named } = wanted;
        let (sender, updates) = mpsc::unbounded_channel();
        let mut watches = JoinSet::new();
        let mut count = 0;
        let mut source = |path, labels: Option<&str>, listing| {
            let sender = sender.clone();
            let labels = labels.map(str::to_string);
            count += 1;
            (count - 1, Source { cluster: cluster.clone(), path, labels, fields: None, listing, sender })
        };
        let none = String::new;
        for scope in &scopes {
            for &kind in &kinds {
                let (source, it) = source(workloads_path(kind, scope), selector.as_deref(), Listing::Objects);
                let update = move |heard| Update { source, heard: Of::Workload(kind, heard) };
                watches.spawn(it.watch(none(), update));
            }
            let has = |some: &[Kind]| kinds.iter().any(|kind| some.contains(kind));
            // Sets of both kinds have the same objects for revisions.
            for some in [&[Kind::Deployment][..], &[Kind::DaemonSet, Kind::StatefulSet]] {
                if !has(some) {
                    continue;
                }
                let kind = some[0];
                let listing = match kind {
                    Kind::Deployment if R::METADATA => Listing::Metadata,
                    Kind::Deployment | Kind::DaemonSet | Kind::StatefulSet => Listing::Objects,
                };
                let (source, it) = source(revisions_path(kind, scope), None, listing);
                let update = move |heard| Update { source, heard: Of::Revision(kind, heard) };
                watches.spawn(it.watch(none(), update));
            }
            if with_pods {
                let (source, it) = source(pods_path(scope), None, Listing::Objects);
                let update = move |heard| Update { source, heard: Of::Pod(Box::new(heard)) };
                watches.spawn(it.watch(none(), update));
            }
        }
        let with_nodes = with_pods && kinds.contains(&Kind::DaemonSet);
        if with_nodes {
            let (source, it) = source(NODES.to_string(), None, Listing::Objects);
            let update = move |heard| Update { source, heard: Of::Node(Box::new(heard)) };
            watches.spawn(it.watch(none(), update));
        }
        Fleet {
            cluster: cluster.clone(),
            named,
            workloads: BTreeMap::new(),
            revisions: Owned::new(),
            pods: with_pods.then(Owned::new),
            nodes: with_nodes.then(BTreeMap::new),
            changed: BTreeSet::new(),
            silent: (0..count).collect(),
            updates,
            unanswered: Unanswered::new(),
            _watches: watches,
        }
    }

    /// Waits for a change, for `patience` at most, but in any case until every list has been read.
    pub async fn next(&mut self, patience: Duration) -> Stir {
        let end = Instant::now() + patience;
        loop {
            let update = match self.silent.is_empty() {
                true => timeout_at(end, self.updates.recv()).await.unwrap_or_default(),
                false => self.updates.recv().await,
            };
            let Some(update) = update else { return Stir::Now };
            if let Some(stir) = self.take(update) {
                return stir;
            }
            sleep(GATHER).await;
            while let Ok(update) = self.updates.try_recv() {
                if let Some(stir) = self.take(update) {
                    return stir;
                }
            }
            if self.silent.is_empty() && (!self.changed.is_empty() || Instant::now() >= end) {
                return Stir::Now;
            }
        }
    }

    /// Iterates over the workloads.
    pub fn workloads(&self) -> impl Iterator<Item = &W> {
        self.workloads.values().map(|(_, workload)| workload)
    }

    /// Iterates over the revisions of a workload.
    pub fn revisions<'f>(&'f self, id: &WorkloadId) -> impl Iterator<Item = &'f R> {
        self.revisions.of(&id.uid).map(|(_, revision)| revision)
    }

    /// Takes the UIDs of the workloads of which something has changed since this was asked last.
    pub fn changed(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.changed)
    }

    fn take(&mut self, update: Update<W::Object, R::Object>) -> Option<Stir> {
        self.apply(update).err().flatten()
    }

    fn apply(&mut self, update: Update<W::Object, R::Object>) -> Result<(), Option<Stir>> {
        let Update { source, heard } = update;
        match heard {
            Of::Workload(kind, heard) => {
                let change = self.change(source, heard)?;
                self.take_workloads(source, kind, change);
            }
            Of::Revision(kind, heard) => {
                let change = self.change(source, heard)?;
                let about = self.revisions.take(source, change, |object| R::read(kind, object));
                self.changed.extend(about);
            }
            Of::Pod(heard) => match *heard {
                // As where they are read once: that is told of each workload.
                Heard::Forbidden(_) => {
                    self.pods = None;
                    return self.give_up(source);
                }
                heard => {
                    let change = self.change(source, heard)?;
                    let about = self.pods.as_mut().map(|pods| pods.take(source, change, |pod| pod));
                    for owner in about.into_iter().flatten() {
                        // A Deployment's pods belong to its ReplicaSets.
                        let above = self.revisions.owner_of.get(&owner).map(|(_, owner)| owner.clone());
                        self.changed.insert(above.unwrap_or(owner));
                    }
                }
            },
            // What a node says comes often, and shows in its pods where it matters.
            Of::Node(heard) => match (*heard, &mut self.nodes) {
                (Heard::Forbidden(_), nodes) => {
                    *nodes = None;
                    return self.give_up(source);
                }
                (heard, _) => {
                    let change = self.change(source, heard)?;
                    match (change, self.nodes.get_or_insert_default()) {
                        (Change::All(all), nodes) => {
                            *nodes = all.into_iter().map(|node| (node.name.clone(), node)).collect();
                        }
                        (Change::Set(node), nodes) => drop(nodes.insert(node.name.clone(), node)),
                        (Change::Gone(node), nodes) => drop(nodes.remove(&node.name)),
                    }
                }
            },
        }
        Ok(())
    }

    /// Returns the change that was heard of, or what else became of a watch.
    fn change<T>(&mut self, source: usize, heard: Heard<T>) -> Result<Change<T>, Option<Stir>> {
        match heard {
            Heard::Change(change) => {
                self.silent.remove(&source);
                Ok(change)
            }
            Heard::Forbidden(words) => Err(Some(Stir::Forbidden(words))),
            Heard::Lost(error) => Err(self.unanswered.add(source).then_some(Stir::Lost(error))),
            Heard::Back => Err(self.unanswered.remove(&source).then_some(Stir::Back)),
        }
    }

    /// Waits no longer for a watch of which nothing more is heard.
    fn give_up(&mut self, source: usize) -> Result<(), Option<Stir>> {
        self.silent.remove(&source);
        Err(self.unanswered.remove(&source).then_some(Stir::Back))
    }

    fn take_workloads(&mut self, source: usize, kind: Kind, change: Change<W::Object>) {
        let items = match change {
            Change::All(items) => {
                let before = self.workloads.iter().filter(|(_, (from, _))| *from == source);
                self.changed.extend(before.map(|(uid, _)| uid.clone()));
                self.workloads.retain(|_, (from, _)| *from != source);
                items
            }
            Change::Set(item) => vec![item],
            Change::Gone(item) => {
                self.workloads.remove(item.uid());
                self.changed.insert(item.uid().to_string());
                return;
            }
        };
        for workload in items.into_iter().filter_map(|item| W::read(kind, item).ok()) {
            let id = workload.id();
            let is_named =
                |named: &BTreeSet<_>| named.contains(&(id.kind, id.namespace.clone(), id.name.clone()));
            if self.named.as_ref().is_none_or(is_named) {
                let uid = id.uid.clone();
                self.changed.insert(uid.clone());
                self.workloads.insert(uid, (source, workload));
            }
        }
    }
}

impl Fleet<Workload, ApiObject> {
    /// Returns what is known of one workload now.
    pub fn snapshot(&self, uid: &str) -> Option<Snapshot> {
        let (_, workload) = self.workloads.get(uid)?;
        let revisions: Vec<(&String, &ApiObject)> = self.revisions.of(uid).collect();
        let owners: Vec<&str> = match workload.id.kind {
            Kind::Deployment => revisions.iter().map(|(uid, _)| uid.as_str()).collect(),
            Kind::DaemonSet | Kind::StatefulSet => vec![uid],
        };
        let of_owners = |pods: &Owned<Pod>| {
            let pods = owners.iter().flat_map(|owner| pods.of(owner));
            let mut pods: Vec<Pod> = pods.map(|(_, pod)| pod.clone()).collect();
            pods.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            pods
        };
        let pods = self.pods.as_ref().map(of_owners);
        let nodes = self.nodes.as_ref().filter(|_| workload.has_unwanted());
        let nodes = nodes.map(|nodes| nodes.values().cloned().collect());
        let revisions = revisions.into_iter().map(|(_, revision)| revision.0.clone()).collect();
        let snapshot = Snapshot::new(workload.clone(), revisions, pods, self.cluster.now());
        Some(Snapshot { nodes, ..snapshot })
    }
}
