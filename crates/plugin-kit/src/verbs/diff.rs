//! `diff`: what differs between two revisions.

use std::io::Write;

use clap::{Arg, Args};
use diffy::DiffOptions;
use kubectl_terminal::forms::{self, OutputArgs, OutputForm, yaml};
use kubectl_terminal::{Style, Ui, escape};
use rollout_core::template::diff::{self, Change};
use rollout_core::{NoRevision, Revision, RevisionNumber, RevisionSelector, Snapshot, Workload};
use rollout_kube::Depth;
use serde_json::Value;
use tokio::process::Command;

use super::revision::parse_revision;
use crate::call::{CliError, Exit, Session};
use crate::say::changes::change_lines;
use crate::say::{Reports, documents};
use crate::targets::{IgnoreArgs, TargetArgs, VerbMode, together};

const UNIFIED: &str = "unified";
const JSON_PATCH: &str = "json-patch";
const OWN: [OutputForm; 2] = [OutputForm::Own(UNIFIED), OutputForm::Own(JSON_PATCH)];

/// The arguments of `diff`.
#[derive(Args, Debug)]
#[command(mut_args(of_diff))]
pub struct DiffArgs {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    ignore: IgnoreArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Compare A with B; A alone with the current revision; by default the previous with the current one
    #[arg(long, value_name = "A[,B]", value_parser = parse_pair)]
    revision: Option<Pair>,
}

/// It prints no table, and has forms of its own.
fn of_diff(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "output" => forms::also(forms::without_wide(arg), &OWN),
        "no_headers" => arg.hide(true),
        _ => arg,
    }
}

/// Two revisions to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair(RevisionNumber, Option<RevisionNumber>);

fn parse_pair(text: &str) -> Result<Pair, String> {
    match text.split_once(',') {
        None => Ok(Pair(parse_revision(text)?, None)),
        Some((a, b)) => Ok(Pair(parse_revision(a)?, Some(parse_revision(b)?))),
    }
}

/// Runs `diff`: 0 where nothing differs, 1 where something does, 2 for any trouble, as `kubectl diff`.
pub async fn run(args: DiffArgs, session: &mut Session) -> Result<Exit, CliError> {
    compare(args, session).await.map_err(|mut error| {
        error.exit = trouble(error.exit);
        error
    })
}

fn trouble(exit: Exit) -> Exit {
    if exit == Exit::Failed { Exit::Usage } else { exit }
}

async fn compare(args: DiffArgs, session: &mut Session) -> Result<Exit, CliError> {
    let form = session.form(&args.output, &OWN)?;
    let found = session.find_or(&args.targets, VerbMode::Reading, args.ignore.missing()).await?;
    let cluster = session.cluster().await?;
    let depth = |_: &Workload| Depth::Revisions;
    let mut reports = Reports::new(session, &form, found.exits.into_iter().map(trouble).collect());
    reports.ignores(args.ignore);
    for (id, seen) in
        together::seen(&mut reports.session.ui, &cluster, found.workloads, found.whole.as_ref(), depth).await
    {
        let head = reports.session.named(&id);
        let result = match seen {
            Ok(seen) => {
                let snapshot = seen.into_snapshot(cluster.now());
                show(&mut reports, &form, &head, &snapshot, args.revision).await
            }
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(exit) => reports.exit(exit),
            Err(error) => reports.failed(&CliError { exit: trouble(error.exit), ..error.about(&id) }),
        }
    }
    reports.answer(found.single)
}

