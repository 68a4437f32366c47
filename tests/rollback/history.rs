//! `kubectl rollback history`: what it says of each kind, and in which forms.

use cluster::Namespace;
use e2e::scene::{Terminal, change, for_each_kind, qualified, quiet, roll, rollback};
use e2e::{Web, assert_code, cluster, json};
use serde_json::{Value, json};

/// Returns the rows of a table, each as its words, without the name and the header.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().skip(2).map(|line| line.split_whitespace().collect()).collect()
}

fn revisions(ns: &Namespace<'_>, target: &str) -> Vec<Value> {
    let history = json(&rollback(ns, &["history", target, "-o", "json"]));
    history["revisions"].as_array().cloned().unwrap_or_else(|| panic!("no revisions in {history}"))
}

#[test]
fn history_of_each_kind_says_what_changed_and_why() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("history"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        change(&ns, &target, "app:2", "the second");
        quiet(&ns, &target);
        let pods = ns.get(&["pods", "-l", "app=web"])["items"].as_array().map_or(0, Vec::len);
        let output = rollback(&ns, &["history", &target]);
        assert_code(&output, 0);
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert_eq!(lines[0], qualified(kind));
        let header: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(header, ["REVISION", "AGE", "PODS", "CHANGED", "CHANGE-CAUSE"], "{output}");
        let rows = rows(&output.stdout);
        assert_eq!(rows.len(), 2, "{output}");
        assert_eq!((rows[0][0], &rows[0][2..]), ("1", ["0/0", "app", "app:1", "<none>"].as_slice()));
        let all = format!("{pods}/{pods}");
        let second = [all.as_str(), "app", "1", "->", "2", "the", "second"];
        assert_eq!((rows[1][0], &rows[1][2..]), ("*2", second.as_slice()));
    });
}

#[test]
fn history_marks_what_is_being_rolled_out_and_fits_eighty_columns() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("history-tty"), format!("{kind}/web"));
        let image = format!("registry.example.com/a/long/path/of/a/team/app:{}", "1".repeat(40));
        Web::new(kind, &image).create(&ns);
        change(&ns, &target, &format!("{image}:never"), &"a reason that goes on and on ".repeat(20));
        let (shown, code) = Terminal::start(&ns, &["history", &target, "--color", "never"]).ends();
        assert_eq!(code, 0, "{shown}");
        let widest = shown.lines().map(|line| line.trim_end().chars().count()).max();
        assert!(widest <= Some(80), "{widest:?} columns:\n{shown}");
        let numbers: Vec<&str> = rows(&shown).iter().map(|row| row[0]).collect();
        assert_eq!(numbers, ["1", ">2"], "{shown}");
    });
}

#[test]
fn wide_history_names_images_managers_objects_and_pods_with_their_nodes() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("history-wide"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let output = rollback(&ns, &["history", &target, "-o", "wide"]);
        assert_code(&output, 0);
        for title in ["IMAGES", "MANAGER", "OBJECT", "NODES"] {
            assert!(output.stdout.lines().nth(1).is_some_and(|line| line.contains(title)), "{output}");
        }
        let rows = rows(&output.stdout);
        let [first, second] = rows.as_slice() else { panic!("{output}") };
        assert!(
            first.ends_with(&[first[first.len() - 2], "<none>"]) && first.contains(&"app=app:1"),
            "{output}"
        );
        assert!(second.contains(&"app=app:2") && second.contains(&"kubectl-set"), "{output}");
        let pods = ns.get(&["pods", "-l", "app=web"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let mut placed: Vec<String> = (pods["items"].as_array().into_iter().flatten())
            .map(|pod| format!("{}@{}", text(&pod["metadata"]["name"]), text(&pod["spec"]["nodeName"])))
            .collect();
        let mut named: Vec<&str> = second[second.len() - 1].split(',').collect();
        placed.sort();
        named.sort_unstable();
        assert_eq!(named, placed, "{output}");
    });
}

