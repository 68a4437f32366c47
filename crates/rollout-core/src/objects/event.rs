//! Events: what somebody has seen of an object, and how often.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

/// An event: what somebody has seen of an object, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "wire::Event")]
pub struct EventRecord {
    /// The UID of the object.
    pub uid: String,
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The container of a pod that it is about, where it says so.
    pub container: Option<String>,
    /// Whether it warns.
    pub warns: bool,
    /// The reason in one word, e.g. `FailedMount`.
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// How often it was seen.
    pub count: u32,
    /// When it was seen first.
    pub first: Option<Timestamp>,
    /// When it was seen last.
    pub last: Option<Timestamp>,
}

/// Returns the pod that a StatefulSet's controller says to have created, updated or deleted, or not to be able to, in an event of the
/// set: `Create Pod web-0 in StatefulSet web successful`. Servers before 1.35 write the verb small
/// (pkg/controller/statefulset/stateful_pod_control.go, `recordPodEvent`).
pub(crate) fn pod_of_set<'a>(message: &'a str, verb: &str) -> Option<&'a str> {
    let (said, rest) = message.split_once(" Pod ")?;
    let (name, _) = rest.split_once(" in StatefulSet ")?;
    said.eq_ignore_ascii_case(verb).then_some(name)
}

/// The shape in which the API server writes events.
mod wire {
    use super::{Deserialize, Timestamp};

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Event {
        metadata: Metadata,
        #[serde(default)]
        involved_object: Object,
        #[serde(default, rename = "type")]
        kind: String,
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
        count: Option<u32>,
        first_timestamp: Option<Timestamp>,
        last_timestamp: Option<Timestamp>,
        event_time: Option<Timestamp>,
        series: Option<Series>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        creation_timestamp: Option<Timestamp>,
    }

    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Object {
        #[serde(default)]
        kind: String,
        #[serde(default)]
        name: String,
        #[serde(default)]
        uid: String,
        field_path: Option<String>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Series {
        #[serde(default)]
        count: u32,
        last_observed_time: Option<Timestamp>,
    }

    impl From<Event> for super::EventRecord {
        fn from(event: Event) -> super::EventRecord {
            let first = event.first_timestamp.or(event.event_time).or(event.metadata.creation_timestamp);
            let series = event.series.as_ref();
            super::EventRecord {
                uid: event.involved_object.uid,
                kind: event.involved_object.kind,
                name: event.involved_object.name,
                container: event.involved_object.field_path.as_deref().and_then(container),
                warns: event.kind == "Warning",
                reason: event.reason,
                message: event.message,
                count: series.map(|it| it.count).or(event.count).unwrap_or(1).max(1),
                last: series.and_then(|it| it.last_observed_time).or(event.last_timestamp).or(first),
                first,
            }
        }
    }

    /// Reads the name out of `spec.containers{app}` or `spec.initContainers{app}`.
    fn container(path: &str) -> Option<String> {
        Some(path.split_once('{')?.1.strip_suffix('}')?.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::pod_of_set;

    #[test]
    fn the_pod_of_a_set_is_found_in_the_words_of_any_server() {
        for verb in ["Create", "create"] {
            let failed =
                format!("{verb} Pod web-2 in StatefulSet web failed error: Create Pod web-9 in StatefulSet");
            assert_eq!(pod_of_set(&failed, "create"), Some("web-2"));
            assert_eq!(pod_of_set(&failed, "update"), None);
        }
        let claim = "create Claim data-web-0 Pod web-0 in StatefulSet web success";
        assert_eq!(pod_of_set(claim, "create"), None);
        assert_eq!(pod_of_set("Error creating: pods is forbidden", "create"), None);
    }
}
