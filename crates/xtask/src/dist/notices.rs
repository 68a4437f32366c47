//! `THIRD-PARTY-NOTICES`: whose work is linked into a program, and under which licences, with their texts.
//!
//! Written here rather than by cargo-about, whose two hundred crates take minutes to build, which wants the list of licences
//! once more, and which knows neither this program's own list of what is linked nor the standard library. What is hard about
//! licences, their expressions and their texts, is spdx's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use spdx::{AdditionItem, LicenseReq};

use super::licences::{self, Accepted};
use super::linked::{Kind, Part};
use crate::Result;

/// How the files begin by which a crate says who may use it.
const PAPERS: [&str; 7] = ["copying", "copyright", "licence", "license", "notice", "patents", "unlicense"];

/// What begins like one and is source.
const SOURCES: [&str; 8] = ["c", "go", "h", "json", "py", "rs", "sh", "toml"];

/// What a static program for Linux is linked with beside crates: it comes with Rust's standard library, whose own notices are
/// silent about it.
const OF_MUSL: [(&str, &str, &str); 2] = [
    ("musl, the C library", "MIT", "Copyright © 2005-2020 Rich Felker, et al."),
    ("libunwind of LLVM", "Apache-2.0 WITH LLVM-exception", "The LLVM project's contributors"),
];

const LINE: &str = "--------------------------------------------------------------------------------";

/// A text, and for what it holds.
#[derive(Default)]
struct Texts(Vec<(String, BTreeSet<String>)>);

impl Texts {
    /// Most crates have the same one.
    fn add(&mut self, text: &str, of: String) {
        let text = plain(text);
        match self.0.iter_mut().find(|(known, _)| *known == text) {
            Some((_, holders)) => _ = holders.insert(of),
            None => self.0.push((text, BTreeSet::from([of]))),
        }
    }
}

/// Returns the notices of a program for a target.
pub(super) fn text(
    program: &str,
    target: &str,
    parts: &[Part],
    accepted: &Accepted,
    library: &str,
) -> Result<String> {
    let mut notices = format!("{program} is linked with the work of others, by these licences:\n\n");
    let mut texts = Texts::default();
    for part in parts.iter().filter(|part| part.kind == Kind::Linked) {
        let of = format!("{} {}", part.id.0, part.id.1);
        let refused = |error: Box<dyn std::error::Error>| format!("{of}: {error}");
        let expression = licences::expression(&part.said.license).map_err(refused)?;
        let by = accepted.of_expression(&expression).map_err(refused)?;
        let place = part.said.repository.as_deref().map_or_else(String::new, |it| format!(", {it}"));
        writeln!(notices, "  {of}: {expression}{place}")?;
        let papers = papers(&part.said.folder)?;
        for paper in &papers {
            let bytes = fs::read(paper).map_err(|error| format!("{}: {error}", paper.display()))?;
            texts.add(&String::from_utf8_lossy(&bytes), of.clone());
        }
        if papers.is_empty() {
            add_standard(&mut texts, &by, &format!("{of}, by {}", part.said.authors.join(", ")))?;
        }
    }
    let musl = target.ends_with("-musl");
    for (name, license, holder) in OF_MUSL.iter().filter(|_| musl) {
        writeln!(notices, "  {name}: {license}")?;
        let by = accepted.of_expression(&licences::expression(license)?)?;
        add_standard(&mut texts, &by, &format!("{name}: {holder}"))?;
    }
    notices
        .push_str("  Rust's standard library: MIT OR Apache-2.0, and what the end of this file says of it\n");
    for (text, holders) in texts.0 {
        let holders: Vec<String> = holders.into_iter().collect();
        write!(notices, "\n{LINE}\n{}:\n\n{text}\n", holders.join("\n"))?;
    }
    write!(notices, "\n{LINE}\n{library}\n")?;
    Ok(notices)
}

/// Adds the texts of licences as everybody has them.
fn add_standard(texts: &mut Texts, licences: &[LicenseReq], of: &str) -> Result {
    for licence in licences {
        let id = licence.license.id().ok_or_else(|| format!("{of}: nobody has the text of {licence}"))?;
        texts.add(id.text(), of.to_string());
        if let Some(exception) = licence.addition.as_ref().and_then(AdditionItem::id) {
            texts.add(exception.text(), of.to_string());
        }
    }
    Ok(())
}

