//! How pods are replaced: the strategies of the three kinds, and the amounts in them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::objects::json::{count, text};
use crate::objects::kind::Kind;

/// The highest partition, since the field is an `int32`: it holds whatever the replicas become (hazard H3).
pub const HIGHEST_PARTITION: u32 = i32::MAX as u32;

/// A number of pods, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// That many pods.
    Count(u32),
    /// That many per cent of the pods.
    Percent(u32),
}

impl Amount {
    /// Reads an `IntOrString` of the API: a number, or a string such as `"25%"`.
    pub fn from_value(value: &Value) -> Option<Amount> {
        match value {
            Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()).map(Amount::Count),
            Value::String(text) => text.strip_suffix('%')?.parse().ok().map(Amount::Percent),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Resolves the amount against a total, rounded up.
    pub fn rounded_up(self, total: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            Amount::Percent(percent) => (u64::from(percent) * u64::from(total)).div_ceil(100) as u32,
        }
    }

    /// Resolves the amount against a total, rounded down.
    pub fn rounded_down(self, total: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            Amount::Percent(percent) => (u64::from(percent) * u64::from(total) / 100) as u32,
        }
    }
}

/// What is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number of pods or a percentage, such as 1 or 10%")]
pub struct NoAmount;

impl FromStr for Amount {
    type Err = NoAmount;

    /// Reads what somebody typed: digits, with `%` or without, as large as the API's 32 bits with a sign hold.
    fn from_str(text: &str) -> Result<Amount, NoAmount> {
        let (digits, amount): (&str, fn(u32) -> Amount) = match text.strip_suffix('%') {
            Some(digits) => (digits, Amount::Percent),
            None => (text, Amount::Count),
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|number| plain && i32::try_from(*number).is_ok());
        number.map(amount).ok_or(NoAmount)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Amount::Count(count) => serializer.serialize_u32(*count),
            Amount::Percent(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A number of pods, or a share of them, as the API has both.",
            "anyOf": [
                {"type": "integer", "minimum": 0, "description": "So many pods."},
                {"type": "string", "pattern": "^[0-9]+%$", "description": "That share of them, such as `25%`."},
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Amount::from_value(&value).ok_or_else(|| de::Error::custom("neither a number nor a percentage"))
    }
}

/// How the controller replaces pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// A Deployment, or a DaemonSet, replaces pods within a budget.
    RollingUpdate {
        /// Pods that may be missing meanwhile.
        max_unavailable: Amount,
        /// Pods that may exist beyond the desired number meanwhile.
        max_surge: Amount,
    },
    /// A StatefulSet replaces the pods at and above the partition, from the highest ordinal down.
    Partitioned {
        /// How many pods, counted from the lowest ordinal, stay old.
        partition: u32,
        /// Pods that may be missing meanwhile; the server drops the field where its gate is off.
        max_unavailable: Option<Amount>,
    },
    /// The controller replaces a pod when somebody deletes it.
    OnDelete,
    /// All old pods go before the first new one comes.
    Recreate,
    /// A strategy that this program does not know.
    Other(String),
}

impl Strategy {
    /// Returns the type as the API spells it.
    pub fn name(&self) -> &str {
        match self {
            Strategy::RollingUpdate { .. } | Strategy::Partitioned { .. } => "RollingUpdate",
            Strategy::OnDelete => "OnDelete",
            Strategy::Recreate => "Recreate",
            Strategy::Other(name) => name,
        }
    }
}

pub(crate) fn strategy(kind: Kind, object: &Value) -> Strategy {
    let root = match kind {
        Kind::Deployment => "/spec/strategy",
        Kind::DaemonSet | Kind::StatefulSet => "/spec/updateStrategy",
    };
    let amount =
        |field: &str| object.pointer(&format!("{root}/rollingUpdate/{field}")).and_then(Amount::from_value);
    let default = match kind {
        Kind::Deployment => Amount::Percent(25),
        Kind::DaemonSet | Kind::StatefulSet => Amount::Count(1),
    };
    let surge = match kind {
        Kind::Deployment => Amount::Percent(25),
        Kind::DaemonSet | Kind::StatefulSet => Amount::Count(0),
    };
    match (text(object, &format!("{root}/type")).as_deref().unwrap_or("RollingUpdate"), kind) {
        ("RollingUpdate", Kind::StatefulSet) => Strategy::Partitioned {
            partition: count(object, &format!("{root}/rollingUpdate/partition")).unwrap_or(0),
            max_unavailable: amount("maxUnavailable"),
        },
        ("RollingUpdate", Kind::Deployment | Kind::DaemonSet) => Strategy::RollingUpdate {
            max_unavailable: amount("maxUnavailable").unwrap_or(default),
            max_surge: amount("maxSurge").unwrap_or(surge),
        },
        ("OnDelete", _) => Strategy::OnDelete,
        ("Recreate", _) => Strategy::Recreate,
        (other, _) => Strategy::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_the_api_reads_them() {
        assert_eq!("0".parse(), Ok(Amount::Count(0)));
        assert_eq!("25%".parse(), Ok(Amount::Percent(25)));
        for wrong in ["-1", "+1", "1.5", "%", "", "ten", "-5%", "5%%", "4294967296", "2147483648"] {
            assert_eq!(wrong.parse::<Amount>(), Err(NoAmount), "{wrong}");
        }
    }
}
