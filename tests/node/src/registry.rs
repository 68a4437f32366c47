//! A registry of images that hold one program, as good or bad as the name of the repository says.
//!
//! `app:WORDS` is there; its words, with dots between them, are what the program is told (tests/node/runtime/app). `absent/…` is
//! not there, `denied/…` is for others; `busy-N/…` (429), `down-N/…` (503) and `slow-N/…` (nothing) answer so for the first N
//! seconds after they were asked for the first time.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest, Sha256};

/// What images are named after; containerd is told where that is.
pub(crate) const NAME: &str = "registry.test";

const PORT: u16 = 5000;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub(crate) fn address() -> String {
    format!("http://127.0.0.1:{PORT}")
}

struct Registry {
    layer: Vec<u8>,
    /// What was made of a tag, by its digest.
    made: Mutex<HashMap<String, Vec<u8>>>,
    /// When a repository was asked for first.
    asked: Mutex<HashMap<String, Instant>>,
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// Starts a registry that stays for as long as this process.
pub(crate) fn start(program: &Path) -> Result<(), String> {
    let layer = layer(program).map_err(|error| format!("{}: {error}", program.display()))?;
    let registry = Arc::new(Registry { layer, made: Mutex::default(), asked: Mutex::default() });
    let listener =
        TcpListener::bind(("127.0.0.1", PORT)).map_err(|error| format!("the registry: {error}"))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let _ = registry.serve(stream);
            });
        }
    });
    Ok(())
}

/// The only layer of all images.
fn layer(program: &Path) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.mode(tar::HeaderMode::Deterministic);
    archive.append_path_with_name(program, "app")?;
    for (path, mode) in [("tmp/", 0o1777), ("etc/", 0o755), ("text", 0o644)] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(if path.ends_with('/') {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_mode(mode);
        header.set_size(0);
        archive.append_data(&mut header, path, std::io::empty())?;
    }
    archive.into_inner()
}

impl Registry {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_string());
        let method = method.to_string();
        let mut header = String::new();
        while reader.read_line(&mut header)? > 2 {
            header.clear();
        }
        let answer = self.answer(&path);
        let mut head = format!(
            "HTTP/1.1 {}\r\ncontent-length: {}\r\nconnection: close\r\n",
            answer.status,
            answer.body.len()
        );
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = stream;
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        if method != "HEAD" {
            stream.write_all(&answer.body)?;
        }
        stream.flush()
    }

    fn answer(&self, path: &str) -> Answer {
        let path = path.split('?').next().unwrap_or_default();
        let Some(rest) = path.strip_prefix("/v2/").filter(|rest| !rest.is_empty()) else {
            return Answer { status: "200 OK", headers: Vec::new(), body: b"{}".to_vec() };
        };
        if let Some((_, digest)) = rest.split_once("/blobs/") {
            return self.blob(digest);
        }
        let Some((repository, reference)) = rest.split_once("/manifests/") else { return absent() };
        if let Some(refusal) = self.refusal(repository) {
            return refusal;
        }
        if reference.starts_with("sha256:") {
            return self.blob(reference);
        }
        let manifest = self.make(reference);
        Answer { status: "200 OK", headers: described(&manifest), body: manifest }
    }

    /// What a repository that is not as it should be answers.
    fn refusal(&self, repository: &str) -> Option<Answer> {
        let (behaviour, _) = repository.split_once('/')?;
        let (word, seconds) = behaviour.split_once('-').unwrap_or((behaviour, ""));
        let limit = Duration::from_secs(seconds.parse().unwrap_or_default());
        let first = *lock(&self.asked).entry(repository.to_string()).or_insert_with(Instant::now);
        let early = first.elapsed() < limit;
        match word {
            "absent" => Some(absent()),
            "denied" => Some(Answer {
                status: "401 Unauthorized",
                headers: vec![("www-authenticate", "Basic realm=\"others\"".into())],
                body: error("UNAUTHORIZED", "authentication required"),
            }),
            "busy" if early => Some(Answer {
                status: "429 Too Many Requests",
                headers: Vec::new(),
                body: error("TOOMANYREQUESTS", "you have reached your pull rate limit"),
            }),
            "down" if early => Some(Answer {
                status: "503 Service Unavailable",
                headers: Vec::new(),
                body: error("UNAVAILABLE", "no server is available"),
            }),
            "slow" => {
                thread::sleep(limit.saturating_sub(first.elapsed()));
                None
            }
            _ => None,
        }
    }

    fn blob(&self, digest: &str) -> Answer {
        if digest == self::digest(&self.layer) {
            return Answer {
                status: "200 OK",
                headers: vec![("content-type", "application/octet-stream".into())],
                body: self.layer.clone(),
            };
        }
        match lock(&self.made).get(digest) {
            Some(body) => Answer { status: "200 OK", headers: described(body), body: body.clone() },
            None => absent(),
        }
    }

    /// Makes an image of a tag, and returns its manifest.
    fn make(&self, tag: &str) -> Vec<u8> {
        let layer = digest(&self.layer);
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": { "Entrypoint": ["/app"], "Cmd": tag.split('.').collect::<Vec<_>>(), "WorkingDir": "/" },
            "rootfs": { "type": "layers", "diff_ids": [layer] },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config),
                "size": config.len() },
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer,
                "size": self.layer.len() }],
        });
        let manifest = manifest.to_string().into_bytes();
        let mut made = lock(&self.made);
        made.insert(digest(&config), config);
        made.insert(digest(&manifest), manifest.clone());
        manifest
    }
}

fn described(body: &[u8]) -> Vec<(&'static str, String)> {
    vec![("content-type", MANIFEST.into()), ("docker-content-digest", digest(body))]
}

fn absent() -> Answer {
    Answer { status: "404 Not Found", headers: Vec::new(), body: error("NOT_FOUND", "not found") }
}

fn error(code: &str, message: &str) -> Vec<u8> {
    json!({ "errors": [{ "code": code, "message": message }] }).to_string().into_bytes()
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_string(), |text, byte| text + &format!("{byte:02x}"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
