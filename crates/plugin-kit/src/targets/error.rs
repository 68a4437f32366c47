//! Why a command line points at nothing, in kubectl's words where it has them.

use rollout_core::Kind;

use crate::call::CliError;

/// The ways in which a command line can point at nothing, in kubectl's words where it has them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing is named at all.
    #[error("required resource not specified")]
    Missing,
    /// A type is unknown.
    #[error("the server doesn't have a resource type {0:?}")]
    UnknownType(String),
    /// A type is known and has no rollout.
    #[error("no rollout is known for {0:?}: only deployments, daemonsets and statefulsets have one")]
    NoRollout(String),
    /// A kind is not the one that the plugin is for.
    #[error("{given} is not a {wanted}")]
    WrongKind {
        /// What was given, e.g. `deployment/web`.
        given: String,
        /// The kind that the plugin is for.
        wanted: Kind,
    },
    /// A writing verb got a type alone.
    #[error("resource(s) were provided, but no name was specified")]
    NoName,
    /// A type stands before `type/name`.
    #[error(
        "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'"
    )]
    TypeTwice,
    /// `a/b/c`.
    #[error("arguments in resource/name form may not have more than one slash")]
    TwoSlashes,
    /// `a/`, `/b` or `a,b/c`.
    #[error("arguments in resource/name form must have a single resource and name")]
    HalfName,
    /// A name together with `-l` or `--all`.
    #[error("name cannot be provided when a selector is specified")]
    NameWithSelector,
    /// `type/name` together with `-l` or `--all`.
    #[error("selectors and the all flag cannot be used when passing resource/name arguments")]
    PairWithSelector,
    /// A writing verb got `-l` or `--all` without a type.
    #[error("at least one resource must be specified to use a selector")]
    SelectorWithoutType,
    /// `--all` together with `-l`.
    #[error("setting 'all' parameter but found a non empty selector")]
    AllWithSelector,
    /// A name together with `-A`.
    #[error("a resource cannot be retrieved by name across all namespaces")]
    NameEverywhere,
    /// `-A` for a verb that changes something.
    #[error("-A/--all-namespaces is refused by verbs that change something")]
    WritingEverywhere,
    /// Both `-f` and `-k`.
    #[error("only one of -f or -k can be specified")]
    FilesAndKustomize,
    /// `-R` with `-k`.
    #[error("the -k flag can't be used with -f or -R")]
    RecursiveKustomize,
    /// `-f -` twice.
    #[error("standard input cannot be used for multiple arguments")]
    StdinTwice,
    /// Words together with `-f` or `-k`.
    #[error("{0} cannot be provided when a path is specified")]
    WordsWithFiles(&'static str),
    /// A flag that narrows or widens a listing together with `-f` or `-k`.
    #[error("{0} cannot be used when a path is specified")]
    FlagWithFiles(&'static str),
    /// A file behind a URL.
    #[error("manifests are not read from {0:?}")]
    RemoteFile(String),
    /// An assignment stands before a target.
    #[error("all resources must be specified before image changes: {0}")]
    TargetAfterImage(String),
}

impl TargetError {
    /// Returns a way on, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            TargetError::Missing => Some("name one, e.g. deployment/web".to_string()),
            TargetError::UnknownType(word) if !word.contains('.') => Some(format!(
                "if {word} is a name, say which type: deployment/{word}, daemonset/{word} or statefulset/{word}"
            )),
            TargetError::NoName => {
                Some("name the objects, select them with -l, or take all with --all".to_string())
            }
            TargetError::WritingEverywhere => Some("choose one namespace with -n".to_string()),
            TargetError::RemoteFile(url) => Some(format!("pipe it in: curl -fsSL {url} | … -f -")),
            TargetError::UnknownType(_)
            | TargetError::NoRollout(_)
            | TargetError::WrongKind { .. }
            | TargetError::TypeTwice
            | TargetError::TwoSlashes
            | TargetError::HalfName
            | TargetError::NameWithSelector
            | TargetError::PairWithSelector
            | TargetError::SelectorWithoutType
            | TargetError::AllWithSelector
            | TargetError::NameEverywhere
            | TargetError::FilesAndKustomize
            | TargetError::RecursiveKustomize
            | TargetError::StdinTwice
            | TargetError::WordsWithFiles(_)
            | TargetError::FlagWithFiles(_)
            | TargetError::TargetAfterImage(_) => None,
        }
    }
}

/// What a command line points at is checked before anything is sent, so it is usage.
impl From<TargetError> for CliError {
    fn from(error: TargetError) -> CliError {
        CliError::usage(error.to_string()).hint(error.hint())
    }
}
