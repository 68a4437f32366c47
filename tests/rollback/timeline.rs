//! `timeline`: what went live lately in many workloads, newest first, with what it changed and how far it is.

use cluster::{Login, Namespace, Output};
use e2e::scene::{Terminal, change, for_each_kind, next_second, quiet, roll, rollback};
use e2e::{Web, assert_code, cluster, image, json, set_image, until};
use serde_json::{Value, json};

/// Returns the entries of a document.
#[track_caller]
fn entries(output: &Output) -> Vec<Value> {
    let document = json(output);
    assert_eq!(document["kind"], "Timeline", "{output}");
    assert_eq!(document["apiVersion"], "rollout-plugins.dev/v1alpha1", "{output}");
    document["entries"].as_array().unwrap_or_else(|| panic!("no entries: {output}")).clone()
}

/// Asks for the entries, which has to succeed.
#[track_caller]
fn timeline(ns: &Namespace<'_>, words: &[&str]) -> Vec<Value> {
    let output = rollback(ns, &[&["timeline", "-o", "json"], words].concat());
    assert_code(&output, 0);
    entries(&output)
}

/// Writes entries as `Kind/name revision`.
fn names(entries: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let name = |it: &Value| format!("{}/{}", text(&it["workload"]["kind"]), text(&it["workload"]["name"]));
    entries.iter().map(|it| format!("{} {}", name(it), it["revision"])).collect()
}

/// Creates a Deployment of one replica under another name.
fn create_other(ns: &Namespace<'_>, name: &str) {
    Web::new("deployment", "app:1").named(name).replicas(1).create(ns);
}

#[test]
fn what_went_live_in_all_kinds_comes_newest_first_with_what_changed() {
    let ns = cluster().namespace("timeline-kinds");
    for kind in ["deployment", "daemonset", "statefulset"] {
        Web::new(kind, "app:1").replicas(1).create(&ns);
    }
    for (kind, cause) in
        [("daemonset", "the first"), ("statefulset", "the second"), ("deployment", "the third")]
    {
        next_second();
        change(&ns, &format!("{kind}/web"), "app:2", cause);
        quiet(&ns, &format!("{kind}/web"));
    }
    let all = timeline(&ns, &[]);
    let newest = ["Deployment/web 2", "StatefulSet/web 2", "DaemonSet/web 2"];
    assert_eq!((&names(&all)[..3], all.len()), (&newest.map(String::from)[..], 6));
    for (entry, cause) in all.iter().zip(["the third", "the second", "the first"]) {
        assert_eq!(entry["state"], "current");
        assert_eq!(entry["changeCause"], cause);
        assert_eq!(
            entry["changes"],
            json!([{"path": "spec.containers[app].image", "from": "app:1", "to": "app:2"}])
        );
        assert!(entry["time"].as_str().is_some_and(|at| at.ends_with('Z')), "{entry}");
        assert_eq!((&entry["workload"]["namespace"], entry.get("items")), (&json!(ns.name()), None));
    }
    for entry in &all[3..] {
        assert_eq!((&entry["state"], entry.get("changes")), (&json!("old"), None), "{entry}");
    }
    let table = rollback(&ns, &["timeline"]);
    assert_code(&table, 0);
    let lines: Vec<Vec<&str>> = table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["AGE", "NAME", "REVISION", "STATE", "CHANGED", "CHANGE-CAUSE"]);
    assert_eq!(lines[1][1..], ["deploy/web", "2", "current", "app", "1", "->", "2", "the", "third"]);
    assert_eq!(lines[4][2..], ["1", "old", "app", "app:1", "<none>"]);
    let names = rollback(&ns, &["timeline", "--limit", "2", "-o", "name"]);
    assert_eq!(names.stdout, "deployment.apps/web\nstatefulset.apps/web\n", "{names}");
}

#[test]
fn the_hint_undoes_the_newest() {
    let ns = cluster().namespace("timeline-hint");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    let first = rollback(&ns, &["timeline"]);
    assert!(!first.stderr.contains("hint"), "{first}");
    next_second();
    roll(&ns, "deployment/web", "app:2");
    let output = rollback(&ns, &["timeline"]);
    let command = format!("undo deployment/web -n {}", ns.name());
    assert_eq!(output.stderr, format!("hint: to undo the newest: kubectl rollback {command}\n"), "{output}");
    let words: Vec<&str> = command.split(' ').collect();
    assert_code(&rollback(&ns, &words[..2]), 0);
    assert_eq!(image(&ns, "deployment/web"), "app:1");
}

