//! Nodes of a test's own, in a cluster beside that of the other tests: none of those must be tainted, or die.

use std::sync::OnceLock;

use cluster::{Cluster, Namespace, Node, Options, Output};
use e2e::{LONG, Web, install, settled};

/// A namespace whose DaemonSet runs on its own nodes: `a` and so on.
pub struct Fleet<'c> {
    /// The namespace.
    pub ns: Namespace<'c>,
}

/// Starts a cluster with one node.
pub fn own_cluster() -> Cluster {
    let cluster = Cluster::start(&Options { nodes: 1, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    cluster
}

impl Fleet<'static> {
    /// Makes nodes in these zones, in the order of the alphabet; an empty zone is none.
    pub fn new(zones: &[&str]) -> Fleet<'static> {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        Fleet::of(CLUSTER.get_or_init(own_cluster), zones)
    }
}

impl<'c> Fleet<'c> {
    /// Makes the nodes in a cluster of the test's own, where one of them may die.
    pub fn of(cluster: &'c Cluster, zones: &[&str]) -> Fleet<'c> {
        let ns = cluster.namespace("fleet");
        let node = |(zone, letter): (&&str, char)| {
            let node = Node::new(format!("{}-{letter}", ns.name())).label("pool", ns.name());
            if zone.is_empty() { node } else { node.label("example.com/zone", zone) }
        };
        let nodes: Vec<Node> = zones.iter().zip('a'..).map(node).collect();
        cluster.create_nodes(&nodes).unwrap();
        Fleet { ns }
    }

    /// Creates the DaemonSet `web` on these nodes, and waits until its pods are available.
    pub fn web(&self, image: &str, spec: &[&str]) {
        let web = spec.iter().fold(Web::new("daemonset", image), |web, line| web.spec(line));
        let selector = format!("      nodeSelector: {{ pool: {} }}\n      containers:", self.ns.name());
        let yaml = web.yaml().replace("      containers:", &selector);
        e2e::create(&self.ns, &yaml);
        settled(&self.ns, "daemonset/web");
    }

    /// Returns the whole name of a node.
    pub fn node(&self, letter: &str) -> String {
        format!("{}-{letter}", self.ns.name())
    }

    /// Returns what the plugin says of the nodes, with their short names and single blanks.
    #[track_caller]
    pub fn nodes(&self, words: &[&str]) -> Output {
        let mut output = self.ns.kubectl(&[&["dsupdate", "nodes", "web"], words].concat());
        output.stdout = self.short(&output.stdout);
        output
    }

    /// Returns a text with the nodes' short names and single blanks.
    pub fn short(&self, text: &str) -> String {
        let text = text.replace(&format!("{}-", self.ns.name()), "");
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
        text.lines().map(line).collect()
    }

    /// Returns the name of the pod on a node.
    #[track_caller]
    pub fn pod(&self, letter: &str) -> String {
        let on = format!("--field-selector=spec.nodeName={}", self.node(letter));
        let pods = self.ns.get(&["pods", &on]);
        pods["items"][0]["metadata"]["name"].as_str().expect("a pod").to_string()
    }

    /// Deletes the pod on a node and waits until another one is ready there: the set's own counters come later.
    pub fn replace(&self, letter: &str) {
        self.ns.kubectl(&["delete", "pod", &self.pod(letter)]).expect_ok();
        let on = format!("--field-selector=spec.nodeName={}", self.node(letter));
        self.ns.wait_until("the pod is replaced", LONG, || {
            self.ns.kubectl(&["wait", "pod", &on, "--for=condition=Ready", "--timeout=5s"]).ok()
        });
    }
}
