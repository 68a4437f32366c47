//! Whom the system trusts.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;

/// Leaves it to the system, as Go does there.
#[cfg(any(windows, target_vendor = "apple"))]
pub(super) fn verifier(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    match rustls_platform_verifier::Verifier::new(provider) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(error) => Err(format!("tls: {}", crate::words::one_line(&error.to_string()))),
    }
}

/// Reads the bundle; the folders are read when the bundle does not help, for they hold hundreds of files.
#[cfg(not(any(windows, target_vendor = "apple")))]
pub(super) fn verifier(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    Ok(Arc::new(super::verifier::Verifier::of_system(files::bundle(), files::folders, provider)))
}

/// The places that Go looks at (`crypto/x509/root_linux.go`, `root_unix.go`): one file, and folders beside it.
#[cfg(not(any(windows, target_vendor = "apple")))]
mod files {
    use std::path::PathBuf;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    const BUNDLES: [&str; 6] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    const FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

    /// Reads the first bundle that is there, or the one that `SSL_CERT_FILE` names.
    pub(super) fn bundle() -> Vec<CertificateDer<'static>> {
        let named = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
        let candidates: Vec<PathBuf> = match named {
            Some(path) => vec![path],
            None => BUNDLES.iter().map(PathBuf::from).collect(),
        };
        let text = candidates.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default();
        certificates(&text)
    }

    /// Reads every file of the folders, those of `SSL_CERT_DIR` if it is set.
    pub(super) fn folders() -> Vec<CertificateDer<'static>> {
        let named = std::env::var_os("SSL_CERT_DIR").filter(|list| !list.is_empty());
        let folders: Vec<PathBuf> = match named {
            Some(list) => std::env::split_paths(&list).collect(),
            None => FOLDERS.iter().map(PathBuf::from).collect(),
        };
        let mut all: Vec<CertificateDer<'static>> = Vec::new();
        for folder in folders {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if let Ok(text) = std::fs::read(entry.path()) {
                    all.extend(certificates(&text));
                }
            }
        }
        all.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        all.dedup();
        all
    }

    fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
    }
}
