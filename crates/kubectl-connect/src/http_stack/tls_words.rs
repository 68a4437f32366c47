//! Go's words for what goes wrong in a TLS handshake.

use k8s_openapi::jiff::Timestamp;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use crate::{ApiErrorKind, tls};

/// Describes a TLS error on the way to `host`.
pub(crate) fn describe(error: &Error, host: &str) -> (ApiErrorKind, String) {
    match error {
        Error::InvalidCertificate(certificate) => {
            let words = certificate_words(certificate, host);
            (ApiErrorKind::Certificate, format!("tls: failed to verify certificate: x509: {words}"))
        }
        Error::AlertReceived(alert) => {
            (ApiErrorKind::Tls, format!("remote error: tls: {}", alert_words(*alert)))
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            (ApiErrorKind::Tls, "http: server gave HTTP response to HTTPS client".to_owned())
        }
        other => (ApiErrorKind::Tls, format!("tls: {other}")),
    }
}

fn certificate_words(error: &CertificateError, host: &str) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        CertificateError::Expired | CertificateError::NotValidYet => {
            "certificate has expired or is not yet valid".to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "certificate has expired or is not yet valid: current time {} is after {}",
            rfc3339(*time),
            rfc3339(*not_after)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "certificate has expired or is not yet valid: current time {} is before {}",
            rfc3339(*time),
            rfc3339(*not_before)
        ),
        CertificateError::NotValidForName => format!("certificate is not valid for {host}"),
        CertificateError::NotValidForNameContext { expected, presented } => name_words(expected, presented),
        // A key that is known, and a signature that none like it makes: another authority of the same name.
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            public_key_algorithm_id,
            ..
        } if known_key(public_key_algorithm_id) => "certificate signed by unknown authority".to_owned(),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "certificate has a key or signature of a kind that this program does not support (SHA-1, for one)"
                .to_owned()
        }
        other if other.to_string().contains("CaUsedAsEndEntity") => {
            "certificate is that of an authority, which this program does not accept as a server's".to_owned()
        }
        other => other.to_string(),
    }
}

fn known_key(id: &[u8]) -> bool {
    let known = tls::provider().signature_verification_algorithms.all;
    known.iter().any(|algorithm| algorithm.public_key_alg_id().as_ref() == id)
}

/// Names those that the certificate is for, of the sort that was wanted, as Go's `HostnameError` does.
fn name_words(expected: &ServerName<'_>, presented: &[String]) -> String {
    let wanted = expected.to_str();
    let address = matches!(expected, ServerName::IpAddress(_));
    // Presented names come as `DnsName("a")` and `IpAddress(1.2.3.4)`.
    let sort = if address { "IpAddress(" } else { "DnsName(" };
    let bare =
        |name: &String| Some(name.strip_prefix(sort)?.trim_end_matches(')').trim_matches('"').to_owned());
    let names: Vec<String> = presented.iter().filter_map(bare).collect();
    match (names.is_empty(), address) {
        (true, true) => {
            format!("cannot validate certificate for {wanted} because it doesn't contain any IP SANs")
        }
        (true, false) => format!("certificate is not valid for any names, but wanted to match {wanted}"),
        (false, _) => format!("certificate is valid for {}, not {wanted}", names.join(", ")),
    }
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::HandshakeFailure => "handshake failure".to_owned(),
        AlertDescription::BadCertificate => "bad certificate".to_owned(),
        AlertDescription::CertificateExpired => "expired certificate".to_owned(),
        AlertDescription::CertificateUnknown => "unknown certificate".to_owned(),
        AlertDescription::CertificateRequired => "certificate required".to_owned(),
        AlertDescription::UnknownCA => "unknown certificate authority".to_owned(),
        AlertDescription::ProtocolVersion => "protocol version not supported".to_owned(),
        AlertDescription::UnrecognisedName => "unrecognized name".to_owned(),
        AlertDescription::InternalError => "internal error".to_owned(),
        other => format!("{other:?}"),
    }
}

fn rfc3339(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or("?".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn words(error: CertificateError) -> String {
        describe(&Error::InvalidCertificate(error), "k").1
    }

    #[test]
    fn certificates() {
        assert_eq!(
            words(CertificateError::UnknownIssuer),
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
        );
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        assert_eq!(
            words(CertificateError::ExpiredContext { time: at(60), not_after: at(1) }),
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: \
             current time 1970-01-01T00:01:00Z is after 1970-01-01T00:00:01Z"
        );
        let name = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("k.example").unwrap(),
            presented: presented.iter().map(ToString::to_string).collect(),
        };
        assert!(
            words(name(&["DnsName(\"a\")", "IpAddress(10.0.0.1)"]))
                .ends_with("x509: certificate is valid for a, not k.example")
        );
        for none in [&[][..], &["IpAddress(10.0.0.1)"]] {
            assert!(words(name(none)).ends_with("not valid for any names, but wanted to match k.example"));
        }
        let address = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("10.0.0.1").unwrap(),
            presented: vec!["DnsName(\"a\")".to_owned()],
        };
        let said = "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs";
        assert!(words(address).ends_with(said));
    }

    #[test]
    fn alerts_and_plain_http() {
        let alert = Error::AlertReceived(AlertDescription::CertificateRequired);
        assert_eq!(describe(&alert, "k").1, "remote error: tls: certificate required");
        let http = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(describe(&http, "k").1, "http: server gave HTTP response to HTTPS client");
    }
}