async fn show(
    reports: &mut Reports<'_>,
    form: &OutputForm,
    head: &str,
    snapshot: &Snapshot,
    pair: Option<Pair>,
) -> Result<Exit, CliError> {
    let ui = &mut reports.session.ui;
    let id = &snapshot.workload.id;
    let refuse = |error| CliError::no_revision(id, &error);
    let (from, to) = choose(snapshot, pair).map_err(refuse)?;
    let (old, new) = (from.readable_template().map_err(refuse)?, to.readable_template().map_err(refuse)?);
    let changes = diff::changes(old, new);
    match form {
        OutputForm::Own(JSON_PATCH) => {
            let patch = serde_json::to_value(diff::json_patch(old, new)).unwrap_or_default();
            forms::print_document(ui, &patch, &OutputForm::Json)?;
        }
        OutputForm::Human | OutputForm::Wide | OutputForm::Own(_) => {
            let names = [from, to].map(|it| format!("{}/revision-{}", id.qualified(), it.label()));
            let external =
                std::env::var("KUBECTL_EXTERNAL_DIFF").ok().filter(|command| !command.trim().is_empty());
            match external {
                Some(command) => return run_external(&command, &names, [old, new]).await,
                None if *form == OutputForm::Own(UNIFIED) => unified(ui, &names, [old, new])?,
                None => fields(ui, &format!("{head}: revision {} -> {}", from.label(), to.label()), &changes),
            }
        }
        OutputForm::Json
        | OutputForm::Yaml
        | OutputForm::Kyaml
        | OutputForm::Name
        | OutputForm::JsonPath(_)
        | OutputForm::JsonPathAsJson(_)
        | OutputForm::Columns(_)
        | OutputForm::Made(_) => {
            reports.document(documents::about(id, documents::Diff::of(from, to, &changes)));
        }
    }
    Ok(if changes.is_empty() { Exit::Done } else { Exit::Failed })
}

fn choose(snapshot: &Snapshot, pair: Option<Pair>) -> Result<(&Revision, &Revision), NoRevision> {
    let history = &snapshot.history;
    let numbered = |number| history.select(RevisionSelector::Number(number));
    let current = || history.current().ok_or(NoRevision::Empty);
    match pair {
        Some(Pair(a, Some(b))) => Ok((numbered(a)?, numbered(b)?)),
        Some(Pair(a, None)) => Ok((numbered(a)?, current()?)),
        None => Ok((history.select(RevisionSelector::Previous)?, current()?)),
    }
}

fn fields(ui: &mut Ui, head: &str, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    ui.line(head);
    for line in change_lines(changes) {
        let style = match line.as_bytes().first() {
            Some(b'+') => Style::Good,
            Some(b'-') => Style::Bad,
            _ => Style::Warn,
        };
        let line = ui.paint(style, &line);
        ui.line(&line);
    }
}

fn unified(ui: &mut Ui, names: &[String; 2], templates: [&Value; 2]) -> Result<(), CliError> {
    let [old, new] = texts(templates)?;
    let mut options = DiffOptions::new();
    options.set_original_filename(names[0].clone()).set_modified_filename(names[1].clone());
    let patch = options.create_patch(&old, &new);
    let text = if patch.hunks().is_empty() { String::new() } else { patch.to_string() };
    for line in text.lines() {
        let line = escape::inline(line).into_owned();
        let painted = match line.as_bytes().first() {
            Some(b'+') => ui.paint(Style::Good, &line),
            Some(b'-') => ui.paint(Style::Bad, &line),
            Some(b'@') => ui.paint(Style::Dim, &line),
            _ => line,
        };
        ui.line(&painted);
    }
    Ok(())
}

fn texts(templates: [&Value; 2]) -> Result<[String; 2], CliError> {
    let text = |template: &Value| yaml::to_string(template).map_err(CliError::failed);
    Ok([text(templates[0])?, text(templates[1])?])
}

/// Runs the user's own differ as kubectl does: split at blanks, extra words only where they look like flags, on this process's
/// own streams. Its exit code says whether anything differs (`pkg/cmd/diff/diff.go`).
async fn run_external(command: &str, names: &[String; 2], templates: [&Value; 2]) -> Result<Exit, CliError> {
    let cannot =
        |error: std::io::Error| CliError::failed(format!("KUBECTL_EXTERNAL_DIFF {command:?}: {error}"));
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let flag = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '=');
    let folder = tempfile::tempdir().map_err(cannot)?;
    let mut paths = Vec::new();
    for (name, text) in names.iter().zip(texts(templates)?) {
        let path = folder.path().join(name.replace('/', "_"));
        std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(cannot)?;
        paths.push(path);
    }
    let mut differ = Command::new(program);
    differ.args(words.filter(flag)).args(&paths).kill_on_drop(true);
    let status = differ.status().await.map_err(cannot)?;
    drop(folder);
    match status.code() {
        Some(0) => Ok(Exit::Done),
        Some(1) => Ok(Exit::Failed),
        Some(code) => Err(CliError::failed(format!("{program} ended with exit code {code}"))),
        None => Err(CliError::failed(format!("{program} was ended by a signal"))),
    }
}
