//! What may happen to a guard: the server and nodes die, it is killed, another one does the same. The workload is at the old
//! or at the new revision afterwards, never in between, and the next call says which.

use std::thread;
use std::time::Duration;

use cluster::{Cluster, Options, Part};
use e2e::scene::{for_each_kind, next_second, roll, rollback};
use e2e::{Running, Web, assert_code, cluster, image, install, json, set_image, settled, until};
use serde_json::json;

use crate::guard::{all_run, guard};

fn die_and_come_back(cluster: &Cluster, running: &Running) {
    cluster.stop(Part::ApiServer).unwrap();
    running.says("the API server does not answer (");
    cluster.restart(Part::ApiServer).unwrap();
    running.says("the API server answers again");
}

#[test]
fn a_server_that_dies_and_comes_back_is_no_failure_of_the_rollout() {
    let cluster = Cluster::start(&Options { nodes: 3, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    let ns = cluster.namespace("restart");
    Web::new("deployment", "app:1").create(&ns);
    // Eight seconds for each of three pods, one after the other: it cannot be over before the server dies.
    set_image(&ns, "deployment/web", "app:slow");
    let good = Running::rollback(&ns, &["guard", "deployment/web", "--soak=2s"]);
    good.says("deployment/web: ");
    die_and_come_back(&cluster, &good);
    let ended = good.ends();
    assert_code(&ended, 0);
    assert_eq!(image(&ns, "deployment/web"), "app:slow");

    // The time runs out, and then the server is not there to take the way back.
    set_image(&ns, "deployment/web", "app:never");
    let bad = Running::rollback(&ns, &["guard", "deployment/web", "--timeout=5s"]);
    bad.says("deployment/web: ");
    cluster.stop(Part::ApiServer).unwrap();
    bad.says("the API server does not answer (");
    thread::sleep(Duration::from_secs(6));
    cluster.restart(Part::ApiServer).unwrap();
    let ended = bad.ends();
    assert_code(&ended, 5);
    assert_eq!(image(&ns, "deployment/web"), "app:slow");
}

#[test]
fn a_good_rollout_that_a_dead_node_holds_up_is_not_taken_back() {
    let cluster = Cluster::start(&Options { nodes: 3, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    let spaces = ["daemonset", "statefulset"].map(|kind| {
        let ns = cluster.namespace("dead");
        // Without a grace period a pod goes at once, also from a dead node.
        let yaml = Web::new(kind, "app:1").yaml();
        let yaml = yaml.replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 1");
        ns.apply(&yaml);
        settled(&ns, &format!("{kind}/web"));
        (kind, ns)
    });
    let node = spaces[1].1.get(&["pod", "web-2"])["spec"]["nodeName"].as_str().unwrap().to_string();
    cluster.kill_node(&node).unwrap();
    for (kind, ns) in &spaces {
        let target = format!("{kind}/web");
        until(ns, &target, "has a pod on a dead node", |object| {
            let ready =
                object["status"]["numberReady"].as_u64().or(object["status"]["readyReplicas"].as_u64());
            ready == Some(2)
        });
        set_image(ns, &target, "app:2");
        let held_up = rollback(ns, &["guard", &target, "--soak=1s", "--timeout=8s"]);
        assert_code(&held_up, 4);
        assert!(held_up.stderr.contains(&format!(" on node {node}, which is not ready")), "{held_up}");
        assert!(!held_up.stderr.contains("going back"), "{held_up}");
        assert_eq!(image(ns, &target), "app:2", "{held_up}");
    }
}

#[test]
fn two_guards_of_one_failure_take_it_back_once() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-twice"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:missing");
        let before = ns.get(&[&target])["metadata"]["generation"].as_u64().unwrap();
        let guards = [(); 2].map(|()| Running::rollback(&ns, &["guard", &target, "--soak=1s"]));
        let ended = guards.map(Running::ends);
        let mut codes = ended.each_ref().map(|it| it.code);
        codes.sort_unstable();
        // One that comes when it is over finds what is good.
        assert!([[5, 5], [5, 6], [0, 5]].contains(&codes), "{}\n{}", ended[0], ended[1]);
        all_run(&ns, &target, "app:1");
        let after = ns.get(&[&target])["metadata"]["generation"].as_u64().unwrap();
        // On Deployments the controller's own annotation counts too.
        let writes = if kind == "deployment" { 1..=2 } else { 1..=1 };
        assert!(writes.contains(&(after - before)), "{kind}: {before} to {after}");
        let history = json(&rollback(&ns, &["history", &target, "-o", "json"]));
        let numbers: Vec<_> =
            history["revisions"].as_array().unwrap().iter().map(|it| it["revision"].clone()).collect();
        assert_eq!(numbers, [json!(2), json!(3)], "{history}");
    });
}

#[test]
fn an_interrupted_guard_leaves_the_rollout_as_it_is() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        for_each_kind(|kind| {
            let (ns, target) = (cluster().namespace("guard-interrupted"), format!("{kind}/web"));
            Web::new(kind, "app:1").create(&ns);
            set_image(&ns, &target, "app:never");
            let running = Running::rollback(&ns, &["guard", &target]);
            running.says(&format!("{target}: "));
            running.signal(signal);
            let ended = running.ends();
            assert_code(&ended, code);
            assert_eq!((ended.stdout.as_str(), image(&ns, &target).as_str()), ("", "app:never"));
        });
    }
}

#[test]
fn a_guard_that_is_killed_leaves_the_old_or_the_new_template_and_the_next_one_ends_it() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-killed"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        for moment in 0..4 {
            set_image(&ns, &target, "app:missing");
            let running = Running::rollback(&ns, &["guard", &target, "--soak=1s"]);
            match moment {
                0 => running.says(&format!("{target}: ")),
                1 => running.says("going back to revision"),
                _ => {
                    running.says("going back to revision");
                    thread::sleep(Duration::from_millis(150 * moment));
                }
            }
            running.signal("KILL");
            drop(running);
            // What it had sent may still arrive.
            next_second();
            let now = image(&ns, &target);
            let status = rollback(&ns, &["status", &target, "--timeout=60s"]);
            match now.as_str() {
                "app:1" => assert!(
                    // A set that nobody frees stays stuck, and that is said.
                    status.code == 0 || kind == "statefulset" && status.stderr.contains("blocks the set"),
                    "{status}"
                ),
                "app:missing" => assert_code(&status, 3),
                other => panic!("{other} is neither the old nor the new one"),
            }
            let next = guard(&ns, &[&target]);
            assert_code(&next, if now == "app:1" { 0 } else { 5 });
            all_run(&ns, &target, "app:1");
        }
    });
}

#[test]
fn a_good_rollout_of_a_set_that_hangs_on_an_older_failure_is_freed() {
    let (ns, target) = (cluster().namespace("guard-forward"), "statefulset/web");
    Web::new("statefulset", "app:1").create(&ns);
    roll(&ns, target, "app:2");
    set_image(&ns, target, "app:missing");
    e2e::scene::broken(&ns, "app:missing", 1);
    set_image(&ns, target, "app:3");
    let freed = guard(&ns, &[target]);
    assert_code(&freed, 0);
    assert!(freed.stderr.contains("pod web-2 blocks the set and nothing will replace it"), "{freed}");
    all_run(&ns, target, "app:3");
}
