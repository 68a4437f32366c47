//! What goes wrong, as people and scripts see it: one sentence, ways on, and an exit code.

use kubectl_connect::{ApiError, ConnectError};
use rollout_core::NoRevision;
use rollout_core::objects::WorkloadId;
use rollout_core::plan::Refusal;
use rollout_core::stored::Unreadable;
use rollout_kube::Reading;

use crate::ending_text;
use crate::exit::Exit;
use crate::manifests::ManifestError;
use crate::output::OutputError;
use crate::targets::TargetError;

/// An error that ends a verb, or what it does to one object.
#[derive(Debug)]
pub struct CliError {
    /// How the process ends.
    pub exit: Exit,
    /// The whole sentence.
    pub message: String,
    /// Ways on.
    pub hints: Vec<String>,
    /// The server's refusal, about which the connection may know more.
    pub api: Option<ApiError>,
}

impl CliError {
    /// Makes an error of a request; the text is a lower-case fragment that names its object.
    pub fn failed(message: impl AsRef<str>) -> CliError {
        CliError::sentence(Exit::Failed, format!("error: {}", message.as_ref()))
    }

    /// Makes an error of the command line.
    pub fn usage(message: impl AsRef<str>) -> CliError {
        CliError::sentence(Exit::Usage, format!("error: {}", message.as_ref()))
    }

    /// Makes an error from a whole sentence, which is printed as it is.
    pub fn sentence(exit: Exit, message: String) -> CliError {
        CliError { exit, message, hints: Vec::new(), api: None }
    }

    /// Adds a way on.
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> CliError {
        self.hints.extend(hint.into());
        self
    }

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
        CliError::failed(message).hint(revision_hint(error))
    }

    /// Says why a rollback cannot be planned.
    pub fn refused(id: &WorkloadId, refusal: &Refusal) -> CliError {
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
                .hint(Some(ending_text::ways_on_superseded(id))),
            Refusal::NotSuperseded => CliError::failed(format!("{refusal} {at}"))
                .hint(Some("without --release 'resume' goes on with it".to_string())),
            Refusal::Recreated { .. } => {
                CliError::failed(format!("{refusal} {at}")).hint(Some(ending_text::way_on_recreated(id)))
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
                Some("is its controller running? --to-revision N goes to a named revision".to_string()),
            ),
        }
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

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> CliError {
        CliError::sentence(Exit::Failed, error.to_string()).hint(error.hint())
    }
}

impl From<ApiError> for CliError {
    fn from(error: ApiError) -> CliError {
        CliError { api: Some(error.clone()), ..CliError::sentence(Exit::Failed, error.to_string()) }
    }
}

impl From<kube::Error> for CliError {
    fn from(error: kube::Error) -> CliError {
        ApiError::from(error).into()
    }
}

impl From<Reading> for CliError {
    fn from(error: Reading) -> CliError {
        match error {
            Reading::Api(error) => error.into(),
            Reading::NotAWorkload(error) => CliError::failed(format!("the server's answer is {error}")),
        }
    }
}

/// What a command line points at is checked before anything is sent, so it is usage.
impl From<TargetError> for CliError {
    fn from(error: TargetError) -> CliError {
        CliError::usage(error.to_string()).hint(error.hint())
    }
}

impl From<OutputError> for CliError {
    fn from(error: OutputError) -> CliError {
        CliError::usage(error.to_string())
    }
}

impl From<ManifestError> for CliError {
    fn from(error: ManifestError) -> CliError {
        CliError::failed(error.to_string())
    }
}
