//! What krew reads of a plugin: what is said of it in `krew-manifests`, and what a release knows.

use std::collections::BTreeMap;
use std::fs;

use cluster::workspace;
use serde_json::{Value, json};

use super::VERSION;
use crate::{Result, names};

/// Returns a manifest a plugin, by the sums of the archives, with the name of its file.
pub(super) fn all(
    url: &str,
    sums: &BTreeMap<String, String>,
    platforms: &[names::Platform],
) -> Result<Vec<(String, String)>> {
    let mut manifests = Vec::new();
    for plugin in names::PLUGINS {
        let name = format!("{plugin}.yaml");
        let source = workspace().join("krew-manifests").join(&name);
        let text = fs::read_to_string(&source).map_err(|error| format!("{}: {error}", source.display()))?;
        let released = released(serde_yaml::from_str(&text)?, plugin, url, sums, platforms)?;
        manifests.push((name, serde_yaml::to_string(&released)?));
    }
    Ok(manifests)
}

/// Adds to a manifest what only a release knows. Without `files` krew unpacks all of an archive, the license too.
fn released(
    mut manifest: Value,
    plugin: &str,
    url: &str,
    sums: &BTreeMap<String, String>,
    platforms: &[names::Platform],
) -> Result<Value> {
    let mut entries = Vec::new();
    for (os, arch) in platforms {
        let archive = names::archive(plugin, VERSION, (os, arch));
        let sum = sums.get(&archive).ok_or_else(|| format!("there is no sum of {archive}"))?;
        entries.push(json!({
            "selector": {"matchLabels": {"os": os, "arch": arch}},
            "uri": format!("{url}/{archive}"),
            "sha256": sum,
            "bin": names::program(plugin, os),
        }));
    }
    manifest["spec"]["version"] = json!(format!("v{VERSION}"));
    manifest["spec"]["homepage"] = json!(env!("CARGO_PKG_REPOSITORY"));
    manifest["spec"]["platforms"] = json!(entries);
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{VERSION, released};

    #[test]
    fn a_platform_names_its_archive_with_its_sum_and_its_program() {
        let archive = format!("kubectl-rollback-v{VERSION}-windows-arm64.zip");
        let sums = BTreeMap::from([(archive.clone(), "ab".to_string())]);
        let ask = |platform| {
            released(json!({"spec": {"caveats": "c"}}), "rollback", "https://a/v1", &sums, &[platform])
        };
        let manifest = ask(("windows", "arm64")).unwrap();
        assert_eq!(
            manifest["spec"],
            json!({
                "caveats": "c",
                "version": format!("v{VERSION}"),
                "homepage": env!("CARGO_PKG_REPOSITORY"),
                "platforms": [{
                    "selector": {"matchLabels": {"os": "windows", "arch": "arm64"}},
                    "uri": format!("https://a/v1/{archive}"),
                    "sha256": "ab",
                    "bin": "kubectl-rollback.exe",
                }],
            })
        );
        assert!(ask(("linux", "arm64")).is_err());
    }
}
