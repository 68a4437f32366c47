//! The parts of a control plane: which program each is, and with what arguments it runs.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cluster::Options;

/// A process of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// etcd, the store.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager: nothing rolls out without it.
    ControllerManager,
    /// kube-scheduler: new pods get no node without it.
    Scheduler,
    /// kwok, which plays all kubelets: no pod starts or ends without it.
    Kubelets,
}

impl Part {
    /// In the order in which they start.
    pub(crate) const ALL: [Self; 5] =
        [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler, Self::Kubelets];

    /// The program's name, as the build leaves it.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Etcd => "server",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelets => "kwok",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Etcd { "etcd" } else { self.program() })
    }
}

/// Below the ports that a system gives to outgoing connections (32768 and up on Linux, 49152 and up elsewhere): a port of
/// those may be taken between the moment when it is found free and the start of the part that is to listen there, and then
/// the part ends at once while its port answers.
const PORTS: Range<u16> = 20_000..32_000;

/// Returns a port at which nobody listens, never the same twice in this process.
fn free_port() -> io::Result<u16> {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    // Clusters of other processes most likely begin elsewhere.
    let next = NEXT.get_or_init(|| AtomicU64::new(RandomState::new().build_hasher().finish()));
    let mut outcome = Err(io::ErrorKind::AddrInUse.into());
    for _ in PORTS {
        let offset = next.fetch_add(1, Ordering::Relaxed) % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + offset as u16;
        outcome = TcpListener::bind(("127.0.0.1", port)).map(|_| port);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// What is written down of requests, and where.
pub(crate) const AUDIT_LOG: &str = "audit.log";
pub(crate) const AUDIT_POLICY: &str = "audit.yaml";

/// Where a control plane lives: what its parts must know of each other.
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    pub(crate) stages: PathBuf,
    pub(crate) options: Options,
    ports: [u16; Part::ALL.len()],
    peer_port: u16,
}

impl Site {
    pub(crate) fn new(folder: &Path, stages: PathBuf, options: &Options) -> io::Result<Self> {
        let mut ports = [0; Part::ALL.len()];
        for slot in &mut ports {
            *slot = free_port()?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            stages,
            options: options.clone(),
            ports,
            peer_port: free_port()?,
        })
    }

    pub(crate) fn port(&self, part: Part) -> u16 {
        self.ports[part as usize]
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    pub(crate) fn log(&self, part: Part) -> PathBuf {
        self.folder.join(format!("{part}.log"))
    }

    pub(crate) fn arguments(&self, part: Part) -> Vec<String> {
        let mut args = match part {
            Part::Etcd => self.etcd(),
            Part::ApiServer => self.api_server(),
            Part::ControllerManager => self.controller_manager(),
            Part::Scheduler => self.scheduler(),
            Part::Kubelets => self.kubelets(),
        };
        // The last one of a name counts.
        let more = self.options.arguments.iter().filter(|(of, _)| *of == part);
        args.extend(more.map(|(_, argument)| argument.to_string()));
        args
    }

    fn etcd(&self) -> Vec<String> {
        let url = format!("http://127.0.0.1:{}", self.port(Part::Etcd));
        vec![
            format!("--data-dir={}", self.file("etcd")),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls=http://127.0.0.1:{}", self.peer_port),
            // Nothing here has to survive the machine.
            "--unsafe-no-fsync".into(),
            "--log-level=error".into(),
        ]
    }

    fn api_server(&self) -> Vec<String> {
        let mut args = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.port(Part::Etcd)),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            format!("--secure-port={}", self.port(Part::ApiServer)),
            format!("--tls-cert-file={}", self.file("apiserver.crt")),
            format!("--tls-private-key-file={}", self.file("apiserver.key")),
            format!("--client-ca-file={}", self.file("ca.crt")),
            format!("--token-auth-file={}", self.file("tokens.csv")),
            "--authorization-mode=RBAC,Node".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", self.file("sa.pub")),
            format!("--service-account-signing-key-file={}", self.file("sa.key")),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
            "--allow-privileged=true".into(),
            "--endpoint-reconciler-type=none".into(),
        ];
        if self.options.large {
            args.push("--max-requests-inflight=3000".into());
            args.push("--max-mutating-requests-inflight=1000".into());
        }
        if self.options.audited {
            args.push(format!("--audit-policy-file={}", self.file(AUDIT_POLICY)));
            args.push(format!("--audit-log-path={}", self.file(AUDIT_LOG)));
        }
        args.extend(self.gates());
        args
    }

    fn controller_manager(&self) -> Vec<String> {
        let mut args = self.client(Part::ControllerManager);
        args.push(format!("--service-account-private-key-file={}", self.file("sa.key")));
        args.push(format!("--root-ca-file={}", self.file("ca.crt")));
        // The node lifecycle controller must run: it takes the not-ready taint from new nodes.
        args.push("--controllers=*,-node-ipam-controller".into());
        // The fake kubelets send no heartbeats.
        args.push("--node-monitor-grace-period=24h".into());
        args.extend(self.gates());
        args
    }

    fn gates(&self) -> Option<String> {
        let gates = self.options.gates;
        (!gates.is_empty()).then(|| format!("--feature-gates={gates}"))
    }

    fn scheduler(&self) -> Vec<String> {
        self.client(Part::Scheduler)
    }

    /// What controller manager and scheduler have in common.
    fn client(&self, part: Part) -> Vec<String> {
        let kubeconfig = self.file("kubeconfig");
        let mut args = vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--leader-elect=false".into(),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={}", self.port(part)),
            format!("--cert-dir={}", self.file(part.program())),
        ];
        if self.options.large {
            args.push("--kube-api-qps=2000".into());
            args.push("--kube-api-burst=4000".into());
        }
        args
    }

    fn kubelets(&self) -> Vec<String> {
        let port = self.port(Part::Kubelets);
        vec![
            format!("--kubeconfig={}", self.file("kubeconfig")),
            format!("--config={}", self.stages.display()),
            format!("--config={}", self.file("logs.yaml")),
            "--manage-nodes-with-label-selector=dead!=true".into(),
            "--node-lease-duration-seconds=0".into(),
            format!("--server-address=127.0.0.1:{port}"),
            // Where the API server asks for containers' logs.
            "--node-ip=127.0.0.1".into(),
            format!("--node-port={port}"),
            format!("--tls-cert-file={}", self.file("kubelet.crt")),
            format!("--tls-private-key-file={}", self.file("kubelet.key")),
        ]
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}
