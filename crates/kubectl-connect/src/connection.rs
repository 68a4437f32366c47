//! Puts settings, credentials and the way to the server together into a client.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::config::{AuthInfo, Cluster};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};

use crate::credentials::{Credentials, basic, is_tls};
use crate::hints::Facts;
use crate::http_stack::{Parts, Pipeline, Trace, Transport};
use crate::tls::{Authorities, Identity, TlsPlan, parse_authorities};
use crate::words::io_words;
use crate::{
    Agent, ApiError, ConnectError, ConnectionArgs, Environment, LogSink, ProcessEnvironment, ServerClock,
    Settings, Warnings,
};

/// A client and everything around it that a plugin needs to behave as kubectl.
#[derive(Clone)]
#[non_exhaustive]
pub struct Connection {
    /// The client; requests made with it go through everything that this crate does.
    pub client: Client,
    /// The namespace: `-n`, else the context's, else the pod's, else `default`.
    pub namespace: String,
    /// Whether `-n` was given.
    pub namespace_given: bool,
    /// The context in use, if any.
    pub context: Option<String>,
    /// What the flags, the kubeconfig and the environment came to.
    pub settings: Settings,
    /// The server's warnings, for the plugin to print.
    pub warnings: Warnings,
    /// The server's clock.
    pub clock: ServerClock,
    facts: Arc<Facts>,
}

impl Connection {
    /// Returns the time at the server, once it has answered a request.
    pub fn server_now(&self) -> Option<Timestamp> {
        self.clock.now()
    }

    /// Turns an error into kubectl's sentence and adds advice from what is known about this connection.
    pub fn explain(&self, error: impl Into<ApiError>) -> ApiError {
        let error = error.into();
        if error.hint().is_some() {
            return error;
        }
        let hint = self.facts.hint(&error);
        error.with_hint(hint)
    }
}

/// Connects with the flags' meaning in this process. Sends no request; may run a credential helper.
pub async fn connect(args: &ConnectionArgs, agent: &Agent<'_>) -> Result<Connection, ConnectError> {
    Connector::new(args, agent).connect().await
}

/// Connects with more to say than the flags do.
pub struct Connector<'a> {
    args: &'a ConnectionArgs,
    user_agent: String,
    env: &'a dyn Environment,
    log: Option<LogSink>,
    stdin_taken: bool,
}

impl<'a> Connector<'a> {
    /// Starts from flags, in the environment of this process.
    pub fn new(args: &'a ConnectionArgs, agent: &Agent<'_>) -> Self {
        Self { args, user_agent: agent.user_agent(), env: &ProcessEnvironment, log: None, stdin_taken: false }
    }

    /// Uses another environment than that of this process.
    pub fn environment(mut self, env: &'a dyn Environment) -> Self {
        self.env = env;
        self
    }

    /// Sends the lines of `-v` somewhere else than to stderr.
    pub fn log(mut self, sink: LogSink) -> Self {
        self.log = Some(sink);
        self
    }

    /// Says that standard input is read for something else (`-f -`), so that no helper may ask on it.
    pub fn stdin_taken(mut self, taken: bool) -> Self {
        self.stdin_taken = taken;
        self
    }

    /// Makes the connection.
    pub async fn connect(self) -> Result<Connection, ConnectError> {
        let settings = self.args.settings_in(self.env)?;
        let credentials = Credentials::obtain(&settings, self.env, self.stdin_taken).await?;
        let facts = Arc::new(Facts::new(settings.clone(), credentials.helper_name()));
        let (warnings, clock) = (Warnings::default(), ServerClock::default());
        let identity = match credentials.identity() {
            Some(identity) => Some(identity),
            None => identity(&settings)?,
        };
        let transport = Transport::new(tls_plan(&settings)?, settings.proxy.clone(), identity.as_ref());
        let basic = settings.login.as_ref().map(|(user, password)| basic(Some(user), Some(password)));
        let pipeline = Pipeline::new(Parts {
            server: settings.server.clone(),
            basic: basic.transpose()?,
            compression: settings.cluster.disable_compression != Some(true),
            user_agent: header(&self.user_agent)?,
            impersonation: impersonation(&settings.user)?,
            transport: transport.map_err(ConnectError::Unusable)?,
            credentials,
            timeout: settings.request_timeout,
            trace: Trace::new(settings.verbosity, self.log),
            warnings: warnings.clone(),
            clock: clock.clone(),
        });
        Ok(Connection {
            client: Client::new(pipeline, &settings.namespace),
            namespace: settings.namespace.clone(),
            namespace_given: settings.namespace_given,
            context: settings.context.clone(),
            settings,
            warnings,
            clock,
            facts,
        })
    }
}

