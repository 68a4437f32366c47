//! The container image for pipelines: the plugins, kubectl, and what they need to run as nobody in particular.
//!
//! It is packed from the archives of `dist`, on nothing: no shell, no package manager, no roots of trust. A cluster's own
//! certificate authority comes with its kubeconfig or service account.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::kubectl;
use super::layout::{Entry, Image, Layout};
use crate::{Result, names};

const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// Nobody in particular: a number, so that Kubernetes sees that it is not root.
const USER: u64 = 65532;

/// Writes the image of both processors into a folder, from the archives that lie in another.
pub(super) fn write(archives: &Path, folder: &Path, version: &str, repository: &str) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut images = Vec::new();
    let notices = kubectl::notices()?;
    for arch in ARCHITECTURES {
        let (mut programs, mut papers) =
            (Vec::new(), vec![("kubectl".to_string(), notices.clone().into_bytes())]);
        for plugin in names::PLUGINS {
            for (name, content) in contents(archives, plugin, version, arch)? {
                if name == format!("kubectl-{plugin}") {
                    programs.push((name, content));
                } else {
                    papers.push((format!("kubectl-{plugin}-{name}"), content));
                }
            }
        }
        let built = tempfile::tempdir()?;
        programs.push(("kubectl".to_string(), fs::read(kubectl::build(arch, built.path())?)?));
        images.push(Image { arch, entries: entries(programs, papers), run: run() });
    }
    let annotations = json!({
        "org.opencontainers.image.title": "kubectl with rollback, dsupdate and stspartition",
        "org.opencontainers.image.source": repository,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
    });
    Layout::write(folder, images, &annotations, &format!("v{version}"))
}

/// What goes into the image of a plugin's archive beside the program: who may use it, and what is linked into it.
fn is_paper(name: &str) -> bool {
    name == "LICENSE" || name.starts_with("THIRD-PARTY-NOTICES")
}

/// Returns a plugin's program and papers from its archive.
fn contents(archives: &Path, plugin: &str, version: &str, arch: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let path = archives.join(names::archive(plugin, version, ("linux", arch)));
    let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let program = format!("kubectl-{plugin}");
    let mut contents = Vec::new();
    for entry in tar::Archive::new(GzDecoder::new(file)).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if name == program || is_paper(&name) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            contents.push((name, content));
        }
    }
    if contents.iter().any(|(name, _)| *name == program) {
        Ok(contents)
    } else {
        Err(format!("{} holds no {program}", path.display()).into())
    }
}

fn entries(programs: Vec<(String, Vec<u8>)>, papers: Vec<(String, Vec<u8>)>) -> Vec<Entry> {
    let folder = |path: &str, mode, owner| Entry::Folder { path: path.into(), mode, owner };
    let text = |path: &str, content: Vec<u8>| Entry::File { path: path.into(), mode: 0o644, content };
    let mut entries = vec![
        folder("etc/", 0o755, 0),
        text("etc/passwd", format!("nonroot:x:{USER}:{USER}::/home/nonroot:/sbin/nologin\n").into()),
        text("etc/group", format!("nonroot:x:{USER}:\n").into()),
        folder("home/", 0o755, 0),
        // kubectl keeps there what it discovered.
        folder("home/nonroot/", 0o700, USER),
        folder("tmp/", 0o1777, 0),
        folder("usr/", 0o755, 0),
        folder("usr/local/", 0o755, 0),
        folder("usr/local/bin/", 0o755, 0),
        folder("usr/share/", 0o755, 0),
        folder("usr/share/licenses/", 0o755, 0),
    ];
    entries.extend(
        papers.into_iter().map(|(name, content)| text(&format!("usr/share/licenses/{name}"), content)),
    );
    entries.extend(programs.into_iter().map(|(name, content)| Entry::File {
        path: format!("usr/local/bin/{name}"),
        mode: 0o755,
        content,
    }));
    entries
}

/// No entry point: pipelines bring their own command.
fn run() -> Value {
    json!({
        "User": format!("{USER}:{USER}"),
        "Env": ["PATH=/usr/local/bin", "HOME=/home/nonroot"],
        "WorkingDir": "/home/nonroot",
        "Cmd": ["kubectl"],
    })
}

#[cfg(test)]
mod tests {
    use super::super::layout::Entry;
    use super::{contents, entries, run};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::fs::File;

    #[test]
    fn a_program_comes_from_the_archive_of_its_platform() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubectl-rollback-v1.2.3-linux-arm64.tar.gz");
        let mut tar = tar::Builder::new(GzEncoder::new(File::create(path).unwrap(), Compression::fast()));
        for name in ["LICENSE", "README.md", "kubectl-rollback"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(3);
            tar.append_data(&mut header, name, &b"abc"[..]).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
        let contents_of = contents(folder.path(), "rollback", "1.2.3", "arm64").unwrap();
        let names: Vec<&str> = contents_of.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["LICENSE", "kubectl-rollback"]);
        assert_eq!(contents_of[1].1, b"abc");
        let error = contents(folder.path(), "rollback", "1.2.3", "amd64").unwrap_err().to_string();
        assert!(error.contains("kubectl-rollback-v1.2.3-linux-amd64.tar.gz: "), "{error}");
    }

    #[test]
    fn nothing_but_programs_can_be_run_and_only_two_places_can_be_written() {
        let (mut programs, mut open) = (Vec::new(), Vec::new());
        for entry in entries(vec![("kubectl".into(), vec![1])], Vec::new()) {
            match entry {
                Entry::File { path, mode, content: _ } if mode & 0o111 != 0 => programs.push(path),
                Entry::File { .. } => {}
                Entry::Folder { path, mode, owner } if owner != 0 || mode & 0o022 != 0 => open.push(path),
                Entry::Folder { .. } => {}
            }
        }
        assert_eq!(programs, ["usr/local/bin/kubectl"]);
        assert_eq!(open, ["home/nonroot/", "tmp/"]);
        assert_eq!(run()["User"], "65532:65532");
    }
}
