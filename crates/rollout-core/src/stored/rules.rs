//! The steps of a rollout as rules: they are resolved against the nodes or pods that there are at the moment.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::objects::kind::Kind;
use crate::objects::strategy::Amount;

/// The steps of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rules {
    /// The first step, where somebody named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<First>,
    /// The steps after it.
    pub rest: Rest,
}

/// Nodes that come first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum First {
    /// These.
    Nodes(Vec<String>),
    /// Those whose labels match.
    Selector(String),
}

/// The steps by number or by label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rest {
    /// So many nodes or pods at the new revision, rounded up.
    Amounts(Vec<Amount>),
    /// One node, then a step for each value of this label, and those without it last.
    Label(String),
}

/// Why steps make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSteps {
    /// There is none.
    #[error("there must be at least one step")]
    Empty,
    /// Neither a number nor a percentage.
    #[error("{0:?} is no step: a number or a percentage is, such as 1 or 10%")]
    NoAmount(String),
    /// A step of nothing.
    #[error("a step of {0} updates nothing")]
    Zero(Amount),
    /// More than all.
    #[error("a step of {0} is more than all")]
    TooMany(Amount),
    /// One step is not larger than the one before it.
    #[error("steps must ascend: {after} comes after {before}")]
    NotAscending {
        /// The step.
        after: String,
        /// The one before it.
        before: String,
    },
    /// Nodes are named, and the workload does not go by them.
    #[error("steps by node are for DaemonSets")]
    NoNodes,
    /// There is no such node.
    #[error("nodes {0:?} not found")]
    NoSuchNode(String),
    /// No node runs a pod of it.
    #[error("no pod of {workload} may run on node {node}: {why}")]
    NotPlaced {
        /// The workload.
        workload: String,
        /// The node.
        node: String,
        /// Why not.
        why: String,
    },
    /// A label selector that cannot be read.
    #[error("unable to parse the node selector {0:?}")]
    BadSelector(String),
    /// Nothing is selected.
    #[error("no node that a pod of it runs on has labels that match {0:?}")]
    NothingSelected(String),
    /// No node has the label.
    #[error("no node that a pod of it runs on has the label {0:?}")]
    NoSuchLabel(String),
}

impl Rules {
    /// Returns what happens where nobody says anything.
    pub fn default_of(kind: Kind) -> Rules {
        let share = match kind {
            Kind::StatefulSet => 25,
            Kind::Deployment | Kind::DaemonSet => 10,
        };
        let amounts =
            vec![Amount::Count(1), Amount::Percent(share), Amount::Percent(50), Amount::Percent(100)];
        Rules { first: None, rest: Rest::Amounts(amounts) }
    }

    /// Returns how many steps there are at least.
    pub fn count(&self) -> usize {
        let rest = match &self.rest {
            Rest::Amounts(amounts) => amounts.len(),
            Rest::Label(_) => 1,
        };
        rest + usize::from(self.first.is_some())
    }

    /// Returns whether the steps reach all there is, whatever that is.
    pub fn reach_all(&self) -> bool {
        match &self.rest {
            Rest::Amounts(amounts) => amounts.last() == Some(&Amount::Percent(100)),
            Rest::Label(_) => true,
        }
    }
}

impl Rest {
    /// Reads `1,10%,50%,100%`.
    pub fn parse(text: &str) -> Result<Rest, BadSteps> {
        let amounts = text
            .split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty() || text.contains(','))
            .map(amount)
            .collect::<Result<Vec<Amount>, BadSteps>>()?;
        if amounts.is_empty() {
            return Err(BadSteps::Empty);
        }
        for pair in amounts.windows(2) {
            let ascends = match (pair[0], pair[1]) {
                (Amount::Count(before), Amount::Count(after))
                | (Amount::Percent(before), Amount::Percent(after)) => before < after,
                // 100% is all, and nothing comes after it.
                (Amount::Percent(before), Amount::Count(_)) => before < 100,
                (Amount::Count(_), Amount::Percent(_)) => true,
            };
            if !ascends {
                let [before, after] = [pair[0], pair[1]].map(|it| it.to_string());
                return Err(BadSteps::NotAscending { after, before });
            }
        }
        Ok(Rest::Amounts(amounts))
    }
}

fn amount(text: &str) -> Result<Amount, BadSteps> {
    let amount = text.parse().map_err(|_| BadSteps::NoAmount(text.to_string()))?;
    match amount {
        Amount::Count(0) | Amount::Percent(0) => Err(BadSteps::Zero(amount)),
        Amount::Percent(101..) => Err(BadSteps::TooMany(amount)),
        Amount::Count(_) | Amount::Percent(_) => Ok(amount),
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rest::Amounts(amounts) => {
                let words: Vec<String> = amounts.iter().map(Amount::to_string).collect();
                f.write_str(&words.join(","))
            }
            Rest::Label(label) => write!(f, "by {label}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Rest::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn steps_are_read_and_written() {
        let steps = Rest::parse("1, 10%,50%,100%").unwrap();
        assert_eq!(steps.to_string(), "1,10%,50%,100%");
        assert!(Rules { first: None, rest: steps.clone() }.reach_all());
        assert!(!Rules { first: None, rest: Rest::parse("1,50%").unwrap() }.reach_all());
        let text = serde_json::to_string(&Rules { first: None, rest: steps.clone() }).unwrap();
        assert_eq!(text, r#"{"rest":{"amounts":[1,"10%","50%","100%"]}}"#);
        let back: Rules = serde_json::from_str(&text).unwrap();
        assert_eq!(back.rest, steps);
    }

    #[test]
    fn steps_that_make_no_sense_are_refused() {
        assert_eq!(error(""), "there must be at least one step");
        assert_eq!(error("1,,2"), "\"\" is no step: a number or a percentage is, such as 1 or 10%");
        assert_eq!(error("one"), "\"one\" is no step: a number or a percentage is, such as 1 or 10%");
        assert_eq!(error("-1"), "\"-1\" is no step: a number or a percentage is, such as 1 or 10%");
        assert_eq!(error("0,1"), "a step of 0 updates nothing");
        assert_eq!(error("0%"), "a step of 0% updates nothing");
        assert_eq!(error("50%,101%"), "a step of 101% is more than all");
        assert_eq!(error("2,2"), "steps must ascend: 2 comes after 2");
        assert_eq!(error("50%,10%"), "steps must ascend: 10% comes after 50%");
        assert_eq!(error("100%,5"), "steps must ascend: 5 comes after 100%");
    }
}