/// Says how the server is checked; nothing is loaded where nothing is encrypted.
fn tls_plan(settings: &Settings) -> Result<Option<TlsPlan>, ConnectError> {
    let through_tls = settings.proxy.as_ref().is_some_and(|proxy| proxy.url.scheme_str() == Some("https"));
    if !is_tls(&settings.server) && !through_tls {
        return Ok(None);
    }
    let cluster = &settings.cluster;
    let insecure = cluster.insecure_skip_tls_verify.unwrap_or(false);
    let server_name = match &cluster.tls_server_name {
        Some(name) => Some(ServerName::try_from(name.clone()).map_err(|_| {
            ConnectError::Unusable(format!(
                "tls: \"{}\" is not a name that a server can have",
                crate::words::one_line(name)
            ))
        })?),
        None => None,
    };
    let authorities = if insecure { Authorities::Given(Vec::new()) } else { authorities(cluster)? };
    Ok(Some(TlsPlan { authorities, server_name, insecure }))
}

/// Reads the authorities that the kubeconfig names.
fn authorities(cluster: &Cluster) -> Result<Authorities, ConnectError> {
    let pem = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => decoded("certificate-authority-data", data)?,
        (None, Some(path)) => std::fs::read(path).map_err(|error| {
            ConnectError::Unusable(format!(
                "unable to load root certificates: open {path}: {}",
                io_words(&error)
            ))
        })?,
        (None, None) => return Ok(Authorities::System),
    };
    parse_authorities(&pem).map(Authorities::Given).map_err(ConnectError::Unusable)
}

/// Reads the client certificate that the kubeconfig names; data wins over a file.
fn identity(settings: &Settings) -> Result<Option<Identity>, ConnectError> {
    let user = &settings.user;
    // Whether it is shown is the server's to ask; over plain http nobody does.
    if !is_tls(&settings.server) {
        return Ok(None);
    }
    let certificate = match (&user.client_certificate_data, &user.client_certificate) {
        (Some(data), _) => decoded("client-certificate-data", data)?,
        (None, Some(path)) => file(path)?,
        (None, None) => return Ok(None),
    };
    let key = match (&user.client_key_data, &user.client_key) {
        (Some(data), _) => decoded("client-key-data", data.expose_secret())?,
        (None, Some(path)) => file(path)?,
        (None, None) => return Ok(None),
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Some(Identity { certificate: text(certificate), key: SecretString::from(text(key)) }))
}

fn file(path: &str) -> Result<Vec<u8>, ConnectError> {
    std::fs::read(path).map_err(|error| ConnectError::Unusable(format!("open {path}: {}", io_words(&error))))
}

/// Decodes a field; what it holds is never quoted.
fn decoded(field: &str, data: &str) -> Result<Vec<u8>, ConnectError> {
    let at = |error: base64::DecodeError| match error {
        base64::DecodeError::InvalidByte(at, _) => at,
        _ => data.len(),
    };
    STANDARD.decode(data).map_err(|error| {
        ConnectError::Unusable(format!("{field}: illegal base64 data at input byte {}", at(error)))
    })
}

/// Returns the headers of `--as` and its kin.
fn impersonation(user: &AuthInfo) -> Result<Vec<(HeaderName, HeaderValue)>, ConnectError> {
    let mut headers = Vec::new();
    let mut add = |name: &str, value: &str| -> Result<(), ConnectError> {
        let name: HeaderName = name.parse().map_err(|_| unfit(name))?;
        headers.push((name, header(value)?));
        Ok(())
    };
    if let Some(name) = &user.impersonate {
        add("impersonate-user", name)?;
    }
    if let Some(uid) = &user.impersonate_uid {
        add("impersonate-uid", uid)?;
    }
    for group in user.impersonate_groups.iter().flatten() {
        add("impersonate-group", group)?;
    }
    for (key, values) in user.impersonate_user_extra.iter().flatten() {
        for value in values {
            add(&format!("impersonate-extra-{}", escape_key(key)), value)?;
        }
    }
    Ok(headers)
}

/// Writes a key as part of a header's name, as client-go does: lower case, other bytes percent-encoded.
fn escape_key(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    key.to_lowercase().bytes().map(encode).collect()
}

fn header(value: &str) -> Result<HeaderValue, ConnectError> {
    HeaderValue::from_str(value).map_err(|_| unfit(value))
}

fn unfit(text: &str) -> ConnectError {
    ConnectError::Unusable(format!("\"{}\" does not fit into a header", crate::words::one_line(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn impersonates_with_all_headers() {
        let user = AuthInfo {
            impersonate: Some("u".into()),
            impersonate_uid: Some("1".into()),
            impersonate_groups: Some(vec!["a".into(), "b".into()]),
            impersonate_user_extra: Some(HashMap::from([(
                "Example.com/Scope".into(),
                vec!["x".into(), "y".into()],
            )])),
            ..AuthInfo::default()
        };
        let headers: Vec<(String, String)> = impersonation(&user)
            .unwrap()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let expected = [
            ("impersonate-user", "u"),
            ("impersonate-uid", "1"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-extra-example.com%2fscope", "x"),
            ("impersonate-extra-example.com%2fscope", "y"),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let bad = AuthInfo { impersonate: Some("a\nb".into()), ..AuthInfo::default() };
        assert_eq!(impersonation(&bad).unwrap_err().to_string(), "error: \"a b\" does not fit into a header");
    }
}
