//! What an undo does, and does not do, while no controller looks.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use cluster::{Cluster, Namespace, Options, Part};
use e2e::scene::{A_WHILE, broken, meanwhile, roll, rollback, uids};
use e2e::{KINDS, LONG, Web, assert_code, image, install, pods, set_image};
use serde_json::Value;

/// A cluster whose controller manager may be stopped, by one test at a time.
struct Fragile(MutexGuard<'static, Cluster>);

impl Fragile {
    fn take() -> Fragile {
        static CLUSTER: LazyLock<Mutex<Cluster>> = LazyLock::new(|| {
            let cluster = Cluster::start(&Options { nodes: 3, ..Options::default() });
            let cluster = cluster.unwrap_or_else(|error| panic!("{error}"));
            install(&cluster);
            Mutex::new(cluster)
        });
        Fragile(CLUSTER.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stop(&self) {
        self.0.stop(Part::ControllerManager).unwrap_or_else(|error| panic!("{error}"));
    }

    fn go_on(&self) {
        self.0.restart(Part::ControllerManager).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        // The next test needs it, also after a failure.
        let _ = self.0.restart(Part::ControllerManager);
    }
}

/// A workload of each kind at its second revision, which kubectl changes once the controllers are gone; `change` are its words
/// before and behind the workload.
fn changed_unseen<'f>(fragile: &'f Fragile, change: [&[&str]; 2]) -> Vec<(Namespace<'f>, String)> {
    let rolled = |kind: &'static str| {
        let (ns, target) = (fragile.0.namespace("unobserved"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        (ns, target)
    };
    let workloads: Vec<_> = KINDS.map(rolled).into_iter().collect();
    fragile.stop();
    for (ns, target) in &workloads {
        ns.kubectl(&[change[0], &[target], change[1]].concat()).expect_ok();
    }
    workloads
}

const THIRD_IMAGE: [&[&str]; 2] = [&["set", "image"], &["app=app:3"]];

#[test]
fn undo_waits_for_the_controller_and_ends_with_4_and_nothing_changed_when_it_does_not_come() {
    let fragile = Fragile::take();
    let workloads = changed_unseen(&fragile, THIRD_IMAGE);
    thread::scope(|scope| {
        for (ns, target) in &workloads {
            scope.spawn(move || {
                let before = ns.get(&[target])["metadata"]["resourceVersion"].clone();
                let output = rollback(ns, &["undo", target]);
                assert_code(&output, 4);
                let why = "error: the controller has not acted upon the last change yet";
                assert!(output.stderr.contains(why), "{output}");
                assert!(
                    output.stderr.contains("hint: is its controller running? --to-revision N"),
                    "{output}"
                );
                assert_eq!(ns.get(&[target])["metadata"]["resourceVersion"], before);
                assert_eq!(image(ns, target), "app:3");
            });
        }
    });
}

/// Changes workloads that no controller looks at; an undo with these flags waits for the controller, and leads to an image.
fn waits_and_leads(change: [&[&str]; 2], flags: &[&str], wanted: &str) {
    let fragile = Fragile::take();
    let workloads = changed_unseen(&fragile, change);
    thread::scope(|scope| {
        for (ns, target) in &workloads {
            scope.spawn(move || {
                let output = rollback(ns, &[&["undo", target], flags].concat());
                assert_code(&output, 0);
                assert!(
                    output.stderr.contains("waiting for the controller to act upon the last change"),
                    "{output}"
                );
                assert_eq!(image(ns, target), wanted);
            });
        }
        thread::sleep(A_WHILE);
        fragile.go_on();
    });
}

#[test]
fn undo_goes_back_exactly_one_step_when_the_controller_comes_late() {
    waits_and_leads(THIRD_IMAGE, &[], "app:2");
}

#[test]
fn a_number_that_the_controller_is_about_to_give_is_waited_for() {
    // What was revision 1 becomes revision 3.
    waits_and_leads([&["rollout", "undo"], &[]], &["--to-revision=3"], "app:1");
}

#[test]
fn no_pod_is_deleted_before_the_controller_has_seen_the_way_back() {
    let fragile = Fragile::take();
    let (ns, target) = (fragile.0.namespace("unobserved-stuck"), "statefulset/web");
    Web::new("statefulset", "app:1").create(&ns);
    set_image(&ns, target, "app:missing");
    broken(&ns, "app:missing", 1);
    fragile.stop();
    let before = uids(&ns);
    let output = meanwhile(&ns, &["undo", target, "--to-revision=1", "--timeout=120s"], || {
        ns.wait_until("the undo is written", LONG, || image(&ns, target) == "app:1");
        thread::sleep(A_WHILE);
        let list = ns.get(&["pods", "-l", "app=web"]);
        let leaving = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_string();
        assert_eq!(list["items"].as_array().into_iter().flatten().filter(leaving).count(), 0, "{list}");
        assert_eq!(uids(&ns), before);
        fragile.go_on();
    });
    assert_code(&output, 0);
    let after = uids(&ns);
    assert_eq!((&after["web-0"], &after["web-1"]), (&before["web-0"], &before["web-1"]));
    assert!(pods(&ns).iter().all(|(_, _, image)| image == "app:1"));
}
