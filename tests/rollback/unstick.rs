//! `kubectl rollback unstick`: the pod that a StatefulSet hangs on is named and deleted, and no other.

use std::thread;

use cluster::{Namespace, Output};
use e2e::scene::{A_WHILE, Terminal, broken, json_lines, rollback, uids};
use e2e::{LONG, Running, Web, assert_code, cluster, image, json, observed, pods, set_image};

use crate::guard::all_run;

const SET: &str = "statefulset/web";

/// A set that kubectl rolled back from a bad image, and that hangs on the pod of it.
fn hanging(ns: &Namespace<'_>) {
    Web::new("statefulset", "app:1").create(ns);
    set_image(ns, SET, "app:missing");
    broken(ns, "app:missing", 1);
    ns.kubectl(&["rollout", "undo", SET]).expect_ok();
    observed(ns, SET);
}

/// Makes a pod unready, as a kubelet would.
fn unready(ns: &Namespace<'_>, pod: &str) {
    e2e::set_ready(ns, pod, "False");
}

fn deleted(output: &Output) -> Vec<String> {
    let events = json_lines(&output.stdout);
    let deleting = events.iter().filter(|it| it["event"] == "deleting");
    deleting.map(|it| it["pod"].as_str().unwrap().to_string()).collect()
}

#[test]
fn a_set_that_hangs_is_freed_by_deleting_the_pod_that_blocks_it() {
    let ns = cluster().namespace("unstick");
    hanging(&ns);
    let before = uids(&ns);
    let planned = rollback(&ns, &["unstick", SET, "--dry-run"]);
    assert_code(&planned, 0);
    let end = "statefulset.apps/web is freed by deleting pod web-2 (dry run)\n";
    assert!(planned.stdout.ends_with(end), "{planned}");
    let document = json(&rollback(&ns, &["unstick", SET, "--dry-run", "-o", "json"]));
    assert_eq!(document["impact"]["pods"][0]["name"], "web-2", "{document}");
    assert_eq!(uids(&ns), before);

    let mut terminal = Terminal::start(&ns, &["unstick", SET]);
    terminal.shows("Free statefulset/web? [y/N] ");
    terminal.types("n");
    let (rest, code) = terminal.ends();
    assert_eq!(code, 8, "{rest}");
    assert!(rest.contains("nothing was changed"), "{rest}");
    assert_eq!(uids(&ns), before);

    let freed = rollback(&ns, &["unstick", SET]);
    assert_code(&freed, 0);
    assert!(
        freed.stderr.contains("pod web-2 blocks the set and nothing will replace it: deleting it"),
        "{freed}"
    );
    assert!(freed.stdout.ends_with("statefulset \"web\" successfully rolled out\n"), "{freed}");
    let after = uids(&ns);
    assert_eq!([&after["web-0"], &after["web-1"]], [&before["web-0"], &before["web-1"]]);
    all_run(&ns, SET, "app:1");

    let nothing = rollback(&ns, &["unstick", SET]);
    assert_code(&nothing, 0);
    assert_eq!((nothing.stdout.as_str(), uids(&ns)), ("statefulset.apps/web is not stuck\n", after));
}

#[test]
fn one_blocker_after_the_other_is_deleted() {
    let ns = cluster().namespace("unstick-all");
    Web::new("statefulset", "app:1").create(&ns);
    for pod in ["web-0", "web-1", "web-2"] {
        unready(&ns, pod);
    }
    set_image(&ns, SET, "app:2");
    let freed = rollback(&ns, &["unstick", SET, "-o", "json", "--output-watch-events"]);
    assert_code(&freed, 0);
    assert_eq!(deleted(&freed), ["web-0", "web-1", "web-2"], "{freed}");
    all_run(&ns, SET, "app:2");
}

#[test]
fn a_set_whose_own_revision_fails_loses_no_pod() {
    let ns = cluster().namespace("unstick-bad");
    Web::new("statefulset", "app:1").create(&ns);
    set_image(&ns, SET, "app:missing");
    broken(&ns, "app:missing", 1);
    let before = uids(&ns);
    let refused = rollback(&ns, &["unstick", SET]);
    assert_code(&refused, 1);
    let says = format!(
        "error: pod web-2 blocks the set, and it is at the revision that the set asks for: nothing was deleted \
         (statefulset/web in namespace {name})\n\
         hint: roll it back to a revision that works: kubectl rollback undo statefulset/web -n {name}\n",
        name = ns.name()
    );
    assert_eq!((refused.stderr.as_str(), uids(&ns)), (says.as_str(), before));
}

