//! Showing the plans, and asking where somebody can be asked.

use kubectl_terminal::prompt::{self, Answer, Choice};
use rollout_core::Workload;
use rollout_core::history::RevisionNumber;
use rollout_core::plan::Plan;

use super::args::DryRun;
use super::flow::{Flow, Planned};
use crate::call::{CliError, Exit};
use crate::say;
use crate::say::documents::{Outcome, OutcomeWord};

/// What came of the question.
pub(super) enum Agreement {
    /// These are carried out.
    Go(Vec<Planned>),
    /// Something else was chosen: these are planned anew.
    Again(Vec<Workload>),
    /// Nothing is changed.
    Stop,
}

impl Flow<'_> {
    pub(super) fn agree(&mut self, planned: Vec<Planned>) -> Agreement {
        let ui = &mut self.reports.session.ui;
        if self.reports.form.is_human() || ui.can_ask() {
            let plans: Vec<&Plan> = planned.iter().map(|it| &it.plan).collect();
            let desired = |plan: &Plan| {
                let of = planned.iter().find(|it| it.plan.workload == plan.workload);
                of.map_or(0, |it| it.snapshot.workload.desired)
            };
            match (self.args.dry_run, self.args.yes) {
                (DryRun::None, false) => {
                    ui.beside_the_question(|ui| say::plan::print(ui, &plans, desired));
                }
                (DryRun::Client | DryRun::Server, _) if self.reports.form.is_human() => {
                    say::plan::print_data(ui, &plans, desired);
                }
                (_, _) => say::plan::print(ui, &plans, desired),
            }
        }
        if planned.iter().any(|it| it.plan.stopped_by(&self.args.follow.allow).next().is_some()) {
            return self.stopped(planned);
        }
        if self.args.dry_run != DryRun::None || self.args.yes {
            return Agreement::Go(planned);
        }
        let question = self.intent.question(&planned.iter().map(|it| &it.plan).collect::<Vec<_>>());
        match prompt::confirm(&mut self.reports.session.ui, &question) {
            Answer::Yes => Agreement::Go(planned),
            Answer::Unavailable if !self.several && !self.reports.session.ui.is_out_of_reach() => {
                Agreement::Go(planned)
            }
            Answer::Unavailable => {
                let plural = if planned.len() == 1 { "" } else { "s" };
                let words =
                    format!("{} workload{plural} would be changed and nobody can be asked", planned.len());
                self.reports
                    .failed(&CliError::usage(words).hint(Some("-y agrees to all of them".to_string())));
                Agreement::Stop
            }
            Answer::No => {
                self.reports.session.ui.note("nothing was changed");
                self.not_done(&planned, OutcomeWord::Declined);
                Agreement::Stop
            }
        }
    }

    /// Where nothing but a default is warned of, there is a choice on a terminal.
    fn stopped(&mut self, planned: Vec<Planned>) -> Agreement {
        let ui = &mut self.reports.session.ui;
        if let ([one], DryRun::None, false) = (planned.as_slice(), self.args.dry_run, self.args.yes)
            && let (Some(better), true) = (one.plan.better, ui.can_ask())
            && one.plan.stopped_by(&self.args.follow.allow).all(|warning| warning.id.is_about_a_default())
        {
            let to = RevisionNumber::or(one.plan.to, "?");
            let choices = [format!("revision {better}"), format!("revision {to} all the same")];
            match prompt::choose(ui, "Which revision instead?", &choices) {
                Choice::Chosen(0) => {
                    self.intent.prefer(better);
                    return Agreement::Again(planned.into_iter().map(|it| it.snapshot.workload).collect());
                }
                Choice::Chosen(_) => return Agreement::Go(planned),
                Choice::Declined | Choice::Unavailable => {}
            }
        }
        for it in &planned {
            let mut ids: Vec<&str> =
                it.plan.stopped_by(&self.args.follow.allow).map(|warning| warning.id.as_str()).collect();
            ids.dedup();
            if !ids.is_empty() {
                let (id, ids) = (&it.plan.workload, ids.join(","));
                ui.error(&format!(
                    "{id} in namespace {}: stopped by {ids}: nothing was changed",
                    id.namespace
                ));
                ui.hint(&format!("--allow {ids} goes on all the same"));
            }
        }
        self.not_done(&planned, OutcomeWord::Stopped);
        Agreement::Stop
    }

    pub(super) fn not_done(&mut self, planned: &[Planned], outcome: OutcomeWord) {
        for it in planned {
            let outcome = Outcome::new(outcome, Exit::NotDone).of(&it.plan);
            self.reports.finish(&it.plan.workload, outcome);
        }
    }
}
