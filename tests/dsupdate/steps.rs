//! Rollouts in steps that go well: which nodes come when, and what is left of them.

use std::time::UNIX_EPOCH;

use cluster::Node;
use e2e::{assert_code, json, json_lines};
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::rollout::{STORED, WEB, fleet, fleet_with, ready_since, says, seconds};

#[test]
fn all_nodes_are_updated_step_by_step_and_no_trace_stays() {
    for (limit, steps) in [("10", None), ("0", Some("--steps=1,3,100%"))] {
        let fleet = fleet_with(4, &[&format!("revisionHistoryLimit: {limit}")]);
        let before = fleet.kept();
        let words: Vec<&str> = ["app=app:2"].into_iter().chain(steps).collect();
        let started = fleet.start(&words);
        assert_code(&started, 0);
        assert!(started.stdout.ends_with("daemon set \"web\" successfully rolled out\n"), "{started}");
        let order: &[&str] = match steps {
            None => &["step 1 of 4 (1): 1 of 1", "step 3 of 4 (50%): 1 of 1", "step 4 of 4 (100%): 2 of 2"],
            Some(_) => &["step 1 of 3 (1): 1 of 1", "step 2 of 3 (3): 2 of 2", "step 3 of 3 (100%): 1 of 1"],
        };
        says(&started, order);
        assert_eq!(fleet.images(), "a:2 b:2 c:2 d:2");
        assert_eq!(fleet.kept(), before);
        // A new revision takes the workload's annotations over (hazard H23).
        let revisions = fleet.ns.get(&["controllerrevisions"]);
        assert!(!revisions.to_string().contains(STORED), "{revisions}");
    }
}

#[test]
fn it_pauses_after_a_step_stays_so_and_goes_on() {
    let fleet = fleet(3);
    let (before, uids) = (fleet.kept(), fleet.uids());
    let paused = fleet.start(&["app=app:2", "--steps=1,2,100%", "--pause-after=1"]);
    assert_code(&paused, 0);
    says(&paused, &["to go on: kubectl dsupdate resume daemonset/web", "held: 1 of 3 steps"]);
    assert_eq!(fleet.images(), "a:2 b:1 c:1");
    assert_eq!((fleet.strategy().as_str(), &fleet.stored()["phase"]), ("OnDelete", &json!("paused")));
    let status = fleet.dsupdate(&["status", "web"]);
    assert_code(&status, 7);
    says(&status, &["kubectl dsupdate resume", "held: a rollout in steps is paused (step 2 of 3 is next)"]);

    assert_code(&fleet.dsupdate(&["resume", "web", "--pause-after=1"]), 0);
    assert_eq!(fleet.images(), "a:2 b:2 c:1");
    assert_eq!(fleet.uids()["c"], uids["c"]);
    let resumed = fleet.dsupdate(&["resume", "web"]);
    assert_code(&resumed, 0);
    says(&resumed, &["step 3 of 3", "successfully rolled out"]);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:2 b:2 c:2", before));
    let idle = fleet.dsupdate(&["resume", "web"]);
    assert_code(&idle, 1);
    says(&idle, &["error: daemonsets.apps \"web\" is not paused"]);
}

