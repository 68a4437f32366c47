//! What the flags, the kubeconfig and the environment mean together. Touches no network.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use kube::config::{AuthInfo, Cluster, Context};
use secrecy::{ExposeSecret, SecretString};

use crate::http_stack::userinfo;
use crate::kubeconfig::Loaded;
use crate::{
    ConnectError, ConnectionArgs, Environment, ProcessEnvironment, Proxy, in_cluster, kubeconfig,
    parse_request_timeout, proxy, validate,
};

/// Where the address of the API server came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A cluster in the kubeconfig.
    Kubeconfig,
    /// The `--server` flag.
    Flag,
    /// The service account of the pod.
    InCluster,
    /// Nothing was configured: `localhost:8080`, as in kubectl.
    Default,
}

/// A connection as it would be made.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The context in use, if any.
    pub context: Option<String>,
    /// The kubeconfig's name of the cluster, if any.
    pub cluster_name: Option<String>,
    /// The kubeconfig's name of the user, if any.
    pub user_name: Option<String>,
    /// The namespace: `-n`, else the context's, else the pod's, else `default`.
    pub namespace: String,
    /// Whether `-n` was given.
    pub namespace_given: bool,
    /// The API server.
    pub server: Uri,
    /// Where the server's address came from.
    pub source: Source,
    /// The kubeconfig files that were read.
    pub files: Vec<PathBuf>,
    /// The kubeconfig files that are not there.
    pub missing_files: Vec<PathBuf>,
    /// The proxy that requests go through.
    pub proxy: Option<Proxy>,
    /// The limit for one request; watches have none.
    pub request_timeout: Option<Duration>,
    /// The level of `-v`.
    pub verbosity: u8,
    /// Whether warnings from the server make the command fail.
    pub warnings_as_errors: bool,
    /// The folder for caches.
    pub cache_dir: PathBuf,
    pub(crate) kuberc: Option<PathBuf>,
    pub(crate) cluster: Cluster,
    pub(crate) user: AuthInfo,
    /// The kubeconfig file that holds the user.
    pub(crate) user_file: Option<PathBuf>,
    /// What the server's address says of user and password, which is nowhere else.
    pub(crate) login: Option<(String, SecretString)>,
}

