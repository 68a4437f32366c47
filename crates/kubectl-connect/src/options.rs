//! The text of a plugin's `options` verb.

use clap::{Arg, Args, Command};

use crate::ConnectionArgs;

/// Returns the connection flags in the form in which `kubectl options` prints them.
pub fn options_help() -> String {
    let mut command = ConnectionArgs::augment_args(Command::new("options"));
    command.build();
    let mut flags: Vec<&Arg> = command.get_arguments().filter(|arg| arg.get_help().is_some()).collect();
    flags.retain(|arg| !matches!(arg.get_id().as_str(), "help" | "version"));
    flags.sort_by_key(|arg| arg.get_long());
    let mut text = String::from("The following options can be passed to any command:\n");
    for flag in flags {
        text.push('\n');
        text.push_str(&entry(flag));
    }
    text
}

fn entry(flag: &Arg) -> String {
    let short = flag.get_short().map_or(String::from("    "), |short| format!("-{short}, "));
    let long = flag.get_long().unwrap_or_default();
    let default = match flag.get_default_values().first() {
        Some(value) => value.to_string_lossy().into_owned(),
        None if flag.get_action().takes_values() && matches!(flag.get_action(), clap::ArgAction::Append) => {
            "[]".into()
        }
        None => "''".into(),
    };
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let help = if help.ends_with('.') { help } else { help + "." };
    format!("    {short}--{long}={default}:\n\t{help}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_all_flags_sorted_with_their_defaults() {
        let text = options_help();
        assert!(text.contains("    -n, --namespace='':\n\tIf present, the namespace scope"), "{text}");
        assert!(text.contains("        --as-group=[]:\n"), "{text}");
        assert!(text.contains("        --insecure-skip-tls-verify=false:\n"), "{text}");
        assert!(text.contains("    -v, --v=0:\n\tNumber for the log level verbosity.\n"), "{text}");
        assert!(text.find("--as=").unwrap() < text.find("--cache-dir").unwrap());
        assert!(!text.contains("--help"));
        assert_eq!(text.matches("--").count(), 29);
    }
}
