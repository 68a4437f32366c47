//! What a command line points at: every spelling finds its objects, and nothing is rolled back by accident.

use std::fs;

use cluster::{Namespace, Output};
use e2e::scene::{roll, rollback};
use e2e::{Web, assert_code, cluster, image, json};
use serde_json::Value;

/// Creates `web` of these kinds, each with a second revision.
fn rolled(ns: &Namespace<'_>, kinds: &[&'static str]) {
    for kind in kinds {
        Web::new(kind, "app:1").replicas(1).create(ns);
        roll(ns, &format!("{kind}/web"), "app:2");
    }
}

/// Creates another Deployment, with a second revision too.
fn rolled_other(ns: &Namespace<'_>, name: &str) {
    Web::new("deployment", "app:1").named(name).replicas(1).create(ns);
    roll(ns, &format!("deployment/{name}"), "app:2");
}

/// Returns what a change of a Deployment would change.
fn specs(ns: &Namespace<'_>) -> Vec<Value> {
    let list = ns.get(&["deployments"]);
    list["items"].as_array().into_iter().flatten().map(|it| it["spec"].clone()).collect()
}

/// Lists the objects of a document, e.g. `Deployment/web`.
fn objects(output: &Output) -> Vec<String> {
    assert_code(output, 0);
    let document = json(output);
    let name = |it: &Value| {
        let text = |field: &str| it["workload"][field].as_str().unwrap_or("?").to_string();
        format!("{}/{}", text("kind"), text("name"))
    };
    match document["items"].as_array() {
        Some(items) => items.iter().map(name).collect(),
        None => vec![name(&document)],
    }
}

#[test]
fn what_names_no_object_is_refused_by_a_verb_that_writes() {
    let ns = cluster().namespace("refused");
    rolled(&ns, &["deployment"]);
    let before = specs(&ns);
    let no_name = "error: resource(s) were provided, but no name was specified";
    let everywhere = "error: -A/--all-namespaces is refused by verbs that change something";
    let no_type = "error: at least one resource must be specified to use a selector";
    for (words, sentence) in [
        (&["undo", "deployments"][..], no_name),
        (&["undo", "deploy,sts", "-y"], no_name),
        (&["deployments", "-y"], no_name),
        (&["undo", "-A", "-y"], everywhere),
        (&["undo", "deployments", "--all", "-A", "-y"], everywhere),
        (&["undo", "-l", "app=web", "-y"], no_type),
        (&["undo", "--all", "-y"], no_type),
        (&["undo", "-y"], "error: required resource not specified"),
        (&["undo", "namespace", ns.name(), "-y"], "error: no rollout is known for \"namespace\""),
    ] {
        let refused = rollback(&ns, words);
        assert_code(&refused, 2);
        assert!(refused.stderr.starts_with(sentence), "{refused}");
        assert_eq!(refused.stdout, "", "{refused}");
    }
    let kubectl = ns.kubectl(&["delete", "deployments"]);
    assert!(kubectl.stderr.starts_with(no_name), "kubectl says it otherwise now: {kubectl}");
    assert_eq!(specs(&ns), before);
}

#[test]
fn several_objects_need_an_agreement_where_nobody_can_be_asked() {
    let ns = cluster().namespace("several");
    rolled(&ns, &["deployment"]);
    rolled_other(&ns, "shop");
    let before = specs(&ns);
    for words in [
        &["undo", "deployments", "--all"][..],
        &["undo", "deployments", "-l", "app in (web, shop)"],
        &["undo", "deployment", "web", "shop"],
    ] {
        let refused = rollback(&ns, words);
        assert_code(&refused, 2);
        assert!(refused.stderr.contains("error: 2 workloads would be changed and nobody can be asked"));
        assert!(refused.stderr.ends_with("hint: -y agrees to all of them\n"), "{refused}");
        assert_eq!(specs(&ns), before, "{words:?}");
    }
    assert_code(&rollback(&ns, &["undo", "deployments", "-l", "app=shop", "-y"]), 0);
    assert_eq!([image(&ns, "deployment/web"), image(&ns, "deployment/shop")], ["app:2", "app:1"]);
    assert_code(&rollback(&ns, &["undo", "deployments", "--all", "-y"]), 0);
    assert_eq!([image(&ns, "deployment/web"), image(&ns, "deployment/shop")], ["app:1", "app:2"]);
}

#[test]
fn an_object_that_cannot_be_rolled_back_is_no_agreement_to_roll_the_other_back() {
    let ns = cluster().namespace("agreement");
    rolled(&ns, &["deployment"]);
    Web::new("statefulset", "app:1").replicas(1).create(&ns);
    let refused = rollback(&ns, &["undo", "deployments,statefulsets", "--all"]);
    assert!(refused.stderr.contains("no last revision to roll back to (statefulset/web"), "{refused}");
    assert!(refused.stderr.contains("nobody can be asked"), "{refused}");
    assert_code(&refused, 2);
    assert_eq!(image(&ns, "deployment/web"), "app:2");
}

