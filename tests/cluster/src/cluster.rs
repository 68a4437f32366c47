//! The cluster as its users see it: a kubeconfig, a kubectl, namespaces, users.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{Output, holds_within};
use crate::controlplane::{ControlPlane, USERS};
use crate::error::{Context, Error, Result};
use crate::kubeconfig::{self, Login};
use crate::namespace::Namespace;
use crate::objects::{self, Node};
use crate::part::{AUDIT_LOG, Part};
use crate::tools::{self, Programs};
use crate::version::Version;

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many nodes there are: `node-1` and so on, in the zones a, b and c by turns.
    pub nodes: usize,
    /// Lifts the limits of requests in flight and per second, for thousands of nodes.
    pub large: bool,
    /// Has the API server write down each request: [`Cluster::audit_log`].
    pub audited: bool,
    /// Feature gates other than Kubernetes' own choice, of the API server and the controllers: `Name=false,Other=true`.
    pub gates: &'static str,
    /// Which version of Kubernetes it is; where none is named, the one that [`Version::VARIABLE`] names, else the newest.
    pub kubernetes: Option<Version>,
    /// Whether fake kubelets play the nodes; without them there is none, until somebody starts a kubelet.
    pub fakes: bool,
    /// What parts are told beside: `(Part::ControllerManager, "--node-monitor-period=2s")`.
    pub arguments: &'static [(Part, &'static str)],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 4,
            large: false,
            audited: false,
            gates: "",
            kubernetes: None,
            fakes: true,
            arguments: &[],
        }
    }
}

/// A cluster: one of our own, or the one that `E2E_KUBECONFIG` names.
///
/// Its processes and its folder are gone when it is dropped and when this process ends, however it ends.
pub struct Cluster {
    // Before the folder, in which it lives.
    plane: Option<ControlPlane>,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    names: AtomicUsize,
    users: AtomicUsize,
    folder: TempDir,
}

impl Cluster {
    /// Returns a cluster with its nodes ready: starts one, after building it where needed.
    pub fn start(options: &Options) -> Result<Self> {
        match env::var_os("E2E_KUBECONFIG").filter(|path| !path.is_empty()) {
            Some(path) => Self::given(&path),
            None => Self::own(options),
        }
    }

