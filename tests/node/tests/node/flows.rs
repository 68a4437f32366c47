//! What people do with rollouts of real containers: try, pause, go in steps, free a set that is stuck, delete by hand.

use std::sync::Arc;
use std::thread;

use cluster::{Namespace, Output};
use e2e::scene::{meanwhile, rollback};
use e2e::{Running, assert_code, image, observed};
use libtest_mimic::Trial;
use node::Lab;
use serde_json::{Value, json};

use crate::scene::{
    LONG, MOMENT, all_run, app, change, container, create, ended, healthy, http, living, rests, settled,
    uids, wait_until, waits, web,
};

const ALL: &[&str] = &["deployment", "daemonset", "statefulset"];
const SETS: &[&str] = &["daemonset", "statefulset"];
const DEPLOYMENT: &[&str] = &["deployment"];
const DAEMON_SET: &[&str] = &["daemonset"];
const SET: &[&str] = &["statefulset"];

const ABSENT: &str = "registry.test/absent/flow:2";

type Flow = fn(&Lab, &'static str);

/// A test for each flow and kind.
pub fn all(lab: &Arc<Lab>) -> Vec<Trial> {
    let flows: [(&str, &[&'static str], Flow); 21] = [
        ("try-good", ALL, try_good),
        ("try-bad", ALL, try_bad),
        ("pause", ALL, pause),
        ("steps", SETS, steps),
        ("steps-abort", SETS, steps_abort),
        ("stuck-absent", SET, |lab, _| stuck(lab, ABSENT, false)),
        ("stuck-crash", SET, |lab, _| stuck(lab, &app("exit-3"), true)),
        ("stuck-undo", SET, stuck_undo),
        ("on-delete", SETS, on_delete),
        ("restarts", ALL, restarts),
        ("restarts-allowed", DEPLOYMENT, restarts_allowed),
        ("check", DEPLOYMENT, check),
        ("check-query", DEPLOYMENT, check_query),
        ("together", DEPLOYMENT, together),
        ("deadline", DEPLOYMENT, deadline),
        ("terminating", SETS, terminating),
        ("deaf", SETS, deaf),
        ("log-long", SET, log_long),
        ("webhook", DEPLOYMENT, webhook),
        ("cannot-update", SET, cannot_update),
        ("surge", DAEMON_SET, surge),
    ];
    let of = |name: &str, kind: &'static str, flow: Flow| {
        let lab = Arc::clone(lab);
        Trial::test(format!("{name}::{kind}"), move || {
            flow(&lab, kind);
            Ok(())
        })
    };
    flows
        .into_iter()
        .flat_map(|(name, kinds, flow)| kinds.iter().map(move |kind| (name, *kind, flow)))
        .map(|(name, kind, flow)| of(name, kind, flow))
        .collect()
}

#[track_caller]
fn says(output: &Output, what: &str) {
    assert!(output.stderr.contains(what) || output.stdout.contains(what), "{what:?} is not said: {output}");
}

fn attempt(ns: &Namespace<'_>, words: &[&str]) -> Output {
    rollback(ns, &[&["try", "--soak=3s", "--timeout=240s"], words].concat())
}

fn try_good(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "try-good", kind);
    let before = uids(&ns);
    let tried = attempt(&ns, &[&target, &format!("app={}", app("2"))]);
    assert_code(&tried, 0);
    rests(&ns, &target, &app("2"), &tried);
    assert!(uids(&ns).values().all(|uid| !before.values().any(|it| it == uid)), "{tried}");
}

fn try_bad(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "try-bad", kind);
    let before = uids(&ns);
    let tried = attempt(&ns, &[&target, &format!("app={ABSENT}")]);
    assert_code(&tried, 5);
    says(&tried, "image-pull: ");
    rests(&ns, &target, &app("1"), &tried);
    let kept = uids(&ns).values().filter(|uid| before.values().any(|it| it == *uid)).count();
    assert_eq!(kept, 2 - usize::from(kind != "deployment"), "{tried}");
}

fn pause(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "pause", kind);
    let before = uids(&ns);
    assert_code(&rollback(&ns, &["pause", &target]), 0);
    change(&ns, &target, &app("2"), &json!({}));
    assert_code(&rollback(&ns, &["status", &target, "--timeout=30s"]), 7);
    thread::sleep(e2e::A_WHILE);
    assert_eq!(uids(&ns), before, "a paused workload stands still");
    let resumed = rollback(&ns, &["resume", &target]);
    assert_code(&resumed, 0);
    assert_code(&rollback(&ns, &["status", &target, "--timeout=240s"]), 0);
    rests(&ns, &target, &app("2"), &resumed);
}

/// The plugin that rolls a kind out in steps.
fn plugin(kind: &str) -> &'static str {
    if kind == "daemonset" { "dsupdate" } else { "stspartition" }
}