#[test]
fn a_revision_that_came_back_stands_where_it_came_back() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("timeline-back"), format!("{kind}/web"));
        Web::new(kind, "app:1").replicas(1).create(&ns);
        let created = timeline(&ns, &[&target]);
        next_second();
        roll(&ns, &target, "app:2");
        next_second();
        roll(&ns, &target, "app:1");
        let back = timeline(&ns, &[&target]);
        let numbers: Vec<&Value> = back.iter().map(|it| &it["revision"]).collect();
        assert_eq!(numbers, [3, 2], "{kind}");
        assert_eq!(back[0]["changes"][0]["to"], "app:1", "{kind}");
        assert_eq!([&back[0]["state"], &back[1]["state"]], ["current", "old"], "{kind}");
        // RFC 3339 of one zone sorts as text.
        let at = |entry: &Value| entry["time"].as_str().unwrap_or_default().to_string();
        assert!(at(&back[0]) > at(&back[1]) && at(&back[1]) > at(&created[0]), "{kind}: {back:?}");
    });
}

#[test]
fn only_what_went_live_since_a_time_is_shown_where_one_is_given() {
    let ns = cluster().namespace("timeline-since");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    next_second();
    roll(&ns, "deployment/web", "app:2");
    let all = timeline(&ns, &["--since", "24h"]);
    assert_eq!(names(&all), ["Deployment/web 2", "Deployment/web 1"]);
    let at = all[0]["time"].as_str().unwrap_or_default();
    assert_eq!(names(&timeline(&ns, &["--since", at])), ["Deployment/web 2"]);
    let one = rollback(&ns, &["timeline", "--limit", "1"]);
    assert_eq!(one.stdout.lines().count(), 2, "{one}");
    assert!(
        one.stderr.starts_with("1 older one is not shown: --since TIME or --limit N, 0 for all\n"),
        "{one}"
    );
    assert_eq!(timeline(&ns, &["--limit", "0"]).len(), 2);
    next_second();
    let none = rollback(&ns, &["timeline", "--since", "0"]);
    assert_code(&none, 0);
    assert_eq!((&*none.stdout, &*none.stderr), ("", "Nothing was rolled out since then.\n"), "{none}");
    let wrong = rollback(&ns, &["timeline", "--since", "yesterday"]);
    assert_code(&wrong, 2);
    assert!(wrong.stderr.contains("neither a time such as"), "{wrong}");
    assert_code(&rollback(&ns, &["timeline", "--limit", "-1"]), 2);
}

#[test]
fn all_namespaces_are_one_timeline() {
    let (one, other) = (cluster().namespace("timeline-a"), cluster().namespace("timeline-b"));
    Web::new("deployment", "app:1").replicas(1).create(&one);
    next_second();
    Web::new("daemonset", "app:1").create(&other);
    let everywhere = timeline(&one, &["-A", "--limit", "0"]);
    let place =
        |ns: &Namespace<'_>| everywhere.iter().position(|it| it["workload"]["namespace"] == ns.name());
    assert!(place(&other).is_some() && place(&other) < place(&one), "{everywhere:?}");
    let table = rollback(&one, &["timeline", "-A", "--limit", "0"]);
    assert_code(&table, 0);
    let header: Vec<&str> = table.stdout.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(header[..3], ["AGE", "NAMESPACE", "NAME"], "{table}");
}

#[test]
fn targets_are_named_selected_or_all_of_a_type() {
    let ns = cluster().namespace("timeline-targets");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    Web::new("daemonset", "app:1").create(&ns);
    // More than are asked for one by one.
    (1..=9).for_each(|number| create_other(&ns, &format!("other{number}")));
    for (words, wanted) in [
        (&["deploy/web"][..], &["Deployment/web 1"][..]),
        (&["ds"], &["DaemonSet/web 1"]),
        (&["-l", "app=other1"], &["Deployment/other1 1"]),
        (&["deploy/web", "deploy/other2"], &["Deployment/other2 1", "Deployment/web 1"]),
    ] {
        let mut found = names(&timeline(&ns, words));
        found.sort();
        assert_eq!(found, wanted, "{words:?}");
    }
    ns.wait_until("all have a revision", e2e::LONG, || timeline(&ns, &[]).len() == 11);
    let missing = rollback(&ns, &["timeline", "deploy/nothing"]);
    assert_code(&missing, 1);
    assert!(missing.stderr.contains("deployments.apps \"nothing\" not found"), "{missing}");
}

