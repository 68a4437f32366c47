//! Finds, reads and merges kubeconfig files by client-go's rules.

mod entry;

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, Cluster, Context};
use serde_json::Value;
use serde_yaml::options::DuplicateKeyPolicy;

pub(crate) use entry::Entry;

use crate::words::{io_words, one_line};
use crate::{ConnectError, Environment, yaml};

/// How many nodes a file may have: some hundred thousand clusters.
const MOST_NODES: usize = 10_000_000;

/// The clusters, users or contexts of all files, by name; the first file that has a name wins.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// The merged kubeconfig and where it came from.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) current_context: Option<String>,
    pub(crate) clusters: Entries,
    pub(crate) users: Entries,
    pub(crate) contexts: Entries,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) missing: Vec<PathBuf>,
}

impl Loaded {
    /// Reads a context; a name that is not there is none.
    pub(crate) fn context(&self, name: &str) -> Result<Option<Context>, ConnectError> {
        read_entry(&self.contexts, name, Entry::context)
    }

    /// Reads a cluster.
    pub(crate) fn cluster(&self, name: &str) -> Result<Option<Cluster>, ConnectError> {
        read_entry(&self.clusters, name, Entry::cluster)
    }

    /// Reads a user.
    pub(crate) fn user(&self, name: &str) -> Result<Option<AuthInfo>, ConnectError> {
        read_entry(&self.users, name, Entry::user)
    }
}

fn read_entry<T>(
    entries: &Entries,
    name: &str,
    read: fn(&Entry, &str) -> Result<T, String>,
) -> Result<Option<T>, ConnectError> {
    let Some(entry) = entries.get(name) else { return Ok(None) };
    let wrong = |reason| ConnectError::Kubeconfig { path: entry.file.clone(), reason };
    read(entry, name).map(Some).map_err(wrong)
}

/// Reads the file given by flag, else those of `KUBECONFIG`, else `~/.kube/config`.
///
/// Only a file that was named by flag has to exist.
pub(crate) fn load(explicit: Option<&Path>, env: &dyn Environment) -> Result<Loaded, ConnectError> {
    let mut loaded = Loaded::default();
    if let Some(path) = explicit.filter(|path| !path.as_os_str().is_empty()) {
        let document = read(path)?.ok_or_else(|| ConnectError::NoSuchKubeconfig(path.to_owned()))?;
        take(&mut loaded, document, path)?;
        return Ok(loaded);
    }
    for path in candidates(env) {
        match read(&path)? {
            Some(document) => take(&mut loaded, document, &path)?,
            None => loaded.missing.push(path),
        }
    }
    Ok(loaded)
}

fn candidates(env: &dyn Environment) -> Vec<PathBuf> {
    let Some(list) = env.var("KUBECONFIG").filter(|list| !list.is_empty()) else {
        return env.home().map(|home| home.join(".kube").join("config")).into_iter().collect();
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in std::env::split_paths(&list) {
        if !path.as_os_str().is_empty() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

fn read(path: &Path) -> Result<Option<Value>, ConnectError> {
    let wrong = |reason: String| ConnectError::Kubeconfig { path: path.to_owned(), reason };
    match read_text(path) {
        Ok(text) => parse(&text).map(Some).map_err(wrong),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let action = if error.kind() == ErrorKind::IsADirectory { "read" } else { "open" };
            Err(wrong(format!("{action} {}: {}", path.display(), io_words(&error))))
        }
    }
}

/// Reads a file in one of the encodings that editors write.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path)?;
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units).map_err(|_| Error::new(ErrorKind::InvalidData, "invalid UTF-16"))
    };
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => {
            String::from_utf8(rest.to_vec()).map_err(|_| Error::new(ErrorKind::InvalidData, "invalid UTF-8"))
        }
        _ => String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "invalid UTF-8")),
    }
}

/// Reads the first document of a file; of a key that stands twice the last one counts, as in Go.
///
/// A bad file is described without quoting it, for it may hold tokens.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut options = yaml::options();
    options.duplicate_keys = DuplicateKeyPolicy::LastWins;
    if let Some(budget) = &mut options.budget {
        budget.max_nodes = MOST_NODES;
        budget.max_events = 4 * MOST_NODES;
        budget.max_total_scalar_bytes = usize::MAX;
    }
    let mut documents: Vec<Value> =
        serde_yaml::from_multiple_with_options(text, options).map_err(|error| match error.location() {
            Some(at) => format!("yaml: line {}: the file is not YAML", at.line()),
            None => "yaml: the file is not YAML".to_owned(),
        })?;
    if documents.is_empty() {
        return Ok(Value::Null);
    }
    match documents.swap_remove(0) {
        document @ (Value::Object(_) | Value::Null) => Ok(document),
        _ => Err("yaml: the file is not a kubeconfig: an object is expected".to_owned()),
    }
}

/// Merges a file's document into what was read before.
fn take(loaded: &mut Loaded, mut document: Value, path: &Path) -> Result<(), ConnectError> {
    let wrong = |reason: String| ConnectError::Kubeconfig { path: path.to_owned(), reason };
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if !matches!(kind, "" | "Config") || !matches!(version, "" | "v1") {
        let version = if version.is_empty() { "v1" } else { version };
        return Err(wrong(format!(
            "no kind \"{}\" is registered for version \"{}\"",
            one_line(if kind.is_empty() { "Config" } else { kind }),
            one_line(version)
        )));
    }
    let current = text("current-context").to_owned();
    if loaded.current_context.is_none() && !current.is_empty() {
        loaded.current_context = Some(current);
    }
    for (list, entries) in
        [("clusters", &mut loaded.clusters), ("users", &mut loaded.users), ("contexts", &mut loaded.contexts)]
    {
        let items = match document.get_mut(list).map(Value::take) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(items)) => items,
            Some(_) => return Err(wrong(format!("yaml: {list}: a list is expected"))),
        };
        let mut own = Entries::new();
        for value in items {
            let name = value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let times = own.get(&name).map_or(1, |entry| entry.times + 1);
            own.insert(name, Entry { value, file: path.to_owned(), times });
        }
        for (name, entry) in own {
            entries.entry(name).or_insert(entry);
        }
    }
    loaded.files.push(path.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests;
