//! What a change would do, as a value: the dry run, the question, the documents and the real run all use the same one.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::diff::Change;
use crate::history::NoRevision;
use crate::kind::Kind;
use crate::model::Phase;
use crate::revision::{CHANGE_CAUSE, RevisionNumber};
use crate::steps::{BadSteps, Held, Stage};
use crate::stored::{STORED, Unreadable};
use crate::strategy::BadStrategy;
use crate::workload::{Workload, WorkloadId};

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

/// Why nothing can be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The controller has not acted upon the last change: "previous" would be one step too far back (hazard H6).
    #[error("the controller has not acted upon the last change yet")]
    Unobserved,
    /// The workload is being deleted.
    #[error("is being deleted")]
    Deleting,
    /// The workload is paused.
    #[error("you cannot rollback a paused {kind}; resume it first with '{}' and try again", resumed_by(*kind))]
    Paused {
        /// Its kind.
        kind: Kind,
    },
    /// The workload is paused, and nothing is started on that.
    #[error("is paused; resume it first with 'kubectl rollback resume' and try again")]
    IsPaused,
    /// It is paused already.
    #[error("is already paused")]
    AlreadyPaused,
    /// It is not paused.
    #[error("is not paused")]
    NotPaused,
    /// It is paused, so that nothing that is tried would show.
    #[error("a paused {kind} cannot be tried; resume it first with '{}' and try again", resumed_by(*kind))]
    PausedUpgrade {
        /// Its kind.
        kind: Kind,
    },
    /// The template has no such container.
    #[error("unable to find container named {name:?}")]
    NoContainer {
        /// The name asked for.
        name: String,
        /// Those that exist.
        existing: Vec<String>,
    },
    /// Its kind replaces broken pods by itself.
    #[error("a {} replaces its broken pods by itself: only StatefulSets get stuck on one", kind.words())]
    NotOrdered {
        /// Its kind.
        kind: Kind,
    },
    /// The pod that blocks is at the revision that the set asks for: another one would fail like it.
    #[error("pod {pod} blocks the set, and it is at the revision that the set asks for: nothing was deleted")]
    TargetFails {
        /// The pod.
        pod: String,
    },
    /// The pod that blocks would come back as it is.
    #[error(
        "pod {pod} blocks the set, and it is below the partition ({partition}): deleted, it would come back as it is"
    )]
    BelowPartition {
        /// The pod.
        pod: String,
        /// The partition.
        partition: u32,
    },
    /// The pod that blocks is old, and others of its revision are ready.
    #[error("pod {pod} is not ready, and others of its revision are: it may recover, so nothing was deleted")]
    MayRecover {
        /// The pod.
        pod: String,
    },
    /// The pod that blocks never got ready, and the steps come to it last.
    #[error(
        "pod {pod} blocks the set, and none of its revision is ready: steps begin at the top, where no pod comes up before it"
    )]
    NeverReady {
        /// The pod.
        pod: String,
    },
    /// It has no partition that could be moved.
    #[error("the update strategy {strategy} of a {kind} has no partition")]
    NoPartition {
        /// Its kind.
        kind: Kind,
        /// How it replaces pods.
        strategy: String,
    },
    /// Its partition is what a pause has put there.
    #[error(
        "it is paused, which its partition does; resume it first with 'kubectl stspartition resume' and try again"
    )]
    PausedPartition,
    /// More pods are to be new than there are.
    #[error("{asked} pods cannot be new: there are {replicas}")]
    TooFar {
        /// The pods that are to be new.
        asked: u32,
        /// The replicas.
        replicas: u32,
    },
    /// No more pods are to be new than now.
    #[error("{asked} of {replicas} pods is no advance: its partition lets {now} be new already")]
    NotFurther {
        /// The pods that are to be new.
        asked: u32,
        /// Those that may be already.
        now: u32,
        /// The replicas.
        replicas: u32,
    },
    /// A new pod fails, and more would.
    #[error("what is new already fails, and more would: {why}")]
    NewPodFails {
        /// What is wrong with it.
        why: String,
    },
    /// No such revision.
    #[error(transparent)]
    NoRevision(#[from] NoRevision),
    /// A rollout in steps is under way.
    #[error("a rollout in steps is {} ({}){}", phase.as_str(), next(*done, *of), held_by(held.as_ref()))]
    UnderWay {
        /// What it is at.
        phase: Stage,
        /// Steps that are done.
        done: usize,
        /// Steps that there are.
        of: usize,
        /// Who drives it.
        held: Option<Held>,
    },
    /// A check that is given again is none of those that are stored.
    #[error("{what:?} is not stored with the rollout, and only what is stored runs")]
    NotStored {
        /// The check.
        what: String,
    },
    /// An undo that deletes pods is under way, or was left half done.
    #[error("an undo whose pods have to be deleted is not over{}", held_by(held.as_ref()))]
    UndoUnderWay {
        /// Who drives it.
        held: Option<Held>,
    },
    /// No rollout in steps is stored.
    #[error("has no rollout in steps")]
    NoRollout,
    /// What is stored cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It belongs to another object of that name.
    #[error("the stored rollout belongs to another {kind} of that name")]
    Recreated {
        /// The kind.
        kind: Kind,
    },
    /// The steps make no sense.
    #[error(transparent)]
    Steps(#[from] BadSteps),
    /// The strategy is none, or not to be changed now.
    #[error(transparent)]
    Strategy(#[from] BadStrategy),
    /// The pods, or the nodes of a DaemonSet, are needed and were not read.
    #[error("the {0} cannot be read, and steps go by them")]
    Unread(&'static str),
    /// Such a workload is not rolled out in steps.
    #[error("{0} are not rolled out in steps")]
    NotInSteps(String),
    /// The revision that was rolled out is not recorded any more.
    #[error("the revision that was rolled out is not recorded any more")]
    TargetLost,
    /// The template is somebody else's by now.
    #[error(
        "somebody else replaced the template meanwhile: the stored rollout is superseded, and nothing moves"
    )]
    Superseded,
    /// The template is that of the stored rollout.
    #[error("its rollout in steps is not superseded: there is nothing to let go")]
    NotSuperseded,
    /// Somebody else put the old template back.
    #[error("somebody put the old template back: 'abort' finishes that")]
    PutBackByHand,
    /// The workload keeps no old revisions.
    #[error("no last revision to roll back to: `revisionHistoryLimit: 0` keeps no history")]
    KeepsNoHistory,
}

fn next(done: usize, of: usize) -> String {
    if done < of { format!("step {} of {of} is next", done + 1) } else { format!("all {of} steps are done") }
}

fn held_by(held: Option<&Held>) -> String {
    held.map_or_else(String::new, |held| format!(", {held}"))
}

/// kubectl itself can resume a Deployment only.
fn resumed_by(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "kubectl rollout resume",
        Kind::DaemonSet | Kind::StatefulSet => "kubectl rollback resume",
    }
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

/// The HTTP method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// A JSON patch (RFC 6902) that tests what it was planned on.
    Patch,
    /// A deletion with preconditions.
    Delete,
    /// A creation: of an eviction.
    Post,
}

