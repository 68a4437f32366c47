//! The least that a call can take: its requests, one after the other over one TLS connection, and their answers read to the end and
//! thrown away. Nothing is parsed, decoded, decided or printed.
//!
//! `limit HOST:PORT CA.pem TOKEN METHOD PATH [METHOD PATH]…`: a PATCH sends an empty merge patch.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, authority, token, requests @ ..] = args.as_slice() else {
        return Err("HOST:PORT CA.pem TOKEN METHOD PATH are needed".into());
    };
    let host = address.rsplit_once(':').ok_or("no port")?.0;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), ServerName::try_from(host.to_string())?)?;
    let tcp = TcpStream::connect(address)?;
    tcp.set_nodelay(true)?;
    let mut stream = StreamOwned::new(tls, tcp);
    for request in requests.chunks_exact(2) {
        let (method, path) = (&request[0], &request[1]);
        let body = if method == "PATCH" { "{}" } else { "" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\naccept: application/json\r\n\
             accept-encoding: gzip\r\n\
             content-type: application/merge-patch+json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        answer(&mut stream)?;
    }
    Ok(())
}

/// Reads an answer to its end.
fn answer(stream: &mut impl Read) -> Result<(), Box<dyn Error>> {
    let mut read = Vec::new();
    let mut more = [0; 16 * 1024];
    let mut ends: Option<End> = None;
    loop {
        let count = stream.read(&mut more)?;
        if count == 0 {
            return Err("the connection ended within an answer".into());
        }
        read.extend_from_slice(&more[..count]);
        if ends.is_none()
            && let Some(head) = read.windows(4).position(|it| it == b"\r\n\r\n")
        {
            ends = Some(end(std::str::from_utf8(&read[..head])?, head + 4)?);
        }
        match ends {
            Some(End::At(length)) if read.len() >= length => return Ok(()),
            Some(End::LastChunk) if read.ends_with(b"\r\n0\r\n\r\n") => return Ok(()),
            Some(_) | None => {}
        }
    }
}

/// Where an answer ends.
enum End {
    /// After so many bytes.
    At(usize),
    /// With the chunk that is empty.
    LastChunk,
}

fn end(head: &str, body: usize) -> Result<End, Box<dyn Error>> {
    if !head.starts_with("HTTP/1.1 2") {
        return Err(head.lines().next().unwrap_or_default().into());
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(length.transpose()?.map_or(End::LastChunk, |length| End::At(body + length)))
}
