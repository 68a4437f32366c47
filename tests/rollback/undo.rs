//! `kubectl rollback undo`: where it goes, what it refuses, what it leaves alone.

use cluster::{Login, Namespace};
use e2e::scene::{
    CAUSE, annotation, broken, change, for_each_kind, meanwhile, qualified, quiet, roll, rollback, uids,
    version,
};
use e2e::{Web, assert_code, cluster, image, json, pods, set_image};
use serde_json::{Value, json};

/// The reason of the revision that a workload is at, as its history says it.
fn current_cause(ns: &Namespace<'_>, target: &str) -> Value {
    let history = json(&rollback(ns, &["history", target, "-o", "json"]));
    let revisions = history["revisions"].as_array().cloned().unwrap_or_default();
    let current = revisions.into_iter().find(|it| it["state"] == "current");
    current.unwrap_or_else(|| panic!("nothing is current in {history}"))["changeCause"].take()
}

#[test]
fn undo_goes_back_on_each_kind_and_waits() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:2");
        let output = rollback(&ns, &["undo", &target]);
        assert_code(&output, 0);
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert_eq!(lines[0], format!("{} rolled back to revision 1", qualified(kind)));
        assert!(lines[1].ends_with("\"web\" successfully rolled out"), "{output}");
        // It is true: nobody waits here.
        let pods = pods(&ns);
        assert!(!pods.is_empty() && pods.iter().all(|(_, _, image)| image == "app:1"), "{pods:?}");
        // Short for it, and the previous one is the one that was left.
        assert_code(&ns.kubectl(&["rollback", &target]), 0);
        assert_eq!(image(&ns, &target), "app:2", "{kind}");
    });
}

#[test]
fn undo_goes_to_a_named_revision_and_names_what_exists_where_there_is_none() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-to"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        roll(&ns, &target, "app:3");
        assert_code(&rollback(&ns, &["undo", &target, "--to-revision", "1"]), 0);
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
        let before = version(&ns, &target);
        let unknown = rollback(&ns, &["undo", &target, "--to-revision=9"]);
        assert_code(&unknown, 1);
        let sentence = format!(
            "error: unable to find specified revision 9 in history ({target} in namespace {})\n\
             hint: revisions that exist: 2, 3, 4\n",
            ns.name()
        );
        assert_eq!((unknown.stderr, unknown.stdout.as_str()), (sentence, ""));
        let moved = rollback(&ns, &["undo", &target, "--to-revision=1"]);
        assert_code(&moved, 1);
        let says = moved.stderr.contains("it came back and is revision 4 now; revisions that exist: 2, 3, 4");
        assert_eq!(says, kind == "deployment", "{moved}");
        for wrong in ["-1", "two"] {
            let usage = rollback(&ns, &["undo", &target, &format!("--to-revision={wrong}")]);
            assert_code(&usage, 2);
            assert!(
                usage.stderr.contains(&format!("revision must be a positive integer: {wrong}")),
                "{usage}"
            );
        }
        assert_eq!(version(&ns, &target), before, "{kind}");
        assert_code(&rollback(&ns, &["undo", &target, "--to-revision=0"]), 0);
        assert_eq!(image(&ns, &target), "app:3", "{kind}");
    });
}

#[test]
fn undo_to_the_template_that_is_there_writes_nothing() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-same"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let (before, pods) = (version(&ns, &target), uids(&ns));
        let output = rollback(&ns, &["undo", &target, "--to-revision=2"]);
        assert_code(&output, 0);
        let name = qualified(kind);
        let skipped = format!("{name} skipped rollback (current template already matches revision 2)\n");
        assert_eq!(output.stdout, skipped);
        let document = json(&rollback(&ns, &["undo", &target, "--to-revision=2", "-o", "json"]));
        assert_eq!((&document["kind"], &document["outcome"]), (&json!("Result"), &json!("unchanged")));
        assert_eq!(document["warnings"][0]["id"], "same-template");
        assert_eq!((version(&ns, &target), uids(&ns)), (before, pods), "{kind}");
    });
}

