//! What servers, and those who stand before them, answer.

use std::io::Write;
use std::sync::Arc;

use flate2::{Compression, write::GzEncoder};

use crate::lab::{cluster, lab};
use crate::server::{Request, about_object, answer, api, failure, start};
use crate::{Expected, Row, row};

/// A server that says this about the object; the number counts the requests about objects.
fn says(
    name: impl Into<String>,
    say: impl Fn(usize, &Request) -> Vec<u8> + Clone + Send + Sync + 'static,
) -> Row {
    row(format!("answer: {}", name.into()), move |place| {
        let say = say.clone();
        let handler = Arc::new(
            move |number, request: &Request| {
                if about_object(request) { say(number, request) } else { api(request) }
            },
        );
        place.single(&cluster(start(Some(lab().server.config(None)), handler)), "token: good");
    })
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn body_of(bytes: &[u8]) -> Vec<u8> {
    let at = bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    bytes[at + 4..].to_vec()
}

fn packed(request: &Request, members: usize) -> Vec<u8> {
    let body = body_of(&api(request));
    let parts = body.chunks(body.len().div_ceil(members)).map(gzip).collect::<Vec<_>>().concat();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        parts.len()
    );
    [head.into_bytes(), parts].concat()
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (status, reason) in [
        ("400 Bad Request", "BadRequest"),
        ("401 Unauthorized", "Unauthorized"),
        ("403 Forbidden", "Forbidden"),
        ("404 Not Found", "NotFound"),
        ("405 Method Not Allowed", "MethodNotAllowed"),
        ("409 Conflict", "Conflict"),
        ("410 Gone", "Expired"),
        ("429 Too Many Requests", "TooManyRequests"),
        ("500 Internal Server Error", "InternalError"),
        ("503 Service Unavailable", "ServiceUnavailable"),
        ("504 Gateway Timeout", "Timeout"),
    ] {
        rows.push(says(format!("{status}, the server's"), move |_, _| failure(status, reason, "its words")));
    }
    for status in [
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "406 Not Acceptable",
        "408 Request Timeout",
        "409 Conflict",
        "410 Gone",
        "413 Payload Too Large",
        "415 Unsupported Media Type",
        "418 I'm a teapot",
        "422 Unprocessable Entity",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ] {
        let gateway = says(format!("{status}, a gateway's JSON"), move |_, _| {
            answer(status, &[], "{\"message\": \"no\"}")
        });
        rows.push(gateway);
        rows.push(says(format!("{status}, text"), move |_, _| {
            answer(status, &["content-type: text/plain"], "some words\n")
        }));
    }
    rows.push(
        says("a page", |_, _| {
            answer("502 Bad Gateway", &["content-type: text/html"], "<html><body>bad</body></html>")
        })
        .but(Expected::OtherWords("a page is no sentence")),
    );
    rows.push(says("busy at first", |number, request| match number {
        1 => answer("429 Too Many Requests", &["retry-after: 1"], "{}"),
        _ => api(request),
    }));
    rows.push(says("down at first", |number, request| match number {
        1 => answer("503 Service Unavailable", &["retry-after: 0"], "{}"),
        _ => api(request),
    }));
    rows.push(says("busy at first, with a number below zero", |number, request| match number {
        1 => answer("429 Too Many Requests", &["retry-after: -1"], "{}"),
        _ => api(request),
    }));
    rows.push(says("the first connection is closed", |number, request| match number {
        1 => Vec::new(),
        _ => api(request),
    }));
    rows.push(says("each connection is closed after its answer", |_, request| {
        let text = String::from_utf8(api(request)).unwrap();
        text.replacen("\r\n", "\r\nconnection: close\r\n", 1).into_bytes()
    }));
    rows.push(says("packed", |_, request| packed(request, 1)));
    rows.push(says("packed in two members", |_, request| packed(request, 2)));
    rows.push(
        says("cut short", |_, request| {
            let whole = String::from_utf8(api(request)).unwrap();
            let more = whole.replacen("content-length: ", "connection: close\r\ncontent-length: 9", 1);
            more.into_bytes()
        })
        .but(Expected::OtherWords("kubectl says what it was doing")),
    );
    rows.push(says("many headers", |_, request| {
        let text = String::from_utf8(api(request)).unwrap();
        let headers: String = (0..150).map(|number| format!("x-{number}: y\r\n")).collect();
        text.replacen("\r\n", &format!("\r\n{headers}"), 1).into_bytes()
    }));
    rows.push(says("many warnings", |_, request| {
        let text = String::from_utf8(api(request)).unwrap();
        let headers: String = (0..120).map(|number| format!("warning: 299 - \"w{number}\"\r\n")).collect();
        text.replacen("\r\n", &format!("\r\n{headers}"), 1).into_bytes()
    }));
    rows.push(
        says("no JSON", |_, _| answer("200 OK", &[], "hello"))
            .but(Expected::OtherWords("an answer is not quoted")),
    );
    rows.push(
        says("points elsewhere", |_, request| {
            let place = format!("location: {}", request.path.replacen("/api", "/moved/api", 1));
            if request.path.contains("/moved/") { api(request) } else { answer("302 Found", &[&place], "") }
        })
        .but(Expected::OnlyKubectl("kubectl follows, and sends the credentials along")),
    );
    rows
}
