//! A node: containerd and a kubelet, with their folders.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::namespaces::group;
use crate::registry;

/// How long containerd may take to start, on a machine that does much else.
const START: Duration = Duration::from_secs(60);

/// A real node. Its processes end with the namespaces that it is in.
pub struct Node {
    name: &'static str,
    number: usize,
    bin: PathBuf,
    folder: PathBuf,
    group: String,
    kubeconfig: PathBuf,
    kubelet: Mutex<Option<Child>>,
    runtime: Mutex<Option<Child>>,
}

impl Node {
    pub(crate) fn start(
        name: &'static str,
        number: usize,
        bin: &Path,
        folder: &Path,
        kubeconfig: &Path,
    ) -> Result<Self, String> {
        let node = Self {
            name,
            number,
            bin: bin.to_owned(),
            folder: folder.join(number.to_string()),
            group: group(folder, name),
            kubeconfig: kubeconfig.to_owned(),
            kubelet: Mutex::default(),
            runtime: Mutex::default(),
        };
        node.write_files().map_err(|error| format!("{}: {error}", node.folder.display()))?;
        node.start_runtime()?;
        node.start_kubelet()?;
        Ok(node)
    }

    /// Returns its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Stops the kubelet in the middle of what it does, as a machine that hangs. Containers go on.
    pub fn freeze(&self) {
        signal(&self.kubelet, Signal::STOP);
    }

    /// Lets the kubelet go on.
    pub fn thaw(&self) {
        signal(&self.kubelet, Signal::CONT);
    }

    /// Stops the container runtime in the middle of what it does. Containers go on, and none starts or ends.
    pub fn freeze_runtime(&self) {
        signal(&self.runtime, Signal::STOP);
    }

    /// Lets the container runtime go on.
    pub fn thaw_runtime(&self) {
        signal(&self.runtime, Signal::CONT);
    }

    /// Kills the kubelet. Containers go on.
    pub fn kill_kubelet(&self) {
        if let Some(mut kubelet) = held(&self.kubelet).take() {
            let _ = kubelet.kill();
            let _ = kubelet.wait();
        }
    }

    /// Starts the kubelet, after it was killed.
    ///
    /// # Errors
    ///
    /// When it cannot be run.
    pub fn start_kubelet(&self) -> Result<(), String> {
        let mut kubelet = Command::new(self.bin.join("kubelet"));
        kubelet
            .arg(format!("--config={}", self.file("kubelet.json")))
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .arg(format!("--root-dir={}", self.file("kubelet")))
            .arg(format!("--cert-dir={}", self.file("pki")))
            .arg(format!("--hostname-override={}", self.name))
            .arg(format!("--node-ip={}", self.address()))
            .arg("--v=1");
        *held(&self.kubelet) = Some(self.spawn(kubelet, "kubelet")?);
        Ok(())
    }

    /// Tells what has ended by itself, with the end of its log.
    pub(crate) fn casualty(&self) -> Option<String> {
        let ended = |child: &Mutex<Option<Child>>| {
            held(child).as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
        };
        let program = if ended(&self.runtime) {
            "containerd"
        } else if ended(&self.kubelet) {
            "kubelet"
        } else {
            return None;
        };
        Some(format!("{program} of {} has ended; the end of its log:\n{}", self.name, self.log(program)))
    }

