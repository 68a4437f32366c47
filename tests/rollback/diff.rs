//! `kubectl rollback diff`: what differs between two revisions, in every form.

use cluster::Output;
use e2e::scene::{for_each_kind, qualified, roll, rollback};
use e2e::{Web, assert_code, cluster, json, observed};
use serde_json::{Value, json};

#[test]
fn diff_compares_previous_with_current_unless_told_otherwise() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("diff"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        roll(&ns, &target, "app:3");
        for (words, revisions, images) in [
            ([].as_slice(), "2 -> 3", "app:2 -> app:3"),
            (&["--revision", "1"], "1 -> 3", "app:1 -> app:3"),
            (&["--revision", "1,2"], "1 -> 2", "app:1 -> app:2"),
            (&["--revision", "2,1"], "2 -> 1", "app:2 -> app:1"),
        ] {
            let output = rollback(&ns, &[&["diff", &target], words].concat());
            assert_code(&output, 1);
            let name = qualified(kind);
            let expected = format!("{name}: revision {revisions}\n~ spec.containers[app].image: {images}\n");
            assert_eq!(output.stdout, expected);
            assert_eq!(output.stderr, "");
        }
    });
}

#[test]
fn diff_ends_with_0_where_nothing_differs_and_2_where_it_cannot_compare() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("diff-codes"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        let trouble = |words: &[&str], why: &str| {
            let output = rollback(&ns, &[&["diff", &target], words].concat());
            assert_code(&output, 2);
            assert!(output.stderr.contains(why), "{output}");
            assert_eq!(output.stdout, "");
        };
        trouble(&[], "no last revision to roll back to");
        trouble(&["--revision", "5"], "unable to find specified revision 5 in history");
        trouble(&["--revision", "1,5"], "revisions that exist: 1");
        trouble(&["--revision", "one"], "revision must be a positive integer: one");
        let same = rollback(&ns, &["diff", &target, "--revision", "1"]);
        assert_code(&same, 0);
        assert_eq!((same.stdout.as_str(), same.stderr.as_str()), ("", ""));
        let gone = rollback(&ns, &["diff", &format!("{kind}/nowhere")]);
        assert_code(&gone, 2);
        assert!(gone.stderr.contains("\"nowhere\" not found"), "{gone}");
    });
}

#[test]
fn lists_are_matched_by_their_keys() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("diff-lists"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        // By JSON patch: the order is ours, a merge would choose its own.
        let set = |containers: Value| {
            let patch =
                json!([{ "op": "replace", "path": "/spec/template/spec/containers", "value": containers }]);
            ns.kubectl(&["patch", &target, "--type", "json", "-p", &patch.to_string()]).expect_ok();
            observed(&ns, &target);
        };
        let variable = |name: &str, value: &str| json!({ "name": name, "value": value });
        let (a, b) = (variable("A", "1"), variable("B", "2"));
        set(json!([{ "name": "app", "image": "app:1", "env": [a, b] }]));
        set(json!([
            { "name": "log", "image": "log:1" },
            { "name": "app", "image": "app:1", "env": [variable("NEW", "x"), a, variable("B", "3")] },
        ]));
        let output = rollback(&ns, &["diff", &target, "-o", "json"]);
        assert_code(&output, 1);
        let paths: Vec<Value> = (json(&output)["changes"].as_array().into_iter().flatten())
            .map(|change| json!([change["path"], change["from"], change["to"]]))
            .collect();
        let says = |path: &str, from: Value, to: Value| paths.contains(&json!([path, from, to]));
        assert!(says("spec.containers[app].env[B].value", json!("2"), json!("3")), "{output}");
        let names = |start: &str| {
            paths.iter().filter(|it| it[0].as_str().is_some_and(|it| it.starts_with(start))).count()
        };
        assert_eq!(names("spec.containers[app].env[NEW]"), 1, "{output}");
        assert_eq!(names("spec.containers[app].env[A]"), 0, "{output}");
        assert_eq!(names("spec.containers[log]"), 1, "{output}");
        assert_eq!(paths.len(), 3, "{output}");
    });
}

#[test]
fn each_form_of_a_diff_says_the_same() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("diff-forms"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let form = |form: &str| -> Output {
            let output = rollback(&ns, &["diff", &target, "-o", form]);
            assert_code(&output, 1);
            output
        };
        let document = json(&form("json"));
        assert_eq!((&document["kind"], &document["workload"]["name"]), (&json!("Diff"), &json!("web")));
        assert_eq!((&document["from"], &document["to"]), (&json!(1), &json!(2)));
        let change = json!([{ "path": "spec.containers[app].image", "from": "app:1", "to": "app:2" }]);
        assert_eq!(document["changes"], change);
        let patch = json!([{ "op": "replace", "path": "/spec/containers/0/image", "value": "app:2" }]);
        assert_eq!(json(&form("json-patch")), patch);
        let unified = form("unified").stdout;
        let name = qualified(kind);
        assert!(
            unified.starts_with(&format!("--- {name}/revision-1\n+++ {name}/revision-2\n@@ ")),
            "{unified}"
        );
        let changed = |sign: char| -> Vec<&str> {
            let lines = unified.lines().skip(2).filter_map(|line| line.strip_prefix(sign));
            lines.map(|line| line.trim_start_matches([' ', '-'])).collect()
        };
        assert_eq!((changed('-'), changed('+')), (vec!["image: app:1"], vec!["image: app:2"]));
        assert_eq!(form("name").stdout, format!("{name}\n"));
    });
}

#[test]
fn the_differ_of_the_user_is_used_as_kubectl_uses_it() {
    let (ns, target) = (cluster().namespace("diff-external"), "deployment/web");
    Web::new("deployment", "app:1").create(&ns);
    roll(&ns, target, "app:2");
    let diff = |differ: &str| {
        let mut command = cluster().command("kubectl");
        command.args(["rollback", "diff", target, "-n", ns.name()]).env("KUBECTL_EXTERNAL_DIFF", differ);
        Output::of(&mut command, "").unwrap_or_else(|error| panic!("{error}"))
    };
    let own = diff("diff -u -N");
    assert_code(&own, 1);
    assert!(own.stdout.contains("image: app:1\n+") && own.stdout.contains("image: app:2\n"), "{own}");
    assert!(own.stdout.starts_with("--- /"), "{own}");
    // Its exit code is what counts, and our own unified form is what `diff -u` prints.
    assert_code(&diff("true"), 0);
    assert_code(&diff("sh -c"), 2);
    let unified = rollback(&ns, &["diff", target, "-o", "unified"]);
    let hunks = |text: &str| text.lines().skip(2).map(str::to_string).collect::<Vec<_>>();
    assert_eq!(hunks(&unified.stdout), hunks(&own.stdout));
    let missing = diff("no-such-differ");
    assert_code(&missing, 2);
    assert!(missing.stderr.contains("no-such-differ"), "{missing}");
}
