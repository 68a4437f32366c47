//! Connections that break or fall silent.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kubectl_connect::ApiErrorKind;
use support::{Authority, Place, Server, fetch, ok};

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

#[tokio::test]
async fn a_load_balancer_that_restarts_does_not_end_a_command() {
    // It closes the first connection without a word.
    let server = Server::plain(|number, _| if number == 1 { Vec::new() } else { ok("works") });
    let connection = Place::new(&url(&server), "", "").connect().await.unwrap();
    assert_eq!(fetch(&connection, "/api").await.unwrap(), "works");

    // It resets the first two while they are asked.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            if number < 2 {
                // What was not read makes the close a reset.
                let _ = stream.read(&mut [0; 1]);
                continue;
            }
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&ok("after resets"));
        }
    });
    let connection = Place::new(&format!("http://{address}"), "", "").connect().await.unwrap();
    let start = Instant::now();
    assert_eq!(fetch(&connection, "/api").await.unwrap(), "after resets");
    // At once the first time, a second later the second time.
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_connection_that_was_kept_and_is_closed_does_not_end_a_command() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&ok("once"));
            // The second request on it is read and not answered.
            std::thread::spawn(move || stream.read(&mut [0; 4096]));
        }
    });
    let connection = Place::new(&format!("http://{address}"), "", "").connect().await.unwrap();
    for _ in 0..3 {
        assert_eq!(fetch(&connection, "/api").await.unwrap(), "once");
    }
}

#[tokio::test]
async fn a_write_is_never_sent_twice() {
    let server = Server::plain(|_, _| Vec::new());
    let connection = Place::new(&url(&server), "", "").connect().await.unwrap();
    let request = http::Request::patch("/x").body(b"body".to_vec()).unwrap();
    let error = connection.explain(connection.client.request_text(request).await.unwrap_err());
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ApiErrorKind::Broken,
            "Unable to connect to the server: EOF; whether the server carried out the PATCH is not known"
        )
    );
}

#[tokio::test]
async fn a_watch_that_says_nothing_any_more_ends_by_itself() {
    // As behind a middlebox that keeps the connection open and forwards nothing.
    let server = Server::plain(|_, _| {
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{\"a\":1}\n\r\n".to_vec()
    });
    let connection = Place::new(&url(&server), "", "").connect().await.unwrap();
    let start = Instant::now();
    let text = fetch(&connection, "/api/v1/pods?watch=true&timeoutSeconds=1").await.unwrap();
    assert_eq!(text, "{\"a\":1}\n");
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(11) && took < Duration::from_secs(14), "{took:?}");
}

#[tokio::test]
async fn a_connection_that_waited_at_the_prompt_is_not_used_for_the_write() {
    let server = Server::plain(|_, _| ok("{}"));
    let connection = Place::new(&url(&server), "", "").connect().await.unwrap();
    fetch(&connection, "/api").await.unwrap();
    fetch(&connection, "/api").await.unwrap();
    tokio::time::sleep(Duration::from_secs(27)).await;
    fetch(&connection, "/api").await.unwrap();
    let connections: Vec<usize> = server.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up_in_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            kept.push(stream);
        }
    });
    let authority = Authority::new();
    let ca = format!(", certificate-authority: {}", "ca.pem");
    let place = Place::new(&format!("https://{address}"), &ca, "");
    place.file("ca.pem", &authority.pem);
    let connection = place.connect().await.unwrap();
    let start = Instant::now();
    let error = fetch(&connection, "/api").await.unwrap_err();
    assert_eq!(error.to_string(), "Unable to connect to the server: net/http: TLS handshake timeout");
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}