impl std::fmt::Debug for Settings {
    /// Leaves out the user, who has secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("context", &self.context)
            .field("namespace", &self.namespace)
            .field("server", &self.server)
            .field("source", &self.source)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl ConnectionArgs {
    /// Resolves the flags with the kubeconfig and the environment, without any network.
    pub fn settings(&self) -> Result<Settings, ConnectError> {
        self.settings_in(&ProcessEnvironment)
    }

    /// Does the same in a given environment.
    pub fn settings_in(&self, env: &dyn Environment) -> Result<Settings, ConnectError> {
        let loaded = kubeconfig::load(self.kubeconfig.as_deref(), env)?;
        let choice = self.choose(&loaded)?;
        let mut cluster = choice.cluster.clone().unwrap_or_default();
        let mut user = choice.user.clone().unwrap_or_default();
        let user_file =
            choice.user_name.as_ref().and_then(|name| loaded.users.get(name)).map(|entry| entry.file.clone());
        let mut source = if given(&self.server).is_some() {
            Source::Flag
        } else if cluster.server.is_some() {
            Source::Kubeconfig
        } else {
            Source::Default
        };
        if source == Source::Default && in_cluster::possible(env) {
            (cluster, user) = in_cluster::identity(env);
            source = Source::InCluster;
        }
        self.override_cluster(&mut cluster);
        self.override_user(&mut user);
        let default_server =
            || env.text("KUBERNETES_MASTER").unwrap_or_else(|| "http://localhost:8080".to_owned());
        cluster.server.get_or_insert_with(default_server);
        choice.check(&loaded, &user, &cluster)?;
        let (server, login) = parse_server(cluster.server.as_deref().unwrap_or_default())?;
        check_tls(&server, &cluster)?;
        let request_timeout = match given(&self.request_timeout) {
            Some(text) => parse_request_timeout(text).map_err(ConnectError::Unusable)?,
            None => None,
        };
        Ok(Settings {
            context: choice.context_name.map(ToOwned::to_owned),
            cluster_name: choice.cluster_name,
            user_name: choice.user_name,
            namespace: self.namespace_in(choice.context.as_ref(), env),
            namespace_given: given(&self.namespace).is_some(),
            proxy: proxy::choose(cluster.proxy_url.as_deref(), &server, env)
                .map_err(ConnectError::Unusable)?,
            server,
            source,
            files: loaded.files,
            missing_files: loaded.missing,
            request_timeout,
            verbosity: self.verbosity,
            warnings_as_errors: self.warnings_as_errors,
            cache_dir: self.cache_dir_in(env),
            kuberc: self.kuberc.clone(),
            cluster,
            user,
            user_file,
            login,
        })
    }

    /// Picks context, cluster and user; a name that was given by flag must exist.
    fn choose<'a>(&'a self, loaded: &'a Loaded) -> Result<Choice<'a>, ConnectError> {
        let context_name = given(&self.context).or(loaded.current_context.as_deref());
        let context = context_name.map(|name| loaded.context(name)).transpose()?.flatten();
        if let Some(name) = given(&self.context)
            && context.is_none()
        {
            let known = loaded.contexts.keys().cloned().collect();
            return Err(ConnectError::NoSuchContext { name: name.to_owned(), known });
        }
        let user_name = match given(&self.user) {
            Some(name) => Some(name.to_owned()),
            None => context.as_ref().and_then(|context| context.user.clone()),
        };
        let user = user_name.as_deref().map(|name| loaded.user(name)).transpose()?.flatten();
        if let Some(name) = given(&self.user)
            && user.is_none()
        {
            return Err(missing("auth info", name, loaded.users.keys()));
        }
        let of_context = context.as_ref().map(|context| context.cluster.clone());
        let cluster_name = match given(&self.cluster) {
            Some(name) => Some(name.to_owned()),
            None => of_context.filter(|name| !name.is_empty()),
        };
        let cluster = cluster_name.as_deref().map(|name| loaded.cluster(name)).transpose()?.flatten();
        if let Some(name) = given(&self.cluster)
            && cluster.is_none()
        {
            return Err(missing("cluster", name, loaded.clusters.keys()));
        }
        Ok(Choice { context_name, context, cluster_name, cluster, user_name, user })
    }

    fn override_cluster(&self, cluster: &mut Cluster) {
        if let Some(server) = given(&self.server) {
            cluster.server = Some(server.to_owned());
        }
        if self.insecure_skip_tls_verify || given(&self.certificate_authority).is_some() {
            cluster.insecure_skip_tls_verify = Some(self.insecure_skip_tls_verify);
            cluster.certificate_authority = given(&self.certificate_authority).map(ToOwned::to_owned);
            cluster.certificate_authority_data = None;
        }
        // Another server has another name, so the configured one no longer counts.
        if given(&self.tls_server_name).is_some() || given(&self.server).is_some() {
            cluster.tls_server_name = given(&self.tls_server_name).map(ToOwned::to_owned);
        }
        if self.disable_compression {
            cluster.disable_compression = Some(true);
        }
    }

    fn override_user(&self, user: &mut AuthInfo) {
        if let Some(token) = given_secret(&self.token) {
            user.token = Some(token.clone());
            user.token_file = None;
        }
        if let Some(path) = given(&self.client_certificate) {
            user.client_certificate = Some(path.to_owned());
            user.client_certificate_data = None;
        }
        if let Some(path) = given(&self.client_key) {
            user.client_key = Some(path.to_owned());
            user.client_key_data = None;
        }
        if let Some(name) = given(&self.username) {
            user.username = Some(name.to_owned());
        }
        if let Some(password) = given_secret(&self.password) {
            user.password = Some(password.clone());
        }
        if let Some(name) = given(&self.impersonate) {
            user.impersonate = Some(name.to_owned());
        }
        if let Some(uid) = given(&self.impersonate_uid) {
            user.impersonate_uid = Some(uid.to_owned());
        }
        if !self.impersonate_groups.is_empty() {
            user.impersonate_groups = Some(self.impersonate_groups.clone());
        }
        if !self.impersonate_extra.is_empty() {
            user.impersonate_user_extra = Some(extras(&self.impersonate_extra));
        }
    }

    fn namespace_in(&self, context: Option<&Context>, env: &dyn Environment) -> String {
        if let Some(namespace) = given(&self.namespace) {
            return namespace.to_owned();
        }
        if let Some(namespace) = context.and_then(|context| context.namespace.as_deref()) {
            return namespace.to_owned();
        }
        let of_pod = in_cluster::possible(env).then(|| in_cluster::namespace(env)).flatten();
        of_pod.unwrap_or_else(|| "default".to_owned())
    }

    fn cache_dir_in(&self, env: &dyn Environment) -> PathBuf {
        let from_flag = self.cache_dir.clone().filter(|dir| !dir.as_os_str().is_empty());
        let from_env = || env.var("KUBECACHEDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        from_flag
            .or_else(from_env)
            .unwrap_or_else(|| env.home().unwrap_or_default().join(".kube").join("cache"))
    }
}

/// What the names lead to.
struct Choice<'a> {
    context_name: Option<&'a str>,
    context: Option<Context>,
    cluster_name: Option<String>,
    cluster: Option<Cluster>,
    user_name: Option<String>,
    user: Option<AuthInfo>,
}

impl Choice<'_> {
    /// Refuses what client-go refuses, all at once.
    fn check(&self, loaded: &Loaded, user: &AuthInfo, cluster: &Cluster) -> Result<(), ConnectError> {
        let (user_name, cluster_name) = (self.user_name.as_deref(), self.cluster_name.as_deref());
        let mut problems = validate::problems(
            user_name.unwrap_or_default(),
            user,
            cluster_name.unwrap_or_default(),
            cluster,
        );
        let absent = |name: &&str| !loaded.contexts.contains_key(*name);
        if let Some(name) = self.context_name.filter(absent) {
            if problems.is_empty() {
                let known = loaded.contexts.keys().cloned().collect();
                return Err(ConnectError::NoSuchContext { name: name.to_owned(), known });
            }
            problems.insert(0, format!("context was not found for specified context: {name}"));
        }
        if problems.is_empty() { Ok(()) } else { Err(ConnectError::Configuration(problems)) }
    }
}

