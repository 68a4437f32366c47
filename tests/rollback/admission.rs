//! What admission makes of a change: the template that the server stored is the one that is followed.

use cluster::{Namespace, Output};
use e2e::scene::{for_each_kind, meanwhile, quiet, roll, rollback};
use e2e::{LONG, Web, assert_code, cluster, image, json, set_image};
use serde_json::{Value, json};

/// A policy that adds an annotation to every pod template in a namespace; it is gone when this is dropped.
struct Mutation<'f>(&'f Namespace<'f>);

impl<'f> Mutation<'f> {
    fn put_up(ns: &'f Namespace<'f>, target: &str) -> Mutation<'f> {
        let add = "Object{spec: Object.spec{template: Object.spec.template{metadata: \
                   Object.spec.template.metadata{annotations: {\"stamped\": \"by policy\"}}}}}";
        let only = json!({ "matchLabels": { "kubernetes.io/metadata.name": ns.name() } });
        let rule = json!({ "operations": ["UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"],
            "resources": ["deployments", "daemonsets", "statefulsets"] });
        let policy = json!({
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": { "namespaceSelector": only, "resourceRules": [rule] },
            "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": add } }],
        });
        let binding = json!({ "policyName": ns.name() });
        for (kind, spec) in [("MutatingAdmissionPolicy", policy), ("MutatingAdmissionPolicyBinding", binding)]
        {
            let object = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                "metadata": { "name": ns.name() }, "spec": spec });
            ns.cluster().kubectl_with(&["create", "-f", "-"], &object.to_string()).expect_ok();
        }
        let mutation = Mutation(ns);
        ns.wait_until("the server stamps", LONG, || {
            let probe = r#"{"metadata":{"labels":{"probe":"x"}}}"#;
            let probe = ["patch", target, "--type=merge", "-p", probe, "--dry-run=server", "-o", "json"];
            let probe = ns.kubectl(&probe);
            serde_json::from_str(&probe.stdout).is_ok_and(|object: Value| stamp(&object) == "by policy")
        });
        mutation
    }
}

impl Drop for Mutation<'_> {
    fn drop(&mut self) {
        let kinds = "mutatingadmissionpolicies,mutatingadmissionpolicybindings";
        let _ = self.0.cluster().kubectl(&["delete", kinds, self.0.name(), "--ignore-not-found"]);
    }
}

fn stamp(object: &Value) -> Value {
    object["spec"]["template"]["metadata"]["annotations"]["stamped"].clone()
}

/// Why the tests here show nothing on an older server: it has nothing that changes objects without a webhook.
const POLICIES: &str = "MutatingAdmissionPolicy is no stable API";

const SAID: &str = "admission changed what was sent, and that is followed: + metadata.annotations";

fn notes(output: &Output) -> String {
    json(output)["plan"]["notes"].to_string()
}

#[test]
fn an_undo_that_admission_changed_is_followed_and_said() {
    if !e2e::since("1.36", POLICIES) {
        return;
    }
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("admission"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        quiet(&ns, &target);
        let _policy = Mutation::put_up(&ns, &target);
        let dry = rollback(&ns, &["undo", &target, "--dry-run=server", "-o", "json"]);
        assert_code(&dry, 0);
        let changes = json(&dry)["changes"].to_string();
        assert!(changes.contains("stamped") && changes.contains("app:1"), "{changes}");
        assert_eq!(stamp(&ns.get(&[&target])), Value::Null, "{kind}");
        let client = rollback(&ns, &["undo", &target, "--dry-run=client", "-o", "json"]);
        assert!(!json(&client)["changes"].to_string().contains("stamped"), "{client}");
        let undo = rollback(&ns, &["undo", &target, "-o", "json"]);
        assert_code(&undo, 0);
        assert!(undo.stderr.contains(SAID), "{undo}");
        assert!(notes(&undo).contains(SAID), "{undo}");
        let object = ns.get(&[&target]);
        assert_eq!(
            (image(&ns, &target), stamp(&object)),
            ("app:1".to_string(), json!("by policy")),
            "{kind}"
        );
    });
}

#[test]
fn what_is_tried_and_what_comes_back_is_what_the_server_stored() {
    if !e2e::since("1.36", POLICIES) {
        return;
    }
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("admission-try"), format!("{kind}/web"));
        Web::new(kind, "app:1").replicas(1).create(&ns);
        let _policy = Mutation::put_up(&ns, &target);
        let tried = rollback(&ns, &["try", &target, "app=app:missing", "--soak=1s"]);
        assert_code(&tried, 5);
        assert_eq!(tried.stderr.matches(SAID).count(), 2, "once each way: {tried}");
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
        let good = rollback(&ns, &["try", &target, "app=app:2", "--soak=1s"]);
        assert_code(&good, 0);
        assert_eq!(image(&ns, &target), "app:2", "{kind}");
        // What somebody else writes meanwhile is somebody else's all the same.
        let output = meanwhile(&ns, &["try", &target, "app=app:never", "--timeout=60s"], || {
            ns.wait_until("it is written", LONG, || image(&ns, &target) == "app:never");
            set_image(&ns, &target, "app:3");
        });
        assert_code(&output, 6);
    });
}
