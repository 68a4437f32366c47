//! Connections to the API server: TCP without Nagle's delay, proxies, TLS, gzip.

use std::sync::RwLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::{Config, Error as KubeError};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_http::decompression::{DecompressionBody, DecompressionLayer};

use crate::Proxy;
use crate::credentials::Identity;

/// How long a connection may take, and how often a silent one is probed, as in client-go.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(30);

type Sender = BoxCloneSyncService<Request<Body>, Response<DecompressionBody<Incoming>>, Error>;

/// Sends requests; can be given another client certificate on the way.
pub(crate) struct Transport {
    config: Config,
    proxy: Option<Proxy>,
    sender: RwLock<Sender>,
}

impl Transport {
    /// Prepares TLS and the proxy; connects to nothing yet.
    pub(crate) fn new(
        mut config: Config,
        proxy: Option<Proxy>,
        identity: Option<Identity>,
    ) -> Result<Self, KubeError> {
        install_provider();
        take_identity(&mut config, identity);
        let sender = RwLock::new(build(&config, proxy.as_ref())?);
        Ok(Self { config, proxy, sender })
    }

    /// Uses another client certificate from now on, on new connections.
    pub(crate) fn replace_identity(&self, identity: Option<Identity>) -> Result<(), KubeError> {
        let mut config = self.config.clone();
        take_identity(&mut config, identity);
        let sender = build(&config, self.proxy.as_ref())?;
        *self.sender.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = sender;
        Ok(())
    }

    /// Sends one request.
    pub(crate) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<DecompressionBody<Incoming>>, Error> {
        let sender = self.sender.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        sender.oneshot(request).await
    }
}

/// Settles on ring also where another crate has linked a second provider.
fn install_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

fn take_identity(config: &mut Config, identity: Option<Identity>) {
    if let Some(Identity { certificate, key }) = identity {
        config.auth_info.client_certificate_data = Some(STANDARD.encode(certificate));
        config.auth_info.client_key_data =
            Some(SecretString::from(STANDARD.encode(secrecy::ExposeSecret::expose_secret(&key))));
    }
}

fn build(config: &Config, proxy: Option<&Proxy>) -> Result<Sender, KubeError> {
    let tcp = tcp_connector();
    let Some(proxy) = proxy else { return finish(config, tcp) };
    let url = proxy.url.clone();
    match url.scheme_str() {
        Some("socks5" | "socks5h") => {
            let socks = SocksV5::new(url.clone(), tcp);
            match userinfo(&url) {
                Some((user, password)) => finish(config, socks.with_auth(user, password)),
                None => finish(config, socks),
            }
        }
        Some("https") => {
            let tls = config.rustls_https_connector_with_connector(tcp)?;
            finish(config, tunnel(url, tls))
        }
        _ => finish(config, tunnel(url, tcp)),
    }
}

fn tcp_connector() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Without it the first request waits some 40 ms for a delayed ACK.
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE));
    tcp
}

fn tunnel<C>(url: Uri, connector: C) -> Tunnel<C> {
    let credentials = userinfo(&url).and_then(|(user, password)| {
        HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).ok()
    });
    let tunnel = Tunnel::new(url, connector);
    match credentials {
        Some(value) => tunnel.with_auth(value),
        None => tunnel,
    }
}

/// Returns user and password of a URL, percent-decoded.
fn userinfo(url: &Uri) -> Option<(String, String)> {
    let (userinfo, _) = url.authority()?.as_str().rsplit_once('@')?;
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decode(user), decode(password)))
}

fn finish<C>(config: &Config, connector: C) -> Result<Sender, KubeError>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connection + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError> + Send + Sync + std::error::Error + 'static,
{
    let tls = config.rustls_https_connector_with_connector(connector)?;
    let bounded = ServiceBuilder::new().map_future(Box::pin).timeout(CONNECT_TIMEOUT).service(tls);
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build(bounded);
    let gzip = DecompressionLayer::new().no_br().no_deflate().no_zstd().gzip(!config.disable_compression);
    Ok(BoxCloneSyncService::new(ServiceBuilder::new().layer(gzip).service(client)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_user_of_a_proxy() {
        let of = |url: &'static str| userinfo(&Uri::from_static(url));
        assert_eq!(of("http://u:p%40ss%3Aw@proxy:1"), Some(("u".into(), "p@ss:w".into())));
        assert_eq!(of("http://u@proxy:1"), Some(("u".into(), String::new())));
        assert_eq!(of("http://proxy:1"), None);
    }
}
