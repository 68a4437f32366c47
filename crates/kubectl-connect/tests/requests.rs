//! What goes over the wire: headers, retries, time limits, warnings, the clock, `-v`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kubectl_connect::{ApiErrorKind, ConnectionArgs, Connector};
use support::{Place, Server, answer, fetch, get, ok};

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

#[tokio::test]
async fn introduces_itself_as_kubectl_does() {
    let server = Server::plain(|_, _| ok("{}"));
    let place = Place::new(&url(&server), "", "token: s3cret, as: bob, as-groups: [a, b]");
    let connection = place.connect().await.unwrap();
    assert_eq!((connection.namespace.as_str(), connection.context.as_deref()), ("here", Some("ctx")));
    fetch(&connection, "/api?x=1").await.unwrap();
    fetch(&connection, "/api").await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].connection, 0, "connections are used again");
    let first = &requests[0];
    assert_eq!(first.line, "GET /api?x=1 HTTP/1.1");
    assert!(first.header("user-agent").unwrap().starts_with("kubectl-test/v9.9.9 ("));
    assert_eq!(first.header("accept"), Some("application/json"));
    assert_eq!(first.header("accept-encoding"), Some("gzip"));
    assert_eq!(first.header("impersonate-user"), Some("bob"));
    assert_eq!(first.all("impersonate-group"), ["a", "b"]);
    assert_eq!(first.header("authorization"), None, "nothing secret over plain http");
}

#[tokio::test]
async fn keeps_an_accept_header_and_can_do_without_gzip() {
    let server = Server::plain(|_, _| ok("{}"));
    let place = Place::new(&url(&server), "", "");
    let connection = place.connect_with(|args| args.disable_compression = true).await.unwrap();
    let request =
        http::Request::get("/api").header("accept", "application/json;as=Table").body(Vec::new()).unwrap();
    connection.client.request_text(request).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests[0].all("accept"), ["application/json;as=Table"]);
    assert_eq!(requests[0].header("accept-encoding"), None);
}

#[tokio::test]
async fn streams_are_not_compressed_and_have_no_time_limit() {
    let server = Server::plain(|_, request| {
        std::thread::sleep(Duration::from_millis(250));
        ok(if request.line.contains("watch=true") { "stream" } else { "list" })
    });
    let place = Place::new(&url(&server), "", "");
    let connection = place.connect_with(|args| args.request_timeout = Some("100ms".into())).await.unwrap();
    assert_eq!(fetch(&connection, "/api/v1/pods?watch=true").await.unwrap(), "stream");
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("identity"));
    let error = fetch(&connection, "/api/v1/pods").await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    );
}

#[tokio::test]
async fn the_time_limit_covers_the_body() {
    let server = Server::plain(|_, _| b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec());
    let place = Place::new(&url(&server), "", "");
    let connection = place.connect_with(|args| args.request_timeout = Some("200ms".into())).await.unwrap();
    let error = fetch(&connection, "/api").await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Timeout);
    assert!(error.to_string().ends_with("(Client.Timeout exceeded while reading body)"), "{error}");
}

#[tokio::test]
async fn retries_only_when_told_to() {
    let busy = Server::plain(|number, _| match number {
        1 => answer("429 Too Many Requests", &["retry-after: 0"], "{}"),
        2 => answer("503 Service Unavailable", &["retry-after: 0"], "{}"),
        _ => ok("done"),
    });
    let connection = Place::new(&url(&busy), "", "").connect().await.unwrap();
    let request = http::Request::patch("/x").body(b"body".to_vec()).unwrap();
    assert_eq!(connection.client.request_text(request).await.unwrap(), "done");
    let requests = busy.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.body == "body" && request.connection == 0), "{requests:?}");

    let down = Server::plain(|_, _| answer("503 Service Unavailable", &[], "{}"));
    let connection = Place::new(&url(&down), "", "").connect().await.unwrap();
    fetch(&connection, "/x").await.unwrap_err();
    assert_eq!(down.requests().len(), 1);
}

