//! Why no connection could be set up, in kubectl's words.

use std::path::PathBuf;

/// Everything that can fail before the first request; its text is the whole sentence that kubectl prints.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The file named by `--kubeconfig` is not there.
    #[error("error: stat {path}: no such file or directory", path = .0.display())]
    NoSuchKubeconfig(PathBuf),

    /// A kubeconfig file cannot be read or understood.
    #[error("error: error loading config file \"{path}\": {reason}", path = .path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A flag names a cluster or a user that the kubeconfig does not hold.
    #[error("error: {}", absence(what, name))]
    Missing {
        /// What was looked for: `cluster` or `auth info`.
        what: &'static str,
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },

    /// The context in use is not in the kubeconfig.
    #[error("Error in configuration: context was not found for specified context: {name}")]
    NoSuchContext {
        /// The name that `--context` or `current-context` gives.
        name: String,
        /// The contexts that exist.
        known: Vec<String>,
    },

    /// The kubeconfig contradicts itself.
    #[error("{}", configuration(.0))]
    Configuration(Vec<String>),

    /// No credentials could be obtained.
    #[error("Unable to connect to the server: {message}")]
    Credentials {
        /// What went wrong with the credential helper.
        message: String,
        /// What might help.
        hint: Option<String>,
    },

    /// A flag, a certificate or an address cannot be used.
    #[error("error: {0}")]
    Unusable(String),
}

impl ConnectError {
    /// Returns advice, where there is some.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchKubeconfig(path) if path.starts_with("~") => {
                Some("the shell replaces ~ only at the start of a word; write $HOME".to_owned())
            }
            Self::Missing { what, known, .. } if known.is_empty() => {
                Some(format!("the kubeconfig has no {what}"))
            }
            Self::NoSuchContext { known, .. } if known.is_empty() => {
                Some("the kubeconfig has no context".to_owned())
            }
            Self::Missing { known, .. } | Self::NoSuchContext { known, .. } => {
                Some(format!("the kubeconfig has {}", list(known)))
            }
            Self::Credentials { hint, .. } => hint.clone(),
            Self::NoSuchKubeconfig(_)
            | Self::Kubeconfig { .. }
            | Self::Configuration(_)
            | Self::Unusable(_) => None,
        }
    }
}

/// Joins names, cutting a long list short.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// Says in client-go's two ways what is not there.
fn absence(what: &str, name: &str) -> String {
    match what {
        "cluster" => format!("no server found for cluster \"{name}\""),
        _ => format!("{what} \"{name}\" does not exist"),
    }
}

fn configuration(problems: &[String]) -> String {
    match problems {
        [one] => format!("error: {one}"),
        many => format!("Error in configuration: \n* {}", many.join("\n* ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_kubectl_does() {
        let known = vec!["a".to_owned(), "b".to_owned()];
        let missing = ConnectError::NoSuchContext { name: "x".into(), known: known.clone() };
        assert_eq!(
            missing.to_string(),
            "Error in configuration: context was not found for specified context: x"
        );
        assert_eq!(missing.hint().as_deref(), Some("the kubeconfig has a, b"));
        let missing = ConnectError::Missing { what: "cluster", name: "x".into(), known };
        assert_eq!(missing.to_string(), "error: no server found for cluster \"x\"");
        assert_eq!(missing.hint().as_deref(), Some("the kubeconfig has a, b"));
        assert_eq!(
            ConnectError::Configuration(vec!["a".into(), "b".into()]).to_string(),
            "Error in configuration: \n* a\n* b"
        );
        assert_eq!(
            ConnectError::NoSuchKubeconfig("/x".into()).to_string(),
            "error: stat /x: no such file or directory"
        );
        assert!(ConnectError::NoSuchKubeconfig("~/x".into()).hint().is_some());
    }
}
