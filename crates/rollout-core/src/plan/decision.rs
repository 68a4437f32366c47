//! What a change would do, as a value: the dry run, the question, the documents and the real run all use the same one.

use serde::Serialize;
use serde_json::Value;

use crate::history::number::RevisionNumber;
use crate::history::revision::Revision;
use crate::objects::pod::Pod;
use crate::objects::workload::WorkloadId;
use crate::plan::impact::{Impact, ReplacedPod};
use crate::plan::operations::{cause_path, stored_path};
use crate::plan::request::Request;
use crate::plan::warning::Warning;
use crate::snapshot::Snapshot;
use crate::template::diff::change::Change;

/// A change that is about to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workload.
    pub workload: WorkloadId,
    /// The revision that it has; absent where it is not recorded.
    pub from: Option<RevisionNumber>,
    /// The revision that it gets.
    pub to: Option<RevisionNumber>,
    /// The object that records the revision that it gets.
    pub to_object: String,
    /// What changes in the pod template.
    pub changes: Vec<Change>,
    /// The template that is written.
    pub template: Value,
    /// What is sent, in this order.
    pub requests: Vec<Request>,
    /// What it does to the pods.
    pub impact: Impact,
    /// The steps in which it does that; none where it is done in one.
    pub steps: Vec<PlannedStep>,
    /// What else is to be known before.
    pub notes: Vec<String>,
    /// What speaks against it.
    pub warnings: Vec<Warning>,
    /// The revision to choose instead, where a warning names one.
    pub better: Option<RevisionNumber>,
}

/// A step of a rollout in steps, by the nodes and pods that there are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedStep {
    /// Its number, from 1.
    pub step: usize,
    /// What it is, as it was asked for.
    pub words: String,
    /// How many nodes or pods are new when it is done.
    pub total: usize,
    /// The nodes that it adds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// The pods that it replaces.
    pub pods: Vec<String>,
}

/// What a request of somebody comes to.
#[derive(Clone, Debug)]
pub enum Decision {
    /// It is so already.
    Nothing {
        /// The revision whose template it is.
        revision: Option<RevisionNumber>,
        /// The warning that says so, where a document carries one.
        warning: Option<Warning>,
    },
    /// A change; without requests where the template is right already and only a stuck set is freed.
    Change(Box<Plan>),
}

impl Plan {
    /// Tells whether a rollout in steps is stored when it is done, so that somebody has to drive it.
    pub fn drives(&self) -> bool {
        let path = stored_path();
        let stores = |it: &Value| it["op"] != "test" && it["op"] != "remove" && it["path"] == path.as_str();
        let mut operations = self.requests.iter().filter_map(|request| request.body.as_array()).flatten();
        operations.any(stores)
    }

    /// Returns the reason that is on the workload when it is done, from where it has to go to the revision.
    pub fn reason(&self) -> Option<&str> {
        let path = cause_path();
        let mut operations = self.requests.iter().filter_map(|request| request.body.as_array()).flatten();
        let sets = operations.find(|it| it["op"] == "add" && it["path"] == path.as_str());
        sets.and_then(|it| it["value"].as_str())
    }

    /// Iterates over the warnings that stop the change, unless their ids are allowed.
    pub fn stopped_by<'a>(&'a self, allowed: &'a [String]) -> impl Iterator<Item = &'a Warning> {
        self.warnings.iter().filter(|it| it.stops && !allowed.iter().any(|id| id == it.id.as_str()))
    }
}

/// A plan that changes nothing yet.
pub(crate) fn unchanged(snapshot: &Snapshot) -> Plan {
    let number = snapshot.history.current().and_then(|current| current.number);
    Plan {
        workload: snapshot.workload.id.clone(),
        from: number,
        to: number,
        to_object: snapshot.history.current().map(|current| current.name.clone()).unwrap_or_default(),
        changes: Vec::new(),
        template: snapshot.workload.template().clone(),
        requests: Vec::new(),
        impact: Impact {
            least_available: snapshot.count_available(),
            most_existing: snapshot.living().count() as u32,
            ..Impact::default()
        },
        steps: Vec::new(),
        notes: Vec::new(),
        warnings: Vec::new(),
        better: None,
    }
}

/// The template is right already, and the set hangs on a pod of another one, or may in a moment: nothing is written, only
/// freed.
pub(crate) fn freeing(snapshot: &Snapshot, target: &Revision, blocker: Option<&Pod>) -> Plan {
    let costs = u32::from(blocker.is_some_and(|pod| snapshot.available(pod)));
    Plan {
        from: target.number,
        to: target.number,
        to_object: target.name.clone(),
        impact: Impact {
            pods: blocker.map(ReplacedPod::of).into_iter().collect(),
            least_available: snapshot.count_available() - costs,
            most_existing: snapshot.living().count() as u32,
            frames: Vec::new(),
            moves_by_itself: false,
            known: true,
        },
        ..unchanged(snapshot)
    }
}

/// It is so already.
pub(crate) fn nothing(snapshot: &Snapshot) -> Decision {
    let revision = snapshot.history.current().and_then(|current| current.number);
    Decision::Nothing { revision, warning: None }
}
