//! Puts settings, credentials and the way to the server together into a client.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use k8s_openapi::jiff::Timestamp;
use kube::client::ConfigExt;
use kube::config::AuthInfo;
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tower::Layer;

use crate::credentials::{Credentials, is_tls};
use crate::hints::Facts;
use crate::http_stack::{Parts, Pipeline, Trace, Transport};
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
        let config = kube_config(&settings)?;
        let credentials = Credentials::obtain(&settings, self.env, self.stdin_taken).await?;
        let facts = Arc::new(Facts::new(settings.clone(), credentials.helper_name()));
        let (warnings, clock) = (Warnings::default(), ServerClock::default());
        let pipeline = Pipeline::new(Parts {
            server: settings.server.clone(),
            user_agent: header(&self.user_agent)?,
            impersonation: impersonation(&settings.user)?,
            transport: Transport::new(config.clone(), settings.proxy.clone(), credentials.identity())
                .map_err(|error| unusable_config(&error))?,
            credentials,
            timeout: settings.request_timeout,
            trace: Trace::new(settings.verbosity, self.log),
            warnings: warnings.clone(),
            clock: clock.clone(),
        });
        Ok(Connection {
            client: client(&config, pipeline, &settings.namespace)?,
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

/// Builds the client; an `auth-provider` is served by kube, everything else by the pipeline.
fn client(config: &Config, pipeline: Pipeline, namespace: &str) -> Result<Client, ConnectError> {
    if config.auth_info.auth_provider.is_none() {
        return Ok(Client::new(pipeline, namespace));
    }
    let provider = AuthInfo { auth_provider: config.auth_info.auth_provider.clone(), ..AuthInfo::default() };
    let mut only = Config::new(config.cluster_url.clone());
    only.auth_info = provider;
    match only.auth_layer().map_err(|error| unusable_config(&error))? {
        Some(layer) => Ok(Client::new(layer.layer(pipeline), namespace)),
        None => Ok(Client::new(pipeline, namespace)),
    }
}

/// Translates the settings for kube's TLS set-up, without anything that it would act upon by itself.
fn kube_config(settings: &Settings) -> Result<Config, ConnectError> {
    let (cluster, user) = (&settings.cluster, &settings.user);
    let mut config = Config::new(settings.server.clone());
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name.clone();
    if !is_tls(&settings.server) {
        // No roots: loading the system's would take longer than the request.
        config.root_cert = Some(Vec::new());
        return Ok(config);
    }
    config.auth_info = AuthInfo {
        client_certificate: user.client_certificate.clone(),
        client_certificate_data: user.client_certificate_data.clone(),
        client_key: user.client_key.clone(),
        client_key_data: user.client_key_data.clone(),
        auth_provider: user.auth_provider.clone(),
        ..AuthInfo::default()
    };
    // A data field wins over a file, and a certificate without its key was refused before.
    if config.auth_info.client_certificate.is_none() && config.auth_info.client_certificate_data.is_none() {
        config.auth_info.client_key = None;
        config.auth_info.client_key_data = None;
    }
    config.root_cert = if config.accept_invalid_certs { Some(Vec::new()) } else { authorities(settings)? };
    Ok(config)
}

/// Reads the authorities that the kubeconfig names; `None` leaves it to the system's.
fn authorities(settings: &Settings) -> Result<Option<Vec<Vec<u8>>>, ConnectError> {
    let cluster = &settings.cluster;
    let pem = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => STANDARD.decode(data).map_err(|error| {
            ConnectError::Unusable(format!(
                "unable to load root certificates: certificate-authority-data: {error}"
            ))
        })?,
        (None, Some(path)) => std::fs::read(Path::new(path)).map_err(|error| {
            ConnectError::Unusable(format!(
                "unable to load root certificates: open {path}: {}",
                io_words(&error)
            ))
        })?,
        (None, None) => return Ok(None),
    };
    let certificates: Vec<Vec<u8>> =
        CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).map(|der| der.to_vec()).collect();
    if certificates.is_empty() {
        let reason = "unable to load root certificates: unable to parse bytes as PEM block";
        return Err(ConnectError::Unusable(reason.to_owned()));
    }
    Ok(Some(certificates))
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

/// Says what is wrong with a certificate or a key, without kube's prefixes.
fn unusable_config(error: &kube::Error) -> ConnectError {
    let mut error: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = error.source() {
        error = source;
    }
    ConnectError::Unusable(format!("tls: {}", crate::words::one_line(&error.to_string())))
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
