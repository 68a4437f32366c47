//! What is shown again whenever it changes: one workload, or many of them.

use std::collections::BTreeMap;
use std::time::Duration;

use kubectl_terminal::forms::{self, OutputError, OutputForm, Stream};
use kubectl_terminal::screen::Screen;
use kubectl_terminal::table::Table;
use kubectl_terminal::{Ui, escape};
use rollout_core::{Snapshot, Workload};
use rollout_kube::{Cluster, Depth, Feed, Fleet, Held, Record, Sight, Stir};
use serde_json::Value;
use tokio::time::Instant;

use crate::call::document::value;
use crate::call::{CliError, Exit, Session};
use crate::say::documents::{WatchType, Watched};
use crate::targets::Found;

/// How often it is drawn at most: what comes in between is seen at once.
const REDRAW: Duration = Duration::from_millis(250);
/// How long nothing is looked at when nothing changes: ages grow, and some things become true by the time alone.
const GLANCE: Duration = Duration::from_secs(1);

/// Takes the one workload that can be watched, or none where it was not found; several are refused in kubectl's words.
pub fn one_alone(found: Found) -> Result<Option<Workload>, CliError> {
    match found.workloads.len() + found.exits.len() {
        0 | 1 => Ok(found.workloads.into_iter().next()),
        several => Err(CliError::usage(format!(
            "watch is only supported on individual resources - {several} resources were found"
        ))),
    }
}

/// Shows a workload until nobody reads any more, or it is gone.
pub async fn live(
    session: &mut Session,
    cluster: &Cluster,
    workload: Workload,
    depth: Depth,
    mut show: impl AsyncFnMut(&mut Session, Snapshot) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut feed = Feed::start(cluster, cluster.seen(workload, depth).await?);
    session.answered();
    let mut sight = feed.sight();
    while !session.ui.stdout_is_closed() {
        match sight {
            Sight::Snapshot(snapshot) => show(session, *snapshot).await?,
            Sight::Gone => return Err(CliError::failed("object has been deleted")),
            Sight::Forbidden(words) => return Err(CliError::failed(words)),
            Sight::Lost(error) => lost(&mut session.ui, &error),
            Sight::Back => back(&mut session.ui),
        }
        tokio::time::sleep(REDRAW).await;
        sight = feed.next(GLANCE).await;
    }
    Ok(())
}

/// Shows many workloads until nobody reads any more, or for so long only.
pub async fn live_fleet<W: Held + 'static, R: Record + 'static>(
    session: &mut Session,
    mut fleet: Fleet<W, R>,
    limit: Option<Duration>,
    mut show: impl AsyncFnMut(&mut Session, &mut Fleet<W, R>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    session.answered();
    let end = limit.map(|limit| Instant::now() + limit);
    let showing = async {
        while !session.ui.stdout_is_closed() {
            match fleet.next(GLANCE).await {
                Stir::Now => show(session, &mut fleet).await?,
                Stir::Forbidden(words) => return Err(CliError::failed(words)),
                Stir::Lost(error) => lost(&mut session.ui, &error),
                Stir::Back => back(&mut session.ui),
            }
            tokio::time::sleep(REDRAW).await;
        }
        Ok(())
    };
    match end {
        None => showing.await,
        Some(end) => tokio::time::timeout_at(end, showing).await.unwrap_or_else(|_| {
            let words = "error: timed out waiting for the condition".to_string();
            Err(CliError::sentence(Exit::TimedOut, words))
        }),
    }
}

fn lost(ui: &mut Ui, error: &str) {
    ui.note(&format!("the API server does not answer ({}): trying again", escape::inline(error)));
}

fn back(ui: &mut Ui) {
    ui.note("the API server answers again");
}

/// A row of a table that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRow {
    /// What it is about.
    pub key: String,
    /// What it says, but for what passes with the time.
    pub state: String,
}

/// A table that is drawn over on a terminal; elsewhere it is printed once, and then the rows that change.
#[derive(Default)]
pub struct LiveTable {
    screen: Screen,
    rows: Option<BTreeMap<String, String>>,
    headed: bool,
}

impl LiveTable {
    /// Tells whether nothing has been printed yet.
    pub fn is_new(&self) -> bool {
        self.rows.is_none()
    }

