//! What is said to a proxy, and what it says: CONNECT for HTTP proxies, and SOCKS 5 (RFC 1928, RFC 1929).

use std::io;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dial::{Stream, default_port};
use crate::words::one_line;

/// How long the head of a proxy's answer may be.
const MOST_HEAD: usize = 64 * 1024;

/// Why a proxy opens no way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Its own words.
    #[error("{0}")]
    Said(String),
    /// The connection to it broke.
    #[error("{0}")]
    Broke(#[from] io::Error),
}

/// Returns user and password of a URL, percent-decoded.
pub(crate) fn userinfo(url: &Uri) -> Option<(String, String)> {
    let (userinfo, _) = url.authority()?.as_str().rsplit_once('@')?;
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decode(user), decode(password)))
}

/// Returns the header with which one logs in at a proxy.
pub(super) fn proxy_authorization(url: &Uri) -> Option<String> {
    let (user, password) = userinfo(url)?;
    Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn port_of(target: &Uri) -> u16 {
    target.port_u16().unwrap_or_else(|| default_port(target))
}

/// Asks an HTTP proxy for a tunnel.
pub(super) async fn ask_for_tunnel(
    stream: &mut Box<dyn Stream>,
    proxy: &Uri,
    target: &Uri,
) -> Result<(), Refusal> {
    let host = format!("{}:{}", target.host().unwrap_or_default(), port_of(target));
    let mut request =
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Go-http-client/1.1\r\n");
    if let Some(value) = proxy_authorization(proxy) {
        request.push_str(&format!("Proxy-Authorization: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    // Byte by byte, so that nothing of what the server says behind it is taken.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MOST_HEAD {
            return Err(Refusal::Said("net/http: server response headers exceeded".to_owned()));
        }
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !head.is_empty() => {
                return Err(Refusal::Said("unexpected EOF".to_owned()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default();
    let mut words = line.splitn(3, ' ');
    let (protocol, code, text) = (words.next(), words.next(), words.next());
    match (protocol, code) {
        (Some(protocol), Some("200")) if protocol.starts_with("HTTP/1.") => Ok(()),
        (Some(protocol), Some(code)) if protocol.starts_with("HTTP/1.") => {
            let text = text.map(one_line).filter(|text| !text.is_empty());
            Err(Refusal::Said(text.unwrap_or_else(|| format!("unknown status code {}", one_line(code)))))
        }
        _ => Err(Refusal::Said(format!("malformed HTTP response \"{}\"", one_line(line)))),
    }
}

/// Asks a SOCKS proxy for a way; the proxy looks the name up.
pub(super) async fn ask_socks(
    stream: &mut Box<dyn Stream>,
    proxy: &Uri,
    target: &Uri,
) -> Result<(), Refusal> {
    let login = userinfo(proxy);
    // A proxy that asks for no password is fine with one, too.
    let greeting: &[u8] = if login.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(greeting).await?;
    stream.flush().await?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await?;
    match (chosen, &login) {
        ([5, 0], _) => {}
        ([5, 2], Some((user, password))) => log_in(stream, user, password).await?,
        ([5, 0xff], _) => return said("no acceptable authentication methods"),
        ([5, _], _) => return said("unsupported authentication method"),
        ([version, _], _) => return said(&format!("unexpected protocol version {version}")),
    }
    let mut request = vec![5, 1, 0];
    request.extend(address(target)?);
    request.extend(port_of(target).to_be_bytes());
    stream.write_all(&request).await?;
    stream.flush().await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    if answer[0] != 5 {
        return said(&format!("unexpected protocol version {}", answer[0]));
    }
    if answer[1] != 0 {
        return said(&format!("unknown error {}", reply(answer[1])));
    }
    let length = match answer[3] {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await?),
        _ => return said("unknown address type"),
    };
    stream.read_exact(&mut vec![0; length + 2]).await?;
    Ok(())
}

async fn log_in(stream: &mut Box<dyn Stream>, user: &str, password: &str) -> Result<(), Refusal> {
    let (Ok(user_length), Ok(password_length)) = (u8::try_from(user.len()), u8::try_from(password.len()))
    else {
        return said("invalid username/password");
    };
    let mut request = vec![1, user_length];
    request.extend(user.as_bytes());
    request.push(password_length);
    request.extend(password.as_bytes());
    stream.write_all(&request).await?;
    stream.flush().await?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await?;
    if answer[1] == 0 { Ok(()) } else { said("username/password authentication failed") }
}

fn address(target: &Uri) -> Result<Vec<u8>, Refusal> {
    let host = target.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match host.parse() {
        Ok(IpAddr::V4(address)) => Ok([&[1], &address.octets()[..]].concat()),
        Ok(IpAddr::V6(address)) => Ok([&[4], &address.octets()[..]].concat()),
        Err(_) => match u8::try_from(host.len()) {
            Ok(length) => Ok([&[3, length], host.as_bytes()].concat()),
            Err(_) => Err(Refusal::Said("FQDN too long".to_owned())),
        },
    }
}

fn reply(code: u8) -> String {
    match code {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        other => return format!("unknown code: {other}"),
    }
    .to_owned()
}

fn said<T>(words: &str) -> Result<T, Refusal> {
    Err(Refusal::Said(words.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_user_of_a_proxy() {
        let of = |url: &'static str| userinfo(&Uri::from_static(url));
        assert_eq!(of("http://u:p%40ss%3Aw@proxy:1"), Some(("u".into(), "p@ss:w".into())));
        assert_eq!(of("http://u@proxy:1"), Some(("u".into(), String::new())));
        assert_eq!(of("http://proxy:1"), None);
    }

    async fn tunnel(answer: &'static [u8]) -> Result<(), String> {
        let (client, mut server) = tokio::io::duplex(4096);
        server.write_all(answer).await.unwrap();
        drop(server.shutdown().await);
        let mut stream: Box<dyn Stream> = Box::new(client);
        let target = Uri::from_static("https://api.test");
        ask_for_tunnel(&mut stream, &Uri::from_static("http://proxy"), &target)
            .await
            .map_err(|refusal| refusal.to_string())
    }

    #[tokio::test]
    async fn the_proxys_own_words_are_kept() {
        assert_eq!(tunnel(b"HTTP/1.0 200 Connection established\r\n\r\n").await, Ok(()));
        assert_eq!(tunnel(b"HTTP/1.1 403 Forbidden\r\na: b\r\n\r\n").await, Err("Forbidden".into()));
        assert_eq!(
            tunnel(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await,
            Err("Proxy Authentication Required".into())
        );
        assert_eq!(tunnel(b"HTTP/1.1 599\r\n\r\n").await, Err("unknown status code 599".into()));
        assert_eq!(tunnel(b"HTTP/1.1 200 OK\r\n").await, Err("unexpected EOF".into()));
        assert_eq!(tunnel(b"SSH-2.0-x\r\n\r\n").await, Err("malformed HTTP response \"SSH-2.0-x\"".into()));
    }
}
