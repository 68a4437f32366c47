//! A token in a file that somebody else renews, such as a pod's service account token.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::{CredentialError, Renewal, bearer};
use crate::words::io_words;

/// How long a token is used before the file is looked at again, as in client-go.
const TRUSTED_FOR: Duration = Duration::from_secs(60);

/// The file and what was last read from it.
pub(crate) struct TokenFile {
    path: PathBuf,
    last: Mutex<(HeaderValue, Instant)>,
}

impl TokenFile {
    /// Reads the file; a token that was also given inline stands in for an unreadable file.
    pub(crate) fn open(path: PathBuf, inline: Option<&SecretString>) -> Result<Self, CredentialError> {
        let first = match (read(&path), inline) {
            (Err(_), Some(token)) => bearer(token.expose_secret())?,
            (read, _) => read?,
        };
        Ok(Self { path, last: Mutex::new((first, Instant::now())) })
    }

    /// Returns the token, read again when a minute has passed; the last one outlives the file.
    pub(crate) fn header(&self) -> Result<HeaderValue, CredentialError> {
        let mut last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if last.1.elapsed() >= TRUSTED_FOR {
            let value = read(&self.path).unwrap_or_else(|_| last.0.clone());
            *last = (value, Instant::now());
        }
        Ok(last.0.clone())
    }

    /// Reads the file at once and says whether it holds something else than what was refused.
    pub(crate) fn renew(&self, refused: Option<&HeaderValue>) -> Result<Renewal, CredentialError> {
        let mut last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Ok(value) = read(&self.path) {
            *last = (value, Instant::now());
        }
        let new = refused.is_some_and(|refused| *refused != last.0);
        Ok(if new { Renewal::New { certificate: false } } else { Renewal::Same })
    }
}

fn read(path: &PathBuf) -> Result<HeaderValue, CredentialError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CredentialError::new(format!("open {}: {}", path.display(), io_words(&error))))?;
    bearer(&text)
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
        let one = file.header().unwrap();
        assert_eq!(one, "Bearer one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(file.header().unwrap(), "Bearer one");
        assert_eq!(file.renew(Some(&one)).unwrap(), Renewal::New { certificate: false });
        let two = file.header().unwrap();
        assert_eq!(two, "Bearer two");
        assert_eq!(file.renew(Some(&two)).unwrap(), Renewal::Same);
        std::fs::remove_file(&path).unwrap();
        file.last.lock().unwrap().1 -= TRUSTED_FOR;
        assert_eq!(file.header().unwrap(), "Bearer two");
    }

    #[test]
    fn an_unreadable_file_is_an_error_unless_a_token_is_inline() {
        let path = PathBuf::from("/nonexistent/token");
        let error = TokenFile::open(path.clone(), None).err().unwrap().to_string();
        assert_eq!(error, "open /nonexistent/token: no such file or directory");
        let inline = SecretString::from("inline");
        assert_eq!(TokenFile::open(path, Some(&inline)).unwrap().header().unwrap(), "Bearer inline");
    }
}
