//! HTTP/1.1 in small: as much of it as clients of an API server speak.

use std::io::BufRead;

use serde_json::json;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` and so on.
    pub method: String,
    /// What is asked for, with its query.
    pub path: String,
    /// The headers; their names are in lower case.
    pub headers: Vec<(String, String)>,
    /// What is sent along.
    pub body: String,
}

impl Request {
    /// Returns a header, by its name in lower case; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Reads the next request of a connection; none when it is over.
    pub fn read(stream: &mut impl BufRead) -> Option<Request> {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut request = Request { method, path, headers, body: String::new() };
        let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).ok()?;
        request.body = String::from_utf8_lossy(&body).into_owned();
        Some(request)
    }

    /// Writes it as it goes on.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        format!("{head}\r\n{}", self.body).into_bytes()
    }
}

/// Writes an answer.
pub fn answer(status: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|header| header.starts_with("content-type")) {
        head.push_str("content-type: application/json\r\n");
    }
    for header in headers {
        head.push_str(&format!("{header}\r\n"));
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// Says no as an API server does.
pub fn failure(status: &str, reason: &str, message: &str) -> Vec<u8> {
    let code: u16 = status.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500);
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    answer(status, &[], &body.to_string())
}
