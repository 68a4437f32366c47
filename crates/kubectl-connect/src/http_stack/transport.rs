//! Sends requests over connections that are kept.

use std::sync::RwLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::Body;

use super::dial::Dialer;
use super::failure::Failure;
use super::proxy_talk::proxy_authorization;
use crate::Proxy;
use crate::tls::{Identity, TlsPlan};

/// How long a connection is kept for the next request. What lies between may forget a silent one, and then a write that waited
/// for an answer at the prompt would be sent into nothing.
const KEPT: Duration = Duration::from_secs(25);
/// How many headers an answer may have; each warning is one.
const MOST_HEADERS: usize = 4096;
/// How long an issuer's answer may be.
const MOST_ANSWER: usize = 1024 * 1024;

type Sender = Client<Dialer, Body>;

/// Sends requests; can be given another client certificate on the way.
pub(crate) struct Transport {
    tls: Option<TlsPlan>,
    proxy: Option<Proxy>,
    proxy_authorization: Option<HeaderValue>,
    sender: RwLock<(u64, Sender)>,
}

impl Transport {
    /// Prepares TLS and the proxy; connects to nothing yet.
    pub(crate) fn new(
        tls: Option<TlsPlan>,
        proxy: Option<Proxy>,
        identity: Option<&Identity>,
    ) -> Result<Self, String> {
        let sender = RwLock::new((0, build(tls.as_ref(), proxy.as_ref(), identity)?));
        // A tunnel is asked for with it, and a request that goes to the proxy itself carries it.
        let authorization = proxy.as_ref().filter(|proxy| proxy.url.scheme_str() != Some("socks5"));
        let proxy_authorization = authorization
            .and_then(|proxy| proxy_authorization(&proxy.url))
            .and_then(|value| HeaderValue::from_str(&value).ok())
            .map(|mut value| {
                value.set_sensitive(true);
                value
            });
        Ok(Self { tls, proxy, proxy_authorization, sender })
    }

    /// Uses the client certificate of this number from now on, on new connections.
    pub(crate) fn use_identity(
        &self,
        number: u64,
        identity: impl FnOnce() -> Option<Identity>,
    ) -> Result<(), String> {
        if self.sender.read().unwrap_or_else(std::sync::PoisonError::into_inner).0 == number {
            return Ok(());
        }
        let mut sender = self.sender.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if sender.0 < number {
            *sender = (number, build(self.tls.as_ref(), self.proxy.as_ref(), identity().as_ref())?);
        }
        Ok(())
    }

    /// Sends one request.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Error> {
        if request.uri().scheme_str() == Some("http")
            && let Some(value) = &self.proxy_authorization
        {
            request.headers_mut().insert(http::header::PROXY_AUTHORIZATION, value.clone());
        }
        let sender = self.sender.read().unwrap_or_else(std::sync::PoisonError::into_inner).1.clone();
        sender.request(request).await
    }
}

fn build(
    tls: Option<&TlsPlan>,
    proxy: Option<&Proxy>,
    identity: Option<&Identity>,
) -> Result<Sender, String> {
    let config = tls.map(|plan| plan.client_config(identity)).transpose()?;
    let name = tls.and_then(|plan| plan.server_name.clone());
    let dialer = Dialer::new(proxy.cloned(), config, name);
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(KEPT)
        .pool_timer(TokioTimer::new())
        .http1_max_headers(MOST_HEADERS)
        .build(dialer))
}

/// A short answer, whole.
pub(crate) struct Answered {
    pub(crate) status: http::StatusCode,
    pub(crate) body: Bytes,
}

/// Sends one request to somebody who is not the API server; says in Go's words what goes wrong.
pub(crate) async fn send_once(
    tls: &TlsPlan,
    proxy: Option<Proxy>,
    request: Request<Body>,
) -> Result<Answered, String> {
    let plan = (request.uri().scheme_str() == Some("https")
        || proxy.as_ref().is_some_and(|proxy| proxy.url.scheme_str() == Some("https")))
    .then(|| tls.clone());
    let url = request.uri().clone();
    let method = request.method().clone();
    let answer = Transport::new(plan, proxy, None)?.send(request).await.map_err(|error| {
        let words = Failure::transport(Box::new(error), &method, &url).words;
        format!("{} \"{url}\": {words}", if method == http::Method::GET { "Get" } else { "Post" })
    })?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MOST_ANSWER).collect().await;
    let body = body.map_err(|_| format!("{url}: the answer is cut short or longer than 1 MiB"))?;
    Ok(Answered { status, body: body.to_bytes() })
}
