//! client-go's checks of the cluster and the user that were chosen, in its words.

use std::fs::File;

use kube::config::{AuthInfo, Cluster, ExecConfig};

use crate::proxy::parse_configured;
use crate::words::io_words;

/// Lists everything that is wrong with a user, then with a cluster.
pub(crate) fn problems(
    user_name: &str,
    user: &AuthInfo,
    cluster_name: &str,
    cluster: &Cluster,
) -> Vec<String> {
    let mut problems = user_problems(user_name, user);
    problems.extend(cluster_problems(cluster_name, cluster));
    problems
}

fn user_problems(name: &str, user: &AuthInfo) -> Vec<String> {
    let mut problems = certificate_problems(name, user);
    if let Some(exec) = &user.exec {
        if user.auth_provider.is_some() {
            problems.push(format!(
                "authProvider cannot be provided in combination with an exec plugin for {name}"
            ));
        }
        problems.extend(exec_problems(name, exec));
    }
    let basic = user.username.is_some() || user.password.is_some();
    if user.token.is_some() && basic {
        problems.push(format!(
            "more than one authentication method found for {name}; found [token basicAuth], only one is allowed"
        ));
    }
    let extras = user.impersonate_uid.is_some()
        || user.impersonate_groups.as_ref().is_some_and(|groups| !groups.is_empty())
        || user.impersonate_user_extra.as_ref().is_some_and(|extra| !extra.is_empty());
    if extras && user.impersonate.is_none() {
        problems
            .push(format!("requesting uid, groups or user-extra for {name} without impersonating a user"));
    }
    problems
}

fn certificate_problems(name: &str, user: &AuthInfo) -> Vec<String> {
    let mut problems = Vec::new();
    if user.client_certificate.is_none() && user.client_certificate_data.is_none() {
        return problems;
    }
    if user.client_certificate.is_some() && user.client_certificate_data.is_some() {
        problems.push(format!(
            "client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
        ));
    }
    if user.client_key.is_some() && user.client_key_data.is_some() {
        problems.push(format!(
            "client-key-data and client-key are both specified for {name}; client-key-data will override"
        ));
    }
    if user.client_key.is_none() && user.client_key_data.is_none() {
        problems.push(format!(
            "client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
        ));
    }
    problems.extend(unreadable("client-cert", user.client_certificate.as_deref(), name));
    problems.extend(unreadable("client-key", user.client_key.as_deref(), name));
    problems
}

fn exec_problems(name: &str, exec: &ExecConfig) -> Vec<String> {
    let mut problems = Vec::new();
    let version = exec.api_version.as_deref().unwrap_or_default();
    if exec.command.as_deref().unwrap_or_default().is_empty() {
        problems.push(format!("command must be specified for {name} to use exec authentication plugin"));
    }
    if version.is_empty() {
        problems.push(format!("apiVersion must be specified for {name} to use exec authentication plugin"));
    }
    let unnamed =
        |env: &std::collections::HashMap<String, String>| env.get("name").is_none_or(String::is_empty);
    if exec.env.iter().flatten().any(unnamed) {
        problems.push(format!(
            "env variable name must be specified for {name} to use exec authentication plugin"
        ));
    }
    // v1beta1 has a default for it, v1 has none.
    if exec.interactive_mode.is_none() && version == "client.authentication.k8s.io/v1" {
        problems
            .push(format!("interactiveMode must be specified for {name} to use exec authentication plugin"));
    }
    problems
}

fn cluster_problems(name: &str, cluster: &Cluster) -> Vec<String> {
    let mut problems = Vec::new();
    if cluster.server.is_none() {
        problems.push(format!("no server found for cluster \"{name}\""));
    }
    if let Some(url) = &cluster.proxy_url
        && let Err(reason) = parse_configured(url)
    {
        let shown = without_login(url);
        problems.push(format!("invalid 'proxy-url' \"{shown}\" for cluster \"{name}\": {reason}"));
    }
    if cluster.certificate_authority.is_some() && cluster.certificate_authority_data.is_some() {
        problems.push(format!(
            "certificate-authority-data and certificate-authority are both specified for {name}. \
             certificate-authority-data will override."
        ));
    }
    problems.extend(unreadable("certificate-authority", cluster.certificate_authority.as_deref(), name));
    problems
}

/// Takes user and password out of an address that may be none.
fn without_login(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let between = if scheme.is_empty() { "" } else { "://" };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}{between}{host}")
}

fn unreadable(what: &str, path: Option<&str>, name: &str) -> Option<String> {
    let path = path?;
    let error = File::open(path).err()?;
    Some(format!("unable to read {what} {path} for {name} due to open {path}: {}", io_words(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::config::ExecInteractiveMode;
    use secrecy::SecretString;

    fn of_user(user: &AuthInfo) -> Vec<String> {
        problems("u", user, "c", &Cluster { server: Some("https://x".into()), ..Cluster::default() })
    }

    #[test]
    fn a_plain_user_is_fine() {
        assert!(of_user(&AuthInfo::default()).is_empty());
    }

    #[test]
    fn finds_contradictions_of_users() {
        let both = AuthInfo {
            token: Some(SecretString::from("t")),
            username: Some("u".into()),
            impersonate_uid: Some("1".into()),
            client_certificate: Some("/nonexistent/cert".into()),
            ..AuthInfo::default()
        };
        assert_eq!(
            of_user(&both),
            [
                "client-key-data or client-key must be specified for u to use the clientCert authentication method.",
                "unable to read client-cert /nonexistent/cert for u due to open /nonexistent/cert: no such file or directory",
                "more than one authentication method found for u; found [token basicAuth], only one is allowed",
                "requesting uid, groups or user-extra for u without impersonating a user",
            ]
        );
    }

    #[test]
    fn finds_half_described_helpers() {
        let exec =
            ExecConfig { api_version: Some("client.authentication.k8s.io/v1".into()), ..Default::default() };
        let user = AuthInfo { exec: Some(exec.clone()), ..AuthInfo::default() };
        assert_eq!(
            of_user(&user),
            [
                "command must be specified for u to use exec authentication plugin",
                "interactiveMode must be specified for u to use exec authentication plugin",
            ]
        );
        let complete = ExecConfig {
            command: Some("x".into()),
            interactive_mode: Some(ExecInteractiveMode::Never),
            ..exec
        };
        assert!(of_user(&AuthInfo { exec: Some(complete), ..AuthInfo::default() }).is_empty());
    }

    #[test]
    fn finds_contradictions_of_clusters() {
        let cluster = Cluster {
            proxy_url: Some("ftp://p".into()),
            certificate_authority: Some("/nonexistent/ca".into()),
            certificate_authority_data: Some("x".into()),
            ..Cluster::default()
        };
        let found = problems("u", &AuthInfo::default(), "c", &cluster);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0], "no server found for cluster \"c\"");
        assert!(found[1].contains("unsupported scheme \"ftp\", must be http, https, or socks5"));
    }

    #[test]
    fn a_proxys_password_is_not_told_with_its_address() {
        for url in ["ftp://u:s3cret@p", "u:s3cret@p"] {
            let cluster = Cluster {
                server: Some("https://x".into()),
                proxy_url: Some(url.into()),
                ..Cluster::default()
            };
            let found = problems("u", &AuthInfo::default(), "c", &cluster);
            assert!(
                found[0].starts_with("invalid 'proxy-url' ") && !found[0].contains("s3cret"),
                "{found:?}"
            );
        }
    }
}