#[test]
fn undo_without_an_older_revision_says_why() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-single"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        let before = version(&ns, &target);
        for words in [["undo", &target].as_slice(), &["undo", &target, "--to-last-good"]] {
            let single = rollback(&ns, words);
            assert_code(&single, 1);
            let why = format!("no last revision to roll back to ({target} in namespace {})", ns.name());
            assert!(single.stderr.contains(&why), "{single}");
        }
        assert_eq!(version(&ns, &target), before, "{kind}");
    });
}

#[test]
fn undo_of_a_workload_that_keeps_no_history_says_so() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-limit"), format!("{kind}/web"));
        Web::new(kind, "app:1").spec("revisionHistoryLimit: 0").create(&ns);
        roll(&ns, &target, "app:2");
        let recorded = if kind == "deployment" { "replicasets" } else { "controllerrevisions" };
        ns.wait_until("the old revision is gone", e2e::LONG, || {
            ns.get(&[recorded, "-l", "app=web"])["items"].as_array().map(Vec::len) == Some(1)
        });
        let before = version(&ns, &target);
        let refused = rollback(&ns, &["undo", &target]);
        assert_code(&refused, 1);
        assert!(refused.stderr.contains("`revisionHistoryLimit: 0` keeps no history"), "{refused}");
        assert!(refused.stderr.contains("hint: "), "{refused}");
        assert_eq!((version(&ns, &target), image(&ns, &target).as_str()), (before, "app:2"));
    });
}

#[test]
fn a_paused_deployment_is_refused_and_resumed_in_the_same_change_when_that_is_asked() {
    let (ns, target) = (cluster().namespace("undo-paused"), "deployment/web");
    Web::new("deployment", "app:1").create(&ns);
    roll(&ns, target, "app:2");
    ns.kubectl(&["rollout", "pause", target]).expect_ok();
    e2e::observed(&ns, target);
    let before = ns.get(&[target])["metadata"]["generation"].as_i64();
    let refused = rollback(&ns, &["undo", target]);
    assert_code(&refused, 1);
    assert!(refused.stderr.contains("you cannot rollback a paused deployment"), "{refused}");
    assert!(refused.stderr.contains("hint: --resume "), "{refused}");
    assert_eq!(ns.get(&[target])["metadata"]["generation"].as_i64(), before);
    assert_code(&rollback(&ns, &["undo", target, "--resume"]), 0);
    let object = ns.get(&[target]);
    assert_eq!((object["spec"].get("paused"), image(&ns, target).as_str()), (None, "app:1"));
    // One change of the specification, so nothing of it can be half done.
    assert_eq!(object["metadata"]["generation"].as_i64(), before.map(|it| it + 1), "{object}");
    quiet(&ns, target);
}

#[test]
fn a_dry_run_changes_nothing_and_shows_the_plan() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-dry"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        change(&ns, &target, "app:2", "the second");
        quiet(&ns, &target);
        let (before, pods_before) = (version(&ns, &target), uids(&ns));
        for (flag, words) in [("--dry-run=client", "(dry run)"), ("--dry-run=server", "(server dry run)")] {
            let output = rollback(&ns, &["undo", &target, flag]);
            assert_code(&output, 0);
            let end = format!("{} rolled back to revision 1 {words}\n", qualified(kind));
            assert!(output.stdout.ends_with(&end), "{output}");
            assert!(output.stdout.contains("revision 2 -> 1\n"), "{output}");
            assert!(output.stdout.contains("~ spec.containers[app].image: app:2 -> app:1"), "{output}");
            let plan = rollback(&ns, &["undo", &target, flag, "-o", "json"]);
            assert_code(&plan, 0);
            let plan = json(&plan);
            assert_eq!((&plan["kind"], &plan["workload"]["name"]), (&json!("Plan"), &json!("web")));
            assert_eq!((&plan["fromRevision"], &plan["toRevision"]), (&json!(2), &json!(1)));
            let change = json!([{ "path": "spec.containers[app].image", "from": "app:2", "to": "app:1" }]);
            assert_eq!((&plan["changes"], &plan["warnings"]), (&change, &json!([])));
            assert_eq!(plan["requests"][0]["method"], "PATCH");
            let mut replaced: Vec<&str> = (plan["impact"]["pods"].as_array().into_iter().flatten())
                .filter_map(|pod| pod["name"].as_str())
                .collect();
            if kind == "statefulset" {
                assert_eq!(replaced, ["web-2", "web-1", "web-0"]);
            }
            replaced.sort_unstable();
            assert_eq!(replaced, pods_before.keys().collect::<Vec<_>>(), "{plan}");
            assert!(plan["impact"]["leastAvailable"].as_u64() < Some(replaced.len() as u64 + 1), "{plan}");
            assert!(plan["impact"]["phases"].as_array().is_some_and(|it| it.len() > 1), "{plan}");
        }
        assert_eq!((version(&ns, &target), uids(&ns)), (before, pods_before), "{kind}");
    });
}

