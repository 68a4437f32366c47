//! Go's words for what the operating system says, so that errors read as kubectl's.

use std::io::{Error, ErrorKind};

/// Describes an I/O error as Go's `syscall.Errno` does.
pub(crate) fn io_words(error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        ErrorKind::HostUnreachable => "no route to host".to_owned(),
        ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        ErrorKind::BrokenPipe => "broken pipe".to_owned(),
        ErrorKind::TimedOut => "i/o timeout".to_owned(),
        ErrorKind::UnexpectedEof => "EOF".to_owned(),
        _ => without_number(&error.to_string()),
    }
}

/// Replaces control characters, so that text from elsewhere can neither move the cursor nor forge a line.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Quotes what somebody else wrote: on one line, and cut where it has no end.
pub(crate) fn told(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut line = one_line(text);
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Replaces control characters except line breaks and tabs.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

fn without_number(text: &str) -> String {
    text.split(" (os error").next().unwrap_or(text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_as_go_does() {
        assert_eq!(io_words(&Error::from(ErrorKind::NotFound)), "no such file or directory");
        assert_eq!(io_words(&Error::from_raw_os_error(24)), "too many open files");
        assert_eq!(one_line("a\x1b[31m\nb"), "a [31m b");
        assert_eq!(told("a\nb"), "a b");
        assert_eq!(told(&"ü".repeat(5000)), format!("{}…", "ü".repeat(200)));
        assert_eq!(printable("a\x1b\n\tb\r"), "a\n\tb");
    }
}
