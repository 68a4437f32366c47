//! Runs a credential helper (`users[].user.exec`): once per connection, again after it expired or was refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, RwLock};

use k8s_openapi::jiff::Timestamp;
use kube::config::{Cluster, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use serde_json::json;
use tokio::sync::Mutex;

use super::answer::{self, Answer};
use super::command::{self, Unfound, is_path, look_path};
use super::policy::{self, Candidate};
use super::{CredentialError, Issued, Renewal};
use crate::tls::Identity;
use crate::words::{io_words, printable};
use crate::{ConnectError, Environment};

const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
const NOT_INSTALLED: &str = "it looks like a credential plugin that is not installed; see \
    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins";

/// A helper and what it last said.
pub(crate) struct Helper {
    call: Arc<Call>,
    last: RwLock<Said>,
    /// Held while the helper runs, for it may ask the user something.
    running: Mutex<()>,
}

/// What the helper said, and how often it has been asked.
#[derive(Clone)]
struct Said {
    answer: Answer,
    run: u64,
    certificate: u64,
}

impl Said {
    fn issued(self) -> Issued {
        Issued { header: self.answer.header, run: self.run, certificate: self.certificate }
    }
}

impl Helper {
    /// Runs the helper for the first time, if the user's kuberc allows it.
    pub(crate) async fn start(
        exec: &ExecConfig,
        cluster: &Cluster,
        kuberc: Option<&Path>,
        env: &dyn Environment,
        stdin_taken: bool,
    ) -> Result<Self, ConnectError> {
        let call = Arc::new(Call::new(exec, cluster, env, stdin_taken)?);
        policy::check(&Candidate { command: &call.command, program: &call.program }, kuberc, env)?;
        let answer = call.run_aside().await.map_err(CredentialError::of_helper)?;
        let last = RwLock::new(Said { answer, run: 1, certificate: 0 });
        Ok(Self { call, last, running: Mutex::new(()) })
    }

    /// Returns what to send, after another run if the helper said that the last answer has expired by now.
    pub(crate) async fn current(&self) -> Result<Issued, CredentialError> {
        if self.read().answer.expired(Timestamp::now()) {
            let _alone = self.running.lock().await;
            if self.read().answer.expired(Timestamp::now()) {
                self.run_again().await?;
            }
        }
        Ok(self.read().issued())
    }

    /// Runs the helper again unless somebody did since `refused` was sent.
    pub(crate) async fn renew(&self, refused: &Issued) -> Result<Renewal, CredentialError> {
        let _alone = self.running.lock().await;
        let before = self.read();
        if before.run != refused.run {
            return Ok(Renewal::New);
        }
        self.run_again().await?;
        let after = self.read();
        let new = after.certificate != before.certificate || after.answer.header != before.answer.header;
        Ok(if new { Renewal::New } else { Renewal::Same })
    }

    /// Returns the certificate that was handed out last.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.read().answer.identity
    }

    /// Returns the command as the kubeconfig names it.
    pub(crate) fn name(&self) -> &str {
        &self.call.command
    }

    async fn run_again(&self) -> Result<(), CredentialError> {
        let answer = self.call.run_aside().await.map_err(CredentialError::of_helper)?;
        let before = self.read();
        let of = |answer: &Answer| answer.identity.as_ref().map(|identity| identity.certificate.clone());
        let changed = of(&answer) != of(&before.answer);
        let certificate = before.certificate + u64::from(changed);
        *self.last.write().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Said { answer, run: before.run + 1, certificate };
        Ok(())
    }

    fn read(&self) -> Said {
        self.last.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Everything needed to run the helper once more.
struct Call {
    command: String,
    program: Result<PathBuf, Unfound>,
    args: Vec<String>,
    vars: Vec<(String, String)>,
    version: String,
    info: String,
    interactive: bool,
    install_hint: Option<String>,
}

impl Call {
    fn new(
        exec: &ExecConfig,
        cluster: &Cluster,
        env: &dyn Environment,
        stdin_taken: bool,
    ) -> Result<Self, ConnectError> {
        let terminal = env.stdin_is_terminal();
        let version = exec.api_version.clone().unwrap_or_default();
        if !VERSIONS.contains(&version.as_str()) {
            return Err(ConnectError::Unusable(format!("exec plugin: invalid apiVersion \"{version}\"")));
        }
        let interactive = interactive(exec.interactive_mode.as_ref(), terminal, stdin_taken)
            .map_err(CredentialError::of_helper)?;
        let mut spec = json!({ "interactive": interactive });
        if exec.provide_cluster_info {
            spec["cluster"] = cluster_info(cluster).map_err(CredentialError::of_helper)?;
        }
        let info = json!({ "kind": "ExecCredential", "apiVersion": version, "spec": spec }).to_string();
        let pair = |var: &std::collections::HashMap<String, String>| {
            Some((var.get("name")?.clone(), var.get("value").cloned().unwrap_or_default()))
        };
        let command = command::clean(exec.command.as_deref().unwrap_or_default());
        Ok(Self {
            program: look_path(&command, env),
            command,
            args: exec.args.clone().unwrap_or_default(),
            vars: exec.env.iter().flatten().filter_map(pair).collect(),
            version,
            info,
            interactive,
            install_hint: exec.install_hint.as_deref().map(printable).filter(|hint| !hint.trim().is_empty()),
        })
    }

    /// Runs the helper on a thread of its own, for it may take its time.
    async fn run_aside(self: &Arc<Self>) -> Result<Answer, CredentialError> {
        let call = Arc::clone(self);
        match tokio::task::spawn_blocking(move || call.run()).await {
            Ok(result) => result,
            Err(error) => Err(CredentialError::new(format!("exec: {error}"))),
        }
    }

    fn run(&self) -> Result<Answer, CredentialError> {
        let program = self.program.as_ref().map_err(|reason| self.not_found(reason))?;
        let stdin = if self.interactive { Stdio::inherit() } else { Stdio::null() };
        let mut run = Command::new(program);
        as_called(&mut run, &self.command);
        let output = run
            .args(&self.args)
            .envs(self.vars.iter().map(|(name, value)| (name, value)))
            .env("KUBERNETES_EXEC_INFO", &self.info)
            .stdin(stdin)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.not_started(&error))?;
        if !output.status.success() {
            let how = match output.status.code() {
                Some(code) => format!("exit code {code}"),
                None => output.status.to_string(),
            };
            return Err(CredentialError {
                message: format!("exec: executable {} failed with {how}", self.command),
                hint: Some(format!(
                    "the credential helper {} gave up; its own message, if any, is above",
                    self.command
                )),
            });
        }
        answer::parse(&output.stdout, &self.version)
    }

    fn not_started(&self, error: &std::io::Error) -> CredentialError {
        CredentialError::new(format!("exec: fork/exec {}: {}", self.command, io_words(error)))
    }

    /// Says that there is no such program, in Go's two ways: one for names, one for paths.
    fn not_found(&self, reason: &Unfound) -> CredentialError {
        let message = match reason {
            Unfound::Unfit(why) if is_path(&self.command) => {
                let why = why.rsplit(": ").next().unwrap_or(why);
                format!("exec: fork/exec {}: {why}", self.command)
            }
            Unfound::Unfit(_) | Unfound::Nowhere | Unfound::Relative => {
                format!("exec: executable {} not found", self.command)
            }
        };
        let hint = match reason {
            Unfound::Relative => "PATH leads to one in the current folder, which is never run".to_owned(),
            Unfound::Unfit(_) | Unfound::Nowhere => {
                self.install_hint.clone().unwrap_or_else(|| NOT_INSTALLED.to_owned())
            }
        };
        CredentialError { message, hint: Some(hint) }
    }
}

/// Calls a program by the name that it was asked for with, for some look at it.
#[cfg(unix)]
fn as_called(command: &mut Command, name: &str) {
    use std::os::unix::process::CommandExt;
    command.arg0(name);
}

#[cfg(not(unix))]
fn as_called(_: &mut Command, _: &str) {}

/// Decides whether the helper may talk to the user.
fn interactive(
    mode: Option<&ExecInteractiveMode>,
    terminal: bool,
    stdin_taken: bool,
) -> Result<bool, CredentialError> {
    let refuse =
        |why: &str| Err(CredentialError::new(format!("exec plugin cannot support interactive mode: {why}")));
    match mode {
        Some(ExecInteractiveMode::Never) => Ok(false),
        Some(ExecInteractiveMode::IfAvailable) | None => Ok(terminal && !stdin_taken),
        Some(ExecInteractiveMode::Always) if !terminal => refuse("standard input is not a terminal"),
        Some(ExecInteractiveMode::Always) if stdin_taken => {
            refuse("standard input is unavailable: used by stdin resource manifest reader")
        }
        Some(ExecInteractiveMode::Always) => Ok(true),
    }
}

fn cluster_info(cluster: &Cluster) -> Result<serde_json::Value, CredentialError> {
    let info = ExecAuthCluster::try_from(cluster)
        .map_err(|error| CredentialError::new(crate::words::one_line(&error.to_string())))?;
    serde_json::to_value(info)
        .map_err(|error| CredentialError::new(format!("encode ExecCredentials: {error}")))
}

#[cfg(test)]
#[cfg(unix)]
#[path = "helper_tests.rs"]
mod tests;
