//! What goes wrong on the way: the server dies and comes back, a reader goes away, somebody interrupts.

use std::io;
use std::process::Stdio;

use cluster::{Cluster, Namespace, Options, Part};
use e2e::scene::{CAUSE, Terminal, change, roll, rollback};
use e2e::{Running, Web, assert_code, cluster, image, install, set_image};

/// A Deployment whose new pods never get ready.
fn unfinished(ns: &Namespace<'_>) {
    Web::new("deployment", "app:1").create(ns);
    set_image(ns, "deployment/web", "app:never");
}

#[test]
fn a_server_that_dies_and_comes_back_does_not_end_the_watch() {
    let cluster = Cluster::start(&Options { nodes: 2, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    let ns = cluster.namespace("restart");
    unfinished(&ns);
    let watch = Running::rollback(&ns, &["status", "deployment/web"]);
    watch.says("deployment/web: 1 of 3 new");
    die_and_come_back(&cluster, &watch);
    set_image(&ns, "deployment/web", "app:3");
    let ended = watch.ends();
    assert_code(&ended, 0);
    assert_eq!(ended.stdout, "deployment \"web\" successfully rolled out\n", "{ended}");

    // Eight seconds for each of three pods, one after the other: it cannot be over before the server dies.
    roll(&ns, "deployment/web", "app:slow");
    roll(&ns, "deployment/web", "app:4");
    let undo = Running::rollback(&ns, &["undo", "deployment/web"]);
    undo.says("rolled back to revision ");
    die_and_come_back(&cluster, &undo);
    let ended = undo.ends();
    assert_code(&ended, 0);
    assert!(ended.stdout.ends_with("deployment \"web\" successfully rolled out\n"), "{ended}");
    assert_eq!(image(&ns, "deployment/web"), "app:slow");
}

fn die_and_come_back(cluster: &Cluster, watch: &Running) {
    cluster.stop(Part::ApiServer).unwrap();
    watch.says("the API server does not answer (");
    cluster.restart(Part::ApiServer).unwrap();
    watch.says("the API server answers again");
}

#[test]
fn an_interruption_ends_the_waiting_and_says_so_by_its_exit_code() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let ns = cluster().namespace("interrupted");
        unfinished(&ns);
        let watch = Running::rollback(&ns, &["status", "deployment/web"]);
        watch.says("deployment/web: ");
        watch.signal(signal);
        let ended = watch.ends();
        assert_code(&ended, code);
        assert_eq!(ended.stdout, "", "{ended}");

        roll(&ns, "deployment/web", "app:2");
        let undo = Running::rollback(&ns, &["undo", "deployment/web", "--to-revision=2"]);
        undo.says("rolled back to revision 2");
        undo.says("deployment/web: ");
        undo.signal(signal);
        assert_code(&undo.ends(), code);
        assert_eq!(image(&ns, "deployment/web"), "app:never", "what was written stays written");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let ns = cluster().namespace("pipe");
    Web::new("deployment", "app:1").create(&ns);
    roll(&ns, "deployment/web", "app:2");
    for words in [
        &["history", "deployment/web"][..],
        &["history", "deployment/web", "-o", "json"],
        &["history", "deployment/web", "--revision=1"],
        &["status", "deployment/web"],
        &["options"],
        &["completion", "bash"],
        &["--help"],
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut kubectl = ns.cluster().command("kubectl");
        kubectl.arg("rollback").args(words).args(["-n", ns.name()]);
        kubectl.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let output = kubectl.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("error"), "{words:?}: {said}");
    }
    let mut sh = ns.cluster().command("bash");
    let script = "set -o pipefail; kubectl rollback history deployment/web -n \"$0\" -o json | head -n 1";
    sh.args(["-c", script, ns.name()]);
    let piped = Running::start(sh).ends();
    assert_code(&piped, 0);
    assert_eq!((piped.stdout.as_str(), piped.stderr.as_str()), ("{\n", ""));
}

#[test]
fn colour_is_for_terminals_and_for_who_asks_for_it() {
    let ns = cluster().namespace("colour");
    Web::new("deployment", "app:1").create(&ns);
    roll(&ns, "deployment/web", "app:2");
    let plan = ["undo", "deployment/web", "--dry-run=client"];
    let all = |more: &[&str]| {
        let output = rollback(&ns, &[&plan[..], more].concat());
        assert_code(&output, 0);
        format!("{}{}", output.stdout, output.stderr)
    };
    let plain = all(&[]);
    assert!(plain.contains("app:2 -> app:1") && !plain.contains('\u{1b}'), "{plain}");
    assert_eq!(all(&["--color=never"]), plain);
    let coloured = all(&["--color=always"]);
    assert!(coloured.contains("\u{1b}["), "{coloured}");

    let shown = |program: &[&str]| {
        let mut script = ns.cluster().command("script");
        let inner = [program, &["kubectl", "rollback"], &plan, &["-n", ns.name()]].concat().join(" ");
        script.args(["-qec", &inner, "/dev/null"]).env("TERM", "xterm");
        Running::start(script).ends().stdout
    };
    assert!(shown(&[]).contains("\u{1b}["));
    let without = shown(&["env", "NO_COLOR=1"]);
    assert!(without.contains("app:2 -> app:1") && !without.contains("\u{1b}["), "{without}");
}

#[test]
fn a_table_fits_the_terminal_however_long_the_reasons_are() {
    let ns = cluster().namespace("narrow");
    Web::new("deployment", "app:1").create(&ns);
    let reason = "because of a very long story that nobody will ever read to its end ".repeat(3);
    change(&ns, "deployment/web", "app:2", &reason);
    assert_eq!(ns.get(&["deployment/web"])["metadata"]["annotations"][CAUSE], reason);
    let (shown, code) = Terminal::start(&ns, &["history", "deployment/web"]).ends();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("app 1 -> 2") && shown.contains("because of"), "{shown}");
    let widest = shown.lines().map(|line| line.trim_end().chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}: {shown}");
    // Off a terminal nothing is cut: a script gets all of it.
    let piped = rollback(&ns, &["history", "deployment/web"]).expect_ok();
    assert!(piped.contains(reason.trim_end()), "{piped}");
}
