//! kuberc's say in which credential helpers may run (`credentialPluginPolicy`, `credentialPluginAllowlist`).
//!
//! kubectl refuses the helpers that the user did not allow; a plugin that ignored this would run them all the same.

use std::path::{Path, PathBuf};

use kube::config::ExecConfig;
use serde::Deserialize;

use super::CredentialError;
use crate::words::io_words;
use crate::{ConnectError, Environment};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Preference {
    credential_plugin_policy: Option<String>,
    credential_plugin_allowlist: Option<Vec<Entry>>,
}

/// An allowed helper; `name` is what Kubernetes 1.35 called `command`.
#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "name")]
    command: Option<String>,
}

/// Refuses a helper that the user's kuberc does not allow.
pub(crate) fn check(
    exec: &ExecConfig,
    flag: Option<&Path>,
    env: &dyn Environment,
) -> Result<(), ConnectError> {
    let Some(preference) = load(flag, env)? else { return Ok(()) };
    let policy = preference.credential_plugin_policy.as_deref().unwrap_or_default();
    let list = preference.credential_plugin_allowlist;
    let command = exec.command.as_deref().unwrap_or_default();
    match policy {
        "" | "AllowAll" | "DenyAll" if list.is_some() => Err(ConnectError::Unusable(format!(
            "misconfigured credential plugin allowlist: plugin policy is \"{policy}\" but allowlist is non-nil"
        ))),
        "" | "AllowAll" => Ok(()),
        "DenyAll" => Err(refusal(format!("plugin \"{command}\" not allowed: policy set to \"DenyAll\""))),
        "Allowlist" => check_list(command, &entries(list)?, env),
        other => Err(ConnectError::Unusable(format!("unknown plugin policy: \"{other}\""))),
    }
}

fn refusal(message: String) -> ConnectError {
    CredentialError { message, hint: Some("kuberc decides which credential plugins may run".to_owned()) }
        .into()
}

fn entries(list: Option<Vec<Entry>>) -> Result<Vec<String>, ConnectError> {
    let wrong = |reason: String| Err(ConnectError::Unusable(reason));
    let Some(list) = list else {
        return wrong(
            "credential plugin policy set to \"Allowlist\", but allowlist is unspecified".to_owned(),
        );
    };
    if list.is_empty() {
        return wrong(
            "credential plugin policy set to \"Allowlist\", but allowlist is empty; use \"DenyAll\" policy instead"
                .to_owned(),
        );
    }
    let mut commands = Vec::new();
    for (index, entry) in list.into_iter().enumerate() {
        match entry.command.filter(|command| !command.is_empty()) {
            Some(command) => commands.push(command),
            None => {
                return wrong(format!(
                    "misconfigured credential plugin allowlist: empty allowlist entry #{}",
                    index + 1
                ));
            }
        }
    }
    Ok(commands)
}

/// Allows a command that is listed verbatim or that a listed name of the same base resolves to.
fn check_list(command: &str, allowed: &[String], env: &dyn Environment) -> Result<(), ConnectError> {
    if allowed.iter().any(|entry| entry == command) {
        return Ok(());
    }
    let Some(path) = look_path(command, env) else {
        return Err(refusal(format!(
            "plugin path \"{command}\" cannot be resolved for credential plugin allowlist check: \
             exec: \"{command}\": executable file not found in $PATH"
        )));
    };
    if allowed.iter().any(|entry| look_path(entry, env).is_some_and(|resolved| resolved == path)) {
        return Ok(());
    }
    Err(refusal(format!(
        "plugin path \"{}\" is not permitted by the credential plugin allowlist",
        path.display()
    )))
}

/// Finds a command as a shell would.
fn look_path(command: &str, env: &dyn Environment) -> Option<PathBuf> {
    if command.contains(std::path::MAIN_SEPARATOR) {
        return Some(PathBuf::from(command)).filter(|path| path.is_file());
    }
    let path = env.var("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(command)).find(|candidate| candidate.is_file())
}

/// Reads the kuberc file in force, if there is one.
fn load(flag: Option<&Path>, env: &dyn Environment) -> Result<Option<Preference>, ConnectError> {
    let flag = flag.filter(|path| !path.as_os_str().is_empty());
    if env.text("KUBECTL_KUBERC").as_deref() == Some("false") {
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
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, &path).map(Some),
        Err(error) if !explicit && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path, &io_words(&error))),
    }
}