#[test]
fn the_json_of_a_history_has_every_field() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("history-json"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        change(&ns, &target, "app:2", "the second");
        quiet(&ns, &target);
        let object = ns.get(&[&target]);
        let history = json(&rollback(&ns, &["history", &target, "-o", "json"]));
        assert_eq!(history["apiVersion"], "rollout-plugins.dev/v1alpha1");
        assert_eq!(history["kind"], "History");
        let workload = json!({ "apiVersion": "apps/v1", "kind": object["kind"], "namespace": ns.name(),
            "name": "web", "uid": object["metadata"]["uid"] });
        assert_eq!(history["workload"], workload);
        let recorded = if kind == "deployment" { "ReplicaSet" } else { "ControllerRevision" };
        let [first, second] = history["revisions"].as_array().map(Vec::as_slice).unwrap_or_default() else {
            panic!("{history}")
        };
        for (revision, number) in [(first, 1), (second, 2)] {
            assert_eq!(revision["revision"], number);
            assert_eq!(revision["formerRevisions"], json!([]));
            assert_eq!(revision["object"]["kind"], recorded);
            assert_eq!(revision["images"], json!({ "app": format!("app:{number}") }));
            let own =
                ns.get(&[&format!("{recorded}/{}", revision["object"]["name"].as_str().unwrap_or("?"))]);
            assert_eq!(revision["creationTimestamp"], own["metadata"]["creationTimestamp"]);
            assert!(revision["liveSince"].is_string(), "{revision}");
        }
        let pods = &object["status"][if kind == "daemonset" { "numberReady" } else { "readyReplicas" }];
        assert_eq!((&first["state"], &second["state"]), (&json!("old"), &json!("current")));
        assert_eq!((first.get("good"), &second["good"]), (None, &json!(true)));
        assert_eq!(first["pods"], json!({ "total": 0, "ready": 0, "available": 0 }));
        assert_eq!(second["pods"], json!({ "total": pods, "ready": pods, "available": pods }));
        assert_eq!((first.get("changeCause"), &second["changeCause"]), (None, &json!("the second")));
        assert_eq!((first.get("manager"), &second["manager"]), (None, &json!("kubectl-patch")));
        let change = json!([{ "path": "spec.containers[app].image", "from": "app:1", "to": "app:2" }]);
        assert_eq!((first.get("changes"), &second["changes"]), (None, &change));
    });
}

#[test]
fn the_other_forms_say_the_same_as_json() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("history-forms"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        change(&ns, &target, "app:2", "yes: {[on, 1_000]} # \"no\"\nsecond line");
        quiet(&ns, &target);
        let document = json(&rollback(&ns, &["history", &target, "-o", "json"]));
        for form in ["yaml", "kyaml"] {
            let text = rollback(&ns, &["history", &target, "-o", form]).expect_ok();
            let args = ["patch", "--local", "-f", "-", "--type", "merge", "-p", "{}", "-o", "json"];
            let read = cluster().kubectl_with(&args, &text);
            assert_code(&read, 0);
            assert_eq!(json(&read), document, "{form}");
        }
        let name = rollback(&ns, &["history", &target, "-o", "name"]).expect_ok();
        assert_eq!(name, format!("{}\n", qualified(kind)));
        let path = "jsonpath={.revisions[*].images.app}";
        assert_eq!(rollback(&ns, &["history", &target, "-o", path]).expect_ok(), "app:1 app:2");
        let list = json(&rollback(&ns, &["history", kind, "-o", "json"]));
        assert_eq!((&list["kind"], &list["items"]), (&json!("List"), &json!([document])));
    });
}