#[tokio::test]
async fn retries_at_most_ten_times_and_within_the_time_limit() {
    let server = Server::plain(|_, _| answer("429 Too Many Requests", &["retry-after: 0"], "busy"));
    let connection = Place::new(&url(&server), "", "").connect().await.unwrap();
    assert_eq!(fetch(&connection, "/x").await.unwrap_err().code(), Some(429));
    assert_eq!(server.requests().len(), 11);

    let slow = Server::plain(|_, _| answer("429 Too Many Requests", &["retry-after: 60"], "{}"));
    let place = Place::new(&url(&slow), "", "");
    let connection = place.connect_with(|args| args.request_timeout = Some("200ms".into())).await.unwrap();
    let start = Instant::now();
    assert_eq!(fetch(&connection, "/x").await.unwrap_err().kind(), ApiErrorKind::Timeout);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn collects_warnings_and_the_time() {
    let headers = [
        "warning: 299 - \"old API\"",
        "warning: 299 - \"and \\\"more\\\"\"",
        "date: Tue, 24 Nov 2026 17:19:50 GMT",
    ];
    let server = Server::plain(move |_, _| answer("200 OK", &headers, "{}"));
    let connection =
        Place::new(&url(&server), "", "").connect_with(|args| args.warnings_as_errors = true).await.unwrap();
    assert_eq!(connection.server_now(), None);
    fetch(&connection, "/x").await.unwrap();
    fetch(&connection, "/x").await.unwrap();
    assert_eq!(connection.warnings.take_new(), ["old API", "and \"more\""]);
    assert_eq!(connection.warnings.as_error().as_deref(), Some("error: 2 warnings received"));
    assert!(connection.settings.warnings_as_errors);
    assert!(connection.server_now().unwrap().to_string().starts_with("2026-11-24T17:19:5"));
}

#[tokio::test]
async fn reads_gzip() {
    // `echo -n hello | gzip -n`
    let packed = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0,
        0, 0,
    ];
    let server = Server::plain(move |_, _| {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
        [head.as_bytes(), &packed].concat()
    });
    let connection = Place::new(&url(&server), "", "").connect().await.unwrap();
    assert_eq!(fetch(&connection, "/x").await.unwrap(), "hello");
}

async fn traced(level: u8) -> Vec<String> {
    let server = Server::plain(|_, _| answer("201 Created", &["x-thing: y"], "{\"a\":1}"));
    let place = Place::new(&url(&server), "", "");
    let args = ConnectionArgs { verbosity: level, ..ConnectionArgs::default() };
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let connector = Connector::new(&args, &support::agent())
        .environment(&place.env)
        .log(Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned())));
    let connection = connector.connect().await.unwrap();
    let request = http::Request::post("/x").body(b"{\"in\":1}".to_vec()).unwrap();
    connection.client.request_text(request).await.unwrap();
    let port = server.address.port().to_string();
    lines.lock().unwrap().iter().map(|line: &String| line.replace(&port, "PORT")).collect()
}

#[tokio::test]
async fn shows_requests_with_v() {
    assert!(traced(5).await.is_empty());
    let six = traced(6).await;
    assert_eq!(six.len(), 1, "{six:?}");
    assert!(six[0].starts_with("POST http://127.0.0.1:PORT/x 201 Created in "), "{six:?}");
    let eight = traced(8).await;
    for line in
        ["Request Headers:", "    Accept: application/json", "Request Body: {\"in\":1}", "    X-Thing: y"]
    {
        assert!(eight.iter().any(|have| have == line), "{line} in {eight:?}");
    }
    assert_eq!(eight.last().unwrap(), "Response Body: {\"a\":1}");
}

#[tokio::test]
async fn failures_read_as_kubectls() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connection = Place::new(&format!("http://{free}"), "", "").connect().await.unwrap();
    let error = fetch(&connection, "/api").await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        format!("The connection to the server {free} was refused - did you specify the right host or port?")
    );
    let unknown = Place::new("http://no-such-host.invalid:80", "", "").connect().await.unwrap();
    let error = fetch(&unknown, "/api").await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Dns);
    assert!(
        error
            .to_string()
            .starts_with("Unable to connect to the server: dial tcp: lookup no-such-host.invalid: "),
        "{error}"
    );
    let closing = Server::plain(|_, _| Vec::new());
    // It is asked eleven times, a second apart but for the first two.
    let connection = Place::new(&url(&closing), "", "").connect().await.unwrap();
    let error = fetch(&connection, "/api").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ApiErrorKind::Broken, "Unable to connect to the server: EOF")
    );
    assert_eq!(closing.requests().len(), 11);
}

