//! Who is asked, what is run, and what a signal ends.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use cluster::Namespace;
use e2e::scene::{Signal, Terminal, quiet, rollback};
use e2e::{A_WHILE, Running, Web, assert_code, cluster, image, pods, set_image};

const WEB: &str = "deployment/web";

/// A Deployment that can be rolled back.
fn two_revisions(name: &str) -> Namespace<'static> {
    let ns = cluster().namespace(name);
    Web::new("deployment", "app:1").create(&ns);
    set_image(&ns, WEB, "app:2");
    quiet(&ns, WEB);
    ns
}

#[test]
fn a_question_that_is_interrupted_changes_nothing_and_ends_at_once() {
    let ns = two_revisions("asks-int");
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut terminal = Terminal::start(&ns, &["undo", WEB]);
        terminal.shows("[y/N] ");
        terminal.signal(signal);
        let (_, ended) = terminal.ends();
        assert_eq!(ended, code);
    }
    assert_eq!(image(&ns, WEB), "app:2");
}

#[test]
fn whoever_sits_at_the_terminal_is_asked_wherever_the_streams_lead() {
    let ns = two_revisions("asks-tty");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let lines = [
        format!("kubectl rollback undo {WEB} 2>{}", log.display()),
        format!("kubectl rollback undo {WEB} </dev/null"),
        format!("kubectl get {WEB} -o json | kubectl rollback undo -f - >{}", log.display()),
    ];
    for line in &lines {
        let mut terminal = Terminal::shell(&ns, line);
        // The plan is seen by whoever is asked.
        terminal.shows("revision 2 -> 1");
        terminal.shows("[y/N] ");
        terminal.types("n");
        let (_, code) = terminal.ends();
        assert_eq!((code, image(&ns, WEB).as_str()), (8, "app:2"), "{line}");
    }
    let mut terminal = Terminal::shell(&ns, &lines[0]);
    terminal.shows("[y/N] ");
    terminal.types("y");
    assert_eq!((terminal.ends().1, image(&ns, WEB).as_str()), (0, "app:1"));
}

#[test]
fn standard_input_that_never_ends_does_not_hold_a_signal_off() {
    let ns = cluster().namespace("asks-stdin");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut command = ns.cluster().command("kubectl");
        command.args(["rollback", "undo", "-f", "-", "-n", ns.name()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"kind: Deployment\n").unwrap();
        thread::sleep(A_WHILE);
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let mut status = None;
        for _ in 0..100 {
            status = status.or(child.try_wait().unwrap());
            thread::sleep(Duration::from_millis(50));
        }
        let _ = child.kill();
        assert_eq!(status.map(cluster::code), Some(code));
        drop(stdin);
    }
}

#[test]
fn a_command_that_is_tried_is_terminated_with_the_guard_and_what_is_left_unguarded_is_said() {
    let ns = cluster().namespace("asks-try");
    Web::new("deployment", "app:1").create(&ns);
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    for (image, words) in [
        ("app:1", "was not changed by the command"),
        ("app:2", "was changed by the command and is not guarded"),
    ] {
        let script = format!(
            "kubectl set image {WEB} app={image}; \
             trap 'kubectl get {WEB} -o name > {0}; exit 0' TERM; echo ready; while true; do sleep 0.1; done",
            mark.display()
        );
        let mut command = ns.cluster().command("kubectl");
        command.args(["rollback", "try", WEB, "-o", "json", "-n", ns.name(), "--", "sh", "-c", &script]);
        let running = Running::start(command);
        running.says("ready");
        // While it has the terminal, the keyboard's signals are its own.
        running.signal("INT");
        thread::sleep(A_WHILE);
        running.signal("TERM");
        let ended = running.ends();
        assert_code(&ended, 143);
        assert!(ended.stderr.contains(words), "{ended}");
        // It had its kubeconfig to the end, and what it said is no part of the document.
        assert_eq!(fs::read_to_string(&mark).unwrap(), "deployment.apps/web\n");
        assert_eq!(e2e::json(&ended)["outcome"], "interrupted", "{ended}");
    }
}

