//! kubectl's target grammar, read without a cluster: which kinds and names a command line speaks of, or why it speaks of
//! none. What exists is asked later, by others.

use clap::Args;
use rollout_core::Kind;

mod error;
pub mod segment;

pub use error::TargetError;

/// Types that kubectl has and that have no rollout; more than the usual ones need not be known.
const OTHER_TYPES: [&str; 43] = [
    "po",
    "pod",
    "pods",
    "rs",
    "replicaset",
    "replicasets",
    "rc",
    "replicationcontroller",
    "replicationcontrollers",
    "job",
    "jobs",
    "cj",
    "cronjob",
    "cronjobs",
    "svc",
    "service",
    "services",
    "no",
    "node",
    "nodes",
    "ns",
    "namespace",
    "namespaces",
    "cm",
    "configmap",
    "configmaps",
    "secret",
    "secrets",
    "ing",
    "ingress",
    "ingresses",
    "hpa",
    "horizontalpodautoscalers",
    "pdb",
    "poddisruptionbudgets",
    "pvc",
    "persistentvolumeclaims",
    "pv",
    "persistentvolumes",
    "sa",
    "serviceaccount",
    "serviceaccounts",
    "controllerrevisions",
];

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

/// A kind and a name in the namespace of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetName {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: String,
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

/// What the positional words say, before the flags are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// There are none.
    None,
    /// Types alone.
    Types(Vec<Kind>),
    /// Names with their kinds.
    Named {
        /// The objects, without repetition.
        names: Vec<TargetName>,
        /// Whether they were given as `type/name`.
        pair: bool,
    },
}

/// Reads positional words: `TYPE/NAME…`, `TYPE[,TYPE…] NAME…`, `TYPE[,TYPE…]`, and with a default kind `NAME…`.
pub fn parse_words(words: &[String], default_kind: Option<Kind>) -> Result<Words, TargetError> {
    let Some((first, names)) = words.split_first() else { return Ok(Words::None) };
    match words.iter().filter(|word| word.contains('/')).count() {
        0 => {}
        pairs if pairs == words.len() => {
            let names = words.iter().map(|word| parse_pair(word, default_kind)).collect::<Result<_, _>>()?;
            return Ok(Words::Named { names: unique(names), pair: true });
        }
        // With a default kind a bare name beside a pair is unambiguous unless it spells a type.
        _ if default_kind.is_some() && spells_kinds(first).is_none() => {
            let names = words.iter().map(|word| parse_name(word, default_kind)).collect::<Result<_, _>>()?;
            return Ok(Words::Named { names: unique(names), pair: true });
        }
        _ => return Err(TargetError::TypeTwice),
    }
    if default_kind.is_some() && spells_kinds(first).is_none() {
        let names = words.iter().map(|word| parse_name(word, default_kind)).collect::<Result<_, _>>()?;
        return Ok(Words::Named { names: unique(names), pair: false });
    }
    let kinds: Vec<Kind> = first
        .split(',')
        .filter(|word| !word.is_empty())
        .map(|word| kind_of(word, word, default_kind))
        .collect::<Result<_, _>>()?;
    if kinds.is_empty() {
        return Err(TargetError::UnknownType(first.clone()));
    }
    if names.is_empty() {
        return Ok(Words::Types(unique(kinds)));
    }
    let pairs =
        kinds.iter().flat_map(|&kind| names.iter().map(move |name| TargetName { kind, name: name.clone() }));
    Ok(Words::Named { names: unique(pairs.collect()), pair: kinds.len() > 1 })
}

/// An image that a container is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetImage {
    /// The container's name, or `*` for all.
    pub container: String,
    /// The image.
    pub image: String,
}

/// Separates targets from the `CONTAINER=IMAGE` words that follow them.
pub fn split_images(words: &[String]) -> Result<(Vec<String>, Vec<SetImage>), TargetError> {
    let mut targets = Vec::new();
    let mut images = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some((container, image)) => {
                images.push(SetImage { container: container.to_string(), image: image.to_string() });
            }
            None if images.is_empty() => targets.push(word.clone()),
            None => return Err(TargetError::TargetAfterImage(word.clone())),
        }
    }
    Ok((targets, images))
}

/// Reads a word as a list of kinds if every part of it spells one.
fn spells_kinds(word: &str) -> Option<Vec<Kind>> {
    word.split(',').filter(|part| !part.is_empty()).map(Kind::parse).collect()
}

fn parse_name(word: &str, default_kind: Option<Kind>) -> Result<TargetName, TargetError> {
    match default_kind {
        Some(kind) if !word.contains('/') => Ok(TargetName { kind, name: word.to_string() }),
        Some(_) | None => parse_pair(word, default_kind),
    }
}

fn parse_pair(word: &str, default_kind: Option<Kind>) -> Result<TargetName, TargetError> {
    let Some((kind, name)) = word.split_once('/') else { return Err(TargetError::HalfName) };
    if name.contains('/') {
        return Err(TargetError::TwoSlashes);
    }
    if kind.is_empty() || name.is_empty() || kind.contains(',') {
        return Err(TargetError::HalfName);
    }
    Ok(TargetName { kind: kind_of(kind, word, default_kind)?, name: name.to_string() })
}

fn kind_of(word: &str, given: &str, default_kind: Option<Kind>) -> Result<Kind, TargetError> {
    let Some(kind) = Kind::parse(word) else {
        let lower = word.to_ascii_lowercase();
        return Err(match OTHER_TYPES.contains(&lower.as_str()) {
            true => TargetError::NoRollout(word.to_string()),
            false => TargetError::UnknownType(word.to_string()),
        });
    };
    match default_kind {
        Some(wanted) if wanted != kind => Err(TargetError::WrongKind { given: given.to_string(), wanted }),
        Some(_) | None => Ok(kind),
    }
}

fn unique<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut unique = Vec::with_capacity(items.len());
    for item in items {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique
}

#[cfg(test)]
mod tests;
