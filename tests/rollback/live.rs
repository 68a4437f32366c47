//! `-w`: tables that stay, of many workloads, of a history, of what went live.

use cluster::{Cluster, Options, Part};
use e2e::scene::{Terminal, next_second, roll, rollback};
use e2e::{Running, Web, assert_code, cluster, install, set_image};
use serde_json::Value;

#[test]
fn many_workloads_are_watched_as_a_table_in_which_they_come_and_go() {
    let ns = cluster().namespace("live-status");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    Web::new("statefulset", "app:1").named("db").replicas(1).create(&ns);
    let table = Running::rollback(&ns, &["status", "deployments,sts,ds", "-w"]);
    table.says("NAME             STATE      REVISION   UPDATED   AGE");
    table.says("deployment/web   complete   1          1/1");
    let lines = Running::rollback(
        &ns,
        &["status", "deployments,sts,ds", "-w", "-o", "json", "--output-watch-events"],
    );
    lines.says("ADDED");
    let mut terminal = Terminal::start(&ns, &["status", "deployments,sts,ds", "-w"]);
    terminal.shows("deployment/web");

    set_image(&ns, "deployment/web", "app:missing");
    table.says("deployment/web   failed     2          1/1");
    table.says("image-pull");
    terminal.shows("failed");
    terminal.shows("image-pull");
    Web::new("daemonset", "app:1").named("log").create(&ns);
    table.says("daemonset/log");
    terminal.shows("daemonset/log");
    ns.kubectl(&["delete", "statefulset", "db"]).expect_ok();
    table.says("statefulset/db   gone\n");
    lines.says("DELETED");
    assert_eq!(table.said().matches("NAME").count(), 1, "{}", table.said());
    assert_eq!(table.said().matches("statefulset/db").count(), 2, "{}", table.said());

    table.signal("INT");
    assert_code(&table.ends(), 130);
    lines.signal("TERM");
    let lines = lines.ends();
    assert_code(&lines, 143);
    let events: Vec<Value> =
        serde_json::Deserializer::from_str(&lines.stdout).into_iter().map(|it| it.unwrap()).collect();
    let sorts: Vec<&str> = events.iter().filter_map(|it| it["type"].as_str()).collect();
    assert_eq!(sorts.iter().filter(|it| **it == "ADDED").count(), 3, "{lines}");
    let last = &events[events.len() - 1];
    assert_eq!((&last["type"], &last["object"]["workload"]["name"]), (&"DELETED".into(), &"db".into()));
    assert!(events.iter().all(|it| it["object"]["kind"] == "Status"), "{lines}");
}

#[test]
fn the_whole_cluster_is_watched_with_one_watch_of_each_sort() {
    let ns = cluster().namespace("live-all");
    let names: Vec<String> = (1..=5).map(|number| format!("web{number}")).collect();
    for name in &names {
        e2e::create(&ns, &Web::new("deployment", "app:1").named(name).replicas(1).yaml());
    }
    let words = ["status", "-A", "-w", "--timeout=6s", "-v=6"];
    let output = rollback(&ns, &words);
    assert_code(&output, 4);
    assert!(output.stderr.ends_with("error: timed out waiting for the condition\n"), "{output}");
    let head: Vec<&str> = output.stdout.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(head, ["NAMESPACE", "NAME", "STATE", "REVISION", "UPDATED", "AGE", "CAUSE"]);
    for name in &names {
        let row = |line: &str| line.starts_with(ns.name()) && line.contains(&format!("deployment/{name} "));
        assert!(output.stdout.lines().any(row), "{output}");
    }
    // Three kinds, two sorts of revisions, pods and nodes.
    let watches = output.stderr.lines().filter(|line| line.contains("watch=true")).count();
    assert_eq!(watches, 7, "{output}");
}

