//! `SHA256SUMS`: the sum of every file of a release, as `sha256sum --check` reads it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Result;
use crate::names;

/// What the file is called.
pub(crate) const FILE: &str = "SHA256SUMS";

/// What is made of the sums, and so is not in them.
const MADE_OF_THEM: [&str; 2] = [FILE, "SHA256SUMS.sigstore.json"];

/// Returns the sums of the files of a folder, by their names.
pub(crate) fn of(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    let files = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for file in files {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && !MADE_OF_THEM.contains(&name.as_str()) {
            sums.insert(name, sum(&fs::read(&path)?));
        }
    }
    if sums.is_empty() {
        return Err(format!("{} holds no file: cargo xtask dist makes them", folder.display()).into());
    }
    Ok(sums)
}

/// Says whether what all platforms want is there: a release without it is found out by those who want it.
pub(crate) fn complete(sums: &BTreeMap<String, String>, version: &str) -> Result {
    let missing: Vec<String> = wanted(version).filter(|name| !sums.contains_key(name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("the release lacks {}", missing.join(", ")).into()) }
}

/// The archives and what they are made of.
fn wanted(version: &str) -> impl Iterator<Item = String> {
    let of_each = move |plugin| {
        names::PLATFORMS.iter().flat_map(move |platform| {
            [names::archive(plugin, version, *platform), names::bom(plugin, version, *platform)]
        })
    };
    names::PLUGINS.into_iter().flat_map(of_each)
}

/// Returns a sum as it is written everywhere: lower case.
pub(crate) fn sum(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns sums as `sha256sum` writes them.
pub(crate) fn text(sums: &BTreeMap<String, String>) -> String {
    sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{complete, of, text, wanted};
    use crate::names;
    use std::collections::BTreeMap;
    use std::fs;

    #[test]
    fn a_release_without_an_archive_is_refused() {
        let mut sums: BTreeMap<String, String> = wanted("1.2.3").map(|name| (name, String::new())).collect();
        assert_eq!(sums.len(), 2 * names::PLUGINS.len() * names::PLATFORMS.len());
        complete(&sums, "1.2.3").unwrap();
        sums.remove("kubectl-dsupdate-v1.2.3-windows-arm64.zip");
        let error = complete(&sums, "1.2.3").unwrap_err().to_string();
        assert_eq!(error, "the release lacks kubectl-dsupdate-v1.2.3-windows-arm64.zip");
        sums.insert("kubectl-dsupdate-v1.2.3-windows-arm64.zip".into(), String::new());
        sums.remove("kubectl-rollback-v1.2.3-linux-amd64.cdx.json");
        let error = complete(&sums, "1.2.3").unwrap_err().to_string();
        assert_eq!(error, "the release lacks kubectl-rollback-v1.2.3-linux-amd64.cdx.json");
    }

    #[test]
    fn each_file_of_the_release_has_its_sum() {
        let folder = tempfile::tempdir().unwrap();
        assert!(of(folder.path()).is_err());
        fs::create_dir(folder.path().join("image")).unwrap();
        for (name, content) in
            [("b", "abc"), ("a", ""), ("SHA256SUMS", "old"), ("SHA256SUMS.sigstore.json", "{}")]
        {
            fs::write(folder.path().join(name), content).unwrap();
        }
        assert_eq!(
            text(&of(folder.path()).unwrap()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b\n"
        );
    }
}
