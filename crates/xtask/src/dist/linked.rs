//! What is linked into a program: of the list that the program carries, what cargo builds for it.
//!
//! The list has a few crates more: cargo-auditable makes it of `cargo metadata`, which names what the lock file holds for
//! whatever features (ring, for rustls), and takes macros that have tests of their own for what is linked. What is said of a
//! program beside it, in its notices and its bill of materials, is exact.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cluster::cargo;
use serde_json::Value;

use crate::{Result, names};

/// A list that is larger is none.
const MOST: usize = 8 << 20;

/// A crate.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) id: Id,
    pub(super) kind: Kind,
    /// Whether it is on crates.io.
    pub(super) public: bool,
    /// The others that it needs.
    pub(super) needs: Vec<Id>,
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

/// A name and a version.
pub(super) type Id = (String, String);

/// What cargo knows of the crates of a target.
#[derive(Debug, Default)]
pub(super) struct Known {
    said: HashMap<Id, Said>,
    /// What it links into the plugins.
    linked: HashSet<Id>,
    /// What it builds for them.
    built: HashSet<Id>,
}

impl Known {
    pub(super) fn of(target: &str) -> Result<Self> {
        let metadata = asked(&["metadata", "--format-version=1", "--locked", "--filter-platform", target])?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let packages = metadata["packages"].as_array().ok_or("cargo names no packages")?.iter();
        let tree = |edges: &str| -> Result<HashSet<Id>> {
            let mut words = vec!["tree", "--locked", "--target", target, "--edges", edges];
            words.extend(["--prefix", "none", "--format", "{p}"]);
            let plugins = names::PLUGINS.map(|plugin| format!("--package=kubectl-{plugin}"));
            words.extend(plugins.iter().map(String::as_str));
            Ok(asked(&words)?.lines().filter_map(id).collect())
        };
        Ok(Self {
            said: packages.map(|it| ((text(it, "name"), text(it, "version")), said(it))).collect(),
            linked: tree("normal,no-proc-macro")?,
            built: tree("normal,build")?,
        })
    }

    /// Refuses what is linked and in no program's list: nobody would be told whose it is.
    pub(super) fn all_told(&self, told: &HashSet<Id>) -> Result {
        match self.linked.difference(told).next() {
            Some((name, version)) => {
                Err(format!("{name} {version} is linked, and no program lists it").into())
            }
            None => Ok(()),
        }
    }
}

fn asked(words: &[&str]) -> Result<String> {
    let output = cargo().args(words).stderr(Stdio::inherit()).output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err("cargo does not say what is linked".into())
    }
}

/// Reads `NAME vVERSION`, and whatever follows.
fn id(line: &str) -> Option<Id> {
    let mut words = line.split_whitespace();
    Some((words.next()?.to_string(), words.next()?.strip_prefix('v')?.to_string()))
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
    let mut parts = Vec::new();
    for package in packages {
        let id = (text(package, "name"), text(package, "version"));
        if let Some(kind) = kind(package, &id, known) {
            parts.push(part(package, id, kind, packages, known)?);
        }
    }
    Ok(parts)
}

fn kind(package: &Value, id: &Id, known: &Known) -> Option<Kind> {
    match (package["root"] == true, package["source"] == "local") {
        (true, _) => Some(Kind::Root),
        (false, true) => Some(Kind::Own),
        (false, false) if known.linked.contains(id) => Some(Kind::Linked),
        (false, false) if known.built.contains(id) => Some(Kind::Build),
        (false, false) => None,
    }
}

