//! Servers' certificates and what is trusted.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA256, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, date_time_ymd,
};

use std::sync::Arc;

use crate::lab::{Authority, Signed, cluster, encoded, lab, self_signed};
use crate::server::{Handler, api, start};
use crate::{Expected, Row, row};

const GUESS: &str = "Go guesses why the authority of the same name did not do";

/// A server that shows `signed`; `trusted` is the kubeconfig's authority, and `more` what else it says of the cluster.
fn shown(name: &str, signed: Signed, trusted: String, more: &'static str) -> Row {
    let handler: Handler = Arc::new(|_, request| api(request));
    let address = start(Some(signed.config(None)), handler);
    row(format!("certificate: {name}"), move |place| {
        let authority = match trusted.is_empty() {
            true => String::new(),
            false => format!(", certificate-authority-data: {}", encoded(&trusted)),
        };
        place.single(&format!("server: 'https://{address}'{authority}{more}"), "token: good");
    })
}

fn signed(change: impl FnOnce(&mut CertificateParams)) -> Signed {
    lab().authority.sign(&["127.0.0.1"], change)
}

/// A certificate below an authority with these properties.
fn below(change: impl FnOnce(&mut CertificateParams)) -> (Signed, String) {
    let authority = Authority::new(change);
    (authority.sign(&["127.0.0.1"], |_| ()), authority.pem)
}

pub fn rows() -> Vec<Row> {
    let own = || lab().authority.pem.clone();
    let authority = IsCa::Ca(BasicConstraints::Unconstrained);
    let itself = self_signed(|params| params.is_ca = authority);
    let leaf = self_signed(|_| ());
    let plain = signed(|_| ());
    let (expired_ca, expired_pem) = below(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let (no_ca, no_ca_pem) = below(|params| params.is_ca = IsCa::ExplicitNoCa);
    let (no_sign, no_sign_pem) = below(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    let expired = signed(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let uses = |uses: &[ExtendedKeyUsagePurpose]| signed(|params| params.extended_key_usages = uses.to_vec());
    let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PUBLIC KEY-----\naGVsbG8=\n-----END PUBLIC KEY-----\n";
    let wild = lab().authority.sign(&["*.corp"], |_| ());
    let mut rows = vec![
        shown("as it should be", plain.clone(), own(), ""),
        shown("of a stranger", plain.clone(), lab().stranger.pem.clone(), "")
            .but(Expected::OtherWords(GUESS)),
        shown("of an authority that the system does not know", plain.clone(), String::new(), ""),
        shown("self-signed authority, trusted itself", itself.clone(), itself.certificate.clone(), ""),
        shown("self-signed authority, not trusted", itself.clone(), own(), ""),
        shown("self-signed, trusted itself", leaf.clone(), leaf.certificate.clone(), ""),
        shown("the server's own given as authority", plain.clone(), plain.certificate.clone(), ""),
        shown("the server's own and expired", expired.clone(), expired.certificate.clone(), ""),
        shown("expired", expired, own(), ""),
        shown("not yet valid", signed(|params| params.not_before = date_time_ymd(2090, 1, 1)), own(), ""),
        shown("below an expired authority", expired_ca, expired_pem, ""),
        shown("below what is no authority", no_ca, no_ca_pem, "").but(Expected::OtherWords(GUESS)),
        shown("below what may not sign", no_sign, no_sign_pem, "").but(Expected::OtherWords(GUESS)),
        shown("a broken one in the bundle", plain.clone(), format!("{broken}{}", own()), ""),
        shown("a key in the bundle", plain.clone(), format!("{key}{}", own()), ""),
        shown("only a broken one in the bundle", plain.clone(), broken.to_owned(), ""),
        shown("text around it", plain.clone(), format!("# corporate\n{}\ntrailing\n", own()), ""),
        shown("for every use", uses(&[ExtendedKeyUsagePurpose::Any]), own(), ""),
        shown("for servers", uses(&[ExtendedKeyUsagePurpose::ServerAuth]), own(), ""),
        shown("for clients only", uses(&[ExtendedKeyUsagePurpose::ClientAuth]), own(), "")
            .but(Expected::OtherWords("Go does not say which use it was for")),
        shown("wildcard below a domain of one word", wild.clone(), own(), ", tls-server-name: k8s.corp"),
        shown("wildcard two words below", wild.clone(), own(), ", tls-server-name: a.k8s.corp"),
        shown("wildcard of another domain", wild, own(), ", tls-server-name: k8s.other"),
        shown("for another name", lab().authority.sign(&["other.test"], |_| ()), own(), ""),
        shown("not checked", plain.clone(), String::new(), ", insecure-skip-tls-verify: true"),
    ];
    rows.extend(kinds_of_keys());
    // What somebody set for another program, and the system's folder beside it.
    for (name, file, folder) in [
        ("named file", Some(true), None),
        ("named file of another", Some(false), Some(true)),
        ("named file that is not there", None, Some(true)),
        ("named folder of others", Some(false), Some(false)),
    ] {
        let address = start(Some(plain.config(None)), Arc::new(|_, request| api(request)));
        let expected = match (file, folder) {
            (Some(false), Some(false)) => Expected::OtherWords(GUESS),
            _ => Expected::Same,
        };
        let build = row(format!("trust: {name}"), move |place| {
            let of = |right: bool| if right { &lab().authority.pem } else { &lab().stranger.pem };
            let path =
                file.map_or("/nonexistent/bundle".to_owned(), |right| place.file("bundle.pem", of(right)));
            place.env("SSL_CERT_FILE", path);
            if let Some(right) = folder {
                place.file("certs/a.pem", of(right));
                place.env("SSL_CERT_DIR", place.path("certs").display().to_string());
            }
            place.single(&format!("server: 'https://{address}'"), "token: good");
        });
        rows.push(build.but(expected));
    }
    rows
}

/// Authorities, servers and users with other keys than most have.
fn kinds_of_keys() -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in [&PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA256, &PKCS_ECDSA_P521_SHA512, &PKCS_ED25519] {
        let key = || KeyPair::generate_for(kind).unwrap();
        let authority = Authority::with(key(), |_| ());
        let leaf = authority.sign_key(key(), &["127.0.0.1"], |_| ());
        rows.push(shown(&format!("all keys {kind:?}"), leaf.clone(), authority.pem.clone(), ""));
        rows.push(
            shown(&format!("of a stranger, all keys {kind:?}"), leaf, lab().authority.pem.clone(), "")
                .but(Expected::OtherWords(GUESS)),
        );
        let user = lab().authority.sign_key(key(), &["user"], |_| ());
        rows.push(row(format!("certificate: of a user, {kind:?}"), move |place| {
            let shown = format!(
                "client-certificate-data: {}, client-key-data: {}",
                encoded(&user.certificate),
                encoded(&user.key)
            );
            place.single(&cluster(lab().mutual), &shown);
        }));
    }
    // What `openssl x509 -req -sha512` makes with an authority on P-256.
    let pem = include_str!("../../crates/kubectl-connect/tests/support/p256-sha512-server.pem").to_owned();
    let authority = include_str!("../../crates/kubectl-connect/tests/support/p256-sha512-authority.pem");
    let leaf = Signed { certificate: pem.clone(), key: pem };
    rows.push(shown("a hash longer than the curve", leaf.clone(), authority.to_owned(), ""));
    rows.push(shown("of a stranger, a hash longer than the curve", leaf, lab().authority.pem.clone(), ""));
    rows
}
