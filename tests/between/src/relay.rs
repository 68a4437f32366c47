//! An answer passed on as it comes, so that the connection can be used again when it is over.

use std::io::{self, BufRead, Read, Write};

/// Where an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Chunks,
    /// At the end of the connection.
    Connection,
}

/// The head of an answer, as it was written.
pub(crate) struct Head {
    text: String,
    length: Length,
}

impl Head {
    pub(crate) fn read(server: &mut impl BufRead, method: &str) -> io::Result<Head> {
        let mut text = String::new();
        loop {
            let start = text.len();
            if server.read_line(&mut text)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if text[start..].trim_end().is_empty() {
                break;
            }
        }
        let length = length(&text, method);
        Ok(Head { text, length })
    }

    pub(crate) fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// Passes the answer on; whether both connections can be used again.
    pub(crate) fn pass_on(&self, server: &mut impl BufRead, client: &mut impl Write) -> io::Result<bool> {
        client.write_all(self.text.as_bytes())?;
        match self.length {
            Length::Bytes(length) => {
                io::copy(&mut server.by_ref().take(length), client)?;
                client.flush()?;
                Ok(true)
            }
            Length::Chunks => chunks(server, client).map(|()| true),
            Length::Connection => {
                io::copy(server, client)?;
                client.flush()?;
                Ok(false)
            }
        }
    }
}

fn length(head: &str, method: &str) -> Length {
    let value = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_lowercase())
    };
    let status = head.split(' ').nth(1).unwrap_or_default();
    if method == "HEAD" || status == "204" || status == "304" {
        return Length::Bytes(0);
    }
    match (value("transfer-encoding"), value("content-length").and_then(|length| length.parse().ok())) {
        (Some(coding), _) if coding.contains("chunked") => Length::Chunks,
        (_, Some(length)) => Length::Bytes(length),
        _ => Length::Connection,
    }
}

/// Each chunk at once: it may be all that a watch has to say for minutes.
fn chunks(server: &mut impl BufRead, client: &mut impl Write) -> io::Result<()> {
    loop {
        let mut line = String::new();
        server.read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        client.write_all(line.as_bytes())?;
        // With the end of the line behind it; behind the last there are no trailers from an API server.
        io::copy(&mut server.by_ref().take(size + 2), client)?;
        client.flush()?;
        if size == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Head, Length, length};

    fn passed(answer: &str) -> (String, bool, String) {
        let (mut server, mut client) = (answer.as_bytes(), Vec::new());
        let head = Head::read(&mut server, "GET").expect("a head");
        let again = head.pass_on(&mut server, &mut client).expect("a body");
        (String::from_utf8_lossy(&client).into_owned(), again, String::from_utf8_lossy(server).into_owned())
    }

    #[test]
    fn an_answer_ends_where_its_head_says_and_the_next_one_stays() {
        let counted = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(passed(&format!("{counted}HTTP/1.1 ")), (counted.into(), true, "HTTP/1.1 ".into()));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
        assert_eq!(passed(&format!("{chunked}HTTP/1.1 ")), (chunked.into(), true, "HTTP/1.1 ".into()));
        let open = "HTTP/1.1 200 OK\r\n\r\nbody";
        assert_eq!(passed(open), (open.into(), false, String::new()));
    }

    #[test]
    fn an_answer_without_a_body_has_none_whatever_its_head_says() {
        assert_eq!(length("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", "HEAD"), Length::Bytes(0));
        assert_eq!(length("HTTP/1.1 204 No Content\r\n\r\n", "DELETE"), Length::Bytes(0));
    }

    #[test]
    fn a_server_that_stops_within_an_answer_is_an_error() {
        let mut half = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo".as_bytes();
        let head = Head::read(&mut half, "GET").expect("a head");
        assert!(head.pass_on(&mut half, &mut Vec::new()).is_err());
    }
}