fn part(package: &Value, id: Id, kind: Kind, packages: &[Value], known: &Known) -> Result<Part> {
    let mut needs = Vec::new();
    for at in package["dependencies"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
        let needed =
            packages.get(usize::try_from(at)?).ok_or("the list of what is linked points beyond its end")?;
        let id = (text(needed, "name"), text(needed, "version"));
        if self::kind(needed, &id, known).is_some() {
            needs.push(id);
        }
    }
    let said = known.said.get(&id).cloned();
    let said = said.ok_or_else(|| format!("{} {} is linked, and cargo does not know it", id.0, id.1))?;
    Ok(Part { id, kind, public: package["source"] == "crates.io", needs, said })
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap_or_default().to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::{Id, Kind, Known, Part, Said, id, read};

    fn named(name: &str, version: &str) -> Id {
        (name.to_string(), version.to_string())
    }

    /// A program of its own crate, one of the workspace, one that is linked, one that ran while it was built, and one that is
    /// only in the list.
    pub(crate) fn parts() -> Vec<Part> {
        let list = json!({"packages": [
            {"name": "build", "version": "0.1.0", "source": "crates.io"},
            {"name": "core", "version": "1.0.0", "source": "local", "dependencies": [2]},
            {"name": "linked", "version": "2.0.0+x", "source": "crates.io", "dependencies": [0, 4]},
            {"name": "program", "version": "1.0.0", "source": "local", "dependencies": [1, 2], "root": true},
            {"name": "ring", "version": "0.17.0", "source": "crates.io"},
        ]});
        let mut known = Known::default();
        for (name, version, license) in [
            ("build", "0.1.0", "MIT"),
            ("core", "1.0.0", "Apache-2.0"),
            ("linked", "2.0.0+x", "MIT/Apache-2.0"),
            ("program", "1.0.0", "Apache-2.0"),
        ] {
            let said = Said { license: license.into(), ..Said::default() };
            known.said.insert(named(name, version), said);
            known.built.insert(named(name, version));
        }
        known.linked.insert(named("linked", "2.0.0+x"));
        read(&list, &known).unwrap()
    }

    #[test]
    fn of_a_list_remains_what_cargo_builds() {
        let kinds: Vec<(String, Kind)> = parts().into_iter().map(|part| (part.id.0, part.kind)).collect();
        let expected =
            [("build", Kind::Build), ("core", Kind::Own), ("linked", Kind::Linked), ("program", Kind::Root)];
        assert_eq!(kinds, expected.map(|(name, kind)| (name.to_string(), kind)));
        assert_eq!(parts()[2].needs, [named("build", "0.1.0")]);
        assert_eq!(parts()[3].needs, [named("core", "1.0.0"), named("linked", "2.0.0+x")]);
    }

    #[test]
    fn a_line_of_cargo_tree_names_a_crate() {
        for line in ["a-b v1.0.0+x", "a-b v1.0.0+x (proc-macro) (*)", "a-b v1.0.0+x (/a b)"] {
            assert_eq!(id(line), Some(named("a-b", "1.0.0+x")), "{line}");
        }
        assert_eq!((id(""), id("[build-dependencies]")), (None, None));
    }

    #[test]
    fn what_cannot_be_said_of_a_crate_is_not_left_out() {
        let list = json!({"packages": [{"name": "a", "version": "1.0.0", "source": "crates.io"}]});
        let known = Known { linked: [named("a", "1.0.0")].into(), ..Known::default() };
        let error = read(&list, &known).unwrap_err().to_string();
        assert_eq!(error, "a 1.0.0 is linked, and cargo does not know it");
        assert!(read(&json!({}), &known).is_err());
        let error = super::parts(b"\x7fELF", &known).unwrap_err().to_string();
        assert!(error.starts_with("it carries no list of what is linked into it"), "{error}");
    }

    #[test]
    fn what_is_linked_and_not_listed_is_refused() {
        let known = Known { linked: [named("a", "1.0.0")].into(), ..Known::default() };
        known.all_told(&[named("a", "1.0.0"), named("b", "1.0.0")].into()).unwrap();
        let error = known.all_told(&[named("a", "2.0.0")].into()).unwrap_err().to_string();
        assert_eq!(error, "a 1.0.0 is linked, and no program lists it");
    }

    #[test]
    fn cargo_knows_what_is_linked() {
        let known = Known::of("x86_64-unknown-linux-gnu").unwrap();
        let linked = |name: &str| known.linked.iter().any(|(linked, _)| linked == name);
        assert!(linked("kube") && linked("rustls") && !linked("ring") && !linked("serde_derive"));
        assert!(known.built.iter().any(|(built, _)| built == "serde_derive"));
        assert!(known.linked.is_subset(&known.built));
        assert!(known.built.iter().all(|id| known.said.contains_key(id)));
    }
}