#[test]
fn annotations_that_the_rollout_does_not_own_survive() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-annotations"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        ns.kubectl(&["annotate", &target, "team.example.com/owner=ours"]).expect_ok();
        quiet(&ns, &target);
        let owner = || annotation(&ns, &target, "team.example.com/owner");
        assert_code(&rollback(&ns, &["undo", &target]), 0);
        assert_eq!((image(&ns, &target).as_str(), owner()), ("app:1", json!("ours")), "{kind}");
        if kind == "deployment" {
            // What kubectl does with an annotation that the ReplicaSet does not have.
            ns.kubectl(&["annotate", &target, "team.example.com/late=ours"]).expect_ok();
            ns.kubectl(&["rollout", "undo", &target]).expect_ok();
            assert_eq!(annotation(&ns, &target, "team.example.com/late"), Value::Null);
        }
    });
}

#[test]
fn a_workload_without_any_annotation_can_go_back_with_and_without_a_reason() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-bare"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let strip = json!([{ "op": "remove", "path": "/metadata/annotations" }]).to_string();
        // Controllers and the server put theirs back on the other kinds.
        if kind == "statefulset" {
            assert_eq!(ns.get(&[&target])["metadata"].get("annotations"), None);
        } else {
            ns.kubectl(&["patch", &target, "--type", "json", "-p", &strip]).expect_ok();
        }
        assert_code(&rollback(&ns, &["undo", &target]), 0);
        assert_eq!(annotation(&ns, &target, CAUSE), Value::Null);
        assert_code(&rollback(&ns, &["undo", &target, "--reason", "it was better"]), 0);
        assert_eq!(annotation(&ns, &target, CAUSE), Value::Null, "{kind}");
        assert_eq!(current_cause(&ns, &target), "it was better", "{kind}");
        assert_eq!(image(&ns, &target), "app:2", "{kind}");
    });
}

#[test]
fn the_change_cause_stays_with_its_revision_and_is_not_inherited() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-cause"), format!("{kind}/web"));
        Web::new(kind, "app:1").annotation(CAUSE, "the first").create(&ns);
        change(&ns, &target, "app:2", "the second");
        quiet(&ns, &target);
        let cause = || (annotation(&ns, &target, CAUSE), current_cause(&ns, &target));
        assert_code(&rollback(&ns, &["undo", &target]), 0);
        assert_eq!(cause(), (Value::Null, json!("the first")), "{kind}");
        assert_code(&rollback(&ns, &["undo", &target, "--reason", "first leaks"]), 0);
        assert_eq!(cause(), (Value::Null, json!("first leaks")), "{kind}");
        assert_eq!(image(&ns, &target), "app:2", "{kind}");
        // Neither what is rolled out next nor what comes back without a reason has it.
        set_image(&ns, &target, "app:3");
        quiet(&ns, &target);
        assert_eq!(cause(), (Value::Null, Value::Null), "{kind}");
        assert_code(&rollback(&ns, &["undo", &target]), 0);
        assert_eq!(cause(), (Value::Null, json!("first leaks")), "{kind}");
    });
}

