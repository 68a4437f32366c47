//! What `-f` and `-k` name: manifests read from files, folders, standard input or kustomize, and the objects in them that
//! roll out.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kubectl_terminal::Ui;
use kubectl_terminal::forms::yaml;
use rollout_core::Kind;
use serde_json::Value;

use super::args::ManifestSource;
use super::glob::{BadPattern, glob};
use crate::call::CliError;

/// The endings that a manifest in a folder has.
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// An object that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ManifestObject {
    /// The kind.
    pub kind: Kind,
    /// The namespace, if the manifest says one.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// What manifests hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifests {
    /// The objects that roll out, without repetition, in the order in which they stand.
    pub objects: Vec<ManifestObject>,
    /// How many objects do not.
    pub skipped: usize,
}

/// The ways in which manifests cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is no such path.
    #[error("the path {0:?} does not exist")]
    NoPath(String),
    /// There is no such path, and it is no pattern of paths either.
    #[error("pattern {pattern:?} is not valid: {source}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: BadPattern,
    },
    /// A path cannot be read.
    #[error("error reading {path:?}: {source}")]
    Read {
        /// The path.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// A folder holds no manifest.
    #[error("error reading [{0}]: recognized file extensions are [.json .yaml .yml]")]
    NoManifests(String),
    /// A text is neither YAML nor JSON.
    #[error("error parsing {path}: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// What the reader says.
        message: String,
    },
    /// An object that rolls out has no name.
    #[error("error in {path}: a {kind} without a name")]
    NoName {
        /// The file.
        path: String,
        /// The object's kind.
        kind: Kind,
    },
    /// Kustomize could not be started.
    #[error("cannot run {program:?} kustomize: {source}")]
    NoKustomize {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// Kustomize refused the folder.
    #[error("kustomize of {folder:?} ended with {status}: {message}")]
    Kustomize {
        /// The folder.
        folder: String,
        /// How it ended.
        status: String,
        /// What it said.
        message: String,
    },
}

/// Reads the manifests and finds the objects in them that roll out.
pub fn read(source: &ManifestSource, ui: &mut Ui) -> Result<Manifests, ManifestError> {
    let mut manifests = Manifests::default();
    for (path, document) in documents(source, ui)? {
        manifests.add(&path, &document)?;
    }
    Ok(manifests)
}

/// Reads the manifests' documents with the file of each; lists are taken apart into their items.
pub fn documents(source: &ManifestSource, ui: &mut Ui) -> Result<Vec<(String, Value)>, ManifestError> {
    let mut documents = Vec::new();
    for (path, text) in texts(source, ui)? {
        let values = yaml::documents(&text)
            .map_err(|message| ManifestError::Syntax { path: path.clone(), message })?;
        values.into_iter().for_each(|value| flatten(value, &path, &mut documents));
    }
    Ok(documents)
}

impl Manifests {
    fn add(&mut self, path: &str, document: &Value) -> Result<(), ManifestError> {
        let Some(kind) = kind_of(document) else {
            self.skipped += 1;
            return Ok(());
        };
        let meta = |name: &str| document.pointer(&format!("/metadata/{name}")).and_then(Value::as_str);
        let Some(name) = meta("name").filter(|name| !name.is_empty()) else {
            return Err(ManifestError::NoName { path: path.to_string(), kind });
        };
        let namespace = meta("namespace").filter(|namespace| !namespace.is_empty()).map(str::to_string);
        let object = ManifestObject { kind, namespace, name: name.to_string() };
        if !self.objects.contains(&object) {
            self.objects.push(object);
        }
        Ok(())
    }
}

/// Returns the kind of an object that rolls out; one of another group, however it is named, does not.
fn kind_of(document: &Value) -> Option<Kind> {
    let field = |name: &str| document.get(name).and_then(Value::as_str);
    let kind = field("kind")?;
    let (group, _) = field("apiVersion")?.split_once('/')?;
    Kind::ALL.into_iter().find(|known| group == "apps" && known.name() == kind)
}

/// Takes lists apart, also lists in lists.
fn flatten(document: Value, path: &str, out: &mut Vec<(String, Value)>) {
    let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match document {
        Value::Object(mut fields) if is_list && fields.get("items").is_some_and(Value::is_array) => {
            if let Some(Value::Array(items)) = fields.remove("items") {
                items.into_iter().for_each(|item| flatten(item, path, out));
            }
        }
        document => out.push((path.to_string(), document)),
    }
}

