//! Somebody's own checks of a rollout: shell commands and queries, and what they are told about it.

use std::io::Write as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use kubectl_terminal::duration;
use rollout_core::WorkloadId;
use rollout_core::judge::Cause;
use rollout_core::machine::{CheckRun, GateOptions, Verdict};
use rollout_core::snapshot::CauseId;
use rollout_core::stored::{NoCondition, Query, StepOptions};
use rollout_kube::{Checking, Cluster, NoService, Service};
use tempfile::NamedTempFile;

use super::group::{self, Ended};
use crate::call::{CliError, Session};
use crate::follow::overlay::Overlay;

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes up to which lists of pods and nodes stand in the environment too: a value of 128 KiB makes `exec` fail.
const SHORT: usize = 16 * 1024;
/// Bytes of a failed check's output that are shown.
const SHOWN: usize = 400;

/// The flags of the gate that a rollout has to pass.
#[derive(Args, Clone, Debug)]
pub struct GateArgs {
    /// How long the pods must stay available [default: 30s; of a step 2m]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub soak: Option<Duration>,
    /// How often a pod may restart
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_restarts: u32,
    /// A shell command that must exit 0, again and again while the pods soak
    #[arg(long, value_name = "COMMAND")]
    pub check: Vec<String>,
    /// A query of Prometheus with its condition, e.g. 'sum(up) >= 3'; no data does not pass
    #[arg(long, value_name = "PROMQL OP NUMBER")]
    pub check_query: Vec<Query>,
    /// Where Prometheus is
    #[arg(long, value_name = "NAMESPACE/SERVICE:PORT")]
    pub prometheus: Option<Service>,
}

impl GateArgs {
    /// Returns what the gate asks for; `soak` where none was given.
    pub fn options(&self, soak: Duration) -> Result<GateOptions, CliError> {
        if !self.check_query.is_empty() && self.prometheus.is_none() {
            return Err(CliError::usage("--check-query needs --prometheus NAMESPACE/SERVICE:PORT"));
        }
        Ok(GateOptions {
            soak: duration::limit(self.soak.unwrap_or(soak)).unwrap_or(0),
            max_restarts: self.max_restarts,
            checks: !self.check.is_empty() || !self.check_query.is_empty(),
        })
    }

    /// Reads the checks that are stored with a rollout.
    pub fn stored(options: &StepOptions) -> Result<GateArgs, String> {
        let StepOptions { checks, queries, prometheus, soak, max_restarts, .. } = options;
        let check_query = queries.iter().map(|query| query.parse()).collect::<Result<_, NoCondition>>();
        let prometheus = prometheus.as_deref().map(str::parse).transpose();
        Ok(GateArgs {
            soak: Some(Duration::from_secs(u64::try_from(*soak).unwrap_or(0))),
            max_restarts: *max_restarts,
            check: checks.clone(),
            check_query: check_query.map_err(|error| error.to_string())?,
            prometheus: prometheus.map_err(|error: NoService| error.to_string())?,
        })
    }

    /// Returns what the checks are run with.
    pub async fn checks(&self, session: &mut Session) -> Result<Checks, CliError> {
        Checks::of(session, !self.check.is_empty()).await
    }
}

/// What checks are run with: the cluster that queries go to, and what a command finds in its environment.
#[derive(Clone)]
pub struct Checks {
    cluster: Cluster,
    overlay: Option<Arc<Overlay>>,
}

impl Checks {
    /// Lets commands be about the same cluster and namespace as this call, where there are any.
    pub async fn of(session: &mut Session, commands: bool) -> Result<Checks, CliError> {
        let overlay = if commands { Some(Arc::new(Overlay::of_check(session).await?)) } else { None };
        Ok(Checks { cluster: session.cluster().await?, overlay })
    }

