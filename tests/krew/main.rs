//! What krew installs: the archives and manifests of `cargo xtask dist` keep the rules that krew enforces and those that
//! the reviewers of its index ask for. Needs no cluster.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cluster::{cargo, workspace};
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const PLUGINS: [&str; 3] = ["dsupdate", "rollback", "stspartition"];

/// All pairs that krew knows.
const PLATFORMS: [(&str, &[&str]); 3] = [
    ("darwin", &["386", "amd64", "arm64"]),
    ("linux", &["386", "amd64", "arm", "arm64", "ppc64le"]),
    ("windows", &["386", "amd64", "arm64"]),
];

const LICENSES: [&str; 8] = [
    "license",
    "license.txt",
    "license.md",
    "licenses",
    "licenses.txt",
    "licenses.md",
    "copying",
    "copying.txt",
];

/// The archives and manifests for this machine, of the plugins that the other tests run.
fn dist() -> &'static Path {
    static DIST: OnceLock<TempDir> = OnceLock::new();
    let folder = DIST.get_or_init(|| {
        let folder = TempDir::new().expect("a temporary folder");
        let mut xtask = cargo();
        xtask.args(["xtask", "dist", "--profile", "fast", "--url", "https://example.invalid/v0", "--to"]);
        let output = xtask.arg(folder.path()).output().expect("cargo xtask dist");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    });
    folder.path()
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn source(plugin: &str) -> Value {
    read(&workspace().join("krew-manifests").join(format!("{plugin}.yaml")))
}

fn text<'a>(manifest: &'a Value, pointer: &str) -> &'a str {
    manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {manifest}"))
}

fn platforms(manifest: &Value) -> &[Value] {
    manifest["spec"]["platforms"].as_array().expect("platforms")
}

#[test]
fn there_is_a_manifest_for_each_plugin_and_no_other() {
    let files = fs::read_dir(workspace().join("krew-manifests")).unwrap();
    let files: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, PLUGINS.map(|plugin| format!("{plugin}.yaml")).into());
    let built = fs::read_dir(workspace().join("plugins")).unwrap();
    let built: BTreeSet<String> =
        built.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(built, PLUGINS.map(|plugin| format!("kubectl-{plugin}")).into());
}

#[test]
fn a_manifest_is_of_the_version_that_krew_reads_and_named_as_its_file() {
    for plugin in PLUGINS {
        let manifest = source(plugin);
        assert_eq!(text(&manifest, "/apiVersion"), "krew.googlecontainertools.github.com/v1alpha2");
        assert_eq!(text(&manifest, "/kind"), "Plugin");
        assert_eq!(text(&manifest, "/metadata/name"), plugin);
    }
}

#[test]
fn descriptions_are_as_short_as_reviewers_ask_for() {
    for plugin in PLUGINS {
        let manifest = source(plugin);
        let short = text(&manifest, "/spec/shortDescription");
        assert!(!short.is_empty() && short.chars().count() <= 50, "{plugin}: {short}");
        assert!(!short.contains(['\n', '\r']) && !short.ends_with('.'), "{plugin}: {short}");
        let lower = short.to_lowercase();
        assert!(!["kubectl", "plugin"].iter().any(|word| lower.contains(word)), "{plugin}: {short}");
        let long: Vec<&str> = text(&manifest, "/spec/description").lines().collect();
        assert!(
            !long.is_empty() && long.iter().all(|line| line.chars().count() <= 80),
            "{plugin}: {long:#?}"
        );
    }
}

#[test]
fn each_platform_is_one_that_krew_knows_and_is_named_once() {
    for plugin in PLUGINS {
        let manifest = source(plugin);
        let pairs: Vec<(&str, &str)> = platforms(&manifest).iter().map(pair).collect();
        let known = |(os, arch): &(&str, &str)| {
            PLATFORMS.iter().any(|(name, archs)| name == os && archs.contains(arch))
        };
        assert!(!pairs.is_empty() && pairs.iter().all(known), "{plugin}: {pairs:?}");
        assert_eq!(pairs.iter().collect::<BTreeSet<_>>().len(), pairs.len(), "{plugin}: {pairs:?}");
    }
}

