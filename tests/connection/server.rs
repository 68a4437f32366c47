//! Small servers in this process: one that answers like an API server, and proxies.

use std::io::{BufReader, Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

pub use between::http::{Request, answer, failure};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// Makes an answer of a request and its number; an empty one closes the connection.
pub type Handler = Arc<dyn Fn(usize, &Request) -> Vec<u8> + Send + Sync>;

/// Starts a server that stays for as long as this process, and returns where.
pub fn start(tls: Option<Arc<ServerConfig>>, handler: Handler) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(Mutex::new(0));
    spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tls, handler, count) = (tls.clone(), Arc::clone(&handler), Arc::clone(&count));
            spawn(move || match tls {
                Some(config) => {
                    let Ok(session) = ServerConnection::new(config) else { return };
                    serve(StreamOwned::new(session, stream), &handler, &count);
                }
                None => serve(stream, &handler, &count),
            });
        }
    });
    address
}

fn serve<S: Read + Write>(stream: S, handler: &Handler, count: &Mutex<usize>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = Request::read(&mut stream) {
        let number = {
            let mut count = count.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // What both programs look for first does not count.
            *count += usize::from(request.path.contains("/namespaces/"));
            *count
        };
        let answer = handler(number, &request);
        let sent = stream.get_mut().write_all(&answer).and_then(|()| stream.get_mut().flush());
        if answer.is_empty() || sent.is_err() || answer.windows(17).any(|part| part == b"connection: close") {
            return;
        }
    }
}

pub fn ok(body: &Value) -> Vec<u8> {
    answer("200 OK", &[], &body.to_string())
}

/// Says whether a request is for the object, and not for what kubectl wants to know before.
pub fn about_object(request: &Request) -> bool {
    request.path.contains("/namespaces/")
}

/// Answers as an API server with one Deployment.
pub fn api(request: &Request) -> Vec<u8> {
    let path = request.path.split('?').next().unwrap_or_default();
    // A proxy is asked with the whole address, and a gateway has a part in front.
    let path = path.strip_prefix("http://api.test").unwrap_or(path);
    let path = path.find("/api").map_or(path, |at| &path[at..]);
    let resource = |name: &str, kind: &str, short: &str| {
        json!({"name": name, "singularName": "", "namespaced": true, "kind": kind,
               "verbs": ["get", "list", "watch", "patch"], "shortNames": [short]})
    };
    let list = |group: &str, resources: Value| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources});
    let version = json!({"groupVersion": "apps/v1", "version": "v1"});
    match path {
        "/api" => ok(&json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => ok(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [
            {"name": "apps", "versions": [version], "preferredVersion": version}]})),
        "/api/v1" => ok(&list("v1", json!([resource("pods", "Pod", "po")]))),
        "/apis/apps/v1" => ok(&list(
            "apps/v1",
            json!([
                resource("deployments", "Deployment", "deploy"),
                resource("replicasets", "ReplicaSet", "rs")
            ]),
        )),
        _ if path.ends_with("/deployments/web") => ok(&deployment()),
        _ if path.ends_with("/replicasets") => ok(&json!({"kind": "ReplicaSetList", "apiVersion": "apps/v1",
                       "metadata": {"resourceVersion": "7"}, "items": [replica_set()]})),
        _ => failure("404 Not Found", "NotFound", "the server could not find the requested resource"),
    }
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
           "spec": {"containers": [{"name": "app", "image": "app:1"}]}})
}

fn deployment() -> Value {
    json!({"kind": "Deployment", "apiVersion": "apps/v1",
        "metadata": {"name": "web", "namespace": "default", "uid": "1", "resourceVersion": "7", "generation": 1,
                     "annotations": {"deployment.kubernetes.io/revision": "1"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template()},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
                   "availableReplicas": 1}})
}

fn replica_set() -> Value {
    json!({"kind": "ReplicaSet", "apiVersion": "apps/v1",
        "metadata": {"name": "web-1", "namespace": "default", "uid": "2", "resourceVersion": "7",
                     "labels": {"app": "web", "pod-template-hash": "1"},
                     "annotations": {"deployment.kubernetes.io/revision": "1"},
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1",
                                          "controller": true}]},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template()},
        "status": {"replicas": 1}})
}