    /// Runs all checks once.
    pub fn run(&self, gates: &GateArgs, id: &WorkloadId, run: CheckRun) -> Checking {
        let (gates, checks, id) = (gates.clone(), self.clone(), id.clone());
        Box::pin(async move {
            for command in &gates.check {
                match checks.command(command, &id, &run).await {
                    Verdict::Passed => {}
                    verdict => return verdict,
                }
            }
            for query in &gates.check_query {
                match ask(&checks.cluster, gates.prometheus.as_ref(), query).await {
                    Verdict::Passed => {}
                    verdict => return verdict,
                }
            }
            Verdict::Passed
        })
    }

    async fn command(&self, command: &str, id: &WorkloadId, run: &CheckRun) -> Verdict {
        let broken = |error: std::io::Error| Verdict::Broken(format!("{command:?}: {error}"));
        let (pods, nodes) = match (list(&run.pods), list(&run.nodes)) {
            (Ok(pods), Ok(nodes)) => (pods, nodes),
            (Err(error), _) | (_, Err(error)) => return broken(error),
        };
        let mut shell = shell(command);
        shell
            .envs(self.overlay.iter().flat_map(|overlay| overlay.environment()))
            .env("ROLLOUT_WORKLOAD", id.to_string())
            .env("ROLLOUT_NAMESPACE", &id.namespace)
            .env("ROLLOUT_REVISION", run.revision.map(|number| number.to_string()).unwrap_or_default())
            .env("ROLLOUT_STEP", run.step.to_string())
            .env("ROLLOUT_PODS_FILE", pods.path())
            .env("ROLLOUT_NODES_FILE", nodes.path());
        for (name, items) in [("ROLLOUT_PODS", &run.pods), ("ROLLOUT_NODES", &run.nodes)] {
            let value = items.join(" ");
            if value.len() <= SHORT {
                shell.env(name, value);
            }
        }
        match group::run(shell, PATIENCE).await {
            Ok(Ended { status: Some(status), .. }) if status.success() => Verdict::Passed,
            Ok(Ended { status: Some(status), output }) => judge(command, status, &output),
            // It says nothing about the rollout.
            Ok(Ended { status: None, .. }) => {
                Verdict::Broken(format!("{command:?} does not end within {}s", PATIENCE.as_secs()))
            }
            Err(error) => broken(error),
        }
    }
}

fn failed(id: CauseId, message: String, evidence: Option<String>) -> Verdict {
    Verdict::Failed(Cause { evidence, ..Cause::new(id, message) })
}

/// A shell says with 126 and 127 that it could not run the command, which says nothing about the rollout.
fn judge(command: &str, status: ExitStatus, output: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    let start = text.char_indices().rev().nth(SHOWN).map_or(0, |(index, _)| index);
    let tail = Some(text[start..].to_string()).filter(|text| !text.is_empty());
    match status.code() {
        Some(126 | 127) => Verdict::Broken(tail.unwrap_or_else(|| command.to_string())),
        Some(code) => failed(CauseId::Check, format!("check {command:?} ended with exit code {code}"), tail),
        None => failed(CauseId::Check, format!("check {command:?} was ended by a signal"), tail),
    }
}

#[cfg(unix)]
fn shell(command: &str) -> tokio::process::Command {
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> tokio::process::Command {
    let mut shell = tokio::process::Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

/// Writes names, one a line, into a file that is gone when the check is over.
fn list(names: &[String]) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    for name in names {
        writeln!(file, "{name}")?;
    }
    file.flush()?;
    Ok(file)
}

async fn ask(cluster: &Cluster, service: Option<&Service>, query: &Query) -> Verdict {
    let Some(service) = service else { return Verdict::Broken("no Prometheus is named".to_string()) };
    match cluster.query(service, &query.promql).await {
        Ok(values) if query.passes(&values) => Verdict::Passed,
        Ok(values) if values.is_empty() => {
            failed(CauseId::CheckQuery, format!("query {:?} has no data", query.promql), None)
        }
        Ok(values) => {
            let shown: Vec<String> = values.iter().take(5).map(f64::to_string).collect();
            failed(
                CauseId::CheckQuery,
                format!("query {:?} does not pass", query.promql),
                Some(shown.join(", ")),
            )
        }
        Err(error) => Verdict::Broken(format!("query {:?} at {service}: {error}", query.promql)),
    }
}
