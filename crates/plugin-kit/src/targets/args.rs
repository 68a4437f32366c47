//! kubectl's target grammar, read without a cluster: which kinds and names a command line speaks of, or why it speaks of
//! none. What exists is asked later, by others.

use clap::Args;
use rollout_core::Kind;

use super::TargetError;
use super::words::{TargetName, Words, parse_words};

/// The positional words and flags that say what a verb works on.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetArgs {
    /// What to work on: TYPE/NAME, TYPE NAME, or TYPE alone
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,

    /// Select objects by their labels, e.g. -l app=web,tier!=cache
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// Look in all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,

    /// Take all objects of the type in the namespace
    #[arg(long)]
    pub all: bool,

    /// The manifests that name the objects.
    #[command(flatten)]
    pub files: FileArgs,
}

/// What it means that something is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It should be.
    IsAnError,
    /// It may come later.
    IsFine,
}

/// The flag of the verbs that read.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IgnoreArgs {
    /// Say nothing and exit 0 where an object does not exist
    #[arg(long)]
    pub ignore_not_found: bool,
}

impl IgnoreArgs {
    /// Returns what it means that something is not there.
    pub fn missing(self) -> Missing {
        if self.ignore_not_found { Missing::IsFine } else { Missing::IsAnError }
    }
}

/// The flags that name objects by their manifests.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct FileArgs {
    /// Take the objects in a manifest or a folder of them; - is standard input
    #[arg(short = 'f', long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    pub filename: Vec<String>,

    /// Take the objects that a kustomization folder yields
    #[arg(short = 'k', long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub kustomize: Option<String>,

    /// Look into the folders of -f recursively
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

/// What a verb may be pointed at without naming it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerbMode {
    /// The verb only looks: a type alone means all of it, and all namespaces are allowed.
    Reading,
    /// The verb changes something: everything must be named, selected, or asked for by `--all`.
    Writing,
}

/// Where manifests come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestSource {
    /// Files, folders and `-`, in the order given.
    Files {
        /// The paths.
        paths: Vec<String>,
        /// Whether folders are read with the folders in them.
        recursive: bool,
    },
    /// A folder for `kubectl kustomize`.
    Kustomize(String),
}

/// What a command line points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSpec {
    /// Objects by kind and name, without repetition, in the order given.
    Named(Vec<TargetName>),
    /// All objects of some kinds, or those that match a selector.
    Listed {
        /// The kinds, without repetition.
        kinds: Vec<Kind>,
        /// The label selector.
        selector: Option<String>,
        /// Whether all namespaces are meant.
        all_namespaces: bool,
    },
    /// What manifests name.
    Manifests(ManifestSource),
}

impl TargetSpec {
    /// Returns the one object that is named; any other form of request is a list, also of 0 or 1 objects.
    pub fn single(&self) -> Option<&TargetName> {
        match self {
            TargetSpec::Named(names) => match names.as_slice() {
                [name] => Some(name),
                _ => None,
            },
            TargetSpec::Listed { .. } | TargetSpec::Manifests(_) => None,
        }
    }
}

impl TargetArgs {
    /// Reads what the words and flags point at; with a default kind the type may be left out, and no other is taken.
    pub fn parse(&self, mode: VerbMode, default_kind: Option<Kind>) -> Result<TargetSpec, TargetError> {
        let selector = self.selector.as_deref().map(str::trim).filter(|selector| !selector.is_empty());
        if mode == VerbMode::Writing && self.all_namespaces {
            return Err(TargetError::WritingEverywhere);
        }
        if self.all && selector.is_some() {
            return Err(TargetError::AllWithSelector);
        }
        let words = parse_words(&self.targets, default_kind)?;
        if let Some(source) = self.files.source()? {
            self.check_alone(&words, selector)?;
            return Ok(TargetSpec::Manifests(source));
        }
        let selects = selector.is_some() || self.all;
        match words {
            Words::Named { pair: true, .. } if selects => Err(TargetError::PairWithSelector),
            Words::Named { .. } if selects => Err(TargetError::NameWithSelector),
            Words::Named { .. } if self.all_namespaces => Err(TargetError::NameEverywhere),
            Words::Named { names, .. } => Ok(TargetSpec::Named(names)),
            Words::Types(_) if mode == VerbMode::Writing && !selects => Err(TargetError::NoName),
            Words::Types(kinds) => Ok(self.listed(kinds, selector)),
            Words::None => self.untyped(mode, default_kind, selector),
        }
    }

    /// Decides what flags without any word mean.
    fn untyped(
        &self,
        mode: VerbMode,
        default_kind: Option<Kind>,
        selector: Option<&str>,
    ) -> Result<TargetSpec, TargetError> {
        let selects = selector.is_some() || self.all;
        match (default_kind, mode) {
            (Some(kind), VerbMode::Reading) => Ok(self.listed(vec![kind], selector)),
            (Some(kind), VerbMode::Writing) if selects => Ok(self.listed(vec![kind], selector)),
            (None, VerbMode::Reading) if selects || self.all_namespaces => {
                Ok(self.listed(Kind::ALL.to_vec(), selector))
            }
            (None, VerbMode::Writing) if selects => Err(TargetError::SelectorWithoutType),
            (Some(_) | None, VerbMode::Reading | VerbMode::Writing) => Err(TargetError::Missing),
        }
    }

    fn listed(&self, kinds: Vec<Kind>, selector: Option<&str>) -> TargetSpec {
        let selector = selector.map(str::to_string);
        TargetSpec::Listed { kinds, selector, all_namespaces: self.all_namespaces }
    }

    fn check_alone(&self, words: &Words, selector: Option<&str>) -> Result<(), TargetError> {
        match words {
            Words::None => {}
            Words::Named { pair: true, .. } => {
                return Err(TargetError::WordsWithFiles("resource/name arguments"));
            }
            Words::Named { .. } => return Err(TargetError::WordsWithFiles("name")),
            Words::Types(_) => return Err(TargetError::WordsWithFiles("resource arguments")),
        }
        let given = [(selector.is_some(), "-l"), (self.all_namespaces, "-A"), (self.all, "--all")];
        match given.into_iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(TargetError::FlagWithFiles(flag)),
            None => Ok(()),
        }
    }
}

impl FileArgs {
    /// Returns where manifests come from, none without `-f` and `-k`.
    pub fn source(&self) -> Result<Option<ManifestSource>, TargetError> {
        let FileArgs { filename, kustomize, recursive } = self;
        match (filename.is_empty(), kustomize) {
            (true, None) => Ok(None),
            (false, Some(_)) => Err(TargetError::FilesAndKustomize),
            (true, Some(_)) if *recursive => Err(TargetError::RecursiveKustomize),
            (true, Some(folder)) => remote(folder).map(|()| Some(ManifestSource::Kustomize(folder.clone()))),
            (false, None) => {
                if filename.iter().filter(|path| *path == "-").count() > 1 {
                    return Err(TargetError::StdinTwice);
                }
                filename.iter().try_for_each(|path| remote(path))?;
                Ok(Some(ManifestSource::Files { paths: filename.clone(), recursive: *recursive }))
            }
        }
    }
}

fn remote(path: &str) -> Result<(), TargetError> {
    match path.starts_with("http://") || path.starts_with("https://") {
        true => Err(TargetError::RemoteFile(path.to_string())),
        false => Ok(()),
    }
}
