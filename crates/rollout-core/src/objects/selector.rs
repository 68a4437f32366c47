//! Label selectors: as a query, as requirements, and of what they select.

use serde_json::Value;

use crate::objects::json::{list, text};
use crate::objects::word::{Word, WordMap};

/// One requirement on a label or a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl Requirement {
    /// Reads an element of `matchExpressions`, or what is written like one.
    pub(crate) fn from_value(value: &Value) -> Requirement {
        Requirement {
            key: text(value, "/key").unwrap_or_default(),
            operator: text(value, "/operator").unwrap_or_default(),
            values: list(&value["values"]).filter_map(Value::as_str).map(str::to_string).collect(),
        }
    }

    /// Tells whether labels meet it.
    pub(crate) fn matches(&self, labels: &WordMap) -> bool {
        self.holds(labels.get(&self.key).map(Word::as_str))
    }

    /// Tells whether an object of a name meets it, which has no other field to select by.
    pub(crate) fn of_name(&self, name: &str) -> bool {
        self.holds((self.key == "metadata.name").then_some(name))
    }

    /// Tells whether a value, or that there is none, meets it.
    pub(crate) fn holds(&self, value: Option<&str>) -> bool {
        let among = || value.is_some_and(|value| self.values.iter().any(|listed| listed == value));
        let numbers = || {
            let bound = self.values.first()?.parse::<i64>().ok()?;
            Some((value?.parse::<i64>().ok()?, bound))
        };
        match self.operator.as_str() {
            "In" => among(),
            "NotIn" => !among(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => numbers().is_some_and(|(value, bound)| value > bound),
            "Lt" => numbers().is_some_and(|(value, bound)| value < bound),
            _ => false,
        }
    }
}

/// Labels that somebody asks for, as `kubectl get -l` reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Vec<Requirement>);

impl Labels {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`; nothing where that is none.
    pub fn parse(query: &str) -> Option<Labels> {
        let mut terms = vec![String::new()];
        let mut inside = false;
        for letter in query.chars() {
            match letter {
                '(' => inside = true,
                ')' => inside = false,
                _ => {}
            }
            match (letter, inside, terms.last_mut()) {
                (',', false, _) => terms.push(String::new()),
                (_, _, Some(term)) => term.push(letter),
                (_, _, None) => {}
            }
        }
        terms.iter().map(|term| requirement(term.trim())).collect::<Option<Vec<Requirement>>>().map(Labels)
    }

    /// Tells whether labels match.
    pub fn match_all(&self, labels: &WordMap) -> bool {
        self.0.iter().all(|it| it.matches(labels))
    }
}

fn requirement(term: &str) -> Option<Requirement> {
    let made = |key: &str, operator: &str, values: Vec<String>| {
        let key = key.trim();
        let word = |it: &str| !it.contains(|c: char| c.is_whitespace() || "()!=,".contains(c));
        let sound = !key.is_empty() && word(key) && values.iter().all(|it| word(it));
        sound.then(|| Requirement { key: key.to_string(), operator: operator.to_string(), values })
    };
    let set = |list: &str| -> Option<Vec<String>> {
        let inner = list.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|it| it.trim().to_string()).collect())
    };
    if let Some((key, list)) = term.split_once(" in ") {
        return made(key, "In", set(list)?);
    }
    if let Some((key, list)) = term.split_once(" notin ") {
        return made(key, "NotIn", set(list)?);
    }
    let one = |value: &str| vec![value.trim().to_string()];
    if let Some((key, value)) = term.split_once("!=") {
        return made(key, "NotIn", one(value));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return made(key, "In", one(value));
    }
    match term.strip_prefix('!') {
        Some(key) => made(key, "DoesNotExist", Vec::new()),
        None => made(term, "Exists", Vec::new()),
    }
}

/// Writes `spec.selector` as the query of a list request (`a=b,c in (d,e),!f`).
pub(crate) fn selector(object: &Value) -> String {
    let mut terms = Vec::new();
    if let Some(labels) = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object) {
        terms.extend(
            labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())),
        );
    }
    let expressions = object.pointer("/spec/selector/matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let Requirement { key, operator, values } = Requirement::from_value(expression);
        terms.push(match operator.as_str() {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key,
        });
    }
    terms.join(",")
}

/// Tells whether a label selector selects what has these labels; an empty one selects everything.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object().into_iter().flatten();
    let mut expressions = list(&selector["matchExpressions"]).map(Requirement::from_value);
    let value = |key: &str| labels.get(key).and_then(Value::as_str);
    wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|it| it.holds(value(&it.key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_queries_are_read_as_kubectl_reads_them() {
        let labels = WordMap::from_iter([("a", "b"), ("c", "d")]);
        let matches = |query: &str| Labels::parse(query).map(|it| it.match_all(&labels));
        assert_eq!(matches("a=b,c==d,a"), Some(true));
        assert_eq!(matches("a in (x, b),c notin (e,f),!z,q!=1"), Some(true));
        assert_eq!(matches("a!=b"), Some(false));
        assert_eq!(matches("a in b"), None);
        assert_eq!(matches(""), None);
        assert_eq!(matches("a=b c"), None);
    }
}