    /// Returns the end of a program's log.
    pub(crate) fn log(&self, program: &str) -> String {
        let text = fs::read_to_string(self.folder.join(format!("{program}.log"))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    pub(crate) fn address(&self) -> String {
        format!("10.88.0.{}", self.number)
    }

    fn start_runtime(&self) -> Result<(), String> {
        let mut containerd = Command::new(self.bin.join("containerd"));
        containerd.arg("--config").arg(self.folder.join("containerd.toml"));
        *held(&self.runtime) = Some(self.spawn(containerd, "containerd")?);
        // A kubelet that finds nobody there ends.
        let start = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            if let Some(casualty) = self.casualty() {
                return Err(casualty);
            }
            if start.elapsed() > START {
                return Err(format!(
                    "containerd of {} does not answer: {}",
                    self.name,
                    self.log("containerd")
                ));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn spawn(&self, mut command: Command, name: &str) -> Result<Child, String> {
        let say = |error: std::io::Error| format!("{name} of {}: {error}", self.name);
        let path = self.folder.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(path).map_err(say)?;
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.bin.display())).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(say)?).stderr(log);
        command.spawn().map_err(say)
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn write_files(&self) -> std::io::Result<()> {
        let hosts = self.folder.join("registries").join(registry::NAME);
        for folder in [hosts.clone(), self.folder.join("network")] {
            fs::create_dir_all(folder)?;
        }
        let host = format!(
            "server = \"{0}\"\n[host.\"{0}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
            registry::address()
        );
        fs::write(hosts.join("hosts.toml"), host)?;
        fs::write(self.folder.join("network/bridge.conflist"), self.network())?;
        fs::write(self.folder.join("containerd.toml"), self.runtime_config())?;
        fs::write(self.folder.join("kubelet.json"), self.kubelet_config())
    }

    /// Both nodes' pods are at the same bridge, each with addresses of its own.
    fn network(&self) -> String {
        let third = self.number;
        json!({
            "cniVersion": "1.0.0", "name": "pods",
            "plugins": [{
                "type": "bridge", "bridge": "br0",
                "ipam": {
                    "type": "host-local", "dataDir": self.file("addresses"),
                    "ranges": [[{ "subnet": "10.88.0.0/16", "rangeStart": format!("10.88.{third}.1"),
                        "rangeEnd": format!("10.88.{third}.254") }]],
                },
            }],
        })
        .to_string()
    }

    fn runtime_config(&self) -> String {
        let (root, state, socket) = (self.file("images"), self.file("state"), self.socket());
        let (registries, network, bin) = (self.file("registries"), self.file("network"), self.bin.display());
        let sandbox = format!("{}/app:rest", registry::NAME);
        format!(
            r#"version = 3
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]

[grpc]
address = "{socket}"

[plugins.'io.containerd.cri.v1.runtime']
# Not every root may take a process out of the kernel's reach.
restrict_oom_score_adj = true
disable_apparmor = true
enable_cdi = false

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{bin}"]
conf_dir = "{network}"

[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = "runc"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "{bin}/unfiltered"
SystemdCgroup = false

[plugins.'io.containerd.cri.v1.images']
snapshotter = "overlayfs"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{sandbox}"

[plugins.'io.containerd.cri.v1.images'.registry]
config_path = "{registries}"
"#
        )
    }

    fn kubelet_config(&self) -> String {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "address": self.address(), "port": 10250, "healthzPort": 0,
            "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
            "authorization": { "mode": "AlwaysAllow" },
            "cgroupDriver": "cgroupfs", "cgroupRoot": format!("/{}", self.group), "failCgroupV1": false,
            "enforceNodeAllocatable": [], "failSwapOn": false,
            "containerRuntimeEndpoint": format!("unix://{}", self.socket()),
            "resolvConf": "", "clusterDNS": ["10.96.0.10"], "makeIPTablesUtilChains": false,
            "podLogsDir": self.file("logs"), "volumePluginDir": self.file("plugins"),
            "nodeStatusUpdateFrequency": "4s", "nodeLeaseDurationSeconds": 16,
            // The disk of a test machine may be nearly full, and images are few.
            "evictionHard": { "memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%" },
            "imageGCHighThresholdPercent": 100,
            // How full a volume is is looked at once a minute otherwise.
            "volumeStatsAggPeriod": "5s",
            "serializeImagePulls": false, "registryPullQPS": 0, "eventRecordQPS": 0,
            "kubeAPIQPS": 200, "kubeAPIBurst": 400, "maxPods": 250,
        })
        .to_string()
    }

    fn socket(&self) -> String {
        self.file("c.sock")
    }
}

fn held(child: &Mutex<Option<Child>>) -> MutexGuard<'_, Option<Child>> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal(child: &Mutex<Option<Child>>, signal: Signal) {
    let id = held(child).as_ref().and_then(|child| i32::try_from(child.id()).ok()).and_then(Pid::from_raw);
    let sent = id.map(|id| kill_process(id, signal));
    assert!(matches!(sent, Some(Ok(()))), "no signal: {sent:?}");
}
