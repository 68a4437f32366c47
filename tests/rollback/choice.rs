//! Where an undo that nobody gave a number goes, and what stops it.

use cluster::Namespace;
use e2e::scene::{Terminal, broken, for_each_kind, quiet, roll, rollback, uids, version};
use e2e::{Web, assert_code, cluster, image, json, observed, set_image};
use serde_json::json;

/// One revision that works, and two failures after it.
fn two_failures(ns: &Namespace<'_>, kind: &'static str) -> String {
    let target = format!("{kind}/web");
    Web::new(kind, "app:1").create(ns);
    set_image(ns, &target, "app:missing");
    broken(ns, "app:missing", 1);
    set_image(ns, &target, "app:crash");
    target
}

/// A warning that stops, with the command that goes to a better revision.
fn hint(id: &str, ns: &Namespace<'_>, target: &str, better: u32) -> String {
    let name = ns.name();
    format!("[{id}, stops]\nhint: kubectl rollback undo {target} -n {name} --to-revision {better}\n")
}

#[test]
fn after_two_failures_undo_stops_and_names_the_last_good_revision() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("choice");
        let target = two_failures(&ns, kind);
        let before = ns.get(&[&target])["metadata"]["generation"].clone();
        for words in
            [["undo", &target].as_slice(), &["undo", &target, "-y"], &["undo", &target, "--dry-run=client"]]
        {
            let stopped = rollback(&ns, words);
            assert_code(&stopped, 8);
            assert!(stopped.stderr.contains(&hint("target-unavailable", &ns, &target, 1)), "{stopped}");
            assert!(
                stopped.stderr.contains("stopped by target-unavailable: nothing was changed"),
                "{stopped}"
            );
            assert!(
                stopped.stderr.contains("hint: --allow target-unavailable goes on all the same"),
                "{stopped}"
            );
            assert_eq!(stopped.stdout.is_empty(), !words.contains(&"--dry-run=client"), "{stopped}");
        }
        let document = json(&rollback(&ns, &["undo", &target, "-o", "json"]));
        assert_eq!((&document["outcome"], &document["exitCode"]), (&json!("stopped"), &json!(8)));
        assert_eq!(document["plan"]["warnings"][0]["id"], "target-unavailable");
        assert_eq!(ns.get(&[&target])["metadata"]["generation"], before, "{kind}");
        let good = rollback(&ns, &["undo", &target, "--to-last-good"]);
        assert_code(&good, 0);
        assert!(good.stdout.contains("rolled back to revision 1\n"), "{good}");
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
    });
}

#[test]
fn a_stopping_warning_that_is_allowed_goes_on_and_its_id_must_exist() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("choice-allow");
        let target = two_failures(&ns, kind);
        let unknown = rollback(&ns, &["undo", &target, "--allow=everything"]);
        assert_code(&unknown, 2);
        assert!(unknown.stderr.contains("target-unavailable, restart-only"), "{unknown}");
        let other = rollback(&ns, &["undo", &target, "--allow=restart-only"]);
        assert_code(&other, 8);
        assert_eq!(image(&ns, &target), "app:crash", "{kind}");
        let output = rollback(&ns, &["undo", &target, "--allow", "restart-only,target-unavailable"]);
        assert_code(&output, 3);
        assert!(output.stderr.contains("image app:missing cannot be pulled"), "{output}");
        assert_eq!(image(&ns, &target), "app:missing", "{kind}");
    });
}

