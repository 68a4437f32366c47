//! What users of kubectl expect of the output: columns of their own, which kubectl judges on the same documents, names for
//! pipes, patterns in `-f`, and nothing said of what does not exist.

use std::fs;

use cluster::Namespace;
use e2e::scene::{roll, rollback};
use e2e::{Web, assert_code, cluster, json, settled};
use serde_json::{Value, json};

/// Lets the API server keep documents of a kind as they are, so that kubectl can be asked for them.
fn keeps_documents(ns: &Namespace<'_>, kind: &str) {
    let singular = kind.to_lowercase();
    let plural = format!("{singular}docs");
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.rollout-plugins.dev")},
        "spec": {
            "group": "rollout-plugins.dev", "scope": "Namespaced",
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": singular},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    });
    ns.cluster().kubectl_with(&["apply", "-f", "-"], &definition.to_string()).expect_ok();
    let name = format!("crd/{plural}.rollout-plugins.dev");
    ns.kubectl(&["wait", &name, "--for=condition=Established", "--timeout=60s"]).expect_ok();
}

#[test]
fn custom_columns_are_those_of_kubectl_on_the_same_documents() {
    let ns = cluster().namespace("columns");
    for name in ["api", "web"] {
        Web::new("deployment", "app:1").named(name).replicas(2).create(&ns);
    }
    roll(&ns, "deployment/web", "app:2");
    keeps_documents(&ns, "History");
    let list = json(&rollback(&ns, &["history", "deployments", "-o", "json"]));
    for document in list["items"].as_array().unwrap() {
        let mut object = document.clone();
        object["metadata"] = json!({"name": document["workload"]["name"], "namespace": ns.name()});
        ns.cluster().kubectl_with(&["create", "-f", "-"], &object.to_string()).expect_ok();
    }
    let kubectl = |name: &[&str], form: &str, more: &[&str]| {
        ns.kubectl(&[&["get", "historydocs.rollout-plugins.dev"], name, &["-o", form], more].concat())
    };
    let ours = |target: &str, form: &str, more: &[&str]| {
        rollback(&ns, &[&["history", target, "-o", form], more].concat())
    };
    for columns in [
        "NAME:.workload.name,KIND:.kind",
        "N:workload.name,R:{.revisions[*].revision},K:{kind}",
        "IMAGES:.revisions[*].images",
        "IMAGE:.revisions[*].images.app,GOOD:.revisions[*].good",
        "LAST:.revisions[?(@.state==\"current\")].revision",
        "FIRST:.revisions[0].object,PODS:.revisions[0].pods.ready",
        "NONE:.no.such.field,EMPTY:,LAST:.workload.uid",
        "ALL:..revision",
        "SOME:.revisions[-1:].state",
        "OUT:.revisions[1].revision",
    ] {
        let form = format!("custom-columns={columns}");
        for more in [&[][..], &["--no-headers"]] {
            let (theirs, mine) = (kubectl(&["web"], &form, more), ours("deployment/web", &form, more));
            assert_eq!(
                (&*mine.stdout, &*mine.stderr, mine.code),
                (&*theirs.stdout, &*theirs.stderr, theirs.code)
            );
            assert_code(&mine, 0);
        }
        // Of several there is a row each; one has a single revision, which kubectl's index is out of.
        let (theirs, mine) = (kubectl(&[], &form, &[]), ours("deployments", &form, &[]));
        assert_eq!(mine.stdout.lines().count(), if columns.starts_with("OUT") { 0 } else { 3 }, "{mine}");
        if theirs.ok() {
            assert_eq!(mine.stdout, theirs.stdout, "{columns}");
        } else {
            assert_eq!(mine.stderr, theirs.stderr, "{columns}");
        }
    }
    for wrong in ["", "=", "=NAME", "=NAME:.kind,KIND", "=A:{.a}{.b}", "=A:.a[", "-file="] {
        let form = format!("custom-columns{wrong}");
        let (theirs, mine) = (kubectl(&["web"], &form, &[]), ours("deployment/web", &form, &[]));
        assert_eq!(mine.stderr.trim_end(), theirs.stderr.trim_end(), "{form}");
        assert_ne!((mine.code, theirs.code), (0, 0), "{form}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("columns");
    fs::write(&file, "NAME            REVISIONS\n.workload.name  {.revisions[*].revision}\n").unwrap();
    let form = format!("custom-columns-file={}", file.display());
    let (theirs, mine) = (kubectl(&[], &form, &[]), ours("deployments", &form, &[]));
    assert_eq!(mine.stdout, theirs.stdout);
    assert_code(&mine, 0);
    // A timeline is a list of what went live.
    let rows = rollback(&ns, &["timeline", "-o", "custom-columns=NAME:.workload.name,REVISION:.revision"]);
    let mut rows: Vec<&str> = rows.stdout.lines().collect();
    rows.sort_unstable();
    assert_eq!(rows, ["NAME   REVISION", "api    1", "web    1", "web    2"]);
}

#[test]
fn what_does_not_exist_is_ignored_where_told_as_by_kubectl() {
    let ns = cluster().namespace("ignore");
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    let kubectl = ns.kubectl(&["get", "deployment", "none", "--ignore-not-found", "-o", "json"]);
    assert_eq!((kubectl.code, &*kubectl.stdout, &*kubectl.stderr), (0, "", ""), "{kubectl}");
    for verb in ["history", "diff", "status", "timeline"] {
        let missing = rollback(&ns, &[verb, "deployment/none"]);
        assert_code(&missing, if verb == "diff" { 2 } else { 1 });
        assert_eq!(missing.stderr, "Error from server (NotFound): deployments.apps \"none\" not found\n");
        for words in [
            &["deployment/none"][..],
            &["deployment/none", "-o", "json"],
            &["daemonset/none", "deployment/none", "-o", "yaml"],
            &["daemonsets", "-o", "json"],
            &["daemonsets"],
        ] {
            let ignored = rollback(&ns, &[&[verb, "--ignore-not-found"], words].concat());
            assert_eq!((ignored.code, &*ignored.stdout, &*ignored.stderr), (0, "", ""), "{ignored}");
        }
    }
    let list =
        rollback(&ns, &["status", "deployment/none", "deployment/web", "--ignore-not-found", "-o", "name"]);
    assert_eq!((&*list.stdout, list.code), ("deployment.apps/web\n", 0), "{list}");
    let refused = rollback(&ns, &["undo", "deployment/none", "--ignore-not-found"]);
    assert_code(&refused, 2);
}

#[test]
fn quoted_patterns_of_files_are_kubectls() {
    let ns = cluster().namespace("globs");
    let folder = tempfile::tempdir().unwrap();
    for name in ["api", "web", "db"] {
        let web = Web::new("deployment", "app:1").named(name).replicas(1);
        let file = folder.path().join(name).join("app.yaml");
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(file, web.yaml()).unwrap();
        web.create(&ns);
    }
    let root = folder.path().display().to_string();
    for pattern in ["*/app.yaml", "[ab]*/*.y?ml", "**", "api/none*", "[", "*/app.yaml/", "[^a]*"] {
        let path = format!("{root}/{pattern}");
        let theirs = ns.kubectl(&["get", "-f", &path, "-o", "name"]);
        let mine = rollback(&ns, &["history", "-f", &path, "-o", "name"]);
        assert_eq!((&*mine.stdout, &*mine.stderr), (&*theirs.stdout, &*theirs.stderr), "{pattern}");
        assert_eq!(mine.ok(), theirs.ok(), "{pattern}");
    }
    let all = rollback(&ns, &["status", "-f", &format!("{root}/*/*"), "-o", "json", "--watch=false"]);
    assert_eq!(json(&all)["items"].as_array().map(Vec::len), Some(3));
}

/// Returns the values of a field of each line of JSON.
fn field<'v>(documents: &'v [Value], path: &str) -> Vec<&'v Value> {
    documents.iter().map(|it| it.pointer(path).unwrap_or(&Value::Null)).collect()
}

#[test]
fn every_document_that_is_listed_has_a_column() {
    let ns = cluster().namespace("columns-verbs");
    Web::new("statefulset", "app:1").replicas(1).create(&ns);
    roll(&ns, "statefulset/web", "app:2");
    for (verb, kind) in [("history", "History"), ("diff", "Diff"), ("status", "Status"), ("undo", "Plan")] {
        let dry = if verb == "undo" { &["--dry-run=client"][..] } else { &[] };
        let form = ["-o", "custom-columns=KIND:.kind,NAME:.workload.name"];
        let output = rollback(&ns, &[&[verb, "statefulset/web"], dry, &form].concat());
        let said: Vec<&str> = output.stdout.split_whitespace().collect();
        assert_eq!(said[..2], ["KIND", "NAME"], "{output}");
        assert_eq!(said[3], "web", "{output}");
        assert!(said[2] == kind || verb == "undo", "{output}");
        let document = json(&rollback(&ns, &[&[verb, "statefulset/web", "-o", "json"], dry].concat()));
        assert_eq!(field(std::slice::from_ref(&document), "/kind"), [said[2]]);
    }
}

#[test]
fn what_fails_is_a_document_in_its_place() {
    let ns = cluster().namespace("errors");
    Web::new("deployment", "app:1").create(&ns);
    settled(&ns, "deployment/web");
    let sentence = "Error from server (NotFound): deployments.apps \"gone\" not found";
    // Of several, in the place of the object; the others are what they were.
    let several =
        rollback(&ns, &["status", "--watch=false", "deployment/gone", "deployment/web", "-o", "json"]);
    assert_code(&several, 1);
    assert_eq!(several.stderr, format!("{sentence}\n"), "{several}");
    let list = json(&several);
    assert_eq!([&list["items"][0]["kind"], &list["items"][1]["kind"]], ["Error", "Status"], "{list}");
    let error = &list["items"][0];
    assert_eq!(error["error"]["reason"], "NotFound", "{error}");
    assert_eq!(error["error"]["message"], sentence, "{error}");
    assert_eq!(error["workload"]["name"], "gone", "{error}");
    assert_eq!(error["workload"]["namespace"], ns.name(), "{error}");
    assert_eq!(error["workload"].get("uid"), None, "{error}");
    // Alone, it is the document, of verbs that read and of those that write, with the hint of standard error.
    for (line, reason) in [
        (&["history", "deployment/gone"][..], "NotFound"),
        (&["undo", "deployment/gone"], "NotFound"),
        (&["timeline", "deployment/gone"], "NotFound"),
        (&["undo", "deployment/web"], "OnlyOneRevision"),
        (&["undo", "deployment/web", "--to-revision=9"], "NoSuchRevision"),
        (&["guard", "deployment/gone"], "NotFound"),
        (&["try", "deployment/web", "none=app:2", "-y"], "NoContainer"),
    ] {
        let plain = rollback(&ns, line);
        let told = rollback(&ns, &[line, &["-o", "json"]].concat());
        assert_eq!((told.code, &told.stderr), (plain.code, &plain.stderr), "{told}");
        let document = json(&told);
        assert_eq!(document["kind"], "Error", "{document}");
        assert_eq!(document["error"]["reason"], reason, "{document}");
        assert_eq!(document["exitCode"], told.code, "{document}");
        let mut said = document["error"]["message"].as_str().unwrap().to_string();
        for hint in document["error"]["hints"].as_array().unwrap() {
            said = format!("{said}\nhint: {}", hint.as_str().unwrap());
        }
        assert_eq!(told.stderr.trim_end().trim_start_matches("error: "), said, "{told}");
    }
    // Nothing is there in any form of a list, and a template is written for what it is about.
    let nothing = rollback(&ns, &["guard", "-l", "app=none", "deployments", "-o", "yaml"]);
    assert!(
        nothing.stdout.contains("kind: List\n") && nothing.stdout.contains("reason: NotFound\n"),
        "{nothing}"
    );
    for form in ["name", "jsonpath={.state}"] {
        let told = rollback(&ns, &["status", "deployment/gone", "-o", form]);
        assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", &*format!("{sentence}\n")), "{told}");
    }
    // Both ends of a change are in its document.
    let done = json(&rollback(&ns, &["try", "deployment/web", "app=app:2", "--soak=1s", "-y", "-o", "json"]));
    let time = |field: &str| done[field].as_str().unwrap_or_default().to_string();
    assert!(time("endedAt").ends_with('Z') && time("startedAt") < time("endedAt"), "{done}");
}