fn texts(source: &ManifestSource, ui: &mut Ui) -> Result<Vec<(String, String)>, ManifestError> {
    match source {
        ManifestSource::Kustomize(folder) => Ok(vec![(folder.clone(), kustomize(&kubectl(), folder)?)]),
        ManifestSource::Files { paths, recursive } => {
            let mut texts = Vec::new();
            for path in paths {
                if path == "-" {
                    let text = ui.read_stdin().map_err(|source| unreadable("STDIN", source))?;
                    texts.push(("STDIN".to_string(), text));
                    continue;
                }
                for path in expanded(path)? {
                    for file in files(&path, *recursive)? {
                        let name = file.display().to_string();
                        let text =
                            std::fs::read_to_string(&file).map_err(|source| unreadable(&name, source))?;
                        texts.push((name, text));
                    }
                }
            }
            Ok(texts)
        }
    }
}

fn unreadable(path: &str, source: io::Error) -> ManifestError {
    ManifestError::Read { path: path.to_string(), source }
}

/// Returns a path that exists as it is, whatever is in its name, and what else is a pattern the paths that match it
/// (k8s.io/cli-runtime, `pkg/resource/builder.go`, `expandIfFilePattern`).
fn expanded(path: &str) -> Result<Vec<String>, ManifestError> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(_) | Err(_) => return Ok(vec![path.to_string()]),
    }
    let found = glob(path).map_err(|source| ManifestError::Pattern { pattern: path.to_string(), source })?;
    if found.is_empty() { Err(ManifestError::NoPath(path.to_string())) } else { Ok(found) }
}

/// Returns the file itself, whatever its ending, or the manifests of a folder in the order of their names.
fn files(path: &str, recursive: bool) -> Result<Vec<PathBuf>, ManifestError> {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ManifestError::NoPath(path.to_string()));
        }
        Err(error) => return Err(unreadable(path, error)),
    };
    if !meta.is_dir() {
        return Ok(vec![PathBuf::from(path)]);
    }
    let mut found = Vec::new();
    folder(Path::new(path), recursive, &mut found).map_err(|source| unreadable(path, source))?;
    if found.is_empty() { Err(ManifestError::NoManifests(path.to_string())) } else { Ok(found) }
}

fn folder(path: &Path, recursive: bool, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, is_folder) = (entry.path(), entry.file_type()?.is_dir());
        let is_manifest = path.extension().and_then(|ending| ending.to_str());
        match is_folder {
            true if recursive => folder(&path, recursive, found)?,
            true => {}
            false if is_manifest.is_some_and(|ending| EXTENSIONS.contains(&ending)) => found.push(path),
            false => {}
        }
    }
    Ok(())
}

