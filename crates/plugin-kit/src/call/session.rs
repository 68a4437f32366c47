//! One call of a plugin: its terminal, its connection, and the objects that it was pointed at.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use k8s_openapi::jiff::Timestamp;
use kubectl_connect::{Agent, Connection, ConnectionArgs, Connector, Settings};
use kubectl_terminal::forms::{self, OutputArgs, OutputForm};
use kubectl_terminal::{Ui, escape};
use rollout_core::plan::steps;
use rollout_core::stored::Stored;
use rollout_core::{Snapshot, WorkloadId};
use rollout_kube::{Cluster, SendOptions, Sent};
use serde_json::Value;

use crate::call::summary::{MARKDOWN, SummaryFile};
use crate::call::{CliError, Exit, Plugin, document, failure, holder};

/// How often it is tried to let go of what is driven.
const LET_GO: u32 = 3;
/// How long that may take.
const LETTING_GO: Duration = Duration::from_secs(3);

/// Makes the command line of a plugin, under the name it was called by.
pub type CommandLine = fn(Plugin, &str) -> clap::Command;

/// What a verb works with.
pub struct Session {
    /// The terminal.
    pub ui: Ui,
    /// Which plugin this is.
    pub plugin: Plugin,
    called: String,
    command: CommandLine,
    args: ConnectionArgs,
    connection: Option<Connection>,
    pub(crate) stdin_taken: bool,
    driven: Vec<WorkloadId>,
    pub(crate) spans: bool,
    /// How what fails is printed as long as nothing else is; nothing where documents are not printed whole.
    whole: Option<OutputForm>,
    /// Whether the answer is one document and no list.
    pub(crate) single: bool,
    /// What failed and stands in no document yet.
    failures: Vec<Value>,
    /// Where the answer is summarised beside.
    summary: Option<SummaryFile>,
    started: Instant,
}

impl Session {
    /// Starts a session; nothing is read or sent yet.
    pub fn new(
        ui: Ui,
        plugin: Plugin,
        called: String,
        command: CommandLine,
        args: ConnectionArgs,
    ) -> Session {
        Session {
            ui,
            plugin,
            called,
            command,
            args,
            connection: None,
            stdin_taken: false,
            driven: Vec::new(),
            spans: false,
            whole: None,
            single: true,
            failures: Vec::new(),
            summary: None,
            started: Instant::now(),
        }
    }

    /// Returns the name that the plugin was called by, e.g. `kubectl rollback`.
    pub fn called(&self) -> String {
        self.called.clone()
    }

    /// Tells whether this call is about more than one namespace, so that whatever names a workload has to say its own.
    pub fn spans(&self) -> bool {
        self.spans
    }

    /// Returns a workload as kubectl names it, with its namespace where there are several.
    pub fn named(&self, id: &WorkloadId) -> String {
        id.qualified() + &self.place(&id.namespace)
    }

    pub(crate) fn place(&self, namespace: &str) -> String {
        if self.spans { format!(" in namespace {namespace}") } else { String::new() }
    }

    /// Adds the namespace to a sentence that lacks it, where there are several.
    pub fn placed(&self, sentence: String, id: &WorkloadId) -> String {
        let said = sentence.contains(&format!("namespace {}", id.namespace));
        if self.spans && !said {
            format!("{sentence} ({id} in namespace {})", id.namespace)
        } else {
            sentence
        }
    }

    /// Makes the command line anew: one that has been parsed with cannot be completed any more.
    pub fn command(&self) -> clap::Command {
        (self.command)(self.plugin, &self.called)
    }

    /// Connects, once.
    pub async fn cluster(&mut self) -> Result<Cluster, CliError> {
        let connection = self.connection().await?;
        let clock = connection.clock.clone();
        Ok(Cluster::new(connection.client.clone(), move || clock.now().unwrap_or_else(Timestamp::now)))
    }

    /// Returns the namespace that names without one are in.
    pub async fn namespace(&mut self) -> Result<String, CliError> {
        Ok(self.connection().await?.namespace.clone())
    }

    /// Returns the connection flags, and what they mean here.
    pub async fn settings(&mut self) -> Result<(&ConnectionArgs, &Settings), CliError> {
        self.connection().await?;
        match &self.connection {
            Some(connection) => Ok((&self.args, &connection.settings)),
            None => unreachable!("it was made just now"),
        }
    }

    /// Reads how the answer is printed; `own` are the forms that only this verb has.
    pub fn form(&mut self, output: &OutputArgs, own: &[OutputForm]) -> Result<OutputForm, CliError> {
        let form = output.form(own)?;
        self.whole = Some(form.clone()).filter(OutputForm::is_whole);
        Ok(form)
    }

    /// Reads how the answer of a verb is printed that tells how something ended, and opens the file that its summary goes to:
    /// one that cannot be written is refused before anything is asked of a cluster.
    pub fn form_of_ending(
        &mut self,
        output: &OutputArgs,
        summary: Option<&Path>,
    ) -> Result<OutputForm, CliError> {
        let form = self.form(output, &[MARKDOWN])?;
        self.summary = summary.map(SummaryFile::open).transpose()?;
        Ok(form)
    }

