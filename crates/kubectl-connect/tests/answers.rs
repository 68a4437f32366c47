//! Answers that did not come from an API server, and answers without an end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use flate2::{Compression, write::GzEncoder};
use kubectl_connect::{ApiError, ApiErrorKind};
use support::{Place, Server, answer, fetch};

const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

async fn said(status: &'static str, headers: &'static [&'static str], body: &'static str) -> ApiError {
    let server = Server::plain(move |_, _| answer(status, headers, body));
    let connection = Place::new(&format!("http://{}", server.address), "", "").connect().await.unwrap();
    fetch(&connection, WEB).await.unwrap_err()
}

/// A server that says something of its own.
fn raw(talk: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            talk(&mut stream);
        }
    });
    address
}

async fn of_raw(address: SocketAddr, path: &str) -> Result<String, ApiError> {
    let connection = Place::new(&format!("http://{address}"), "", "").connect().await.unwrap();
    fetch(&connection, path).await
}

#[tokio::test]
async fn a_gateways_json_leads_to_the_same_advice_as_the_servers() {
    let error = said("401 Unauthorized", &[], r#"{"message": "no"}"#).await;
    assert_eq!(error.kind(), ApiErrorKind::Unauthorized);
    assert_eq!(
        error.to_string(),
        "error: You must be logged in to the server (the server has asked for the client to provide credentials \
         (get deployments.apps web))"
    );
    let error = said("413 Payload Too Large", &[], r#"{"error": "x"}"#).await;
    assert_eq!(
        error.to_string(),
        "Error from server: the server responded with the status code 413 but did not return more information \
         (get deployments.apps web)"
    );
    let own = r#"{"kind":"Status","status":"Failure","reason":"NotFound","message":"gone","code":404}"#;
    assert_eq!(said("404 Not Found", &[], own).await.to_string(), "Error from server (NotFound): gone");
}

#[tokio::test]
async fn a_gateway_that_wants_a_login_says_where() {
    let error = said("302 Found", &["location: https://sso.example/login?state=s3cret"], "").await;
    assert_eq!(
        error.to_string(),
        "error: the server answered 302 Found and points to https://sso.example:443/login, where this program does \
         not follow it"
    );
}

#[tokio::test]
async fn a_hundred_and_twenty_warnings_are_not_too_many() {
    let lines: Vec<String> = (0..1000).map(|number| format!("warning: 299 - \"w{number}\"")).collect();
    let server = Server::plain(move |_, _| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        answer("200 OK", &lines, "{}")
    });
    let connection = Place::new(&format!("http://{}", server.address), "", "").connect().await.unwrap();
    fetch(&connection, "/api").await.unwrap();
    assert_eq!(connection.warnings.take_new().len(), 1000);
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_no_answer() {
    let address = raw(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\"");
    });
    let error = of_raw(address, "/api").await.unwrap_err();
    assert_eq!(error.to_string(), "Unable to connect to the server: unexpected EOF");
}

#[tokio::test]
async fn an_answer_without_an_end_ends_with_a_sentence() {
    // A gibibyte of zeros in a megabyte, again and again.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        encoder.write_all(&[0; 1024 * 1024]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let address = raw(move |stream| {
        let head = b"HTTP/1.1 500 Oops\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(head);
        while stream.write_all(&bomb).is_ok() {}
    });
    let error = of_raw(address, "/api").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "error: the server answered 500 Internal Server Error and more than 4 MiB, which were not read"
    );

    let address = raw(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    });
    let error = of_raw(address, "/api/v1/pods?watch=true").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "error: an event of the server is longer than 64 MiB, and was not read further"
    );
}