/// Returns a flag's value unless it is empty, which counts as not given.
fn given(flag: &Option<String>) -> Option<&str> {
    flag.as_deref().filter(|value| !value.is_empty())
}

fn given_secret(flag: &Option<SecretString>) -> Option<&SecretString> {
    flag.as_ref().filter(|value| !value.expose_secret().is_empty())
}

fn missing<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a String>) -> ConnectError {
    ConnectError::Missing { what, name: name.to_owned(), known: known.cloned().collect() }
}

/// Groups `key=value` flags by key; what has no value is passed over, as in kubectl.
fn extras(flags: &[String]) -> HashMap<String, Vec<String>> {
    let mut extras: HashMap<String, Vec<String>> = HashMap::new();
    for (key, value) in flags.iter().filter_map(|flag| flag.split_once('=')) {
        extras.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    extras
}

/// Reads an address; one without a scheme is plain HTTP, and a query is dropped. User and password are taken out of it.
fn parse_server(text: &str) -> Result<(Uri, Option<(String, SecretString)>), ConnectError> {
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let full = full.split(['?', '#']).next().unwrap_or_default();
    let shown = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    let wrong = || ConnectError::Unusable(format!("host must be a URL or a host:port pair: \"{shown}\""));
    let uri: Uri = full.parse().map_err(|_| wrong())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => {}
        _ => return Err(wrong()),
    }
    let Some((user, password)) = userinfo(&uri) else { return Ok((uri, None)) };
    let mut parts = uri.into_parts();
    let bare =
        parts.authority.as_ref().and_then(|authority| authority.as_str().rsplit('@').next()?.parse().ok());
    parts.authority = Some(bare.ok_or_else(wrong)?);
    let uri = Uri::from_parts(parts).map_err(|_| wrong())?;
    Ok((uri, Some((user, SecretString::from(password)))))
}

fn check_tls(server: &Uri, cluster: &Cluster) -> Result<(), ConnectError> {
    let has_ca = cluster.certificate_authority.is_some() || cluster.certificate_authority_data.is_some();
    if server.scheme_str() == Some("https") && has_ca && cluster.insecure_skip_tls_verify == Some(true) {
        let reason = "specifying a root certificates file with the insecure flag is not allowed";
        return Err(ConnectError::Unusable(reason.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
