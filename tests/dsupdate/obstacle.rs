//! What makes the API server refuse requests in a test's namespace, and what makes a driver wait for the test.

use std::fs;

use cluster::{Namespace, Output};
use e2e::LONG;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rollout::WEB;

/// Requests that can be refused.
#[derive(Clone, Copy)]
pub enum Requests {
    /// The deletion of pods.
    PodDeletions,
    /// Changes of DaemonSets, but not of their status: their controller is not in the way.
    SetUpdates,
}

impl Requests {
    fn rule(self) -> Value {
        let (operation, group, resource) = match self {
            Requests::PodDeletions => ("DELETE", "", "pods"),
            Requests::SetUpdates => ("UPDATE", "apps", "daemonsets"),
        };
        json!({ "operations": [operation], "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource] })
    }

    /// Asks for such a request, so that nothing happens.
    fn probe(self, ns: &Namespace<'_>) -> Output {
        match self {
            Requests::PodDeletions => {
                ns.kubectl(&["delete", "pod", "-l", "app=web", "--dry-run=server", "--wait=false"])
            }
            Requests::SetUpdates => ns.kubectl(&["label", WEB, "probe=x", "--dry-run=server"]),
        }
    }
}

/// What refuses requests in a namespace; it is gone when this is dropped.
pub struct Obstacle<'f> {
    ns: &'f Namespace<'f>,
    requests: Requests,
    kinds: &'static str,
}

impl<'f> Obstacle<'f> {
    /// A webhook at which nobody listens: the server answers 500.
    pub fn webhook(ns: &'f Namespace<'f>, requests: Requests) -> Obstacle<'f> {
        let hook = json!({
            "name": "nobody.example.com",
            "clientConfig": { "url": "https://127.0.0.1:1/" },
            "rules": [requests.rule()],
            "namespaceSelector": only(ns),
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        });
        let kind = "ValidatingWebhookConfiguration";
        let manifest = json!({ "webhooks": [hook] });
        Obstacle { ns, requests, kinds: "validatingwebhookconfigurations" }.put_up(&[(kind, manifest)])
    }

    /// A policy: the server answers 422 with the reason `Invalid`, 403 with `Forbidden`.
    pub fn policy(ns: &'f Namespace<'f>, requests: Requests, reason: &str) -> Obstacle<'f> {
        let policy = json!({
            "failurePolicy": "Fail",
            "matchConstraints": { "namespaceSelector": only(ns), "resourceRules": [requests.rule()] },
            "validations": [{ "expression": "false", "reason": reason, "message": "not on a Friday" }],
        });
        let binding = json!({ "policyName": ns.name(), "validationActions": ["Deny"] });
        let kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings";
        Obstacle { ns, requests, kinds }.put_up(&[
            ("ValidatingAdmissionPolicy", json!({ "spec": policy })),
            ("ValidatingAdmissionPolicyBinding", json!({ "spec": binding })),
        ])
    }

    /// Creates it, and waits until the server minds it.
    fn put_up(self, manifests: &[(&str, Value)]) -> Obstacle<'f> {
        for (kind, manifest) in manifests {
            let mut object = manifest.clone();
            object["apiVersion"] = json!("admissionregistration.k8s.io/v1");
            object["kind"] = json!(kind);
            object["metadata"] = json!({ "name": self.ns.name() });
            let create = ["create", "-f", "-"];
            self.ns.cluster().kubectl_with(&create, &object.to_string()).expect_ok();
        }
        self.ns.wait_until("the server refuses", LONG, || !self.requests.probe(self.ns).ok());
        self
    }

    /// Takes it away, and waits until the server has forgotten it.
    pub fn lift(self) {
        self.take_away().expect_ok();
        self.ns.wait_until("the server refuses no more", LONG, || self.requests.probe(self.ns).ok());
    }

    fn take_away(&self) -> Output {
        self.ns.cluster().kubectl(&["delete", self.kinds, self.ns.name(), "--ignore-not-found"])
    }
}

impl Drop for Obstacle<'_> {
    fn drop(&mut self) {
        // The namespace could not be cleared behind it.
        let _ = self.take_away();
    }
}

fn only(ns: &Namespace<'_>) -> Value {
    json!({ "matchLabels": { "kubernetes.io/metadata.name": ns.name() } })
}

/// A check that does not end in one step before the test says so.
pub struct Brake {
    step: usize,
    folder: TempDir,
}

impl Brake {
    /// Holds in a step.
    pub fn of_step(step: usize) -> Brake {
        let brake = Brake { step, folder: tempfile::tempdir().unwrap() };
        fs::write(brake.path(), "").unwrap();
        brake
    }

    /// Returns the flag of the check. Its process ends too when the test has failed: the folder is gone then.
    pub fn check(&self) -> String {
        let Brake { step, .. } = self;
        format!("--check=while test $ROLLOUT_STEP = {step} && test -e {}; do sleep 0.1; done", self.path())
    }

    /// Lets go.
    pub fn release(&self) {
        fs::remove_file(self.path()).unwrap();
    }

    fn path(&self) -> String {
        self.folder.path().join("hold").display().to_string()
    }
}