#[test]
fn where_nothing_is_there_that_is_said() {
    let ns = cluster().namespace("timeline-empty");
    let output = rollback(&ns, &["timeline"]);
    assert_code(&output, 0);
    let said = format!("No resources found in {} namespace.\n", ns.name());
    assert_eq!((&*output.stdout, &*output.stderr), ("", &*said), "{output}");
    assert_eq!(timeline(&ns, &[]), Vec::<Value>::new());
}

#[test]
fn what_may_not_be_listed_is_an_error_and_the_rest_is_shown() {
    let ns = cluster().namespace("timeline-rights");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    Web::new("daemonset", "app:1").create(&ns);
    let with = |rules: &[(&str, &str)]| {
        let kubeconfig = ns.user(Login::Token, rules, &[]);
        rollback(&ns, &["timeline", "-o", "json", "--kubeconfig", kubeconfig.to_str().unwrap_or_default()])
    };
    let deployments = with(&[("get,list", "deployments.apps,replicasets.apps")]);
    assert_code(&deployments, 1);
    assert_eq!(names(&entries(&deployments)), ["Deployment/web 1"], "{deployments}");
    for plural in ["daemonsets", "statefulsets"] {
        assert!(deployments.stderr.contains(&format!("cannot list resource \"{plural}\"")), "{deployments}");
    }
}

#[test]
fn who_may_not_read_templates_still_gets_times_and_states() {
    let ns = cluster().namespace("timeline-lists");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    next_second();
    roll(&ns, "deployment/web", "app:2");
    let rules = [("get,list", "deployments.apps"), ("list", "replicasets.apps")];
    let kubeconfig = ns.user(Login::Token, &rules, &[]);
    let words = ["timeline", "deploy/web", "--kubeconfig", kubeconfig.to_str().unwrap_or_default()];
    let output = rollback(&ns, &words);
    assert_code(&output, 1);
    assert!(output.stderr.contains("cannot get resource \"replicasets\""), "{output}");
    let row: Vec<&str> = output.stdout.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[1..], ["deploy/web", "2", "current", "<unknown>", "<none>"], "{output}");
}

#[test]
fn the_newest_revision_says_how_far_it_is() {
    let ns = cluster().namespace("timeline-states");
    Web::new("deployment", "app:1").replicas(1).spec("progressDeadlineSeconds: 1").create(&ns);
    Web::new("daemonset", "app:1").spec("updateStrategy: { type: OnDelete }").create(&ns);
    Web::new("statefulset", "app:1").replicas(1).create(&ns);
    set_image(&ns, "deployment/web", "app:never");
    set_image(&ns, "daemonset/web", "app:2");
    set_image(&ns, "statefulset/web", "app:never");
    until(&ns, "deployment/web", "missed its deadline", |object| {
        let conditions = object["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|it| it["reason"] == "ProgressDeadlineExceeded")
    });
    for (target, state) in [("deploy/web", "failed"), ("ds/web", "held"), ("sts/web", "updating")] {
        let of_one = timeline(&ns, &[target]);
        assert_eq!([&of_one[0]["state"], &of_one[1]["state"]], [state, "old"], "{target}");
    }
}

#[test]
fn long_names_and_causes_fit_a_terminal_of_80_columns() {
    let ns = cluster().namespace("timeline-wide-enough-for-nobody-at-all");
    let name = "a-deployment-with-a-name-that-says-it-all";
    create_other(&ns, name);
    next_second();
    change(&ns, &format!("deployment/{name}"), "app:2", "a reason that takes half a line to be told in full");
    for words in [&["timeline"][..], &["timeline", "-l", "app=a-deployment-with-a-name-that-says-it-all"]] {
        let (shown, code) = Terminal::start(&ns, words).ends();
        assert_eq!(code, 0, "{shown}");
        let table: Vec<&str> = shown.lines().take_while(|line| !line.contains("hint:")).collect();
        assert!(table.len() == 3 && table.iter().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(table[1].contains("a reason") && table[1].contains("app 1 -> 2"), "{shown}");
    }
    let (shown, _) = Terminal::start(&ns, &["timeline", "-A", "--limit", "20"]).ends();
    let table = shown.lines().take_while(|line| !line.contains("hint:") && !line.contains("not shown"));
    assert!(table.into_iter().all(|line| line.chars().count() <= 80), "{shown}");
}
