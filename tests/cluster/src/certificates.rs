//! A certificate authority for one control plane.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::error::{Context, Result};

/// The authority that signs the servers' and the users' certificates.
pub(crate) struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// Writes `ca.crt` into the folder.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let key = KeyPair::generate().context("a key")?;
        let mut params = named("test-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).context("a certificate authority")?;
        write(&folder.join("ca.crt"), &certificate.pem())?;
        Ok(Self(Issuer::new(params, key)))
    }

    /// Writes `NAME.crt` and `NAME.key` for a server on loopback.
    pub(crate) fn server(&self, folder: &Path, name: &str) -> Result<()> {
        let addresses = ["127.0.0.1".to_owned(), "localhost".to_owned(), "kubernetes.default.svc".to_owned()];
        let mut params = CertificateParams::new(addresses).context("a certificate")?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(folder, name, &params)
    }

    /// Writes `NAME.crt` and `NAME.key` for a user of that name.
    pub(crate) fn client(&self, folder: &Path, name: &str) -> Result<()> {
        let mut params = named(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(folder, name, &params)
    }

    fn sign(&self, folder: &Path, name: &str, params: &CertificateParams) -> Result<()> {
        let key = KeyPair::generate().context("a key")?;
        let certificate = params.signed_by(&key, &self.0).context("a certificate")?;
        write(&folder.join(format!("{name}.crt")), &certificate.pem())?;
        write(&folder.join(format!("{name}.key")), &key.serialize_pem())
    }
}

/// Writes the pair of keys that sign and verify service account tokens, `sa.key` and `sa.pub`.
pub(crate) fn service_account_keys(folder: &Path) -> Result<()> {
    let key = KeyPair::generate().context("a key")?;
    write(&folder.join("sa.key"), &key.serialize_pem())?;
    write(&folder.join("sa.pub"), &key.public_key_pem())
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).context(path.display())
}