fn start(ns: &Namespace<'_>, kind: &str, image: &str, more: &[&str]) -> Output {
    let image = format!("app={image}");
    let words = [plugin(kind), "start", "web", &image, "--steps=1,100%", "--soak=10s", "--timeout=240s"];
    ns.kubectl(&[&words[..], more].concat())
}

fn steps(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "steps", kind);
    let before = uids(&ns);
    let held = start(&ns, kind, &app("2"), &["--pause-after=1"]);
    assert_code(&held, 0);
    let kept = uids(&ns).values().filter(|uid| before.values().any(|it| it == *uid)).count();
    assert_eq!(kept, 1, "one of two is left alone: {held}");
    let resumed = ns.kubectl(&[plugin(kind), "resume", "web", "--timeout=240s"]);
    assert_code(&resumed, 0);
    rests(&ns, &target, &app("2"), &resumed);
    assert_eq!(ns.get(&[&target])["metadata"]["annotations"]["rollout-plugins.dev/rollout"], Value::Null);
}

fn steps_abort(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "steps-abort", kind);
    let before = uids(&ns);
    let aborted = start(&ns, kind, &app("exit-3"), &["--on-failure=abort"]);
    assert_code(&aborted, 5);
    says(&aborted, "exit code 3");
    rests(&ns, &target, &app("1"), &aborted);
    let kept = uids(&ns).values().filter(|uid| before.values().any(|it| it == *uid)).count();
    assert_eq!(kept, 1, "one of two was never touched: {aborted}");
}

/// A set of three whose highest pod does not work, and whose template is the old one again: nothing replaces that pod.
fn stuck_set<'a>(lab: &'a Lab, bad: &str) -> (Namespace<'a>, std::collections::BTreeMap<String, String>) {
    let ns = lab.cluster.namespace("stuck");
    let target = "statefulset/web";
    create(&ns, &web("statefulset", 3));
    settled(&ns, target);
    let never = json!({ "containers": [{ "readinessProbe": http("fail-never", &json!({})) }] });
    change(&ns, target, bad, &never);
    wait_until("web-2 is broken", || {
        let pods = living(&ns);
        let broken = |pod: &Value| {
            waits(pod, "app", &["ImagePullBackOff", "ErrImagePull"]) || ended(pod, "app", 3, "Error")
        };
        pods.iter().any(|pod| pod["metadata"]["name"] == "web-2" && broken(pod))
    });
    let before = uids(&ns);
    (ns, before)
}

fn stuck(lab: &Lab, bad: &str, crashes: bool) {
    let (ns, before) = stuck_set(lab, bad);
    ns.kubectl(&["rollout", "undo", "statefulset/web"]).expect_ok();
    observed(&ns, "statefulset/web");
    thread::sleep(MOMENT);
    assert_eq!(uids(&ns)["web-2"], before["web-2"], "its controller freed it: this test proves nothing");
    let status = rollback(&ns, &["status", "statefulset/web", "--timeout=120s"]);
    assert_code(&status, 3);
    says(&status, "sts-stuck: ");
    let freed = rollback(&ns, &["unstick", "statefulset/web", "-y", "--timeout=240s"]);
    assert_code(&freed, 0);
    rests(&ns, "statefulset/web", &app("1"), &freed);
    let after = uids(&ns);
    assert_eq!([&after["web-0"], &after["web-1"]], [&before["web-0"], &before["web-1"]], "{crashes} {freed}");
    assert_ne!(after["web-2"], before["web-2"], "{freed}");
}

fn stuck_undo(lab: &Lab, _: &'static str) {
    let (ns, before) = stuck_set(lab, ABSENT);
    let undone = rollback(&ns, &["undo", "statefulset/web", "-y", "--timeout=240s"]);
    assert_code(&undone, 0);
    rests(&ns, "statefulset/web", &app("1"), &undone);
    let after = uids(&ns);
    assert_eq!([&after["web-0"], &after["web-1"]], [&before["web-0"], &before["web-1"]], "{undone}");
}

fn on_delete(lab: &Lab, kind: &'static str) {
    let ns = lab.cluster.namespace("on-delete");
    let target = format!("{kind}/web");
    create(&ns, &web(kind, 2).spec("updateStrategy: { type: OnDelete }"));
    wait_until("both pods run", || all_run(&ns, &app("1"), 2));
    let before = uids(&ns);
    change(&ns, &target, &app("2"), &json!({}));
    thread::sleep(e2e::A_WHILE);
    assert_eq!(uids(&ns), before, "nothing is replaced by itself");
    ns.kubectl(&["delete", "pods", "-l", "app=web"]).expect_ok();
    wait_until("both pods are new", || all_run(&ns, &app("2"), 2));
    let undone = rollback(&ns, &["undo", &target, "-y", "--timeout=240s"]);
    assert_code(&undone, 0);
    rests(&ns, &target, &app("1"), &undone);
    assert_eq!(ns.get(&[&target])["spec"]["updateStrategy"]["type"], "OnDelete");
}