#[test]
fn one_revision_is_shown_in_the_words_of_kubectl_and_more() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("history-one"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        change(&ns, &target, "app:2", "the second");
        quiet(&ns, &target);
        for number in ["1", "2"] {
            let ours = rollback(&ns, &["history", &target, "--revision", number]).expect_ok();
            let theirs = ns.kubectl(&["rollout", "history", &target, "--revision", number]).expect_ok();
            let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            let said: Vec<String> = ours.lines().map(words).collect();
            // They show a label that nobody wrote, and a port of the node that belongs to the port above it.
            let kept = |line: &&str| !line.contains("pod-template-hash") && !line.contains("Host Port");
            for line in theirs.lines().filter(kept).map(words).filter(|line| !line.is_empty()) {
                assert!(said.contains(&line), "{line:?} is missing in\n{ours}");
            }
            assert!(said.contains(&"terminationGracePeriodSeconds: 0".to_string()), "{ours}");
        }
        let document = json(&rollback(&ns, &["history", &target, "--revision", "1", "-o", "json"]));
        assert_eq!(document["revisions"].as_array().map(Vec::len), Some(1));
        let image = document.pointer("/revisions/0/template/spec/containers/0/image");
        assert_eq!(image, Some(&json!("app:1")));
        let unknown = rollback(&ns, &["history", &target, "--revision", "7"]);
        assert_code(&unknown, 1);
        assert!(unknown.stderr.contains("unable to find specified revision 7 in history"), "{unknown}");
        assert!(unknown.stderr.contains("revisions that exist: 1, 2"), "{unknown}");
        assert_eq!(unknown.stdout, "");
    });
}

#[test]
fn a_revision_that_came_back_shows_its_former_number_where_it_is_recorded() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("history-back"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        assert_code(&rollback(&ns, &["undo", &target]), 0);
        let table = rollback(&ns, &["history", &target]).expect_ok();
        let numbers = || -> Vec<Value> {
            revisions(&ns, &target).iter().map(|it| json!([it["revision"], it["formerRevisions"]])).collect()
        };
        let rows = rows(&table);
        assert_eq!((rows.len(), rows[0][0], rows[1][0]), (2, "2", "*3"), "{table}");
        // Only ReplicaSets remember their numbers.
        let remembers = kind == "deployment";
        assert_eq!(table.contains("*3 (was 1)"), remembers, "{table}");
        let former = if remembers { json!([1]) } else { json!([]) };
        assert_eq!(numbers(), [json!([2, []]), json!([3, former])]);
        let gone = rollback(&ns, &["history", &target, "--revision", "1"]);
        assert_code(&gone, 1);
        assert_eq!(gone.stderr.contains("it came back and is revision 3 now"), remembers, "{gone}");
        assert!(gone.stderr.contains("revisions that exist: 2, 3"), "{gone}");
    });
}

#[test]
fn what_somebody_else_owns_is_left_out() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("history-foreign"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        ns.kubectl(&["create", "configmap", "owner"]).expect_ok();
        let recorded = if kind == "deployment" { "replicasets" } else { "controllerrevisions" };
        let list = ns.get(&[recorded, "-l", "app=web"]);
        let owner = ns.get(&["configmap/owner"]);
        let mut foreign = list["items"][0].clone();
        foreign["metadata"] = json!({ "name": "foreign", "namespace": ns.name(),
            "labels": list["items"][0]["metadata"]["labels"], "annotations": list["items"][0]["metadata"]["annotations"],
            "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "controller": true,
                "uid": owner["metadata"]["uid"] }] });
        match kind {
            "deployment" => foreign["spec"]["replicas"] = json!(0),
            _ => foreign["revision"] = json!(9),
        }
        ns.apply(&foreign.to_string());
        let listed = ns.get(&[recorded, "-l", "app=web"]);
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "{listed}");
        let revisions = revisions(&ns, &target);
        assert_eq!(revisions.len(), 1, "{revisions:?}");
        assert_eq!(revisions[0]["object"]["name"], list["items"][0]["metadata"]["name"]);
    });
}

