//! kubectl's connection flags, as typed. What they mean is resolved in `settings`.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::ArgAction;
use secrecy::SecretString;

use crate::{ProcessEnvironment, kubeconfig};

/// All of kubectl's connection flags, hidden from `-h` and taken before or after a subcommand.
///
/// [`options_help`](crate::options_help) prints them for a plugin's `options` verb.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ConnectionArgs {
    /// Username to impersonate for the operation. User could be a regular user or a service account in a namespace.
    #[arg(long = "as", value_name = "USER", global = true, hide = true)]
    pub impersonate: Option<String>,

    /// Group to impersonate for the operation, this flag can be repeated to specify multiple groups.
    #[arg(long = "as-group", value_name = "GROUP", global = true, hide = true, action = ArgAction::Append)]
    pub impersonate_groups: Vec<String>,

    /// UID to impersonate for the operation.
    #[arg(long = "as-uid", value_name = "UID", global = true, hide = true)]
    pub impersonate_uid: Option<String>,

    /// User extras to impersonate for the operation, this flag can be repeated to specify multiple values for the same key.
    #[arg(long = "as-user-extra", value_name = "KEY=VALUE", global = true, hide = true, action = ArgAction::Append)]
    pub impersonate_extra: Vec<String>,

    /// Default cache directory.
    #[arg(long, value_name = "DIR", global = true, hide = true)]
    pub cache_dir: Option<PathBuf>,

    /// Path to a cert file for the certificate authority.
    #[arg(long, value_name = "FILE", global = true, hide = true)]
    pub certificate_authority: Option<String>,

    /// Path to a client certificate file for TLS.
    #[arg(long, value_name = "FILE", global = true, hide = true)]
    pub client_certificate: Option<String>,

    /// Path to a client key file for TLS.
    #[arg(long, value_name = "FILE", global = true, hide = true)]
    pub client_key: Option<String>,

    /// The name of the kubeconfig cluster to use.
    #[arg(long, value_name = "NAME", global = true, hide = true)]
    pub cluster: Option<String>,

    /// The name of the kubeconfig context to use.
    #[arg(long, value_name = "NAME", global = true, hide = true)]
    pub context: Option<String>,

    /// If true, opt-out of response compression for all requests to the server.
    #[arg(long, global = true, hide = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = go_bool)]
    pub disable_compression: bool,

    /// If true, the server's certificate will not be checked for validity. This will make your HTTPS connections insecure.
    #[arg(long, global = true, hide = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = go_bool)]
    pub insecure_skip_tls_verify: bool,

    /// Path to the kubeconfig file to use for CLI requests.
    #[arg(long, value_name = "FILE", global = true, hide = true)]
    pub kubeconfig: Option<PathBuf>,

    /// Path to the kuberc file to use for preferences. This can be disabled by exporting KUBECTL_KUBERC=false feature gate or turning off the feature KUBERC=off.
    #[arg(long, value_name = "FILE", global = true, hide = true)]
    pub kuberc: Option<PathBuf>,

    /// Require server version to match client version.
    #[arg(long, global = true, hide = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = go_bool)]
    pub match_server_version: bool,

    /// Maximum number of seconds between log flushes.
    #[arg(long, value_name = "DURATION", global = true, hide = true)]
    pub log_flush_frequency: Option<String>,

    /// If present, the namespace scope for this CLI request.
    #[arg(short = 'n', long, value_name = "NAMESPACE", global = true, hide = true)]
    pub namespace: Option<String>,

    /// Password for basic authentication to the API server.
    #[arg(long, value_name = "PASSWORD", global = true, hide = true, value_parser = secret)]
    pub password: Option<SecretString>,

    /// Name of profile to capture. One of (none|cpu|heap|goroutine|threadcreate|block|mutex|trace).
    #[arg(long, value_name = "NAME", global = true, hide = true)]
    pub profile: Option<String>,

    /// Name of the file to write the profile to.
    #[arg(long, value_name = "FILE", global = true, hide = true)]
    pub profile_output: Option<String>,

    /// The length of time to wait before giving up on a single server request. Non-zero values should contain a corresponding time unit (e.g. 1s, 2m, 3h). A value of zero means don't timeout requests.
    #[arg(long, value_name = "DURATION", global = true, hide = true)]
    pub request_timeout: Option<String>,

    /// The address and port of the Kubernetes API server.
    #[arg(short = 's', long, value_name = "URL", global = true, hide = true)]
    pub server: Option<String>,

    /// Server name to use for server certificate validation. If it is not provided, the hostname used to contact the server is used.
    #[arg(long, value_name = "NAME", global = true, hide = true)]
    pub tls_server_name: Option<String>,

    /// Bearer token for authentication to the API server.
    #[arg(long, value_name = "TOKEN", global = true, hide = true, value_parser = secret)]
    pub token: Option<SecretString>,

    /// The name of the kubeconfig user to use.
    #[arg(long, value_name = "NAME", global = true, hide = true)]
    pub user: Option<String>,

    /// Username for basic authentication to the API server.
    #[arg(long, value_name = "USERNAME", global = true, hide = true)]
    pub username: Option<String>,

    /// Number for the log level verbosity.
    #[arg(short = 'v', long = "v", value_name = "LEVEL", global = true, hide = true, default_value = "0",
          value_parser = level, allow_hyphen_values = true)]
    pub verbosity: u8,

    /// Comma-separated list of pattern=N settings for file-filtered logging (only works for the default text log format).
    #[arg(long, value_name = "PATTERNS", global = true, hide = true)]
    pub vmodule: Option<String>,

    /// Treat warnings received from the server as errors and exit with a non-zero exit code.
    #[arg(long, global = true, hide = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = go_bool)]
    pub warnings_as_errors: bool,
}