fn restarts(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "restarts", kind);
    change(&ns, &target, &app("sleep-15.once"), &json!({}));
    let guarded = rollback(&ns, &["guard", &target, "--soak=60s", "--timeout=300s"]);
    assert_code(&guarded, 5);
    says(&guarded, "restarts: ");
    rests(&ns, &target, &app("1"), &guarded);
}

fn restarts_allowed(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "restarts", kind);
    change(&ns, &target, &app("sleep-8.once"), &json!({}));
    let guarded = rollback(&ns, &["guard", &target, "--soak=15s", "--max-restarts=1", "--timeout=300s"]);
    assert_code(&guarded, 0);
    rests(&ns, &target, &app("sleep-8.once"), &guarded);
    let restarted = |pod: &Value| container(pod, "app")["restartCount"].as_u64();
    wait_until("it was restarted", || living(&ns).iter().any(|pod| restarted(pod) >= Some(1)));
}

fn check(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "check", kind);
    // Asks the container itself.
    let asks = format!("kubectl exec $(echo $ROLLOUT_PODS | cut -d' ' -f1) -n {} -- /app", ns.name());
    let (good, bad) = (format!("{asks} after-0"), format!("{asks} fail-no-answer"));
    let image = format!("app={}", app("2"));
    assert_code(&attempt(&ns, &[&target, &image, "--check", &good]), 0);
    let tried = attempt(&ns, &[&target, &format!("app={}", app("3")), "--check", &bad]);
    assert_code(&tried, 5);
    says(&tried, "check: ");
    says(&tried, "no answer");
    rests(&ns, &target, &app("2"), &tried);
}

fn check_query(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "query", kind);
    // Each container answers as a Prometheus whose every query is 1.
    ns.kubectl(&["expose", &target, "--port=9090", "--target-port=8080", "--name=prometheus"]).expect_ok();
    let service = format!("{}/prometheus:9090", ns.name());
    let ask = |image: &str, query: &str| {
        attempt(
            &ns,
            &[&target, &format!("app={}", app(image)), "--prometheus", &service, "--check-query", query],
        )
    };
    assert_code(&ask("2", "up >= 1"), 0);
    let tried = ask("3", "errors < 1");
    assert_code(&tried, 5);
    says(&tried, "check-query: ");
    rests(&ns, &target, &app("2"), &tried);
}

fn together(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "together", kind);
    let other = format!("{kind}/other");
    create(&ns, &web(kind, 1).named("other"));
    settled(&ns, &other);
    change(&ns, &target, &app("2"), &json!({}));
    change(&ns, &other, ABSENT, &json!({}));
    let words = ["guard", &target, &other, "--all-or-none", "--soak=2s", "--timeout=240s", "-o", "json"];
    let guarded = rollback(&ns, &words);
    assert_code(&guarded, 5);
    says(&guarded, "\"together\"");
    rests(&ns, &target, &app("1"), &guarded);
    assert_eq!(image(&ns, &other), app("1"), "{guarded}");
}

fn deadline(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "deadline", kind);
    // What works may take its time to start.
    ns.kubectl(&["patch", &target, "-p", r#"{"spec":{"progressDeadlineSeconds":20}}"#]).expect_ok();
    let probe = http("after-600", &json!({ "failureThreshold": 600 }));
    change(&ns, &target, &app("2"), &json!({ "containers": [{ "startupProbe": probe }] }));
    let status = rollback(&ns, &["status", &target, "--timeout=240s"]);
    assert_code(&status, 3);
    says(&status, "deadline: ");
    assert!(living(&ns).iter().any(|pod| container(pod, "app")["started"] == false), "{status}");
    let undone = rollback(&ns, &["undo", &target, "-y", "--timeout=240s"]);
    assert_code(&undone, 0);
    rests(&ns, &target, &app("1"), &undone);
}

fn terminating(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "terminating", kind);
    let finalizers = |list: Value| {
        let patch = json!({ "metadata": { "finalizers": list } }).to_string();
        let pods = ns.kubectl(&["get", "pods", "-l", "app=web", "-o", "name"]).expect_ok();
        for pod in pods.lines() {
            let _ = ns.kubectl(&["patch", pod, "--type=merge", "-p", &patch]);
        }
    };
    finalizers(json!(["example.com/held"]));
    change(&ns, &target, &app("2"), &json!({}));
    let status = Running::rollback(&ns, &["status", &target, "--timeout=240s"]);
    if kind == "statefulset" {
        // Nothing has its name while it is there.
        status.says("terminating: pod web-");
        finalizers(json!([]));
    }
    // A node gets another pod beside one that has ended (pkg/controller/daemon/daemon_controller.go, `getNodesToDaemonPods`).
    let status = status.ends_within(LONG);
    assert_code(&status, 0);
    finalizers(json!([]));
    rests(&ns, &target, &app("2"), &status);
}

