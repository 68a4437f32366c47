//! `status` in every situation: true where kubectl is wrong, and the same as kubectl where kubectl is right.

use cluster::{Cluster, Namespace, Options, Output, Part};
use e2e::scene::rollback;
use e2e::{
    KINDS, LONG, Running, Web, assert_code, cluster, install, json, observed, pods, set_image, settled,
};
use serde_json::{Deserializer, Value};

use crate::connection::requests;

/// Asks how far a rollout is now.
#[track_caller]
fn now(ns: &Namespace<'_>, target: &str) -> Value {
    let output = rollback(ns, &["status", target, "--watch=false", "-o", "json"]);
    json(&output)
}

/// Waits for the end of a rollout; the time is only there so that a wrong answer ends too.
fn status(ns: &Namespace<'_>, target: &str, more: &[&str]) -> Output {
    rollback(ns, &[&["status", target, "--timeout=60s"], more].concat())
}

fn kubectl_status(ns: &Namespace<'_>, target: &str, more: &[&str]) -> Output {
    ns.kubectl(&[&["rollout", "status", target], more].concat())
}

fn patch(ns: &Namespace<'_>, target: &str, patch: &str) {
    ns.kubectl(&["patch", target, "--type", "strategic", "-p", patch]).expect_ok();
}

/// Waits until that many pods run an image.
fn images(ns: &Namespace<'_>, image: &str, count: usize) {
    ns.wait_until(&format!("{count} pods have {image}"), LONG, || {
        pods(ns).iter().filter(|(_, _, it)| it == image).count() == count
    });
}

/// Creates a workload under a name of its own.
fn create(ns: &Namespace<'_>, web: &Web, kind: &str, name: &str, label: &str) {
    let yaml = web.clone().named(name).yaml().replacen(
        &format!("labels: {{ app: {name} }}"),
        &format!("labels: {{ app: {name}, run: {label} }}"),
        1,
    );
    e2e::create(ns, &yaml);
    settled(ns, &format!("{kind}/{name}"));
}

#[test]
fn an_on_delete_set_is_held_until_its_pods_are_replaced() {
    for (kind, count) in [("daemonset", None), ("statefulset", Some("3 pods"))] {
        let ns = cluster().namespace("ondelete");
        let target = format!("{kind}/web");
        Web::new(kind, "app:1").spec("updateStrategy: { type: OnDelete }").create(&ns);
        set_image(&ns, &target, "app:2");
        let held = status(&ns, &target, &[]);
        assert_code(&held, 7);
        let why = format!("held: the strategy is OnDelete and {}", count.unwrap_or_default());
        assert!(held.stdout.starts_with(&why), "{held}");
        let plugin = if kind == "daemonset" { "dsupdate" } else { "stspartition" };
        let way_on = format!("hint: to go on in steps: kubectl {plugin} start {target} -n {}", ns.name());
        assert!(held.stderr.contains(&way_on), "{held}");
        assert_code(&status(&ns, &target, &["--held-ok"]), 0);
        let kubectl = kubectl_status(&ns, &target, &[]);
        assert_code(&kubectl, 1);
        assert!(kubectl.stderr.contains("only available for RollingUpdate"), "{kubectl}");

        ns.kubectl(&["delete", "pods", "-l", "app=web"]).expect_ok();
        let complete = status(&ns, &target, &["-o", "json"]);
        assert_code(&complete, 0);
        assert_eq!(json(&complete)["state"], "complete", "{complete}");
        assert!(pods(&ns).iter().all(|(_, _, image)| image == "app:2"));
    }
}