/// What a kubeconfig has many of, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Contexts.
    Contexts,
    /// Clusters.
    Clusters,
    /// Users.
    Users,
}

impl ConnectionArgs {
    /// Returns the names that a flag can have which chooses from the kubeconfig; none where that cannot be read.
    pub fn names(&self, section: Section) -> Vec<String> {
        let Ok(loaded) = kubeconfig::load(self.kubeconfig.as_deref(), &ProcessEnvironment) else {
            return Vec::new();
        };
        let entries = match section {
            Section::Contexts => loaded.contexts,
            Section::Clusters => loaded.clusters,
            Section::Users => loaded.users,
        };
        entries.into_keys().collect()
    }
}

/// Reads a boolean in the spellings that Go's `strconv.ParseBool` takes.
fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// Reads a level of `-v`, which kubectl takes from any 32-bit number; everything from 10 on is the same.
fn level(text: &str) -> Result<u8, String> {
    let level: i32 = text.parse().map_err(|_| "must be a number".to_owned())?;
    Ok(u8::try_from(level.clamp(0, i32::from(u8::MAX))).unwrap_or(u8::MAX))
}

fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(subcommand)]
        verb: Verb,
    }

    #[derive(clap::Subcommand)]
    enum Verb {
        Status { name: Option<String> },
    }

    fn parse(words: &[&str]) -> ConnectionArgs {
        let cli = Cli::try_parse_from([&["test"], words].concat()).unwrap();
        let Verb::Status { .. } = cli.verb;
        cli.connection
    }

    #[test]
    fn takes_every_flag_before_and_after_the_verb() {
        Cli::command().debug_assert();
        let before = parse(&["-n", "a", "--context=c", "-v=6", "status"]);
        let after = parse(&["status", "-n", "a", "--context", "c", "-v6"]);
        for args in [before, after] {
            assert_eq!(args.namespace.as_deref(), Some("a"));
            assert_eq!(args.context.as_deref(), Some("c"));
            assert_eq!(args.verbosity, 6);
        }
        assert_eq!(parse(&["status", "--v=9"]).verbosity, 9);
        assert_eq!(parse(&["status", "-v=300"]).verbosity, 255);
        assert_eq!(parse(&["status", "-v=-1"]).verbosity, 0);
    }

    #[test]
    fn booleans_are_bare_or_spelled_as_in_go() {
        assert!(parse(&["status", "--insecure-skip-tls-verify"]).insecure_skip_tls_verify);
        assert!(parse(&["--insecure-skip-tls-verify", "status"]).insecure_skip_tls_verify);
        assert!(parse(&["status", "--insecure-skip-tls-verify=t", "x"]).insecure_skip_tls_verify);
        assert!(!parse(&["status", "--disable-compression=false"]).disable_compression);
        assert!(Cli::try_parse_from(["test", "status", "--warnings-as-errors=maybe"]).is_err());
    }

    #[test]
    fn repeats_groups_and_extras_and_hides_secrets() {
        let args = parse(&[
            "status",
            "--as=u",
            "--as-group=a",
            "--as-group",
            "b",
            "--as-user-extra=k=v",
            "--token=s3cret",
        ]);
        assert_eq!(args.impersonate_groups, ["a", "b"]);
        assert_eq!(args.impersonate_extra, ["k=v"]);
        assert_eq!(args.token.as_ref().map(secrecy::ExposeSecret::expose_secret), Some("s3cret"));
        assert!(!format!("{args:?}").contains("s3cret"));
    }

    #[test]
    fn a_script_that_names_kubectls_other_flags_still_runs() {
        let args = parse(&[
            "status",
            "--profile=none",
            "--profile-output",
            "profile.pprof",
            "--log-flush-frequency=5s",
            "--vmodule=a=1",
        ]);
        assert_eq!(args.profile.as_deref(), Some("none"));
    }

    #[test]
    fn is_hidden_from_help() {
        let help = Cli::command().render_long_help().to_string();
        assert!(!help.contains("--kubeconfig"), "{help}");
    }
}
