//! The kubectl of the image: built from the modules that `tests/controlplane/go.sum` names by their sums, as the one of the tests
//! is, so that nothing is downloaded that nobody has verified.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::{go_build, workspace};

use crate::Result;

const PACKAGE: &str = "k8s.io/kubernetes/cmd/kubectl";

/// Builds it for Linux on a processor, in Go's words, and returns where it is.
pub(super) fn build(arch: &str, folder: &Path) -> Result<PathBuf> {
    let program = folder.join("kubectl");
    // Without cgo it needs no library of a system.
    let target = [("CGO_ENABLED", "0"), ("GOOS", "linux"), ("GOARCH", arch)];
    go_build(PACKAGE, &program, &target)?;
    Ok(program)
}

/// Returns the licenses of all that is linked into it, a module after the other.
pub(super) fn notices() -> Result<String> {
    let module = "{{with .Module}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}";
    let output = Command::new("go")
        .args(["list", "-deps", "-f", module, PACKAGE])
        .envs([("CGO_ENABLED", "0"), ("GOOS", "linux")])
        .current_dir(workspace().join("tests/controlplane"))
        .output()?;
    if !output.status.success() {
        return Err(format!("go list: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    let listed = String::from_utf8(output.stdout)?;
    // The standard library is of no module, and an empty line.
    let modules: BTreeSet<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
    modules.into_iter().map(|(name, folder)| notice(name, Path::new(folder))).collect()
}

/// Returns what a module says about who may use it.
fn notice(name: &str, folder: &Path) -> Result<String> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.is_file() && is_license(path))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{name} has no license in {}", folder.display()).into());
    }
    let mut text = format!("==== {name}\n");
    for path in paths {
        text.push('\n');
        text.push_str(String::from_utf8_lossy(&fs::read(path)?).trim_end());
        text.push('\n');
    }
    text.push('\n');
    Ok(text)
}

fn is_license(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    ["license", "licence", "notice", "copying"].iter().any(|word| name.starts_with(word))
        && !name.ends_with(".go")
}

#[cfg(test)]
mod tests {
    use super::notice;
    use std::fs;

    #[test]
    fn a_module_without_a_license_is_not_packed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("license.go"), "package a").unwrap();
        assert!(notice("a v1", folder.path()).is_err());
        fs::write(folder.path().join("NOTICE"), "of a\n\n").unwrap();
        fs::write(folder.path().join("LICENSE.txt"), "take it").unwrap();
        assert_eq!(notice("a v1", folder.path()).unwrap(), "==== a v1\n\ntake it\n\nof a\n\n");
    }
}
