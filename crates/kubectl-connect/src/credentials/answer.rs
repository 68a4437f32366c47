//! What a credential helper writes to its standard output.

use http::HeaderValue;
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;

use super::{CredentialError, bearer};
use crate::tls::Identity;
use crate::words::told;
use crate::yaml;

/// Credentials as they came from the helper.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) header: Option<HeaderValue>,
    pub(crate) identity: Option<Identity>,
    pub(crate) expires: Option<Timestamp>,
}

impl Answer {
    /// Says whether the helper itself said that these are no longer good.
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| now > expires)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Reads the output (JSON or YAML) of a helper that was asked for `version`.
pub(crate) fn parse(stdout: &[u8], version: &str) -> Result<Answer, CredentialError> {
    // The text holds secrets: of a parser's complaint only the fact is told.
    let wrong = || CredentialError::new("decoding stdout: the output is not an ExecCredential");
    let text = std::str::from_utf8(stdout).map_err(|_| wrong())?;
    let document: Document =
        serde_json::from_str(text).or_else(|_| yaml::from_str(text)).map_err(|_| wrong())?;
    // client-go knows one kind of this group, and means it where none is named.
    if !matches!(document.kind.as_str(), "" | "ExecCredential") {
        return Err(CredentialError::new(format!(
            "decoding stdout: no kind \"{}\" is registered for version \"{version}\"",
            told(&document.kind)
        )));
    }
    if document.api_version != version {
        return Err(CredentialError::new(format!(
            "exec plugin is configured to use API version {version}, plugin returned version {}",
            told(&document.api_version)
        )));
    }
    let status =
        document.status.ok_or_else(|| CredentialError::new("exec plugin didn't return a status field"))?;
    from_status(status)
}

fn from_status(status: Status) -> Result<Answer, CredentialError> {
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let token = some(status.token);
    let identity = match (some(status.client_certificate_data), some(status.client_key_data)) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key: SecretString::from(key) }),
        (None, None) => None,
        _ => return Err(CredentialError::new("exec plugin returned only certificate or key, not both")),
    };
    if token.is_none() && identity.is_none() {
        return Err(CredentialError::new("exec plugin didn't return a token or cert/key pair"));
    }
    let expires = match some(status.expiration_timestamp) {
        Some(text) => Some(text.parse().map_err(|_| {
            CredentialError::new("decoding stdout: expirationTimestamp is not an RFC 3339 time")
        })?),
        None => None,
    };
    Ok(Answer { header: token.as_deref().map(bearer).transpose()?, identity, expires })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    const V1: &str = "client.authentication.k8s.io/v1";

    fn error(status: &str) -> String {
        let text = format!(r#"{{"kind":"ExecCredential","apiVersion":"{V1}","status":{status}}}"#);
        parse(text.as_bytes(), V1).err().unwrap().to_string()
    }

    #[test]
    fn reads_tokens_and_certificates_as_json_and_yaml() {
        let text = format!(
            r#"{{"kind":"ExecCredential","apiVersion":"{V1}","status":{{"token":"t","expirationTimestamp":"2026-01-02T03:04:05Z","clientCertificateData":"c","clientKeyData":"k"}}}}"#
        );
        let answer = parse(text.as_bytes(), V1).unwrap();
        assert_eq!(answer.header.as_ref().unwrap(), "Bearer t");
        let identity = answer.identity.as_ref().unwrap();
        assert_eq!((identity.certificate.as_str(), identity.key.expose_secret()), ("c", "k"));
        assert!(answer.expired("2026-01-02T03:04:06Z".parse().unwrap()));
        assert!(!answer.expired("2026-01-02T03:04:05Z".parse().unwrap()));

        let yaml = format!("kind: ExecCredential\napiVersion: {V1}\nstatus:\n  token: t\n");
        assert!(!parse(yaml.as_bytes(), V1).unwrap().expired(Timestamp::MAX));
    }

    #[test]
    fn says_what_is_missing_without_quoting() {
        assert_eq!(error("null"), "exec plugin didn't return a status field");
        assert_eq!(error("{}"), "exec plugin didn't return a token or cert/key pair");
        assert_eq!(error(r#"{"token":""}"#), "exec plugin didn't return a token or cert/key pair");
        assert_eq!(
            error(r#"{"clientKeyData":"k"}"#),
            "exec plugin returned only certificate or key, not both"
        );
        assert!(error(r#"{"token":"t","expirationTimestamp":"soon"}"#).contains("RFC 3339"));
        let garbage = parse(b"s3cret [", V1).err().unwrap().to_string();
        assert_eq!(garbage, "decoding stdout: the output is not an ExecCredential");
        let other = parse(
            br#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{}}"#,
            V1,
        );
        assert_eq!(
            other.err().unwrap().to_string(),
            format!(
                "exec plugin is configured to use API version {V1}, plugin returned version client.authentication.k8s.io/v1beta1"
            )
        );
    }

    #[test]
    fn an_answer_of_another_kind_is_no_credential() {
        let of = |kind: &str| {
            let text = format!(r#"{{{kind}"apiVersion":"{V1}","status":{{"token":"t"}}}}"#);
            parse(text.as_bytes(), V1)
        };
        assert_eq!(
            of(r#""kind":"TokenReview","#).err().unwrap().to_string(),
            format!("decoding stdout: no kind \"TokenReview\" is registered for version \"{V1}\"")
        );
        assert!(of("").is_ok());
    }

    #[test]
    fn what_a_helper_says_of_itself_is_told_on_one_line_that_ends() {
        for field in ["kind", "apiVersion"] {
            let text =
                format!(r#"{{"{field}":"a\n\u001b[31m{}","status":{{"token":"t"}}}}"#, "x".repeat(5000));
            let error = parse(text.as_bytes(), V1).err().unwrap().to_string();
            assert!(error.chars().count() < 400 && !error.contains(char::is_control), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_output_is_fatal_and_none_is_quoted(
            text in "([-{}\\[\\]:,\"a-z0-9 \n]|kind|ExecCredential|apiVersion|status|token|s3cret|null){0,120}",
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64),
            at in 0_usize..200,
        ) {
            let whole = format!(
                r#"{{"kind":"ExecCredential","apiVersion":"{V1}","status":{{"token":"s3cret","expirationTimestamp":"2026-01-02T03:04:05Z"}}}}"#
            );
            let cut = [&whole.as_bytes()[..at.min(whole.len())], &bytes].concat();
            for output in [text.as_bytes(), &bytes, &cut] {
                if let Err(error) = parse(output, V1) {
                    let told = error.message.contains("no kind") || error.message.contains("returned version");
                    proptest::prop_assert!(told || !error.message.contains("s3cret"), "{}", error.message);
                }
            }
        }
    }
}