#[test]
fn a_missing_object_does_not_stop_the_others() {
    let ns = cluster().namespace("missing");
    rolled(&ns, &["deployment", "daemonset"]);
    let gone = "Error from server (NotFound): deployments.apps \"gone\" not found\n";
    let words = ["deployment/gone", "deployment/web", "daemonset/web"];
    let undone = rollback(&ns, &[&["undo"], &words[..], &["-y"]].concat());
    assert_code(&undone, 1);
    assert!(undone.stderr.starts_with(gone), "{undone}");
    assert_eq!([image(&ns, "deployment/web"), image(&ns, "daemonset/web")], ["app:1", "app:1"]);
    let history = rollback(&ns, &[&["history"], &words[..]].concat());
    assert_code(&history, 1);
    assert_eq!(history.stderr, gone);
    assert!(history.stdout.starts_with("deployment.apps/web\n"), "{history}");
    assert!(history.stdout.contains("\ndaemonset.apps/web\n"), "{history}");
}

#[test]
fn every_spelling_of_a_target_finds_it() {
    let ns = cluster().namespace("spellings");
    rolled(&ns, &["deployment", "statefulset"]);
    let (deployment, both) = (vec!["Deployment/web"], vec!["Deployment/web", "StatefulSet/web"]);
    for (words, expected) in [
        (&["deployment/web"][..], &deployment),
        (&["deploy", "web"], &deployment),
        (&["deployments.apps/web"], &deployment),
        (&["Deployment.v1.apps", "web"], &deployment),
        (&["deployments"], &deployment),
        (&["deploy", "-l", "app=web"], &deployment),
        (&["deployments,statefulsets"], &both),
        (&["deploy,sts", "web"], &both),
        (&["deploy/web", "sts/web"], &both),
        (&["-l", "app=web"], &both),
    ] {
        let found = rollback(&ns, &[&["history", "-o", "json"], words].concat());
        assert_eq!(&objects(&found), expected, "{found}");
    }
}

#[test]
fn manifests_name_their_objects_and_what_does_not_roll_out_is_skipped() {
    let ns = cluster().namespace("manifests");
    rolled(&ns, &["deployment"]);
    rolled_other(&ns, "shop");
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let web = Web::new("deployment", "app:1").yaml();
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: web }\n";
    fs::write(folder.path().join("web.yaml"), format!("{web}---\n{service}")).unwrap();
    fs::write(inner.join("shop.yaml"), web.replace("web", "shop")).unwrap();
    fs::write(folder.path().join("kustomization.yaml"), "resources: [web.yaml, inner/shop.yaml]\n").unwrap();
    let path = folder.path().to_str().unwrap();
    let (one, two) = (vec!["Deployment/web"], vec!["Deployment/web", "Deployment/shop"]);
    let file = folder.path().join("web.yaml");
    for (words, mut expected) in [
        (&["-f", file.to_str().unwrap()][..], one.clone()),
        (&["-R", "-f", path], two.clone()),
        (&["-k", path], two),
    ] {
        let found = rollback(&ns, &[&["history", "-o", "json"], words].concat());
        let mut names = objects(&found);
        names.sort();
        expected.sort_unstable();
        assert_eq!(names, expected, "{found}");
        assert!(found.stderr.contains(" object(s) that do not roll out skipped"), "{found}");
    }
    let words = ["rollback", "undo", "-f", "-", "-n", ns.name()];
    assert_code(&ns.cluster().kubectl_with(&words, &web), 0);
    assert_eq!([image(&ns, "deployment/web"), image(&ns, "deployment/shop")], ["app:1", "app:2"]);
}

#[test]
fn nothing_matched_is_fine_for_a_verb_that_reads_and_not_for_one_that_writes() {
    let ns = cluster().namespace("empty");
    let nothing = format!("No resources found in {} namespace.\n", ns.name());
    for words in [&["history", "deployments"][..], &["status", "sts"], &["diff", "-l", "app=none"]] {
        let found = rollback(&ns, words);
        assert_code(&found, 0);
        assert_eq!((found.stdout.as_str(), &found.stderr), ("", &nothing));
    }
    let list = json(&rollback(&ns, &["history", "deployments", "-o", "json"]));
    assert_eq!((&list["kind"], &list["items"]), (&Value::from("List"), &Value::Array(Vec::new())));
    for words in [&["undo", "deployments", "--all"][..], &["undo", "deployments", "-l", "app=none"]] {
        let undone = rollback(&ns, words);
        assert_code(&undone, 1);
        assert_eq!(undone.stderr, "error: no matching resources found\n");
    }
}

