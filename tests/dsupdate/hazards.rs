//! What the controllers, other people and dead nodes do while a set is held.

use cluster::Node;
use e2e::{A_WHILE, LONG, assert_code};
use serde_json::Value;

use crate::fleet::Fleet;
use crate::rollout::{WEB, fleet, fleet_with, says};

impl Fleet<'_> {
    /// Makes the pod on a node ready or not.
    fn ready(&self, letter: &str, status: &str) {
        let patch = format!(r#"{{"status":{{"conditions":[{{"type":"Ready","status":"{status}"}}]}}}}"#);
        let pod = self.pod(letter);
        self.ns.kubectl(&["patch", "pod", &pod, "--subresource=status", "-p", &patch]).expect_ok();
    }

    /// Adds a node on which a pod is placed.
    pub fn join(&self, letter: &str) {
        let node = Node::new(self.node(letter)).label("pool", self.ns.name());
        self.ns.cluster().create_nodes(&[node]).unwrap();
    }

    /// Takes a node away.
    pub fn leave(&self, letter: &str) {
        let pod = self.pod(letter);
        self.ns.kubectl(&["delete", "node", &self.node(letter)]).expect_ok();
        // It is the garbage collector who would do this, a while later.
        let _ = self.ns.kubectl(&["delete", "pod", &pod, "--force", "--grace-period=0"]);
    }
}

#[test]
fn a_template_that_moves_the_pods_to_other_nodes_stops() {
    let fleet = Fleet::new(&["x", "y", "y"]);
    fleet.web("app:1", &[]);
    let mut object = fleet.ns.get(&[WEB]);
    object["spec"]["template"]["spec"]["nodeSelector"]["example.com/zone"] = "y".into();
    object["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2".into();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), object.to_string()).unwrap();
    let path = file.path().to_string_lossy();
    let before = fleet.untouched();
    let stopped = fleet.dsupdate(&["start", "-f", &path, "--soak=1s"]);
    assert_code(&stopped, 8);
    says(&stopped, &["its pods vanish from 1 (a)", "placement"]);
    assert_eq!((fleet.untouched(), fleet.images().as_str()), (before, "a:1 b:1 c:1"));
    let allowed = fleet.dsupdate(&["start", "-f", &path, "--soak=1s", "--allow=placement"]);
    assert_code(&allowed, 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("b:2 c:2", Value::Null));
}

