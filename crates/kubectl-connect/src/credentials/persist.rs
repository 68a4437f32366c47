//! Writes what an issuer rotated back into the kubeconfig, as client-go's `clientcmd.ModifyConfig` does: under the lock file
//! that kubectl uses too, into the file that holds the user.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::kubeconfig;
use crate::words::io_words;

/// How long another program may hold the lock; writing a file takes none.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// A user's place in a kubeconfig file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) user: String,
}

/// The lock of a kubeconfig file, given back when dropped.
pub(super) struct Lock {
    path: PathBuf,
}

impl Lock {
    /// Takes the lock, waiting a moment for whoever has it. Blocks.
    pub(super) fn take(file: &Path) -> Result<Self, String> {
        let mut name = file.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let start = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => return Ok(Self { path }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && start.elapsed() < PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return Err(format!("open {}: file exists", path.display()));
                }
                Err(error) => return Err(format!("open {}: {}", path.display(), io_words(&error))),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Somebody who removed it meanwhile has done what is wanted.
        let _ = fs::remove_file(&self.path);
    }
}

impl Place {
    /// Reads the auth-provider's settings as they are in the file now.
    pub(super) fn read(&self) -> Option<BTreeMap<String, String>> {
        let text = kubeconfig::read_text(&self.file).ok()?;
        let mut document = kubeconfig::parse(&text).ok()?;
        let config = self.config_in(&mut document)?;
        Some(
            config
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
        )
    }

    /// Replaces the auth-provider's settings in the file. The caller holds the lock.
    pub(super) fn write(&self, config: &BTreeMap<String, String>) -> Result<(), String> {
        let text = kubeconfig::read_text(&self.file)
            .map_err(|error| format!("open {}: {}", self.file.display(), io_words(&error)))?;
        let mut document = kubeconfig::parse(&text).map_err(|reason| reason.clone())?;
        let Some(place) = self.config_in(&mut document) else {
            // The user is gone from the file: there is nothing to be kept, as in client-go.
            return Ok(());
        };
        *place = config.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
        let text = serde_yaml::to_string(&document).map_err(|error| error.to_string())?;
        replace(&self.file, text.as_bytes())
            .map_err(|error| format!("open {}: {}", self.file.display(), io_words(&error)))
    }

    /// Finds the settings of the user's auth-provider.
    fn config_in<'a>(&self, document: &'a mut Value) -> Option<&'a mut Map<String, Value>> {
        let users = document.get_mut("users")?.as_array_mut()?;
        let named = |user: &&mut Value| user.get("name").and_then(Value::as_str) == Some(self.user.as_str());
        let provider = users.iter_mut().find(named)?.get_mut("user")?.get_mut("auth-provider")?;
        let config = provider.as_object_mut()?.entry("config").or_insert(Value::Null);
        if config.is_null() {
            *config = Value::Object(Map::new());
        }
        config.as_object_mut()
    }
}

/// Puts new content in a file's place at once, with the old one's permissions; a link stays a link.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let target = fs::canonicalize(path)?;
    let permissions = fs::metadata(&target)?.permissions();
    let mut name = target.clone().into_os_string();
    name.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = private(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::set_permissions(&temporary, permissions)?;
        fs::rename(&temporary, &target)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Creates a file that nobody else may read, for it holds tokens.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
kind: Config
users:
- name: other
  user: {token: 'yes'}
- name: me
  user:
    auth-provider:
      name: oidc
      config: {id-token: old, refresh-token: r0, client-id: c}
current-context: ctx
unknown: {kept: [1, 2]}
";

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_rotated_token_is_kept_and_nothing_else_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        fs::write(&file, CONFIG).unwrap();
        let place = Place { file: file.clone(), user: "me".into() };
        let lock = Lock::take(&file).unwrap();
        assert!(dir.path().join("config.lock").exists());
        place.write(&settings(&[("id-token", "new"), ("refresh-token", "r1"), ("client-id", "c")])).unwrap();
        drop(lock);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no lock and no other file stays");
        assert_eq!(place.read().unwrap()["refresh-token"], "r1");
        let document: Value = serde_yaml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(document["users"][0]["user"]["token"], "yes");
        assert_eq!(document["unknown"]["kept"][1], 2);
        assert_eq!(document["current-context"], "ctx");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_stays_private_and_a_link_stays_a_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("config"), dir.path().join("link"));
        fs::write(&file, CONFIG).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();
        Place { file: link.clone(), user: "me".into() }.write(&settings(&[("id-token", "new")])).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&file).unwrap().contains("id-token: new"));
    }

    #[test]
    fn a_lock_that_stays_is_said_before_a_token_is_spent() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        let held = Lock::take(&file).unwrap();
        let error = Lock::take(&file).err().unwrap();
        assert_eq!(error, format!("open {}.lock: file exists", file.display()));
        drop(held);
        Lock::take(&file).unwrap();
    }
}