/// One request to the API server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path below the server's address.
    pub path: String,
    /// The JSON patch, the delete options, or the eviction.
    pub body: Value,
    /// Whether the change fails without it; otherwise a refusal is only reported.
    #[serde(skip)]
    pub required: bool,
}

impl Request {
    /// Makes a JSON patch of the workload that holds only for this incarnation of it, and, with `template`, only while the
    /// pod template is what it was when the patch was planned.
    ///
    /// Not `resourceVersion`, which status updates change all the time, and not `generation`, which a scale bumps
    /// (hazards H16, H17).
    pub fn patch(workload: &Workload, mut tests: Vec<Value>, changes: Vec<Value>) -> Request {
        let mut body = vec![
            test("/metadata/uid", json!(workload.id.uid)),
            test("/spec/template", workload.template().clone()),
        ];
        body.append(&mut tests);
        body.extend(changes);
        let id = &workload.id;
        let path = format!("/apis/apps/v1/namespaces/{}/{}/{}", id.namespace, id.kind.plural(), id.name);
        Request { method: Method::Patch, path, body: Value::Array(body), required: true }
    }

    /// Adds a test to a patch, which then does nothing where that does not hold either.
    pub fn only_if(mut self, test: Value) -> Request {
        if let Some(operations) = self.body.as_array_mut() {
            operations.insert(0, test);
        }
        self
    }

