//! TLS as Go does it: who vouches for a server, what the user shows, and what is checked.

mod der;
mod p521;
mod system;
mod verifier;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::{ExposeSecret, SecretString};

use crate::words::one_line;

/// A client certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: SecretString,
}

/// Who vouches for a server.
#[derive(Clone, Debug)]
pub(crate) enum Authorities {
    /// Whom the system trusts.
    System,
    /// These certificates, and nobody else.
    Given(Vec<CertificateDer<'static>>),
}

/// How a server is checked.
#[derive(Clone, Debug)]
pub(crate) struct TlsPlan {
    pub(crate) authorities: Authorities,
    /// The name that the certificate has to be for, where it is not the host's.
    pub(crate) server_name: Option<ServerName<'static>>,
    /// Nothing is checked.
    pub(crate) insecure: bool,
}

impl TlsPlan {
    /// Prepares connections on which the user shows `identity`.
    pub(crate) fn client_config(&self, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, String> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| words(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier::for_plan(self, &provider)?);
        let config = match identity {
            Some(identity) => {
                let (chain, key) = read(identity)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => {
                        "tls: private key does not match public key".to_owned()
                    }
                    other => format!("tls: failed to parse private key: {}", one_line(&other.to_string())),
                })?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

/// The cryptography in use: AWS-LC, which knows the keys, signatures and curves that Go knows.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups.push(&p521::P521);
    Arc::new(provider)
}

/// Reads a file of authorities; what is no certificate in it is passed over, as in Go.
pub(crate) fn parse_authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    if certificates.is_empty() {
        return Err("unable to load root certificates: unable to parse bytes as PEM block".to_owned());
    }
    certificates.retain(|certificate| der::Certificate::parse(certificate).is_some());
    if certificates.is_empty() {
        return Err(
            "unable to load root certificates: failed to parse certificate: x509: malformed certificate"
                .to_owned(),
        );
    }
    Ok(certificates)
}

/// Reads a certificate with its chain and its key; other blocks beside them do not matter.
fn read(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Err("tls: failed to find any PEM data in certificate input".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(identity.key.expose_secret().as_bytes())
        .map_err(|_| "tls: failed to find any PEM data in key input".to_owned())?;
    Ok((chain, key))
}

fn words(error: &rustls::Error) -> String {
    format!("tls: {}", one_line(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::provider;

    #[test]
    fn the_curves_are_offered_in_the_order_of_go() {
        let names: Vec<NamedGroup> = provider().kx_groups.iter().map(|group| group.name()).collect();
        // Without its hybrids on P-256 and P-384, which nobody offers alone.
        let go = [
            NamedGroup::X25519MLKEM768,
            NamedGroup::X25519,
            NamedGroup::secp256r1,
            NamedGroup::secp384r1,
            NamedGroup::secp521r1,
        ];
        assert_eq!(names, go);
    }

    #[test]
    fn a_start_does_not_wait_for_random_numbers() {
        // 30 ms of each start, and nobody would find out: `.cargo/config.toml` has to be in force.
        assert_eq!(option_env!("AWS_LC_SYS_NO_JITTER_ENTROPY"), Some("1"));
    }
}