#[test]
fn a_pod_below_the_partition_is_explained_and_left() {
    let ns = cluster().namespace("unstick-below");
    let strategy = "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 2 } }";
    Web::new("statefulset", "app:1").spec(strategy).create(&ns);
    set_image(&ns, SET, "app:2");
    ns.wait_until("web-2 is new", LONG, || {
        ns.get(&[SET])["status"]["readyReplicas"] == 3 && pods(&ns).get(2).is_some_and(|it| it.2 == "app:2")
    });
    unready(&ns, "web-0");
    let before = uids(&ns);
    let refused = rollback(&ns, &["unstick", SET]);
    assert_code(&refused, 1);
    assert!(
        refused
            .stderr
            .starts_with("error: pod web-0 blocks the set, and it is below the partition (2): deleted"),
        "{refused}"
    );
    assert!(refused.stderr.contains("\nhint: lower the partition first"), "{refused}");
    assert_eq!(uids(&ns), before);
}

#[test]
fn only_stateful_sets_get_stuck_and_parallel_ones_do_not() {
    let ns = cluster().namespace("unstick-other");
    for (kind, words) in [("deployment", "deployment"), ("daemonset", "daemon set")] {
        Web::new(kind, "app:1").replicas(1).create(&ns);
        let refused = rollback(&ns, &["unstick", &format!("{kind}/web")]);
        assert_code(&refused, 1);
        assert!(
            refused.stderr.starts_with(&format!("error: a {words} replaces its broken pods")),
            "{refused}"
        );
    }
    for (words, code) in
        [(&["unstick", "sts/web"][..], 1), (&["unstick"], 2), (&["unstick", "sts/web", "--wait=false"], 2)]
    {
        assert_code(&rollback(&ns, words), code);
    }
    let ns = cluster().namespace("unstick-parallel");
    Web::new("statefulset", "app:1").spec("podManagementPolicy: Parallel").create(&ns);
    set_image(&ns, SET, "app:missing");
    broken(&ns, "app:missing", 1);
    ns.kubectl(&["rollout", "undo", SET]).expect_ok();
    let nothing = rollback(&ns, &["unstick", SET]);
    assert_code(&nothing, 0);
    assert_eq!(nothing.stdout, "statefulset.apps/web is not stuck\n");
    all_run(&ns, SET, "app:1");
}

#[test]
fn a_pod_that_is_on_its_way_out_is_waited_for() {
    let ns = cluster().namespace("unstick-lingering");
    hanging(&ns);
    ns.kubectl(&["annotate", "pod", "web-2", "linger=true"]).expect_ok();
    ns.kubectl(&["delete", "pod", "web-2", "--wait=false", "--grace-period=60"]).expect_ok();
    let before = uids(&ns);
    let running = Running::rollback(&ns, &["unstick", SET]);
    running.says("statefulset.apps/web is looked at until it moves\n");
    thread::sleep(A_WHILE);
    assert_eq!(uids(&ns), before);
    ns.kubectl(&["annotate", "pod", "web-2", "linger-"]).expect_ok();
    let ended = running.ends();
    assert_code(&ended, 0);
    assert!(!ended.stderr.contains("deleting"), "{ended}");
    assert_eq!(image(&ns, SET), "app:1");
    all_run(&ns, SET, "app:1");
}

#[test]
fn a_set_that_was_made_anew_around_its_pods_is_freed_from_those_that_cannot_be_brought_in_line() {
    let ns = cluster().namespace("in-line");
    let names = e2e::volumes(&ns);
    Web::new("statefulset", "app:1").create(&ns);
    ns.kubectl(&["delete", SET, "--cascade=orphan"]).expect_ok();
    let anew = Web::new("statefulset", "app:2").spec(e2e::CLAIM_TEMPLATES).yaml();
    e2e::create(&ns, &anew);
    observed(&ns, SET);
    let status = || rollback(&ns, &["status", SET, "--watch=false", "-o", "json"]);
    ns.wait_until("it is named", LONG, || json(&status())["state"] == "failed");
    let document = json(&status());
    assert_eq!(document["causes"][0]["id"], "sts-cannot-update", "{document}");
    assert_eq!(document["causes"][0]["pod"], "web-0", "{document}");
    assert!(
        document["causes"][0]["evidence"].to_string().contains("is invalid: spec: Forbidden"),
        "{document}"
    );
    let before = uids(&ns);
    let freed = rollback(&ns, &["unstick", SET, "-o", "json", "--output-watch-events", "--timeout=90s"]);
    assert_code(&freed, 0);
    // The controller tries them from the lowest up, and replaces none itself before the last is in line.
    assert_eq!(deleted(&freed), ["web-0", "web-1", "web-2"], "{freed}");
    all_run(&ns, SET, "app:2");
    assert!(uids(&ns).iter().all(|(name, uid)| before[name] != *uid));
    let delete = ["delete", "persistentvolumes", "--wait=false", &names[0], &names[1], &names[2]];
    ns.cluster().kubectl(&delete).expect_ok();
}
