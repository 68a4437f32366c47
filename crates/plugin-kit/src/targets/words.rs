//! The words behind a verb: types, names, images.

use rollout_core::Kind;

use super::TargetError;

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

/// A kind and a name in the namespace of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetName {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: String,
}

/// An image that a container is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetImage {
    /// The container's name, or `*` for all.
    pub container: String,
    /// The image.
    pub image: String,
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
