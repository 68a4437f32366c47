//! kuberc's say in which credential helpers may run (`credentialPluginPolicy`, `credentialPluginAllowlist`).
//!
//! kubectl refuses the helpers that the user did not allow; a plugin that ignored this would run them all the same.

use std::path::{Path, PathBuf};

use super::CredentialError;
use super::command::{Unfound, clean, look_path};
use super::kuberc::{self, Entry};
use crate::words::told;
use crate::{ConnectError, Environment};

/// A helper as it was asked for and as it will be run.
pub(crate) struct Candidate<'a> {
    /// The command as the kubeconfig names it, shortened.
    pub(crate) command: &'a str,
    /// The program that it leads to.
    pub(crate) program: &'a Result<PathBuf, Unfound>,
}

/// Refuses a helper that the user's kuberc does not allow.
pub(crate) fn check(
    candidate: &Candidate<'_>,
    flag: Option<&Path>,
    env: &dyn Environment,
) -> Result<(), ConnectError> {
    let Some(preference) = kuberc::load(flag, env)? else { return Ok(()) };
    let policy = preference.credential_plugin_policy.as_deref().unwrap_or_default();
    let list = preference.credential_plugin_allowlist;
    match policy {
        "" | "AllowAll" | "DenyAll" if list.is_some() => Err(misconfigured(format!(
            "misconfigured credential plugin allowlist: plugin policy is \"{policy}\" but allowlist is non-nil"
        ))),
        "" | "AllowAll" => Ok(()),
        "DenyAll" => {
            Err(refusal(format!("plugin \"{}\" not allowed: policy set to \"DenyAll\"", candidate.command)))
        }
        "Allowlist" => check_list(candidate, &entries(list.as_deref())?, env),
        other => Err(misconfigured(format!("unknown plugin policy: \"{}\"", told(other)))),
    }
}

fn misconfigured(reason: String) -> ConnectError {
    ConnectError::Unusable(reason)
}

fn refusal(message: String) -> ConnectError {
    let hint = Some("kuberc decides which credential plugins may run".to_owned());
    CredentialError { message, hint }.of_helper().into()
}

/// Returns what is allowed; a list that says nothing, or not what it seems to, is a mistake.
fn entries(list: Option<&[Entry]>) -> Result<Vec<String>, ConnectError> {
    let wrong = |reason: String| Err(misconfigured(reason));
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
    for (index, entry) in list.iter().enumerate() {
        let command = entry.command();
        let cleaned = clean(command);
        if command.is_empty() {
            return wrong(format!(
                "misconfigured credential plugin allowlist: empty allowlist entry #{}",
                index + 1
            ));
        }
        if cleaned != command {
            return wrong(format!(
                "non-normalized file path: \"{}\" vs \"{}\"",
                told(command),
                told(&cleaned)
            ));
        }
        commands.push(command.to_owned());
    }
    Ok(commands)
}

/// Allows a command that is listed verbatim, or whose program is listed or is what a listed name leads to.
fn check_list(
    candidate: &Candidate<'_>,
    allowed: &[String],
    env: &dyn Environment,
) -> Result<(), ConnectError> {
    if allowed.iter().any(|entry| entry == candidate.command) {
        return Ok(());
    }
    let program = match candidate.program {
        Ok(program) => program,
        Err(reason) => {
            return Err(refusal(format!(
                "plugin path \"{0}\" cannot be resolved for credential plugin allowlist check: exec: \"{0}\": {reason}",
                candidate.command
            )));
        }
    };
    let same_name = |entry: &str| Path::new(entry).file_name() == program.file_name();
    let leads_here = |entry: &String| {
        Path::new(entry) == program
            || same_name(entry) && look_path(entry, env).is_ok_and(|path| path == *program)
    };
    if allowed.iter().any(leads_here) {
        return Ok(());
    }
    Err(refusal(format!(
        "plugin path \"{}\" is not permitted by the credential plugin allowlist",
        program.display()
    )))
}

#[cfg(test)]
#[cfg(unix)]
#[path = "policy_tests.rs"]
mod tests;
