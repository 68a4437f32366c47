//! A tiny API server in a thread, plain or TLS, and a kubeconfig that points at it.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kubectl_connect::{
    Agent, ApiError, ConnectError, Connection, ConnectionArgs, Connector, FixedEnvironment,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub connection: usize,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }
}

pub type Handler = Arc<dyn Fn(usize, &Received) -> Vec<u8> + Send + Sync>;

pub struct Server {
    pub address: SocketAddr,
    pub received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    pub fn plain(handler: impl Fn(usize, &Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(handler))
    }

    pub fn tls(
        config: ServerConfig,
        handler: impl Fn(usize, &Received) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(Arc::new(config)), Arc::new(handler))
    }

    fn start(tls: Option<Arc<ServerConfig>>, handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (tls, log, handler) = (tls.clone(), Arc::clone(&log), Arc::clone(&handler));
                std::thread::spawn(move || match tls {
                    Some(config) => {
                        let session = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(session, stream.unwrap()), connection, &log, &handler);
                    }
                    None => serve(stream.unwrap(), connection, &log, &handler),
                });
            }
        });
        Self { address, received }
    }

    pub fn requests(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn serve<S: Read + Write>(stream: S, connection: usize, log: &Mutex<Vec<Received>>, handler: &Handler) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream, connection) {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len()
        };
        let answer = handler(number, &request);
        if answer.is_empty()
            || stream.get_mut().write_all(&answer).is_err()
            || stream.get_mut().flush().is_err()
        {
            return;
        }
    }
}

fn read_request(stream: &mut impl BufRead, connection: usize) -> Option<Received> {
    let mut line = String::new();
    if stream.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Received {
        line: line.trim_end().to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into(),
        connection,
    })
}

pub fn answer(status: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    format!("{text}\r\n{body}").into_bytes()
}

pub fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", &[], body)
}

pub fn unauthorized() -> Vec<u8> {
    let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
    answer("401 Unauthorized", &[], body)
}

/// An authority and what it signed.
pub struct Authority {
    pub pem: String,
    issuer: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

/// A certificate and its key in PEM.
pub struct Signed {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        Self::with(rcgen::KeyPair::generate().unwrap())
    }

    pub fn with(key: rcgen::KeyPair) -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        let issuer = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
        Self { pem: issuer.pem(), issuer }
    }

    pub fn sign(&self, name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Signed {
        self.sign_key(name, rcgen::KeyPair::generate().unwrap(), change)
    }

    pub fn sign_key(
        &self,
        name: &str,
        key: rcgen::KeyPair,
        change: impl FnOnce(&mut rcgen::CertificateParams),
    ) -> Signed {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Signed {
    /// Serves with this certificate, to clients with a certificate of `clients` if that is given.
    pub fn config(&self, clients: Option<&Authority>) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()];
        builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()).unwrap()
    }
}

/// A folder with a kubeconfig, and the surroundings that lead to it.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub env: FixedEnvironment,
}

impl Place {
    pub fn new(server: &str, cluster: &str, user: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "current-context: ctx\n\
             clusters: [{{name: c, cluster: {{server: '{server}'{cluster}}}}}]\n\
             users: [{{name: me, user: {{{user}}}}}]\n\
             contexts: [{{name: ctx, context: {{cluster: c, user: me, namespace: here}}}}]\n"
        );
        let env = FixedEnvironment::default()
            .with("KUBECONFIG", dir.path().join("config"))
            .with("PATH", std::env::var_os("PATH").unwrap());
        std::fs::write(dir.path().join("config"), text).unwrap();
        Self { dir, env }
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        self.connect_with(|_| ()).await
    }

    pub async fn connect_with(
        &self,
        change: impl FnOnce(&mut ConnectionArgs),
    ) -> Result<Connection, ConnectError> {
        let mut args = ConnectionArgs::default();
        change(&mut args);
        Connector::new(&args, &agent()).environment(&self.env).connect().await
    }
}

pub fn agent() -> Agent<'static> {
    Agent { plugin: "kubectl-test", version: "9.9.9" }
}

pub fn get(path: &str) -> http::Request<Vec<u8>> {
    http::Request::get(path).body(Vec::new()).unwrap()
}

pub async fn fetch(connection: &Connection, path: &str) -> Result<String, ApiError> {
    connection.client.request_text(get(path)).await.map_err(|error| connection.explain(error))
}
