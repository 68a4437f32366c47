//! A token in a file that somebody else renews, such as a pod's service account token.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::{Renewal, bearer};
use crate::ConnectError;
use crate::words::io_words;

/// How long a token is used before the file is looked at again, as in client-go.
const TRUSTED_FOR: Duration = Duration::from_secs(60);

/// The file and what was last read from it.
pub(crate) struct TokenFile {
    path: PathBuf,
    last: Mutex<(HeaderValue, Instant)>,
}

impl TokenFile {
    /// Reads the file; a token that was also given inline stands in for one that is unreadable or empty.
    pub(crate) fn open(path: PathBuf, inline: Option<&SecretString>) -> Result<Self, ConnectError> {
        let first = match (read(&path), inline) {
            (Err(_), Some(token)) => bearer(token.expose_secret())?,
            (Err(reason), None) => return Err(ConnectError::Unusable(reason)),
            (Ok(value), _) => value,
        };
        Ok(Self { path, last: Mutex::new((first, Instant::now())) })
    }

    /// Returns the token, read again when a minute has passed; the last one outlives the file.
    pub(crate) fn header(&self) -> HeaderValue {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.1.elapsed() >= TRUSTED_FOR {
            let value = read(&self.path).unwrap_or_else(|_| last.0.clone());
            *last = (value, Instant::now());
        }
        last.0.clone()
    }

    /// Reads the file at once and says whether it holds something else than what was refused.
    pub(crate) fn renew(&self, refused: Option<&HeaderValue>) -> Renewal {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Ok(value) = read(&self.path) {
            *last = (value, Instant::now());
        }
        let new = refused.is_some_and(|refused| *refused != last.0);
        if new { Renewal::New } else { Renewal::Same }
    }
}

/// Reads the token; an empty file is one that somebody is about to write.
fn read(path: &PathBuf) -> Result<HeaderValue, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("open {}: {}", path.display(), io_words(&error)))?;
    if text.trim().is_empty() {
        return Err(format!("read empty token from file \"{}\"", path.display()));
    }
    bearer(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_again_only_after_a_refusal_or_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let file = TokenFile::open(path.clone(), None).unwrap();
        let one = file.header();
        assert_eq!(one, "Bearer one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(file.header(), "Bearer one");
        assert_eq!(file.renew(Some(&one)), Renewal::New);
        let two = file.header();
        assert_eq!(two, "Bearer two");
        assert_eq!(file.renew(Some(&two)), Renewal::Same);
        std::fs::remove_file(&path).unwrap();
        file.last.lock().unwrap().1 -= TRUSTED_FOR;
        assert_eq!(file.header(), "Bearer two");
    }

    #[test]
    fn an_unreadable_file_is_an_error_unless_a_token_is_inline() {
        let path = PathBuf::from("/nonexistent/token");
        let error = TokenFile::open(path.clone(), None).err().unwrap().to_string();
        assert_eq!(error, "error: open /nonexistent/token: no such file or directory");
        let inline = SecretString::from("inline");
        assert_eq!(TokenFile::open(path, Some(&inline)).unwrap().header(), "Bearer inline");
    }

    #[test]
    fn a_writer_that_truncates_first_logs_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "one").unwrap();
        let file = TokenFile::open(path.clone(), None).unwrap();
        std::fs::write(&path, "\n").unwrap();
        file.last.lock().unwrap().1 -= TRUSTED_FOR;
        assert_eq!(file.header(), "Bearer one");
        assert_eq!(file.renew(Some(&file.header())), Renewal::Same);
        let error = TokenFile::open(path.clone(), None).err().unwrap().to_string();
        assert_eq!(error, format!("error: read empty token from file \"{}\"", path.display()));
    }
}
