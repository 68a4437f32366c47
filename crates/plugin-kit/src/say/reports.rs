//! What a verb says about each workload in the end: a sentence, a document, an exit code.

use kubectl_terminal::forms::{self, OutputForm};
use kubectl_terminal::{Ui, escape};
use rollout_core::judge::Hold;
use rollout_core::machine::Ending;
use rollout_core::plan::Plan;
use rollout_core::{RevisionNumber, WorkloadId};
use rollout_kube::End;
use serde_json::Value;

use super::causes::{print_causes, print_skipped};
use super::documents::{self, Outcome, OutcomeWord};
use super::ending;
use crate::call::{CliError, Exit, Session};
use crate::targets::IgnoreArgs;

/// What became of the workloads of one call.
pub struct Reports<'a> {
    /// The call.
    pub session: &'a mut Session,
    /// How its answer is printed.
    pub form: &'a OutputForm,
    documents: Vec<Value>,
    exits: Vec<Exit>,
    /// What was not said because a document says it.
    unsaid: Vec<String>,
    /// Whether everything on stdout is a line of JSON.
    lines: bool,
    /// Whether a list of nothing is nothing.
    ignores: bool,
}

impl<'a> Reports<'a> {
    /// Starts with what went wrong before.
    pub fn new(session: &'a mut Session, form: &'a OutputForm, exits: Vec<Exit>) -> Reports<'a> {
        let documents = session.failures();
        Reports { session, form, documents, exits, unsaid: Vec::new(), lines: false, ignores: false }
    }

    /// Says a line of data, where people read.
    pub fn say(&mut self, line: &str) {
        if self.form.is_human() {
            self.session.ui.line(&escape::inline(line));
        } else {
            self.unsaid.push(line.to_string());
        }
    }

    /// Lets the document be one more line of JSON behind the events.
    pub fn in_lines(&mut self, events: bool) {
        self.lines = events;
    }

    /// Lets a list of nothing be nothing, as `kubectl get --ignore-not-found`.
    pub fn ignores(&mut self, args: IgnoreArgs) {
        self.ignores = args.ignore_not_found;
    }

    /// Says what went wrong with one workload.
    pub fn failed(&mut self, error: &CliError) {
        self.session.report(error);
        self.documents.append(&mut self.session.failures());
        self.exits.push(error.exit);
    }

    /// Counts an exit code that has been explained.
    pub fn exit(&mut self, exit: Exit) {
        self.exits.push(exit);
    }

    /// Tells whether anybody gets to see documents.
    pub fn wants_documents(&self) -> bool {
        !self.form.is_human() || self.session.is_summarised()
    }

    /// Keeps a document that is no `Result`.
    pub fn document(&mut self, document: Value) {
        self.documents.push(document);
    }

    /// Keeps what became of one workload.
    pub fn finish(&mut self, id: &WorkloadId, outcome: Outcome<'_>) {
        self.exits.push(outcome.exit);
        let (started, now) = (self.session.started(), self.session.now());
        self.documents.push(outcome.document(id, started, now));
    }

    /// Says how the following of one workload ended; `held_ok` makes being held a success.
    pub fn ended(&mut self, id: &WorkloadId, plan: Option<&Plan>, end: &End, held_ok: bool) {
        // Nobody wanted a change to meet its end.
        let held_ok = held_ok && end.ending != Ending::Held(Hold::Deleting);
        let (exit, sentence) = ending::of(end, id, held_ok);
        let sentence = self.session.placed(sentence, id);
        if exit == Exit::Done {
            self.say(&sentence);
        } else {
            self.session.ui.note(&escape::inline(&sentence));
            print_causes(&mut self.session.ui, ending::causes(end));
            if let Some(progress) = &end.progress {
                print_skipped(&mut self.session.ui, &progress.skipped);
            }
        }
        let way_on = match (&end.ending, end.snapshot.as_deref(), exit) {
            (Ending::Held(hold), Some(snapshot), Exit::Held) => Some(ending::way_on(*hold, snapshot)),
            (_, _, _) => ending::hint(end, id),
        };
        if let Some(hint) = &way_on {
            self.session.ui.hint(&escape::inline(hint));
        }
        let status = end
            .snapshot
            .as_deref()
            .zip(end.progress.as_ref())
            .map(|(snapshot, progress)| documents::Status::of(snapshot, progress, way_on.as_deref()));
        self.finish(
            id,
            Outcome {
                // Others stand in the status.
                causes: end.ending.causes().unwrap_or_default(),
                back: back(end),
                ended: end.snapshot.as_deref().map(|it| it.now),
                status,
                ..Outcome::new(OutcomeWord::of(&end.ending), exit).of(plan)
            },
        );
    }

    /// Prints the documents of a verb that reads, and says how the process ends.
    pub fn answer(mut self, single: bool) -> Result<Exit, CliError> {
        self.print(single)?;
        Ok(Exit::worst_of(self.exits))
    }

    /// Prints the documents of a verb that writes, and says how the process ends.
    pub fn close(mut self, single: bool) -> Result<Exit, CliError> {
        if let Err(error) = self.print(single) {
            // What was done is done, and how it ended is never hidden behind a template that does not fit.
            self.unsaid.iter().for_each(|line| self.session.ui.note(&escape::inline(line)));
            self.session.report(&error);
            if Exit::worst_of(self.exits.iter().copied()) == Exit::Done {
                self.exits.push(Exit::Failed);
            }
        }
        Ok(Exit::worst_of(self.exits))
    }

    fn print(&mut self, single: bool) -> Result<(), CliError> {
        let mut documents = std::mem::take(&mut self.documents);
        let summarised = self.session.summarise(&documents);
        self.session.answered();
        if !self.form.is_whole() {
            // A template is not about what failed.
            documents.retain(|document| document["kind"] != "Error");
        }
        if self.form.is_human() || self.ignores && documents.is_empty() {
            return summarised;
        }
        if let Some(document) = documents::list(documents, single) {
            forms::print_last(&mut self.session.ui, &document, self.form, self.lines)?;
        }
        summarised
    }
}

/// Names what a workload consists of, a line each, as `-o name` of kubectl.
pub fn print_names<'n>(ui: &mut Ui, kind: &str, names: impl IntoIterator<Item = &'n str>) {
    for name in names {
        ui.line(&escape::inline(&format!("{kind}/{name}")));
    }
}

/// From which revision to which a rollout was taken back.
fn back(end: &End) -> Option<(Option<RevisionNumber>, Option<RevisionNumber>)> {
    let Ending::Undone { from, to, causes: _ } = &end.ending else { return None };
    Some((*from, *to))
}
