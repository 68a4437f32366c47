//! What keeps a rollout from getting on: stable ids with evidence, and what each does to the rollout that shows it.

use k8s_openapi::jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::objects::pod::Pod;
use crate::snapshot::symptom::{CauseId, Symptom};

/// What a cause does to the rollout that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// It fails the rollout: it will not pass, or has lasted for longer than it may.
    Fails,
    /// It may pass by itself, and fails the rollout when it lasts.
    OnProbation {
        /// When the state began.
        since: Timestamp,
        /// When it has lasted for too long; none where something else than time has to show it.
        until: Option<Timestamp>,
    },
    /// It holds the rollout up, and never fails it.
    HoldsUp,
}

/// One reason why a rollout fails, or does not get on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The stable id.
    pub id: CauseId,
    /// What it does to the rollout.
    pub sort: Sort,
    /// Whether pods of the older revision would meet it too: to go back would not help.
    pub old_too: bool,
    /// One sentence for people.
    pub message: String,
    /// The pod that shows it.
    pub pod: Option<String>,
    /// The container that shows it.
    pub container: Option<String>,
    /// What the cluster said.
    pub evidence: Option<String>,
    /// The last lines that the container wrote.
    pub log: Vec<String>,
    /// What would help.
    pub fix: Option<String>,
    /// What exactly is wrong, where one id can mean several things: the image, the missing object.
    pub about: Option<String>,
}

impl Cause {
    /// Makes a cause that fails the rollout and of which nothing more is known.
    pub fn new(id: CauseId, message: String) -> Cause {
        Cause {
            id,
            sort: Sort::Fails,
            old_too: false,
            message,
            pod: None,
            container: None,
            evidence: None,
            log: Vec::new(),
            fix: None,
            about: None,
        }
    }

    /// Tells whether the rollout fails by it.
    pub fn fails(&self) -> bool {
        self.sort == Sort::Fails
    }

    pub(crate) fn of_pod(mut self, pod: &Pod) -> Cause {
        self.pod = Some(pod.name.clone());
        self
    }

    pub(crate) fn evidence(mut self, words: &str) -> Cause {
        self.evidence = Some(words.trim().to_string()).filter(|words| !words.is_empty());
        self
    }

    pub(crate) fn fix(mut self, fix: Option<String>) -> Cause {
        self.fix = fix;
        self
    }

    pub(crate) fn about(mut self, about: Option<String>) -> Cause {
        self.about = about;
        self
    }

    pub(crate) fn sort(mut self, sort: Sort) -> Cause {
        self.sort = sort;
        self
    }

    pub(crate) fn holds_up(self) -> Cause {
        self.sort(Sort::HoldsUp)
    }

    pub(crate) fn symptom(&self) -> Symptom {
        Symptom { id: self.id, container: self.container.clone(), about: self.about.clone() }
    }
}

/// One reason why a rollout fails, or does not get on.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Cause"))]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    /// The stable id.
    id: CauseId,
    /// What it does to the rollout.
    sort: ToldSort,
    /// When it began; of what is on probation.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// When it fails the rollout; of what is on probation, where time alone shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// There and true where pods of the older revision would meet it too: to go back would not help.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    old_too: bool,
    /// One sentence for people.
    message: &'a str,
    /// The pod that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
    /// The container that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    /// What the cluster said.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a str>,
    /// The last lines that the container wrote.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    log: &'a [String],
    /// What would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a str>,
}

/// What a cause does to the rollout that shows it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "CauseSort"))]
#[serde(rename_all = "camelCase")]
enum ToldSort {
    /// It fails the rollout.
    Fails,
    /// It may pass by itself, and fails the rollout when it lasts.
    Probation,
    /// It holds the rollout up, and never fails it.
    HoldsUp,
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Cause { id, sort, old_too, message, pod, container, evidence, log, fix, about: _ } = self;
        let (sort, since, until) = match *sort {
            Sort::Fails => (ToldSort::Fails, None, None),
            Sort::OnProbation { since, until } => (ToldSort::Probation, Some(since), until),
            Sort::HoldsUp => (ToldSort::HoldsUp, None, None),
        };
        let told = Told {
            id: *id,
            sort,
            since,
            until,
            old_too: *old_too,
            message,
            pod: pod.as_deref(),
            container: container.as_deref(),
            evidence: evidence.as_deref(),
            log,
            fix: fix.as_deref(),
        };
        told.serialize(serializer)
    }
}

/// The causes that a rollout shows, told apart by what they do to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// The rollout fails by these.
    pub failed: Vec<Cause>,
    /// These may pass by themselves, and fail the rollout when they last.
    pub on_probation: Vec<Cause>,
    /// These hold the rollout up, and never fail it.
    pub holding_up: Vec<Cause>,
}

impl Causes {
    /// Tells causes apart, each list in the order given.
    pub fn of(causes: impl IntoIterator<Item = Cause>) -> Causes {
        let mut all = Causes::default();
        for cause in causes {
            all.push(cause);
        }
        all
    }

    /// Adds one to its list.
    pub fn push(&mut self, cause: Cause) {
        match cause.sort {
            Sort::Fails => self.failed.push(cause),
            Sort::OnProbation { .. } => self.on_probation.push(cause),
            Sort::HoldsUp => self.holding_up.push(cause),
        }
    }

    /// Iterates over all, what fails the rollout first: for showing them.
    pub fn iter(&self) -> impl Iterator<Item = &Cause> {
        self.failed.iter().chain(&self.on_probation).chain(&self.holding_up)
    }

    /// Iterates over those that have not failed the rollout: they are named while it is waited for.
    pub fn pending(&self) -> impl Iterator<Item = &Cause> {
        self.on_probation.iter().chain(&self.holding_up)
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Tells whether the older revision would do better: something fails that its pods would not meet.
    pub fn is_old_better(&self) -> bool {
        self.failed.iter().any(|cause| !cause.old_too)
    }
}

impl Serialize for Causes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Cause {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Told::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Told::json_schema(generator)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Causes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Causes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<Cause>::json_schema(generator)
    }
}

/// What fails a rollout comes first, then what is on probation, the soonest over first.
pub(crate) fn rank(cause: &Cause) -> (u8, Option<Timestamp>) {
    match cause.sort {
        Sort::Fails => (0, None),
        Sort::OnProbation { since: _, until: Some(until) } => (1, Some(until)),
        Sort::OnProbation { since: _, until: None } => (2, None),
        Sort::HoldsUp => (3, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cause_says_what_it_does_and_until_when() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (since, until) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:01:00Z"));
        let cause = Cause::new(CauseId::Quota, "no room".into());
        let waits = cause.clone().sort(Sort::OnProbation { since, until: Some(until) });
        assert_eq!(
            serde_json::to_value(&waits).unwrap(),
            json!({"id": "quota", "sort": "probation", "since": "2026-01-01T00:00:00Z",
                "until": "2026-01-01T00:01:00Z", "message": "no room"})
        );
        let causes = Causes::of([waits, cause.clone().holds_up(), Cause { old_too: true, ..cause.clone() }]);
        let sorts: Vec<bool> = causes.iter().map(Cause::fails).collect();
        assert_eq!((sorts, causes.pending().count()), (vec![true, false, false], 2));
        assert!(!causes.is_old_better());
        assert!(Causes::of([cause]).is_old_better());
    }
}
