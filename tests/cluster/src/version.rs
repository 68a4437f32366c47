//! The versions of Kubernetes that a control plane can have: each is a module of its own, and nowhere else is a list of them.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Context, Error, Result};
use crate::workspace;

/// The module of Kubernetes in `go.mod`.
pub(crate) const KUBERNETES: &str = "k8s.io/kubernetes";

/// The variable that names a file to which each test that is left out on a version adds a line: whoever runs tests counts them.
pub const LEFT_OUT: &str = "E2E_LEFT_OUT";

/// A minor version of Kubernetes, such as 1.33.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// The variable that says which version the control planes of a process have, where nothing else does.
    pub const VARIABLE: &'static str = "E2E_KUBERNETES";

    /// Returns the version that `tests/controlplane` is of.
    pub fn newest() -> Result<Self> {
        patch_release(&source())?.parse()
    }

    /// Returns the versions that there are, the oldest first.
    pub fn all() -> Result<Vec<Self>> {
        let folder = older();
        let names = fs::read_dir(&folder).context(folder.display())?.flatten();
        let older = names.map(|entry| entry.file_name().to_string_lossy().parse());
        let mut all: Vec<Self> = older.chain([Self::newest()]).collect::<Result<_>>()?;
        all.sort_unstable();
        Ok(all)
    }

    /// Returns the version that [`VARIABLE`](Self::VARIABLE) names, else the newest.
    pub fn chosen() -> Result<Self> {
        match env::var(Self::VARIABLE) {
            Ok(name) if !name.is_empty() => name.parse::<Self>().context(Self::VARIABLE),
            _ => Self::newest(),
        }
    }

    /// Returns the folder of the module that is of this version.
    pub fn source(self) -> Result<PathBuf> {
        let all = Self::all()?;
        if !all.contains(&self) {
            let all: Vec<String> = all.iter().map(Self::to_string).collect();
            return Err(Error::new(format!("there is no Kubernetes {self} here, but {}", all.join(", "))));
        }
        Ok(if self == Self::newest()? { source() } else { older().join(self.to_string()) })
    }

    /// Returns the release that its module names, such as `v1.33.13`.
    pub fn release(self) -> Result<String> {
        patch_release(&self.source()?)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Of `1.33` and of a release such as `v1.33.13`; servers of some clouds call their minor version `33+`.
impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut numbers = text.trim_start_matches('v').split('.');
        let mut number = || numbers.next()?.trim_end_matches('+').parse().ok();
        let version = number().and_then(|major| Some(Self { major, minor: number()? }));
        version.ok_or_else(|| Error::new(format!("{text:?} is no version of Kubernetes, such as 1.33")))
    }
}

/// The module of the newest version, which has etcd, kubectl and the fake kubelets for all.
pub(crate) fn source() -> PathBuf {
    workspace().join("tests/controlplane")
}

fn older() -> PathBuf {
    source().join("versions")
}

fn patch_release(module: &Path) -> Result<String> {
    let file = module.join("go.mod");
    let text = fs::read_to_string(&file).context(file.display())?;
    required(&text).ok_or_else(|| Error::new(format!("{} requires no {KUBERNETES}", file.display())))
}

/// Returns which release of Kubernetes a `go.mod` requires, by a line of its own or in a block.
fn required(text: &str) -> Option<String> {
    let words = text.lines().map(|line| line.trim().trim_start_matches("require ").split_whitespace());
    let mut releases = words.filter_map(|mut words| (words.next()? == KUBERNETES).then(|| words.next())?);
    releases.next().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::{Version, required};

    #[test]
    fn a_version_is_read_from_its_name_a_release_and_what_servers_say() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert_eq!(version("v1.33.13"), version("1.33"));
        assert_eq!(version("1.33+"), version("1.33"));
        assert!(version("1.9") < version("1.33"));
        let error = "thirty".parse::<Version>().unwrap_err().to_string();
        assert_eq!(error, "\"thirty\" is no version of Kubernetes, such as 1.33");
    }

    #[test]
    fn the_release_is_what_the_module_requires() {
        let alone = "tool k8s.io/kubernetes/cmd/kube-apiserver\n\nrequire k8s.io/kubernetes v1.33.13\n";
        assert_eq!(required(alone).as_deref(), Some("v1.33.13"));
        let block = "tool (\n\tk8s.io/kubernetes/cmd/kubectl\n)\nrequire (\n\tk8s.io/kubernetes v1.37.2\n)\n";
        assert_eq!(required(block).as_deref(), Some("v1.37.2"));
        assert_eq!(required("module controlplane\n"), None);
    }

    #[test]
    fn each_module_is_of_the_version_that_its_folder_is_called() {
        let all = Version::all().unwrap();
        assert_eq!(all.last(), Some(&Version::newest().unwrap()));
        for version in all {
            assert_eq!(version.release().unwrap().parse::<Version>().unwrap(), version);
        }
        let error = "1.5".parse::<Version>().unwrap().source().unwrap_err().to_string();
        assert!(error.starts_with("there is no Kubernetes 1.5 here, but 1.33, "), "{error}");
    }
}
