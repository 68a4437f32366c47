//! `start` and `abort`: a set rolled out in steps to its end, or taken back, and what is refused.

use std::thread;
use std::time::Duration;

use cluster::{Namespace, Output};
use e2e::{A_WHILE, Running, Web, assert_code, cluster, image, json, json_lines, settled, uids};
use serde_json::Value;

use crate::scene::{SET, deletions, images, in_hand, partition, partitioned, ready, rests, rolled, sts};

/// Where a rollout in steps is stored.
pub const STORED: &str = "rollout-plugins.dev/rollout";
/// One pod, and then all of them.
pub const TWO: &str = "--steps=1,100%";

/// Starts a rollout in steps with a short soak.
#[track_caller]
pub fn start(ns: &Namespace<'_>, image: &str, more: &[&str]) -> Output {
    sts(ns, &[&["start", "web", &format!("app={image}"), "--soak=1s"], more].concat())
}

/// Starts one that pauses when its first pod is new.
#[track_caller]
pub fn paused_after_one(ns: &Namespace<'_>) {
    let paused = start(ns, "app:2", &[TWO, "--pause-after=1"]);
    assert_code(&paused, 0);
    assert!(paused.stdout.contains("held: 1 of 2 steps of statefulset \"web\" are done\n"), "{paused}");
}

/// Returns what a rollout in steps changes while it is under way, and leaves as it was.
pub fn kept(ns: &Namespace<'_>) -> [Value; 3] {
    let set = ns.get(&[SET]);
    let (metadata, spec) = (&set["metadata"], &set["spec"]);
    [&metadata["annotations"], &spec["updateStrategy"], &spec["revisionHistoryLimit"]].map(Value::clone)
}

/// Asserts that nothing tells of a rollout any more, also on the revisions, to which controllers copy annotations.
#[track_caller]
pub fn no_trace(ns: &Namespace<'_>, before: &[Value; 3]) {
    assert_eq!(kept(ns), *before);
    let revisions = ns.get(&["controllerrevisions", "-l", "app=web"]).to_string();
    assert!(!revisions.contains(STORED), "{revisions}");
}

/// Asserts that these pods are the ones that they were.
#[track_caller]
pub fn same(ns: &Namespace<'_>, before: &std::collections::BTreeMap<String, String>, names: &[&str]) {
    let now = uids(ns);
    for name in names {
        assert_eq!(now.get(*name), before.get(*name), "{name} is another pod");
    }
}

#[test]
fn a_set_is_rolled_out_in_steps_and_no_trace_stays() {
    let ns = cluster().namespace("steps");
    Web::new("statefulset", "app:1").replicas(4).create(&ns);
    let before = kept(&ns);
    let done = start(&ns, "app:2", &["--reason=a better one"]);
    assert_code(&done, 0);
    assert!(done.stdout.ends_with("statefulset \"web\" successfully rolled out\n"), "{done}");
    assert_eq!(images(&ns), ["app:2"; 4]);
    // The reason is the revision's, and nothing is left on the set.
    no_trace(&ns, &before);
    let history = e2e::json(&sts(&ns, &["history", "web", "-o", "json"]));
    let newest = history["revisions"].as_array().unwrap().last().unwrap();
    assert_eq!(newest["changeCause"], "a better one", "{history}");
    let again = start(&ns, "app:3", &["--steps=50%,100%"]);
    assert_code(&again, 0);
    assert_eq!(images(&ns), ["app:3"; 4]);
}

#[test]
fn the_partition_that_was_there_comes_back_and_holds_nothing_that_is_old() {
    let ns = cluster().namespace("steps");
    partitioned(2).create(&ns);
    let before = kept(&ns);
    assert_code(&start(&ns, "app:2", &[TWO]), 0);
    no_trace(&ns, &before);
    assert_eq!((partition(&ns), images(&ns)), (2, vec!["app:2".to_string(); 3]));
    ns.kubectl(&["delete", "pod", "web-0"]).expect_ok();
    rests(&ns, &["app:2"; 3]);

    paused_at_three(&ns);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    no_trace(&ns, &before);
    rests(&ns, &["app:2"; 3]);
}

