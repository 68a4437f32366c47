//! Checks a server's certificate by Go's rules where they differ from webpki's.
//!
//! Go accepts a certificate that is among the trusted ones itself (the server's own as `certificate-authority`, or a self-signed
//! one that calls itself an authority), does not let what has expired or is no authority vouch for others, takes
//! `anyExtendedKeyUsage`, and lets a wildcard stand below a top-level domain.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};

use super::der::Certificate;
use super::{Authorities, TlsPlan, system};

/// `serverAuth` and `anyExtendedKeyUsage`.
const FOR_SERVERS: [&[usize]; 2] = [&[1, 3, 6, 1, 5, 5, 7, 3, 1], &[2, 5, 29, 37, 0]];

/// Returns what checks servers as the plan says.
pub(super) fn for_plan(
    plan: &TlsPlan,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let provider = Arc::clone(provider);
    if plan.insecure {
        return Ok(Arc::new(Blind { provider }));
    }
    match &plan.authorities {
        Authorities::Given(certificates) => {
            Ok(Arc::new(Verifier { roots: Roots::new(certificates.clone()), more: None, provider }))
        }
        Authorities::System => system::verifier(provider),
    }
}

/// Whom to trust.
#[derive(Debug)]
struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
}

impl Roots {
    fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let anchor = |der: &CertificateDer<'_>| Some(anchor_from_trusted_cert(der).ok()?.to_owned());
        Self { anchors: certificates.iter().filter_map(anchor).collect(), certificates }
    }

    /// Says why nothing with an anchor's name and key may vouch for others now; a renewed certificate has both of the old one's.
    fn unfit(&self, anchor: &TrustAnchor<'_>, now: UnixTime) -> Option<Error> {
        let mut reason = Some(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        for der in &self.certificates {
            let same = anchor_from_trusted_cert(der).is_ok_and(|other| {
                other.subject == anchor.subject
                    && other.subject_public_key_info == anchor.subject_public_key_info
            });
            let Some(certificate) = same.then(|| Certificate::parse(der)).flatten() else { continue };
            if !certificate.may_sign() {
                continue;
            }
            match in_time(&certificate, now) {
                Ok(()) => return None,
                Err(error) => reason = Some(error),
            }
        }
        reason
    }
}

/// A verifier with roots, and more roots to look at if they do not help.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Roots,
    more: Option<More>,
    provider: Arc<CryptoProvider>,
}

/// Roots that are read when they are needed.
#[derive(Debug)]
struct More {
    load: fn() -> Vec<CertificateDer<'static>>,
    loaded: OnceLock<Roots>,
}

impl Verifier {
    #[cfg_attr(
        any(windows, target_vendor = "apple"),
        allow(dead_code, reason = "the platform verifies there")
    )]
    pub(super) fn of_system(
        first: Vec<CertificateDer<'static>>,
        load: fn() -> Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { roots: Roots::new(first), more: Some(More { load, loaded: OnceLock::new() }), provider }
    }

    /// Builds a chain to one of the roots.
    fn chain(
        &self,
        roots: &Roots,
        server: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let malformed = || Error::InvalidCertificate(CertificateError::BadEncoding);
        let parsed = Certificate::parse(server).ok_or_else(malformed)?;
        if roots.certificates.iter().any(|root| root == server) {
            return in_time(&parsed, now);
        }
        if parsed.self_issued() {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        let refused = Cell::new(None);
        let judge = |path: &webpki::VerifiedPath<'_>| match roots.unfit(path.anchor(), now) {
            None => Ok(()),
            Some(error) => {
                refused.set(Some(error));
                Err(webpki::Error::UnknownIssuer)
            }
        };
        let certificate = EndEntityCert::try_from(server).map_err(|_| malformed())?;
        let found = certificate.verify_for_usage(
            algorithms,
            &roots.anchors,
            others,
            now,
            ServerUse,
            None,
            Some(&judge),
        );
        if found.is_ok() {
            return Ok(());
        }
        if let Some(error) = refused.take() {
            return Err(error);
        }
        // rustls knows how to say what webpki found.
        let store = RootCertStore { roots: roots.anchors.clone() };
        let parsed = ParsedCertificate::try_from(server)?;
        match verify_server_cert_signed_by_trust_anchor(&parsed, &store, others, now, algorithms) {
            Ok(()) => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
            Err(error) => Err(error),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut chain = self.chain(&self.roots, server, others, now);
        if let (Err(_), Some(more)) = (&chain, &self.more) {
            let roots = more.loaded.get_or_init(|| Roots::new((more.load)()));
            // What is said is what the first ones lead to, unless these help.
            chain = self.chain(roots, server, others, now).or(chain);
        }
        chain?;
        match verify_server_name(&ParsedCertificate::try_from(server)?, name) {
            Err(_) if below_wildcard(server, name) => {}
            result => result?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts everybody, as `insecure-skip-tls-verify` asks for.
#[derive(Debug)]
struct Blind {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes what says nothing of its use, and what may be a server.
struct ServerUse;

impl ExtendedKeyUsageValidator for ServerUse {
    fn validate(&self, uses: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut named = false;
        let mut fits = false;
        for id in uses {
            let id: Vec<usize> = id?.to_decoded_oid();
            named = true;
            fits |= FOR_SERVERS.contains(&id.as_slice());
        }
        // The reason is found out again by rustls.
        if fits || !named { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
    }
}

fn in_time(certificate: &Certificate<'_>, time: UnixTime) -> Result<(), Error> {
    let Certificate { not_before, not_after, .. } = *certificate;
    if time < not_before {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { time, not_before }));
    }
    if time > not_after {
        return Err(Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }));
    }
    Ok(())
}

/// Says whether a name is one label below a wildcard of the certificate, also where that is `*.tld`.
fn below_wildcard(server: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let ServerName::DnsName(name) = name else { return false };
    let name = name.as_ref().trim_end_matches('.').to_lowercase();
    let Some((_, parent)) = name.split_once('.') else { return false };
    let Some(certificate) = Certificate::parse(server) else { return false };
    certificate
        .dns_names
        .iter()
        .any(|pattern| pattern.strip_prefix("*.").is_some_and(|domain| domain.eq_ignore_ascii_case(parent)))
}
