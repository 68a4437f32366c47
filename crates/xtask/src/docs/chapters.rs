//! A page that is no chapter is not in the site, and nobody would see that it is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::links::{between, files};
use crate::Result;

const SUMMARY: &str = "SUMMARY.md";

/// Returns the pages in a book's folder that its summary does not lead to.
pub(super) fn missing(book: &Path) -> Result<Vec<String>> {
    let summary = fs::read_to_string(book.join(SUMMARY))?;
    let chapters: BTreeSet<&str> = between(&summary, "](", ")").collect();
    let mut missing = Vec::new();
    for file in files(book)? {
        let path = file.strip_prefix(book)?;
        // As a link is written, wherever that is.
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts.join("/");
        if name.ends_with(".md") && name != SUMMARY && !chapters.contains(name.as_str()) {
            missing.push(name);
        }
    }
    missing.sort();
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::missing;

    #[test]
    fn a_page_that_is_no_chapter_is_named() {
        let book = tempfile::tempdir().unwrap();
        fs::create_dir(book.path().join("how-to")).unwrap();
        fs::write(book.path().join("SUMMARY.md"), "[a](README.md)\n- [b](how-to/canary.md)\n").unwrap();
        for page in ["README.md", "how-to/canary.md", "how-to/lost.md", "example.yaml"] {
            fs::write(book.path().join(page), "").unwrap();
        }
        assert_eq!(missing(book.path()).unwrap(), ["how-to/lost.md"]);
    }
}