#[test]
fn a_node_with_a_taint_that_is_not_tolerated_is_never_touched() {
    let fleet = fleet(3);
    let uid = fleet.uids()["b"].clone();
    fleet.ns.kubectl(&["taint", "node", &fleet.node("b"), "own=x:NoSchedule"]).expect_ok();
    let done = fleet.start(&["app=app:2"]);
    assert_code(&done, 0);
    says(&done, &["node b is never touched: "]);
    assert_eq!((fleet.images().as_str(), &fleet.uids()["b"]), ("a:2 b:1 c:2", &uid));
    // The old strategy would delete the old pod there, which never came back (hazards H8, H13).
    says(&done, &["held: all steps of daemon set \"web\" are done, and 1 stay old: b"]);
    fleet.ns.kubectl(&["taint", "node", &fleet.node("b"), "own-"]).expect_ok();
    assert_code(&fleet.dsupdate(&["resume", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2 c:2", Value::Null));
}

#[test]
fn a_plan_names_the_pods_that_vanish_for_good() {
    let fleet = fleet(3);
    fleet.set_image("app:2");
    e2e::settled(&fleet.ns, WEB);
    fleet.ns.kubectl(&["taint", "node", &fleet.node("b"), "own=x:NoSchedule"]).expect_ok();
    let plan = fleet.dsupdate(&["undo", "web", "--dry-run"]);
    assert_code(&plan, 0);
    says(
        &plan,
        &[
            "deleted for good, since their nodes take no pod of it: web-",
            "on node b (untolerated taint own=x",
        ],
    );
    fleet.ns.kubectl(&["taint", "node", &fleet.node("b"), "own-"]).expect_ok();
}

#[test]
fn what_comes_up_new_while_a_rollout_is_paused_is_named() {
    let fleet = fleet(3);
    assert_code(&fleet.start(&["app=app:2", "--steps=1,100%", "--pause-after=1"]), 0);
    let before = e2e::json(&fleet.nodes(&["-o", "json"]));
    assert_eq!(before["warnings"], serde_json::json!([]), "{before}");
    fleet.replace("c");
    let after = e2e::json(&fleet.nodes(&["-o", "json"]));
    assert_eq!(
        (&after["warnings"][0]["id"], &after["warnings"][0]["nodes"][0]),
        (&"outside-step".into(), &"c".into())
    );
    says(&fleet.nodes(&[]), &["outside-step: c is new, and no step has come there"]);
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!(fleet.images(), "a:1 b:1 c:1");
}

#[test]
fn a_cordoned_node_is_no_obstacle() {
    let fleet = fleet(2);
    fleet.ns.kubectl(&["cordon", &fleet.node("a")]).expect_ok();
    assert_code(&fleet.start(&["app=app:2"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2", Value::Null));
}

#[test]
fn sets_that_surge_lose_that_and_somebody_has_to_agree() {
    let fleet = fleet_with(3, &["updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }"]);
    let before = fleet.untouched();
    let stopped = fleet.start(&["app=app:2"]);
    assert_code(&stopped, 8);
    says(&stopped, &["surge-lost", "--max-unavailable"]);
    assert_eq!(fleet.untouched(), before);
    let kept = fleet.kept();
    assert_code(&fleet.start(&["app=app:2", "--max-unavailable=1"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:2 b:2 c:2", kept));
}

#[test]
fn somebody_elses_template_is_left_alone_and_the_ways_on_are_named() {
    let fleet = fleet(3);
    let before = fleet.kept();
    let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=60s"]);
    driver.says("have to stay so");
    fleet.set_image("app:3");
    let ended = driver.ends();
    assert_code(&ended, 6);
    says(&ended, &["somebody rolled out something else"]);
    assert_eq!((fleet.images().as_str(), e2e::image(&fleet.ns, WEB).as_str()), ("a:2 b:1 c:1", "app:3"));
    let status = fleet.dsupdate(&["status", "web"]);
    assert_code(&status, 7);
    says(&status, &["kubectl dsupdate resume", "kubectl dsupdate start", "held: "]);
    says(&fleet.nodes(&[]), &["the rollout in steps is superseded", "resume", "--release", "start"]);
    for verb in ["abort", "resume"] {
        let refused = fleet.dsupdate(&[verb, "web", "-y"]);
        assert_code(&refused, 6);
        says(&refused, &["somebody else replaced the template", "kubectl dsupdate resume", "--release"]);
    }
    std::thread::sleep(A_WHILE);
    assert_eq!(fleet.images(), "a:2 b:1 c:1");
    assert_code(&fleet.dsupdate(&["resume", "web", "--release"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:3 b:3 c:3", before));
}

#[test]
fn somebody_elses_template_can_be_driven_in_steps() {
    let fleet = fleet(3);
    let before = fleet.kept();
    assert_code(&fleet.start(&["app=app:2", "--steps=1,100%", "--pause-after=1"]), 0);
    fleet.set_image("app:3");
    let started = fleet.start(&["--steps=2,100%", "--pause-after=1"]);
    assert_code(&started, 0);
    assert_eq!(fleet.images(), "a:3 b:3 c:1");
    assert_code(&fleet.dsupdate(&["resume", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:3 b:3 c:3", before));
}

#[test]
fn what_somebody_puts_back_by_hand_is_finished_by_abort() {
    let fleet = fleet(3);
    let (before, uids) = (fleet.kept(), fleet.uids());
    let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=60s"]);
    driver.says("have to stay so");
    fleet.set_image("app:1");
    let ended = driver.ends();
    assert_code(&ended, 6);
    says(&ended, &["somebody put the old template of daemon set \"web\" back", "kubectl dsupdate abort"]);
    let resumed = fleet.dsupdate(&["resume", "web"]);
    assert_code(&resumed, 1);
    says(&resumed, &["somebody put the old template back"]);
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:1 b:1 c:1", before));
    assert_eq!(fleet.uids()["c"], uids["c"]);
}

#[test]
fn a_strategy_that_somebody_sets_meanwhile_does_not_run_through_and_comes_back_in_the_end() {
    let fleet = fleet(6);
    let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,100%", "--soak=5s"]);
    driver.says("have to stay so");
    fleet.patch(
        r#"{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"34%"}}}}"#,
    );
    driver.says("somebody set the strategy to RollingUpdate");
    assert_code(&driver.ends(), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2 c:2 d:2 e:2 f:2", Value::Null));
    assert_eq!(fleet.kept().0["rollingUpdate"]["maxUnavailable"], "34%");
}

#[test]
fn evictions_wait_for_the_budget_and_say_so() {
    let fleet = fleet(2);
    let budget = |spec: &str| {
        let yaml = format!(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{ name: web }}\nspec: {{ {spec}, selector: {{ matchLabels: {{ app: web }} }} }}\n"
        );
        fleet.ns.apply(&yaml);
        e2e::until(&fleet.ns, "pdb/web", "is counted", |object| {
            object["status"]["observedGeneration"] == object["metadata"]["generation"]
        });
    };
    budget("minAvailable: 2");
    let (before, stopped) = (fleet.kept(), fleet.start(&["app=app:2", "--evict"]));
    assert_code(&stopped, 8);
    says(&stopped, &["never allows an eviction: it asks for 2 available pods, and there are 2"]);
    assert_eq!(fleet.kept(), before);
    // What nobody allows in time holds the step up, and fails nothing.
    let words = ["app=app:2", "--evict", "--allow=pdb", "--timeout=6s", "--on-failure=abort"];
    let held = fleet.start(&words);
    assert_code(&held, 4);
    says(
        &held,
        &["evictions heed disruption budgets", "step 1 of the rollout", "is held up: it stands still"],
    );
    let evictions = held.stderr.matches("evicting pod").count();
    let refusals = held.stderr.matches("may not be evicted now: ").count();
    assert_eq!((evictions, refusals), (1, 1), "{held}");
    assert_eq!((fleet.images().as_str(), &fleet.stored()["phase"]), ("a:1 b:1", &Value::from("paused")));
    let driver = fleet.running(&["resume", "web"]);
    driver.says("may not be evicted now: ");
    assert_eq!(fleet.images(), "a:1 b:1");
    budget("minAvailable: 1");
    assert_code(&driver.ends(), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2", Value::Null));
}

#[test]
fn a_budget_that_can_never_allow_an_eviction_is_said_and_nothing_is_deleted() {
    let fleet = fleet(2);
    let (before, uids) = (fleet.kept(), fleet.uids());
    fleet.ns.apply("apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: { name: web }\nspec: { maxUnavailable: 1, selector: { matchLabels: { app: web } } }\n");
    e2e::until(&fleet.ns, "pdb/web", "fails", |object| object.to_string().contains("SyncFailed"));
    let stopped = fleet.start(&["app=app:2", "--evict"]);
    assert_code(&stopped, 8);
    says(&stopped, &["poddisruptionbudget web never allows an eviction: ", "pdb"]);
    assert_eq!((fleet.kept(), fleet.uids()), (before.clone(), uids.clone()));
    let driver = fleet.running(&["start", "web", "app=app:2", "--evict", "--soak=1s", "--allow=pdb"]);
    driver.says("may not be evicted now: ");
    driver.signal("INT");
    assert_code(&driver.ends(), 130);
    assert_eq!(fleet.uids(), uids);
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert_eq!((fleet.kept(), fleet.uids()), (before, uids));
}

#[test]
fn a_template_with_what_json_may_escape_is_guarded_all_the_same() {
    let fleet = fleet(2);
    let command = r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"app:1","command":["sh","-c","a && b < c > d"]}]}}}}"#;
    fleet.patch(command);
    e2e::settled(&fleet.ns, WEB);
    assert_code(&fleet.start(&["app=app:2", "--check=true && cat < /dev/null"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2", Value::Null));
    assert_code(&fleet.ns.kubectl(&["rollback", "undo", "ds/web"]), 0);
    assert_eq!(fleet.images(), "a:1 b:1");
}

#[test]
fn a_dead_node_is_waited_for_or_left_out() {
    let fleet = fleet(3);
    fleet.ns.cluster().kill_node(&fleet.node("b")).unwrap();
    // Its pod is unready, as the node controller makes it, and no step of another node fails by that.
    fleet.ready("b", "False");
    let steps = ["app=app:2", "--steps=1,100%", "--timeout=3s", "--max-unavailable=2", "--on-failure=abort"];
    let waits = fleet.start(&steps);
    assert_code(&waits, 4);
    assert_eq!((fleet.images().as_str(), &fleet.stored()["done"]), ("a:2 b:1 c:2", &Value::from(1)));
    says(&waits, &["the steps wait for nodes that are not ready: b", "deadline: not new and available", "b"]);
    fleet.ready("b", "True");
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);

    let skips = fleet.start(&["app=app:3", "--skip-unready-nodes"]);
    assert_code(&skips, 0);
    says(&skips, &["node b is never touched: it is not ready", "1 stay old: b"]);
    assert_eq!((fleet.images().as_str(), fleet.strategy().as_str()), ("a:3 b:1 c:3", "OnDelete"));
    fleet.ns.cluster().revive_node(&fleet.node("b")).unwrap();
    fleet
        .ns
        .kubectl(&["wait", "node", &fleet.node("b"), "--for=condition=Ready", "--timeout=60s"])
        .expect_ok();
    fleet.ns.wait_until("node b is free again", LONG, || {
        fleet.ns.get(&["node", &fleet.node("b")])["spec"]["taints"].is_null()
    });
    assert_code(&fleet.dsupdate(&["resume", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:3 b:3 c:3", Value::Null));
}

#[test]
fn a_guard_that_goes_back_deletes_no_pod_that_would_not_come_back() {
    let fleet = fleet_with(2, &["updateStrategy: { type: OnDelete }"]);
    e2e::set_image(&fleet.ns, WEB, "app:missing");
    fleet.ns.kubectl(&["delete", "pod", &fleet.pod("a")]).expect_ok();
    e2e::broken(&fleet.ns, "app:missing", 1);
    fleet.ns.kubectl(&["taint", "node", &fleet.node("a"), "gpu=yes:NoSchedule"]).expect_ok();
    let uids = fleet.uids();
    let guarded = fleet.ns.kubectl(&["rollback", "guard", WEB, "--soak=1s", "--undo-timeout=20s"]);
    // What is on a node that no longer wants it is not waited for.
    assert_code(&guarded, 5);
    says(&guarded, &["was undone: revision 1 is back"]);
    assert_eq!((fleet.uids(), e2e::image(&fleet.ns, WEB).as_str()), (uids, "app:1"));
}

#[test]
fn nodes_come_and_go_in_the_middle() {
    let fleet = fleet(4);
    let before = fleet.kept();
    let driver = fleet.running(&["start", "web", "app=app:2", "--steps=1,50%,100%", "--soak=6s"]);
    driver.says("have to stay so");
    fleet.leave("b");
    fleet.join("z");
    assert_code(&driver.ends(), 0);
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:2 c:2 d:2 z:2", before));
}

#[test]
fn nothing_but_the_step_moves_while_a_set_is_held() {
    let fleet = fleet_with(4, &["minReadySeconds: 1"]);
    let uids = fleet.uids();
    assert_code(&fleet.start(&["app=app:2", "--steps=1,100%", "--pause-after=1"]), 0);
    std::thread::sleep(A_WHILE);
    let after = fleet.uids();
    assert!(["b", "c", "d"].iter().all(|node| after[*node] == uids[*node]));
    assert_code(&fleet.dsupdate(&["resume", "web"]), 0);
    assert_eq!((fleet.images().as_str(), fleet.stored()), ("a:2 b:2 c:2 d:2", Value::Null));
}