/// A proxy that opens tunnels to this machine whatever name is asked for, and fetches plain http.
pub fn http_proxy(login: &'static str, to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || tunnel(stream, login, to));
        }
    });
    address
}

fn tunnel(mut stream: TcpStream, login: &str, to: SocketAddr) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    if !login.is_empty() && !text.contains(&format!("proxy-authorization: {}", login.to_lowercase())) {
        let head = b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n";
        return stream.write_all(head).ok();
    }
    let mut server = TcpStream::connect(to).ok()?;
    if text.starts_with("connect ") {
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    } else {
        server.write_all(&head).ok()?;
    }
    relay(stream, server)
}

/// A SOCKS proxy that does the same; `login` is whether it wants `u` and `pw`.
pub fn socks_proxy(login: bool, reply: u8, to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || socks(stream, login, reply, to));
        }
    });
    address
}

fn socks(mut stream: TcpStream, login: bool, reply: u8, to: SocketAddr) -> Option<()> {
    let mut bytes = [0; 512];
    let length = stream.read(&mut bytes).ok()?;
    let wanted = if login { 2 } else { 0 };
    if !bytes[2..length].contains(&wanted) {
        return stream.write_all(&[5, 0xff]).ok();
    }
    stream.write_all(&[5, wanted]).ok()?;
    if login {
        let length = stream.read(&mut bytes).ok()?;
        let right = &bytes[..length] == b"\x01\x01u\x02pw";
        stream.write_all(&[1, u8::from(!right)]).ok()?;
        if !right {
            return None;
        }
    }
    let _ = stream.read(&mut bytes).ok()?;
    stream.write_all(&[5, reply, 0, 1, 127, 0, 0, 1, 0, 80]).ok()?;
    if reply != 0 {
        return None;
    }
    relay(stream, TcpStream::connect(to).ok()?)
}

fn relay(mut one: TcpStream, mut other: TcpStream) -> Option<()> {
    let (mut back, mut forth) = (one.try_clone().ok()?, other.try_clone().ok()?);
    spawn(move || {
        let _ = copy(&mut forth, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let _ = copy(&mut one, &mut other);
    other.shutdown(Shutdown::Both).ok()
}

/// Answers as an API server whose rollout ends while the first watches are silent: what lies between forwards nothing any more.
pub fn silenced(request: &Request, watches_before: usize) -> Vec<u8> {
    let path = request.path.split('?').next().unwrap_or_default();
    let list = |kind: &str| json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": []});
    if !request.path.contains("watch=true") {
        return match path {
            _ if path.ends_with("/deployments/web") => ok(&rolling(0, "7")),
            _ if path.ends_with("/pods") => ok(&list("PodList")),
            _ => api(request),
        };
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let event = |object: Value| {
        let line = format!("{}\n", json!({"type": "MODIFIED", "object": object}));
        format!("{head}{:x}\r\n{line}\r\n", line.len()).into_bytes()
    };
    match path {
        _ if watches_before < 3 => head.into(),
        _ if path.ends_with("/deployments") => event(rolling(1, "8")),
        _ if path.ends_with("/pods") => event(pod()),
        _ => head.into(),
    }
}

fn rolling(done: u32, version: &str) -> Value {
    let mut deployment = deployment();
    deployment["metadata"]["resourceVersion"] = json!(version);
    deployment["status"] = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": done,
                                  "readyReplicas": done, "availableReplicas": done});
    deployment
}

fn pod() -> Value {
    let since = "2026-01-01T00:00:00Z";
    json!({"kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": "web-1-a", "namespace": "default", "uid": "3", "resourceVersion": "8",
                     "creationTimestamp": since, "labels": {"app": "web", "pod-template-hash": "1"},
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "2",
                                          "controller": true}]},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        "status": {"phase": "Running", "startTime": since,
                   "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}],
                   "containerStatuses": [{"name": "app", "ready": true, "restartCount": 0, "image": "app:1",
                                          "state": {"running": {"startedAt": since}}}]}})
}
