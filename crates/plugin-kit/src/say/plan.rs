//! A plan as people read it before they agree to it.

use kubectl_terminal::table::Table;
use kubectl_terminal::{Style, Ui, escape};
use rollout_core::RevisionNumber;
use rollout_core::objects::few;
use rollout_core::plan::{Impact, Plan, PlannedStep, Warning};
use rollout_core::template::diff::summary;

use crate::say::changes::change_lines;

/// Pods that are named one by one; more are counted.
const NAMED: usize = 10;

/// Prints the plans on stderr: one in full, several as a table.
pub fn print(ui: &mut Ui, plans: &[&Plan], desired: impl Fn(&Plan) -> u32) {
    body(ui, plans, desired);
    warnings(ui, plans);
}

/// Prints the plans on stdout: with `--dry-run` they are what was asked for. What speaks against them is said beside that.
pub fn print_data(ui: &mut Ui, plans: &[&Plan], desired: impl Fn(&Plan) -> u32) {
    ui.as_data(|ui| body(ui, plans, desired));
    warnings(ui, plans);
}

fn body(ui: &mut Ui, plans: &[&Plan], desired: impl Fn(&Plan) -> u32) {
    match plans {
        [plan] => one(ui, plan, desired(plan)),
        plans => {
            many(ui, plans);
            for plan in plans {
                let name = name(plan, plans);
                plan.notes.iter().for_each(|note| ui.note(&format!("{name}: {}", escape::inline(note))));
            }
        }
    }
}

fn warnings(ui: &mut Ui, plans: &[&Plan]) {
    for plan in plans {
        let of = if plans.len() > 1 { format!("{}: ", name(plan, plans)) } else { String::new() };
        plan.warnings.iter().for_each(|warning| print_warning(ui, &of, warning));
    }
}

fn name(plan: &Plan, plans: &[&Plan]) -> String {
    let id = &plan.workload;
    if spans(plans) { format!("{id} in namespace {}", id.namespace) } else { id.to_string() }
}

fn one(ui: &mut Ui, plan: &Plan, desired: u32) {
    let at = format!("{} in namespace {}", plan.workload.qualified(), plan.workload.namespace);
    let head = match (plan.changes.is_empty(), plan.requests.is_empty()) {
        (true, true) if plan.impact.pods.is_empty() => {
            format!("{at}: is at revision {}, and what it waits for should pass", number(plan.to))
        }
        (true, true) => format!("{at}: is at revision {} and stuck", number(plan.to)),
        (true, false) => match plan.to {
            Some(number) => format!("{at}: stays at revision {number}"),
            None => format!("{at}: its template is not rolled out yet"),
        },
        (false, _) => format!("{at}: revision {} -> {}", number(plan.from), target(plan)),
    };
    let head = ui.paint_err(Style::Name, &head);
    ui.note(&head);
    for line in change_lines(&plan.changes) {
        ui.note(&format!("  {line}"));
    }
    for line in step_lines(&plan.steps) {
        ui.note(&format!("  {line}"));
    }
    for line in impact_lines(&plan.impact, desired) {
        ui.note(&format!("  {line}"));
    }
    for note in &plan.notes {
        ui.note(&format!("  {}", escape::inline(note)));
    }
}

/// A template that is not recorded yet becomes a new revision.
fn target(plan: &Plan) -> String {
    match (plan.to, plan.changes.is_empty()) {
        (None, false) => "new".to_string(),
        (Some(_) | None, _) => number(plan.to),
    }
}

/// Tells whether plans are about more than one namespace.
fn spans(plans: &[&Plan]) -> bool {
    plans.iter().any(|plan| plan.workload.namespace != plans[0].workload.namespace)
}

fn many(ui: &mut Ui, plans: &[&Plan]) {
    let spans = spans(plans);
    let columns = ["NAMESPACE", "NAME", "FROM", "TO", "PODS", "CHANGES"];
    let mut table = Table::plain(&columns[usize::from(!spans)..]).shorten("CHANGES");
    for plan in plans {
        let cells = [
            plan.workload.namespace.clone(),
            plan.workload.to_string(),
            number(plan.from),
            target(plan),
            plan.impact.pods.len().to_string(),
            summary(&plan.changes),
        ];
        table.push(cells.into_iter().skip(usize::from(!spans)));
    }
    let text = table.render(None, false);
    ui.err(&text);
}

/// Says what each step replaces: on which nodes where it goes by nodes.
fn step_lines(steps: &[PlannedStep]) -> Vec<String> {
    let of = steps.last().map_or(0, |step| step.step);
    let line = |PlannedStep { step, words, total, nodes, pods }: &PlannedStep| {
        let names = match if nodes.is_empty() { pods } else { nodes }.as_slice() {
            [] => "nothing more".to_string(),
            names => few(names),
        };
        format!("step {step} of {of} ({words}): {names}, {total} new in all")
    };
    steps.iter().map(line).collect()
}

/// Says what happens to the pods.
pub fn impact_lines(impact: &Impact, desired: u32) -> Vec<String> {
    if !impact.known {
        return vec!["pods: may not be read, so nothing can be foretold".to_string()];
    }
    if impact.pods.is_empty() {
        return vec!["pods: none is replaced".to_string()];
    }
    let mut names: Vec<String> =
        impact.pods.iter().take(NAMED).map(|pod| escape::inline(&pod.name).into_owned()).collect();
    if impact.pods.len() > NAMED {
        names.push(format!("and {} more", impact.pods.len() - NAMED));
    }
    let how = match (impact.moves_by_itself, impact.pods.len()) {
        (true, _) => "replaced",
        (false, 1) => "deleted, as nothing else replaces it",
        (false, _) => "deleted one by one, as nothing else replaces them",
    };
    vec![
        format!("pods: {} {how}: {}", impact.pods.len(), names.join(", ")),
        format!(
            "meanwhile: at least {} of {desired} available, at most {} pods",
            impact.least_available, impact.most_existing
        ),
    ]
}

/// Prints a warning with its id, which `--allow` takes.
pub fn print_warning(ui: &mut Ui, of: &str, warning: &Warning) {
    let stops = if warning.stops { ", stops" } else { "" };
    ui.warn(&format!("{of}{} [{}{stops}]", escape::inline(&warning.message), warning.id.as_str()));
    if let Some(fix) = &warning.fix {
        ui.hint(&escape::inline(fix));
    }
}

fn number(number: Option<RevisionNumber>) -> String {
    RevisionNumber::or(number, "<none>")
}
