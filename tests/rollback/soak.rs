//! What may happen while a rollout that is complete soaks, and is not its doing; and what is.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use cluster::Namespace;
use e2e::scene::{for_each_kind, quiet, roll};
use e2e::{LONG, Running, Web, assert_code, cluster, image, json_lines, ready, set_image};
use serde_json::{Value, json};

use crate::guard::at_once;

/// The workload's pods that are ready and have an image.
fn good(ns: &Namespace<'_>, image: &str) -> Vec<Value> {
    let list = ns.get(&["pods", "-l", "app=web"]);
    let pods = list["items"].as_array().into_iter().flatten();
    let of_image = pods.filter(|pod| pod["spec"]["containers"][0]["image"] == image);
    of_image.filter(|pod| ready(pod).is_some() && pod["status"]["phase"] == "Running").cloned().collect()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_string()
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_string()
}

/// Writes a pod's status as a kubelet would.
fn report(ns: &Namespace<'_>, pod: &str, status: &Value) -> cluster::Output {
    let patch = json!({ "status": status }).to_string();
    ns.kubectl(&["patch", "pod", pod, "--type=merge", "--subresource=status", "-p", &patch])
}

/// Pods of one workload never share a node.
fn apart(web: &Web) -> String {
    let rule = "affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: \
        kubernetes.io/hostname, labelSelector: { matchLabels: { app: web } } }] } }";
    web.yaml().replace("      containers:", &format!("      {rule}\n      containers:"))
}

#[test]
fn to_scale_does_not_begin_the_soak_anew() {
    for kind in ["deployment", "statefulset"] {
        let (ns, target) = (cluster().namespace("soak-scale"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let events = ["-o", "json", "--output-watch-events"];
        let running = Running::rollback(&ns, &[&["guard", &target, "--soak=10s"][..], &events].concat());
        running.says("\"soaking\"");
        thread::sleep(Duration::from_secs(4));
        ns.kubectl(&["scale", &target, "--replicas=2"]).expect_ok();
        let ended = running.ends();
        assert_code(&ended, 0);
        let left: Vec<u64> =
            json_lines(&ended.stdout).iter().filter_map(|it| it["secondsLeft"].as_u64()).collect();
        assert!(left.is_sorted_by(|a, b| a >= b) && left.first() > Some(&8), "{kind}: {left:?}");
        assert!(left.last() < Some(&4), "{kind}: {left:?}");
    }
}

#[test]
fn that_an_autoscaler_asks_for_more_than_fits_is_no_failure_of_what_is_there() {
    for kind in ["deployment", "statefulset"] {
        let (ns, target) = (cluster().namespace("soak-more"), format!("{kind}/web"));
        let web = Web::new(kind, "app:1").replicas(2);
        let spec = if kind == "statefulset" { web.spec("podManagementPolicy: Parallel") } else { web };
        e2e::create(&ns, &apart(&spec));
        quiet(&ns, &target);
        roll(&ns, &target, "app:2");
        let running =
            Running::rollback(&ns, &["guard", &target, "--soak=20s", "--patience=0", "--timeout=50s"]);
        running.says("have to stay so for 20s");
        ns.kubectl(&["scale", &target, "--replicas=50"]).expect_ok();
        running.says("unschedulable: ");
        let ended = running.ends();
        assert_code(&ended, 0);
        assert!(!ended.stderr.contains("going back"), "{ended}");
        assert_eq!(image(&ns, &target), "app:2", "{kind}");
        ns.kubectl(&["scale", &target, "--replicas=0"]).expect_ok();
    }
}

#[test]
fn pods_that_are_evicted_again_and_again_are_taken_back_with_the_cause() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("soak-evicted"), format!("{kind}/web"));
        e2e::create(&ns, &at_once(kind, "app:1").yaml());
        quiet(&ns, &target);
        set_image(&ns, &target, "app:2");
        let running = Running::rollback(&ns, &["guard", &target, "--soak=60s"]);
        running.says("have to stay so for 60s");
        let evicted = json!({"phase": "Failed", "reason": "Evicted",
            "message": "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. ",
            "conditions": [{"type": "Ready", "status": "False", "reason": "PodFailed"}]});
        // Only what comes in the place of one that was evicted says that it goes on: the others stay.
        let mut known: BTreeSet<String> = good(&ns, "app:2").iter().map(uid).collect();
        let first = good(&ns, "app:2").remove(0);
        report(&ns, &name(&first), &evicted).expect_ok();
        let start = Instant::now();
        while image(&ns, &target) == "app:2" && start.elapsed() < LONG {
            for pod in good(&ns, "app:2") {
                if known.insert(uid(&pod)) {
                    let _ = report(&ns, &name(&pod), &evicted);
                }
            }
            thread::sleep(Duration::from_millis(300));
        }
        let ended = running.ends();
        assert_code(&ended, 5);
        assert!(ended.stderr.contains("  evicted: "), "{ended}");
        assert!(ended.stderr.contains("(Evicted"), "{ended}");
        // What has ended stays for a while, and is not counted.
        assert!(good(&ns, "app:2").is_empty() && !good(&ns, "app:1").is_empty(), "{kind}");
    });
}

#[test]
fn one_pod_that_is_evicted_is_named_and_made_up_for() {
    let (ns, target) = (cluster().namespace("soak-one"), "deployment/web");
    Web::new("deployment", "app:1").create(&ns);
    roll(&ns, target, "app:2");
    let running = Running::rollback(&ns, &["guard", target, "--soak=6s"]);
    running.says("have to stay so for 6s");
    let evicted =
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
    report(&ns, &name(&good(&ns, "app:2")[0]), &evicted).expect_ok();
    running.says("evicted: pod web-");
    assert_code(&running.ends(), 0);
    assert_eq!(image(&ns, target), "app:2");
}

#[test]
fn a_restart_that_an_in_place_resize_asks_for_is_excused() {
    for (resizes, code, stays) in [(true, 0, "app:2"), (false, 5, "app:1")] {
        let (ns, target) = (cluster().namespace("soak-resize"), "deployment/web");
        let asked = "resources: { requests: { cpu: 10m } }, resizePolicy: [{ resourceName: cpu, restartPolicy: \
            RestartContainer }]";
        let yaml =
            at_once("deployment", "app:1").yaml().replace("{ name: app,", &format!("{{ name: app, {asked},"));
        e2e::create(&ns, &yaml);
        quiet(&ns, target);
        roll(&ns, target, "app:2");
        let running = Running::rollback(&ns, &["guard", target, "--soak=8s", "--to-revision=1"]);
        running.says("have to stay so for 8s");
        let pod = good(&ns, "app:2").remove(0);
        let mut statuses = pod["status"]["containerStatuses"].clone();
        if resizes {
            // A kubelet that can resize says what a container has.
            statuses[0]["resources"] = json!({ "requests": { "cpu": "10m" } });
            report(&ns, &name(&pod), &json!({ "containerStatuses": statuses })).expect_ok();
            let container = json!([{ "name": "app", "resources": { "requests": { "cpu": "20m" } } }]);
            let patch = json!({ "spec": { "containers": container } }).to_string();
            ns.kubectl(&["patch", "pod", &name(&pod), "--subresource=resize", "-p", &patch]).expect_ok();
        }
        statuses[0]["restartCount"] = json!(1);
        report(&ns, &name(&pod), &json!({ "containerStatuses": statuses })).expect_ok();
        let ended = running.ends();
        assert_code(&ended, code);
        assert_eq!(image(&ns, target), stays, "{ended}");
    }
}