    /// Shows the table, whose rows these are, below some lines; `gone` says something of a row that is not there any more.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        head: impl IntoIterator<Item = String>,
        table: &Table,
        rows: Vec<LiveRow>,
        gone: impl Fn(&str) -> Option<String>,
    ) {
        let (width, color) = (ui.width(), ui.stdout_has_color());
        if ui.can_redraw() {
            let table = table.render(width, color);
            let lines = head.into_iter().chain(table.lines().map(str::to_string)).collect();
            self.screen.draw(ui, lines);
            return;
        }
        let first = self.rows.is_none();
        if first {
            head.into_iter().for_each(|line| ui.line(&line));
        }
        let before = self.rows.take().unwrap_or_default();
        // As lines of the whole table, so that columns stay where they are.
        if first || !self.headed {
            self.headed = !rows.is_empty();
            ui.out(&table.render(width, color));
        } else {
            let lines = table.render(width, color);
            for (row, line) in rows.iter().zip(lines.lines().skip(table.head())) {
                if before.get(&row.key) != Some(&row.state) {
                    ui.line(line);
                }
            }
        }
        let now: BTreeMap<String, String> = rows.into_iter().map(|row| (row.key, row.state)).collect();
        for line in before.keys().filter(|key| !now.contains_key(*key)).filter_map(|key| gone(key)) {
            ui.line(&escape::inline(&line));
        }
        self.rows = Some(now);
    }
}

/// Documents that are watched: each is printed when it changes, and once more when it is gone, as `kubectl get -w` does.
#[derive(Default)]
pub struct LiveDocuments {
    stream: Stream,
    said: BTreeMap<String, Value>,
    forgets: bool,
}

impl LiveDocuments {
    /// Says nothing of what is gone: it was there nevertheless.
    pub fn of_the_past() -> LiveDocuments {
        LiveDocuments { forgets: true, ..LiveDocuments::default() }
    }

    /// Prints those that have changed; with events each is told with what became of it, as kubectl's
    /// `--output-watch-events`.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        form: &OutputForm,
        events: bool,
        documents: Vec<(String, Value)>,
    ) -> Result<(), OutputError> {
        let mut before = std::mem::take(&mut self.said);
        for (key, document) in documents {
            let known = before.remove(&key);
            if known.as_ref() != Some(&document) {
                let sort = if known.is_some() { WatchType::Modified } else { WatchType::Added };
                self.print(ui, form, events.then_some(sort), &document)?;
            }
            self.said.insert(key, document);
        }
        before.retain(|_, _| !self.forgets);
        before
            .values()
            .try_for_each(|document| self.print(ui, form, events.then_some(WatchType::Deleted), document))
    }

    fn print(
        &mut self,
        ui: &mut Ui,
        form: &OutputForm,
        event: Option<WatchType>,
        document: &Value,
    ) -> Result<(), OutputError> {
        let Some(r#type) = event else { return self.stream.print(ui, document, form) };
        let event = value(&Watched { r#type, object: document });
        if *form == OutputForm::Json {
            // A line each, as kubectl prints them.
            forms::print_event(ui, &event);
            return Ok(());
        }
        self.stream.print(ui, &event, form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table(rows: &[(&str, &str)]) -> (Table, Vec<LiveRow>) {
        let mut table = Table::plain(&["NAME", "STATE"]);
        rows.iter().for_each(|(name, state)| table.push([*name, *state]));
        let row = |(name, state): &(&str, &str)| LiveRow { key: name.to_string(), state: state.to_string() };
        (table, rows.iter().map(row).collect())
    }

    #[test]
    fn elsewhere_than_on_a_terminal_only_what_changes_is_said_again() {
        let (mut ui, captured) = Ui::captured();
        let mut live = LiveTable::default();
        let mut said = 0;
        for (rows, expected) in [
            (&[][..], "head\n"),
            (&[("a", "new"), ("b", "old")], "NAME   STATE\na      new\nb      old\n"),
            (&[("a", "new"), ("b", "old")], ""),
            (&[("b", "new"), ("a", "new")], "b      new\n"),
            (&[("b", "new"), ("c", "new")], "c      new\na is gone\n"),
            (&[], "b is gone\nc is gone\n"),
        ] {
            let (table, rows) = table(rows);
            let gone = |key: &str| Some(format!("{key} is gone"));
            live.show(&mut ui, ["head".to_string()], &table, rows, gone);
            let all = captured.stdout();
            assert_eq!(&all[said..], expected);
            said = all.len();
        }
    }

    #[test]
    fn documents_are_printed_when_they_change_and_when_they_go() {
        let (mut ui, captured) = Ui::captured();
        let mut live = LiveDocuments::default();
        let form = OutputForm::parse(Some("jsonpath={.type} {.object.a};"), &[]).unwrap();
        for documents in [vec![("x", 1), ("y", 1)], vec![("x", 2), ("y", 1)], vec![("y", 1)]] {
            let documents = documents.into_iter().map(|(key, a)| (key.to_string(), json!({"a": a})));
            live.show(&mut ui, &form, true, documents.collect()).unwrap();
        }
        assert_eq!(captured.stdout(), "ADDED 1;ADDED 1;MODIFIED 2;DELETED 2;");
    }
}
