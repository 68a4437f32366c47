//! What happens to a request between `kube::Client` and the network, in the order in which it happens.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Service};

use super::body::{Bounds, WatchedBody};
use super::failure::Failure;
use super::foreign;
use super::gunzip::Unpacked;
use super::retry::{MOST_RETRIES, wait_after_break, wait_before_retry};
use super::{ServerClock, Trace, Transport, Warnings};
use crate::credentials::{Credentials, Issued, Renewal};

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// How much of an answer is read before the request is repeated, to keep its connection.
const MOST_DRAINED: usize = 64 * 1024;
/// How much of a failure's answer is read: a `Status` is short.
const MOST_FAILURE: usize = 4 * 1024 * 1024;
/// How much longer than it was asked to a stream may go on before it counts as ended.
const OVERTIME: Duration = Duration::from_secs(10);

/// Everything that a request meets on its way.
pub(crate) struct Parts {
    pub(crate) server: Uri,
    /// What the server's address says of user and password.
    pub(crate) basic: Option<HeaderValue>,
    pub(crate) compression: bool,
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
        // kube asks for watches that are not packed, which are the faster ones; a log is one, too.
        if stream {
            headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        } else if self.compression {
            headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        }
        if let Some(basic) = &self.basic {
            headers.insert(AUTHORIZATION, basic.clone());
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
        // What only reads is sent again when the connection broke, as in client-go; a stream is its reader's to carry on.
        let harmless = request.method() == Method::GET && !stream;
        for tried in 0..MOST_RETRIES {
            let again = copy(&request);
            match (self.authorized(request, stream, deadline).await, again) {
                (Ok(answer), again) => {
                    let wait = wait_before_retry(answer.status(), answer.headers());
                    let (Some(wait), Some(again)) = (wait, again) else { return Ok(answer) };
                    drain(answer).await;
                    tokio::time::sleep(wait).await;
                    request = again;
                }
                (Err(failure), Some(again)) if harmless && failure.broke => {
                    tokio::time::sleep(wait_after_break(tried)).await;
                    request = again;
                }
                (Err(failure), _) => return Err(failure),
            }
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
        let issued = self.issue(&mut request).await?;
        let answer = self.exchange(request, stream, deadline).await?;
        let Some(mut again) = again.filter(|_| answer.status() == StatusCode::UNAUTHORIZED) else {
            return Ok(answer);
        };
        match self.credentials.renew(&issued).await.map_err(Failure::credentials)? {
            Renewal::Same => Ok(answer),
            Renewal::New => {
                drain(answer).await;
                self.issue(&mut again).await?;
                self.exchange(again, stream, deadline).await
            }
        }
    }

    /// Puts what there is to show into a request, and into the connections if a helper has a new certificate.
    async fn issue(&self, request: &mut Request<Body>) -> Result<Issued, Failure> {
        let issued = self.credentials.current().await.map_err(Failure::credentials)?;
        let identity = || self.credentials.identity();
        self.transport
            .use_identity(issued.certificate, identity)
            .map_err(|reason| Failure::identity(&reason))?;
        if let Some(value) = &issued.header {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        Ok(issued)
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
        let answer = match self.transport.send(request).await {
            Ok(answer) => answer,
            Err(error) => {
                let failure = Failure::transport(Box::new(error), &method, &url);
                self.trace.failure(&method, &url, start.elapsed(), &failure.sentence);
                return Err(failure);
            }
        };
        self.trace.response(&method, &url, answer.status(), start.elapsed(), answer.headers());
        self.warnings.observe(answer.headers());
        self.clock.observe(answer.headers());
        if answer.status().is_redirection() {
            return Err(redirected(answer.status(), answer.headers()));
        }
        let failed = answer.status().is_client_error() || answer.status().is_server_error();
        let end = stream.then(|| asked_for(&url)).flatten().map(|time| Instant::now() + time + OVERTIME);
        let bounds = Bounds { deadline, stream: stream && !failed, end };
        let (mut head, body) = answer.into_parts();
        let body = WatchedBody::new(Unpacked::new(body, &mut head.headers), bounds, &self.trace);
        if !failed {
            return Ok(Response::from_parts(head, body.boxed_unsync()));
        }
        // Only an API server's own word about a failure is passed on as it is.
        let bytes = Limited::new(body, MOST_FAILURE).collect().await.map_err(|error| {
            let sentence = format!(
                "error: the server answered {} and more than {} MiB, which were not read",
                head.status,
                MOST_FAILURE / (1024 * 1024)
            );
            if error.is::<LengthLimitError>() { Failure::answer(sentence) } else { Failure::body(error) }
        })?;
        let mut bytes = bytes.to_bytes();
        if !foreign::is_status(&bytes) {
            let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let status =
                foreign::status(&method, &url, head.status, content_type.unwrap_or_default(), &bytes);
            bytes = status.into();
        }
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, Full::new(bytes).map_err(|never| match never {}).boxed_unsync()))
    }
}

/// Says where an answer points to. It is not followed, for the credentials would go there, too; kubectl sends them.
fn redirected(status: StatusCode, headers: &HeaderMap) -> Failure {
    let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    // What follows the path may be secret, and so may a user's name.
    let place = target.and_then(|target| target.parse::<Uri>().ok()).map(|target| match target.host() {
        Some(_) => format!(
            "{}://{}{}",
            target.scheme_str().unwrap_or("https"),
            super::dial::authority(&target),
            target.path()
        ),
        None => target.path().to_owned(),
    });
    let place = crate::words::one_line(&place.unwrap_or_else(|| "nowhere".to_owned()));
    Failure::answer(format!(
        "error: the server answered {status} and points to {place}, where this program does not follow it"
    ))
}

/// Returns for how long a stream was asked for.
fn asked_for(url: &Uri) -> Option<Duration> {
    let seconds = url.query()?.split('&').find_map(|pair| pair.strip_prefix("timeoutSeconds="))?;
    Some(Duration::from_secs(seconds.parse().ok()?))
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
    fn says_where_a_gateway_points_to_and_nothing_secret() {
        let said = |location: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_static(location));
            redirected(StatusCode::FOUND, &headers).sentence
        };
        assert_eq!(
            said("https://u:pw@sso.example/login?state=s3cret"),
            "error: the server answered 302 Found and points to https://sso.example:443/login, where this program \
             does not follow it"
        );
        assert!(said("/login?x=1").contains("points to /login,"));
    }

    #[test]
    fn knows_for_how_long_a_stream_was_asked_for() {
        let of = |uri: &'static str| asked_for(&Uri::from_static(uri));
        assert_eq!(of("/api?watch=true&timeoutSeconds=30"), Some(Duration::from_secs(30)));
        assert_eq!(of("/api?watch=true"), None);
        assert_eq!(of("/api?timeoutSeconds=x"), None);
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