fn pair(platform: &Value) -> (&str, &str) {
    let labels = platform["selector"]["matchLabels"].as_object().expect("matchLabels");
    assert_eq!(labels.len(), 2, "krew knows os and arch only: {platform}");
    (text(platform, "/selector/matchLabels/os"), text(platform, "/selector/matchLabels/arch"))
}

#[test]
fn a_platform_names_the_program_and_installs_all_of_the_archive() {
    for plugin in PLUGINS {
        for platform in platforms(&source(plugin)) {
            let suffix = if pair(platform).0 == "windows" { ".exe" } else { "" };
            assert_eq!(text(platform, "/bin"), format!("kubectl-{plugin}{suffix}"));
            // Without `files` krew extracts everything, the license too.
            assert!(platform.get("files").is_none(), "{plugin}: {platform}");
        }
    }
}

#[test]
fn a_release_has_a_version_and_the_sum_of_the_archive_that_it_names() {
    for plugin in PLUGINS {
        let manifest = read(&dist().join(format!("{plugin}.yaml")));
        let version = text(&manifest, "/spec/version").strip_prefix('v').expect("a leading v");
        semver::Version::parse(version).unwrap();
        let [platform] = platforms(&manifest) else {
            panic!("not this machine's platform alone: {manifest}")
        };
        let (folder, file) = text(platform, "/uri").rsplit_once('/').expect("a URL");
        assert_eq!(folder, "https://example.invalid/v0");
        assert!(file.ends_with(".tar.gz") && file.contains(&format!("-v{version}-")), "{file}");
        let sum = Sha256::digest(fs::read(dist().join(file)).unwrap());
        let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text(platform, "/sha256"), sum);
        assert_eq!(text(platform, "/bin"), text(&source(plugin), "/spec/platforms/0/bin"));
    }
}

#[test]
fn an_archive_holds_plain_files_a_license_and_a_program_that_runs() {
    for plugin in PLUGINS {
        let installed = TempDir::new().unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive(plugin)).unwrap()));
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            // krew takes nothing else.
            assert!(entry.header().entry_type().is_file(), "{plugin}: {:?}", entry.header());
            let name = entry.path().unwrap().to_str().unwrap().to_string();
            assert!(!name.contains('/'), "{plugin}: {name} is in a folder");
            let mode = if name.starts_with("kubectl-") { 0o755 } else { 0o644 };
            assert_eq!(entry.header().mode().unwrap(), mode, "{plugin}: {name}");
            assert!(entry.unpack_in(installed.path()).unwrap());
            names.push(name);
        }
        assert!(names.iter().any(|name| LICENSES.contains(&name.to_lowercase().as_str())), "{names:?}");
        let output = Command::new(installed.path().join(format!("kubectl-{plugin}"))).arg("version").output();
        let version = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(version.starts_with(&format!("kubectl-{plugin} v")), "{version}");
    }
}

fn archive(plugin: &str) -> PathBuf {
    let manifest = read(&dist().join(format!("{plugin}.yaml")));
    dist().join(text(&platforms(&manifest)[0], "/uri").rsplit('/').next().unwrap_or_default())
}

#[test]
fn the_same_program_is_packed_to_the_same_bytes() {
    let mut plain = Vec::new();
    GzDecoder::new(File::open(archive("rollback")).unwrap()).read_to_end(&mut plain).unwrap();
    let mut archive = tar::Archive::new(plain.as_slice());
    for entry in archive.entries().unwrap() {
        let header = entry.unwrap().header().clone();
        assert_eq!(header.mtime().unwrap(), 0, "{header:?}");
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0), "{header:?}");
    }
}