fn paused_at_three(ns: &Namespace<'_>) {
    assert_code(&start(ns, "app:3", &[TWO, "--pause-after=1"]), 0);
    rests(ns, &["app:2", "app:2", "app:3"]);
}

#[test]
fn an_abort_puts_back_what_was_updated_and_touches_nothing_else() {
    let ns = cluster().namespace("steps");
    Web::new("statefulset", "app:1").create(&ns);
    let (before, pods) = (kept(&ns), uids(&ns));
    paused_after_one(&ns);
    let aborted = sts(&ns, &["abort", "web"]);
    assert_code(&aborted, 0);
    assert!(aborted.stdout.ends_with("statefulset \"web\" is back at revision 3\n"), "{aborted}");
    rests(&ns, &["app:1"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    assert_ne!(uids(&ns)["web-2"], pods["web-2"]);
    no_trace(&ns, &before);
    let again = sts(&ns, &["abort", "web"]);
    assert_code(&again, 1);
    assert!(again.stderr.contains("has no rollout in steps"), "{again}");
}

#[test]
fn an_image_that_is_missing_stops_at_the_first_pod_until_it_is_taken_back() {
    let ns = cluster().namespace("steps-bad");
    Web::new("statefulset", "app:1").create(&ns);
    let (before, pods) = (kept(&ns), uids(&ns));
    let failed = start(&ns, "app:missing", &[TWO]);
    assert_code(&failed, 3);
    let says = "error: step 1 of the rollout of statefulset \"web\" failed: it stands still";
    assert!(failed.stderr.contains(says) && failed.stderr.contains("web-2"), "{failed}");
    assert!(failed.stderr.contains("to take it back: kubectl stspartition abort"), "{failed}");
    thread::sleep(A_WHILE);
    assert_eq!(images(&ns), ["app:1", "app:1", "app:missing"]);
    same(&ns, &pods, &["web-0", "web-1"]);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:1"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    no_trace(&ns, &before);
}

#[test]
fn a_failure_takes_it_back_where_that_was_asked_for_also_one_that_only_the_soak_sees() {
    thread::scope(|scope| {
        for (bad, soak) in [("app:missing", "--soak=1s"), ("app:late", "--soak=30s")] {
            scope.spawn(move || {
                let ns = cluster().namespace("steps-back");
                Web::new("statefulset", "app:1").create(&ns);
                let (before, pods) = (kept(&ns), uids(&ns));
                let image = format!("app={bad}");
                let undone =
                    sts(&ns, &["start", "web", &image, TWO, soak, "--on-failure=abort", "-o", "json"]);
                assert_code(&undone, 5);
                let result = json(&undone);
                assert_eq!(result["outcome"], "undone", "{undone}");
                assert_eq!(result["exitCode"], 5, "{undone}");
                assert!(undone.stderr.contains("failed and was undone"), "{undone}");
                rests(&ns, &["app:1"; 3]);
                same(&ns, &pods, &["web-0", "web-1"]);
                no_trace(&ns, &before);
            });
        }
    });
}

#[test]
fn an_on_delete_set_is_driven_from_the_highest_ordinal_down() {
    let ns = cluster().namespace("steps-ondelete");
    Web::new("statefulset", "app:1").spec("updateStrategy: { type: OnDelete }").create(&ns);
    let before = kept(&ns);
    let done = start(&ns, "app:2", &[TWO, "-o", "json", "--output-watch-events"]);
    assert_code(&done, 0);
    let order = ["web-2", "web-1", "web-0"].map(|pod| (pod.to_string(), "on-delete".to_string()));
    assert_eq!(deletions(&done), order);
    assert_eq!(images(&ns), ["app:2"; 3]);
    no_trace(&ns, &before);

    let pods = uids(&ns);
    assert_code(&start(&ns, "app:3", &[TWO, "--pause-after=1"]), 0);
    assert_eq!(images(&ns), ["app:2", "app:2", "app:3"]);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    assert_eq!(images(&ns), ["app:2"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    no_trace(&ns, &before);
}

#[test]
fn an_on_delete_set_with_a_hole_is_waited_for() {
    let ns = cluster().namespace("steps-hole");
    Web::new("statefulset", "app:1").spec("updateStrategy: { type: OnDelete }").create(&ns);
    ready(&ns, "web-0", "False");
    ns.kubectl(&["delete", "pod", "web-2"]).expect_ok();
    let pods = uids(&ns);
    assert_eq!(pods.len(), 2);
    let driver =
        Running::plugin("stspartition", &ns, &["start", "web", "app=app:2", "--steps=2,100%", "--soak=1s"]);
    driver.says("step 1 of 2 (2): 0 of 2");
    thread::sleep(A_WHILE);
    assert_eq!(uids(&ns), pods, "a pod that is deleted beside a hole is lost");
    ready(&ns, "web-0", "True");
    assert_code(&driver.ends(), 0);
    rests(&ns, &["app:2"; 3]);
}

#[test]
fn a_quorum_loses_no_second_member_that_is_unready_for_a_moment() {
    let ns = cluster().namespace("steps-quorum");
    Web::new("statefulset", "app:1").spec("updateStrategy: { type: OnDelete }").create(&ns);
    let pods = uids(&ns);
    let words =
        ["start", "web", "app=app:slow", "--steps=100%", "--soak=1s", "-o", "json", "--output-watch-events"];
    let driver = Running::plugin("stspartition", &ns, &words);
    in_hand(&ns, "web-2", "app:slow");
    ready(&ns, "web-1", "False");
    thread::sleep(Duration::from_secs(3));
    same(&ns, &pods, &["web-0", "web-1"]);
    ready(&ns, "web-1", "True");
    let done = driver.ends();
    assert_code(&done, 0);
    assert_eq!(
        deletions(&done).into_iter().map(|(pod, _)| pod).collect::<Vec<_>>(),
        ["web-2", "web-1", "web-0"]
    );
    rests(&ns, &["app:slow"; 3]);
}

#[test]
fn what_comes_up_new_while_an_on_delete_rollout_is_paused_is_named() {
    let ns = cluster().namespace("steps-outside");
    Web::new("statefulset", "app:1").spec("updateStrategy: { type: OnDelete }").create(&ns);
    assert_code(&start(&ns, "app:2", &[TWO, "--pause-after=1"]), 0);
    ns.kubectl(&["delete", "pod", "web-0"]).expect_ok();
    rests(&ns, &["app:2", "app:1", "app:2"]);
    let shown = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(shown.contains("outside-step: web-0 is new, and no step has come there"), "{shown}");
    let document = json(&sts(&ns, &["pods", "web", "-o", "json"]));
    assert!(document["warnings"].to_string().contains("outside-step"), "{document}");
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:1"; 3]);
}

#[test]
fn a_set_at_two_revisions_stops_unless_that_is_allowed() {
    let ns = cluster().namespace("steps-mixed");
    rolled(&ns, 2, "app:2");
    let (before, pods) = (kept(&ns), uids(&ns));
    for dry in [&["--dry-run"][..], &[]] {
        let stopped = start(&ns, "app:3", &[&[TWO], dry].concat());
        assert_code(&stopped, 8);
        assert!(stopped.stderr.contains("the set is at more than one revision"), "{stopped}");
        assert!(stopped.stderr.contains("[mixed-revisions, stops]"), "{stopped}");
    }
    assert_eq!((kept(&ns), uids(&ns)), (before.clone(), pods));
    assert_code(&start(&ns, "app:3", &[TWO, "--allow=mixed-revisions"]), 0);
    rests(&ns, &["app:3"; 3]);
    no_trace(&ns, &before);
}

#[test]
fn a_set_that_keeps_no_history_keeps_the_way_back() {
    let ns = cluster().namespace("steps-limit");
    Web::new("statefulset", "app:1").spec("revisionHistoryLimit: 0").create(&ns);
    let (before, pods) = (kept(&ns), uids(&ns));
    assert_code(&start(&ns, "app:2", &["--steps=1,2,100%", "--pause-after=2"]), 0);
    assert_eq!(kept(&ns)[2], 1, "it is raised meanwhile");
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:1"; 3]);
    same(&ns, &pods, &["web-0"]);
    no_trace(&ns, &before);
    assert_code(&start(&ns, "app:2", &[TWO]), 0);
    rests(&ns, &["app:2"; 3]);
    no_trace(&ns, &before);
}

#[test]
fn sets_of_every_make_go_in_steps_from_the_highest_place_down() {
    let makes = ["podManagementPolicy: Parallel", "minReadySeconds: 2", "ordinals: { start: 5 }"];
    thread::scope(|scope| {
        for line in makes {
            scope.spawn(move || {
                let ns = cluster().namespace("steps-makes");
                Web::new("statefulset", "app:1").spec(line).create(&ns);
                let before = kept(&ns);
                paused_after_one(&ns);
                rests(&ns, &["app:1", "app:1", "app:2"]);
                let pods = uids(&ns);
                let first = pods.keys().last().unwrap().as_str();
                assert_code(&sts(&ns, &["resume", "web"]), 0);
                rests(&ns, &["app:2"; 3]);
                same(&ns, &pods, &[first]);
                no_trace(&ns, &before);
            });
        }
    });
}

#[test]
fn a_dry_run_shows_each_step_with_its_pods_and_changes_nothing() {
    let ns = cluster().namespace("steps-dry");
    Web::new("statefulset", "app:1").replicas(4).create(&ns);
    let (before, pods) = (ns.get(&[SET])["metadata"]["generation"].clone(), uids(&ns));
    for dry in ["--dry-run", "--dry-run=server"] {
        let plan = start(&ns, "app:2", &["--steps=1,50%,100%", dry]);
        assert_code(&plan, 0);
        for line in [
            "app:1 -> app:2",
            "step 1 of 3 (1): web-3, 1 new in all",
            "step 2 of 3 (50%): web-2, 2 new in all",
            "step 3 of 3 (100%): web-1, web-0, 4 new in all",
        ] {
            assert!(plan.stdout.contains(line), "{line:?}: {plan}");
        }
    }
    let plan = json(&start(&ns, "app:2", &["--steps=1,100%", "--dry-run", "-o", "json"]));
    assert_eq!(plan.pointer("/steps/0/pods"), Some(&serde_json::json!(["web-3"])), "{plan}");
    assert_eq!((ns.get(&[SET])["metadata"]["generation"].clone(), uids(&ns)), (before, pods));
}

#[test]
fn a_script_is_told_the_steps_and_how_it_ended() {
    let ns = cluster().namespace("steps-json");
    Web::new("statefulset", "app:1").create(&ns);
    let json_too = ["-o", "json", "--output-watch-events"];
    let paused = start(&ns, "app:2", &[&[TWO, "--pause-after=1"], &json_too[..]].concat());
    assert_code(&paused, 0);
    let result = last_document(&paused);
    assert_eq!((&result["kind"], &result["outcome"]), (&"Result".into(), &"paused".into()), "{paused}");
    let stored = &result["status"]["rollout"];
    assert_eq!(
        (&stored["phase"], &stored["done"], &stored["steps"]),
        (&"paused".into(), &1.into(), &2.into())
    );
    let done = sts(&ns, &[&["resume", "web"], &json_too[..]].concat());
    assert_code(&done, 0);
    let result = last_document(&done);
    assert_eq!((&result["outcome"], &result["exitCode"]), (&"complete".into(), &0.into()), "{done}");
    let events = json_lines(&done.stdout);
    let step = events.iter().find(|it| it["event"] == "step").unwrap();
    assert_eq!((&step["step"], &step["of"], &step["total"]), (&2.into(), &2.into(), &2.into()), "{done}");
}

/// Returns the document behind the events.
fn last_document(output: &Output) -> Value {
    let values = serde_json::Deserializer::from_str(&output.stdout).into_iter::<Value>();
    values.map(|it| it.unwrap_or_else(|error| panic!("{error}: {output}"))).last().unwrap()
}

#[test]
fn where_nothing_is_to_change_nothing_is_done() {
    let ns = cluster().namespace("steps-nothing");
    Web::new("statefulset", "app:1").create(&ns);
    let (before, pods) = (kept(&ns), uids(&ns));
    for words in [&["start", "web", "app=app:1"][..], &["start", "web"]] {
        let nothing = sts(&ns, words);
        assert_code(&nothing, 0);
        let said = format!("{}{}", nothing.stdout, nothing.stderr);
        assert!(said.contains("nothing to roll out"), "{nothing}");
    }
    assert_eq!((kept(&ns), uids(&ns)), (before, pods));
}

#[test]
fn what_makes_no_sense_is_refused_and_nothing_is_changed() {
    let ns = cluster().namespace("steps-input");
    Web::new("statefulset", "app:1").create(&ns);
    let (before, pods) = (ns.get(&[SET])["spec"].clone(), uids(&ns));
    let to = "app=app:2";
    for (words, code, says) in [
        (&["start", "nosuch", to][..], 1, "statefulsets.apps \"nosuch\" not found"),
        (&["start", "daemonset/web", to], 2, "daemonset/web is not a statefulset"),
        (&["start", "web", "nosuch=app:2"], 1, "containers that exist: app"),
        (&["start", "web", to, "--restart"], 2, "not several"),
        (&["start", to], 2, "required resource not specified"),
        (&["start", "web", to, "--steps=nonsense"], 2, "\"nonsense\" is no step"),
        (&["start", "web", to, "--steps=50%,101%"], 2, "a step of 101% is more than all"),
        (&["start", "web", to, "--steps=2,1"], 2, "steps must ascend: 1 comes after 2"),
        (&["start", "web", to, "--steps=0"], 2, "a step of 0 updates nothing"),
        (&["start", "web", to, "--steps="], 2, "there must be at least one step"),
        (&["start", "web", to, "--pause-after=0"], 2, "--pause-after"),
        (&["start", "web", to, "--soak=soon"], 2, "--soak"),
        (&["start", "web", to, "--on-failure=cry"], 2, "--on-failure"),
        (&["start", "web", to, "--check-query=up > 0"], 2, "needs --prometheus"),
        (&["start", "web", to, "--wait=false"], 2, "nothing moves without a driver"),
        (&["abort", "web"], 1, "has no rollout in steps"),
        (&["abort", "nosuch"], 1, "statefulsets.apps \"nosuch\" not found"),
        (&["resume", "web"], 1, "is not paused"),
    ] {
        let output = sts(&ns, words);
        assert_code(&output, code);
        assert!(output.stderr.contains(says) && output.stdout.is_empty(), "{says:?}: {output}");
    }
    assert_eq!((ns.get(&[SET])["spec"].clone(), uids(&ns)), (before, pods));

    paused_after_one(&ns);
    let again = start(&ns, "app:3", &[]);
    assert_code(&again, 1);
    assert!(again.stderr.contains("a rollout in steps is paused (step 2 of 2 is next)"), "{again}");
    assert_eq!(image(&ns, SET), "app:2");
    assert_code(&sts(&ns, &["resume", "web"]), 0);
    settled(&ns, SET);
}
