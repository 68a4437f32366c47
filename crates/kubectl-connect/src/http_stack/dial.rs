//! A connection to a server: TCP, a proxy if there is one, TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::{BoxError, Service};

use super::proxy_talk::{Refusal, ask_for_tunnel, ask_socks};
use crate::Proxy;

/// How long all addresses of a name may take together, and a handshake, as in client-go and Go's transport.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a proxy may think about a tunnel, as in Go.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection is dead when it is silent for this long and then does not answer three probes, or when nothing of what was sent
/// is acknowledged for this long: kubectl's HTTP/2 pings find out in 45 seconds at most.
const SILENT: Duration = Duration::from_secs(15);
const PROBE: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Bytes to and from a server.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection.
pub(super) struct Wire {
    io: TokioIo<Box<dyn Stream>>,
    /// Requests name the whole address, for the other end is a proxy.
    proxied: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("{prefix}{host}")]
pub(crate) struct DialError {
    /// What Go puts in front of the cause.
    pub(crate) prefix: String,
    /// Who was dialled, `host:port`.
    pub(crate) host: String,
    /// Whether it was the proxy that did not answer.
    pub(crate) at_proxy: bool,
    #[source]
    pub(crate) cause: Cause,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("dial tcp")]
    Tcp(#[source] BoxError),
    #[error("tls")]
    Tls(#[source] io::Error),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Slow(&'static str),
}

/// Opens connections.
#[derive(Clone)]
pub(super) struct Dialer {
    tcp: HttpConnector,
    proxy: Option<Proxy>,
    tls: Option<Arc<ClientConfig>>,
    server_name: Option<ServerName<'static>>,
}

impl Dialer {
    pub(super) fn new(
        proxy: Option<Proxy>,
        tls: Option<Arc<ClientConfig>>,
        server_name: Option<ServerName<'static>>,
    ) -> Self {
        let tcp = settled(HttpConnector::new());
        Self { tcp, proxy, tls, server_name }
    }

    async fn dial(mut self, target: Uri) -> Result<Wire, DialError> {
        let secure = target.scheme_str() == Some("https");
        let host = authority(&target);
        let Some(proxy) = self.proxy.take() else {
            let tcp = self.connect(&target, &host, String::new(), false).await?;
            return self.finish(tcp, &target, secure).await;
        };
        let url = with_port(&proxy.url);
        let at = authority(&url);
        let refused = |prefix: &str, refusal: Refusal| DialError {
            prefix: prefix.to_owned(),
            host: at.clone(),
            at_proxy: true,
            cause: refusal.into(),
        };
        let slow = |prefix: &str| DialError {
            prefix: prefix.to_owned(),
            host: at.clone(),
            at_proxy: true,
            cause: Cause::Slow("i/o timeout"),
        };
        if matches!(url.scheme_str(), Some("socks5" | "socks5h")) {
            let prefix = format!("socks connect tcp {at}->{host}: ");
            let mut tcp = self.connect(&url, &at, prefix.clone(), true).await?;
            match timeout(TUNNEL_TIMEOUT, ask_socks(&mut tcp, &url, &target)).await {
                Ok(asked) => asked.map_err(|refusal| refused(&prefix, refusal))?,
                Err(_) => return Err(slow(&prefix)),
            }
            return self.finish(tcp, &target, secure).await;
        }
        let prefix = "proxyconnect tcp: ".to_owned();
        let mut tcp = self.connect(&url, &at, prefix.clone(), true).await?;
        if url.scheme_str() == Some("https") {
            tcp = self.secured(tcp, &url, prefix, true).await?;
        }
        if !secure {
            return Ok(Wire { io: TokioIo::new(tcp), proxied: true });
        }
        match timeout(TUNNEL_TIMEOUT, ask_for_tunnel(&mut tcp, &url, &target)).await {
            // What a proxy says of a tunnel stands alone in Go, too.
            Ok(asked) => asked.map_err(|refusal| refused("", refusal))?,
            Err(_) => return Err(slow("")),
        }
        self.finish(tcp, &target, secure).await
    }

    async fn connect(
        &mut self,
        url: &Uri,
        host: &str,
        prefix: String,
        at_proxy: bool,
    ) -> Result<Box<dyn Stream>, DialError> {
        let failed = |cause: BoxError| DialError {
            prefix: prefix.clone(),
            host: host.to_owned(),
            at_proxy,
            cause: Cause::Tcp(cause),
        };
        std::future::poll_fn(|cx| self.tcp.poll_ready(cx)).await.map_err(|error| failed(error.into()))?;
        let tcp = self.tcp.call(url.clone()).await.map_err(|error| failed(error.into()))?;
        Ok(Box::new(tcp.into_inner()))
    }

    async fn finish(&self, tcp: Box<dyn Stream>, target: &Uri, secure: bool) -> Result<Wire, DialError> {
        let stream = if secure { self.secured(tcp, target, String::new(), false).await? } else { tcp };
        Ok(Wire { io: TokioIo::new(stream), proxied: false })
    }

    /// Speaks TLS on a connection.
    async fn secured(
        &self,
        tcp: Box<dyn Stream>,
        url: &Uri,
        prefix: String,
        at_proxy: bool,
    ) -> Result<Box<dyn Stream>, DialError> {
        let failed = |cause: Cause| DialError { prefix, host: authority(url), at_proxy, cause };
        let Some(config) = self.tls.clone() else {
            return Err(failed(Cause::Slow("tls: no settings")));
        };
        let name = match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => ServerName::try_from(bare_host(url).to_owned()),
        };
        let name = match name {
            Ok(name) => name,
            Err(error) => return Err(failed(Cause::Tls(io::Error::other(error)))),
        };
        match timeout(HANDSHAKE_TIMEOUT, TlsConnector::from(config).connect(name, tcp)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(failed(Cause::Tls(error))),
            Err(_) => Err(failed(Cause::Slow("net/http: TLS handshake timeout"))),
        }
    }
}

