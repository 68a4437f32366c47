//! An object as the server sent it, without the bulk that nobody asks for.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep the sets of fields in `managedFields` are read: whose a template (`f:spec`, `f:template`), an annotation
/// (`f:metadata`, `f:annotations`, its key) or a key (`f:data`) is. What is below names each field of the template once more,
/// which is most of a recorded revision.
const FIELDS: u8 = 3;

/// An object as the server sent it, but for what is deep in its `managedFields`, which is skipped unread.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiObject(pub Value);

impl ApiObject {
    /// Returns its name.
    pub fn name(&self) -> &str {
        self.of_metadata("/metadata/name")
    }

    /// Returns its UID.
    pub fn uid(&self) -> &str {
        self.of_metadata("/metadata/uid")
    }

    /// Returns the version of the object, from which a watch carries on.
    pub fn resource_version(&self) -> &str {
        self.of_metadata("/metadata/resourceVersion")
    }

    fn of_metadata(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl From<ApiObject> for Value {
    fn from(object: ApiObject) -> Value {
        object.0
    }
}

impl<'de> Deserialize<'de> for ApiObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ApiObject, D::Error> {
        Place::Object.deserialize(deserializer).map(ApiObject)
    }
}

/// Where in an object a value stands.
#[derive(Clone, Copy)]
enum Place {
    Object,
    Metadata,
    Managers,
    Manager,
    /// A set of fields, of which so many levels are read.
    Fields(u8),
    Elsewhere,
}

impl Place {
    fn below(self, key: &str) -> Place {
        match (self, key) {
            (Place::Object, "metadata") => Place::Metadata,
            (Place::Metadata, "managedFields") => Place::Managers,
            (Place::Manager, "fieldsV1") => Place::Fields(FIELDS),
            (Place::Fields(levels), _) => Place::Fields(levels.saturating_sub(1)),
            _ => Place::Elsewhere,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Place::Elsewhere => Value::deserialize(deserializer),
            Place::Fields(0) => IgnoredAny::deserialize(deserializer).map(|_| Value::Object(Map::new())),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of the API")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.below(&key))?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let place = if matches!(self, Place::Managers) { Place::Manager } else { Place::Elsewhere };
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(place)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::ApiObject;
    use crate::history::number::REVISION;
    use crate::history::revision::Revision;
    use crate::objects::kind::Kind;
    use serde_json::{Value, json};

    fn read(object: &Value) -> Value {
        serde_json::from_str::<ApiObject>(&object.to_string()).unwrap().into()
    }

    #[test]
    fn all_is_there_but_what_is_deep_in_the_managed_fields() {
        let fields = |deep: Value| {
            json!({
                "f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}},
                "f:spec": {"f:template": {"f:spec": deep}},
            })
        };
        let object = |deep: Value| {
            json!({
                "apiVersion": "apps/v1",
                "metadata": {
                    "name": "web",
                    "generation": 3,
                    "managedFields": [
                        {"manager": "a", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields(deep)},
                        {"manager": "b", "subresource": "status"},
                    ],
                },
                "spec": {"template": {"spec": {"containers": [{"name": "app", "cpu": 0.5, "tty": false, "stdin": null}]}}},
            })
        };
        let read = read(&object(json!({"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}}}})));
        assert_eq!(read, object(json!({})));
        let keys: Vec<&String> = read.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["apiVersion", "metadata", "spec"], "in the order of the server");
    }

    #[test]
    fn a_revision_is_the_same_without_what_is_left_out() {
        let numbers = json!({"f:metadata": {"f:annotations": {".": {}, format!("f:{REVISION}"): {}}}});
        for (kind, numbers) in [(Kind::Deployment, numbers), (Kind::DaemonSet, json!({"f:revision": {}}))] {
            let mut object = crate::fixture::revision(kind, 3, "app:1", "aaa");
            object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:01Z");
            object["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = json!("1");
            let entry = |second: u32, fields: &Value| json!({"time": format!("2026-01-01T00:00:{second:02}Z"), "fieldsV1": fields});
            let deep = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {}}}}});
            object["metadata"]["managedFields"] = json!([entry(7, &numbers), entry(8, &deep)]);
            let [short, whole] = [read(&object), object].map(|it| Revision::from_object(kind, it).unwrap());
            assert_eq!(short.record, whole.record, "{kind}");
            assert_eq!(short.live_since, "2026-01-01T00:00:07Z".parse().ok(), "{kind}");
            assert_eq!((short.template, short.change_cause), (whole.template, whole.change_cause));
        }
    }

    #[test]
    fn what_is_no_object_is_read_as_it_is() {
        for value in [
            json!(null),
            json!("text"),
            json!([1, -1, 0.5, true]),
            json!({"metadata": {"managedFields": null}}),
        ] {
            assert_eq!(read(&value), value);
        }
    }
}