#[tokio::test]
async fn a_broken_answer_is_not_quoted() {
    let server = Server::plain(|_, _| ok("{\"major\": s3cret"));
    let connection = Place::new(&url(&server), "", "").connect().await.unwrap();
    let error = connection.explain(connection.client.apiserver_version().await.unwrap_err());
    assert_eq!(error.kind(), ApiErrorKind::Decode);
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[tokio::test]
async fn goes_through_an_http_proxy() {
    // The proxy answers in the server's stead; plain http is asked for with the whole address, as in Go.
    let proxy = Server::plain(|_, _| ok("fetched"));
    let cluster = format!(", proxy-url: 'http://user:p%40ss@{}'", proxy.address);
    let connection = Place::new("http://cluster.invalid", &cluster, "").connect().await.unwrap();
    assert_eq!(fetch(&connection, "/api").await.unwrap(), "fetched");
    let requests = proxy.requests();
    assert_eq!(requests[0].line, "GET http://cluster.invalid/api HTTP/1.1");
    assert_eq!(requests[0].header("proxy-authorization"), Some("Basic dXNlcjpwQHNz"));

    let refusing = Server::plain(|_, _| b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_vec());
    let cluster = format!(", proxy-url: 'http://u:p%40ss@{}'", refusing.address);
    let connection = Place::new("https://cluster.invalid", &cluster, "").connect().await.unwrap();
    let error = fetch(&connection, "/api").await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Proxy, "{error}");
    assert_eq!(error.to_string(), "Unable to connect to the server: Forbidden");
    let hint =
        format!("requests go through the proxy http://{} (proxy-url in the kubeconfig)", refusing.address);
    assert_eq!(error.hint(), Some(hint.as_str()));
    let requests = refusing.requests();
    assert_eq!(requests[0].line, "CONNECT cluster.invalid:443 HTTP/1.1");
    assert_eq!(requests[0].header("proxy-authorization"), Some("Basic dTpwQHNz"));
}

#[tokio::test]
async fn a_proxy_that_does_not_exist_is_not_told_of_the_server() {
    let place = Place::new("https://cluster.invalid", ", proxy-url: 'http://nope.invalid:3128'", "");
    let error = fetch(&place.connect().await.unwrap(), "/api").await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Proxy);
    let said = error.to_string();
    assert!(said.contains("proxyconnect tcp: dial tcp: lookup nope.invalid: "), "{said}");
}

/// A SOCKS proxy that answers in the server's stead, and what it was told.
fn socks(login: bool) -> (std::net::SocketAddr, Arc<Mutex<Vec<u8>>>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let read = |stream: &mut std::net::TcpStream| {
                let mut bytes = [0; 512];
                let length = stream.read(&mut bytes).unwrap();
                log.lock().unwrap().extend(&bytes[..length]);
            };
            read(&mut stream);
            stream.write_all(&[5, if login { 2 } else { 0 }]).unwrap();
            if login {
                read(&mut stream);
                stream.write_all(&[1, 0]).unwrap();
            }
            read(&mut stream);
            stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).unwrap();
            read(&mut stream);
            stream.write_all(&ok("socks")).unwrap();
        }
    });
    (address, told)
}

#[tokio::test]
async fn a_socks_proxy_with_a_password_that_asks_for_none_is_gone_through() {
    for login in [false, true] {
        let (address, told) = socks(login);
        let cluster = format!(", proxy-url: 'socks5://u:pw@{address}'");
        let connection = Place::new("http://cluster.invalid", &cluster, "").connect().await.unwrap();
        assert_eq!(fetch(&connection, "/api").await.unwrap(), "socks");
        let asked = if login { b"\x01\x01u\x02pw".to_vec() } else { Vec::new() };
        let way = b"\x05\x01\x00\x03\x0fcluster.invalid\x00\x50GET /api HTTP/1.1\r\n";
        let expected = [b"\x05\x02\x00\x02".to_vec(), asked, way.to_vec()].concat();
        let told = told.lock().unwrap().clone();
        assert_eq!(String::from_utf8_lossy(&told[..expected.len()]), String::from_utf8_lossy(&expected));
    }
}

#[tokio::test]
async fn takes_the_proxy_from_the_environment() {
    let proxy = Server::plain(|_, _| ok("fetched"));
    let mut place = Place::new("http://cluster.invalid:6443", "", "");
    place.env = place.env.with("HTTP_PROXY", format!("http://{}", proxy.address));
    let connection = place.connect().await.unwrap();
    assert_eq!(connection.client.request_text(get("/api")).await.unwrap(), "fetched");
    place.env = place.env.with("NO_PROXY", "invalid");
    let direct = place.connect().await.unwrap();
    assert_eq!(fetch(&direct, "/api").await.unwrap_err().kind(), ApiErrorKind::Dns);
}

#[tokio::test]
async fn a_login_in_the_address_is_used_and_not_shown() {
    let server = Server::plain(|_, _| ok("{}"));
    let place = Place::new(&format!("http://u:s3cret@{}", server.address), "", "");
    fetch(&place.connect().await.unwrap(), "/api").await.unwrap();
    assert_eq!(server.requests()[0].header("authorization"), Some("Basic dTpzM2NyZXQ="));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let args = ConnectionArgs { verbosity: 9, ..ConnectionArgs::default() };
    let connector = Connector::new(&args, &support::agent())
        .environment(&place.env)
        .log(Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned())));
    fetch(&connector.connect().await.unwrap(), "/api").await.unwrap();
    let text = lines.lock().unwrap().join("\n");
    assert!(text.contains("GET http://127.0.0.1:") && !text.contains("s3cret"), "{text}");
}
