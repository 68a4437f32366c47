//! The objects that a pod template names, without which its pods do not start.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::objects::json::text;

/// A kind of object that a template names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferenceKind {
    /// A `v1` ConfigMap.
    ConfigMap,
    /// A `v1` Secret.
    Secret,
    /// A `v1` Secret with which images are pulled: without it a pod starts where the image needs none.
    PullSecret,
    /// A `v1` PersistentVolumeClaim.
    Claim,
    /// A `v1` ServiceAccount.
    ServiceAccount,
    /// A `scheduling.k8s.io/v1` PriorityClass, which has no namespace.
    PriorityClass,
    /// A `node.k8s.io/v1` RuntimeClass, which has no namespace.
    RuntimeClass,
    /// A `resource.k8s.io/v1` ResourceClaim.
    ResourceClaim,
    /// A `resource.k8s.io/v1` ResourceClaimTemplate.
    ResourceClaimTemplate,
}

impl ReferenceKind {
    /// Returns the singular resource name as kubectl takes it.
    pub fn singular(self) -> &'static str {
        match self {
            ReferenceKind::ConfigMap => "configmap",
            ReferenceKind::Secret | ReferenceKind::PullSecret => "secret",
            ReferenceKind::Claim => "persistentvolumeclaim",
            ReferenceKind::ServiceAccount => "serviceaccount",
            ReferenceKind::PriorityClass => "priorityclass",
            ReferenceKind::RuntimeClass => "runtimeclass",
            ReferenceKind::ResourceClaim => "resourceclaim",
            ReferenceKind::ResourceClaimTemplate => "resourceclaimtemplate",
        }
    }
}

/// An object that a template names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Its kind.
    pub kind: ReferenceKind,
    /// Its name, in the workload's namespace where the kind has namespaces.
    pub name: String,
    /// The keys of its data that the template needs.
    pub keys: BTreeSet<String>,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.singular(), self.name)
    }
}