/// Returns the kubectl that called the plugin, or the one on PATH where it does not say.
fn kubectl() -> OsString {
    std::env::var_os("KUBECTL_PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| "kubectl".into())
}

/// Lets kubectl build a folder; kustomize is its business.
fn kustomize(program: &OsStr, folder: &str) -> Result<String, ManifestError> {
    let run = Command::new(program).arg("kustomize").arg(folder).stdin(Stdio::null()).output();
    let output = run.map_err(|source| ManifestError::NoKustomize {
        program: program.to_string_lossy().into_owned(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("error: ").to_string();
    Err(ManifestError::Kustomize { folder: folder.to_string(), status: output.status.to_string(), message })
}

impl From<ManifestError> for CliError {
    fn from(error: ManifestError) -> CliError {
        CliError::failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: prod}\n";

    fn object(kind: Kind, namespace: Option<&str>, name: &str) -> ManifestObject {
        ManifestObject { kind, namespace: namespace.map(str::to_string), name: name.to_string() }
    }

    fn from_stdin(text: &str) -> Result<Manifests, ManifestError> {
        let (mut ui, _) = Ui::captured_terminal(text, false);
        read(&ManifestSource::Files { paths: vec!["-".into()], recursive: false }, &mut ui)
    }

    #[test]
    fn documents_and_lists_are_taken_apart_and_the_rest_is_counted() {
        let text = format!(
            "{WEB}---\n# nothing\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web}}\n---\n{WEB}---\n\
             apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: StatefulSet\n  metadata: {{name: db}}\n\
             - apiVersion: argoproj.io/v1\n  kind: Deployment\n  metadata: {{name: other}}\n"
        );
        let manifests = from_stdin(&text).unwrap();
        let expected = [object(Kind::Deployment, Some("prod"), "web"), object(Kind::StatefulSet, None, "db")];
        assert_eq!(manifests.objects, expected);
        assert_eq!(manifests.skipped, 2);
    }

    #[test]
    fn json_is_read_also_several_documents_of_it() {
        let one = r#"{"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"NAME"}}"#;
        let text = format!("{}\n{}", one.replace("NAME", "a"), one.replace("NAME", "b"));
        let names: Vec<_> =
            from_stdin(&text).unwrap().objects.into_iter().map(|object| object.name).collect();
        assert_eq!(names, ["a", "b"]);
        let list = format!(r#"{{"apiVersion":"apps/v1","kind":"DaemonSetList","items":[{one}]}}"#);
        assert_eq!(from_stdin(&list).unwrap().objects, [object(Kind::DaemonSet, None, "NAME")]);
    }

    #[test]
    fn folders_are_read_in_order_and_deeply_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, object: &str| {
            std::fs::write(folder.path().join(name), WEB.replace("web", object)).unwrap();
        };
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        write("b.yaml", "b");
        write("a.yml", "a");
        write("c.txt", "c");
        write("deep/d.json", "d");
        let path = folder.path().display().to_string();
        for (recursive, expected) in [(false, vec!["a", "b"]), (true, vec!["a", "b", "d"])] {
            let (mut ui, _) = Ui::captured();
            let source = ManifestSource::Files { paths: vec![path.clone()], recursive };
            let manifests = read(&source, &mut ui).unwrap();
            let names: Vec<_> = manifests.objects.iter().map(|object| object.name.as_str()).collect();
            assert_eq!(names, expected);
        }
        let (mut ui, _) = Ui::captured();
        let source = ManifestSource::Files { paths: vec![format!("{path}/c.txt")], recursive: false };
        assert_eq!(read(&source, &mut ui).unwrap().objects.len(), 1, "a file given by name needs no ending");
    }

    #[test]
    fn what_is_no_path_is_a_pattern_of_paths() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yaml", "c.json", "[x].yaml"] {
            let object = name.split('.').next().unwrap_or_default().trim_matches(['[', ']']);
            std::fs::write(folder.path().join(name), WEB.replace("web", object)).unwrap();
        }
        let path = folder.path().display().to_string();
        let names = |pattern: &str| -> Result<Vec<String>, String> {
            let (mut ui, _) = Ui::captured();
            let source = ManifestSource::Files { paths: vec![format!("{path}/{pattern}")], recursive: false };
            let manifests = read(&source, &mut ui).map_err(|error| error.to_string())?;
            Ok(manifests.objects.into_iter().map(|object| object.name).collect())
        };
        assert_eq!(names("[ab].yaml").unwrap(), ["a", "b"]);
        assert_eq!(names("?.*").unwrap(), ["a", "b", "c"]);
        assert_eq!(names("[x].yaml").unwrap(), ["x"], "what exists is no pattern");
        assert_eq!(names("*.yml").unwrap_err(), format!("the path \"{path}/*.yml\" does not exist"));
        let bad = format!("pattern \"{path}/[.yaml\" is not valid: syntax error in pattern");
        assert_eq!(names("[.yaml").unwrap_err(), bad);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, message) in [
            (
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {}\n",
                "error in STDIN: a deployment without a name",
            ),
            ("a: [", "error parsing STDIN: "),
        ] {
            let error = from_stdin(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        let (mut ui, _) = Ui::captured();
        let source = ManifestSource::Files { paths: vec!["no-such-file".into()], recursive: false };
        assert_eq!(
            read(&source, &mut ui).unwrap_err().to_string(),
            "the path \"no-such-file\" does not exist"
        );
        let empty = tempfile::tempdir().unwrap();
        let source =
            ManifestSource::Files { paths: vec![empty.path().display().to_string()], recursive: false };
        let error = read(&source, &mut ui).unwrap_err().to_string();
        assert!(error.ends_with("recognized file extensions are [.json .yaml .yml]"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn kustomize_is_left_to_kubectl() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("kubectl");
        let script = "#!/bin/sh\n[ \"$1 $2\" = 'kustomize good' ] && echo built && exit\necho 'error: no kustomization' >&2\nexit 1\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(kustomize(program.as_os_str(), "good").unwrap(), "built\n");
        assert_eq!(
            kustomize(program.as_os_str(), "bad").unwrap_err().to_string(),
            "kustomize of \"bad\" ended with exit status: 1: no kustomization"
        );
        let error = kustomize(OsStr::new("/no/such/kubectl"), "good").unwrap_err().to_string();
        assert!(error.starts_with("cannot run \"/no/such/kubectl\" kustomize: "), "{error}");
    }
}
