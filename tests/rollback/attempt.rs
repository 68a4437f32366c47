//! `kubectl rollback try`: a change whose starting point is known, by new images or by anybody's command.

use std::fs;
use std::path::Path;

use cluster::{Namespace, Output};
use e2e::scene::{
    CAUSE, Terminal, annotation, for_each_kind, qualified, quiet, roll, rollback, uids, version,
};
use e2e::{KINDS, Running, Web, assert_code, cluster, image, json, pods, set_image, settled};
use serde_json::{Value, json};

use crate::guard::{all_run, at_once, named};

/// Tries with a soak that keeps tests short.
#[track_caller]
fn attempt(ns: &Namespace<'_>, words: &[&str]) -> Output {
    rollback(ns, &[&["try", "--soak=2s", "--timeout=60s"], words].concat())
}

#[test]
fn an_image_that_works_stays_with_its_reason() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("try"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        let words = [target.as_str(), "app=app:2", "--reason=faster TLS"];
        let good = attempt(&ns, &words);
        assert_code(&good, 0);
        let name = qualified(kind);
        let end = format!("{name} image updated\n{} successfully rolled out\n", named(kind));
        assert_eq!(good.stdout, end);
        assert!(good.stderr.contains("~ spec.containers[app].image: app:1 -> app:2"), "{good}");
        assert_eq!(annotation(&ns, &target, CAUSE), serde_json::Value::Null);
        let history = rollback(&ns, &["history", &target]).expect_ok();
        assert!(history.contains("faster TLS"), "{history}");
        all_run(&ns, &target, "app:2");
        let before = version(&ns, &target);
        for words in [["app=app:2"], ["*=app:2"]] {
            let same = attempt(&ns, &[&[target.as_str()][..], &words].concat());
            assert_code(&same, 0);
            assert_eq!(same.stdout, format!("{name} has these images already\n"));
        }
        assert_eq!(version(&ns, &target), before, "{kind}");
        assert_code(&attempt(&ns, &[&target, "*=app:3"]), 0);
        assert_eq!(image(&ns, &target), "app:3");
    });
}

#[test]
fn an_image_that_fails_is_taken_back_and_most_pods_never_knew() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("try-bad"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        let before = uids(&ns);
        let bad = attempt(&ns, &[&target, "app=app:missing", "-o", "json"]);
        assert_code(&bad, 5);
        let document = json(&bad);
        assert_eq!(
            (&document["outcome"], &document["exitCode"]),
            (&json!("undone"), &json!(5)),
            "{document}"
        );
        assert_eq!(document["causes"][0]["id"], "image-pull", "{document}");
        assert_eq!(document["plan"]["changes"][0]["to"], "app:missing", "{document}");
        all_run(&ns, &target, "app:1");
        let kept = uids(&ns).values().filter(|uid| before.values().any(|it| it == *uid)).count();
        let replaced = if kind == "deployment" { 0 } else { 1 };
        assert_eq!(kept, before.len() - replaced, "{kind}");
    });
}

#[test]
fn the_way_back_leads_to_what_was_there_before_also_where_nothing_else_would_say_so() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("try-before"), format!("{kind}/web"));
        at_once(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let bad = attempt(&ns, &[&target, "app=app:missing"]);
        assert_code(&bad, 5);
        assert!(bad.stderr.contains("was undone: revision 2 is back"), "{bad}");
        all_run(&ns, &target, "app:2");
    });
}

#[test]
fn a_workload_that_keeps_no_history_is_taken_back_too() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("try-limit"), format!("{kind}/web"));
        at_once(kind, "app:1").spec("revisionHistoryLimit: 0").create(&ns);
        let bad = attempt(&ns, &[&target, "app=app:missing"]);
        assert_code(&bad, 5);
        all_run(&ns, &target, "app:1");
    });
}

