//! What an archive holds: the program, the papers, and what is generated from the program's own declaration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cluster::{cargo, workspace};

use super::archive::Packed;
use crate::Result;

/// What lies beside the program as it does in the repository. krew wants the license.
const PAPERS: [&str; 3] = ["CHANGELOG.md", "LICENSE", "README.md"];

/// Whose work is linked into the program.
const NOTICES: &str = "THIRD-PARTY-NOTICES";

/// What `crates/reference` generates for an archive, each into a folder of this name.
const GENERATED: [&str; 2] = ["completions", "man"];

/// Generates what is generated, of all plugins.
pub(super) fn generate(folder: &Path) -> Result {
    for sort in GENERATED {
        let mut reference = cargo();
        reference.args(["run", "--quiet", "--package", "reference", "--", sort]).arg(folder.join(sort));
        // Nothing of it depends on who makes the release.
        let status = reference.env_remove("COLUMNS").stdout(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("no {sort} can be generated ({status})").into());
        }
    }
    Ok(())
}

/// Returns a program among those that were built.
pub(super) fn program(built: &[PathBuf], name: &str) -> Result<Packed> {
    let path = built.iter().find(|path| path.file_name().is_some_and(|it| it == name));
    packed(name.to_string(), path.ok_or_else(|| format!("cargo built no {name}"))?, true)
}

/// Returns what the archive of a plugin holds for a system, by name.
pub(super) fn of(
    plugin: &str,
    os: &str,
    program: Packed,
    notices: String,
    generated: &Path,
) -> Result<Vec<Packed>> {
    let notices = Packed { name: NOTICES.to_string(), content: notices.into_bytes(), executable: false };
    let mut files = vec![program, notices];
    for paper in PAPERS {
        files.push(packed(paper.to_string(), &workspace().join(paper), false)?);
    }
    for sort in GENERATED {
        files.extend(generated_of(plugin, sort, &generated.join(sort))?);
    }
    // There, a second name for the program is made by `completion install`: what a script passes on, Windows' shell reads anew.
    if os != "windows" {
        let name = format!("kubectl_complete-{plugin}");
        files.push(Packed { name, content: completer(plugin).into_bytes(), executable: true });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Returns the files of a plugin among those of all, which are called as it or as one of its verbs.
fn generated_of(plugin: &str, sort: &str, folder: &Path) -> Result<Vec<Packed>> {
    let mut files = Vec::new();
    for file in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_of(plugin, &name) {
            files.push(packed(format!("{sort}/{name}"), &path, false)?);
        }
    }
    if files.is_empty() {
        Err(format!("no {sort} of kubectl-{plugin} are generated").into())
    } else {
        Ok(files)
    }
}

fn is_of(plugin: &str, name: &str) -> bool {
    let rest = name.strip_prefix("kubectl-").and_then(|rest| rest.strip_prefix(plugin));
    rest.is_some_and(|rest| rest.starts_with(['.', '-']))
}

/// What kubectl runs to complete a plugin: a link to the program would do, but krew unpacks none.
fn completer(plugin: &str) -> String {
    format!(
        "#!/bin/sh\n\
         # kubectl runs this with the words typed so far; the plugin beside it answers.\n\
         KUBECTL_PLUGIN_COMPLETE=kubectl exec \"${{0%/*}}/kubectl-{plugin}\" \"$@\"\n"
    )
}

fn packed(name: String, path: &Path, executable: bool) -> Result<Packed> {
    let content = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Packed { name, content, executable })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{is_of, of, program};

    #[test]
    fn what_is_generated_belongs_to_the_plugin_whose_name_it_bears() {
        assert!(is_of("rollback", "kubectl-rollback.1") && is_of("rollback", "kubectl-rollback-undo.1"));
        assert!(!is_of("rollback", "kubectl-rollbacks.1") && !is_of("rollback", "kubectl-dsupdate.1"));
    }

    #[test]
    fn an_archive_is_whole_or_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubectl-rollback.exe");
        fs::write(&path, "").unwrap();
        let built = std::slice::from_ref(&path);
        let error = program(built, "kubectl-rollback").map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "cargo built no kubectl-rollback");
        let pack =
            |os| of("rollback", os, program(built, "kubectl-rollback.exe")?, "notices".into(), folder.path());
        for sort in ["completions", "man"] {
            assert!(pack("windows").is_err(), "{sort}");
            fs::create_dir(folder.path().join(sort)).unwrap();
            assert!(pack("windows").is_err(), "{sort}");
            fs::write(folder.path().join(sort).join("kubectl-rollback.x"), "").unwrap();
        }
        let files = pack("windows").unwrap();
        let (names, executable): (Vec<&str>, Vec<bool>) =
            files.iter().map(|file| (file.name.as_str(), file.executable)).unzip();
        assert_eq!(
            names,
            [
                "CHANGELOG.md",
                "LICENSE",
                "README.md",
                "THIRD-PARTY-NOTICES",
                "completions/kubectl-rollback.x",
                "kubectl-rollback.exe",
                "man/kubectl-rollback.x"
            ]
        );
        assert_eq!(executable, [false, false, false, false, false, true, false]);
    }
}
