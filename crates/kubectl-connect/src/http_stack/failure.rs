//! Why a request got no answer, in the words of Go's network stack, which are kubectl's.

use std::error::Error as StdError;
use std::io;

use http::{Method, Uri};
use tower::BoxError;

use super::dial::{Cause, DialError, authority};
use super::tls_words;
use crate::ApiErrorKind;
use crate::credentials::CredentialError;
use crate::words::io_words;

/// A request that got no answer; its text is kubectl's whole sentence. It has no source: whoever looks for the innermost
/// cause would find the words of a library.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Failure {
    pub(crate) kind: ApiErrorKind,
    pub(crate) sentence: String,
    /// What Go says, without kubectl's words in front.
    pub(crate) words: String,
    pub(crate) hint: Option<String>,
    /// A connection was there and broke: what only reads may be sent again.
    pub(crate) broke: bool,
}

impl Failure {
    fn of(kind: ApiErrorKind, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { kind, sentence: unable(&words), words, hint: None, broke: false }
    }

    /// The time limit of a request ran out.
    pub(crate) fn timeout(when: &str) -> Self {
        Self::of(ApiErrorKind::Timeout, format!("context deadline exceeded (Client.Timeout exceeded {when})"))
    }

    /// There were no credentials to send.
    pub(crate) fn credentials(error: CredentialError) -> Self {
        Self { hint: error.hint, ..Self::of(ApiErrorKind::Credentials, error.message) }
    }

    /// A new client certificate cannot be used.
    pub(crate) fn identity(reason: &str) -> Self {
        Self::of(ApiErrorKind::Credentials, format!("getting credentials: {reason}"))
    }

    /// An answer came that is of no use.
    pub(crate) fn answer(sentence: String) -> Self {
        Self { sentence: sentence.clone(), ..Self::of(ApiErrorKind::Decode, sentence) }
    }

    /// No connection came about, or it broke.
    pub(crate) fn transport(source: BoxError, method: &Method, url: &Uri) -> Self {
        let mut failure = describe(source.as_ref(), Some(url));
        if failure.broke && *method != Method::GET && was_sent(source.as_ref()) {
            failure.words =
                format!("{}; whether the server carried out the {method} is not known", failure.words);
            failure.sentence = unable(&failure.words);
        }
        failure
    }

    /// The connection broke while the answer was being read.
    pub(crate) fn body(source: BoxError) -> Self {
        let failure = describe(source.as_ref(), None);
        if failure.broke && failure.words == "EOF" {
            return Self::of(ApiErrorKind::Broken, "unexpected EOF");
        }
        failure
    }
}