#[test]
fn a_pause_from_elsewhere_stops_after_the_pod_in_hand() {
    let fleet = fleet(3);
    let driver = fleet.running(&["start", "web", "app=app:slow", "--steps=100%", "--soak=1s"]);
    driver.says("in hand");
    let paused = fleet.ns.kubectl(&["rollback", "pause", "ds/web"]);
    assert_code(&paused, 0);
    let ended = driver.ends();
    assert_code(&ended, 0);
    says(&ended, &["held: 0 of 1 steps of daemon set \"web\" are done"]);
    assert_eq!(fleet.images(), "a:slow b:1 c:1");
    let again = fleet.dsupdate(&["pause", "web"]);
    assert_code(&again, 1);
    says(&again, &["is already paused"]);
    assert_code(&fleet.ns.kubectl(&["rollback", "resume", "ds/web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:slow b:slow c:slow", Value::Null));
}

#[test]
fn zone_by_zone_after_one_node_and_nodes_without_a_zone_last() {
    let fleet = Fleet::new(&["y", "", "x", "y"]);
    fleet.web("app:1", &[]);
    let label = "--by=example.com/zone";
    let plan = fleet.start(&["app=app:2", label, "--dry-run=client"]);
    assert_code(&plan, 0);
    let steps = [
        "step 1 of 4 (one node): c,",
        "step 3 of 4 (example.com/zone=y): a, d,",
        "step 4 of 4 (no example.com/zone): b,",
    ];
    says(&plan, &steps);
    assert_code(&fleet.start(&["app=app:2", label, "--pause-after=3"]), 0);
    assert_eq!(fleet.images(), "a:2 b:1 c:2 d:2");
    assert_code(&fleet.dsupdate(&["resume", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2 c:2 d:2", Value::Null));
}

#[test]
fn named_nodes_and_those_of_a_selector_come_first() {
    let fleet = Fleet::new(&["x", "x", "y", "y"]);
    fleet.web("app:1", &[]);
    let nodes = format!("--nodes={},{}", fleet.node("d"), fleet.node("b"));
    assert_code(&fleet.start(&["app=app:2", &nodes, "--steps=100%", "--pause-after=1"]), 0);
    assert_eq!(fleet.images(), "a:1 b:2 c:1 d:2");
    assert_code(&fleet.dsupdate(&["resume", "web"]), 0);
    let selector = "--node-selector=example.com/zone in (y)";
    assert_code(&fleet.start(&["app=app:3", selector, "--steps=100%", "--pause-after=1"]), 0);
    assert_eq!(fleet.images(), "a:2 b:2 c:3 d:3");
    assert_code(&fleet.dsupdate(&["resume", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:3 b:3 c:3 d:3", Value::Null));
}

#[test]
fn no_more_pods_are_missing_than_may_be_at_any_time() {
    for (most, spec) in [(1, &[][..]), (2, &["minReadySeconds: 2"])] {
        let fleet = fleet_with(6, spec);
        let share = format!("--max-unavailable={most}");
        let (lowest, done) = fleet
            .fewest(|pod| ready_since(pod).is_some(), || fleet.start(&["app=app:2", "--steps=100%", &share]));
        assert_code(&done, 0);
        assert!((6 - most..6).contains(&lowest), "{lowest} of 6 were ready, {most} might be missing");
        assert_eq!(fleet.images(), "a:2 b:2 c:2 d:2 e:2 f:2");
    }
}

#[test]
fn a_pod_counts_only_when_it_was_ready_for_as_long_as_the_set_asks_for() {
    const MIN: i64 = 3;
    let fleet = fleet_with(3, &[&format!("minReadySeconds: {MIN}")]);
    let now = || UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let available = |pod: &Value| ready_since(pod).is_some_and(|since| now() - since >= MIN);
    let (fewest, done) = fleet.fewest(available, || fleet.start(&["app=app:2", "--steps=1,100%"]));
    assert_code(&done, 0);
    assert_eq!((fewest, fleet.images().as_str()), (2, "a:2 b:2 c:2"));
    // Both between steps and within one, the next pod goes only when the last one has been ready for so long.
    let pods = fleet.ns.get(&["pods", "-l", "app=web"]);
    let times = |pod: &Value| (seconds(&pod["metadata"]["creationTimestamp"]), ready_since(pod).unwrap());
    let mut times: Vec<(i64, i64)> = pods["items"].as_array().unwrap().iter().map(times).collect();
    times.sort_unstable();
    let early = times.windows(2).find(|pair| pair[1].0 - pair[0].1 < MIN);
    assert_eq!(early, None, "{times:?}: when they were created, and since when they are ready");
}

#[test]
fn pods_in_a_step_are_replaced_as_many_at_once_as_the_set_allows() {
    let fleet = fleet_with(4, &["updateStrategy: { rollingUpdate: { maxUnavailable: 100% } }"]);
    let driver = fleet.running(&["start", "web", "app=app:slow", "--steps=1,100%", "--soak=0s"]);
    let [b, c, d] = ["b", "c", "d"].map(|letter| fleet.node(letter));
    driver.says(&format!("{b}, {c}, {d} in hand"));
    let ended = driver.ends();
    assert_code(&ended, 0);
    assert_eq!(fleet.images(), "a:slow b:slow c:slow d:slow");
}

#[test]
fn a_set_that_is_on_delete_is_driven_to_what_its_template_says() {
    let fleet = fleet_with(3, &["updateStrategy: { type: OnDelete }"]);
    let before = fleet.kept();
    fleet.set_image("app:2");
    let paused = fleet.start(&["--steps=1,100%", "--pause-after=1"]);
    assert_code(&paused, 0);
    assert_eq!(fleet.images(), "a:2 b:1 c:1");
    assert_code(&fleet.dsupdate(&["resume", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:2 b:2 c:2", before));
    let nothing = fleet.start(&[]);
    assert_code(&nothing, 0);
    says(&nothing, &["daemonset.apps/web has nothing to roll out: all pods are at this revision"]);
}

#[test]
fn a_rolling_update_in_progress_is_taken_over() {
    let fleet = fleet(4);
    fleet.set_image("app:never");
    fleet.ns.wait_until("one pod is new", e2e::LONG, || fleet.images().contains("never"));
    let uids = fleet.uids();
    let started = fleet.running(&["start", "web", "--steps=1,100%", "--soak=1s"]);
    started.says("rollout started in 2 steps");
    started.says("step 1 of 2 (1): 0 of 1");
    started.signal("INT");
    assert_code(&started.ends(), 130);
    assert_eq!(fleet.uids().values().filter(|uid| uids.values().any(|it| it == *uid)).count(), 4);
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.strategy().as_str()), ("a:1 b:1 c:1 d:1", "RollingUpdate"));
}

#[test]
fn restarts_and_manifests_are_rolled_out_too() {
    let fleet = fleet(2);
    let uids = fleet.uids();
    assert_code(&fleet.start(&["--restart", "--reason=a leak"]), 0);
    let after = fleet.uids();
    assert!(uids.iter().all(|(node, uid)| after[node] != *uid));
    let history = e2e::json(&fleet.dsupdate(&["history", "web", "-o", "json"]));
    assert_eq!(
        history["revisions"].as_array().unwrap().last().unwrap()["changeCause"],
        "a leak",
        "{history}"
    );
    let mut object = fleet.ns.get(&[WEB]);
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("app:3");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), object.to_string()).unwrap();
    let path = file.path().to_string_lossy();
    assert_code(&fleet.dsupdate(&["start", "-f", &path, "--soak=1s"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:3 b:3", Value::Null));
}

#[test]
fn a_dry_run_shows_each_step_with_its_nodes_and_changes_nothing() {
    let fleet = fleet(4);
    let (before, uids) = (fleet.untouched(), fleet.uids());
    for (how, suffix) in [("--dry-run=client", " (dry run)"), ("--dry-run=server", " (server dry run)")] {
        let dry = fleet.start(&["app=app:2", "--steps=1,3,100%", how]);
        assert_code(&dry, 0);
        let end = format!("daemonset.apps/web rollout started in 3 steps{suffix}\n");
        assert!(dry.stdout.ends_with(&end), "{dry}");
        says(
            &dry,
            &["step 1 of 3 (1): a, 1 new", "step 2 of 3 (3): b, c, 3 new", "step 3 of 3 (100%): d, 4 new"],
        );
    }
    let plan = json(&fleet.start(&["app=app:2", "--steps=1,3,100%", "--dry-run=client", "-o", "json"]));
    assert_eq!(plan["kind"], "Plan");
    let steps = plan["steps"].as_array().unwrap();
    let nodes: Vec<String> = steps.iter().map(|step| fleet.plain(&step["nodes"].to_string())).collect();
    assert_eq!(nodes, [r#"["a"]"#, r#"["b","c"]"#, r#"["d"]"#], "{plan}");
    let all: Vec<&Value> = steps.iter().flat_map(|step| step["pods"].as_array().unwrap()).collect();
    assert_eq!(all.len(), 4);
    assert_eq!((fleet.untouched(), fleet.uids()), (before, uids));
}

#[test]
fn documents_and_events_tell_what_happened() {
    let fleet = fleet(2);
    let all = fleet.start(&["app=app:2", "--steps=1,100%", "-o", "json", "--output-watch-events"]);
    assert_code(&all, 0);
    let events = json_lines(&all.stdout);
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((of("deleting"), of("step-done"), of("finishing")), (2, 2, 1), "{all}");
    assert!(of("step") >= 2 && of("soaking") >= 1, "{all}");
    let result = json(&fleet.start(&["app=app:missing", "--steps=1,100%", "-o", "json"]));
    assert_eq!((&result["kind"], &result["outcome"]), (&json!("Result"), &json!("step-failed")));
    assert_eq!((&result["exitCode"], &result["causes"][0]["id"]), (&json!(3), &json!("image-pull")));
    assert_eq!(result["plan"]["steps"].as_array().map(Vec::len), Some(2));
    assert_eq!(result["status"]["rollout"]["phase"], "failed", "{result}");
}

#[test]
fn steps_that_never_reach_all_end_held_which_the_plan_says() {
    let fleet = fleet(3);
    let before = fleet.kept();
    let short = fleet.start(&["app=app:2", "--steps=1,2"]);
    assert_code(&short, 0);
    says(&short, &["the steps end before all nodes are new: 1 of 3 stay old", "held: all steps"]);
    assert_eq!((fleet.images().as_str(), fleet.strategy().as_str()), ("a:2 b:2 c:1", "OnDelete"));
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
}

#[test]
fn bad_input_is_refused_and_nothing_is_changed() {
    let fleet = Fleet::new(&["x", ""]);
    fleet.web("app:1", &[]);
    let before = fleet.untouched();
    let elsewhere = Node::new(fleet.node("z"));
    fleet.ns.cluster().create_nodes(&[elsewhere]).unwrap();
    let not_placed = format!("--nodes={}", fleet.node("z"));
    let cases: &[(&[&str], i32, &str)] = &[
        (&["app=app:2", "--nodes=nowhere"], 1, "error: nodes \"nowhere\" not found"),
        (&["app=app:2", &not_placed], 1, "error: no pod of daemonset/web may run on node z: "),
        (&["app=app:2", "--by=nothing"], 1, "has the label \"nothing\""),
        (&["app=app:2", "--node-selector=no=such"], 1, "has labels that match \"no=such\""),
        (&["app=app:2", "--node-selector=a in ("], 1, "unable to parse the node selector \"a in (\""),
        (&["sidecar=app:2"], 1, "error: unable to find container named \"sidecar\""),
        (&["app=app:2", "--steps=2,1"], 2, "steps must ascend: 1 comes after 2"),
        (&["app=app:2", "--steps=101%"], 2, "a step of 101% is more than all"),
        (&["app=app:2", "--steps="], 2, "there must be at least one step"),
        (&["app=app:2", "--steps=0"], 2, "a step of 0 updates nothing"),
        (&["app=app:2", "--steps=2,10%"], 1, "steps must ascend: 10% (1 of 2) comes after 2 (2 of 2)"),
        (&["app=app:2", "--steps=1", "--by=x"], 2, "cannot be used with"),
        (&["app=app:2", "--max-unavailable=101%"], 2, "percentage up to 100%"),
        (&["app=app:2", "--pause-after=0"], 2, "--pause-after"),
        (&["app=app:2", "--restart"], 2, "either images, --restart or -f change the template"),
        (&["app=app:2", "--wait=false"], 2, "nothing moves without a driver: --wait=false"),
        (&["app=app:2", "--check-query=up > 0"], 2, "--check-query needs --prometheus"),
    ];
    for (words, code, sentence) in cases {
        let refused = fleet.start(words);
        assert_code(&refused, *code);
        assert!(refused.stderr.contains(sentence), "{sentence:?} is not in {refused}");
        assert_eq!(refused.stdout, "", "{refused}");
    }
    let none = fleet.dsupdate(&["start", "nothing", "app=app:2"]);
    assert_code(&none, 1);
    says(&none, &["daemonsets.apps \"nothing\" not found"]);
    for verb in ["abort", "resume", "pause"] {
        let none = fleet.dsupdate(&[verb, "nothing"]);
        assert_code(&none, 1);
        says(&none, &["daemonsets.apps \"nothing\" not found"]);
    }
    let idle = fleet.dsupdate(&["abort", "web"]);
    assert_code(&idle, 1);
    says(&idle, &["has no rollout in steps"]);
    assert_eq!(fleet.untouched(), before);
}