fn deaf(lab: &Lab, kind: &'static str) {
    let ns = lab.cluster.namespace("deaf");
    let target = format!("{kind}/web");
    e2e::create(
        &ns,
        &web(kind, 2)
            .yaml()
            .replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 20")
            .replace(&app("1"), &app("1.deaf")),
    );
    settled(&ns, &target);
    change(&ns, &target, &app("2.deaf"), &json!({}));
    let guarded = rollback(&ns, &["guard", &target, "--soak=2s", "--timeout=300s"]);
    assert_code(&guarded, 0);
    rests(&ns, &target, &app("2.deaf"), &guarded);
    let undone = rollback(&ns, &["undo", &target, "-y", "--timeout=300s"]);
    assert_code(&undone, 0);
    rests(&ns, &target, &app("1.deaf"), &undone);
}

/// The end of a log tells why, however much comes before.
fn log_long(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "log-long", kind);
    change(&ns, &target, &app("long.exit-1"), &json!({}));
    let status = rollback(&ns, &["status", &target, "--timeout=240s"]);
    assert_code(&status, 3);
    says(&status, "panic: the reason");
}

fn webhook(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "webhook", kind);
    let name = format!("{}-deaf", ns.name());
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": name },
        "webhooks": [{
            "name": "deaf.example.com", "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
            "admissionReviewVersions": ["v1"], "clientConfig": { "url": "https://127.0.0.1:1/deaf" },
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": ns.name() } },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
        }],
    });
    ns.cluster().kubectl_with(&["create", "-f", "-"], &webhook.to_string()).expect_ok();
    change(&ns, &target, &app("2"), &json!({}));
    let called = rollback(&ns, &["status", &target, "--patience=5s", "--timeout=120s"]);
    assert_code(&called, 3);
    says(&called, "webhook: ");
    let guarded = meanwhile(&ns, &["guard", &target, "--soak=2s", "--timeout=240s"], || {
        thread::sleep(MOMENT);
        ns.kubectl(&["delete", "validatingwebhookconfiguration", &name]).expect_ok();
    });
    assert_code(&guarded, 0);
    rests(&ns, &target, &app("2"), &guarded);
}

/// A set made anew over pods that lack a claim, which no controller can give them.
fn cannot_update(lab: &Lab, kind: &'static str) {
    let (ns, target) = healthy(lab, "claims", kind);
    let folder = node::inside().unwrap().join("claims");
    let volume = |pod: u32| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": { "name": format!("{}-{pod}", ns.name()) },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Mi" }, "storageClassName": "",
                "hostPath": { "path": folder.join(format!("{pod}")), "type": "DirectoryOrCreate" },
                "claimRef": { "namespace": ns.name(), "name": format!("data-web-{pod}") },
            },
        })
    };
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [volume(0), volume(1)] });
    ns.cluster().kubectl_with(&["create", "-f", "-"], &list.to_string()).expect_ok();
    ns.kubectl(&["delete", &target, "--cascade=orphan"]).expect_ok();
    create(&ns, &web(kind, 2).spec(e2e::CLAIM_TEMPLATES));
    change(&ns, &target, &app("2"), &json!({}));
    let status = rollback(&ns, &["status", &target, "--timeout=120s"]);
    assert_code(&status, 3);
    says(&status, "sts-cannot-update: ");
    let freed = rollback(&ns, &["unstick", &target, "-y", "--timeout=240s"]);
    assert_code(&freed, 0);
    rests(&ns, &target, &app("2"), &freed);
    let claimed = |pod: &Value| pod["spec"]["volumes"].to_string().contains("data-web-");
    assert!(living(&ns).iter().all(claimed), "{freed}");
}

/// New pods beside the old ones.
fn surge(lab: &Lab, kind: &'static str) {
    let ns = lab.cluster.namespace("surge");
    let target = format!("{kind}/web");
    let strategy =
        "updateStrategy: { type: RollingUpdate, rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }";
    create(&ns, &web(kind, 2).spec(strategy));
    settled(&ns, &target);
    let before = uids(&ns);
    let tried = attempt(&ns, &[&target, &format!("app={ABSENT}")]);
    assert_code(&tried, 5);
    rests(&ns, &target, &app("1"), &tried);
    assert_eq!(uids(&ns), before, "no pod that worked was touched: {tried}");
    let tried = attempt(&ns, &[&target, &format!("app={}", app("2"))]);
    assert_code(&tried, 0);
    rests(&ns, &target, &app("2"), &tried);
}
