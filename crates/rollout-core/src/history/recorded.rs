//! A ReplicaSet or ControllerRevision as it comes, without half of it: of who wrote which field, only who numbered it is needed.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::history::metadata::Managed;

/// The object of a revision. There may be thousands, and what is written of their fields is as long as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded(pub Value);

impl<'de> Deserialize<'de> for Recorded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Recorded, D::Error> {
        deserializer.deserialize_map(Object).map(Recorded)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = match key.as_str() {
                "metadata" => fields.next_value::<Metadata>()?.0,
                _ => fields.next_value()?,
            };
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

struct Metadata(Value);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
        deserializer.deserialize_map(OfMetadata).map(Metadata)
    }
}

struct OfMetadata;

impl<'de> Visitor<'de> for OfMetadata {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object's metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut metadata = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = match key.as_str() {
                "managedFields" => {
                    let entries = fields.next_value::<Option<Vec<Managed>>>()?.unwrap_or_default();
                    entries.iter().filter(|entry| entry.numbers()).map(Managed::short).collect()
                }
                _ => fields.next_value()?,
            };
            metadata.insert(key, value);
        }
        Ok(Value::Object(metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::number::REVISION;
    use crate::history::revision::Revision;
    use crate::objects::kind::Kind;
    use serde_json::json;

    #[test]
    fn a_revision_is_the_same_without_what_is_left_out() {
        let numbers = json!({"f:metadata": {"f:annotations": {".": {}, format!("f:{REVISION}"): {}}}});
        for (kind, numbers) in [(Kind::Deployment, numbers), (Kind::DaemonSet, json!({"f:revision": {}}))] {
            let mut object = crate::fixture::revision(kind, 3, "app:1", "aaa");
            object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:01Z");
            object["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = json!("1");
            let entry = |second: u32, fields: &Value| json!({"manager": "m", "time": format!("2026-01-01T00:00:{second:02}Z"), "fieldsV1": fields});
            let mut status = entry(9, &numbers);
            status["subresource"] = json!("status");
            object["metadata"]["managedFields"] =
                json!([entry(7, &numbers), entry(8, &json!({"f:spec": {}})), status]);
            let read: Recorded = serde_json::from_str(&object.to_string()).unwrap();
            assert_eq!(read.0["metadata"]["managedFields"].as_array().map(Vec::len), Some(1), "{kind}");
            let [short, whole] = [read.0, object.clone()].map(|it| Revision::from_object(kind, it).unwrap());
            assert_eq!(short.record, whole.record, "{kind}");
            assert_eq!(short.live_since, "2026-01-01T00:00:07Z".parse().ok(), "{kind}");
            assert_eq!((short.template, short.change_cause), (whole.template, whole.change_cause));
            object["metadata"]["managedFields"] = Value::Null;
            assert!(serde_json::from_value::<Recorded>(object).is_ok());
        }
        assert!(serde_json::from_str::<Recorded>("7").is_err());
    }
}