    /// Makes the deletion of one incarnation of a pod.
    pub fn delete_pod(namespace: &str, name: &str, uid: &str) -> Request {
        Request {
            method: Method::Delete,
            path: format!("/api/v1/namespaces/{namespace}/pods/{name}"),
            body: json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}),
            required: true,
        }
    }

    /// Makes the eviction of one incarnation of a pod (policy/v1): 429 where a disruption budget forbids it, 409 where the
    /// pod is another one by now.
    pub fn evict_pod(namespace: &str, name: &str, uid: &str) -> Request {
        Request {
            method: Method::Post,
            path: format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"),
            body: json!({"apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": {"name": name, "namespace": namespace},
                "deleteOptions": {"preconditions": {"uid": uid}}}),
            required: true,
        }
    }

    /// Makes a patch of the reason that a revision carries. Refusing it does not spoil the change.
    pub fn revision_cause(workload: &WorkloadId, revision: &Value, cause: &str) -> Option<Request> {
        Request::patch_revision(workload, revision, cause_operations(revision, Some(cause)))
    }

    /// Makes a patch that takes the copy of a stored rollout off a ControllerRevision. Refusing it does no harm.
    pub fn forget_stored(workload: &WorkloadId, revision: &Value) -> Option<Request> {
        Request::patch_revision(workload, revision, annotation_operations(revision, STORED, None))
    }

    /// Makes a patch that takes the reason of a change off a workload, where it is still that one.
    pub fn forget_cause(workload: &WorkloadId, cause: &str) -> Request {
        let path = cause_path();
        let body = vec![
            test("/metadata/uid", json!(workload.uid)),
            test(&path, json!(cause)),
            json!({"op": "remove", "path": path}),
        ];
        let WorkloadId { kind, namespace, name, uid: _ } = workload;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/{}/{name}", kind.plural());
        Request { method: Method::Patch, path, body: Value::Array(body), required: false }
    }

    /// Tells whether it takes the copy of a stored rollout off.
    pub fn forgets_stored(&self) -> bool {
        let path = stored_path();
        let mut operations = self.body.as_array().into_iter().flatten();
        operations.any(|it| it["op"] == "remove" && it["path"] == path.as_str())
    }

    fn patch_revision(workload: &WorkloadId, revision: &Value, changes: Vec<Value>) -> Option<Request> {
        let name = revision.pointer("/metadata/name")?.as_str()?;
        let uid = revision.pointer("/metadata/uid")?;
        let revisions = workload.kind.revisions();
        let mut body = vec![test("/metadata/uid", uid.clone())];
        body.extend(changes);
        Some(Request {
            method: Method::Patch,
            path: format!("/apis/apps/v1/namespaces/{}/{revisions}/{name}", workload.namespace),
            body: Value::Array(body),
            required: false,
        })
    }
}

/// Returns where a patch finds what is stored on an object.
pub(crate) fn stored_path() -> String {
    format!("/metadata/annotations/{}", STORED.replace('/', "~1"))
}

/// Makes a `test` operation of a JSON patch.
pub fn test(path: &str, value: Value) -> Value {
    json!({"op": "test", "path": path, "value": value})
}

/// Returns the operations that set an object's change cause, or take it away, and touch no other annotation.
pub fn cause_operations(object: &Value, cause: Option<&str>) -> Vec<Value> {
    let operations = annotation_operations(object, CHANGE_CAUSE, cause);
    match (cause, operations.is_empty()) {
        // The same reason may be left over from another change: this one is to carry it to its revision.
        (Some(cause), true) => vec![json!({"op": "add", "path": cause_path(), "value": cause})],
        (Some(_) | None, _) => operations,
    }
}

fn cause_path() -> String {
    format!("/metadata/annotations/{}", CHANGE_CAUSE.replace('/', "~1"))
}

/// Returns the operations that set an annotation of an object, or take it away, and touch no other.
///
/// Where the object has no annotations at all, the map is made first, guarded by a test that it is still absent: both
/// `test …/key null` and `add …/key` fail below a path that does not exist (hazard H16).
pub fn annotation_operations(object: &Value, key: &str, value: Option<&str>) -> Vec<Value> {
    const MAP: &str = "/metadata/annotations";
    let path = format!("{MAP}/{}", key.replace('~', "~0").replace('/', "~1"));
    let map = object.pointer(MAP).filter(|map| map.is_object());
    let known = map.and_then(|map| map.get(key));
    match (value, known) {
        (Some(value), Some(known)) if known == value => Vec::new(),
        (None, None) => Vec::new(),
        (None, Some(known)) => vec![test(&path, known.clone()), json!({"op": "remove", "path": path})],
        (Some(value), _) => {
            let add = json!({"op": "add", "path": path, "value": value});
            match map {
                Some(_) => vec![add],
                None => vec![test(MAP, Value::Null), json!({"op": "add", "path": MAP, "value": {}}), add],
            }
        }
    }
}