#[test]
fn equal_revisions_are_folded_and_marked() {
    for kind in ["daemonset", "statefulset"] {
        let (ns, target) = (cluster().namespace("history-twins"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let first = revisions(&ns, &target)[0]["object"]["name"].as_str().unwrap_or_default().to_string();
        let mut twin = ns.get(&[&format!("controllerrevision/{first}")]);
        // As a server of another version wrote it: the same template in other bytes, under a number of its own.
        twin["metadata"]["name"] = json!("web-twin");
        twin["data"]["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
        twin["revision"] = json!(7);
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            twin["metadata"].as_object_mut().expect("metadata is a map").remove(field);
        }
        cluster().kubectl_with(&["create", "-f", "-"], &twin.to_string()).expect_ok();
        let table = rollback(&ns, &["history", &target]).expect_ok();
        assert!(table.contains("7 (equals 1)"), "{table}");
        assert_eq!(rows(&table).len(), 2, "{table}");
    }
}

#[test]
fn a_hostile_reason_reaches_no_terminal_and_forges_no_row() {
    const HOSTILE: &str =
        "a\u{1b}[2J\u{1b}]0;owned\u{7}\n*9         1s    3/3    app 2 -> 666   fine\r\u{202e}evil";
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("history-hostile"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        change(&ns, &target, "app:2", &format!("{HOSTILE} {}", "x".repeat(50_000)));
        quiet(&ns, &target);
        roll(&ns, &target, "app:3");
        for words in [["-o", "wide"].as_slice(), &[], &["--revision", "2"]] {
            let output = rollback(&ns, &[&["history", &target], words].concat());
            assert_code(&output, 0);
            let raw = |text: &str| text.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']);
            assert!(!raw(&output.stdout) && !raw(&output.stderr), "{words:?}");
            assert!(output.stdout.contains("a^[[2J"), "{words:?}");
            assert!(!output.stdout.lines().any(|line| line.starts_with("*9")), "{words:?}");
            if words.first() != Some(&"--revision") {
                assert_eq!(rows(&output.stdout).len(), 3, "{words:?}");
            }
        }
        let undo = rollback(&ns, &["undo", &target, "--to-revision", "2", "--wait=false"]);
        assert_code(&undo, 0);
        assert!(!undo.stdout.contains('\u{1b}') && !undo.stderr.contains('\u{1b}'), "{kind}");
    });
}

#[test]
fn a_number_edited_by_hand_comes_last_and_equal_ones_are_asked_about() {
    let ns = cluster().namespace("numbers");
    let target = "deployment/web";
    Web::new("deployment", "app:1").replicas(1).create(&ns);
    roll(&ns, target, "app:2");
    roll(&ns, target, "app:3");
    quiet(&ns, target);
    let sets = ns.get(&["replicasets"]);
    let of = |image: &str| {
        let mut all = sets["items"].as_array().into_iter().flatten();
        let found = all.find(|it| it["spec"]["template"]["spec"]["containers"][0]["image"] == image);
        found.and_then(|it| it["metadata"]["name"].as_str()).unwrap_or_default().to_string()
    };
    let renumber = |image: &str, number: &str| {
        let number = format!("deployment.kubernetes.io/revision={number}");
        ns.kubectl(&["annotate", "replicaset", &of(image), &number, "--overwrite"]).expect_ok();
    };
    renumber("app:2", "two");
    let history = json(&rollback(&ns, &["history", target, "-o", "json"]));
    let rows = history["revisions"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().filter_map(|it| it["object"]["name"].as_str()).collect();
    assert_eq!(names, [of("app:1"), of("app:3"), of("app:2")]);
    assert_eq!(rows[1]["changes"][0]["from"], "app:1", "{history}");
    assert_eq!(rows[2]["changes"], serde_json::Value::Null, "{history}");
    renumber("app:2", "1");
    for words in [&["undo", target][..], &["undo", target, "--to-revision=1"]] {
        let refused = rollback(&ns, words);
        assert_code(&refused, 1);
        let [one, other] = [of("app:1"), of("app:2")];
        assert!(refused.stderr.starts_with("error: revision 1 is both "), "{refused}");
        assert!(refused.stderr.contains(&one) && refused.stderr.contains(&other), "{refused}");
        assert!(refused.stderr.contains("hint: somebody edited a number by hand"), "{refused}");
    }
    assert_eq!(e2e::image(&ns, target), "app:3");
}
