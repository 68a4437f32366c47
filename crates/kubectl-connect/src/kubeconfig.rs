//! Finds, reads and merges kubeconfig files by client-go's rules.
//!
//! Parsing and merging are kube's; which files count, and what is said about a bad one, is decided here.

use std::io::ErrorKind;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use kube::config::{Kubeconfig, KubeconfigError};

use crate::words::{io_words, one_line};
use crate::{ConnectError, Environment};

/// The merged kubeconfig and where it came from.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) config: Kubeconfig,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) missing: Vec<PathBuf>,
}

/// Reads the file given by flag, else those of `KUBECONFIG`, else `~/.kube/config`.
///
/// Only a file that was named by flag has to exist.
pub(crate) fn load(explicit: Option<&Path>, env: &dyn Environment) -> Result<Loaded, ConnectError> {
    if let Some(path) = explicit.filter(|path| !path.as_os_str().is_empty()) {
        let config = read(path)?.ok_or_else(|| ConnectError::NoSuchKubeconfig(path.to_owned()))?;
        return Ok(Loaded { config, files: vec![path.to_owned()], missing: Vec::new() });
    }
    let mut loaded = Loaded::default();
    for path in candidates(env) {
        match read(&path)? {
            Some(config) => {
                loaded.config = merge(loaded.config, config, &path)?;
                loaded.files.push(path);
            }
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

fn read(path: &Path) -> Result<Option<Kubeconfig>, ConnectError> {
    match Kubeconfig::read_from(path) {
        Ok(config) => Ok(Some(tidy(config))),
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConnectError::Kubeconfig { path: path.to_owned(), reason: reason(&error, path) }),
    }
}

fn merge(first: Kubeconfig, mut next: Kubeconfig, path: &Path) -> Result<Kubeconfig, ConnectError> {
    // client-go merges without looking at these; kube refuses a mismatch.
    next.kind = None;
    next.api_version = None;
    first.merge(next).map_err(|error| ConnectError::Kubeconfig {
        path: path.to_owned(),
        reason: one_line(&error.to_string()),
    })
}

/// Describes a bad file without quoting it, for it may hold tokens.
fn reason(error: &KubeconfigError, path: &Path) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) => {
            let action = if error.kind() == ErrorKind::IsADirectory { "read" } else { "open" };
            format!("{action} {}: {}", path.display(), io_words(error))
        }
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!("yaml: line {}: the file is not a kubeconfig", at.line()),
            None => "yaml: the file is not a kubeconfig".to_owned(),
        },
        other => one_line(&other.to_string()),
    }
}

/// Turns empty values into absent ones, as client-go reads them.
///
/// kube has joined relative paths with the file's folder by now, so an empty path ends with a separator.
fn tidy(mut config: Kubeconfig) -> Kubeconfig {
    config.current_context = config.current_context.filter(|name| !name.is_empty());
    for cluster in config.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        drop_empty_path(&mut cluster.certificate_authority);
        for text in [
            &mut cluster.server,
            &mut cluster.certificate_authority_data,
            &mut cluster.proxy_url,
            &mut cluster.tls_server_name,
        ] {
            drop_empty(text);
        }
    }
    for user in config.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        for path in [&mut user.client_certificate, &mut user.client_key, &mut user.token_file] {
            drop_empty_path(path);
        }
        for text in [&mut user.client_certificate_data, &mut user.username, &mut user.impersonate] {
            drop_empty(text);
        }
        for secret in [&mut user.token, &mut user.password, &mut user.client_key_data] {
            if secret.as_ref().is_some_and(|value| secrecy::ExposeSecret::expose_secret(value).is_empty()) {
                *secret = None;
            }
        }
    }
    for context in config.contexts.iter_mut().filter_map(|named| named.context.as_mut()) {
        drop_empty(&mut context.user);
        drop_empty(&mut context.namespace);
    }
    config
}

fn drop_empty(text: &mut Option<String>) {
    if text.as_ref().is_some_and(String::is_empty) {
        *text = None;
    }
}

fn drop_empty_path(path: &mut Option<String>) {
    if path.as_ref().is_some_and(|path| path.is_empty() || path.ends_with(MAIN_SEPARATOR)) {
        *path = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FixedEnvironment;
    use std::fs;

    const FIRST: &str = "
kind: Config
apiVersion: v1
current-context: ''
clusters:
- name: c
  cluster: {server: 'https://first', certificate-authority: ca.pem, tls-server-name: ''}
users:
- name: u
  user: {client-certificate: '', token: ''}
";
    const SECOND: &str = "
current-context: ctx
clusters:
- name: c
  cluster: {server: 'https://second'}
- name: d
  cluster: {server: 'https://d'}
contexts:
- name: ctx
  context: {cluster: d, user: '', namespace: ''}
";

    fn env(list: &[&Path]) -> FixedEnvironment {
        FixedEnvironment::default().with("KUBECONFIG", std::env::join_paths(list).unwrap())
    }

    #[test]
    fn merges_a_list_and_skips_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, missing] = ["a", "b", "missing"].map(|name| dir.path().join(name));
        fs::write(&first, FIRST).unwrap();
        fs::write(&second, SECOND).unwrap();
        let loaded = load(None, &env(&[&missing, Path::new(""), &first, &second, &first])).unwrap();
        assert_eq!(loaded.missing, [missing]);
        assert_eq!(loaded.files, [first, second]);
        let config = loaded.config;
        assert_eq!(config.current_context.as_deref(), Some("ctx"));
        assert_eq!(config.clusters.len(), 2);
        let cluster = config.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://first"));
        assert_eq!(cluster.certificate_authority.as_deref(), dir.path().join("ca.pem").to_str());
        assert_eq!(cluster.tls_server_name, None);
        let user = config.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!(user.client_certificate, None);
        assert!(user.token.is_none());
        let context = config.contexts[0].context.as_ref().unwrap();
        assert_eq!((context.user.as_ref(), context.namespace.as_ref()), (None, None));
    }

    #[test]
    fn nothing_configured_is_not_an_error() {
        let loaded = load(None, &FixedEnvironment::default()).unwrap();
        assert!(loaded.config.clusters.is_empty() && loaded.files.is_empty() && loaded.missing.is_empty());
        let home = FixedEnvironment { home: Some("/nonexistent".into()), ..Default::default() };
        assert_eq!(load(None, &home).unwrap().missing, [Path::new("/nonexistent/.kube/config")]);
    }

    #[test]
    fn a_file_named_by_flag_must_exist() {
        let error = load(Some(Path::new("/nonexistent/k")), &FixedEnvironment::default()).err().unwrap();
        assert_eq!(error.to_string(), "error: stat /nonexistent/k: no such file or directory");
    }

    #[test]
    fn says_what_is_wrong_without_quoting_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bad");
        fs::write(&file, "users:\n- name: u\n  user:\n    token: [s3cret\n").unwrap();
        let error = load(Some(&file), &FixedEnvironment::default()).err().unwrap().to_string();
        assert!(
            error.starts_with(&format!(
                "error: error loading config file \"{}\": yaml: line ",
                file.display()
            ))
        );
        assert!(!error.contains("s3cret"), "{error}");

        let error = load(None, &env(&[dir.path()])).err().unwrap().to_string();
        assert!(error.ends_with("is a directory"), "{error}");
    }
}
