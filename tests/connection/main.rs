//! The plugin beside kubectl: a table of kubeconfigs, servers, certificates, helpers and proxies, each of which both get to see.
//! They have to end alike and to say the same; a row that does not says why. Needs no control plane.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

mod answers;
mod certificates;
mod configs;
mod helpers;
mod lab;
mod proxies;
mod server;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use lab::{Place, Ran};

/// How many rows are looked at at a time: most of a row is waiting for kubectl to start.
const AT_ONCE: usize = 4;

/// What is expected of a row.
#[derive(Clone, Copy)]
enum Expected {
    /// Both end alike and say the same.
    Same,
    /// Both end alike; why they say something else.
    OtherWords(&'static str),
    /// The plugin works and kubectl does not; why.
    OnlyOurs(&'static str),
    /// kubectl works and the plugin does not; why.
    OnlyKubectl(&'static str),
}

type Build = Box<dyn Fn(&mut Place) + Send + Sync>;

/// One thing that both get to see.
struct Row {
    name: String,
    expected: Expected,
    /// Whether the plugin is started by itself: kubectl would look at kuberc before it.
    direct: bool,
    build: Build,
}

fn row(name: impl Into<String>, build: impl Fn(&mut Place) + Send + Sync + 'static) -> Row {
    Row { name: name.into(), expected: Expected::Same, direct: false, build: Box::new(build) }
}

impl Row {
    fn but(self, expected: Expected) -> Row {
        Row { expected, ..self }
    }

    fn direct(self) -> Row {
        Row { direct: true, ..self }
    }
}

fn programs() -> &'static (PathBuf, PathBuf) {
    static PROGRAMS: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let kubectl = cluster::build_tools().expect("kubectl").join("kubectl");
        let plugins = cluster::build_plugins().expect("the plugins");
        let named = |path: &PathBuf| path.ends_with("kubectl-rollback");
        (kubectl, plugins.into_iter().find(named).expect("kubectl-rollback"))
    })
}

fn look(row: &Row) -> Result<(), String> {
    let (kubectl, plugin) = programs();
    let folders = [kubectl.parent().unwrap(), plugin.parent().unwrap()];
    let place = |row: &Row| {
        let mut place = Place::new();
        (row.build)(&mut place);
        place
    };
    let theirs = place(row).run(kubectl, &["get", "deployment", "web", "-o", "name"], &folders);
    let ours = match row.direct {
        true => place(row).run(plugin, &["history", "deployment/web"], &folders),
        false => place(row).run(kubectl, &["rollback", "history", "deployment/web"], &folders),
    };
    let shown = |ran: &Ran| format!("{:?}: {}{}", ran.code, ran.stdout, ran.said);
    let (same_end, same_words) = (theirs.worked() == ours.worked(), theirs.said == ours.said);
    let fits = match row.expected {
        Expected::Same => same_end && (same_words || ours.worked()),
        Expected::OtherWords(_) => same_end && !same_words,
        Expected::OnlyOurs(_) => !theirs.worked() && ours.worked(),
        Expected::OnlyKubectl(_) => theirs.worked() && !ours.worked(),
    };
    let why = match row.expected {
        Expected::Same => "",
        Expected::OtherWords(why) | Expected::OnlyOurs(why) | Expected::OnlyKubectl(why) => why,
    };
    if fits {
        return Ok(());
    }
    Err(format!("== {} ({why})\n-- kubectl {}\n-- plugin  {}", row.name, shown(&theirs), shown(&ours)))
}

fn hold(rows: Vec<Row>, at_least: usize) {
    assert!(rows.len() >= at_least, "{} rows", rows.len());
    let only = std::env::var("ROW").unwrap_or_default();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if !row.name.contains(&only) {
                        continue;
                    }
                    if let Err(error) = look(row) {
                        wrong.lock().unwrap().push(error);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn whoevers_kubeconfig_works_with_kubectl_has_one_that_works_here() {
    hold(configs::rows(), 55);
}

#[test]
fn helpers_and_issuers_run_as_with_kubectl() {
    hold(helpers::rows(), 30);
}

#[test]
fn certificates_are_judged_as_by_kubectl() {
    hold(certificates::rows(), 20);
}

#[test]
fn answers_are_understood_as_by_kubectl() {
    hold(answers::rows(), 30);
}

#[test]
fn proxies_are_gone_through_as_by_kubectl() {
    hold(proxies::rows(), 25);
}

#[test]
fn a_rollout_that_ends_behind_a_dead_connection_is_seen() {
    let (kubectl, plugin) = programs();
    let watches = AtomicUsize::new(0);
    let handler: server::Handler = Arc::new(move |_, request| {
        let before = match request.path.contains("watch=true") {
            true => watches.fetch_add(1, Ordering::SeqCst),
            false => 0,
        };
        server::silenced(request, before)
    });
    let address = server::start(Some(lab::lab().server.config(None)), handler);
    let mut place = Place::new();
    place.single(&lab::cluster(address), "token: good");
    let folders = [kubectl.parent().unwrap(), plugin.parent().unwrap()];
    // kubectl's pings take 45 seconds at most; without an end of its own the watch would be silent for ever.
    let ran = place.run(plugin, &["status", "deployment/web", "--timeout=200s"], &folders);
    assert!(ran.worked(), "{:?}: {}{}", ran.code, ran.stdout, ran.said);
}
