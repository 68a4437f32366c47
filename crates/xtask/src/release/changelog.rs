//! What the changelog says of a version, and whether a tag is that version's.

use crate::Result;

/// Says whether a tag is of this version and the changelog has something to say about it.
pub(super) fn check(tag: &str, version: &str, changelog: &str) -> Result {
    let wanted = format!("v{version}");
    if tag != wanted {
        return Err(format!("the tag is {tag}, and the version of Cargo.toml makes it {wanted}").into());
    }
    match section(changelog, version) {
        None => Err(format!("CHANGELOG.md has no section `## {version}`: rename `## Unreleased`").into()),
        Some("") => Err(format!("CHANGELOG.md says nothing of {version}").into()),
        Some(_) => Ok(()),
    }
}

/// Returns what the changelog says of a version, without its heading: `## 1.2.3`, and whatever follows that on its line.
pub(super) fn section<'a>(changelog: &'a str, version: &str) -> Option<&'a str> {
    let mut rest = changelog;
    loop {
        let at = heading(rest)?;
        let (line, after) = rest[at..].split_once('\n').unwrap_or((&rest[at..], ""));
        let mut words = line.trim_start_matches('#').split_whitespace();
        if words.next().is_some_and(|word| word.trim_matches(['[', ']']).trim_start_matches('v') == version) {
            let end = heading(after).unwrap_or(after.len());
            return Some(after[..end].trim());
        }
        rest = after;
    }
}

/// Returns where the next section begins.
fn heading(text: &str) -> Option<usize> {
    if text.starts_with("## ") { Some(0) } else { text.find("\n## ").map(|at| at + 1) }
}

/// Returns the text of a release: what is new, and how what was downloaded is verified.
pub(super) fn notes(changelog: &str, version: &str, repository: &str) -> Result<String> {
    let section = section(changelog, version).ok_or_else(|| format!("nothing is said of {version}"))?;
    let project = repository.trim_start_matches("https://github.com/");
    Ok(format!(
        "{section}

## Verify

`SHA256SUMS` names every file of this release. That it came from this repository's release workflow:

```sh
cosign verify-blob SHA256SUMS --bundle SHA256SUMS.sigstore.json \\
  --certificate-identity {repository}/.github/workflows/release.yml@refs/tags/v{version} \\
  --certificate-oidc-issuer https://token.actions.githubusercontent.com
sha256sum --check --ignore-missing SHA256SUMS
```

or, of one archive, `gh attestation verify ARCHIVE --repo {project}`.
"
    ))
}

#[cfg(test)]
mod tests {
    use super::{check, notes, section};

    const CHANGELOG: &str = "# Changelog\n\n## Unreleased\n\n- Not yet.\n\n## 1.10.0 (2026-02-01)\n\n- More.\n\n### Fixed\n\n- A fault.\n\n## [1.1.0]\n\n- One.\n\n## 1.0.0\n";

    #[test]
    fn a_section_goes_from_its_heading_to_the_next() {
        assert_eq!(section(CHANGELOG, "1.10.0"), Some("- More.\n\n### Fixed\n\n- A fault."));
        assert_eq!(section(CHANGELOG, "1.1.0"), Some("- One."));
        assert_eq!(section(CHANGELOG, "1.0.0"), Some(""));
        assert_eq!(section(CHANGELOG, "1.1"), None);
        assert_eq!(section("## 1.0.0\n- First.", "1.0.0"), Some("- First."));
        assert_eq!(section("", "1.0.0"), None);
    }

    #[test]
    fn a_release_needs_the_tag_of_its_version_and_something_to_say() {
        check("v1.1.0", "1.1.0", CHANGELOG).unwrap();
        for (tag, version, error) in [
            ("v1.1.1", "1.1.0", "the tag is v1.1.1, and the version of Cargo.toml makes it v1.1.0"),
            ("1.1.0", "1.1.0", "the tag is 1.1.0, and"),
            ("v2.0.0", "2.0.0", "CHANGELOG.md has no section `## 2.0.0`"),
            ("v1.0.0", "1.0.0", "CHANGELOG.md says nothing of 1.0.0"),
        ] {
            let said = check(tag, version, CHANGELOG).unwrap_err().to_string();
            assert!(said.starts_with(error), "{said}");
        }
    }

    #[test]
    fn notes_are_the_section_and_how_to_verify() {
        let notes = notes(CHANGELOG, "1.1.0", "https://github.com/a/b").unwrap();
        assert!(notes.starts_with("- One.\n\n## Verify\n"), "{notes}");
        assert!(
            notes.contains("https://github.com/a/b/.github/workflows/release.yml@refs/tags/v1.1.0 "),
            "{notes}"
        );
        assert!(notes.contains("`gh attestation verify ARCHIVE --repo a/b`"), "{notes}");
    }
}
