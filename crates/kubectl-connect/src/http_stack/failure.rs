//! Why a request got no answer, in the words of Go's network stack, which are kubectl's.

use std::error::Error as StdError;
use std::io;

use http::Uri;
use tower::BoxError;

use super::tls_words;
use crate::ApiErrorKind;
use crate::words::io_words;

/// A request that got no answer; its text is kubectl's whole sentence.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Failure {
    pub(crate) kind: ApiErrorKind,
    pub(crate) sentence: String,
    #[source]
    source: Option<BoxError>,
}

impl Failure {
    /// The time limit of a request ran out.
    pub(crate) fn timeout(when: &str) -> Self {
        let sentence = unable(&format!("context deadline exceeded (Client.Timeout exceeded {when})"));
        Self { kind: ApiErrorKind::Timeout, sentence, source: None }
    }

    /// There were no credentials to send.
    pub(crate) fn credentials(error: &dyn std::fmt::Display) -> Self {
        let sentence = unable(&format!("getting credentials: {error}"));
        Self { kind: ApiErrorKind::Credentials, sentence, source: None }
    }

    /// No connection came about, or it broke.
    pub(crate) fn transport(source: BoxError, url: &Uri) -> Self {
        let (kind, sentence) = describe(source.as_ref(), Some(url));
        Self { kind, sentence, source: Some(source) }
    }
}

/// Finds the cause in a chain of errors and says it as kubectl would.
fn describe(error: &(dyn StdError + 'static), url: Option<&Uri>) -> (ApiErrorKind, String) {
    let host = url.and_then(Uri::authority).map_or("", |authority| authority.as_str());
    let mut dns = false;
    let mut proxy = None;
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return (failure.kind, failure.sentence.clone());
        }
        if let Some(tls) = tls_error(error) {
            let (kind, words) = tls_words::describe(tls, url.and_then(Uri::host).unwrap_or_default());
            return (kind, unable(&words));
        }
        let text = error.to_string();
        dns |= text.starts_with("dns error");
        if text.starts_with("tunnel error") || text.starts_with("SOCKS error") {
            proxy = Some(text.clone());
        }
        if let Some(io) = error.downcast_ref::<io::Error>().filter(|io| io.get_ref().is_none() || dns) {
            return from_io(io, host, url, dns);
        }
        current = error.source().or_else(|| inner_of_io(error));
    }
    match proxy {
        Some(text) => (ApiErrorKind::Proxy, unable(&format!("proxyconnect tcp: {text}"))),
        None => from_text(error, host),
    }
}

/// Does the same for an error whose request is no longer known.
pub(crate) fn describe_alone(error: &(dyn StdError + 'static)) -> (ApiErrorKind, String) {
    describe(error, None)
}

/// Tells by the operating system's word.
fn from_io(error: &io::Error, host: &str, url: Option<&Uri>, dns: bool) -> (ApiErrorKind, String) {
    if dns {
        let name = url.and_then(Uri::host).unwrap_or(host);
        let words = format!("dial tcp: lookup {name}: {}", lookup_words(error));
        return (ApiErrorKind::Dns, unable(&words));
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => (ApiErrorKind::Refused, refused(host)),
        io::ErrorKind::TimedOut => (ApiErrorKind::Timeout, unable(&format!("dial tcp {host}: i/o timeout"))),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            (ApiErrorKind::Unreachable, unable(&format!("dial tcp {host}: connect: {}", io_words(error))))
        }
        _ => (ApiErrorKind::Broken, unable(&io_words(error))),
    }
}

fn lookup_words(error: &io::Error) -> &'static str {
    let text = error.to_string().to_lowercase();
    if text.contains("temporary failure") || text.contains("try again") {
        "Temporary failure in name resolution"
    } else {
        "no such host"
    }
}

/// Tells by the words of hyper, where there is nothing else.
fn from_text(error: &(dyn StdError + 'static), host: &str) -> (ApiErrorKind, String) {
    let mut last = error.to_string();
    let mut current = error.source();
    while let Some(error) = current {
        last = error.to_string();
        current = error.source();
    }
    if last.contains("connection closed before message completed") || last.contains("unexpected EOF") {
        return (ApiErrorKind::Broken, unable("EOF"));
    }
    if last.contains("timed out") || last.contains("deadline has elapsed") {
        return (ApiErrorKind::Timeout, unable(&format!("dial tcp {host}: i/o timeout")));
    }
    (ApiErrorKind::Broken, unable(&last))
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let inner: &'a (dyn StdError + 'static) = error.downcast_ref::<io::Error>()?.get_ref()?;
    tls_error(inner)
}

/// Looks into an I/O error that wraps another error, which `source` skips.
fn inner_of_io<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let inner: &'a (dyn StdError + 'static) = error.downcast_ref::<io::Error>()?.get_ref()?;
    Some(inner)
}

fn refused(host: &str) -> String {
    format!("The connection to the server {host} was refused - did you specify the right host or port?")
}

fn unable(words: &str) -> String {
    format!("Unable to connect to the server: {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: impl Into<BoxError>) -> (ApiErrorKind, String) {
        let failure = Failure::transport(error.into(), &"https://k.example:6443/api".parse().unwrap());
        (failure.kind, failure.sentence)
    }

    #[test]
    fn speaks_as_kubectl_does() {
        assert_eq!(
            said(io::Error::from(io::ErrorKind::ConnectionRefused)),
            (
                ApiErrorKind::Refused,
                "The connection to the server k.example:6443 was refused - did you specify the right host or port?"
                    .to_owned()
            )
        );
        assert_eq!(
            said(io::Error::from(io::ErrorKind::HostUnreachable)).1,
            "Unable to connect to the server: dial tcp k.example:6443: connect: no route to host"
        );
        assert_eq!(
            said(io::Error::from(io::ErrorKind::TimedOut)),
            (
                ApiErrorKind::Timeout,
                "Unable to connect to the server: dial tcp k.example:6443: i/o timeout".to_owned()
            )
        );
        assert_eq!(
            said(io::Error::from(io::ErrorKind::UnexpectedEof)).1,
            "Unable to connect to the server: EOF"
        );
        assert_eq!(said("what").1, "Unable to connect to the server: what");
    }

    #[test]
    fn finds_tls_errors_inside_io_errors() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, tls);
        let twice = io::Error::other(wrapped);
        assert_eq!(said(twice).0, ApiErrorKind::Certificate);
    }

    #[test]
    fn keeps_what_was_already_said() {
        let inner = Failure::timeout("while reading body");
        let (kind, sentence) = describe(&inner, None);
        assert_eq!(kind, ApiErrorKind::Timeout);
        assert_eq!(
            sentence,
            "Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded while reading body)"
        );
    }
}
