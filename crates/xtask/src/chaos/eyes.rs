//! Watches the pods of a namespace, past the proxy, for as long as a round lasts.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cluster::Cluster;
use serde_json::Value;

use super::ledger::{Entry, Sight};
use super::story::lock;

/// What is seen of the pods.
#[derive(Default)]
pub(super) struct Eyes {
    shut: AtomicBool,
    entries: Mutex<Vec<Entry>>,
    child: Mutex<Option<Child>>,
}

impl Eyes {
    /// Looks until they are shut; to be run in a thread of its own.
    pub(super) fn look(&self, cluster: &Cluster, namespace: &str) {
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let mut version = String::new();
        while !self.shut.load(Ordering::SeqCst) {
            if version.is_empty() {
                let list = cluster.kubectl(&["get", "--raw", &pods]);
                let list: Value = serde_json::from_str(&list.stdout).unwrap_or_default();
                version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_string();
                let items = list["items"].as_array().into_iter().flatten();
                lock(&self.entries).extend(items.filter_map(|pod| Sight::of(pod, false)).map(Entry::Pod));
            }
            if !version.is_empty() && !self.watch(cluster, &pods, &mut version) {
                // The server has forgotten what came next.
                lock(&self.entries).push(Entry::Gap);
                version.clear();
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Follows one watch to its end; whether the next one can carry on from there.
    fn watch(&self, cluster: &Cluster, pods: &str, version: &mut String) -> bool {
        let path = format!("{pods}?watch=true&allowWatchBookmarks=true&resourceVersion={version}");
        let mut command = cluster.command("kubectl");
        command.args(["get", "--raw", &path]).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { return true };
        let stdout = child.stdout.take();
        *lock(&self.child) = Some(child);
        if self.shut.load(Ordering::SeqCst) {
            self.blink();
        }
        let mut carries_on = true;
        for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()).map_while(Result::ok)
        {
            let Ok(event) = serde_json::from_str::<Value>(&line) else { break };
            if event["type"] == "ERROR" {
                carries_on = event["object"]["code"] != 410;
                break;
            }
            let seen = event["object"]["metadata"]["resourceVersion"].as_str();
            *version = seen.unwrap_or_default().to_string();
            let pod = Sight::of(&event["object"], event["type"] == "DELETED");
            lock(&self.entries).extend(pod.map(Entry::Pod));
        }
        self.blink();
        carries_on
    }

    /// Ends the watch of this moment.
    fn blink(&self) {
        if let Some(mut child) = lock(&self.child).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it, and returns what was seen.
    pub(super) fn shut(&self) -> Vec<Entry> {
        self.shut.store(true, Ordering::SeqCst);
        self.blink();
        std::mem::take(&mut *lock(&self.entries))
    }
}
