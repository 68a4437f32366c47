//! Reads the part of kuberc that says which credential helpers may run, by kubectl's rules (`pkg/kuberc/marshal.go`):
//! the first document that is a `Preference` of a known version counts, whatever else the file holds.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::words::io_words;
use crate::{ConnectError, Environment, yaml};

const GROUP: &str = "kubectl.config.k8s.io/";

/// What kuberc says about credential helpers.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Preference {
    pub(super) credential_plugin_policy: Option<String>,
    pub(super) credential_plugin_allowlist: Option<Vec<Entry>>,
}

/// An allowed helper; `name` is what Kubernetes 1.35 called `command`, and a file for both says it twice.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Entry {
    name: Option<String>,
    command: Option<String>,
}

impl Entry {
    /// Returns the command, empty where there is none.
    pub(super) fn command(&self) -> &str {
        let given = |text: &'_ Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let either = if given(&self.command) { &self.command } else { &self.name };
        either.as_deref().unwrap_or_default()
    }
}

/// Reads the kuberc file in force, if there is one.
pub(super) fn load(flag: Option<&Path>, env: &dyn Environment) -> Result<Option<Preference>, ConnectError> {
    let flag = flag.filter(|path| !path.as_os_str().is_empty());
    if env.text("KUBECTL_KUBERC").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        return Ok(None);
    }
    let variable = env.text("KUBERC");
    if variable.as_deref() == Some("off") {
        return match flag {
            None => Ok(None),
            Some(_) => Err(ConnectError::Unusable(
                "kuberc error disabling kuberc via KUBERC=off and passing kuberc flag are mutually exclusive"
                    .to_owned(),
            )),
        };
    }
    let named = flag.map(Path::to_owned).or_else(|| variable.map(PathBuf::from));
    let explicit = named.is_some();
    let Some(path) = named.or_else(|| env.home().map(|home| home.join(".kube").join("kuberc"))) else {
        return Ok(None);
    };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if !explicit && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&format!("open {}: {}", path.display(), io_words(&error)))),
    };
    let text = String::from_utf8_lossy(&bytes);
    match first_known(&text).map_err(|reason| wrong(&format!("{}: {reason}", path.display())))? {
        Some(preference) => Ok(Some(preference)),
        None if explicit && documents(&text).iter().any(|document| !document.trim().is_empty()) => {
            Err(wrong(&format!("no valid preferences found in {}, use --v=5 to see details", path.display())))
        }
        None => Ok(None),
    }
}

/// Returns the first document that kubectl would use.
///
/// kubectl also skips one that it cannot read. Here that is an error where it speaks of credential helpers: a mistake must not
/// allow what was meant to be forbidden.
fn first_known(text: &str) -> Result<Option<Preference>, String> {
    for document in documents(text) {
        if document.trim().is_empty() {
            continue;
        }
        let about_helpers = document.contains("credentialPlugin");
        let unreadable = "the document about credential plugins cannot be read".to_owned();
        let value = match yaml::from_str::<Value>(&document) {
            Ok(value) => value,
            Err(_) if about_helpers => return Err(unreadable),
            Err(_) => continue,
        };
        let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let version = field("apiVersion").strip_prefix(GROUP).unwrap_or_default();
        match (field("kind"), version) {
            ("Preference", "v1beta1") => {}
            // It has no word about helpers.
            ("Preference", "v1alpha1") => return Ok(Some(Preference::default())),
            _ => continue,
        }
        let preference: Preference = match serde_json::from_value(value) {
            Ok(preference) => preference,
            Err(_) if about_helpers => return Err(unreadable),
            Err(_) => continue,
        };
        for entry in preference.credential_plugin_allowlist.iter().flatten() {
            if let (Some(name), Some(command)) = (&entry.name, &entry.command)
                && !name.is_empty()
                && !command.is_empty()
                && name != command
            {
                return Err(
                    "both `Name` and `Command` were supplied with different values. `Name` is deprecated, \
                            use `Command` instead"
                        .to_owned(),
                );
            }
        }
        return Ok(Some(preference));
    }
    Ok(None)
}

/// Splits a file at its `---` lines, so that one broken document spoils no other.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        let rest = line.strip_prefix("---").map(str::trim);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    documents
}

fn wrong(reason: &str) -> ConnectError {
    ConnectError::Unusable(format!("kuberc error kuberc: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";

    fn policy(text: &str) -> Result<Option<String>, String> {
        first_known(text)
            .map(|found| found.map(|preference| preference.credential_plugin_policy.unwrap_or_default()))
    }

    #[test]
    fn the_first_known_document_counts() {
        let deny = format!("{KNOWN}credentialPluginPolicy: DenyAll\n");
        let denied = Ok(Some("DenyAll".to_owned()));
        assert_eq!(policy(&deny), denied);
        for before in [
            "apiVersion: kubectl.config.k8s.io/v9\nkind: Preference\ncredentialPluginPolicy: AllowAll\n",
            "credentialPluginPolicy: AllowAll\n",
            "apiVersion: v1\nkind: ConfigMap\n",
            "a: [\n",
            "",
        ] {
            assert_eq!(policy(&format!("{before}---\n{deny}")), denied, "{before}");
            assert_eq!(policy(&format!("---\n{before}--- # more\n{deny}")), denied, "{before}");
        }
        let alpha = "apiVersion: kubectl.config.k8s.io/v1alpha1\nkind: Preference\n";
        assert_eq!(policy(&format!("{alpha}---\n{deny}")), Ok(Some(String::new())));
        assert_eq!(policy("a: [\n"), Ok(None));
    }

    #[test]
    fn a_mistake_about_helpers_is_never_read_as_allowed() {
        for text in ["credentialPluginPolicy: [\n", "credentialPluginAllowlist: 5\n"] {
            assert!(policy(&format!("{KNOWN}{text}")).is_err(), "{text}");
        }
        let both = format!("{KNOWN}credentialPluginAllowlist: [{{name: a, command: b}}]\n");
        assert!(policy(&both).unwrap_err().starts_with("both `Name` and `Command` were supplied"));
    }

    #[test]
    fn one_file_serves_old_and_new_kubectls() {
        let text =
            format!("{KNOWN}credentialPluginAllowlist: [{{name: a, command: a}}, {{name: b}}, {{}}]\n");
        let list = first_known(&text).unwrap().unwrap().credential_plugin_allowlist.unwrap();
        assert_eq!(list.iter().map(Entry::command).collect::<Vec<_>>(), ["a", "b", ""]);
    }

    proptest::proptest! {
        /// Whatever stands in front of it, a policy is found or the file is refused; never is it passed over.
        #[test]
        fn a_policy_is_never_lost(before in "([-{}\\[\\]:,&*!|>'\"%@`#?a-z0-9 \t]|kind: |\nkind: Other|\n){0,80}") {
            let deny = format!("{KNOWN}credentialPluginPolicy: DenyAll\n");
            match policy(&format!("{before}\n---\n{deny}")) {
                Ok(found) => proptest::prop_assert_eq!(found.as_deref(), Some("DenyAll")),
                Err(reason) => proptest::prop_assert!(reason.contains("credential plugins"), "{}", reason),
            }
        }
    }
}
