//! The control plane's processes and the folder that they live in.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::certificates::{self, Authority};
use crate::cluster::Options;
use crate::command::holds_within;
use crate::error::{Context, Error, Result};
use crate::kubeconfig;
use crate::part::{AUDIT_POLICY, Part, Site};
use crate::tools::{self, Programs};
use crate::version;
use crate::watchdog::Watchdog;

/// Users other than the admin who can log in with a token, `user-1` and so on: the API server reads them at its start.
pub(crate) const USERS: usize = 99;

/// What each container has to say when it is asked for its log.
const LOG: &str =
    "2026-01-01T00:00:00Z stdout F starting\n2026-01-01T00:00:01Z stdout F listening on :8080\n";

/// How long a part may take to start, on a machine that does much else.
const START: Duration = Duration::from_secs(90);

/// A running control plane.
pub(crate) struct ControlPlane {
    site: Site,
    programs: Programs,
    authority: Authority,
    secret: String,
    // Before the processes: its end kills them, and only then can they be waited for.
    watchdog: Option<Watchdog>,
    running: Mutex<BTreeMap<Part, Child>>,
}

impl ControlPlane {
    /// Starts all parts; returns when each of them answers.
    pub(crate) fn start(programs: Programs, folder: &Path, options: &Options) -> Result<Self> {
        let site = Site::new(folder, version::source().join("stages.yaml"), options).context("free ports")?;
        let plane = Self {
            programs,
            authority: Authority::create(folder)?,
            secret: format!("{:016x}", RandomState::new().build_hasher().finish()),
            watchdog: Some(Watchdog::start(folder).context("the watchdog of the control plane")?),
            running: Mutex::default(),
            site,
        };
        plane.write_files()?;
        for part in [Part::Etcd, Part::ApiServer] {
            plane.spawn(part)?;
            plane.await_part(part)?;
        }
        // These three do not need each other, only the API server.
        let clients = [Part::ControllerManager, Part::Scheduler, Part::Kubelets];
        let clients = &clients[..if options.fakes { 3 } else { 2 }];
        clients.iter().try_for_each(|part| plane.spawn(*part))?;
        clients.iter().try_for_each(|part| plane.await_part(*part))?;
        Ok(plane)
    }

    /// Kills a part, if it runs.
    pub(crate) fn stop(&self, part: Part) -> Result<()> {
        if let Some(mut child) = self.running().remove(&part) {
            child.kill().context(part)?;
            child.wait().context(part)?;
        }
        Ok(())
    }

    /// Kills a part, if it runs, and starts it with the same data at the same port.
    pub(crate) fn restart(&self, part: Part) -> Result<()> {
        self.stop(part)?;
        self.spawn(part)?;
        self.await_part(part)
    }

    /// Starts what has ended by itself again, as whatever runs it elsewhere would; returns which parts these are.
    pub(crate) fn supervise(&self) -> Result<Vec<Part>> {
        let ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        let mut running = self.running();
        let parts: Vec<Part> =
            running.iter_mut().filter_map(|(part, it)| ended(it).then_some(*part)).collect();
        // A part that has ended would be why the next one does not start.
        drop(running);
        parts.iter().try_for_each(|part| self.stop(*part).and_then(|()| self.spawn(*part)))?;
        parts.iter().try_for_each(|part| self.await_part(*part))?;
        Ok(parts)
    }

    /// Tells which part has ended by itself, with the end of its log.
    pub(crate) fn casualty(&self) -> Option<Error> {
        let mut running = self.running();
        let ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        let part = running.iter_mut().find_map(|(part, child)| ended(child).then_some(*part))?;
        let log = tools::tail(&self.site.log(part));
        Some(Error::new(format!("{part} has ended; the end of its log:\n{log}")))
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.site.kubeconfig()
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn token(&self, user: &str) -> String {
        format!("{user}-{}", self.secret)
    }

    fn write_files(&self) -> Result<()> {
        let folder = &self.site.folder;
        let write = |name: &str, text: String| fs::write(folder.join(name), text).context(name);
        self.authority.server(folder, "apiserver")?;
        self.authority.server(folder, "kubelet")?;
        certificates::service_account_keys(folder)?;

        let admin = format!("{},admin,admin,system:masters\n", self.token("admin"));
        let line =
            |number| format!("{},user-{number},user-{number}\n", self.token(&format!("user-{number}")));
        write("tokens.csv", (1..=USERS).map(line).fold(admin, |all, line| all + &line))?;

        let log = folder.join("container.log");
        write("container.log", LOG.into())?;
        let logs = json!({
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": { "name": "all" },
            "spec": { "logs": [{ "logsFile": log, "previousLogsFile": log }] },
        });
        write("logs.yaml", logs.to_string())?;
        // A watch is written down when it begins, and when it ends once more.
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "omitManagedFields": true,
            "rules": [{ "level": "Metadata" }],
        });
        write(AUDIT_POLICY, policy.to_string())?;

        let server = format!("https://127.0.0.1:{}", self.site.port(Part::ApiServer));
        let cluster = json!({ "server": server, "certificate-authority": folder.join("ca.crt") });
        let user = kubeconfig::token(&self.token("admin"));
        kubeconfig::write(self.kubeconfig(), &cluster, "default", &user).map(drop)
    }

    fn spawn(&self, part: Part) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.site.log(part)).context(part)?;
        let mut command = Command::new(self.programs.path(part.program()));
        command.args(self.site.arguments(part)).stdin(Stdio::null());
        command.stdout(log.try_clone().context(part)?).stderr(log);
        if let Some(watchdog) = &self.watchdog {
            watchdog.guard(&mut command);
        }
        let child = command.spawn().context(part)?;
        self.running().insert(part, child);
        Ok(())
    }

    fn await_part(&self, part: Part) -> Result<()> {
        let mut failure = None;
        let up = holds_within(START, || {
            failure = self.casualty();
            failure.is_some() || self.answers(part)
        });
        match failure {
            Some(failure) => Err(failure),
            None if up => Ok(()),
            None => Err(self.silent(part, "does not answer", START)),
        }
    }

    /// What to say of a part that does not do its work in time.
    pub(crate) fn silent(&self, part: Part, what: &str, limit: Duration) -> Error {
        let log = tools::tail(&self.site.log(part));
        Error::new(format!("{part} {what} within {limit:?}; the end of its log:\n{log}"))
    }

    fn answers(&self, part: Part) -> bool {
        if TcpStream::connect(("127.0.0.1", self.site.port(part))).is_err() {
            return false;
        }
        part != Part::ApiServer || self.ready()
    }

    /// An API server accepts connections seconds before it serves them.
    fn ready(&self) -> bool {
        let mut kubectl = Command::new(self.programs.path("kubectl"));
        kubectl.arg("--kubeconfig").arg(self.kubeconfig()).args(["get", "--raw", "/readyz"]);
        kubectl.output().is_ok_and(|output| output.status.success())
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<Part, Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.watchdog.take());
        for child in self.running().values_mut() {
            let _ = child.wait();
        }
    }
}
