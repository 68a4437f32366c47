//! The floors of the crates: every import runs down, and no files stand in a circle.
//!
//! The floors are declared in `docs/architecture.md`. What a file imports is what it names of other files of its crate, in
//! `use` lines and in paths, tests left out; what a module only hands on counts where it is defined.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use imports::Sources;

/// Files of a crate that import each other: who imports whom.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// A crate whose floors are declared.
struct House {
    /// Its sources, from the root of the repository.
    src: String,
    /// Its floors, from the top.
    floors: Vec<String>,
}

/// Reads the floors out of a document: in a block of it, a line that names the sources of a crate, and below that, indented, a
/// line for each floor that begins with the floor's name, from the top.
fn declared(document: &str) -> Vec<House> {
    let mut houses: Vec<House> = Vec::new();
    for block in document.split("\n```").skip(1).step_by(2) {
        let mut inside = false;
        for line in block.lines().skip(1) {
            let word = line.split_whitespace().next();
            match (line.starts_with(' '), word) {
                (false, Some(word)) if line == word && word.ends_with("/src") => {
                    inside = true;
                    houses.push(House { src: word.to_string(), floors: Vec::new() });
                }
                (true, Some(floor)) if inside => {
                    houses.last_mut().into_iter().for_each(|house| house.floors.push(floor.to_string()));
                }
                (_, Some(_) | None) => inside = false,
            }
        }
    }
    houses
}

impl House {
    /// Says what is wrong with the imports of its files, a sentence each.
    fn faults(&self, imports: &Imports) -> Vec<String> {
        let strangers = imports.keys().filter(|file| !is_root(file) && self.floor(file).is_none());
        let mut faults: Vec<String> = strangers
            .map(|file| format!("{}/{file} is on no floor: docs/architecture.md names none for it", self.src))
            .collect();
        let there = |floor: &&String| !imports.keys().any(|file| floor_of(file) == floor.as_str());
        let empty = self.floors.iter().filter(there);
        faults.extend(empty.map(|floor| format!("{} has no floor {floor}, which is declared", self.src)));
        faults.extend(self.upward(imports));
        faults.extend(circles(imports).iter().map(|circle| self.of_circle(circle)));
        faults
    }

    /// Returns the place of a file's floor, counted from the top.
    fn floor(&self, file: &str) -> Option<usize> {
        self.floors.iter().position(|floor| floor == floor_of(file))
    }

    /// Says which imports run up.
    fn upward(&self, imports: &Imports) -> Vec<String> {
        let mut faults = Vec::new();
        for (file, imported) in imports {
            for other in imported {
                let (Some(own), Some(its)) = (self.floor(file), self.floor(other)) else { continue };
                if its >= own {
                    continue;
                }
                let below = &self.floors[own + 1..];
                let below = if below.is_empty() { "no other floor".to_string() } else { below.join(", ") };
                faults.push(format!(
                    "{}/{file} imports {other}, which runs up: {} may know {below}, and not {}",
                    self.src, self.floors[own], self.floors[its]
                ));
            }
        }
        faults
    }

    fn of_circle(&self, circle: &[String]) -> String {
        let round: Vec<&str> = circle.iter().chain(circle.first()).map(String::as_str).collect();
        format!(
            "files of {} import each other in a circle: {}; what two of them need belongs into a file below both",
            self.src,
            round.join(" -> ")
        )
    }
}

/// The root of a crate puts the floors together.
fn is_root(file: &str) -> bool {
    matches!(file, "lib.rs" | "main.rs")
}

/// A floor is a folder of the sources, or a file of them.
fn floor_of(file: &str) -> &str {
    match file.split_once('/') {
        Some((folder, _)) => folder,
        None => file.trim_end_matches(".rs"),
    }
}

/// Returns a shortest circle through each file that is in one, each circle once.
fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for file in imports.keys() {
        let known = found.iter().any(|circle| circle.contains(file));
        if let Some(circle) = way_back(imports, file).filter(|_| !known) {
            found.push(circle);
        }
    }
    found
}

