//! A test's own namespace. Its methods panic: they are for tests, which have nothing better to do with an error.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::command::{self, Output};
use crate::kubeconfig::Login;

/// Verbs and resources that go with each other: `("get,list", "pods,deployments.apps,deployments.apps/scale")`.
pub type Rule<'a> = (&'a str, &'a str);

/// A namespace that is deleted when it is dropped; its objects are printed before when the test has failed.
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Namespace<'a> {
    #[track_caller]
    pub(crate) fn create(cluster: &'a Cluster, name: String) -> Self {
        cluster.kubectl(&["create", "namespace", &name]).expect_ok();
        let namespace = Self { cluster, name };
        // Until it is there no pod can be created, and the controllers' next attempt may be a while off.
        namespace.kubectl(&["wait", "--for=create", "serviceaccount/default", "--timeout=30s"]).expect_ok();
        namespace
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the cluster that it is in.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// Runs kubectl in this namespace to its end; plugins too, by their verb.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> Output {
        self.cluster.kubectl(&self.here(args))
    }

    /// Applies manifests.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        self.cluster.kubectl_with(&self.here(&["apply", "-f", "-"]), yaml).expect_ok();
    }

    /// Returns an object, or a list of them, as JSON: `get(&["pods", "-l", "app=web"])`.
    #[track_caller]
    pub fn get(&self, what: &[&str]) -> Value {
        let json = self.kubectl(&[&["get", "-o", "json"], what].concat()).expect_ok();
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    /// Waits until the condition holds; panics with `what` when it does not within `limit`.
    #[track_caller]
    pub fn wait_until(&self, what: &str, limit: Duration, condition: impl FnMut() -> bool) {
        command::wait_until(what, limit, condition);
    }

    /// Creates somebody who may do this here, and that in the whole cluster; returns the kubeconfig.
    #[track_caller]
    pub fn user(&self, login: Login, here: &[Rule<'_>], cluster: &[Rule<'_>]) -> PathBuf {
        let (user, kubeconfig) =
            self.cluster.user(&self.name, login).unwrap_or_else(|error| panic!("{error}"));
        for (kind, rules) in [("Role", here), ("ClusterRole", cluster)] {
            if !rules.is_empty() {
                self.apply(&self.grant(kind, &user, rules));
            }
        }
        kubeconfig
    }

    /// A role with its binding.
    fn grant(&self, kind: &str, user: &str, rules: &[Rule<'_>]) -> String {
        // Cluster roles have no namespace to tell them apart.
        let metadata = json!({ "name": format!("{}-{}", self.name, user.replace(':', "-")) });
        let group = "rbac.authorization.k8s.io";
        let role = json!({
            "apiVersion": format!("{group}/v1"),
            "kind": kind,
            "metadata": metadata,
            "rules": rules.iter().flat_map(policy).collect::<Vec<_>>(),
        });
        let binding = json!({
            "apiVersion": format!("{group}/v1"),
            "kind": format!("{kind}Binding"),
            "metadata": metadata,
            "roleRef": { "apiGroup": group, "kind": kind, "name": metadata["name"] },
            "subjects": [{ "apiGroup": group, "kind": "User", "name": user }],
        });
        json!({ "apiVersion": "v1", "kind": "List", "items": [role, binding] }).to_string()
    }

    fn here<'b>(&'b self, args: &[&'b str]) -> Vec<&'b str> {
        // Behind the verb, where plugins take it too; before a `--`, behind which it would be somebody else's.
        let mut args = args.to_vec();
        let end = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
        args.splice(end..end, ["--namespace", self.name.as_str()]);
        args
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let kinds = "deployments,replicasets,daemonsets,statefulsets,controllerrevisions,pods,events";
            eprintln!("{}", self.kubectl(&["get", kinds, "-o", "wide"]));
        }
        // Crash loops would go on for as long as the cluster lives.
        let _ = self.cluster.kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

/// The rules of a role, one a resource: `deployments.apps/scale` is `deployments/scale` in the group `apps`.
fn policy<'r>((verbs, resources): &'r Rule<'_>) -> impl Iterator<Item = Value> + use<'r> {
    resources.split(',').map(move |resource| {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
        let slash = if subresource.is_empty() { "" } else { "/" };
        json!({
            "apiGroups": [group],
            "resources": [format!("{name}{slash}{subresource}")],
            "verbs": verbs.split(',').collect::<Vec<_>>(),
        })
    })
}
