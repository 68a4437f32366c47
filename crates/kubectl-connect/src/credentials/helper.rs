//! Runs a credential helper (`users[].user.exec`): once per connection, again after it expired or was refused.

use std::process::{Command, Stdio};
use std::sync::{Arc, RwLock};

use http::HeaderValue;
use k8s_openapi::jiff::Timestamp;
use kube::config::{Cluster, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::Mutex;

use super::answer::{self, Answer};
use super::{CredentialError, Renewal};
use crate::Environment;
use crate::words::{io_words, printable};

const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
const NOT_INSTALLED: &str = "it looks like a credential plugin that is not installed; see \
    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins";

/// A client certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: SecretString,
}

/// A helper and what it last said.
pub(crate) struct Helper {
    call: Arc<Call>,
    last: RwLock<Answer>,
    /// Held while the helper runs, for it may ask the user something.
    running: Mutex<()>,
}

impl Helper {
    /// Runs the helper for the first time.
    pub(crate) async fn start(
        exec: &ExecConfig,
        cluster: &Cluster,
        env: &dyn Environment,
        stdin_taken: bool,
    ) -> Result<Self, CredentialError> {
        let call = Arc::new(Call::new(exec, cluster, env.stdin_is_terminal(), stdin_taken)?);
        let last = RwLock::new(call.run_aside().await?);
        Ok(Self { call, last, running: Mutex::new(()) })
    }

    /// Returns the token, after another run if the helper said that the last one has expired by now.
    pub(crate) async fn header(&self) -> Result<Option<HeaderValue>, CredentialError> {
        if self.read().expired(Timestamp::now()) {
            let _alone = self.running.lock().await;
            if self.read().expired(Timestamp::now()) {
                self.replace(self.call.run_aside().await?);
            }
        }
        Ok(self.read().header)
    }

    /// Runs the helper again unless somebody did since `refused` was sent.
    pub(crate) async fn renew(&self, refused: Option<&HeaderValue>) -> Result<Renewal, CredentialError> {
        let _alone = self.running.lock().await;
        let before = self.read();
        if before.header.is_some() && before.header.as_ref() != refused {
            return Ok(Renewal::New { certificate: false });
        }
        let answer = self.call.run_aside().await?;
        let certificate = answer.identity.as_ref().map(|identity| &identity.certificate)
            != before.identity.as_ref().map(|identity| &identity.certificate);
        let new = certificate || answer.header != before.header;
        self.replace(answer);
        Ok(if new { Renewal::New { certificate } } else { Renewal::Same })
    }

    /// Returns the certificate that was handed out last.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.read().identity
    }

    /// Returns the command as the kubeconfig names it.
    pub(crate) fn name(&self) -> &str {
        &self.call.command
    }

    fn read(&self) -> Answer {
        self.last.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn replace(&self, answer: Answer) {
        *self.last.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = answer;
    }
}

/// Everything needed to run the helper once more.
struct Call {
    command: String,
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
        terminal: bool,
        stdin_taken: bool,
    ) -> Result<Self, CredentialError> {
        let version = exec.api_version.clone().unwrap_or_default();
        if !VERSIONS.contains(&version.as_str()) {
            return Err(CredentialError::new(format!("exec plugin: invalid apiVersion \"{version}\"")));
        }
        let interactive = interactive(exec.interactive_mode.as_ref(), terminal, stdin_taken)?;
        let mut spec = json!({ "interactive": interactive });
        if exec.provide_cluster_info {
            spec["cluster"] = cluster_info(cluster)?;
        }
        let info = json!({ "kind": "ExecCredential", "apiVersion": version, "spec": spec }).to_string();
        let pair = |var: &std::collections::HashMap<String, String>| {
            Some((var.get("name")?.clone(), var.get("value").cloned().unwrap_or_default()))
        };
        Ok(Self {
            command: exec.command.clone().unwrap_or_default(),
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
        let stdin = if self.interactive { Stdio::inherit() } else { Stdio::null() };
        let output = Command::new(&self.command)
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
        if error.kind() != std::io::ErrorKind::NotFound {
            return CredentialError::new(format!("exec: {}: {}", self.command, io_words(error)));
        }
        CredentialError {
            message: format!("exec: executable {} not found", self.command),
            hint: Some(self.install_hint.clone().unwrap_or_else(|| NOT_INSTALLED.to_owned())),
        }
    }
}

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