/// Returns a shortest way from a file back to itself.
fn way_back(imports: &Imports, start: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_string()]];
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in imports.get(way.last()?).into_iter().flatten() {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next) {
                    longer.push([way.as_slice(), std::slice::from_ref(next)].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// Reads all sources below a folder.
fn sources(src: &Path) -> Sources {
    let mut sources = Sources::new();
    let mut folders = vec![src.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().is_some_and(|extension| extension == "rs") {
                true => {
                    let name = path.strip_prefix(src).unwrap().to_str().unwrap().to_string();
                    sources.insert(name, fs::read_to_string(&path).unwrap());
                }
                false if path.is_dir() => folders.push(path),
                false => {}
            }
        }
    }
    sources
}

#[test]
fn every_import_runs_down_and_none_in_a_circle() {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let houses = declared(&fs::read_to_string(root.join("docs/architecture.md")).unwrap());
    assert!(houses.iter().any(|house| house.src == "crates/rollout-core/src"), "no floors are declared");
    for house in &houses {
        let faults = house.faults(&imports::of(&sources(&root.join(&house.src))));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# Floors\n\n```text\ncrates/\n  house/\n```\n\nThe floors:\n\n```text\ncrates/house/src\n    roof      what is above\n    cellar    what is below\n```\n";

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let house = declared(DOCUMENT).remove(0);
        let all = [("lib.rs", "pub mod cellar;\npub mod roof;\n")].iter().chain(files);
        let all = all.map(|(name, text)| (name.to_string(), text.to_string()));
        house.faults(&imports::of(&all.collect()))
    }

    #[test]
    fn floors_are_read_from_the_document() {
        let houses = declared(DOCUMENT);
        assert_eq!(houses.len(), 1);
        assert_eq!(
            (houses[0].src.as_str(), houses[0].floors.join(" ").as_str()),
            ("crates/house/src", "roof cellar")
        );
    }

    #[test]
    fn what_runs_down_is_fine() {
        let fine = [("roof.rs", "use crate::cellar::Coal;\n"), ("cellar.rs", "pub struct Coal;\n")];
        assert_eq!(faults(&fine), Vec::<String>::new());
    }

    #[test]
    fn an_import_that_runs_up_is_named_with_what_its_floor_may_know() {
        let up = [
            "crates/house/src/cellar.rs imports roof.rs, which runs up: cellar may know no other floor, and not roof",
        ];
        for cellar in [
            "use crate::roof::Tile;\n",
            "use super::roof::{self, Tile};\n",
            "pub fn f() -> crate::roof::Tile { todo!() }\n",
            "use crate::roof;\npub fn f() { roof::lay(); }\n",
            "pub fn f() { assert!(crate::roof::dry()); }\n",
            "use crate::Tile;\n",
            "mod inner {\n    use super::super::roof::Tile;\n}\n",
        ] {
            let roof = "pub struct Tile;\npub fn lay() {}\npub fn dry() -> bool { true }\n";
            let lib = "pub mod cellar;\npub mod roof;\npub use roof::Tile;\n";
            assert_eq!(faults(&[("lib.rs", lib), ("roof.rs", roof), ("cellar.rs", cellar)]), up, "{cellar}");
        }
    }

    #[test]
    fn tests_may_know_all() {
        let tested = "#[cfg(test)]\nmod tests {\n    use crate::roof::Tile;\n}\n#[cfg(test)]\nuse crate::roof::Tile;\n";
        assert_eq!(faults(&[("roof.rs", "pub struct Tile;\n"), ("cellar.rs", tested)]), Vec::<String>::new());
    }

    #[test]
    fn a_circle_of_files_is_named_and_a_module_that_hands_on_is_in_none() {
        let roof = ("roof/mod.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;\n");
        let (cellar, b) = (("cellar.rs", ""), ("roof/b.rs", "pub struct B;\n"));
        let fine = ("roof/a.rs", "use crate::roof::B;\npub struct A(B);\n");
        assert_eq!(faults(&[roof, cellar, fine, b]), Vec::<String>::new());
        let back = ("roof/b.rs", "use super::A;\npub struct B;\n");
        let words =
            "files of crates/house/src import each other in a circle: roof/a.rs -> roof/b.rs -> roof/a.rs";
        let found = faults(&[roof, cellar, fine, back]);
        assert!(found.len() == 1 && found[0].starts_with(words), "{found:?}");
        // One with something of its own is.
        let own = ("roof/mod.rs", "mod a;\npub use a::A;\npub struct Own;\n");
        let found = faults(&[own, cellar, ("roof/a.rs", "use super::Own;\npub struct A(Own);\n")]);
        assert!(found.len() == 1 && found[0].contains("roof/a.rs -> roof/mod.rs -> roof/a.rs"), "{found:?}");
        // What it hands on does not come past it.
        let own = ("roof/mod.rs", "mod a;\nmod b;\npub use b::B;\npub fn own() -> a::A { todo!() }\n");
        let found = faults(&[own, cellar, ("roof/a.rs", "use super::B;\npub struct A(B);\n"), b]);
        assert!(found.len() == 1 && found[0].contains("roof/a.rs -> roof/mod.rs -> roof/a.rs"), "{found:?}");
    }

    #[test]
    fn what_is_on_no_floor_and_a_floor_that_is_not_there_are_named() {
        let lib = ("lib.rs", "mod attic;\nmod cellar;\n");
        let found = faults(&[lib, ("attic.rs", ""), ("cellar.rs", "")]);
        let attic = "crates/house/src/attic.rs is on no floor: docs/architecture.md names none for it";
        assert_eq!(found, [attic, "crates/house/src has no floor roof, which is declared"]);
    }
}