#[test]
fn what_cannot_be_tried_is_refused_and_changes_nothing() {
    let ns = cluster().namespace("try-refused");
    let target = "deployment/web";
    Web::new("deployment", "app:1").create(&ns);
    let before = version(&ns, target);
    let name = ns.name();
    for (words, code, says) in [
        (&["nginx=nginx:1"][..], 1, "error: unable to find container named \"nginx\""),
        (&["nginx=nginx:1"], 1, "hint: containers that exist: app\n"),
        (&["app="], 2, "error: \"app=\" is not CONTAINER=IMAGE"),
        (&["=app:2"], 2, "error: \"=app:2\" is not CONTAINER=IMAGE"),
        (&["*=app:2", "app=app:3"], 2, "error: all containers are already specified by *"),
        (&["app=app:2", "--", "true"], 2, "error: either images or a command change the target, not both"),
        (
            &[],
            2,
            "error: at least one image update is required\nhint: CONTAINER=IMAGE, or a command behind --",
        ),
        (&["app=app:2", "--wait=false"], 2, "error: try guards what it changes"),
        (&["--dry-run", "--", "true"], 2, "--dry-run and --reason are the command's own business here"),
        (&["--reason=x", "--", "true"], 2, "--dry-run and --reason are the command's own business here"),
        (&["--token=secret", "--", "true"], 2, "error: --token cannot be passed on to a command\nhint: "),
        (&["--as=somebody", "--", "true"], 2, "error: --as cannot be passed on to a command\nhint: "),
        (&["app=app:2", "--check-query=up"], 2, "does not end with a comparison with a number"),
        (&["app=app:2", "--check-query=up > 0"], 2, "error: --check-query needs --prometheus"),
        (&["app=app:2", "--prometheus=here"], 2, "\"here\" is not NAMESPACE/SERVICE:PORT"),
    ] {
        let refused = attempt(&ns, &[&[target][..], words].concat());
        assert_code(&refused, code);
        assert!(refused.stderr.contains(says), "{says:?}: {refused}");
        assert_eq!(refused.stdout, "", "{refused}");
    }
    for words in [&["deployment/gone", "app=app:2"][..], &["deployments", "-l", "app=none", "app=app:2"]] {
        assert_code(&attempt(&ns, words), 1);
    }
    assert_eq!(version(&ns, target), before);
    for kind in KINDS {
        let target = format!("{kind}/web");
        if kind != "deployment" {
            Web::new(kind, "app:1").create(&ns);
        }
        assert_code(&rollback(&ns, &["pause", &target]), 0);
        let paused = attempt(&ns, &[&target, "app=app:2"]);
        assert_code(&paused, 1);
        let says = format!("error: a paused {kind} cannot be tried; resume it first");
        assert!(paused.stderr.starts_with(&says), "{paused}");
        assert!(paused.stderr.contains(&format!("({target} in namespace {name})")), "{paused}");
        assert_eq!(image(&ns, &target), "app:1");
    }
}

#[test]
fn the_plan_is_shown_first_and_asked_about() {
    let ns = cluster().namespace("try-plan");
    let target = "statefulset/web";
    Web::new("statefulset", "app:1").create(&ns);
    let before = version(&ns, target);
    for (flag, suffix) in [("--dry-run=client", "(dry run)"), ("--dry-run=server", "(server dry run)")] {
        let planned = attempt(&ns, &[target, "app=app:2", flag]);
        assert_code(&planned, 0);
        let end = format!("statefulset.apps/web image updated {suffix}\n");
        assert!(planned.stdout.ends_with(&end), "{planned}");
        assert!(planned.stdout.contains("3 replaced: web-2, web-1, web-0"), "{planned}");
        let document = json(&attempt(&ns, &[target, "app=app:2", flag, "-o", "json"]));
        assert_eq!((&document["kind"], &document["fromRevision"]), (&json!("Plan"), &json!(1)));
    }
    let mut terminal = Terminal::start(&ns, &["try", target, "app=app:2"]);
    terminal.shows("app:1 -> app:2");
    terminal.shows("Try this on statefulset/web? [y/N] ");
    terminal.types("n");
    let (rest, code) = terminal.ends();
    assert_eq!(code, 8, "{rest}");
    assert_eq!(version(&ns, target), before);
    let mut terminal = Terminal::start(&ns, &["try", target, "app=app:2", "--soak=1s"]);
    terminal.shows("? [y/N] ");
    terminal.types("y");
    let (rest, code) = terminal.ends();
    assert_eq!(code, 0, "{rest}");
    assert_eq!(image(&ns, target), "app:2");
}

