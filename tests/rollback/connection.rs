//! How the plugin gets to the cluster: as kubectl does, with every credential, and with as few requests as it needs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use cluster::{Login, Namespace, Output, Rule};
use e2e::scene::{roll, rollback};
use e2e::{KINDS, Running, Web, assert_code, cluster, image, json, set_image};
use serde_json::{Value, json};

const OBJECTS: &str =
    "deployments.apps,daemonsets.apps,statefulsets.apps,replicasets.apps,controllerrevisions.apps";
const READ: Rule<'_> = ("get,list,watch", OBJECTS);
const PODS: Rule<'_> = ("get,list,watch", "pods");

/// Runs the plugin with nothing but these words: no namespace, and the kubeconfig as it stands.
fn with(kubeconfig: Option<&str>, words: &[&str]) -> Output {
    let mut kubectl = cluster().command("kubectl");
    match kubeconfig {
        Some(path) => kubectl.env("KUBECONFIG", path),
        None => kubectl.env_remove("KUBECONFIG"),
    };
    kubectl.arg("rollback").args(words);
    Running::start(kubectl).ends()
}

fn config(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Writes a kubeconfig beside nothing else, and returns the folder and the path.
fn written(config: &Value) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    fs::write(&path, config.to_string()).unwrap();
    let path = path.to_str().unwrap().to_string();
    (folder, path)
}

fn rolled(ns: &Namespace<'_>, kind: &'static str) {
    Web::new(kind, "app:1").create(ns);
    roll(ns, &format!("{kind}/web"), "app:2");
}

/// Lists the requests that `-v 6` shows, as `GET /path?query`.
pub fn requests(output: &Output) -> Vec<String> {
    let request = |line: &str| {
        let (method, rest) = line.split_once(" https://")?;
        let (url, _) = rest.split_once(' ')?;
        let (_, path) = url.split_once('/')?;
        ["GET", "PATCH", "POST", "DELETE"].contains(&method).then(|| format!("{method} /{path}"))
    };
    output.stderr.lines().filter_map(request).collect()
}

#[test]
fn every_login_works() {
    let ns = cluster().namespace("login");
    rolled(&ns, "deployment");
    for login in [Login::Token, Login::Certificate, Login::Exec] {
        let kubeconfig = ns.user(login, &[READ, PODS], &[]);
        let history = with(kubeconfig.to_str(), &["history", "deployment/web"]);
        assert_code(&history, 0);
        assert!(history.stdout.contains("app 1 -> 2"), "{login:?}: {history}");
    }
}

#[test]
fn a_credential_helper_is_run_once_for_all_requests() {
    let ns = cluster().namespace("helper");
    rolled(&ns, "deployment");
    let mut config = config(&ns.user(Login::Exec, &[READ, PODS, ("patch", OBJECTS)], &[]));
    let folder = tempfile::tempdir().unwrap();
    let (runs, helper) = (folder.path().join("runs"), folder.path().join("helper"));
    let command = config["users"][0]["user"]["exec"]["command"].as_str().unwrap();
    fs::write(&helper, format!("#!/bin/sh\necho run >> {}\nexec {command}\n", runs.display())).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    config["users"][0]["user"]["exec"]["command"] = json!(helper);
    let (_folder, path) = written(&config);
    let undo = with(Some(&path), &["undo", "deployment/web", "-v", "6"]);
    assert_code(&undo, 0);
    assert!(requests(&undo).len() > 4, "{undo}");
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\n", "{undo}");
    assert_eq!(image(&ns, "deployment/web"), "app:1");
}

#[test]
fn who_may_only_read_sees_everything_and_changes_nothing() {
    let ns = cluster().namespace("readonly");
    rolled(&ns, "deployment");
    let kubeconfig = ns.user(Login::Token, &[READ, PODS], &[]);
    for words in [&["history", "deployment/web"][..], &["status", "deployment/web", "--timeout=60s"]] {
        assert_code(&with(kubeconfig.to_str(), words), 0);
    }
    let undo = with(kubeconfig.to_str(), &["undo", "deployment/web"]);
    assert_code(&undo, 1);
    let said = "Error from server (Forbidden): deployments.apps \"web\" is forbidden: User ";
    assert!(undo.stderr.contains(said) && undo.stderr.contains("cannot patch resource"), "{undo}");
    assert_eq!(undo.stdout, "", "{undo}");
    assert_eq!(image(&ns, "deployment/web"), "app:2");
}