/// Says whether a request may have left: it has not where no connection came about, or the one that was kept was gone.
fn was_sent(error: &(dyn StdError + 'static)) -> bool {
    let mut current = Some(error);
    while let Some(error) = current {
        let canceled = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        if canceled || error.is::<DialError>() {
            return false;
        }
        current = error.source().or_else(|| inner_of_io(error));
    }
    true
}

/// Finds the cause in a chain of errors and says it as Go would.
fn describe(error: &(dyn StdError + 'static), url: Option<&Uri>) -> Failure {
    let mut last = error;
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(Failure { kind, sentence, words, hint, broke }) = error.downcast_ref::<Failure>() {
            let (sentence, words, hint) = (sentence.clone(), words.clone(), hint.clone());
            return Failure { kind: *kind, sentence, words, hint, broke: *broke };
        }
        if let Some(error) = error.downcast_ref::<DialError>() {
            return from_dial(error, url);
        }
        if let Some(tls) = tls_error(error) {
            let (kind, words) = tls_words::describe(tls, url.and_then(Uri::host).unwrap_or_default());
            return Failure::of(kind, words);
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
            && error.source().is_none()
        {
            return broken("EOF".to_owned());
        }
        if let Some(io) = error.downcast_ref::<io::Error>()
            && (io.get_ref().is_none() || io.kind() == io::ErrorKind::UnexpectedEof)
        {
            return from_io(io, url);
        }
        last = error;
        current = error.source().or_else(|| inner_of_io(error));
    }
    let text = last.to_string();
    if text.contains("unexpected EOF") || text.contains("end of file before message length reached") {
        return broken("EOF".to_owned());
    }
    Failure::of(ApiErrorKind::Broken, text)
}

/// Does the same for an error whose request is no longer known.
pub(crate) fn describe_alone(error: &(dyn StdError + 'static)) -> Failure {
    describe(error, None)
}

fn broken(words: String) -> Failure {
    Failure { broke: true, ..Failure::of(ApiErrorKind::Broken, words) }
}

/// Tells why no connection came about.
fn from_dial(error: &DialError, url: Option<&Uri>) -> Failure {
    let DialError { prefix, host, at_proxy, cause } = error;
    let kind = |kind: ApiErrorKind| if *at_proxy { ApiErrorKind::Proxy } else { kind };
    let failed = |of: ApiErrorKind, words: String| Failure::of(kind(of), format!("{prefix}{words}"));
    match cause {
        Cause::Tcp(source) => match io_of(source.as_ref()) {
            Some((io, true)) => {
                let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
                failed(ApiErrorKind::Dns, format!("dial tcp: lookup {name}: {}", lookup_words(io)))
            }
            // kubectl names the server also where it was the proxy that refused.
            Some((io, false)) if io.kind() == io::ErrorKind::ConnectionRefused => {
                let server = url.map_or_else(|| host.clone(), |url| without_user(url).to_owned());
                let sentence = refused(&server);
                Failure { sentence, ..failed(ApiErrorKind::Refused, refused(&server)) }
            }
            Some((io, false)) if io.kind() == io::ErrorKind::TimedOut => {
                failed(ApiErrorKind::Timeout, format!("dial tcp {host}: i/o timeout"))
            }
            Some((io, false)) => {
                failed(ApiErrorKind::Unreachable, format!("dial tcp {host}: connect: {}", io_words(io)))
            }
            None => failed(ApiErrorKind::Timeout, format!("dial tcp {host}: i/o timeout")),
        },
        Cause::Tls(source) => {
            let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
            match tls_error(source) {
                Some(tls) => {
                    let (kind, words) = tls_words::describe(tls, name);
                    Failure::of(kind, format!("{prefix}{words}"))
                }
                None => Failure { broke: true, ..failed(ApiErrorKind::Broken, io_words(source)) },
            }
        }
        Cause::Refused(refusal) => failed(ApiErrorKind::Proxy, refusal_words(refusal)),
        Cause::Slow(words) => failed(ApiErrorKind::Timeout, (*words).to_owned()),
    }
}

fn refusal_words(refusal: &super::proxy_talk::Refusal) -> String {
    match refusal {
        super::proxy_talk::Refusal::Said(words) => words.clone(),
        super::proxy_talk::Refusal::Broke(error) => io_words(error),
    }
}

/// Finds the operating system's word in an error of the dialler, and whether it is about a name.
fn io_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<(&'a io::Error, bool)> {
    let mut dns = false;
    let mut found = None;
    let mut current: Option<&'a (dyn StdError + 'static)> = Some(error);
    while let Some(error) = current {
        dns |= error.to_string().starts_with("dns error");
        found = error.downcast_ref::<io::Error>().or(found);
        current = error.source().or_else(|| inner_of_io(error));
    }
    found.map(|io| (io, dns))
}

/// Tells by the operating system's word why a connection broke.
fn from_io(error: &io::Error, url: Option<&Uri>) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            let host = url.map(without_user).unwrap_or_default();
            let sentence = refused(host);
            Failure { sentence: sentence.clone(), ..Failure::of(ApiErrorKind::Refused, sentence) }
        }
        // Nothing was dialled: what was sent has not been acknowledged, or the server is silent.
        io::ErrorKind::TimedOut => broken(match url {
            Some(url) => format!("read tcp {}: connection timed out", authority(url)),
            None => "read tcp: connection timed out".to_owned(),
        }),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Failure::of(ApiErrorKind::Unreachable, io_words(error))
        }
        _ => broken(io_words(error)),
    }
}

/// Returns what the address says of the host, without user and password.
fn without_user(url: &Uri) -> &str {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    authority.rsplit('@').next().unwrap_or(authority)
}