#[test]
fn several_need_a_yes_and_may_be_taken_back_together() {
    let ns = cluster().namespace("try-several");
    for kind in ["deployment", "statefulset"] {
        Web::new(kind, "app:1").replicas(1).create(&ns);
    }
    let both = ["deployment/web", "statefulset/web"];
    let unasked = attempt(&ns, &[&both[..], &["app=app:2"]].concat());
    assert_code(&unasked, 2);
    assert!(unasked.stderr.contains("2 workloads would be changed and nobody can be asked"), "{unasked}");
    let tried = attempt(&ns, &[&both[..], &["app=app:missing", "-y", "--all-or-none"]].concat());
    assert_code(&tried, 5);
    assert_eq!(both.map(|target| image(&ns, target)), ["app:1", "app:1"]);
}

#[test]
fn a_command_that_works_is_guarded_and_one_that_breaks_it_is_taken_back() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("try-command"), format!("{kind}/web"));
        at_once(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let set = |tag: &'static str| attempt(&ns, &[&target, "--", "kubectl", "set", "image", &target, tag]);
        let good = set("app=app:3");
        assert_code(&good, 0);
        let end = format!("{} image updated\n{} successfully rolled out\n", qualified(kind), named(kind));
        assert_eq!(good.stdout, end);
        let bad = set("app=app:missing");
        assert_code(&bad, 5);
        assert!(bad.stderr.contains("was undone: revision 3 is back"), "{bad}");
        all_run(&ns, &target, "app:3");
        let nothing = set("app=app:3");
        assert_code(&nothing, 0);
        let said = format!("{} was not changed by the command\n", qualified(kind));
        assert_eq!(nothing.stdout, said, "{nothing}");
    });
}

#[test]
fn what_a_failed_command_changed_is_guarded_and_nothing_else_is_undone() {
    let ns = cluster().namespace("try-failing");
    let target = "deployment/web";
    Web::new("deployment", "app:1").create(&ns);
    let shell = |script: &'static str| attempt(&ns, &[target, "--", "sh", "-c", script]);
    let bad = shell("kubectl set image deployment/web app=app:missing; exit 3");
    assert_code(&bad, 1);
    assert!(bad.stderr.contains("error: sh ended with exit code 3\n"), "{bad}");
    assert!(bad.stderr.contains("was undone: revision 1 is back"), "{bad}");
    all_run(&ns, target, "app:1");
    let good = shell("kubectl set image deployment/web app=app:2; exit 3");
    assert_code(&good, 1);
    assert!(good.stdout.ends_with("deployment \"web\" successfully rolled out\n"), "{good}");
    assert_eq!(image(&ns, target), "app:2");
    let before = version(&ns, target);
    for (command, says) in [
        (&["false"][..], "error: false ended with exit code 1\n"),
        (&["no-such-program", "x"], "error: cannot run \"no-such-program\": "),
        (&["sh", "-c", "kill -9 $$"], "error: sh was ended by a signal\n"),
    ] {
        let failed = attempt(&ns, &[&[target, "--"], command].concat());
        assert_code(&failed, 1);
        assert!(failed.stderr.starts_with(says), "{failed}");
        assert_eq!(failed.stdout, "deployment.apps/web was not changed by the command\n", "{failed}");
    }
    assert_eq!(version(&ns, target), before);
}

#[test]
fn what_a_command_creates_is_guarded_and_has_no_way_back() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("try-create");
        let target = format!("{kind}/web");
        let folder = tempfile::tempdir().unwrap();
        let write = |tag: &str| {
            let yaml = Web::new(kind, &format!("app:{tag}")).replicas(1).yaml();
            fs::write(folder.path().join("web.yaml"), yaml).unwrap();
        };
        let path = folder.path().to_str().unwrap();
        write("missing");
        let apply = ["-f", path, "--", "kubectl", "apply", "-f", path];
        let failed = attempt(&ns, &apply);
        assert_code(&failed, 3);
        assert!(
            failed.stderr.contains("was not undone: there is no older revision to go back to"),
            "{failed}"
        );
        assert!(!failed.stderr.contains("(NotFound)"), "{failed}");
        assert_eq!(image(&ns, &target), "app:missing");
        // The first one that works.
        let ns = cluster().namespace("try-create");
        write("1");
        assert_code(&attempt(&ns, &apply), 0);
        quiet(&ns, &target);
        write("missing");
        assert_code(&attempt(&ns, &apply), 5);
        assert_eq!(image(&ns, &target), "app:1");
    });
}

