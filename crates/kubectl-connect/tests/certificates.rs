//! Whose certificate is taken for a server's: Go's answer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubectl_connect::ApiError;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA256, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    SignatureAlgorithm, date_time_ymd,
};
use support::{Authority, Place, Server, Signed, fetch, ok};

fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Signed {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Signed { certificate: certificate.pem(), key: key.serialize_pem() }
}

/// Asks a server that shows `signed`, trusting `authorities`.
async fn asked(signed: &Signed, authorities: &str) -> Result<String, ApiError> {
    asked_as(signed, authorities, "").await
}

async fn asked_as(signed: &Signed, authorities: &str, name: &str) -> Result<String, ApiError> {
    let server = Server::tls(signed.config(None), |_, _| ok("{}"));
    let mut cluster = format!(", certificate-authority-data: {}", STANDARD.encode(authorities));
    if !name.is_empty() {
        cluster.push_str(&format!(", tls-server-name: {name}"));
    }
    let place = Place::new(&format!("https://{}", server.address), &cluster, "token: t");
    let answer = fetch(&place.connect().await.unwrap(), "/api").await;
    assert_eq!(server.requests().is_empty(), answer.is_err(), "no token without trust");
    answer
}

fn reason(error: &ApiError) -> String {
    error.to_string().split("x509: ").last().unwrap().to_owned()
}

#[tokio::test]
async fn a_lab_whose_server_signed_itself_is_reached() {
    // What `openssl req -x509` makes.
    let own = self_signed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    asked(&own, &own.certificate).await.unwrap();
    let leaf = self_signed(|_| ());
    asked(&leaf, &leaf.certificate).await.unwrap();
    assert_eq!(
        reason(&asked(&own, &leaf.certificate).await.unwrap_err()),
        "certificate signed by unknown authority"
    );
}

#[tokio::test]
async fn the_servers_own_certificate_may_be_the_authority() {
    let leaf = Authority::new().sign("127.0.0.1", |_| ());
    asked(&leaf, &leaf.certificate).await.unwrap();
    let expired = Authority::new().sign("127.0.0.1", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let error = asked(&expired, &expired.certificate).await.unwrap_err();
    assert!(reason(&error).starts_with("certificate has expired"), "{error}");
    let other = Authority::new().sign("other.example", |_| ());
    let error = asked(&other, &other.certificate).await.unwrap_err();
    assert_eq!(
        reason(&error),
        "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"
    );
}

#[tokio::test]
async fn one_broken_certificate_in_a_bundle_spoils_no_other() {
    let authority = Authority::new();
    let leaf = authority.sign("127.0.0.1", |_| ());
    let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let other = "-----BEGIN PUBLIC KEY-----\naGVsbG8=\n-----END PUBLIC KEY-----\n";
    asked(&leaf, &format!("# corporate\n{broken}{other}{}", authority.pem)).await.unwrap();
}

#[tokio::test]
async fn a_wildcard_below_an_internal_domain_fits() {
    let authority = Authority::new();
    let wild = authority.sign("*.corp", |_| ());
    asked_as(&wild, &authority.pem, "k8s.corp").await.unwrap();
    for name in ["a.k8s.corp", "corp", "k8s.other"] {
        let error = asked_as(&wild, &authority.pem, name).await.unwrap_err();
        assert_eq!(reason(&error), format!("certificate is valid for *.corp, not {name}"));
    }
}

#[tokio::test]
async fn a_certificate_for_every_use_is_one_for_servers() {
    let authority = Authority::new();
    let with = |uses: &[ExtendedKeyUsagePurpose]| {
        authority.sign("127.0.0.1", |params| params.extended_key_usages = uses.to_vec())
    };
    asked(&with(&[ExtendedKeyUsagePurpose::Any]), &authority.pem).await.unwrap();
    asked(&with(&[ExtendedKeyUsagePurpose::ServerAuth]), &authority.pem).await.unwrap();
    asked(&with(&[ExtendedKeyUsagePurpose::ClientAuth]), &authority.pem).await.unwrap_err();
}

/// A server's certificate below an authority with these properties, and the authority.
fn below(change: impl FnOnce(&mut CertificateParams)) -> (Signed, String) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "odd authority");
    change(&mut params);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let signed = leaf.signed_by(&key, &issuer).unwrap();
    (Signed { certificate: signed.pem(), key: key.serialize_pem() }, issuer.pem())
}

#[tokio::test]
async fn an_authority_that_has_expired_or_is_none_vouches_for_nobody() {
    let ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (leaf, authority) = below(|params| {
        params.is_ca = ca;
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let error = asked(&leaf, &authority).await.unwrap_err();
    assert!(reason(&error).starts_with("certificate has expired or is not yet valid"), "{error}");
    let (leaf, authority) = below(|params| params.is_ca = IsCa::ExplicitNoCa);
    let error = asked(&leaf, &authority).await.unwrap_err();
    assert_eq!(reason(&error), "certificate signed by unknown authority");
    let (leaf, authority) = below(|params| {
        params.is_ca = ca;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    assert!(asked(&leaf, &authority).await.is_err());
}

/// The kinds of keys that private authorities have beside P-256.
const KINDS: [&SignatureAlgorithm; 4] =
    [&PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA256, &PKCS_ECDSA_P521_SHA512, &PKCS_ED25519];

#[tokio::test]
async fn an_authority_and_a_server_on_any_curve_are_known() {
    for kind in KINDS {
        let key = || KeyPair::generate_for(kind).unwrap();
        let authority = Authority::with(key());
        let leaf = authority.sign_key("127.0.0.1", key(), |_| ());
        asked(&leaf, &authority.pem).await.unwrap();
        let error = asked(&leaf, &Authority::with(key()).pem).await.unwrap_err();
        assert_eq!(reason(&error), "certificate signed by unknown authority", "{kind:?}");
        // One of the same name whose key is of another kind.
        let error = asked(&leaf, &Authority::new().pem).await.unwrap_err();
        assert_eq!(reason(&error), "certificate signed by unknown authority", "{kind:?}");
    }
}

#[tokio::test]
async fn an_authority_whose_hash_is_longer_than_its_curve_is_known() {
    // What `openssl x509 -req -sha512` makes with an authority on P-256.
    let pem = include_str!("support/p256-sha512-server.pem");
    let leaf = Signed { certificate: pem.to_owned(), key: pem.to_owned() };
    asked(&leaf, include_str!("support/p256-sha512-authority.pem")).await.unwrap();
}

#[tokio::test]
async fn a_user_whose_key_is_on_any_curve_is_known() {
    let authority = Authority::new();
    let leaf = authority.sign("127.0.0.1", |_| ());
    for kind in KINDS {
        let user = authority.sign_key("user", KeyPair::generate_for(kind).unwrap(), |_| ());
        let server = Server::tls(leaf.config(Some(&authority)), |_, _| ok("{}"));
        let cluster = format!(", certificate-authority-data: {}", STANDARD.encode(&authority.pem));
        let shown = format!(
            "client-certificate-data: {}, client-key-data: {}",
            STANDARD.encode(&user.certificate),
            STANDARD.encode(&user.key)
        );
        let place = Place::new(&format!("https://{}", server.address), &cluster, &shown);
        fetch(&place.connect().await.unwrap(), "/api").await.unwrap();
    }
}
