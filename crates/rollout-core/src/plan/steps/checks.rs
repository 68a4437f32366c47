//! Stored checks. Whoever may change a workload's annotations could otherwise have commands run by whoever resumes it: what
//! is stored is shown, and runs only when somebody says it again or allows it.

use crate::plan::refusal::Refusal;
use crate::plan::warning::{Warning, WarningId};
use crate::stored::rollout::StepOptions;

/// The checks that somebody gives again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenChecks {
    /// Commands.
    pub checks: Vec<String>,
    /// Queries, as they are stored.
    pub queries: Vec<String>,
    /// The service that answers the queries.
    pub prometheus: Option<String>,
}

impl GivenChecks {
    /// Tells whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self == &GivenChecks::default()
    }
}

/// A stored check, and the flags that say it again.
struct Shown {
    words: String,
    flags: String,
    given: bool,
}

/// Returns a sentence for each stored check, and the warning that stops while some were not given again.
pub(crate) fn shown(
    options: &StepOptions,
    given: &GivenChecks,
) -> Result<(Vec<String>, Option<Warning>), Refusal> {
    let StepOptions { checks, queries, prometheus, .. } = options;
    let unknown = given.checks.iter().find(|it| !checks.contains(it));
    if let Some(what) = unknown.or_else(|| given.queries.iter().find(|it| !queries.contains(it))) {
        return Err(Refusal::NotStored { what: what.clone() });
    }
    if let Some(what) = given.prometheus.as_ref().filter(|_| given.prometheus != *prometheus) {
        return Err(Refusal::NotStored { what: what.clone() });
    }
    let at = prometheus.as_deref().unwrap_or_default();
    let commands = checks.iter().map(|command| Shown {
        words: format!("stored check: {command}"),
        flags: format!("--check {}", quoted(command)),
        given: given.checks.contains(command),
    });
    let queries = queries.iter().map(|query| Shown {
        words: format!("stored query of {at}: {query}"),
        flags: format!("--check-query {} --prometheus {}", quoted(query), quoted(at)),
        given: given.queries.contains(query) && given.prometheus == *prometheus,
    });
    let all: Vec<Shown> = commands.chain(queries).collect();
    let missing: Vec<&str> = all.iter().filter(|it| !it.given).map(|it| it.flags.as_str()).collect();
    let warning = (!missing.is_empty()).then(|| Warning {
        id: WarningId::StoredChecks,
        message: "checks that are stored on the workload would run here, and whoever may change its annotations may \
                  have written them"
            .to_string(),
        fix: Some(format!("to run them, say them again: {}", missing.join(" "))),
        stops: true,
    });
    Ok((all.into_iter().map(|it| it.words).collect(), warning))
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::rollout::OnFailure;

    fn options() -> StepOptions {
        StepOptions {
            soak: 0,
            max_restarts: 0,
            max_unavailable: None,
            checks: vec!["curl -f it's".into(), "true".into()],
            queries: vec!["up > 1".into()],
            prometheus: Some("mon/prom:9090".into()),
            on_failure: OnFailure::Pause,
            evict: false,
            skip_unready_nodes: false,
            timeout: None,
        }
    }

    fn given(checks: &[&str], query: Option<&str>, at: Option<&str>) -> GivenChecks {
        GivenChecks {
            checks: checks.iter().map(ToString::to_string).collect(),
            queries: query.iter().map(ToString::to_string).collect(),
            prometheus: at.map(str::to_string),
        }
    }

    #[test]
    fn what_is_stored_is_shown_and_stops_until_it_is_said_again() {
        let (notes, warning) = shown(&options(), &GivenChecks::default()).unwrap();
        let words =
            ["stored check: curl -f it's", "stored check: true", "stored query of mon/prom:9090: up > 1"];
        assert_eq!(notes, words);
        let warning = warning.unwrap();
        assert!(warning.stops && warning.id == WarningId::StoredChecks);
        let fix = r"to run them, say them again: --check 'curl -f it'\''s' --check true --check-query 'up > 1' --prometheus mon/prom:9090";
        assert_eq!(warning.fix.as_deref(), Some(fix));
        let all = given(&["true", "curl -f it's"], Some("up > 1"), Some("mon/prom:9090"));
        assert_eq!(shown(&options(), &all).unwrap(), (notes, None));
    }

    #[test]
    fn what_was_not_said_again_stops_alone() {
        let (_, warning) =
            shown(&options(), &given(&["true"], Some("up > 1"), Some("mon/prom:9090"))).unwrap();
        let fix = r"to run them, say them again: --check 'curl -f it'\''s'";
        assert_eq!(warning.unwrap().fix.as_deref(), Some(fix));
        // A query is nobody's agreement to where it is sent.
        let (_, warning) =
            shown(&options(), &given(&["true", "curl -f it's"], Some("up > 1"), None)).unwrap();
        assert!(warning.unwrap().fix.unwrap().contains("--check-query"));
    }

    #[test]
    fn other_words_are_refused() {
        for given in [
            given(&["curl -f its"], None, None),
            given(&[], Some("up > 2"), Some("mon/prom:9090")),
            given(&[], Some("up > 1"), Some("evil/prom:9090")),
        ] {
            assert!(matches!(shown(&options(), &given), Err(Refusal::NotStored { .. })), "{given:?}");
        }
    }

    #[test]
    fn without_checks_there_is_nothing_to_say() {
        let none = StepOptions { checks: Vec::new(), queries: Vec::new(), prometheus: None, ..options() };
        assert_eq!(shown(&none, &GivenChecks::default()).unwrap(), (Vec::new(), None));
    }
}