#[test]
fn an_undo_of_nothing_but_a_restart_stops_where_a_better_revision_is_known() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("choice-restart"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        let restart = || {
            ns.kubectl(&["rollout", "restart", &target]).expect_ok();
            observed(&ns, &target);
            quiet(&ns, &target);
        };
        // With nothing else to go back to there is only the warning.
        restart();
        let only = json(&rollback(&ns, &["undo", &target, "--dry-run=client", "-o", "json"]));
        assert_eq!(
            (&only["warnings"][0]["id"], &only["warnings"][0]["stops"]),
            (&json!("restart-only"), &json!(false))
        );
        roll(&ns, &target, "app:2");
        restart();
        let before = uids(&ns);
        let stopped = rollback(&ns, &["undo", &target]);
        assert_code(&stopped, 8);
        assert!(
            stopped.stderr.contains("differs from the current one only in the time of a restart"),
            "{stopped}"
        );
        assert!(stopped.stderr.contains(&hint("restart-only", &ns, &target, 2)), "{stopped}");
        assert_eq!(uids(&ns), before, "{kind}");
        let allowed = rollback(&ns, &["undo", &target, "--allow=restart-only", "--wait=false"]);
        assert_code(&allowed, 0);
        assert!(allowed.stdout.contains("rolled back to revision 3\n"), "{allowed}");
    });
}

#[test]
fn on_a_terminal_the_better_revision_is_a_choice() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("choice-asked");
        let target = two_failures(&ns, kind);
        let mut terminal = Terminal::start(&ns, &["undo", &target]);
        terminal.shows("1  revision 1\r\n");
        terminal.shows("2  revision 2 all the same\r\n");
        terminal.shows("(1-2, empty for none): ");
        terminal.types("");
        let (rest, code) = terminal.ends();
        assert_eq!((code, image(&ns, &target).as_str()), (8, "app:crash"), "{rest}");
        let mut terminal = Terminal::start(&ns, &["undo", &target]);
        terminal.shows("(1-2, empty for none): ");
        terminal.types("1");
        terminal.shows("? [y/N] ");
        terminal.types("y");
        let (rest, code) = terminal.ends();
        assert_eq!((code, image(&ns, &target).as_str()), (0, "app:1"), "{rest}");
    });
}

#[test]
fn what_is_declined_changes_nothing() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("choice-declined"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let before = version(&ns, &target);
        for answer in ["n", "", "maybe"] {
            let mut terminal = Terminal::start(&ns, &["undo", &target]);
            terminal.shows(&format!("Roll {target} back to revision 1? [y/N] "));
            terminal.types(answer);
            let (rest, code) = terminal.ends();
            assert_eq!(code, 8, "{rest}");
            assert!(rest.contains("nothing was changed"), "{rest}");
        }
        assert_eq!(version(&ns, &target), before, "{kind}");
    });
}

#[test]
fn a_template_changed_while_the_question_stands_is_not_overwritten() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("choice-changed"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let mut terminal = Terminal::start(&ns, &["undo", &target]);
        terminal.shows("back to revision 1? [y/N] ");
        set_image(&ns, &target, "app:3");
        terminal.types("y");
        terminal.shows("it was changed while the question stood");
        // What was meant by "previous" stays what it was.
        terminal.shows("app:3 -> app:1");
        terminal.shows("back to revision 1? [y/N] ");
        assert_eq!(image(&ns, &target), "app:3", "{kind}");
        terminal.types("n");
        let (rest, code) = terminal.ends();
        assert_eq!((code, image(&ns, &target).as_str()), (8, "app:3"), "{rest}");
    });
}

#[test]
fn a_scale_while_the_question_stands_does_not_matter() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("choice-scaled"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let mut terminal = Terminal::start(&ns, &["undo", &target]);
        terminal.shows("[y/N] ");
        match kind {
            // It has no replicas; its specification changes all the same.
            "daemonset" => {
                ns.kubectl(&["patch", &target, "--type=merge", "-p", r#"{"spec":{"minReadySeconds":1}}"#])
            }
            _ => ns.kubectl(&["scale", &target, "--replicas=4"]),
        }
        .expect_ok();
        terminal.types("y");
        let (rest, code) = terminal.ends();
        assert_eq!((code, image(&ns, &target).as_str()), (0, "app:1"), "{rest}");
        let spec = ns.get(&[&target])["spec"].take();
        let scaled = if kind == "daemonset" { &spec["minReadySeconds"] } else { &spec["replicas"] };
        assert_eq!(*scaled, if kind == "daemonset" { 1 } else { 4 }, "{kind}");
    });
}
