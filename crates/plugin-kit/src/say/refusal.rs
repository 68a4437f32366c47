//! Why something is not done, with the ways on.

use rollout_core::plan::{BadStrategy, Refusal};
use rollout_core::stored::Unreadable;
use rollout_core::{NoRevision, WorkloadId};

use super::ending;
use crate::call::{CliError, Exit};

impl CliError {
    /// Says that a workload has no such revision.
    pub fn no_revision(id: &WorkloadId, error: &NoRevision) -> CliError {
        let message = match error {
            NoRevision::Empty => format!("no rollout history found for {} {:?}", id.kind, id.name),
            NoRevision::NotFound { .. }
            | NoRevision::OnlyOne
            | NoRevision::NoneGood
            | NoRevision::Hidden { .. }
            | NoRevision::BeforeOldest { .. }
            | NoRevision::Ambiguous { .. }
            | NoRevision::Corrupt { .. } => format!("{error} ({id} in namespace {})", id.namespace),
        };
        CliError::failed(message).hint(revision_hint(error)).because(error.reason()).about(id)
    }

    /// Says why a rollback cannot be planned.
    pub fn refused(id: &WorkloadId, refusal: &Refusal) -> CliError {
        CliError::refused_so(id, refusal).because(refusal.reason()).about(id)
    }

    fn refused_so(id: &WorkloadId, refusal: &Refusal) -> CliError {
        let at = format!("({id} in namespace {})", id.namespace);
        match refusal {
            Refusal::NoRevision(error) => CliError::no_revision(id, error),
            Refusal::AlreadyPaused | Refusal::NotPaused | Refusal::IsPaused | Refusal::Deleting => {
                CliError::failed(format!("{}.apps {:?} {refusal}", id.kind.plural(), id.name))
            }
            Refusal::NoContainer { existing, .. } => CliError::failed(format!("{refusal} {at}"))
                .hint(Some(format!("containers that exist: {}", existing.join(", ")))),
            Refusal::UnderWay { .. } => CliError::failed(format!("{refusal} {at}")).hint(Some(
                "'abort' takes it back, 'resume' goes on with it once nobody renews it, and at once with --take-over"
                    .to_string(),
            )),
            Refusal::UndoUnderWay { .. } => CliError::failed(format!("{refusal} {at}"))
                .hint(Some(format!("to go on with it: kubectl rollback undo {id} -n {}", id.namespace))),
            Refusal::NoRollout => CliError::failed(format!("{id} in namespace {} {refusal}", id.namespace)),
            Refusal::Strategy(error) => CliError::strategy(Exit::Failed, &format!("{refusal} {at}"), error),
            Refusal::NotFurther { .. } => CliError::failed(format!("{refusal} {at}")).hint(Some(format!(
                "to hold more of them back: kubectl stspartition set {} --partition N -n {}",
                id.name, id.namespace
            ))),
            Refusal::NewPodFails { .. } => CliError::failed(format!("{refusal} {at}"))
                .hint(Some(format!("to go back: kubectl stspartition undo {} -n {}", id.name, id.namespace))),
            Refusal::NeverReady { .. } => CliError::failed(format!("{refusal} {at}"))
                .hint(Some("--steps 100% comes to it at once, and frees the set".to_string())),
            Refusal::Superseded => CliError::sentence(Exit::Superseded, format!("error: {refusal} {at}"))
                .hint(Some(ending::ways_on_superseded(id))),
            Refusal::NotSuperseded => CliError::failed(format!("{refusal} {at}"))
                .hint(Some("without --release 'resume' goes on with it".to_string())),
            Refusal::Recreated { .. } => {
                CliError::failed(format!("{refusal} {at}")).hint(Some(ending::way_on_recreated(id)))
            }
            Refusal::NoPartition { .. }
            | Refusal::PausedPartition
            | Refusal::TooFar { .. }
            | Refusal::PausedUpgrade { .. }
            | Refusal::NotOrdered { .. }
            | Refusal::MayRecover { .. }
            | Refusal::Steps(_)
            | Refusal::Unread(_)
            | Refusal::NotInSteps(_)
            | Refusal::TargetLost
            | Refusal::PutBackByHand => CliError::failed(format!("{refusal} {at}")),
            Refusal::Unreadable(_) => {
                CliError::failed(format!("{refusal} {at}")).hint(Some(Unreadable::way_off(id)))
            }
            Refusal::NotStored { .. } => CliError::failed(format!("{refusal} {at}"))
                .hint(Some("without --check and --check-query the plan shows what is stored".to_string())),
            Refusal::TargetFails { .. } => CliError::failed(format!("{refusal} {at}")).hint(Some(format!(
                "roll it back to a revision that works: kubectl rollback undo {id} -n {}",
                id.namespace
            ))),
            Refusal::BelowPartition { .. } => {
                CliError::failed(format!("{refusal} {at}")).hint(Some(format!(
                    "lower the partition first, then it comes back at the newest revision: \
                     kubectl stspartition set {} --partition N -n {}",
                    id.name, id.namespace
                )))
            }
            Refusal::Paused { .. } => CliError::failed(format!("{refusal} {at}"))
                .hint(Some("--resume rolls it back and resumes it in one change".to_string())),
            Refusal::KeepsNoHistory => CliError::failed(format!("{refusal} {at}"))
                .hint(Some("apply the manifest of the version that worked".to_string())),
            Refusal::Unobserved => CliError::sentence(Exit::TimedOut, format!("error: {refusal} {at}")).hint(
                Some("is its controller running? --to-revision N goes to one that is recorded".to_string()),
            ),
        }
    }

    /// Says why a strategy is not written, with what would do.
    pub fn strategy(exit: Exit, message: &str, error: &BadStrategy) -> CliError {
        let hint = match error {
            BadStrategy::BothSet { .. } => Some("give the other one as 0 in the same command"),
            BadStrategy::BothZero => Some("give the other one a number in the same command"),
            BadStrategy::NumbersOfOnDelete(_) => Some("--type RollingUpdate has both numbers"),
            BadStrategy::TooMany { .. } | BadStrategy::Paused { .. } | BadStrategy::NotADaemonSet { .. } => {
                None
            }
        };
        CliError::sentence(exit, format!("error: {message}"))
            .hint(hint.map(str::to_string))
            .because("BadStrategy")
    }
}

fn revision_hint(error: &NoRevision) -> Option<String> {
    match error {
        NoRevision::NotFound { existing, renumbered, .. } => {
            let numbers: Vec<String> = existing.iter().map(ToString::to_string).collect();
            let exist = format!("revisions that exist: {}", numbers.join(", "));
            Some(match renumbered {
                Some(now) => format!("it came back and is revision {now} now; {exist}"),
                None => exist,
            })
        }
        NoRevision::Hidden { .. } | NoRevision::BeforeOldest { .. } => {
            Some("choose a revision from its history with --to-revision N".to_string())
        }
        NoRevision::Ambiguous { .. } => Some(
            "somebody edited a number by hand: set the annotation deployment.kubernetes.io/revision of one of them \
             to a number that no other has"
                .to_string(),
        ),
        NoRevision::NoneGood => Some(
            "no older revision has available pods: choose one with --to-revision N from its history"
                .to_string(),
        ),
        NoRevision::Corrupt { name } => {
            Some(format!("look at it with: kubectl get controllerrevision {name} -o yaml"))
        }
        NoRevision::OnlyOne | NoRevision::Empty => None,
    }
}
