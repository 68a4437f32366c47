//! Rollouts in steps over a fleet: how they are started and looked at, and what has to be as it was when they are over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cluster::Output;
use e2e::{LONG, Running};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::fleet::Fleet;

/// The annotation that holds a rollout.
pub const STORED: &str = "rollout-plugins.dev/rollout";
/// The workload.
pub const WEB: &str = "daemonset/web";

/// What a rollout changes and puts back: the strategy, the history limit, and the annotations but for the controller's.
pub type Kept = (Value, Value, BTreeMap<String, Value>);

/// Makes so many nodes, `a` and so on, with the DaemonSet `web` at `app:1` on them.
pub fn fleet(nodes: usize) -> Fleet<'static> {
    fleet_with(nodes, &[])
}

/// The same with more lines in `spec`.
pub fn fleet_with(nodes: usize, spec: &[&str]) -> Fleet<'static> {
    let fleet = Fleet::new(&vec![""; nodes]);
    fleet.web("app:1", spec);
    fleet
}

impl Fleet<'_> {
    /// Runs `kubectl dsupdate` with these words.
    #[track_caller]
    pub fn dsupdate(&self, words: &[&str]) -> Output {
        let mut output = self.ns.kubectl(&[&["dsupdate"], words].concat());
        output.stdout = self.plain(&output.stdout);
        output.stderr = self.plain(&output.stderr);
        output
    }

    /// Runs `kubectl dsupdate start web` with these words, with a soak of a second.
    #[track_caller]
    pub fn start(&self, words: &[&str]) -> Output {
        self.dsupdate(&[&["start", "web", "--soak=1s"], words].concat())
    }

    /// Starts `kubectl dsupdate` with these words and does not wait for it.
    pub fn running(&self, words: &[&str]) -> Running {
        Running::plugin("dsupdate", &self.ns, words)
    }

    /// Returns a text with the nodes' short names.
    pub fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}-", self.ns.name()), "")
    }

    /// Returns the pods that are not on their way out: the node's short name, and what is asked for.
    fn by_node(&self, field: impl Fn(&Value) -> &Value) -> BTreeMap<String, String> {
        let list = self.ns.get(&["pods", "-l", "app=web"]);
        let living = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
        let of = |pod: &Value| {
            let node = self.plain(pod["spec"]["nodeName"].as_str().unwrap_or("?"));
            (node, field(pod).as_str().unwrap_or_default().to_string())
        };
        list["items"].as_array().into_iter().flatten().filter(living).map(of).collect()
    }

    /// Returns which image runs on which node, as `a:1 b:2`.
    pub fn images(&self) -> String {
        let images = self.by_node(|pod| &pod["spec"]["containers"][0]["image"]);
        let short =
            |(node, image): (&String, &String)| format!("{node}:{}", image.trim_start_matches("app:"));
        images.iter().map(short).collect::<Vec<_>>().join(" ")
    }

    /// Waits until these images run.
    #[track_caller]
    pub fn until_images(&self, images: &str) {
        self.ns.wait_until(&format!("the images are {images}"), LONG, || self.images() == images);
    }

    /// Returns the UIDs of the pods by node.
    pub fn uids(&self) -> BTreeMap<String, String> {
        self.by_node(|pod| &pod["metadata"]["uid"])
    }

    /// Looks at the pods all the while that something runs; returns the least number of those that count, and its end.
    #[track_caller]
    pub fn fewest<T>(&self, counts: impl Fn(&Value) -> bool + Sync, run: impl FnOnce() -> T) -> (usize, T) {
        let over = AtomicBool::new(false);
        let sample = || {
            let list = self.ns.get(&["pods", "-l", "app=web"]);
            list["items"].as_array().into_iter().flatten().filter(|pod| counts(pod)).count()
        };
        thread::scope(|scope| {
            let sampler = scope.spawn(|| {
                let mut fewest = usize::MAX;
                while !over.load(Ordering::Relaxed) {
                    fewest = fewest.min(sample());
                }
                fewest
            });
            let end = run();
            over.store(true, Ordering::Relaxed);
            (sampler.join().unwrap(), end)
        })
    }

    /// Returns what a rollout changes and puts back.
    pub fn kept(&self) -> Kept {
        let object = self.ns.get(&[WEB]);
        let annotations = object["metadata"]["annotations"].as_object().into_iter().flatten();
        let own = annotations.filter(|(key, _)| !key.starts_with("deprecated."));
        (
            object["spec"]["updateStrategy"].clone(),
            object["spec"]["revisionHistoryLimit"].clone(),
            own.map(|(key, value)| (key.clone(), value.clone())).collect(),
        )
    }

    /// Returns what is stored of a rollout; null where nothing is.
    pub fn stored(&self) -> Value {
        let object = self.ns.get(&[WEB]);
        let text = object["metadata"]["annotations"][STORED].as_str();
        text.map_or(Value::Null, |text| serde_json::from_str::<Value>(text).unwrap()["rollout"].clone())
    }

    /// Returns the strategy's type.
    pub fn strategy(&self) -> String {
        self.kept().0["type"].as_str().unwrap_or_default().to_string()
    }

    /// Returns everything of the workload that a plugin could change.
    pub fn untouched(&self) -> (Value, Kept) {
        (self.ns.get(&[WEB])["spec"].clone(), self.kept())
    }

    /// Patches the workload as somebody else would.
    pub fn patch(&self, patch: &str) {
        self.ns.kubectl(&["patch", WEB, "--type=merge", "-p", patch]).expect_ok();
    }

    /// Makes the pod on a node crash from a few seconds on: the fake kubelet goes by the image that runs.
    pub fn crash(&self, letter: &str) {
        self.ns.kubectl(&["annotate", "pod", &self.pod(letter), "turns=crash"]).expect_ok();
    }

    /// Sets the image as somebody else would.
    pub fn set_image(&self, image: &str) {
        e2e::set_image(&self.ns, WEB, image);
    }
}

/// Returns since when a pod is ready that is not on its way out, in seconds.
pub fn ready_since(pod: &Value) -> Option<i64> {
    e2e::ready(pod).map(|ready| seconds(&ready["lastTransitionTime"]))
}

/// Reads a time, of which the API keeps whole seconds.
pub fn seconds(time: &Value) -> i64 {
    time.as_str().unwrap_or_default().parse::<Timestamp>().unwrap().as_second()
}

/// Asserts that words were said, on one of the streams, in this order.
#[track_caller]
pub fn says(output: &Output, words: &[&str]) {
    let all = format!("{}{}", output.stderr, output.stdout);
    let mut rest = all.as_str();
    for word in words {
        match rest.split_once(word) {
            Some((_, after)) => rest = after,
            None => panic!("{word:?} is not said (any more) in {output}"),
        }
    }
}