#[test]
fn all_of_what_a_command_changed_is_taken_back_together() {
    let ns = cluster().namespace("try-together");
    let targets = ["deployment/web", "statefulset/web"];
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    Web::new("statefulset", "app:1").replicas(1).create(&ns);
    let script = "kubectl set image deployment/web app=app:2 && kubectl set image sts/web app=app:missing";
    let words = [&targets[..], &["--all-or-none", "--", "sh", "-c", script]].concat();
    let output = attempt(&ns, &words);
    assert_code(&output, 5);
    assert_eq!(targets.map(|target| image(&ns, target)), ["app:1", "app:1"], "{output}");
}

/// The admin's kubeconfig with a second context, and the namespace of the first one elsewhere.
fn two_contexts(ns: &Namespace<'_>, path: &Path) {
    let text = fs::read_to_string(ns.cluster().kubeconfig()).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut here = config["contexts"][0].clone();
    config["contexts"][0]["context"]["namespace"] = json!("kube-public");
    here["name"] = json!("here");
    here["context"]["namespace"] = json!(ns.name());
    config["contexts"].as_array_mut().unwrap().push(here);
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn a_command_acts_on_the_same_context_and_namespace_and_sees_no_credentials() {
    let ns = cluster().namespace("try-context");
    let target = "deployment/web";
    Web::new("deployment", "app:1").create(&ns);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    two_contexts(&ns, &config);
    let script = "kubectl set image deployment/web app=$0 >&2; \
                  echo \"$KUBECONFIG\"; cat \"${KUBECONFIG%%:*}\"; echo; kubectl config current-context";
    for (tag, chosen) in [("app:2", ["--context", "here"]), ("app:3", ["-n", ns.name()])] {
        let mut kubectl = ns.cluster().command("kubectl");
        kubectl.env("KUBECONFIG", &config).args(["rollback", "try", target, "--soak=1s"]).args(chosen);
        let output = Running::start({
            kubectl.args(["--", "sh", "-c", script, tag]);
            kubectl
        })
        .ends();
        assert_code(&output, 0);
        assert_eq!(image(&ns, target), tag);
        let mut lines = output.stdout.lines();
        let (list, overlay) = (lines.next().unwrap(), lines.next().unwrap());
        let (file, rest) = list.split_once(':').unwrap();
        assert_eq!(rest, config.to_str().unwrap());
        assert!(!Path::new(file).exists(), "{file} is left");
        let overlay: Value = serde_json::from_str(overlay).unwrap();
        assert_eq!(overlay["contexts"][0]["context"]["namespace"], ns.name(), "{overlay}");
        assert!(overlay.get("users").is_none() && overlay.get("clusters").is_none(), "{overlay}");
        for word in ["token", "certificate", "password", "client-key", "exec"] {
            assert!(!overlay.to_string().contains(word), "{overlay}");
        }
        let context = lines.next().unwrap();
        assert_eq!(overlay["current-context"], context, "{output}");
        assert_eq!(context == "here", chosen[0] == "--context", "{output}");
    }
}

#[test]
fn a_command_that_changes_another_object_only_is_said_to_have_changed_nothing() {
    let ns = cluster().namespace("try-other");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    Web::new("statefulset", "app:1").replicas(1).create(&ns);
    let words = ["deployment/web", "--", "kubectl", "set", "image", "statefulset/web", "app=app:2"];
    let output = attempt(&ns, &words);
    assert_code(&output, 0);
    assert!(output.stdout.ends_with("deployment.apps/web was not changed by the command\n"), "{output}");
    // A scale is no rollout.
    let scaled =
        attempt(&ns, &["deployment/web", "--", "kubectl", "scale", "deployment/web", "--replicas=2"]);
    assert_code(&scaled, 0);
    assert!(scaled.stdout.ends_with("deployment.apps/web was not changed by the command\n"), "{scaled}");
    settled(&ns, "deployment/web");
    assert_eq!(pods(&ns).len(), 3);
    set_image(&ns, "deployment/web", "app:2");
}