fn lookup_words(error: &io::Error) -> &'static str {
    let text = error.to_string().to_lowercase();
    if text.contains("temporary failure") || text.contains("try again") {
        "Temporary failure in name resolution"
    } else {
        "no such host"
    }
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

    fn url() -> Uri {
        "https://user:s3cret@k.example:6443/api".parse().unwrap()
    }

    fn said(error: impl Into<BoxError>) -> (ApiErrorKind, String) {
        let failure = Failure::transport(error.into(), &Method::GET, &url());
        (failure.kind, failure.sentence)
    }

    fn dialled(prefix: &str, at_proxy: bool, cause: Cause) -> (ApiErrorKind, String) {
        said(DialError { prefix: prefix.into(), host: "p.example:3128".into(), at_proxy, cause })
    }

    fn tcp(kind: io::ErrorKind) -> Cause {
        Cause::Tcp(Box::new(io::Error::from(kind)))
    }

    #[test]
    fn speaks_as_kubectl_does() {
        assert_eq!(
            said(io::Error::from(io::ErrorKind::UnexpectedEof)).1,
            "Unable to connect to the server: EOF"
        );
        assert_eq!(said("what").1, "Unable to connect to the server: what");
        assert_eq!(
            dialled("", false, tcp(io::ErrorKind::HostUnreachable)).1,
            "Unable to connect to the server: dial tcp p.example:3128: connect: no route to host"
        );
        assert_eq!(
            dialled("", false, tcp(io::ErrorKind::TimedOut)),
            (
                ApiErrorKind::Timeout,
                "Unable to connect to the server: dial tcp p.example:3128: i/o timeout".to_owned()
            )
        );
    }

    #[test]
    fn a_password_in_the_address_is_never_printed() {
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::TimedOut,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::HostUnreachable,
        ] {
            assert!(!said(io::Error::from(kind)).1.contains("s3cret"));
            assert!(!dialled("", false, tcp(kind)).1.contains("s3cret"));
        }
        assert_eq!(
            dialled("", false, tcp(io::ErrorKind::ConnectionRefused)),
            (
                ApiErrorKind::Refused,
                "The connection to the server k.example:6443 was refused - did you specify the right host or port?"
                    .to_owned()
            )
        );
    }

    #[test]
    fn what_is_wrong_with_the_proxy_is_told_of_the_proxy() {
        let prefix = "proxyconnect tcp: ";
        assert_eq!(
            dialled(prefix, true, tcp(io::ErrorKind::TimedOut)),
            (
                ApiErrorKind::Proxy,
                "Unable to connect to the server: proxyconnect tcp: dial tcp p.example:3128: i/o timeout"
                    .to_owned()
            )
        );
        let refusal = super::super::proxy_talk::Refusal::Said("Forbidden".into());
        assert_eq!(
            dialled("", true, refusal.into()),
            (ApiErrorKind::Proxy, "Unable to connect to the server: Forbidden".to_owned())
        );
    }

    #[test]
    fn a_write_on_a_dead_connection_is_not_said_to_be_a_dial() {
        let error = io::Error::from(io::ErrorKind::TimedOut);
        let failure = Failure::transport(error.into(), &Method::PATCH, &url());
        assert_eq!(
            failure.sentence,
            "Unable to connect to the server: read tcp k.example:6443: connection timed out; whether the server \
             carried out the PATCH is not known"
        );
    }

    #[test]
    fn a_write_that_never_left_is_not_said_to_be_in_doubt() {
        let eof = Cause::Tls(io::Error::from(io::ErrorKind::UnexpectedEof));
        let dial = DialError { prefix: String::new(), host: "k:1".into(), at_proxy: false, cause: eof };
        let failure = Failure::transport(Box::new(dial), &Method::PATCH, &url());
        assert_eq!(failure.sentence, "Unable to connect to the server: EOF");
    }

    #[test]
    fn finds_tls_errors_inside_io_errors() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, tls);
        let twice = io::Error::other(wrapped);
        assert_eq!(said(twice).0, ApiErrorKind::Certificate);
    }

    #[test]
    fn an_answer_that_is_cut_short_is_said_in_two_words() {
        let rude = io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "peer closed connection without sending TLS close_notify: https://docs.rs/rustls",
        );
        assert_eq!(Failure::body(rude.into()).sentence, "Unable to connect to the server: unexpected EOF");
    }

    #[test]
    fn no_words_of_a_library_stand_behind_those_of_a_failure() {
        let rude =
            io::Error::new(io::ErrorKind::UnexpectedEof, "peer closed connection: https://docs.rs/rustls");
        let failure = Failure::transport(rude.into(), &Method::GET, &url());
        assert_eq!(failure.sentence, "Unable to connect to the server: EOF");
        assert!(failure.source().is_none());
    }

    #[test]
    fn keeps_what_was_already_said() {
        let inner = Failure::timeout("while reading body");
        let failure = describe(&inner, None);
        assert_eq!(failure.kind, ApiErrorKind::Timeout);
        assert_eq!(
            failure.sentence,
            "Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded while reading body)"
        );
    }
}
