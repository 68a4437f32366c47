//! Nodes that have trouble: frozen, killed, drained, without their runtime. A good rollout waits and comes to its end, and nobody
//! takes it back. These tests change the nodes of all others, so that one runs at a time.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cluster::Namespace;
use e2e::scene::rollback;
use e2e::{KINDS, Running, assert_code};
use libtest_mimic::Trial;
use node::{Lab, Node};
use serde_json::json;

use crate::scene::{app, change, healthy, living, rests, uids, wait_until};

type Fault = fn(&Lab);

/// A test for each trouble.
pub fn all(lab: &Arc<Lab>) -> Vec<Trial> {
    let faults: [(&str, Fault); 4] = [
        ("fault::frozen", frozen),
        ("fault::killed", killed),
        ("fault::drained", drained),
        ("fault::runtime", runtime),
    ];
    let of = |(name, fault): (&str, Fault)| {
        let lab = Arc::clone(lab);
        Trial::test(name, move || {
            fault(&lab);
            Ok(())
        })
    };
    faults.into_iter().map(of).collect()
}

/// The node that has trouble.
fn second(lab: &Lab) -> &Node {
    &lab.nodes[1]
}

fn is_ready(lab: &Lab, node: &Node) -> bool {
    let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status} {.spec.taints}"#;
    lab.cluster.kubectl(&["get", "node", node.name(), "-o", ready]).stdout.trim() == "True"
}

/// A healthy workload of each kind, all at once.
fn each<'a>(lab: &'a Lab, name: &str) -> Vec<(&'static str, Namespace<'a>, String)> {
    thread::scope(|scope| {
        let made = KINDS.map(|kind| scope.spawn(move || (kind, healthy(lab, name, kind))));
        made.map(|it| it.join().unwrap()).map(|(kind, (ns, target))| (kind, ns, target)).into()
    })
}

fn guard(ns: &Namespace<'_>, target: &str, soak: &str) -> Running {
    Running::rollback(ns, &["guard", target, soak, "--timeout=400s"])
}

/// Waits for the end of what runs, which may take longer than most.
fn end(running: Running, code: i32, wanted: (&Namespace<'_>, &str, &str)) {
    let (ns, target, image) = wanted;
    let output = running.ends_within(crate::scene::LONG);
    assert_code(&output, code);
    rests(ns, target, image, &output);
}

fn frozen(lab: &Lab) {
    let node = second(lab);
    let guarded = each(lab, "frozen");
    let stepped = each(lab, "frozen-steps");
    let undone = each(lab, "frozen-undo");
    for (_, ns, target) in &undone {
        change(ns, target, "registry.test/absent/frozen:2", &json!({}));
    }
    node.freeze();
    let guards: Vec<Running> = guarded
        .iter()
        .map(|(_, ns, target)| {
            change(ns, target, &app("2"), &json!({}));
            guard(ns, target, "--soak=3s")
        })
        .collect();
    let steps: Vec<Running> = stepped
        .iter()
        .filter_map(|(kind, ns, _)| {
            let plugin = match *kind {
                "daemonset" => "dsupdate",
                "statefulset" => "stspartition",
                _ => return None,
            };
            let image = format!("app={}", app("2"));
            let words = ["start", "web", &image, "--steps=1,100%", "--soak=3s", "--timeout=400s"];
            Some(Running::plugin(plugin, ns, &words))
        })
        .collect();
    wait_until("the node is missed", || !is_ready(lab, node));
    let undos: Vec<Running> = undone
        .iter()
        .map(|(_, ns, target)| Running::rollback(ns, &["undo", target, "-y", "--timeout=400s"]))
        .collect();
    // The pods of the sets are held up, and it is said by what.
    let named = |ns: &Namespace<'_>, target: &str| {
        let output = rollback(ns, &["status", target, "--watch=false", "-o", "json"]);
        assert_code(&output, 0);
        output.stdout.contains("\"node-not-ready\"")
    };
    let held: Vec<_> = guarded.iter().filter(|(kind, ..)| *kind == "statefulset").collect();
    wait_until("it is said that a node is not ready", || {
        held.iter().any(|(_, ns, target)| named(ns, target))
    });
    thread::sleep(Duration::from_secs(10));
    node.thaw();
    wait_until("the node is back", || is_ready(lab, node));
    for (running, (_, ns, target)) in guards.into_iter().zip(&guarded) {
        end(running, 0, (ns, target, &app("2")));
    }
    for (running, (_, ns, target)) in steps.into_iter().zip(stepped.iter().filter(|it| it.0 != "deployment"))
    {
        end(running, 0, (ns, target, &app("2")));
    }
    for (running, (_, ns, target)) in undos.into_iter().zip(&undone) {
        end(running, 0, (ns, target, &app("1")));
    }
}

/// A kubelet is replaced while the pods soak, as when a node's software is updated.
fn killed(lab: &Lab) {
    let node = second(lab);
    let guarded = each(lab, "killed");
    let guards: Vec<Running> = guarded
        .iter()
        .map(|(_, ns, target)| {
            change(ns, target, &app("2"), &json!({}));
            guard(ns, target, "--soak=25s")
        })
        .collect();
    for (_, ns, target) in &guarded {
        crate::scene::settled(ns, target);
    }
    let before: Vec<_> = guarded.iter().map(|(_, ns, _)| uids(ns)).collect();
    node.kill_kubelet();
    thread::sleep(Duration::from_secs(4));
    node.start_kubelet().unwrap();
    for ((running, (_, ns, target)), before) in guards.into_iter().zip(&guarded).zip(before) {
        end(running, 0, (ns, target, &app("2")));
        assert_eq!(uids(ns), before, "containers do not notice");
    }
    wait_until("the node is ready", || is_ready(lab, node));
}

fn drained(lab: &Lab) {
    let node = second(lab);
    let guarded = each(lab, "drained");
    let guards: Vec<Running> = guarded
        .iter()
        .map(|(_, ns, target)| {
            change(ns, target, &app("2"), &json!({}));
            guard(ns, target, "--soak=15s")
        })
        .collect();
    let words =
        ["drain", node.name(), "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=200s"];
    lab.cluster.kubectl(&words).expect_ok();
    for (running, (kind, ns, target)) in guards.into_iter().zip(&guarded) {
        end(running, 0, (ns, target, &app("2")));
        let left = living(ns).iter().filter(|pod| pod["spec"]["nodeName"] == node.name()).count();
        assert_eq!(left, usize::from(*kind == "daemonset"), "who is on a drained node: {target}");
    }
    lab.cluster.kubectl(&["uncordon", node.name()]).expect_ok();
}

/// A runtime that hangs under a node that is ready: nothing starts there, and nothing ends.
fn runtime(lab: &Lab) {
    let node = second(lab);
    let ns = lab.cluster.namespace("runtime");
    let target = "deployment/web";
    let here = format!("nodeSelector: {{ kubernetes.io/hostname: {} }}\n      containers:", node.name());
    let yaml = crate::scene::web("deployment", 1).yaml().replace("containers:", &here);
    e2e::create(&ns, &yaml.replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 1"));
    crate::scene::settled(&ns, target);
    node.freeze_runtime();
    change(&ns, target, &app("2"), &json!({}));
    let called = rollback(&ns, &["status", target, "--patience=20s", "--timeout=200s"]);
    let guarded = guard(&ns, target, "--soak=2s");
    node.thaw_runtime();
    assert_code(&called, 3);
    assert!(called.stderr.contains("not-starting: ") || called.stderr.contains("sandbox: "), "{called}");
    end(guarded, 0, (&ns, target, &app("2")));
}
