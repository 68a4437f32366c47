//! What a row needs: certificates, and a folder of its own with what kubectl or the plugin is started with.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;

use crate::server::{Handler, Request, about_object, api, failure, start};

/// A certificate and its key in PEM.
#[derive(Clone)]
pub struct Signed {
    pub certificate: String,
    pub key: String,
}

/// An authority.
pub struct Authority {
    pub pem: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::with(KeyPair::generate().unwrap(), change)
    }

    pub fn with(key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "lab");
        change(&mut params);
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        Self { pem: issuer.pem(), issuer }
    }

    pub fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
        self.sign_key(KeyPair::generate().unwrap(), names, change)
    }

    pub fn sign_key(
        &self,
        key: KeyPair,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Signed {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

pub fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Signed {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Signed { certificate: certificate.pem(), key: key.serialize_pem() }
}

impl Signed {
    pub fn config(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(self.certificate.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }
}

/// What all rows share.
pub struct Lab {
    pub authority: Authority,
    pub stranger: Authority,
    pub server: Signed,
    pub client: Signed,
    /// Answers everybody.
    pub open: SocketAddr,
    /// Answers those who have the token `good`, the password `pw` or a client certificate.
    pub closed: SocketAddr,
    /// The same as `open` without TLS.
    pub plain: SocketAddr,
    /// Answers those who show a client certificate.
    pub mutual: SocketAddr,
}

pub fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| {
        let authority = Authority::new(|_| ());
        let server = authority.sign(&["127.0.0.1", "localhost", "api.test"], |_| ());
        let open: Handler = Arc::new(|_, request| api(request));
        Lab {
            stranger: Authority::new(|_| ()),
            client: authority.sign(&["client"], |_| ()),
            open: start(Some(server.config(None)), Arc::clone(&open)),
            closed: start(Some(server.config(None)), Arc::new(|_, request| guarded(request))),
            plain: start(None, Arc::clone(&open)),
            mutual: start(Some(server.config(Some(&authority))), open),
            authority,
            server,
        }
    })
}

/// Answers those who may ask.
pub fn guarded(request: &Request) -> Vec<u8> {
    match request.header("authorization") {
        "Bearer good" | "Basic dTpwdw==" => api(request),
        // What kubectl wants to know before is not refused: it says less about it.
        _ if !about_object(request) => api(request),
        _ => failure("401 Unauthorized", "Unauthorized", "Unauthorized"),
    }
}

/// A folder of its own for one run of one program, and what the program is started with.
pub struct Place {
    pub dir: TempDir,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub config: String,
}

impl Place {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        Self { dir, args: Vec::new(), env: Vec::new(), config: String::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn script(&self, name: &str, mode: u32, text: &str) -> String {
        let path = self.file(name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    pub fn args(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
    }

    pub fn env(&mut self, name: &str, value: impl Into<String>) {
        self.env.push((name.to_owned(), value.into()));
    }

    /// Writes a kubeconfig of one cluster and one user, both in YAML's flow style without braces.
    pub fn single(&mut self, cluster: &str, user: &str) {
        self.config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: ctx\n\
             clusters: [{{name: c, cluster: {{{cluster}}}}}]\n\
             users: [{{name: me, user: {{{user}}}}}]\n\
             contexts: [{{name: ctx, context: {{cluster: c, user: me, namespace: default}}}}]\n"
        );
    }

    /// Runs a program here.
    pub fn run(&self, program: &Path, words: &[&str], search: &[&Path]) -> Ran {
        let kubeconfig = self.path("config");
        if !self.config.is_empty() {
            fs::write(&kubeconfig, &self.config).unwrap();
        }
        let mut folders: Vec<PathBuf> = vec![self.path("bin")];
        folders.extend(search.iter().map(|folder| folder.to_path_buf()));
        folders.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
        let mut command = Command::new(program);
        command
            .args(words)
            .args(&self.args)
            .env_clear()
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("HOME", self.dir.path())
            .env("KUBECONFIG", &kubeconfig)
            .env("KUBECACHEDIR", self.path("cache"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        let output = command.output().expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            said: self.sentence(&text(&output.stderr)),
        }
    }

    /// Keeps what stands for both programs: not kubectl's log, not our advice, no ports, no folders.
    fn sentence(&self, stderr: &str) -> String {
        let log = |line: &str| {
            let mut chars = line.chars();
            chars.next().is_some_and(|first| "EIWF".contains(first))
                && line.get(1..5).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let advice = |line: &&str| !line.starts_with("hint:") && !log(line) && !line.starts_with("Warning:");
        let text: Vec<&str> = stderr.lines().filter(advice).map(str::trim_end).collect();
        let text = text.join("\n").replace(self.dir.path().to_str().unwrap(), "DIR");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("127.0.0.1:") {
            let (before, after) = rest.split_at(at + "127.0.0.1:".len());
            out.push_str(before);
            out.push('P');
            rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
        }
        out.push_str(rest);
        // Both tell the time at which they looked.
        match out.split_once("current time ") {
            Some((before, after)) => {
                let after = after.split_once(" is ").map_or(after, |(_, after)| after);
                format!("{before}current time NOW is {after}")
            }
            None => out,
        }
        .trim()
        .to_owned()
    }
}

/// How a program ended.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub said: String,
}

impl Ran {
    pub fn worked(&self) -> bool {
        self.code == Some(0)
    }
}

/// Writes where a server is and who vouches for it.
pub fn cluster(address: SocketAddr) -> String {
    format!("server: 'https://{address}', certificate-authority-data: {}", encoded(&lab().authority.pem))
}

pub fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}
