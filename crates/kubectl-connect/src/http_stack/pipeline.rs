//! What happens to a request between `kube::Client` and the network, in the order in which it happens.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Service};

use super::body::WatchedBody;
use super::failure::Failure;
use super::retry::{MOST_RETRIES, wait_before_retry};
use super::{ServerClock, Trace, Transport, Warnings};
use crate::credentials::{Credentials, Renewal};

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// How much of an answer is read before the request is repeated, to keep its connection.
const MOST_DRAINED: usize = 64 * 1024;

/// Everything that a request meets on its way.
pub(crate) struct Parts {
    pub(crate) server: Uri,
    pub(crate) user_agent: HeaderValue,
    pub(crate) impersonation: Vec<(HeaderName, HeaderValue)>,
    pub(crate) credentials: Credentials,
    pub(crate) transport: Transport,
    pub(crate) timeout: Option<Duration>,
    pub(crate) trace: Trace,
    pub(crate) warnings: Warnings,
    pub(crate) clock: ServerClock,
}

/// The service under `kube::Client`.
#[derive(Clone)]
pub(crate) struct Pipeline {
    parts: Arc<Parts>,
}

impl Pipeline {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }
}

impl Service<Request<Body>> for Pipeline {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let parts = Arc::clone(&self.parts);
        Box::pin(async move { Ok(parts.bounded(request).await?) })
    }
}

impl Parts {
    /// Applies the time limit to everything that follows, retries included. A stream has none.
    async fn bounded(&self, mut request: Request<Body>) -> Result<Answer, Failure> {
        let stream = is_stream(request.uri());
        self.complete(&mut request, stream);
        let Some(limit) = self.timeout.filter(|_| !stream) else {
            return self.retried(request, stream, None).await;
        };
        let deadline = Instant::now() + limit;
        match tokio::time::timeout_at(deadline, self.retried(request, stream, Some(deadline))).await {
            Ok(result) => result,
            Err(_) => Err(Failure::timeout("while awaiting headers")),
        }
    }

    /// Adds the address and the headers that every request has.
    fn complete(&self, request: &mut Request<Body>, stream: bool) {
        let absolute = join(&self.server, request.uri());
        *request.uri_mut() = absolute;
        let headers = request.headers_mut();
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if stream {
            // Servers may compress each event by itself, which the decoder takes for the end.
            headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        }
        for (name, value) in &self.impersonation {
            headers.append(name, value.clone());
        }
    }

    /// Repeats a request as long as the server asks for it. An eviction that a disruption budget forbids for now is the
    /// caller's to repeat, who can say so meanwhile (`pkg/registry/core/pod/storage/eviction.go` asks for ten seconds).
    async fn retried(
        &self,
        mut request: Request<Body>,
        stream: bool,
        deadline: Option<Instant>,
    ) -> Result<Answer, Failure> {
        if request.uri().path().ends_with("/eviction") {
            return self.authorized(request, stream, deadline).await;
        }
        for _ in 0..MOST_RETRIES {
            let again = copy(&request);
            let answer = self.authorized(request, stream, deadline).await?;
            let wait = wait_before_retry(answer.status(), answer.headers());
            let (Some(wait), Some(again)) = (wait, again) else { return Ok(answer) };
            drain(answer).await;
            tokio::time::sleep(wait).await;
            request = again;
        }
        self.authorized(request, stream, deadline).await
    }

    /// Adds the credentials; after a 401 tries once more if there are better ones.
    async fn authorized(
        &self,
        mut request: Request<Body>,
        stream: bool,
        deadline: Option<Instant>,
    ) -> Result<Answer, Failure> {
        if request.headers().contains_key(AUTHORIZATION) {
            return self.exchange(request, stream, deadline).await;
        }
        let again = copy(&request);
        let header = self.credentials.header().await.map_err(|error| Failure::credentials(&error))?;
        set(request.headers_mut(), header.as_ref());
        let answer = self.exchange(request, stream, deadline).await?;
        let Some(mut again) = again.filter(|_| answer.status() == StatusCode::UNAUTHORIZED) else {
            return Ok(answer);
        };
        let renewal =
            self.credentials.renew(header.as_ref()).await.map_err(|error| Failure::credentials(&error))?;
        let Renewal::New { certificate } = renewal else { return Ok(answer) };
        if certificate {
            let identity = self.credentials.identity();
            self.transport.replace_identity(identity).map_err(|error| Failure::credentials(&error))?;
        }
        drain(answer).await;
        let header = self.credentials.header().await.map_err(|error| Failure::credentials(&error))?;
        set(again.headers_mut(), header.as_ref());
        self.exchange(again, stream, deadline).await
    }

    /// Sends one request and looks at the head of its answer.
    async fn exchange(
        &self,
        request: Request<Body>,
        stream: bool,
        deadline: Option<Instant>,
    ) -> Result<Answer, Failure> {
        let (method, url) = (request.method().clone(), request.uri().clone());
        let sent = request.body().try_clone().filter(|_| self.trace.bodies());
        let body = match sent {
            Some(body) => body.collect_bytes().await.ok(),
            None => None,
        };
        self.trace.request(&method, &url, request.headers(), body.as_deref());
        let start = std::time::Instant::now();
        match self.transport.send(request).await {
            Ok(answer) => {
                self.trace.response(&method, &url, answer.status(), start.elapsed(), answer.headers());
                self.warnings.observe(answer.headers());
                self.clock.observe(answer.headers());
                let watched = |body| WatchedBody::new(body, deadline, &self.trace, stream).boxed_unsync();
                Ok(answer.map(watched))
            }
            Err(error) => {
                let failure = Failure::transport(Box::new(error), &url);
                self.trace.failure(&method, &url, start.elapsed(), &failure.sentence);
                Err(failure)
            }
        }
    }
}

/// Joins the server's address with a request's path; the server's own path stays in front.
fn join(server: &Uri, request: &Uri) -> Uri {
    let mut parts = server.clone().into_parts();
    let prefix = server.path().trim_end_matches('/');
    let path = request.path_and_query().map_or("/", |path| path.as_str());
    parts.path_and_query = format!("{prefix}{path}").parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| request.clone())
}

/// Says whether an answer is meant to go on for long: a watch, or a log that is followed.
fn is_stream(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1" | "follow=true" | "follow=1"))
}

fn set(headers: &mut HeaderMap, authorization: Option<&HeaderValue>) {
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value.clone());
    }
}

/// Copies a request, unless its body is a stream.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

/// Reads the rest of an answer that nobody wants, so that its connection can be used again.
async fn drain(answer: Answer) {
    let mut body = answer.into_body();
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MOST_DRAINED {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_addresses() {
        let join = |server: &'static str, path: &'static str| {
            join(&Uri::from_static(server), &Uri::from_static(path)).to_string()
        };
        assert_eq!(join("https://k:6443", "/api/v1/pods?limit=1"), "https://k:6443/api/v1/pods?limit=1");
        assert_eq!(join("https://rancher/k8s/clusters/c/", "/apis"), "https://rancher/k8s/clusters/c/apis");
    }

    #[test]
    fn knows_streams() {
        for (uri, stream) in [
            ("/api/v1/pods?watch=true&limit=1", true),
            ("/api/v1/pods?limit=1&watch=1", true),
            ("/api/v1/namespaces/a/pods/b/log?follow=true", true),
            ("/api/v1/pods?labelSelector=watch%3Dtrue", false),
            ("/api/v1/pods?watch=false", false),
            ("/api/v1/pods", false),
        ] {
            assert_eq!(is_stream(&Uri::from_static(uri)), stream, "{uri}");
        }
    }
}
