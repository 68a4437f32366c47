//! The `Authorization` header: where it comes from, and how to get a better one after a 401.

mod answer;
mod command;
mod helper;
mod kuberc;
mod oidc;
mod persist;
mod policy;
mod token_file;

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use helper::Helper;
use oidc::Oidc;
use policy::Candidate;
use token_file::TokenFile;

use crate::tls::Identity;
use crate::{ConnectError, Environment, Settings};

/// Where the `Authorization` header of a connection comes from.
pub(crate) enum Credentials {
    /// No header: a client certificate, or nothing at all.
    None,
    /// The same for ever.
    Fixed(HeaderValue),
    /// A file that somebody else keeps fresh.
    File(TokenFile),
    /// A program that hands out tokens or certificates.
    Helper(Helper),
    /// An issuer that exchanges a refresh token for ID tokens.
    Oidc(Box<Oidc>),
}

/// What is sent with a request now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issued {
    /// The `Authorization` header.
    pub(crate) header: Option<HeaderValue>,
    /// How often these credentials were obtained.
    pub(crate) run: u64,
    /// How often the client certificate that goes with them has changed.
    pub(crate) certificate: u64,
}

/// Why there is no header; its text is what client-go says of it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub(crate) struct CredentialError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl CredentialError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Says that it was a helper that had nothing to give.
    fn of_helper(self) -> Self {
        Self { message: format!("getting credentials: {}", self.message), ..self }
    }
}

impl From<CredentialError> for ConnectError {
    fn from(CredentialError { message, hint }: CredentialError) -> Self {
        Self::Credentials { message, hint }
    }
}

/// What is left to do after the server said 401.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// There is nothing better than what was refused.
    Same,
    /// There are new credentials.
    New,
}

impl Credentials {
    /// Picks the method that client-go would use; runs the credential helper if there is one to run.
    ///
    /// Nothing secret is ever sent over plain HTTP.
    pub(crate) async fn obtain(
        settings: &Settings,
        env: &dyn Environment,
        stdin_taken: bool,
    ) -> Result<Self, ConnectError> {
        let user = &settings.user;
        if !is_tls(&settings.server) {
            return Ok(Self::None);
        }
        // One that client-go does not have is refused also where it would not be used.
        let provider = user.auth_provider.as_ref().map(|provider| Oidc::new(provider, settings, env));
        let provider = provider.transpose()?;
        if let Some(path) = &user.token_file {
            return Ok(Self::File(TokenFile::open(path.into(), user.token.as_ref())?));
        }
        if let Some(token) = &user.token {
            return Ok(Self::Fixed(bearer(token.expose_secret())?));
        }
        if user.username.is_some() || user.password.is_some() {
            return Ok(Self::Fixed(basic(user.username.as_deref(), user.password.as_ref())?));
        }
        if let Some(provider) = provider {
            return Ok(Self::Oidc(Box::new(provider)));
        }
        let has_certificate = user.client_certificate.is_some() || user.client_certificate_data.is_some();
        match &user.exec {
            Some(exec) if !has_certificate => Ok(Self::Helper(
                Helper::start(exec, &settings.cluster, settings.kuberc.as_deref(), env, stdin_taken).await?,
            )),
            _ => Ok(Self::None),
        }
    }

    /// Returns what to send now; renews it first when it is known to have expired.
    pub(crate) async fn current(&self) -> Result<Issued, CredentialError> {
        let header = match self {
            Self::None => None,
            Self::Fixed(value) => Some(value.clone()),
            Self::File(file) => Some(file.header()),
            Self::Helper(helper) => return helper.current().await,
            Self::Oidc(oidc) => Some(oidc.header().await?),
        };
        Ok(Issued { header, ..Issued::default() })
    }

    /// Looks for better credentials after `refused` was answered with a 401.
    pub(crate) async fn renew(&self, refused: &Issued) -> Result<Renewal, CredentialError> {
        match self {
            Self::None | Self::Fixed(_) | Self::Oidc(_) => Ok(Renewal::Same),
            Self::File(file) => Ok(file.renew(refused.header.as_ref())),
            Self::Helper(helper) => helper.renew(refused).await,
        }
    }

    /// Returns the client certificate that the helper handed out, if it did.
    pub(crate) fn identity(&self) -> Option<Identity> {
        match self {
            Self::Helper(helper) => helper.identity(),
            Self::None | Self::Fixed(_) | Self::File(_) | Self::Oidc(_) => None,
        }
    }

    /// Returns the name of the helper, for advice.
    pub(crate) fn helper_name(&self) -> Option<String> {
        match self {
            Self::Helper(helper) => Some(helper.name().to_owned()),
            Self::None | Self::Fixed(_) | Self::File(_) | Self::Oidc(_) => None,
        }
    }
}

/// Reads a credential helper's output as credentials of the API version that it was asked for, and says until when they are
/// good, where it does.
pub fn check_helper_output(stdout: &[u8], version: &str) -> Result<Option<Timestamp>, ConnectError> {
    Ok(answer::parse(stdout, version)?.expires)
}

/// Says whether the kuberc in force lets a credential helper run.
pub fn check_helper_allowed(
    command: &str,
    kuberc: Option<&Path>,
    env: &dyn Environment,
) -> Result<(), ConnectError> {
    let command = &command::clean(command);
    policy::check(&Candidate { command, program: &command::look_path(command, env) }, kuberc, env)
}

/// Says whether secrets may be sent to a server.
pub(crate) fn is_tls(server: &Uri) -> bool {
    server.scheme_str() == Some("https")
}

/// Returns the header of a user name and a password.
pub(crate) fn basic(
    user: Option<&str>,
    password: Option<&SecretString>,
) -> Result<HeaderValue, CredentialError> {
    let password = password.map_or("", |password| password.expose_secret());
    let pair = STANDARD.encode(format!("{}:{password}", user.unwrap_or_default()));
    sensitive(&format!("Basic {pair}"), "the password")
}

fn bearer(token: &str) -> Result<HeaderValue, CredentialError> {
    sensitive(&format!("Bearer {}", token.trim()), "the token")
}

fn sensitive(text: &str, what: &str) -> Result<HeaderValue, CredentialError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| CredentialError {
        message: "net/http: invalid header field value for \"Authorization\"".to_owned(),
        hint: Some(format!("{what} has characters that no header can hold")),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_sensitive_and_trimmed() {
        let value = bearer("abc\n").unwrap();
        assert_eq!(value, "Bearer abc");
        assert!(value.is_sensitive());
        assert_eq!(basic(Some("u"), Some(&SecretString::from("p"))).unwrap(), "Basic dTpw");
        let error = bearer("a\nb").unwrap_err();
        assert_eq!(error.to_string(), "net/http: invalid header field value for \"Authorization\"");
        assert_eq!(error.hint.as_deref(), Some("the token has characters that no header can hold"));
    }
}