/// Returns what a template names, each object once, sorted; what is `optional: true` does not count.
pub(crate) fn of(template: &Value) -> Vec<Reference> {
    let spec = template.get("spec").unwrap_or(&Value::Null);
    let mut found = Found::default();
    for list in ["/initContainers", "/containers"] {
        items(spec, list).for_each(|container| found.container(container));
    }
    items(spec, "/volumes").for_each(|volume| found.volume(volume));
    for secret in items(spec, "/imagePullSecrets") {
        found.add(ReferenceKind::PullSecret, secret, "/name", None);
    }
    let account =
        if spec.get("serviceAccountName").is_some() { "/serviceAccountName" } else { "/serviceAccount" };
    found.add(ReferenceKind::ServiceAccount, spec, account, None);
    found.add(ReferenceKind::PriorityClass, spec, "/priorityClassName", None);
    found.add(ReferenceKind::RuntimeClass, spec, "/runtimeClassName", None);
    for claim in items(spec, "/resourceClaims") {
        found.add(ReferenceKind::ResourceClaim, claim, "/resourceClaimName", None);
        found.add(ReferenceKind::ResourceClaimTemplate, claim, "/resourceClaimTemplateName", None);
    }
    found.0
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// What was found so far, sorted.
#[derive(Default)]
struct Found(Vec<Reference>);

impl Found {
    /// Adds the object that a field names, unless the reference is optional; the second pointer names a key of it.
    fn add(&mut self, kind: ReferenceKind, from: &Value, name: &str, key: Option<&str>) {
        let Some(name) = text(from, name).filter(|name| !name.is_empty()) else { return };
        if from["optional"] == true {
            return;
        }
        let at = self.0.partition_point(|it| (it.kind, &it.name) < (kind, &name));
        if self.0.get(at).is_none_or(|it| it.kind != kind || it.name != name) {
            self.0.insert(at, Reference { kind, name, keys: BTreeSet::new() });
        }
        self.0[at].keys.extend(key.and_then(|key| text(from, key)));
        self.0[at].keys.extend(items(from, "/items").filter_map(|item| text(item, "/key")));
    }

    fn container(&mut self, container: &Value) {
        for (field, kind) in [("configMap", ReferenceKind::ConfigMap), ("secret", ReferenceKind::Secret)] {
            for source in items(container, "/envFrom") {
                self.add(kind, &source[format!("{field}Ref")], "/name", None);
            }
            for variable in items(container, "/env") {
                self.add(kind, &variable["valueFrom"][format!("{field}KeyRef")], "/name", Some("/key"));
            }
        }
    }

    /// Volumes of other sorts name their secret as `secretRef`, CSI as `nodePublishSecretRef`, Azure files as `secretName`.
    fn volume(&mut self, volume: &Value) {
        self.add(ReferenceKind::ConfigMap, &volume["configMap"], "/name", None);
        self.add(ReferenceKind::Secret, &volume["secret"], "/secretName", None);
        self.add(ReferenceKind::Claim, &volume["persistentVolumeClaim"], "/claimName", None);
        self.add(ReferenceKind::Secret, &volume["csi"], "/nodePublishSecretRef/name", None);
        self.add(ReferenceKind::Secret, &volume["azureFile"], "/secretName", None);
        for source in volume.as_object().into_iter().flatten().map(|(_, source)| source) {
            self.add(ReferenceKind::Secret, source, "/secretRef/name", None);
        }
        for source in items(volume, "/projected/sources") {
            self.add(ReferenceKind::ConfigMap, &source["configMap"], "/name", None);
            self.add(ReferenceKind::Secret, &source["secret"], "/name", None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(template: &Value) -> Vec<String> {
        let with_keys =
            |it: &Reference| it.keys.iter().fold(it.to_string(), |text, key| format!("{text}/{key}"));
        of(template).iter().map(with_keys).collect()
    }

    #[test]
    fn every_place_that_names_an_object_is_looked_at_once() {
        let template = json!({"spec": {
            "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "from-init"}}]}],
            "containers": [{"name": "c",
                "envFrom": [{"configMapRef": {"name": "from"}}],
                "env": [
                    {"name": "A", "value": "a"},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "from", "key": "b"}}},
                    {"name": "C", "valueFrom": {"secretKeyRef": {"name": "token", "key": "c"}}},
                    {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}],
            "volumes": [
                {"name": "1", "configMap": {"name": "files", "items": [{"key": "x", "path": "y"}]}},
                {"name": "2", "secret": {"secretName": "cert"}},
                {"name": "3", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "4", "projected": {"sources": [
                    {"configMap": {"name": "part"}}, {"secret": {"name": "part"}}, {"serviceAccountToken": {"path": "t"}}]}},
                {"name": "5", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "csi"}}},
                {"name": "6", "cephfs": {"monitors": [], "secretRef": {"name": "ceph"}}},
                {"name": "7", "emptyDir": {}}],
            "imagePullSecrets": [{"name": "registry"}],
            "serviceAccountName": "runner", "serviceAccount": "runner", "priorityClassName": "high",
            "runtimeClassName": "sandbox", "resourceClaims": [
                {"name": "gpu", "resourceClaimName": "shared-gpu"},
                {"name": "nic", "resourceClaimTemplateName": "own-nic"}]}});
        assert_eq!(
            names(&template),
            [
                "configmap files/x",
                "configmap from/b",
                "configmap part",
                "secret ceph",
                "secret cert",
                "secret csi",
                "secret from-init",
                "secret part",
                "secret token/c",
                "secret registry",
                "persistentvolumeclaim data",
                "serviceaccount runner",
                "priorityclass high",
                "runtimeclass sandbox",
                "resourceclaim shared-gpu",
                "resourceclaimtemplate own-nic"
            ]
        );
    }

    #[test]
    fn what_is_optional_or_not_named_does_not_count() {
        let template = json!({"spec": {
            "containers": [{"name": "c",
                "envFrom": [{"configMapRef": {"name": "from", "optional": true}}],
                "env": [{"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "b", "optional": true}}}]}],
            "volumes": [
                {"name": "1", "configMap": {"name": "files", "optional": true}},
                {"name": "2", "secret": {"secretName": "cert", "optional": true}},
                {"name": "4", "projected": {"sources": [{"configMap": {"name": "part", "optional": true}}]}}],
            "imagePullSecrets": [{}]}});
        assert_eq!(names(&template), [""; 0]);
        assert_eq!(names(&Value::Null), [""; 0]);
    }
}