    /// Tells whether a summary is written beside the answer.
    pub(crate) fn is_summarised(&self) -> bool {
        self.summary.is_some()
    }

    /// Adds documents to the file of the summary.
    pub(crate) fn summarise(&mut self, documents: &[Value]) -> Result<(), CliError> {
        match self.summary.take() {
            Some(file) => file.add(documents),
            None => Ok(()),
        }
    }

    /// Returns the time by the server's clock, where it is known.
    pub fn now(&self) -> Timestamp {
        self.connection.as_ref().and_then(|it| it.clock.now()).unwrap_or_else(Timestamp::now)
    }

    /// Returns when this call began, by the same clock.
    pub fn started(&self) -> Timestamp {
        let passed = self.started.elapsed();
        self.now().checked_sub(passed).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Returns what failed since it was asked last, as documents.
    pub(crate) fn failures(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.failures)
    }

    /// Notes that the answer is printed: what fails from now on stands on standard error alone.
    pub fn answered(&mut self) {
        self.whole = None;
    }

    /// Prints what failed, where it is the whole answer.
    pub(crate) fn answer_failures(&mut self) {
        let (form, failures) = (self.whole.take(), self.failures());
        if failures.is_empty() {
            return;
        }
        if let Err(error) = self.summarise(&failures) {
            self.report(&error);
        }
        if let Some((form, document)) = form.zip(document::list(failures, self.single))
            && let Err(error) = forms::print_document(&mut self.ui, &document, &form)
        {
            self.report(&error.into());
        }
    }

    async fn connection(&mut self) -> Result<&Connection, CliError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let agent = Agent { plugin: self.plugin.name, version: env!("CARGO_PKG_VERSION") };
                Connector::new(&self.args, &agent).stdin_taken(self.stdin_taken).connect().await?
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// Notes what is driven from here: it is let go when this call is interrupted.
    pub fn drives(&mut self, ids: impl IntoIterator<Item = WorkloadId>) {
        self.driven.extend(ids);
    }

    /// Lets go of what is stored as driven from here after its driver has ended: the last pictures show it.
    pub async fn driven_still(&mut self, last: impl Iterator<Item = &Snapshot>) {
        let holder = holder();
        let mine = |snapshot: &&Snapshot| {
            let rollout = Stored::of(&snapshot.workload).and_then(|stored| stored.rollout);
            rollout.is_some_and(|rollout| rollout.holder.as_ref() == Some(&holder))
        };
        let mine: Vec<String> = last.filter(mine).map(|it| it.workload.id.uid.clone()).collect();
        self.driven.retain(|id| mine.contains(&id.uid));
        self.let_go().await;
    }

    /// Lets go of what is driven from here, so that another call can go on at once. What does not come through is free when
    /// the lease is over.
    pub async fn let_go(&mut self) {
        let driven = std::mem::take(&mut self.driven);
        let Some(cluster) = (!driven.is_empty()).then(|| self.cluster()) else { return };
        let Ok(cluster) = cluster.await else { return };
        let field_manager = self.plugin.name.to_string();
        let send = SendOptions { dry_run: false, field_manager };
        let one = async |id: WorkloadId| {
            for _ in 0..LET_GO {
                let Ok(workload) = cluster.workload(id.kind, &id.namespace, &id.name).await else { return };
                let Some(request) = steps::let_go(&workload, &holder()) else { return };
                // A patch of this call may have come in between.
                if !matches!(cluster.send(&request, &send).await, Ok(Sent::Changed)) {
                    return;
                }
            }
        };
        let all = join_all(driven.into_iter().map(one));
        let _ = tokio::time::timeout(LETTING_GO, all).await;
    }

    /// Prints an error, with what the connection knows about it.
    pub fn report(&mut self, error: &CliError) {
        self.ui.note(&escape::block(&error.message));
        let explained = error
            .api
            .as_deref()
            .zip(self.connection.as_ref())
            .and_then(|(api, connection)| connection.explain(api.clone()).hint().map(str::to_string));
        let hints: Vec<String> = error.hints.iter().cloned().chain(explained).collect();
        for hint in &hints {
            self.ui.hint(&escape::block(hint));
        }
        if self.whole.is_some() || self.summary.is_some() {
            self.failures.push(failure::failure(error, &hints));
        }
    }

    /// Prints what the server warned of, and says whether that counts as a failure.
    pub fn report_server_warnings(&mut self) -> Exit {
        let Some(connection) = &self.connection else { return Exit::Done };
        for warning in connection.warnings.take_new() {
            self.ui.warn(&escape::inline(&warning));
        }
        match connection.warnings.as_error().filter(|_| connection.settings.warnings_as_errors) {
            Some(sentence) => {
                self.ui.note(&sentence);
                Exit::Failed
            }
            None => Exit::Done,
        }
    }
}