/// Settles what a connection does about delays, dead addresses and silence.
fn settled<R>(mut tcp: HttpConnector<R>) -> HttpConnector<R> {
    tcp.enforce_http(false);
    // Without it the first request waits some 40 ms for a delayed ACK.
    tcp.set_nodelay(true);
    // It is divided among the addresses of a name, so that a dead one leaves time for the next.
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(SILENT));
    tcp.set_keepalive_interval(Some(PROBE));
    tcp.set_keepalive_retries(Some(PROBES));
    #[cfg(any(target_os = "android", target_os = "linux"))]
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    tcp
}

/// Returns the host without the brackets of an IPv6 address.
fn bare_host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// Returns `host:port`, without user and password.
pub(crate) fn authority(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    match url.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => format!("{host}:{}", default_port(url)),
    }
}

/// Returns the port that a URL means where it names none.
pub(super) fn default_port(url: &Uri) -> u16 {
    match url.scheme_str() {
        Some("https") => 443,
        Some("socks5" | "socks5h") => 1080,
        _ => 80,
    }
}

/// Names the port, which the dialler would guess from a scheme that it does not know.
fn with_port(url: &Uri) -> Uri {
    if url.port().is_some() {
        return url.clone();
    }
    let mut parts = url.clone().into_parts();
    let named = parts.authority.as_ref().map(|authority| format!("{authority}:{}", default_port(url)));
    if let Some(authority) = named.and_then(|named| named.parse().ok()) {
        parts.authority = Some(authority);
    }
    Uri::from_parts(parts).unwrap_or_else(|_| url.clone())
}

impl Service<Uri> for Dialer {
    type Response = Wire;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.clone().dial(target))
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.proxied)
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, buffers)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    #[tokio::test]
    async fn a_control_plane_with_one_dead_address_is_reached() {
        // Whoever queues behind a full backlog hears nothing, as from a machine that is gone.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(1).unwrap();
        let dead = full.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(300), TcpStream::connect(dead)).await {
            queue.push(stream);
        }
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [dead, live.local_addr().unwrap()];
        let resolver = tower::service_fn(move |_| async move { Ok::<_, io::Error>(addresses.into_iter()) });
        let mut tcp = settled(HttpConnector::new_with_resolver(resolver));
        let start = std::time::Instant::now();
        let stream = tcp.call(Uri::from_static("https://multi.test")).await.unwrap().into_inner();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        assert!(start.elapsed() < CONNECT_TIMEOUT * 2 / 3, "{:?}", start.elapsed());
    }

    #[test]
    fn ports_that_nobody_names() {
        for (url, host) in [
            ("socks5://bastion", "bastion:1080"),
            ("http://u:pw@proxy", "proxy:80"),
            ("https://proxy", "proxy:443"),
            ("http://[::1]:3128", "[::1]:3128"),
        ] {
            let url = Uri::from_static(url);
            assert_eq!(authority(&url), host);
            assert_eq!(authority(&with_port(&url)), host);
            assert!(with_port(&url).port().is_some());
        }
    }
}
