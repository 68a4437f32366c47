//! Running somebody's command against the same cluster and namespace: a kubeconfig laid over theirs that names the context
//! and holds no credentials.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::process::ExitStatus;

use kubectl_connect::{ConnectionArgs, Settings, Source};
use kubectl_terminal::signals::{self, Lent};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::call::{CliError, Exit, Session};

/// The name of the context where the user's has none.
const CONTEXT: &str = "rollout";

/// What a command finds in its environment.
pub struct Overlay {
    /// The file, which is gone when this is.
    file: Option<NamedTempFile>,
    kubeconfig: Option<OsString>,
}

impl Overlay {
    /// Lays a context over the one in use, for a check, which is told the namespace by other means too.
    pub async fn of_check(session: &mut Session) -> Result<Overlay, CliError> {
        let (_, settings) = session.settings().await?;
        match settings.source {
            Source::Kubeconfig | Source::Flag => Overlay::of(session).await,
            Source::InCluster | Source::Default => Ok(Overlay { file: None, kubeconfig: None }),
        }
    }

    /// Lays a context over the one in use.
    pub async fn of(session: &mut Session) -> Result<Overlay, CliError> {
        let (args, settings) = session.settings().await?;
        if let Some(flag) = beyond_a_context(args) {
            return Err(CliError::usage(format!("{flag} cannot be passed on to a command")).hint(Some(
                "put it into a context of the kubeconfig, and name that with --context".to_string(),
            )));
        }
        match settings.source {
            Source::Kubeconfig => Overlay::over(settings),
            // Nothing can be laid over what is in no file; the command finds the pod's own identity as this process did.
            Source::Flag | Source::InCluster | Source::Default if !settings.namespace_given => {
                Ok(Overlay { file: None, kubeconfig: None })
            }
            Source::Flag | Source::InCluster | Source::Default => {
                Err(CliError::usage("--namespace cannot be passed on to a command without a kubeconfig")
                    .hint(Some("give it to the command too, and leave it out here".to_string())))
            }
        }
    }

    fn over(settings: &Settings) -> Result<Overlay, CliError> {
        let failed = |error: std::io::Error| CliError::failed(format!("cannot write a kubeconfig: {error}"));
        let name = settings.context.as_deref().unwrap_or(CONTEXT);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {
                "cluster": settings.cluster_name,
                "user": settings.user_name.clone().unwrap_or_default(),
                "namespace": settings.namespace,
            }}],
        });
        let mut file = NamedTempFile::new().map_err(failed)?;
        file.write_all(config.to_string().as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
        let files = std::iter::once(file.path()).chain(settings.files.iter().map(AsRef::as_ref));
        let list = std::env::join_paths(files)
            .map_err(|error| CliError::failed(format!("cannot name the kubeconfig: {error}")))?;
        Ok(Overlay { file: Some(file), kubeconfig: Some(list) })
    }

    /// Returns what is set in the environment of whatever is run.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        self.kubeconfig.iter().map(|list| ("KUBECONFIG", list.as_os_str()))
    }

    /// Runs a command to its end on this process's own streams. It has the terminal: what the keyboard says is for it, and a
    /// request to terminate is passed on.
    ///
    /// Its standard output is this one's standard error where a document is printed here.
    pub async fn run(self, command: &[String], aside: bool) -> Ran {
        let Some((program, words)) = command.split_first() else { return Ran::Fine };
        let mut child = tokio::process::Command::new(program);
        child.args(words).envs(self.environment());
        if aside {
            child.stdout(std::io::stderr());
        }
        let lent = Lent::out();
        let mut child = match child.spawn() {
            Ok(child) => child,
            Err(error) => return Ran::Failed(CliError::failed(format!("cannot run {program:?}: {error}"))),
        };
        let mut terminated = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = signals::terminated(), if !terminated => {
                    terminated = true;
                    terminate(&child);
                }
            }
        };
        lent.back().await;
        drop(self.file);
        match status {
            Ok(_) if terminated => Ran::Ended(Exit::Terminated),
            Ok(status) if status.success() => Ran::Fine,
            Ok(status) if is_interrupted(status) => Ran::Ended(Exit::Interrupted),
            Ok(status) => Ran::Failed(match status.code() {
                Some(code) => CliError::failed(format!("{program} ended with exit code {code}")),
                None => CliError::failed(format!("{program} was ended by a signal")),
            }),
            Err(error) => Ran::Failed(CliError::failed(format!("cannot run {program:?}: {error}"))),
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub enum Ran {
    /// As it should.
    Fine,
    /// It failed.
    Failed(CliError),
    /// A signal that is for this process too ended it.
    Ended(Exit),
}

#[cfg(unix)]
fn is_interrupted(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(rustix::process::Signal::INT.as_raw())
}

#[cfg(not(unix))]
fn is_interrupted(_: ExitStatus) -> bool {
    false
}

fn terminate(child: &tokio::process::Child) {
    #[cfg(unix)]
    if let Some(id) = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
    #[cfg(not(unix))]
    let _ = child;
}

/// Returns the first flag of the connection that no context can say.
fn beyond_a_context(args: &ConnectionArgs) -> Option<&'static str> {
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    [
        ("--server", given(&args.server)),
        ("--token", args.token.is_some()),
        ("--username", given(&args.username)),
        ("--password", args.password.is_some()),
        ("--as", given(&args.impersonate)),
        ("--as-group", !args.impersonate_groups.is_empty()),
        ("--as-uid", given(&args.impersonate_uid)),
        ("--as-user-extra", !args.impersonate_extra.is_empty()),
        ("--certificate-authority", given(&args.certificate_authority)),
        ("--client-certificate", given(&args.client_certificate)),
        ("--client-key", given(&args.client_key)),
        ("--tls-server-name", given(&args.tls_server_name)),
        ("--insecure-skip-tls-verify", args.insecure_skip_tls_verify),
    ]
    .into_iter()
    .find_map(|(flag, given)| given.then_some(flag))
}