/// A pod that a change replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplacedPod {
    /// Its name.
    pub name: String,
    /// Its node, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// What a change does to the pods, foretold by the model of the controllers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Impact {
    /// The pods that are replaced, in that order.
    pub pods: Vec<ReplacedPod>,
    /// The least number of available pods meanwhile.
    pub least_available: u32,
    /// The largest number of pods meanwhile.
    pub most_existing: u32,
    /// The steps.
    pub phases: Vec<Phase>,
    /// Whether the controller does it by itself.
    #[serde(skip)]
    pub moves_by_itself: bool,
    /// Whether the pods are known; where they may not be read, nothing can be foretold.
    #[serde(skip)]
    pub known: bool,
}

/// The stable id of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningId {
    /// The target revision never had an available pod while an older one still has.
    TargetUnavailable,
    /// The target differs from the current revision only in the time of a restart.
    RestartOnly,
    /// The object was made by `kubectl apply`, whose next run puts the change back.
    LastApplied,
    /// The target's template is the current one.
    SameTemplate,
    /// Pods are deleted one by one, and the overlap of a surge is lost (hazard H20).
    SurgeLost,
    /// A pod that dies below the partition comes back at another revision (hazard H2).
    MixedRevisions,
    /// The change makes the controller delete revisions.
    HistoryLimit,
    /// Something owns the object and puts the change back.
    GitopsOwner,
    /// An autoscaler owns the number of pods.
    Hpa,
    /// The new template names an object that does not exist.
    MissingConfig,
    /// The new template names an object that was changed since that template was live.
    ConfigChanged,
    /// A quota has no room for the pods of the change.
    Quota,
    /// Fewer pods will be available than a disruption budget asks for, which controllers do not respect.
    Pdb,
    /// A StatefulSet's partition keeps pods at another revision.
    PartitionLeft,
    /// Fields of the template are owned by a manager that applies server-side (hazard H26).
    SsaOwner,
    /// Pods of a held DaemonSet move at once (hazard H1).
    Placement,
    /// The controller does not find the revision again and restarts its pods (hazard H7).
    RevisionBytes,
    /// Checks that are stored on the workload would run where it is resumed.
    StoredChecks,
}

impl WarningId {
    /// All ids.
    pub const ALL: [WarningId; 18] = [
        WarningId::TargetUnavailable,
        WarningId::RestartOnly,
        WarningId::LastApplied,
        WarningId::SameTemplate,
        WarningId::SurgeLost,
        WarningId::MixedRevisions,
        WarningId::HistoryLimit,
        WarningId::GitopsOwner,
        WarningId::Hpa,
        WarningId::MissingConfig,
        WarningId::ConfigChanged,
        WarningId::Quota,
        WarningId::Pdb,
        WarningId::PartitionLeft,
        WarningId::SsaOwner,
        WarningId::Placement,
        WarningId::RevisionBytes,
        WarningId::StoredChecks,
    ];

    /// Returns the id as documents and `--allow` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            WarningId::TargetUnavailable => "target-unavailable",
            WarningId::RestartOnly => "restart-only",
            WarningId::LastApplied => "last-applied",
            WarningId::SameTemplate => "same-template",
            WarningId::SurgeLost => "surge-lost",
            WarningId::MixedRevisions => "mixed-revisions",
            WarningId::HistoryLimit => "history-limit",
            WarningId::GitopsOwner => "gitops-owner",
            WarningId::Hpa => "hpa",
            WarningId::MissingConfig => "missing-config",
            WarningId::ConfigChanged => "config-changed",
            WarningId::Quota => "quota",
            WarningId::Pdb => "pdb",
            WarningId::PartitionLeft => "partition-left",
            WarningId::SsaOwner => "ssa-owner",
            WarningId::Placement => "placement",
            WarningId::RevisionBytes => "revision-bytes",
            WarningId::StoredChecks => "stored-checks",
        }
    }

    /// Tells whether it stops only a revision that nobody has chosen.
    pub fn is_about_a_default(self) -> bool {
        matches!(self, WarningId::TargetUnavailable | WarningId::RestartOnly)
    }
}

impl Serialize for WarningId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something that speaks against a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The stable id.
    pub id: WarningId,
    /// What it means here.
    pub message: String,
    /// What to do about it; a command where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Whether it stops the change until it is allowed.
    pub stops: bool,
}
