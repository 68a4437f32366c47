//! One list of objects that is watched on: what changes in it, for as long as anybody listens.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use kube::Error;
use kube::api::{Request, WatchEvent, WatchParams};
use rollout_core::Pod;
use rollout_core::history::{RevisionObject, owner};
use rollout_core::objects::{ApiObject, Node};
use rollout_core::view::timeline::OutlineObject;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, innermost};
use crate::list::{Listing, Selection};

/// How many seconds a watch lasts, at least and with what is added by chance so that not all end at once. A connection may die
/// without a word; the watch that follows is on a new one. kubectl's pings find out in 45 seconds, of which the client leaves ten
/// for a server that is late (`kubectl_connect`).
const WATCH: (u32, u32) = (30, 5);
/// How long to wait before a server that did not answer is asked again, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// A change of a list.
pub(crate) enum Change<T> {
    All(Vec<T>),
    Set(T),
    Gone(T),
}

/// What is heard of a list.
pub(crate) enum Heard<T> {
    Change(Change<T>),
    /// It may not be watched, in the server's words; nothing more is heard.
    Forbidden(String),
    Lost(String),
    Back,
}

/// The watches that the server does not answer. A server may answer some and not others: while it fills its
/// cache of one sort of object, it refuses that one alone (k8s.io/apiserver, `pkg/storage/cacher`: storage is (re)initializing).
pub(crate) struct Unanswered<S>(BTreeSet<S>);

impl<S: Ord> Unanswered<S> {
    pub(crate) fn new() -> Unanswered<S> {
        Unanswered(BTreeSet::new())
    }

    /// Adds a watch, and tells whether it is the first.
    pub(crate) fn add(&mut self, source: S) -> bool {
        let is_first = self.0.is_empty();
        self.0.insert(source);
        is_first
    }

    /// Takes a watch off, and tells whether it was the last.
    pub(crate) fn remove(&mut self, source: &S) -> bool {
        self.0.remove(source) && self.0.is_empty()
    }
}

/// What a watch needs to know of an object.
pub trait Watched: Clone + DeserializeOwned + Send + 'static {
    /// Returns its name.
    fn name(&self) -> &str;
    /// Returns its UID.
    fn uid(&self) -> &str;
    /// Returns the UID of the controller that owns it.
    fn owner(&self) -> Option<&str>;
    /// Returns the version of the object, from which a watch carries on.
    fn resource_version(&self) -> &str;
}

impl Watched for ApiObject {
    fn name(&self) -> &str {
        ApiObject::name(self)
    }
    fn uid(&self) -> &str {
        ApiObject::uid(self)
    }
    fn owner(&self) -> Option<&str> {
        owner(&self.0)
    }
    fn resource_version(&self) -> &str {
        ApiObject::resource_version(self)
    }
}

impl Watched for Pod {
    fn name(&self) -> &str {
        &self.name
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

impl Watched for Node {
    fn name(&self) -> &str {
        &self.name
    }
    /// Of two nodes of one name only one is there.
    fn uid(&self) -> &str {
        &self.name
    }
    fn owner(&self) -> Option<&str> {
        None
    }
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

impl Watched for RevisionObject {
    fn name(&self) -> &str {
        RevisionObject::name(self)
    }
    fn uid(&self) -> &str {
        RevisionObject::uid(self)
    }
    fn owner(&self) -> Option<&str> {
        RevisionObject::owner(self)
    }
    fn resource_version(&self) -> &str {
        RevisionObject::resource_version(self)
    }
}

impl Watched for OutlineObject {
    fn name(&self) -> &str {
        OutlineObject::name(self)
    }
    fn uid(&self) -> &str {
        OutlineObject::uid(self)
    }
    fn owner(&self) -> Option<&str> {
        None
    }
    fn resource_version(&self) -> &str {
        OutlineObject::resource_version(self)
    }
}

/// One list of objects that is watched.
pub(crate) struct Source<U> {
    pub(crate) cluster: Cluster,
    pub(crate) path: String,
    pub(crate) labels: Option<String>,
    pub(crate) fields: Option<String>,
    pub(crate) listing: Listing,
    pub(crate) sender: mpsc::UnboundedSender<U>,
}

impl<U> Source<U> {
    /// Watches until nobody listens any more. Without a version, and where the server has forgotten it (410), it is listed first.
    pub(crate) async fn watch<T: Watched>(self, mut version: String, update: impl Fn(Heard<T>) -> U) {
        let mut pause = PAUSE.0;
        while !self.sender.is_closed() {
            let before = version.clone();
            let start = Instant::now();
            let result = match version.as_str() {
                "" => self.list_again(&mut version, &update).await,
                _ => self.watch_once(&mut version, &update).await,
            };
            match result {
                // A server ends a watch after minutes; what ends one at once is not asked again at once.
                Ok(()) if start.elapsed() < PAUSE.0 && version == before => sleep(PAUSE.0).await,
                Ok(()) => {}
                Err(Error::Api(status)) if status.code == 410 => version.clear(),
                // Without it nothing is ever seen to end.
                Err(Error::Api(status)) if status.code == 403 => {
                    let _ = self.sender.send(update(Heard::Forbidden(status.message.clone())));
                    return;
                }
                Err(error) => {
                    let _ = self.sender.send(update(Heard::Lost(innermost(&error))));
                    if version != before {
                        pause = PAUSE.0;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE.1);
                    continue;
                }
            }
            pause = PAUSE.0;
        }
    }

    async fn watch_once<T: Watched>(
        &self,
        version: &mut String,
        update: &impl Fn(Heard<T>) -> U,
    ) -> Result<(), Error> {
        let chance = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
        let mut params = WatchParams::default().timeout(WATCH.0 + chance % (WATCH.1 + 1));
        params.label_selector.clone_from(&self.labels);
        params.field_selector.clone_from(&self.fields);
        let request = Request::new(self.path.as_str());
        let request = match self.listing {
            Listing::Objects => request.watch(&params, version),
            Listing::Metadata => request.watch_metadata(&params, version),
        };
        let request = request.map_err(Error::BuildRequest)?;
        let events = self.cluster.client.request_events::<T>(request).await?;
        let _ = self.sender.send(update(Heard::Back));
        let mut events = pin!(events);
        while let Some(event) = events.next().await {
            let change = match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    *version = object.resource_version().to_string();
                    Change::Set(object)
                }
                WatchEvent::Deleted(object) => {
                    *version = object.resource_version().to_string();
                    Change::Gone(object)
                }
                WatchEvent::Bookmark(bookmark) => {
                    *version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) => return Err(Error::Api(status)),
            };
            if self.sender.send(update(Heard::Change(change))).is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn list_again<T: Watched>(
        &self,
        version: &mut String,
        update: &impl Fn(Heard<T>) -> U,
    ) -> Result<(), Error> {
        let selection = Selection { labels: self.labels.as_deref(), fields: self.fields.as_deref() };
        let mut items = Vec::new();
        let mut each = |item| items.push(item);
        *version = self.cluster.pages(&self.path, selection, self.listing, &mut each).await?;
        let _ = self.sender.send(update(Heard::Back));
        let _ = self.sender.send(update(Heard::Change(Change::All(items))));
        Ok(())
    }
}