#[test]
fn who_may_not_watch_is_told_which_right_is_missing() {
    const LISTED: Rule<'_> = ("get,list,patch", "deployments.apps");
    let sets = |verbs| (verbs, "replicasets.apps");
    for (resource, rules) in [
        ("deployments", [LISTED, sets("get,list,watch"), PODS]),
        ("replicasets", [("get,list,watch,patch", "deployments.apps"), sets("get,list"), PODS]),
        (
            "pods",
            [("get,list,watch,patch", "deployments.apps"), sets("get,list,watch"), ("get,list", "pods")],
        ),
    ] {
        let ns = cluster().namespace("unwatched");
        rolled(&ns, "deployment");
        e2e::set_image(&ns, "deployment/web", "app:never");
        let kubeconfig = ns.user(Login::Token, &rules, &[]);
        let status = with(kubeconfig.to_str(), &["status", "deployment/web", "--timeout=60s"]);
        assert_code(&status, 1);
        let says = format!("cannot watch resource \"{resource}\"");
        assert!(status.stderr.contains(&says), "{status}");
    }
}

#[test]
fn who_may_not_see_pods_is_told_so_and_gets_the_counters() {
    for kind in KINDS {
        let ns = cluster().namespace("nopods");
        rolled(&ns, kind);
        let target = format!("{kind}/web");
        let kubeconfig = ns.user(Login::Token, &[READ], &[]);
        let history = with(kubeconfig.to_str(), &["history", &target]);
        assert_code(&history, 0);
        // ReplicaSets count their pods themselves.
        assert_eq!(history.stdout.contains("<hidden>"), kind != "deployment", "{history}");
        let status = with(kubeconfig.to_str(), &["status", &target, "--timeout=60s", "-o", "json"]);
        assert_code(&status, 0);
        assert_eq!(json(&status)["state"], "complete", "{status}");
        assert!(status.stderr.contains("may not be listed"), "{status}");
        set_image(&ns, &target, "app:never");
        assert_code(&with(kubeconfig.to_str(), &["status", &target, "--timeout=2s"]), 4);
    }
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    fs::write(&broken, "clusters: [\n").unwrap();
    let (broken, gone) = (broken.to_str().unwrap(), "/no/such/kubeconfig");
    let said = format!("error: error loading config file \"{broken}\": ");
    let no_context = "Error in configuration: context was not found for specified context: nope\nhint: the kubeconfig has ";
    let admin = cluster().kubeconfig().to_str().unwrap().to_string();
    for (kubeconfig, words, sentence) in [
        (Some(broken), &[][..], said.as_str()),
        (Some(&admin), &["--kubeconfig", gone], "error: stat /no/such/kubeconfig: no such file or directory"),
        (Some(&admin), &["--context", "nope"], no_context),
        (Some(&admin), &["--cluster", "nope"], "error: no server found for cluster \"nope\""),
        (Some(&admin), &["--user", "nope"], "error: auth info \"nope\" does not exist"),
        (None, &[], "The connection to the server localhost:8080 was refused"),
    ] {
        let refused = with(kubeconfig, &[&["undo", "deployment/web"], words].concat());
        assert_code(&refused, 1);
        assert!(refused.stderr.starts_with(sentence), "{refused}");
        assert_eq!(refused.stdout, "", "{refused}");
    }
}

#[test]
fn a_server_that_cannot_be_reached_and_a_token_that_is_not_known_are_said() {
    let ns = cluster().namespace("unreachable");
    let kubeconfig = ns.user(Login::Token, &[READ], &[]);
    for (words, sentence) in [
        (["--server", "https://127.0.0.1:1"], "The connection to the server 127.0.0.1:1 was refused"),
        (["--server", "https://no-such-host.invalid"], "Unable to connect to the server: dial tcp: lookup"),
        (
            ["--token", "expired"],
            "error: You must be logged in to the server (Unauthorized)\nhint: the token ",
        ),
    ] {
        let refused = with(kubeconfig.to_str(), &[&["undo", "deployment/web"], &words[..]].concat());
        assert_code(&refused, 1);
        assert!(refused.stderr.starts_with(sentence), "{refused}");
        assert_eq!(refused.stdout, "", "{refused}");
    }
}

