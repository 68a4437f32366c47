//! `cargo xtask versions`: the versions of Kubernetes that there is a control plane of. With a version, its module is written
//! for the newest release of it.
//!
//! A module has the dependencies of the release itself: what the release takes from its own folders (`staging`) is published
//! beside it under the same number, with 0 for the 1.

use std::fs;
use std::path::Path;
use std::process::Command;

use cluster::{Version, workspace};
use serde_json::Value;
use tempfile::tempdir;

use crate::Result;

const KUBERNETES: &str = "k8s.io/kubernetes";

pub(crate) fn run(args: &[String]) -> Result {
    match args {
        [] => list(),
        [version] => write(version.parse()?),
        _ => Err("there is one version at a time".into()),
    }
}

fn list() -> Result {
    for version in Version::all()? {
        println!("{version}  {}", version.release()?);
    }
    Ok(())
}

fn write(version: Version) -> Result {
    if version >= Version::newest()? {
        return Err(format!(
            "{version} is not older than tests/controlplane, whose go.mod is written by hand"
        )
        .into());
    }
    // Outside of any module, whose go.mod go would have a say in.
    let nowhere = tempdir()?;
    let served = go(nowhere.path(), &["list", "-m", "-versions", KUBERNETES])?;
    let release =
        newest_release(&served, version).ok_or_else(|| format!("no release of {version} is served"))?;
    println!("{version}: {release}");
    let downloaded = go(nowhere.path(), &["mod", "download", "-json", &format!("{KUBERNETES}@{release}")])?;
    let downloaded: Value = serde_json::from_str(&downloaded)?;
    let own = downloaded["GoMod"].as_str().ok_or("go mod download names no go.mod")?;
    let own: Value = serde_json::from_str(&go(nowhere.path(), &["mod", "edit", "-json", own])?)?;

    let folder = workspace().join("tests/controlplane/versions").join(version.to_string());
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("go.mod"), module(version, release, &own)?)?;
    go(&folder, &["mod", "tidy"])?;
    println!("{}", folder.display());
    Ok(())
}

/// Finds the newest release of a minor version in what `go list -m -versions` says; one with a dash comes before a release.
fn newest_release(served: &str, version: Version) -> Option<&str> {
    let releases = served.split_whitespace().filter(|word| !word.contains('-'));
    let releases = releases.filter(|word| word.parse::<Version>().is_ok_and(|it| it == version));
    releases.max_by_key(|word| word.rsplit('.').next().and_then(|patch| patch.parse::<u32>().ok()))
}

/// Writes the module of a release after the release's own, which `go mod edit -json` has read.
fn module(version: Version, release: &str, own: &Value) -> Result<String> {
    let go = own["Go"].as_str().ok_or("the release's go.mod names no Go")?;
    let staging = release.replacen("v1.", "v0.", 1);
    let replaced = own["Replace"].as_array().into_iter().flatten();
    let staged =
        replaced.filter(|it| it["New"]["Path"].as_str().is_some_and(|it| it.starts_with("./staging/")));
    let lines = staged.filter_map(|it| it["Old"]["Path"].as_str());
    let lines: String = lines.map(|path| format!("\t{path} => {path} {staging}\n")).collect();
    if lines.is_empty() {
        return Err("the release's go.mod has no staging modules".into());
    }
    Ok(format!(
        "// Kubernetes {version} for the end-to-end tests, written by `cargo xtask versions {version}`.\n\
         module controlplane\n\n\
         go {go}\n\n\
         tool (\n\
         \t{KUBERNETES}/cmd/kube-apiserver\n\
         \t{KUBERNETES}/cmd/kube-controller-manager\n\
         \t{KUBERNETES}/cmd/kube-scheduler\n\
         )\n\n\
         require {KUBERNETES} {release}\n\n\
         replace (\n{lines})\n"
    ))
}

fn go(folder: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("go").args(args).current_dir(folder).output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("go {}: {}", args.join(" "), error.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cluster::{Version, workspace};
    use serde_json::json;

    use super::{module, newest_release};

    #[test]
    fn the_newest_release_of_a_version_is_taken_and_none_that_comes_before_one() {
        let served = "k8s.io/kubernetes v1.33.9 v1.33.10 v1.33.11-rc.0 v1.34.0\n";
        let of = |version: &str| newest_release(served, version.parse().unwrap());
        assert_eq!(of("1.33"), Some("v1.33.10"));
        assert_eq!(of("1.35"), None);
    }

    #[test]
    fn a_module_takes_what_is_staged_from_where_it_is_published() {
        let replace = |path: &str, to: &str| json!({ "Old": { "Path": path }, "New": { "Path": to } });
        let staged = replace("k8s.io/api", "./staging/src/k8s.io/api");
        let own = json!({ "Go": "1.24.0", "Replace": [staged, replace("example.com/a", "example.com/b")] });
        let written = module("1.33".parse().unwrap(), "v1.33.13", &own).unwrap();
        assert!(
            written.contains("\ngo 1.24.0\n") && written.contains("require k8s.io/kubernetes v1.33.13\n")
        );
        assert!(written.ends_with("replace (\n\tk8s.io/api => k8s.io/api v0.33.13\n)\n"), "{written}");
        let error = module("1.33".parse().unwrap(), "v1.33.13", &json!({ "Go": "1.24.0" })).unwrap_err();
        assert_eq!(error.to_string(), "the release's go.mod has no staging modules");
    }

    /// Whoever adds a version is told what else names them.
    #[test]
    fn the_documents_and_the_workflow_name_each_version() {
        let read = |path: &str| fs::read_to_string(workspace().join(path)).unwrap();
        let (document, workflow) = (read("docs/versions.md"), read(".github/workflows/ci.yml"));
        let newest = Version::newest().unwrap();
        for version in Version::all().unwrap() {
            let row = format!("| {version} | {} |", version.release().unwrap().trim_start_matches('v'));
            assert!(document.contains(&row), "docs/versions.md: {row}");
            assert!(version == newest || workflow.contains(&format!("\"{version}\"")), "ci.yml: {version}");
        }
        let (oldest, support) = (Version::all().unwrap()[0], read("docs/support.md"));
        assert!(support.contains(&format!("{oldest} to {newest}")), "docs/support.md: {oldest} to {newest}");
    }
}