#[test]
fn those_that_are_named_are_watched_alone_and_what_is_not_there_is_said() {
    let ns = cluster().namespace("live-named");
    for name in ["api", "web", "other"] {
        Web::new("deployment", "app:1").named(name).replicas(1).create(&ns);
    }
    let output = rollback(&ns, &["status", "deploy/api", "deploy/web", "deploy/none", "-w", "--timeout=3s"]);
    assert_code(&output, 4);
    assert!(output.stderr.contains("deployments.apps \"none\" not found"), "{output}");
    let names: Vec<&str> = output.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["NAME", "deployment/api", "deployment/web"], "{output}");
    let none = rollback(&ns, &["status", "deploy/none", "deploy/nothing", "-w", "--ignore-not-found"]);
    assert_eq!((none.code, &*none.stdout, &*none.stderr), (0, "", ""), "{none}");
}

#[test]
fn a_history_is_watched_until_its_workload_is_gone() {
    let ns = cluster().namespace("live-history");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    let table = Running::rollback(&ns, &["history", "deployment/web", "-w"]);
    table.says("deployment.apps/web\nREVISION");
    let documents = Running::rollback(
        &ns,
        &["history", "deployment/web", "-w", "-o", "jsonpath={.revisions[*].revision};"],
    );
    documents.says("1;");
    let mut terminal = Terminal::start(&ns, &["history", "deployment/web", "-w"]);
    terminal.shows("*1");
    roll(&ns, "deployment/web", "app:2");
    table.says("*2");
    documents.says("1 2;");
    let drawn = terminal.shows("*2");
    assert!(drawn.contains("\u{1b}[H"), "{drawn:?}");
    ns.kubectl(&["delete", "deployment", "web"]).expect_ok();
    let ended = table.ends();
    assert_code(&ended, 1);
    assert!(ended.stderr.ends_with("error: object has been deleted\n"), "{ended}");
    assert_eq!(ended.stdout.matches("REVISION").count(), 1, "{ended}");
    for (words, said) in [
        (&["deployment/web", "daemonset/web", "-w"][..], "watch is only supported on individual resources"),
        (&["deployment/web", "-w", "--revision=1"], "--watch shows the revisions"),
    ] {
        let refused = rollback(&ns, &[&["history"], words].concat());
        assert!(refused.stderr.contains(said), "{refused}");
        assert_code(&refused, 2);
    }
}

#[test]
fn what_goes_live_is_shown_as_it_does_also_after_the_server_was_away() {
    let own = Cluster::start(&Options { nodes: 1, ..Options::default() }).expect("a cluster starts");
    install(&own);
    let ns = own.namespace("live-timeline");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    let table = Running::rollback(&ns, &["timeline", "-w"]);
    table.says("deploy/web   1          current   app app:1");
    let documents = Running::rollback(&ns, &["timeline", "-w", "-o", "json"]);
    documents.says("\"revision\": 1");
    let status = Running::rollback(&ns, &["status", "deployments", "-w"]);
    status.says("deployment/web   complete   1");
    let mut terminal = Terminal::start(&ns, &["timeline", "-w"]);
    terminal.shows("deploy/web");
    next_second();
    set_image(&ns, "deployment/web", "app:2");
    table.says("2          current   app 1 -> 2");
    table.says(" old ");
    documents.says("\"revision\": 2");
    terminal.shows("app 1 -> 2");
    own.stop(Part::ApiServer).unwrap();
    table.says("the API server does not answer (");
    status.says("the API server does not answer (");
    own.restart(Part::ApiServer).unwrap();
    table.says("the API server answers again");
    next_second();
    Web::new("statefulset", "app:1").named("db").replicas(1).create(&ns);
    table.says("sts/db");
    status.says("the API server answers again");
    table.signal("INT");
    let ended = table.ends();
    assert_code(&ended, 130);
    assert_eq!(ended.stdout.matches("CHANGED").count(), 1, "{ended}");
    documents.signal("INT");
    let documents = documents.ends();
    let all: Vec<Value> =
        serde_json::Deserializer::from_str(&documents.stdout).into_iter().map(|it| it.unwrap()).collect();
    assert!(
        all.iter().all(|it| it["kind"] == "Timeline" && it["entries"].as_array().map(Vec::len) == Some(1))
    );
}
