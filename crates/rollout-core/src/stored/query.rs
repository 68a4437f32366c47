//! A query about a rollout and the answer that lets it pass: `PROMQL OP NUMBER`.

use std::fmt;
use std::str::FromStr;

/// A query with its condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The query in Prometheus' language.
    pub promql: String,
    comparison: Comparison,
    number: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    /// The longer signs first: `<` begins `<=` too.
    const ALL: [(&'static str, Comparison); 6] = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];

    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Equal => left == right,
            // What is no number answers nothing.
            Comparison::NotEqual => left != right && !left.is_nan(),
        }
    }
}

/// Why a text is no query with a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not end with a comparison with a number, e.g. 'rate(errors[1m]) < 0.05'")]
pub struct NoCondition(String);

impl FromStr for Query {
    type Err = NoCondition;

    fn from_str(text: &str) -> Result<Query, NoCondition> {
        let no = || NoCondition(text.to_string());
        let (left, number) = text.trim_end().rsplit_once(['<', '>', '=']).ok_or_else(no)?;
        let number: f64 = number.trim().parse().map_err(|_| no())?;
        let upto = &text[..=left.len()];
        let (sign, comparison) =
            Comparison::ALL.into_iter().find(|(sign, _)| upto.ends_with(sign)).ok_or_else(no)?;
        let promql = upto[..upto.len() - sign.len()].trim().to_string();
        if promql.is_empty() { Err(no()) } else { Ok(Query { promql, comparison, number }) }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Query { promql, comparison, number } = self;
        let sign = Comparison::ALL.into_iter().find(|(_, it)| it == comparison).map_or("", |(sign, _)| sign);
        write!(f, "{promql} {sign} {number}")
    }
}

impl Query {
    /// Tells whether every value of an answer lets it pass; an answer without values does not.
    pub fn passes(&self, values: &[f64]) -> bool {
        !values.is_empty() && values.iter().all(|value| self.comparison.holds(*value, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_comparison_is_the_condition() {
        let query: Query = "sum(rate(errors{code=~\"5..\"}[1m])) > 0 <= 0.5".parse().unwrap();
        assert_eq!(query.promql, "sum(rate(errors{code=~\"5..\"}[1m])) > 0");
        assert!(query.passes(&[0.5, 0.1]) && !query.passes(&[0.6]) && !query.passes(&[0.1, 9.0]));
    }

    #[test]
    fn all_comparisons_are_read() {
        for (text, yes, no) in [
            ("up<1", 0.0, 1.0),
            ("up <= 1", 1.0, 2.0),
            ("up > 1e3", 1001.0, 1000.0),
            ("up >=-1", -1.0, -2.0),
            ("up== 1", 1.0, 2.0),
            ("up != 1", 2.0, 1.0),
        ] {
            let query: Query = text.parse().unwrap();
            assert_eq!(query.to_string().parse(), Ok(query.clone()));
            assert!(query.promql == "up" && query.passes(&[yes]) && !query.passes(&[no]), "{text}");
        }
    }

    #[test]
    fn no_answer_and_no_number_do_not_pass() {
        let query: Query = "up != 1".parse().unwrap();
        assert!(!query.passes(&[]) && !query.passes(&[f64::NAN]));
    }

    #[test]
    fn what_has_no_condition_is_refused() {
        for text in ["", "up", "up <", "< 1", "up < one", "up = 1", "up < 1 2"] {
            assert!(text.parse::<Query>().is_err(), "{text}");
        }
    }
}
