//! Builds what runs on a node from source, once: Go knows what has changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::workspace;

/// Without what nobody here uses, some of which would need libraries of the system.
const TAGS: &str = "no_btrfs no_devmapper no_zfs";

/// Builds the programs where they are missing or out of date, and returns their folder.
///
/// # Errors
///
/// When there is no Go, or something does not build.
pub fn build() -> Result<PathBuf, String> {
    let bin = workspace().join("target/node/bin");
    let say = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(&bin).map_err(|error| say(&bin, error))?;
    // Two processes must not build twice. The lock goes with the file.
    let path = bin.with_file_name("lock");
    let lock = File::create(&path).map_err(|error| say(&path, error))?;
    lock.lock().map_err(|error| say(&path, error))?;
    if !bin.join("kubelet").exists() {
        eprintln!("building kubelet, containerd and runc (the first time takes some minutes)");
    }
    cluster::go_build("k8s.io/kubernetes/cmd/kubelet", &bin.join("kubelet"), &[])
        .map_err(|error| error.to_string())?;
    // runc enters namespaces before Go's runtime starts: a few lines of C.
    go(&bin, &["-tags", TAGS, "tool"], "1")?;
    // What runs in images that hold nothing else.
    go(&bin, &["./app", "./unfiltered"], "0")?;
    Ok(bin)
}

fn go(bin: &Path, packages: &[&str], cgo: &str) -> Result<(), String> {
    let (tags, packages) = packages.split_at(packages.len().saturating_sub(if cgo == "0" { 2 } else { 1 }));
    let output = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", "-s -w"])
        .args(tags)
        .arg("-o")
        .arg(format!("{}/", bin.display()))
        .args(packages)
        .env("CGO_ENABLED", cgo)
        .current_dir(workspace().join("tests/node/runtime"))
        .output()
        .map_err(|error| format!("go: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{} does not build:\n{}", packages.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