#[test]
fn without_the_right_to_write_revisions_the_reason_is_warned_of_and_the_rest_is_done() {
    for (kind, plural) in [("daemonset", "daemonsets.apps"), ("statefulset", "statefulsets.apps")] {
        let (ns, target) = (cluster().namespace("undo-rights"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let here = [("get,list,watch,patch", plural), ("list,watch", "pods,controllerrevisions.apps")];
        let kubeconfig = ns.user(Login::Token, &here, &[]);
        let kubeconfig = kubeconfig.to_str().unwrap_or_default();
        let words = ["undo", &target, "--kubeconfig", kubeconfig];
        let output = rollback(&ns, &[&words, ["--reason", "why not"].as_slice()].concat());
        assert_code(&output, 0);
        assert!(
            output.stderr.contains("Warning: the reason could not be written to the revision"),
            "{output}"
        );
        assert!(output.stderr.contains("forbidden"), "{output}");
        assert_eq!(annotation(&ns, &target, CAUSE), Value::Null);
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
    }
}

#[test]
fn a_workload_made_by_apply_is_warned_of_and_keeps_what_was_applied() {
    for_each_kind(|kind| {
        const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
        let (ns, target) = (cluster().namespace("undo-applied"), format!("{kind}/web"));
        ns.apply(&Web::new(kind, "app:1").yaml());
        quiet(&ns, &target);
        ns.apply(&Web::new(kind, "app:2").yaml());
        e2e::observed(&ns, &target);
        quiet(&ns, &target);
        let applied = annotation(&ns, &target, APPLIED);
        let plan = json(&rollback(&ns, &["undo", &target, "--dry-run=client", "-o", "json"]));
        assert_eq!(
            (&plan["warnings"][0]["id"], &plan["warnings"][0]["stops"]),
            (&json!("last-applied"), &json!(false))
        );
        let output = rollback(&ns, &["undo", &target]);
        assert_code(&output, 0);
        assert!(output.stderr.contains("the next apply of the same manifest reverts the change"), "{output}");
        assert!(output.stderr.contains("[last-applied]"), "{output}");
        assert_eq!(annotation(&ns, &target, APPLIED), applied, "{kind}");
    });
}

#[test]
fn a_written_undo_is_not_waited_for_when_that_is_asked() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-nowait"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:never-mind");
        roll(&ns, &target, "app:3");
        let output = rollback(&ns, &["undo", &target, "--wait=false", "--to-revision=1"]);
        assert_code(&output, 0);
        assert_eq!(output.stdout, format!("{} rolled back to revision 1\n", qualified(kind)));
        assert!(output.stderr.contains("written, not waited for"), "{output}");
        assert_eq!(image(&ns, &target), "app:1");
    });
}

#[test]
fn an_undo_that_does_not_get_healthy_in_time_ends_with_4() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-timeout"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:never");
        assert_code(&rollback(&ns, &["undo", &target, "--to-revision=1"]), 0);
        let words = ["undo", &target, "--to-revision=2", "--timeout=3s"];
        let output = rollback(&ns, &words);
        assert_code(&output, 4);
        assert!(output.stderr.contains("error: timed out waiting for the condition"), "{output}");
        assert_eq!(image(&ns, &target), "app:never", "{kind}");
    });
}

#[test]
fn an_undo_whose_target_fails_ends_with_3_and_the_causes() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-bad"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:missing");
        broken(&ns, "app:missing", 1);
        assert_code(&rollback(&ns, &["undo", &target, "--to-last-good"]), 0);
        let output = rollback(&ns, &["undo", &target, "--to-revision=2"]);
        assert_code(&output, 3);
        assert!(output.stderr.contains("error: the rollout of "), "{output}");
        assert!(output.stderr.contains("image app:missing cannot be pulled"), "{output}");
        let back = rollback(&ns, &["undo", &target, "-o", "json"]);
        assert_code(&back, 0);
        let document = json(&back);
        assert_eq!((&document["outcome"], &document["exitCode"]), (&json!("complete"), &json!(0)));
        assert_eq!(
            (&document["status"]["state"], &document["plan"]["toRevision"]),
            (&json!("complete"), &json!(3))
        );
    });
}

#[test]
fn somebody_elses_rollout_meanwhile_ends_the_waiting_with_6_and_is_left_alone() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("undo-superseded"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:never");
        broken(&ns, "app:never", 1);
        set_image(&ns, &target, "app:3");
        let output = meanwhile(&ns, &["undo", &target, "--to-revision=2", "--timeout=60s"], || {
            let written = || image(&ns, &target) == "app:never";
            ns.wait_until("the undo is written", e2e::LONG, written);
            ns.kubectl(&["set", "image", &target, "app=app:4"]).expect_ok();
        });
        assert_code(&output, 6);
        assert!(output.stderr.contains("somebody rolled out something else"), "{output}");
        assert_eq!(image(&ns, &target), "app:4", "{kind}");
    });
}
