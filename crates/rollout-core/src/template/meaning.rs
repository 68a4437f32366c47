//! Templates in the form that is compared, as keys of a map.

use std::hash::{Hash, Hasher};

use fnv::FnvHasher;
use serde_json::Value;

/// A template in its normal form, found by what it means. The hash of a [`Value`] sorts the fields of each object first, which is
/// a tenth of what a call of `history` takes.
#[derive(PartialEq, Eq)]
pub(crate) struct Meaning<'a>(pub(crate) &'a Value);

impl Hash for Meaning<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(digest(self.0));
    }
}

/// A number that is the same for equal values, whatever the order of their fields.
fn digest(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => {
            fields.iter().fold(1, |sum, (key, value)| sum.wrapping_add(of(&(key, digest(value)))))
        }
        Value::Array(items) => items.iter().fold(2, |before, item| of(&(before, digest(item)))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => of(value),
    }
}

fn of(what: &impl Hash) -> u64 {
    let mut hasher = FnvHasher::default();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::{Meaning, digest};
    use serde_json::json;

    #[test]
    fn the_order_of_fields_says_nothing_and_that_of_items_does() {
        let one = json!({"a": [1, {"b": "c", "d": null}], "e": true});
        let other = json!({"e": true, "a": [1, {"d": null, "b": "c"}]});
        assert!(Meaning(&one) == Meaning(&other));
        assert_eq!(digest(&one), digest(&other));
        for different in [
            json!({"a": [{"b": "c", "d": null}, 1], "e": true}),
            json!({"a": [1, {"b": "d", "c": null}], "e": true}),
            json!({"a": [1, {"b": "c", "d": null}], "e": false}),
            json!({"a": [1, {"b": "c", "d": null}]}),
        ] {
            assert_ne!(digest(&one), digest(&different), "{different}");
        }
    }
}