#[test]
fn contexts_lists_and_flags_are_read_as_kubectl_reads_them() {
    let ns = cluster().namespace("contexts");
    rolled(&ns, "deployment");
    let mut config = config(&ns.user(Login::Token, &[READ, PODS], &[]));
    let mut elsewhere = config["contexts"][0].clone();
    elsewhere["name"] = json!("elsewhere");
    elsewhere["context"]["namespace"] = json!("default");
    config["contexts"].as_array_mut().unwrap().push(elsewhere);
    let (_folder, path) = written(&config);
    let history = ["history", "deployment/web"];
    let cluster = &config["clusters"][0]["cluster"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let data = text(&cluster["certificate-authority-data"]);
    let decoded = Output::of(Command::new("base64").arg("-d"), &data).unwrap().expect_ok();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.crt"), decoded).unwrap();
    let authority = text(&json!(folder.path().join("ca.crt")));
    let server = [
        "--server".to_string(),
        text(&cluster["server"]),
        "--certificate-authority".to_string(),
        authority,
        "--token".to_string(),
        text(&config["users"][0]["user"]["token"]),
        "-n".to_string(),
        ns.name().to_string(),
    ];
    let server: Vec<&str> = server.iter().map(String::as_str).collect();
    let list = format!("/no/such/kubeconfig:{path}");
    for (kubeconfig, words) in [
        (Some(path.as_str()), vec!["--context", "test"]),
        (Some(&path), vec!["--context", "elsewhere", "-n", ns.name()]),
        (Some(&list), vec![]),
        (None, vec!["--kubeconfig", &path]),
        (None, server),
    ] {
        let found = with(kubeconfig, &[&history[..], &words].concat());
        assert_code(&found, 0);
        assert!(found.stdout.contains("app 1 -> 2"), "{found}");
    }
    let wrong = with(Some(&path), &["history", "deployment/web", "--context", "elsewhere"]);
    assert_code(&wrong, 1);
    assert!(wrong.stderr.contains("in the namespace \"default\""), "{wrong}");
}

#[test]
fn somebody_else_is_impersonated_in_every_request() {
    let ns = cluster().namespace("impersonate");
    rolled(&ns, "deployment");
    let nobody = rollback(&ns, &["undo", "deployment/web", "--as", "nobody"]);
    assert_code(&nobody, 1);
    assert!(nobody.stderr.contains("User \"nobody\" cannot get resource \"deployments\""), "{nobody}");
    let masters = rollback(&ns, &["undo", "deployment/web", "--as=somebody", "--as-group=system:masters"]);
    assert_code(&masters, 0);
    assert_eq!(image(&ns, "deployment/web"), "app:1");
}

#[test]
fn no_more_is_asked_of_the_server_than_is_needed() {
    // Beside the object, its revisions, its pods and the patch: disruption budgets, autoscalers where there are replicas, and
    // quotas where more pods are made; of a DaemonSet the nodes, which say where a pod does not come back.
    for (kind, history, undo, watched) in
        [("deployment", 2, 7, 3), ("daemonset", 3, 6, 4), ("statefulset", 3, 6, 3)]
    {
        let ns = cluster().namespace("requests");
        let target = format!("{kind}/web");
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let read = rollback(&ns, &["history", &target, "-v", "6"]);
        assert_code(&read, 0);
        assert_eq!(requests(&read).len(), history, "{read}");
        let now = rollback(&ns, &["status", &target, "--watch=false", "-v", "6"]);
        assert_code(&now, 0);
        assert_eq!(requests(&now).len(), 3, "{now}");
        let written = rollback(&ns, &["undo", &target, "-v", "6"]);
        assert_code(&written, 0);
        let (watches, others): (Vec<String>, Vec<String>) =
            requests(&written).into_iter().partition(|request| request.contains("watch=true"));
        assert!(others.len() <= undo, "{written}");
        assert_eq!(watches.len(), watched, "{written}");
        assert_eq!(others.iter().filter(|request| request.starts_with("PATCH ")).count(), 1, "{written}");
        let all = [requests(&read), requests(&now), watches, others].concat();
        // Discovery would ask for /api, /apis or a group; everything here is in the namespace, but for nodes.
        let here = format!("/namespaces/{}/", ns.name());
        let known = |request: &String| request.contains(&here) || request.contains("/api/v1/nodes?");
        assert!(all.iter().all(known), "{all:?}");
    }
}