#[test]
fn a_partition_holds_also_where_kubectl_takes_none_of_three_for_complete() {
    let ns = cluster().namespace("partition");
    let strategy = "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 3 } }";
    Web::new("statefulset", "app:1").spec(strategy).create(&ns);
    set_image(&ns, "statefulset/web", "app:2");
    let held = status(&ns, "statefulset/web", &["-o", "json"]);
    assert_code(&held, 7);
    let document = json(&held);
    assert_eq!([&document["state"], &document["strategy"]], ["held", "RollingUpdate"], "{held}");
    assert_eq!([&document["partition"], &document["updated"], &document["old"]], [3, 0, 3], "{held}");
    let kubectl = kubectl_status(&ns, "statefulset/web", &[]).expect_ok();
    assert!(kubectl.contains("roll out complete: 0 new pods"), "{kubectl}");

    patch(&ns, "statefulset/web", r#"{"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}}}}"#);
    observed(&ns, "statefulset/web");
    let held = status(&ns, "statefulset/web", &[]);
    assert_code(&held, 7);
    assert_eq!(held.stdout, "held: partition 2 keeps 2 pods at an older revision\n");
    assert!(held.stderr.contains("kubectl stspartition advance statefulset/web"), "{held}");
    images(&ns, "app:2", 1);

    patch(&ns, "statefulset/web", r#"{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}"#);
    assert_code(&status(&ns, "statefulset/web", &[]), 0);
    images(&ns, "app:2", 3);
}

#[test]
fn a_partition_counts_from_the_first_ordinal() {
    let ns = cluster().namespace("ordinals");
    let strategy = "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 1 } }";
    Web::new("statefulset", "app:1").replicas(2).spec("ordinals: { start: 5 }").spec(strategy).create(&ns);
    set_image(&ns, "statefulset/web", "app:2");
    let held = status(&ns, "statefulset/web", &[]);
    assert_code(&held, 7);
    assert_eq!(held.stdout, "held: partition 1 keeps 1 pod at an older revision\n");
    let new: Vec<(String, String)> = pods(&ns).into_iter().map(|(name, _, image)| (name, image)).collect();
    assert_eq!(new, [("web-5".into(), "app:1".into()), ("web-6".into(), "app:2".into())]);
    patch(&ns, "statefulset/web", r#"{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}"#);
    assert_code(&status(&ns, "statefulset/web", &[]), 0);
    images(&ns, "app:2", 2);
}

#[test]
fn the_old_pods_of_a_surging_daemonset_do_not_count_as_available() {
    let ns = cluster().namespace("surge");
    let surge =
        "updateStrategy: { type: RollingUpdate, rollingUpdate: { maxSurge: \"100%\", maxUnavailable: 0 } }";
    Web::new("daemonset", "app:1").spec(surge).create(&ns);
    let nodes = pods(&ns).len();
    set_image(&ns, "daemonset/web", "app:never");
    images(&ns, "app:never", nodes);
    observed(&ns, "daemonset/web");
    let document = now(&ns, "daemonset/web");
    assert_eq!(document["state"], "advancing", "{document}");
    assert_eq!([&document["updated"], &document["old"]], [nodes, nodes], "{document}");
    assert_eq!(document["available"], 0, "{document}");
    assert_code(&rollback(&ns, &["status", "daemonset/web", "--timeout=1s"]), 4);
    set_image(&ns, "daemonset/web", "app:3");
    let complete = status(&ns, "daemonset/web", &["-o", "json"]);
    assert_code(&complete, 0);
    let document = json(&complete);
    assert_eq!([&document["available"], &document["old"]], [nodes, 0], "{document}");
    images(&ns, "app:3", nodes);
}

#[test]
fn a_statefulset_is_complete_when_its_pods_are_available_not_when_they_are_ready() {
    let ns = cluster().namespace("minready");
    Web::new("statefulset", "app:1").replicas(1).create(&ns);
    let slow = r#"{"spec":{"minReadySeconds":3600,"template":{"spec":{"containers":[{"name":"app","image":"app:2"}]}}}}"#;
    patch(&ns, "statefulset/web", slow);
    // The old pod is not available any more, and the controller waits for it.
    ns.kubectl(&["delete", "pod", "web-0"]).expect_ok();
    assert_code(&kubectl_status(&ns, "statefulset/web", &["--timeout=60s"]), 0);
    let document = now(&ns, "statefulset/web");
    assert_eq!(document["state"], "advancing", "{document}");
    assert_eq!([&document["ready"], &document["available"]], [1, 0], "{document}");
    let waiting = rollback(&ns, &["status", "statefulset/web", "--watch=false"]).expect_ok();
    assert!(waiting.contains("1 of 1 pods are new, 0 of them available"), "{waiting}");
    patch(&ns, "statefulset/web", r#"{"spec":{"minReadySeconds":0}}"#);
    assert_code(&status(&ns, "statefulset/web", &[]), 0);
}

#[test]
fn a_paused_deployment_is_held_where_kubectl_waits_for_ever() {
    let ns = cluster().namespace("paused");
    Web::new("deployment", "app:1").create(&ns);
    ns.kubectl(&["rollout", "pause", "deployment/web"]).expect_ok();
    set_image(&ns, "deployment/web", "app:2");
    let held = status(&ns, "deployment/web", &[]);
    assert_code(&held, 7);
    assert_eq!(held.stdout, "held: it is paused\n");
    assert!(held.stderr.contains(&format!("resume deployment/web -n {}", ns.name())), "{held}");
    let kubectl = kubectl_status(&ns, "deployment/web", &["--timeout=2s"]);
    assert!(kubectl.stderr.contains("timed out waiting"), "{kubectl}");
    assert_eq!(now(&ns, "deployment/web")["paused"], true);
    ns.kubectl(&["rollout", "resume", "deployment/web"]).expect_ok();
    assert_code(&status(&ns, "deployment/web", &[]), 0);
}

#[test]
fn no_pods_wanted_is_complete_also_under_a_partition() {
    let strategy = "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 2 } }";
    let partitioned = Web::new("statefulset", "app:1").spec(strategy);
    for (web, target) in [
        (Web::new("deployment", "app:1"), "deployment/web"),
        (Web::new("statefulset", "app:1"), "statefulset/web"),
        (partitioned, "statefulset/web"),
    ] {
        let ns = cluster().namespace("zero");
        web.create(&ns);
        ns.kubectl(&["scale", target, "--replicas=0"]).expect_ok();
        set_image(&ns, target, "app:2");
        let complete = status(&ns, target, &["-o", "json"]);
        assert_code(&complete, 0);
        assert_eq!(json(&complete)["desired"], 0, "{complete}");
    }
    let ns = cluster().namespace("nowhere");
    Web::new("daemonset", "app:1").create(&ns);
    patch(&ns, "daemonset/web", r#"{"spec":{"template":{"spec":{"nodeSelector":{"no":"such"}}}}}"#);
    ns.wait_until("no pod is left", LONG, || pods(&ns).is_empty());
    assert_eq!(json(&status(&ns, "daemonset/web", &["-o", "json"]))["desired"], 0);
}

#[test]
fn an_old_pod_that_lingers_does_not_keep_a_deployment_unfinished() {
    let ns = cluster().namespace("linger");
    let yaml = Web::new("deployment", "app:1").yaml();
    let yaml = yaml.replace("metadata: { labels", "metadata: { annotations: { linger: \"true\" }, labels");
    let yaml = yaml.replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 30");
    e2e::create(&ns, &yaml);
    settled(&ns, "deployment/web");
    set_image(&ns, "deployment/web", "app:2");
    let complete = status(&ns, "deployment/web", &["-o", "json"]);
    assert_code(&complete, 0);
    let document = json(&complete);
    assert_eq!([&document["updated"], &document["old"], &document["terminating"]], [3, 0, 3], "{complete}");
    ns.kubectl(&["annotate", "pods", "--all", "linger-"]).expect_ok();
}

#[test]
fn kubectl_agrees_on_what_is_complete_and_what_goes_on() {
    for kind in KINDS {
        let ns = cluster().namespace("agree");
        let target = format!("{kind}/web");
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:2");
        assert_code(&kubectl_status(&ns, &target, &["--timeout=60s"]), 0);
        let complete = status(&ns, &target, &[]);
        assert_code(&complete, 0);
        assert!(complete.stdout.ends_with(" \"web\" successfully rolled out\n"), "{complete}");

        set_image(&ns, &target, "app:never");
        assert_code(&kubectl_status(&ns, &target, &["--timeout=2s"]), 1);
        let waiting = rollback(&ns, &["status", &target, "--timeout=2s"]);
        assert_code(&waiting, 4);
        assert!(waiting.stderr.contains("error: timed out waiting for the condition"), "{waiting}");
        let (theirs, ours) = (
            kubectl_status(&ns, &target, &["--watch=false"]).expect_ok(),
            rollback(&ns, &["status", &target, "--watch=false"]).expect_ok(),
        );
        assert!(theirs.contains("aiting for") && ours.contains("Waiting for"), "{theirs}{ours}");
        assert_eq!(now(&ns, &target)["state"], "advancing", "{kind}");
    }
}

#[test]
fn the_document_has_the_shape_that_scripts_rely_on() {
    let ns = cluster().namespace("shape");
    Web::new("statefulset", "app:1").create(&ns);
    let document = now(&ns, "statefulset/web");
    assert_eq!(document["apiVersion"], "rollout-plugins.dev/v1alpha1");
    assert_eq!(document["kind"], "Status");
    let live = ns.get(&["statefulset/web"]);
    let workload = &document["workload"];
    assert_eq!(
        [&workload["apiVersion"], &workload["kind"], &workload["name"]],
        ["apps/v1", "StatefulSet", "web"]
    );
    assert_eq!(workload["namespace"], ns.name());
    assert_eq!(workload["uid"], live["metadata"]["uid"]);
    assert_eq!([&document["state"], &document["strategy"]], ["complete", "RollingUpdate"]);
    for (field, number) in [("revision", 1), ("desired", 3), ("updated", 3), ("ready", 3), ("available", 3)] {
        assert_eq!(document[field], number, "{field}: {document}");
    }
    assert!(document["startedAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{document}");
    assert_eq!(document["causes"], Value::Array(Vec::new()), "{document}");
    let list = json(&rollback(&ns, &["status", "statefulsets", "--watch=false", "-o", "json"]));
    assert_eq!([&list["kind"], &list["items"][0]["kind"]], ["List", "Status"], "{list}");
}

#[test]
fn events_are_lines_of_json_and_one_document_follows() {
    let ns = cluster().namespace("events");
    Web::new("deployment", "app:1").create(&ns);
    set_image(&ns, "deployment/web", "app:2");
    let watched = status(&ns, "deployment/web", &["-o", "json", "--output-watch-events"]);
    assert_code(&watched, 0);
    let documents: Vec<Value> = Deserializer::from_str(&watched.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("it is all JSON");
    let (last, events) = documents.split_last().expect("something is said");
    assert_eq!([&last["kind"], &last["state"]], ["Status", "complete"], "{watched}");
    assert!(!events.is_empty(), "{watched}");
    let lines: Vec<Value> =
        watched.stdout.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines, documents, "one event a line, and the document at the end too");
    for event in events {
        assert_eq!([&event["kind"], &event["event"]], ["Event", "progress"], "{event}");
        assert_eq!([&event["workload"]["name"], &event["desired"]], [&Value::from("web"), &Value::from(3)]);
        assert!(event["time"].is_string(), "{event}");
    }
}

#[test]
fn a_revision_that_is_not_the_running_one_is_an_error() {
    let ns = cluster().namespace("revision");
    Web::new("deployment", "app:1").create(&ns);
    set_image(&ns, "deployment/web", "app:2");
    assert_code(&status(&ns, "deployment/web", &["--revision", "2"]), 0);
    let other = status(&ns, "deployment/web", &["--revision=1"]);
    assert_code(&other, 1);
    assert_eq!(other.stderr, "error: desired revision (1) is different from the running revision (2)\n");
    assert_code(&kubectl_status(&ns, "deployment/web", &["--revision=1"]), 1);
}

#[test]
fn of_several_objects_the_worst_ending_counts_and_the_table_shows_it_first() {
    let (ns, other) = (cluster().namespace("several"), cluster().namespace("several"));
    let label = ns.name();
    create(&ns, &Web::new("deployment", "app:1"), "deployment", "good", label);
    create(&other, &Web::new("statefulset", "app:1"), "statefulset", "held", label);
    create(&ns, &Web::new("deployment", "app:1"), "deployment", "bad", label);
    let on_delete = r#"{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}"#;
    patch(&other, "statefulset/held", on_delete);
    set_image(&other, "statefulset/held", "app:2");
    let everywhere = |more: &[&str]| {
        let selector = format!("run={label}");
        let words = ["rollback", "status", "-A", "-l", &selector];
        cluster().kubectl(&[&words, more].concat())
    };
    let waited = |ns: &Namespace<'_>, more: &[&str]| {
        rollback(ns, &[&["status", "deployments,statefulsets", "--timeout=60s"], more].concat())
    };
    assert_code(&waited(&other, &[]), 7);
    assert_code(&waited(&other, &["--held-ok"]), 0);
    assert_code(&waited(&ns, &[]), 0);
    set_image(&ns, "deployment/bad", "app:missing");
    assert_code(&waited(&ns, &[]), 3);
    let table = everywhere(&[]);
    assert_code(&table, 3);
    let rows: Vec<Vec<&str>> = table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAMESPACE", "NAME", "STATE", "REVISION", "UPDATED", "AGE", "CAUSE"], "{table}");
    let seen: Vec<[&str; 4]> = rows[1..].iter().map(|row| [row[0], row[1], row[2], row[6]]).collect();
    let expected = [
        [ns.name(), "deployment/bad", "failed", "image-pull"],
        [other.name(), "statefulset/held", "held", "<none>"],
        [ns.name(), "deployment/good", "complete", "<none>"],
    ];
    assert_eq!(seen, expected, "{table}");
}

#[test]
fn many_workloads_are_listed_once_and_say_what_each_says_alone() {
    let ns = cluster().namespace("many");
    let names: Vec<String> = (1..=9).map(|number| format!("web{number}")).collect();
    names.iter().for_each(|name| e2e::create(&ns, &Web::new("deployment", "app:1").named(name).yaml()));
    Web::new("statefulset", "app:1").replicas(2).create(&ns);
    Web::new("daemonset", "app:1").create(&ns);
    names.iter().for_each(|name| settled(&ns, &format!("deployment/{name}")));
    let document = |words: &[&str]| {
        let output = rollback(&ns, &[words, &["--watch=false", "-o", "json", "-v=6"]].concat());
        assert_code(&output, 0);
        (json(&output), requests(&output))
    };
    let (together, asked) = document(&["status", "deployments,statefulsets,daemonsets"]);
    // Three sorts of workloads, two of revisions, and the pods.
    assert_eq!(asked.len(), 6, "{asked:?}");
    let items = together["items"].as_array().unwrap();
    assert_eq!(items.len(), 11);
    for item in items {
        let kind = item["workload"]["kind"].as_str().unwrap().to_lowercase();
        let name = item["workload"]["name"].as_str().unwrap();
        let (alone, _) = document(&["status", &format!("{kind}/{name}")]);
        assert_eq!(item, &alone);
        assert_eq!(item["available"], item["desired"], "{item}");
    }
}

#[test]
fn an_object_that_is_deleted_ends_the_watch() {
    let ns = cluster().namespace("deleted");
    Web::new("deployment", "app:1").create(&ns);
    set_image(&ns, "deployment/web", "app:never");
    let watch = Running::rollback(&ns, &["status", "deployment/web"]);
    watch.says("deployment/web: ");
    ns.kubectl(&["delete", "deployment", "web"]).expect_ok();
    let ended = watch.ends();
    assert_code(&ended, 1);
    assert!(ended.stderr.ends_with("error: object has been deleted\n"), "{ended}");
}

#[test]
fn a_change_that_no_controller_has_seen_is_not_taken_for_done() {
    let cluster = Cluster::start(&Options { nodes: 2, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    for kind in KINDS {
        let ns = cluster.namespace("unseen");
        let target = format!("{kind}/web");
        Web::new(kind, "app:1").create(&ns);
        cluster.stop(Part::ControllerManager).unwrap();
        ns.kubectl(&["set", "image", &target, "app=app:2"]).expect_ok();
        assert_eq!(now(&ns, &target)["state"], "unobserved", "{kind}");
        let waiting = rollback(&ns, &["status", &target, "--watch=false"]).expect_ok();
        assert!(waiting.ends_with("spec update to be observed...\n"), "{waiting}");
        assert_code(&rollback(&ns, &["status", &target, "--timeout=2s"]), 4);
        let watch = Running::rollback(&ns, &["status", &target]);
        watch.says(": ");
        cluster.restart(Part::ControllerManager).unwrap();
        assert_code(&watch.ends(), 0);
        assert!(pods(&ns).iter().all(|(_, _, image)| image == "app:2"), "{kind}");
    }
}
