//! The three kinds that roll out, and every spelling that kubectl takes for them.

use std::fmt;

use serde::Serialize;

/// A kind of workload that keeps revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Kind {
    /// `apps/v1` Deployment; its revisions are ReplicaSets.
    Deployment,
    /// `apps/v1` DaemonSet; its revisions are ControllerRevisions.
    DaemonSet,
    /// `apps/v1` StatefulSet; its revisions are ControllerRevisions.
    StatefulSet,
}

impl Kind {
    /// All kinds, in the order in which answers list them.
    pub const ALL: [Kind; 3] = [Kind::Deployment, Kind::DaemonSet, Kind::StatefulSet];

    /// Reads a type as kubectl does: singular, plural, short, with group or with version and group, in any case.
    pub fn parse(text: &str) -> Option<Kind> {
        let lower = text.to_ascii_lowercase();
        let resource = match lower.split_once('.') {
            None => lower.as_str(),
            Some((resource, "apps" | "v1.apps")) => resource,
            Some(_) => return None,
        };
        Kind::ALL.into_iter().find(|kind| [kind.singular(), kind.plural(), kind.short()].contains(&resource))
    }

    /// Returns the kind's name in manifests, e.g. `DaemonSet`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::DaemonSet => "DaemonSet",
            Kind::StatefulSet => "StatefulSet",
        }
    }

    /// Returns the singular resource name, e.g. `daemonset`.
    pub fn singular(self) -> &'static str {
        match self {
            Kind::Deployment => "deployment",
            Kind::DaemonSet => "daemonset",
            Kind::StatefulSet => "statefulset",
        }
    }

    /// Returns the plural resource name as it stands in URLs, e.g. `daemonsets`.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Deployment => "deployments",
            Kind::DaemonSet => "daemonsets",
            Kind::StatefulSet => "statefulsets",
        }
    }

    /// Returns the plural resource name of what records its revisions, as it stands in URLs.
    pub fn revisions(self) -> &'static str {
        match self {
            Kind::Deployment => "replicasets",
            Kind::DaemonSet | Kind::StatefulSet => "controllerrevisions",
        }
    }

    /// Returns the kind in running text as kubectl's sentences spell it, e.g. `daemon set`.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Deployment => "deployment",
            Kind::DaemonSet => "daemon set",
            Kind::StatefulSet => "statefulset",
        }
    }

    /// Returns the resource's short name, e.g. `ds`.
    pub fn short(self) -> &'static str {
        match self {
            Kind::Deployment => "deploy",
            Kind::DaemonSet => "ds",
            Kind::StatefulSet => "sts",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.singular())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_in_all_spellings_of_kubectl() {
        for (text, kind) in [
            ("deploy", Kind::Deployment),
            ("Deployments", Kind::Deployment),
            ("deployment.apps", Kind::Deployment),
            ("ds", Kind::DaemonSet),
            ("daemonsets.v1.apps", Kind::DaemonSet),
            ("sts", Kind::StatefulSet),
            ("StatefulSet", Kind::StatefulSet),
        ] {
            assert_eq!(Kind::parse(text), Some(kind), "{text}");
        }
        for text in ["", "po", "deployments.extensions", "deploy.v1beta1.apps", "replicasets"] {
            assert_eq!(Kind::parse(text), None, "{text}");
        }
    }
}