/// Reads the first document; an unreadable policy is an error, never "all allowed".
fn parse(text: &str, path: &Path) -> Result<Preference, ConnectError> {
    let documents: Vec<Preference> = serde_yaml::from_multiple(text)
        .map_err(|_| unreadable(path, "the file is not a kuberc preference"))?;
    Ok(documents.into_iter().next().unwrap_or_default())
}

fn unreadable(path: &Path, reason: &str) -> ConnectError {
    ConnectError::Unusable(format!("kuberc error kuberc: open {}: {reason}", path.display()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::FixedEnvironment;

    struct Case {
        dir: tempfile::TempDir,
    }

    impl Case {
        fn new(kuberc: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join(".kube")).unwrap();
            std::fs::create_dir(dir.path().join("bin")).unwrap();
            std::fs::write(dir.path().join("bin/helper"), "").unwrap();
            std::fs::write(dir.path().join(".kube/kuberc"), kuberc).unwrap();
            Self { dir }
        }

        fn env(&self) -> FixedEnvironment {
            let env = FixedEnvironment { home: Some(self.dir.path().to_owned()), ..Default::default() };
            env.with("PATH", self.dir.path().join("bin"))
        }

        fn says(&self, command: &str) -> String {
            said(check(&exec(command), None, &self.env()))
        }
    }

    fn exec(command: &str) -> ExecConfig {
        ExecConfig { command: Some(command.to_owned()), ..ExecConfig::default() }
    }

    fn said(result: Result<(), ConnectError>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn allows_all_without_a_policy() {
        assert_eq!(Case::new("kind: Preference\ndefaults: []\n").says("helper"), "");
        assert_eq!(Case::new("credentialPluginPolicy: AllowAll\n").says("helper"), "");
        assert_eq!(said(check(&exec("x"), None, &FixedEnvironment::default())), "");
    }

    #[test]
    fn denies_all() {
        assert_eq!(
            Case::new("credentialPluginPolicy: DenyAll\n").says("helper"),
            "Unable to connect to the server: getting credentials: plugin \"helper\" not allowed: policy set to \"DenyAll\""
        );
    }

    #[test]
    fn the_list_matches_names_and_resolved_paths() {
        let by_name =
            Case::new("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- name: helper\n");
        let path = by_name.dir.path().join("bin/helper");
        assert_eq!(by_name.says("helper"), "");
        assert_eq!(by_name.says(path.to_str().unwrap()), "");
        assert!(by_name.says("other").contains("cannot be resolved"));
        let by_path = |allowed: &str| {
            let list = format!(
                "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: {allowed}\n"
            );
            std::fs::write(by_name.dir.path().join(".kube/kuberc"), list).unwrap();
            by_name.says("helper")
        };
        assert_eq!(by_path(path.to_str().unwrap()), "");
        assert!(by_path("/bin/other").contains("is not permitted by the credential plugin allowlist"));
    }

    #[test]
    fn a_mistake_is_never_read_as_allowed() {
        for kuberc in [
            "credentialPluginPolicy: Allowlist\n",
            "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: []\n",
            "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{name: ''}]\n",
            "credentialPluginPolicy: Nonsense\n",
            "credentialPluginAllowlist: [{name: helper}]\n",
            "credentialPluginPolicy: [\n",
        ] {
            assert_ne!(Case::new(kuberc).says("helper"), "", "{kuberc}");
        }
    }

    #[test]
    fn can_be_turned_off_and_pointed_elsewhere() {
        let deny = Case::new("credentialPluginPolicy: DenyAll\n");
        let file = deny.dir.path().join(".kube/kuberc");
        assert_eq!(said(check(&exec("x"), None, &deny.env().with("KUBERC", "off"))), "");
        assert_eq!(said(check(&exec("x"), None, &deny.env().with("KUBECTL_KUBERC", "false"))), "");
        assert!(
            said(check(&exec("x"), Some(&file), &deny.env().with("KUBERC", "off")))
                .contains("mutually exclusive")
        );
        assert!(said(check(&exec("x"), Some(&file), &FixedEnvironment::default())).contains("DenyAll"));
        let missing = FixedEnvironment::default().with("KUBERC", "/nonexistent/kuberc");
        assert!(said(check(&exec("x"), None, &missing)).contains("no such file or directory"));
    }
}
