//! The cluster of the tests: a control plane without fakes, a registry, and real nodes.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cluster::{Cluster, Options, Part};

use crate::kubelet::Node;
use crate::namespaces::furnish;
use crate::registry;

pub(crate) const NODES: [&str; 2] = ["node-1", "node-2"];

/// Nodes are missed sooner than usual, and their pods given up, so that tests take less time; and containers' logs are asked for
/// at addresses, not at names that nobody resolves.
const ARGUMENTS: &[(Part, &str)] = &[
    (Part::ApiServer, "--default-not-ready-toleration-seconds=30"),
    (Part::ApiServer, "--default-unreachable-toleration-seconds=30"),
    (Part::ApiServer, "--kubelet-preferred-address-types=InternalIP"),
    (Part::ControllerManager, "--node-monitor-grace-period=20s"),
    (Part::ControllerManager, "--node-monitor-period=2s"),
];

/// How long a node may take to get ready, on a machine that does much else.
const START: Duration = Duration::from_secs(120);

/// A cluster with real nodes; it ends with the namespaces that it is in.
pub struct Lab {
    /// Its control plane, with the plugins installed.
    pub cluster: Cluster,
    /// Its nodes.
    pub nodes: Vec<Node>,
}

impl Lab {
    /// Starts everything; inside of the namespaces only.
    ///
    /// # Errors
    ///
    /// With what does not start.
    pub fn start(folder: &Path) -> Result<Self, String> {
        let addresses: Vec<String> = (1..=NODES.len()).map(|number| format!("10.88.0.{number}")).collect();
        furnish(folder, &addresses.iter().map(String::as_str).collect::<Vec<_>>())?;
        let bin = crate::build()?;
        registry::start(&bin.join("app"))?;
        let options = Options { fakes: false, arguments: ARGUMENTS, ..Options::default() };
        let cluster = Cluster::start(&options).map_err(|error| error.to_string())?;
        e2e::install(&cluster);
        let kubeconfig = cluster.kubeconfig();
        let nodes: Result<Vec<Node>, String> = (1..)
            .zip(NODES)
            .map(|(number, name)| Node::start(name, number, &bin, folder, kubeconfig))
            .collect();
        let lab = Self { cluster, nodes: nodes? };
        lab.await_nodes()?;
        Ok(lab)
    }

    fn await_nodes(&self) -> Result<(), String> {
        let start = Instant::now();
        let ready =
            r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status} {.items[*].spec.taints}"#;
        loop {
            if let Some(casualty) = self.nodes.iter().find_map(Node::casualty) {
                return Err(casualty);
            }
            let said = self.cluster.kubectl(&["get", "nodes", "-o", ready]);
            if said.stdout.trim() == vec!["True"; self.nodes.len()].join(" ") {
                return Ok(());
            }
            if start.elapsed() > START {
                let log = self.nodes[0].log("kubelet");
                return Err(format!("the nodes are not ready ({said}); the end of a kubelet's log:\n{log}"));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}