#[test]
fn bad_input_is_one_sentence_with_a_way_on_and_changes_nothing() {
    let ns = cluster().namespace("bad");
    rolled(&ns, &["deployment"]);
    let before = specs(&ns);
    let unknown = "error: unable to find specified revision 99 in history (deployment/web in namespace ";
    let exist = "\nhint: revisions that exist: 1, 2\n";
    for (words, code, sentence, way_on) in [
        (
            &["undo", "widget/web"][..],
            2,
            "error: the server doesn't have a resource type \"widget\"",
            "hint: ",
        ),
        (&["undo", "web"], 2, "error: the server doesn't have a resource type \"web\"", "deployment/web"),
        (&["history", "pods/web"], 2, "error: no rollout is known for \"pods\"", "only deployments, "),
        (&["undo", "deployment/web", "--to-revision=99"], 1, unknown, exist),
        (&["history", "deployment/web", "--revision=99"], 1, unknown, exist),
        (&["diff", "deployment/web", "--revision=99"], 2, unknown, exist),
        (
            &["undo", "deployment/web", "--to-revision=-1"],
            2,
            "error: invalid value '-1'",
            "positive integer: -1",
        ),
        (
            &["history", "deployment/web", "--revision=-1"],
            2,
            "error: invalid value '-1'",
            "positive integer: -1",
        ),
        (
            &["undo", "deployment/web", "--frobnicate"],
            2,
            "error: unexpected argument '--frobnicate'",
            "--help",
        ),
        (&["frobnicate"], 2, "error: unrecognized subcommand 'frobnicate'", "--help"),
        (&["undo", "deployment/web", "--dry-run=maybe"], 2, "error: invalid value 'maybe'", "\"client\""),
        (&["undo", "deployment/web", "--timeout=soon"], 2, "error: invalid value 'soon'", "--timeout"),
        (&["undo", "deployment/web", "--allow=all"], 2, "error: invalid value 'all'", "there are "),
        (&["history", "deployment/web", "-o", "xml"], 2, "error: ", "xml"),
        (&["undo", "deployment/web", "sts"], 2, "error: there is no need to specify a resource type", ""),
    ] {
        let refused = rollback(&ns, words);
        assert_code(&refused, code);
        assert!(refused.stderr.starts_with(sentence) && refused.stderr.contains(way_on), "{refused}");
        assert_eq!(refused.stderr.matches("error: ").count(), 1, "{refused}");
        assert_eq!(refused.stdout, "", "{refused}");
    }
    let elsewhere = cluster().kubectl(&["rollback", "undo", "deployment/web", "-n", "no-such-namespace"]);
    assert_code(&elsewhere, 1);
    assert_eq!(elsewhere.stderr, "Error from server (NotFound): deployments.apps \"web\" not found\n");
    assert_eq!(specs(&ns), before);
}

#[test]
fn a_name_or_a_namespace_leads_nowhere_else() {
    let ns = cluster().namespace("segments");
    for words in [
        &["deployment/web", "-n", "../kube-system"][..],
        &["deployment/web", "-n", ".."],
        &["deployment", "web%2fscale", "-n", ns.name()],
        &["deployment", "web?x=1", "-n", ns.name()],
        &["deployment", "a b", "-n", ns.name()],
        &["deployment", "..", "-n", ns.name()],
        &["deployment", "", "-n", ns.name()],
        &["deployments", "-n", "a/../kube-system"],
    ] {
        let kubectl = cluster().kubectl(&[&["get"], words].concat());
        let ours = cluster().kubectl(&[&["rollback", "history"], words].concat());
        // Of a list kubectl says it without its "error: ".
        let sentence = kubectl.stderr.trim_start_matches("error: ");
        assert_eq!(ours.stderr.trim_start_matches("error: "), sentence, "{words:?}");
        assert_eq!(ours.stdout, "", "{words:?}");
        assert_code(&ours, 1);
    }
    let blank = ns.kubectl(&["stspartition", "pods", "a b"]);
    assert_eq!(blank.stderr, "Error from server (NotFound): statefulsets.apps \"a b\" not found\n");
}

#[test]
fn a_target_alone_is_short_for_undo() {
    let ns = cluster().namespace("short");
    rolled(&ns, &["deployment"]);
    let dry = rollback(&ns, &["deployment/web", "--dry-run=client"]);
    assert_code(&dry, 0);
    assert!(dry.stdout.ends_with("deployment.apps/web rolled back to revision 1 (dry run)\n"), "{dry}");
    assert_eq!(image(&ns, "deployment/web"), "app:2");
    assert_code(&rollback(&ns, &["deployment/web"]), 0);
    assert_eq!(image(&ns, "deployment/web"), "app:1");
    let named = ns.kubectl(&["rollback", "deploy", "web"]);
    assert_code(&named, 0);
    assert_eq!(image(&ns, "deployment/web"), "app:2");
    // Flags of kubectl's may stand before the target too.
    let before = cluster().kubectl(&["rollback", "-n", ns.name(), "deploy/web"]);
    assert_code(&before, 0);
    assert_eq!(image(&ns, "deployment/web"), "app:1");
}
