//! Why nothing can be planned.

use crate::history::select::NoRevision;
use crate::objects::kind::Kind;
use crate::objects::strategy::Amount;
use crate::stored::Unreadable;
use crate::stored::lease::Held;
use crate::stored::rollout::Phase;
use crate::stored::rules::BadSteps;

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
        phase: Phase,
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

impl Refusal {
    /// Returns one word for it, upon which programs may rely.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::Unobserved => "Unobserved",
            Refusal::Deleting => "Deleting",
            Refusal::Paused { .. }
            | Refusal::IsPaused
            | Refusal::PausedUpgrade { .. }
            | Refusal::PausedPartition => "Paused",
            Refusal::AlreadyPaused => "AlreadyPaused",
            Refusal::NotPaused => "NotPaused",
            Refusal::NoContainer { .. } => "NoContainer",
            Refusal::NotOrdered { .. } => "NotOrdered",
            Refusal::TargetFails { .. } => "TargetFails",
            Refusal::BelowPartition { .. } => "BelowPartition",
            Refusal::MayRecover { .. } => "MayRecover",
            Refusal::NeverReady { .. } => "NeverReady",
            Refusal::NoPartition { .. } => "NoPartition",
            Refusal::TooFar { .. } => "TooFar",
            Refusal::NotFurther { .. } => "NotFurther",
            Refusal::NewPodFails { .. } => "NewPodFails",
            Refusal::UnderWay { .. } => "UnderWay",
            Refusal::NotStored { .. } => "NotStored",
            Refusal::UndoUnderWay { .. } => "UndoUnderWay",
            Refusal::NoRollout => "NoRollout",
            Refusal::Unreadable(_) => "Unreadable",
            Refusal::Recreated { .. } => "Recreated",
            Refusal::Steps(_) => "BadSteps",
            Refusal::Strategy(_) => "BadStrategy",
            Refusal::Unread(_) => "Unread",
            Refusal::NotInSteps(_) => "NotInSteps",
            Refusal::TargetLost => "TargetLost",
            Refusal::Superseded => "Superseded",
            Refusal::NotSuperseded => "NotSuperseded",
            Refusal::PutBackByHand => "PutBackByHand",
            Refusal::KeepsNoHistory => "KeepsNoHistory",
            Refusal::NoRevision(error) => error.reason(),
        }
    }
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

/// Why a strategy is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadStrategy {
    /// More than all.
    #[error("{field} {amount}: must not be greater than 100%")]
    TooMany {
        /// The field.
        field: &'static str,
        /// The amount.
        amount: Amount,
    },
    /// Both may be non-zero in a Deployment only.
    #[error("maxSurge {max_surge} and maxUnavailable {max_unavailable}: one of them must be 0")]
    BothSet {
        /// The one.
        max_unavailable: Amount,
        /// The other.
        max_surge: Amount,
    },
    /// Nothing could ever be replaced.
    #[error("maxUnavailable and maxSurge are both 0: no pod could be replaced")]
    BothZero,
    /// Numbers without a meaning.
    #[error("OnDelete has no {0}: nothing replaces pods there")]
    NumbersOfOnDelete(&'static str),
    /// Its strategy is what its pause put there.
    #[error(
        "a paused {kind} has the strategy that holds it; resume it first with 'kubectl dsupdate resume' and try again"
    )]
    Paused {
        /// Its kind.
        kind: Kind,
    },
    /// Another kind.
    #[error("a {} has another kind of strategy", kind.words())]
    NotADaemonSet {
        /// Its kind.
        kind: Kind,
    },
}