/// Returns the files by which a crate says who may use it and what it is made of, anywhere in it.
fn papers(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(papers(&path)?);
        } else if is_paper(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_paper(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let source = path.extension().is_some_and(|it| SOURCES.contains(&it.to_string_lossy().as_ref()));
    !source && PAPERS.iter().any(|start| name.starts_with(start))
}

/// Returns what comes with the compiler about its library.
pub(super) fn of_library(sysroot: &Path) -> Result<String> {
    let path = sysroot.join("share/doc/rust/COPYRIGHT-library.html");
    let page = fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; rustup's toolchains have it", path.display()))?;
    let body = page.split_once("<body>").map_or(page.as_str(), |(_, body)| body);
    Ok(plain(&without_tags(body)))
}

/// Returns what a page says. It has no other characters in disguise than these.
fn without_tags(page: &str) -> String {
    let mut text = String::new();
    for (at, piece) in page.split('<').enumerate() {
        text.push_str(if at == 0 { piece } else { piece.split_once('>').map_or("", |(_, text)| text) });
    }
    [
        ("&#60;", "<"),
        ("&lt;", "<"),
        ("&#62;", ">"),
        ("&gt;", ">"),
        ("&#34;", "\""),
        ("&quot;", "\""),
        ("&#39;", "'"),
    ]
    .into_iter()
    .fold(text, |text, (from, to)| text.replace(from, to))
    .replace("&amp;", "&")
}

/// A text without what nobody sees: blanks at the ends of lines, and empty lines in a row.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut empty = 0;
    for line in text.lines().map(str::trim_end) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            plain.push_str(line);
            plain.push('\n');
        }
    }
    plain.trim_matches('\n').to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use cluster::Folders;

    use super::super::licences::Accepted;
    use super::super::linked::tests::parts;
    use super::super::linked::{Kind, Part};
    use super::{is_paper, of_library, plain, text, without_tags};

    const TARGET: &str = "x86_64-unknown-linux-gnu";

    /// What is linked in the example, from a folder.
    fn linked(folder: &Path, license: &str) -> Vec<Part> {
        let mut parts = parts();
        for part in parts.iter_mut().filter(|part| part.kind == Kind::Linked) {
            part.said.folder = folder.to_path_buf();
            part.said.license = license.into();
            part.said.authors = vec!["Somebody".into()];
        }
        parts
    }

    fn notices(parts: &[Part], target: &str) -> Result<String, String> {
        text("program", target, parts, &Accepted::read().unwrap(), "Of the library.")
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_crate_is_named_with_what_it_says_itself() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("vendored")).unwrap();
        fs::write(folder.path().join("LICENSE-MIT"), "Of the\r\n\r\n\r\n  crate.  \r\n").unwrap();
        fs::write(folder.path().join("vendored/NOTICE"), "Of what it holds.").unwrap();
        fs::write(folder.path().join("license.rs"), "fn no() {}").unwrap();
        let notices = notices(&linked(folder.path(), "MIT"), TARGET).unwrap();
        assert!(notices.contains("\n  linked 2.0.0+x: MIT\n"), "{notices}");
        assert!(notices.contains("\nlinked 2.0.0+x:\n\nOf the\n\n  crate.\n"), "{notices}");
        assert!(notices.contains("\nlinked 2.0.0+x:\n\nOf what it holds.\n"), "{notices}");
        assert!(!notices.contains("fn no"), "{notices}");
        for other in ["\n  build ", "\n  core ", "\n  program "] {
            assert!(!notices.contains(other), "{other} is not linked, or nobody else's");
        }
        assert!(!notices.contains(folder.path().to_str().unwrap()), "{notices}");
        assert!(notices.ends_with("\nOf the library.\n"), "{notices}");
    }

    #[test]
    fn a_crate_without_a_text_has_that_of_its_licences() {
        let folder = tempfile::tempdir().unwrap();
        let notices = notices(&linked(folder.path(), "Apache-2.0 OR GPL-3.0-only"), TARGET).unwrap();
        assert!(notices.contains("\nlinked 2.0.0+x, by Somebody:\n\nApache License\n"), "{notices}");
        assert!(!notices.contains("GNU GENERAL PUBLIC LICENSE"), "{notices}");
    }

    #[test]
    fn a_licence_that_is_not_accepted_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = |license: &str| notices(&linked(folder.path(), license), TARGET).unwrap_err();
        assert_eq!(
            error("GPL-3.0-only"),
            "linked 2.0.0+x: GPL-3.0-only is not among the licences that deny.toml allows"
        );
        assert_eq!(error(""), "linked 2.0.0+x: its manifest names no licence");
    }

    #[test]
    fn a_static_program_names_its_c_library() {
        let folder = tempfile::tempdir().unwrap();
        let parts = linked(folder.path(), "MIT");
        assert!(notices(&parts, "aarch64-unknown-linux-musl").unwrap().contains("Rich Felker"));
        assert!(!notices(&parts, TARGET).unwrap().contains("Rich Felker"));
    }

    #[test]
    fn papers_are_known_by_their_names() {
        for name in
            ["LICENSE", "LICENSE.Apache2", "COPYING", "license-mit", "UNLICENSE", "LICENSE-UNICODE.md"]
        {
            assert!(is_paper(Path::new(name)), "{name}");
        }
        for name in ["license.rs", "README.md", "notice.h"] {
            assert!(!is_paper(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_page_is_read_as_it_is_seen() {
        assert_eq!(without_tags("<p>A &#60;a@b&#62; &amp;lt;</p>\n<b>B</b>"), "A <a@b> &lt;\nB");
        let library = of_library(Folders::of_this_machine().unwrap().sysroot()).unwrap();
        assert!(library.starts_with("Copyright notices for The Rust Standard Library"));
        assert!(library.contains("Permission is hereby granted") && !library.contains("</"));
        assert_eq!(plain("\n\na \n\n \n\nb\n"), "a\n\nb");
    }
}