    /// Returns the one cluster that the tests of this process share; panics when it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&Options::default()).unwrap_or_else(|error| panic!("{error}")))
    }

    fn own(options: &Options) -> Result<Self> {
        let programs = Programs::build(options.kubernetes.map_or_else(Version::chosen, Ok)?)?;
        let kubectl = programs.path("kubectl");
        let folder = work_folder()?;
        let plane = ControlPlane::start(programs, folder.path(), options)?;
        let kubeconfig = plane.kubeconfig();
        let cluster = Self::assemble(Some(plane), kubeconfig, kubectl, folder)?;
        if options.fakes {
            cluster.create_nodes(&Node::numbered(options.nodes))?;
        }
        Ok(cluster)
    }

    fn given(path: &OsString) -> Result<Self> {
        let kubeconfig = fs::canonicalize(path).context("E2E_KUBECONFIG")?;
        // Whoever brings a cluster brings the kubectl that fits it.
        let kubectl = env::split_paths(&env::var_os("PATH").unwrap_or_default())
            .map(|folder| folder.join("kubectl"))
            .find(|path| path.is_file())
            .unwrap_or_else(|| tools::bin().join("kubectl"));
        Self::assemble(None, kubeconfig, kubectl, work_folder()?)
    }

    fn assemble(
        plane: Option<ControlPlane>,
        kubeconfig: PathBuf,
        kubectl: PathBuf,
        folder: TempDir,
    ) -> Result<Self> {
        let (names, users) = (AtomicUsize::new(1), AtomicUsize::new(1));
        let cluster = Self { plane, kubeconfig, kubectl, names, users, folder };
        fs::create_dir(cluster.bin()).context("the folder of programs")?;
        cluster.install(&cluster.kubectl)?;
        Ok(cluster)
    }

    /// Tells whether it was started here: only then do pods behave by their tag, and can nodes and parts be killed.
    pub fn is_own(&self) -> bool {
        self.plane.is_some()
    }

    /// Returns of which version of Kubernetes the API server says that it is; panics when it does not.
    #[track_caller]
    pub fn kubernetes(&self) -> Version {
        let told = self.kubectl(&["get", "--raw", "/version"]).expect_ok();
        let told: Value = serde_json::from_str(&told).unwrap_or_default();
        let number = |name: &str| told[name].as_str().unwrap_or_default().to_string();
        let version = format!("{}.{}", number("major"), number("minor"));
        version.parse().unwrap_or_else(|error| panic!("{error}: {told}"))
    }

    /// Returns the admin's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns where the API server writes down each request when it has answered it, an `audit.k8s.io/v1` event a line.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join(AUDIT_LOG)
    }

    /// Returns the folder that holds kubectl and the installed plugins.
    pub fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Links a program, such as a plugin, into [`bin`](Self::bin); a second time changes nothing.
    pub fn install(&self, program: &Path) -> Result<()> {
        let program = fs::canonicalize(program).context(program.display())?;
        let name = program.file_name().unwrap_or_default();
        match symlink(&program, self.bin().join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(error).context(program.display())
            }
            _ => Ok(()),
        }
    }

    /// Returns a command in an environment of its own: the admin's `KUBECONFIG`, a `PATH` of [`bin`](Self::bin) and the
    /// system's folders, an empty `HOME`, a temporary current folder, and nothing else.
    pub fn command(&self, program: &str) -> Command {
        let system = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
        let path = env::join_paths([self.bin()].into_iter().chain(system)).unwrap_or_default();
        // Not by name: the PATH in which a name is looked up is ours, not the command's.
        let installed = self.bin().join(program);
        let mut command = if installed.exists() { Command::new(installed) } else { Command::new(program) };
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .current_dir(self.folder.path());
        command
    }

    /// Runs kubectl to its end, as the admin in the namespace `default`; panics when it cannot be run.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_with(args, "")
    }

    /// Runs kubectl like [`kubectl`](Self::kubectl), with `input` as its standard input.
    #[track_caller]
    pub fn kubectl_with(&self, args: &[&str], input: &str) -> Output {
        Output::of(self.command("kubectl").args(args), input).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates a namespace with a name of its own that begins with `hint`; panics when that fails.
    #[track_caller]
    pub fn namespace(&self, hint: &str) -> Namespace<'_> {
        // A given cluster may still hold those of an earlier run.
        let run = if self.plane.is_some() { String::new() } else { format!("-{}", std::process::id()) };
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        Namespace::create(self, format!("{hint}{run}-{number}"))
    }

    /// Creates nodes and waits until they are ready for pods.
    pub fn create_nodes(&self, nodes: &[Node]) -> Result<()> {
        let plane = self.own_plane("create nodes")?;
        self.kubectl_with(&["create", "-f", "-"], &objects::list(nodes)).checked()?;
        // Not by a filter: kubectl compares one taint at a time, and a dead node has two.
        let taints = "jsonpath={.items[*].spec.taints[*].key}";
        let mut casualty = None;
        let limit = Duration::from_secs(120).max(Duration::from_millis(100) * nodes.len() as u32);
        let ready = holds_within(limit, || {
            casualty = self.casualty();
            let nodes = self.kubectl(&["get", "nodes", "-o", taints]);
            casualty.is_some() || nodes.ok() && !nodes.stdout.contains("node.kubernetes.io/not-ready")
        });
        match casualty {
            Some(casualty) => Err(casualty),
            None if ready => Ok(()),
            None => Err(plane.silent(Part::ControllerManager, "takes no taint from new nodes", limit)),
        }
    }

    /// Makes a node unreachable: not ready, its pods unready with containers that are ready as before, and they neither
    /// start nor end any more. Label it `dead=true` by hand for one that still looks ready.
    pub fn kill_node(&self, name: &str) -> Result<()> {
        self.own_plane("kill a node")?;
        // In this order: the fake kubelet would make it ready again, and does as long as it has not seen the label.
        self.kubectl(&["label", "node", name, "dead=true"]).checked()?;
        let time = tools::now()?;
        let unknown = |kind| {
            json!({ "type": kind, "status": "Unknown", "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.", "lastTransitionTime": time })
        };
        let conditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map(unknown);
        let unknown = json!({ "status": { "conditions": conditions } }).to_string();
        let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        let mut stays = 0;
        let dead = holds_within(Duration::from_secs(30), || {
            if self.kubectl(&["get", "node", name, "-o", ready]).stdout == "Unknown" {
                stays += 1;
            } else {
                stays = 0;
                let _ = self.kubectl(&["patch", "node", name, "--subresource=status", "-p", &unknown]);
            }
            stays >= 10
        });
        if dead { self.mark_pods(name, false) } else { Err(Error::new(format!("node {name} does not die"))) }
    }

    /// Undoes [`kill_node`](Self::kill_node); its pods are ready again where their containers are.
    pub fn revive_node(&self, name: &str) -> Result<()> {
        self.own_plane("revive a node")?;
        self.kubectl(&["label", "node", name, "dead-"]).checked()?;
        self.mark_pods(name, true)
    }

    /// Does to the pods of a dead node what the node controller does only when it is the one to find out that it is
    /// dead: by heartbeats that stop, and the fake kubelets have none (pkg/controller/nodelifecycle,
    /// `monitorNodeHealth`, and pkg/controller/util/node, `MarkPodsNotReady`). And what its kubelet does when it is back.
    fn mark_pods(&self, node: &str, ready: bool) -> Result<()> {
        let time = tools::now()?;
        let on_it = format!("--field-selector=spec.nodeName={node}");
        let list = self.kubectl(&["get", "pods", "-A", &on_it, "-o", "json"]).checked()?;
        let list: Value = serde_json::from_str(&list).context("the pods of a node")?;
        let status = if ready { "True" } else { "False" };
        let condition = json!({ "type": "Ready", "status": status, "lastTransitionTime": time });
        let patch = json!({ "status": { "conditions": [condition] } }).to_string();
        for pod in list["items"].as_array().into_iter().flatten() {
            let holds = |kind| {
                let conditions = pod["status"]["conditions"].as_array();
                let holds = |it: &Value| it["type"] == kind && it["status"] == "True";
                conditions.is_some_and(|it| it.iter().any(holds))
            };
            if holds("Ready") == ready || !holds("ContainersReady") {
                continue;
            }
            let field = |name: &str| pod["metadata"][name].as_str().unwrap_or_default();
            let (name, namespace) = (field("name"), field("namespace"));
            let args = ["patch", "pod", name, "-n", namespace, "--subresource=status", "-p", &patch];
            // One that ends may have gone.
            if self.kubectl(&args).ok() && !ready {
                let event = objects::node_not_ready(&pod["metadata"], &time);
                self.kubectl_with(&["create", "-f", "-"], &event).checked()?;
            }
        }
        Ok(())
    }

    /// Kills a part of the control plane, if it runs.
    pub fn stop(&self, part: Part) -> Result<()> {
        self.own_plane("stop a part")?.stop(part)
    }

    /// Starts a part again with the same data at the same port, whether it was stopped or runs.
    pub fn restart(&self, part: Part) -> Result<()> {
        self.own_plane("restart a part")?.restart(part)
    }

    /// Starts what has ended by itself again, as whatever runs it elsewhere would; returns which parts these are.
    pub fn supervise(&self) -> Result<Vec<Part>> {
        self.own_plane("start a part")?.supervise()
    }

    /// Returns what happened when a part has ended by itself.
    pub fn casualty(&self) -> Option<Error> {
        self.plane.as_ref()?.casualty()
    }

    /// Returns the name of somebody who may do nothing yet, and a kubeconfig in which that user has the namespace.
    pub(crate) fn user(&self, namespace: &str, login: Login) -> Result<(String, PathBuf)> {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let name = format!("user-{number}");
        let folder = self.folder.path();
        let (user, token) = match &self.plane {
            Some(_) if number > USERS => {
                return Err(Error::new(format!("there are no more than {USERS} users")));
            }
            Some(plane) => (name.clone(), plane.token(&name)),
            None => self.service_account(namespace, &name)?,
        };
        let credentials = match login {
            Login::Token => kubeconfig::token(&token),
            Login::Exec => kubeconfig::exec(folder, &name, &token)?,
            Login::Certificate => {
                self.own_plane("issue a certificate")?.authority().client(folder, &name)?;
                kubeconfig::certificate(folder, &name)
            }
        };
        let path = folder.join(format!("{name}.kubeconfig"));
        let path = kubeconfig::write(path, &self.address()?, namespace, &credentials)?;
        Ok((user, path))
    }

    /// The only users that can be made in any cluster: the name and a token.
    fn service_account(&self, namespace: &str, name: &str) -> Result<(String, String)> {
        self.kubectl(&["create", "serviceaccount", name, "-n", namespace]).checked()?;
        let token = self.kubectl(&["create", "token", name, "-n", namespace]).checked()?;
        Ok((format!("system:serviceaccount:{namespace}:{name}"), token.trim().into()))
    }

    /// The `cluster` entry of the kubeconfig.
    fn address(&self) -> Result<Value> {
        let view =
            self.kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]).checked()?;
        let mut view: Value = serde_json::from_str(&view).context("kubectl config view")?;
        Ok(view["clusters"][0]["cluster"].take())
    }

    fn own_plane(&self, what: &str) -> Result<&ControlPlane> {
        let given =
            || Error::new(format!("cannot {what}: the cluster is the one in E2E_KUBECONFIG, not ours"));
        self.plane.as_ref().ok_or_else(given)
    }
}

fn work_folder() -> Result<TempDir> {
    tempfile::Builder::new().prefix("cluster-").tempdir().context("a temporary folder")
}
