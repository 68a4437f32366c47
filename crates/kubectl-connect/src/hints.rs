//! Advice for failures, from what is known about the connection.

use crate::{ApiError, ApiErrorKind, Settings, Source};

/// What a connection knows that may explain its failures.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    settings: Settings,
    helper: Option<String>,
}

impl Facts {
    pub(crate) fn new(settings: Settings, helper: Option<String>) -> Self {
        Self { settings, helper }
    }

    /// Returns advice for a failure, where there is some.
    pub(crate) fn hint(&self, error: &ApiError) -> Option<String> {
        use ApiErrorKind::{
            Broken, Certificate, Dns, Proxy, Refused, Timeout, Tls, Unauthorized, Unreachable,
        };
        match error.kind() {
            Unauthorized => Some(self.unauthorized()),
            Refused if self.settings.source == Source::Default => Some(self.unconfigured()),
            Refused | Dns | Timeout | Unreachable | Proxy | Broken => self.through_proxy(),
            Certificate => Some(self.certificate()),
            Tls if error.message().ends_with("handshake failure") => Some(
                "a server that has only CBC cipher suites to offer cannot be talked to by this program"
                    .to_owned(),
            ),
            Tls => self.through_proxy(),
            _ => None,
        }
    }

    fn unauthorized(&self) -> String {
        let settings = &self.settings;
        let user = match &settings.user_name {
            Some(name) => format!("user \"{name}\""),
            None => "this user".to_owned(),
        };
        if settings.server.scheme_str() != Some("https") {
            return "no credentials are sent over plain http".to_owned();
        }
        if let Some(helper) = &self.helper {
            return format!("the credentials that {helper} gave for {user} were refused; log in again");
        }
        if settings.user.token_file.is_some() || settings.user.token.is_some() {
            return format!("the token of {user} was refused; it may have expired");
        }
        if settings.user.client_certificate.is_some() || settings.user.client_certificate_data.is_some() {
            return format!("the client certificate of {user} was refused; it may have expired");
        }
        if settings.user.exec.is_none()
            && settings.user.auth_provider.is_none()
            && settings.user.username.is_none()
        {
            return format!("{user} has no credentials in the kubeconfig");
        }
        format!("the credentials of {user} were refused; log in again")
    }

    fn unconfigured(&self) -> String {
        if let Some(name) = &self.settings.context {
            return format!("the cluster of context \"{name}\" is not in the kubeconfig");
        }
        if !self.settings.files.is_empty() {
            return "no context is chosen; name one with --context".to_owned();
        }
        match self.settings.missing_files.as_slice() {
            [] => "there is no kubeconfig".to_owned(),
            missing => {
                let names: Vec<String> = missing.iter().map(|path| path.display().to_string()).collect();
                format!("there is no kubeconfig at {}", names.join(", "))
            }
        }
    }

    fn certificate(&self) -> String {
        let cluster = &self.settings.cluster;
        let named = cluster.certificate_authority.is_some() || cluster.certificate_authority_data.is_some();
        let whose = if named { "the kubeconfig's certificate-authority" } else { "the system's authorities" };
        let base = format!("the server's certificate was checked against {whose}");
        match self.through_proxy() {
            Some(proxy) => format!("{base}; {proxy}"),
            None => base,
        }
    }

    fn through_proxy(&self) -> Option<String> {
        self.settings.proxy.as_ref().map(|proxy| format!("requests go through the proxy {proxy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionArgs, FixedEnvironment};
    use kube::core::Status;

    fn hint(
        env: FixedEnvironment,
        change: impl FnOnce(&mut ConnectionArgs),
        error: &ApiError,
    ) -> Option<String> {
        let mut args = ConnectionArgs::default();
        change(&mut args);
        Facts::new(args.settings_in(&env).unwrap(), None).hint(error)
    }

    fn refused() -> ApiError {
        ApiError::from(kube::Error::Service(Box::new(std::io::Error::from(
            std::io::ErrorKind::ConnectionRefused,
        ))))
    }

    #[test]
    fn tells_why_it_is_localhost() {
        let env = FixedEnvironment { home: Some("/nonexistent".into()), ..Default::default() };
        let said = hint(env.clone(), |_| (), &refused()).unwrap();
        assert_eq!(said, "there is no kubeconfig at /nonexistent/.kube/config");
        assert_eq!(hint(env, |args| args.server = Some("http://a".into()), &refused()), None);
    }

    #[test]
    fn tells_of_the_proxy_and_of_plain_http() {
        let env = FixedEnvironment::default().with("HTTPS_PROXY", "http://u:p@proxy:1");
        let said = hint(env.clone(), |args| args.server = Some("https://a".into()), &refused()).unwrap();
        assert_eq!(said, "requests go through the proxy http://proxy:1 (HTTPS_PROXY)");
        let unauthorized = ApiError::from(Status::failure("Unauthorized", "Unauthorized").with_code(401));
        let said = hint(env, |args| args.server = Some("http://a".into()), &unauthorized).unwrap();
        assert_eq!(said, "no credentials are sent over plain http");
    }
}