#[test]
fn a_check_is_about_this_cluster_and_namespace_and_may_leave_something_behind() {
    let ns = cluster().namespace("asks-check");
    Web::new("deployment", "app:1").create(&ns);
    let check = format!(
        "sleep 40 & test \"$(kubectl get {WEB} -o jsonpath='{{.metadata.namespace}}')\" = {}",
        ns.name()
    );
    let began = std::time::Instant::now();
    let good = rollback(&ns, &["try", WEB, "app=app:2", "--soak=1s", "--check", &check]);
    assert_code(&good, 0);
    assert!(began.elapsed() < Duration::from_secs(40), "the background is waited for");
}

#[test]
fn a_typo_is_no_undo() {
    let ns = two_revisions("asks-typo");
    let before = pods(&ns);
    for words in
        [&["stauts", WEB][..], &["staus", "deployment"], &["-f", "web.yaml"], &[WEB, "-f", "web.yaml"]]
    {
        let refused = rollback(&ns, words);
        assert_code(&refused, 2);
        assert!(!refused.stderr.contains("rolled back"), "{refused}");
    }
    let typo = rollback(&ns, &["stauts", WEB]);
    assert!(typo.stderr.contains("'status'"), "{typo}");
    assert_eq!((image(&ns, WEB).as_str(), pods(&ns)), ("app:2", before));
    assert_code(&rollback(&ns, &[WEB]), 0);
    assert_eq!(image(&ns, WEB), "app:1");
    // Names that cannot be get the server's sentence, as with kubectl.
    let kubectl = ns.kubectl(&["get", "deployment/we b"]);
    let ours = rollback(&ns, &["status", "deployment/we b"]);
    assert_eq!((ours.code, &ours.stderr), (1, &kubectl.stderr));
}

#[test]
fn a_template_that_does_not_fit_does_not_hide_how_a_rollout_ended() {
    let ns = cluster().namespace("asks-template");
    Web::new("deployment", "app:1").create(&ns);
    let misfit = ["-o", "jsonpath={.plan.requests[7]}"];
    let good = rollback(&ns, &[&["try", WEB, "app=app:2", "--soak=1s"], &misfit[..]].concat());
    assert_code(&good, 1);
    assert!(good.stderr.contains("deployment \"web\" successfully rolled out"), "{good}");
    let undone = rollback(&ns, &[&["try", WEB, "app=app:missing", "--soak=1s"], &misfit[..]].concat());
    assert_code(&undone, 5);
    assert!(
        undone.stderr.contains("error: the rollout of deployment \"web\" failed and was undone"),
        "{undone}"
    );
}

#[test]
fn whoever_asks_in_two_namespaces_is_told_which_is_meant() {
    let (one, two) = (cluster().namespace("asks-one"), cluster().namespace("asks-two"));
    let mut manifests = Vec::new();
    for ns in [&one, &two] {
        Web::new("deployment", "app:1").create(ns);
        set_image(ns, WEB, "app:2");
        quiet(ns, WEB);
        manifests.push(ns.get(&[WEB]).to_string());
    }
    let folder = tempfile::tempdir().unwrap();
    for (index, text) in manifests.iter().enumerate() {
        fs::write(folder.path().join(format!("{index}.json")), text).unwrap();
    }
    let files = folder.path().to_str().unwrap();
    let names = |text: &str| [&one, &two].iter().all(|ns| text.contains(ns.name()));
    for words in [&["history", "-f", files][..], &["status", "-f", files], &["diff", "-f", files]] {
        let read = rollback(&one, words);
        assert!(names(&read.stdout), "{read}");
    }
    let undone = rollback(&one, &["undo", "-f", files, "-y"]);
    assert_code(&undone, 0);
    assert!(
        undone.stderr.contains("NAMESPACE") && names(&undone.stderr) && names(&undone.stdout),
        "{undone}"
    );
    let each =
        |ns: &Namespace<'_>| format!("successfully rolled out (deployment/web in namespace {})", ns.name());
    assert!(undone.stdout.contains(&each(&one)) && undone.stdout.contains(&each(&two)), "{undone}");
}
