//! What is linked into a program: the list that the program carries, with what cargo knows of each crate in it.
//!
//! What is said of a program beside it (notices, SBOM) is made of this list, so that none of the three says anything else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cluster::cargo;
use serde_json::Value;

use crate::Result;

/// A list that is larger is none.
const MOST: usize = 8 << 20;

/// A crate.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) kind: Kind,
    /// Whether it is on crates.io.
    pub(super) public: bool,
    /// The others that it needs, by their places in the list.
    pub(super) needs: Vec<usize>,
    /// What its manifest says.
    pub(super) said: Said,
}

/// What a crate is to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The program's own crate.
    Root,
    /// A crate of this workspace.
    Own,
    /// Linked into it.
    Linked,
    /// Runs while it is built.
    Build,
}

/// What the manifest of a crate says.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) license: String,
    pub(super) authors: Vec<String>,
    /// Where it is developed.
    pub(super) repository: Option<String>,
    /// Where it lies on this machine.
    pub(super) folder: PathBuf,
}

/// What cargo knows of crates, by name and version.
pub(super) type Known = HashMap<(String, String), Said>;

/// Asks cargo for the crates of a target.
pub(super) fn known(target: &str) -> Result<Known> {
    let mut command = cargo();
    command.args(["metadata", "--format-version=1", "--locked", "--filter-platform", target]);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("cargo does not say what is linked".into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("cargo names no packages")?;
    Ok(packages
        .iter()
        .map(|package| ((text(package, "name"), text(package, "version")), said(package)))
        .collect())
}

fn said(package: &Value) -> Said {
    let authors = package["authors"].as_array().into_iter().flatten();
    let manifest = PathBuf::from(text(package, "manifest_path"));
    Said {
        license: text(package, "license"),
        authors: authors.filter_map(Value::as_str).map(str::to_string).collect(),
        repository: package["repository"].as_str().map(str::to_string),
        folder: manifest.parent().unwrap_or(Path::new("")).to_path_buf(),
    }
}

/// Reads the list of a program.
pub(super) fn parts(program: &[u8], known: &Known) -> Result<Vec<Part>> {
    let list = auditable_info::json_from_slice(program, MOST)
        .map_err(|error| format!("it carries no list of what is linked into it: {error}"))?;
    read(&serde_json::from_str(&list)?, known)
}

fn read(list: &Value, known: &Known) -> Result<Vec<Part>> {
    let packages = list["packages"].as_array().ok_or("the list of what is linked names no packages")?;
    packages.iter().map(|package| part(package, known)).collect()
}

fn part(package: &Value, known: &Known) -> Result<Part> {
    let (name, version) = (text(package, "name"), text(package, "version"));
    let needs = package["dependencies"].as_array().into_iter().flatten();
    let needs = needs.filter_map(Value::as_u64).map(|at| Ok(usize::try_from(at)?)).collect::<Result<_>>()?;
    let (root, source) = (package["root"] == true, package["source"].as_str().unwrap_or_default());
    let kind = match (root, source) {
        (true, _) => Kind::Root,
        (false, "local") => Kind::Own,
        (false, _) if package["kind"] == "build" => Kind::Build,
        (false, _) => Kind::Linked,
    };
    let said = known.get(&(name.clone(), version.clone())).cloned();
    let said = said.ok_or_else(|| format!("{name} {version} is linked, and cargo does not know it"))?;
    Ok(Part { public: source == "crates.io", name, version, kind, needs, said })
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap_or_default().to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::{Kind, Known, Part, Said, read};

    /// A program of its own crate, one of the workspace, one that is linked, and one that ran while it was built.
    pub(crate) fn parts() -> Vec<Part> {
        let list = json!({"packages": [
            {"name": "build", "version": "0.1.0", "source": "crates.io", "kind": "build"},
            {"name": "core", "version": "1.0.0", "source": "local", "dependencies": [2]},
            {"name": "linked", "version": "2.0.0+x", "source": "crates.io", "dependencies": [0]},
            {"name": "program", "version": "1.0.0", "source": "local", "dependencies": [1, 2], "root": true},
        ]});
        let said = |license: &str| Said { license: license.into(), ..Said::default() };
        let known = [
            ("build", "0.1.0", "MIT"),
            ("core", "1.0.0", "Apache-2.0"),
            ("linked", "2.0.0+x", "MIT/Apache-2.0"),
            ("program", "1.0.0", "Apache-2.0"),
        ];
        let known: Known = known
            .map(|(name, version, license)| ((name.to_string(), version.to_string()), said(license)))
            .into();
        read(&list, &known).unwrap()
    }

    #[test]
    fn a_list_tells_what_each_crate_is_to_the_program() {
        let kinds: Vec<Kind> = parts().iter().map(|part| part.kind).collect();
        assert_eq!(kinds, [Kind::Build, Kind::Own, Kind::Linked, Kind::Root]);
        assert_eq!(parts()[3].needs, [1, 2]);
    }

    #[test]
    fn what_cannot_be_said_of_a_crate_is_not_left_out() {
        let list = json!({"packages": [{"name": "a", "version": "1.0.0", "source": "crates.io"}]});
        let error = read(&list, &Known::new()).unwrap_err().to_string();
        assert_eq!(error, "a 1.0.0 is linked, and cargo does not know it");
        assert!(read(&json!({}), &Known::new()).is_err());
        let error = super::parts(b"\x7fELF", &Known::new()).unwrap_err().to_string();
        assert!(error.starts_with("it carries no list of what is linked into it"), "{error}");
    }
}
