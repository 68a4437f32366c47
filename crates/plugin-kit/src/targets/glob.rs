//! Patterns of paths, as `kubectl -f` takes them: Go's `path/filepath.Glob`. A pattern never crosses a `/`, there is no `**`,
//! what begins with a dot is like any other, and a folder that cannot be read holds nothing.

use std::fs;
use std::path::{MAIN_SEPARATOR, Path};

/// A pattern that is none, in Go's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

/// A part of a pattern.
#[derive(Debug, PartialEq)]
enum Part {
    Star,
    Any,
    One(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// Returns the paths that match, in the order of their names.
pub(super) fn glob(pattern: &str) -> Result<Vec<String>, BadPattern> {
    parse(pattern)?;
    if !has_meta(pattern) {
        let exists = fs::symlink_metadata(pattern).is_ok();
        return Ok(exists.then(|| pattern.to_string()).into_iter().collect());
    }
    let (folder, name) = match pattern.rfind(std::path::is_separator) {
        Some(0) => (&pattern[..1], &pattern[1..]),
        Some(at) => (&pattern[..at], &pattern[at + 1..]),
        None => ("", pattern),
    };
    let parts = parse(name)?;
    let folders = if has_meta(folder) { glob(folder)? } else { vec![folder.to_string()] };
    Ok(folders.iter().flat_map(|folder| within(folder, &parts)).collect())
}

fn within(folder: &str, parts: &[Part]) -> Vec<String> {
    let here = if folder.is_empty() { "." } else { folder };
    let entries = fs::read_dir(Path::new(here)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|it| matches(parts, it))
        .collect();
    names.sort_unstable();
    let joined = |name: String| match folder.chars().last() {
        None => name,
        Some(last) if std::path::is_separator(last) => format!("{folder}{name}"),
        Some(_) => format!("{folder}{MAIN_SEPARATOR}{name}"),
    };
    names.into_iter().map(joined).collect()
}

fn has_meta(path: &str) -> bool {
    path.contains(['*', '?', '[']) || cfg!(not(windows)) && path.contains('\\')
}

fn parse(pattern: &str) -> Result<Vec<Part>, BadPattern> {
    let mut chars = pattern.chars().peekable();
    let mut parts = Vec::new();
    while let Some(char) = chars.next() {
        let part = match char {
            '*' => Part::Star,
            '?' => Part::Any,
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
                    let low = in_class(&mut chars)?;
                    let high = if chars.next_if_eq(&'-').is_some() { in_class(&mut chars)? } else { low };
                    ranges.push((low, high));
                }
                Part::Class { negated, ranges }
            }
            '\\' if cfg!(not(windows)) => Part::One(chars.next().ok_or(BadPattern)?),
            char => Part::One(char),
        };
        parts.push(part);
    }
    Ok(parts)
}

fn in_class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, BadPattern> {
    match chars.next() {
        None | Some('-' | ']') => Err(BadPattern),
        Some('\\') if cfg!(not(windows)) => chars.next().ok_or(BadPattern),
        Some(char) => Ok(char),
    }
}

/// Goes back to the last star only: what an earlier one might take, this one can.
fn matches(parts: &[Part], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut taken, mut last_star) = (0, 0, None);
    while taken < name.len() {
        let char = name[taken];
        match parts.get(at) {
            Some(Part::Star) => {
                last_star = Some((at, taken));
                at += 1;
                continue;
            }
            Some(part) if is_one(part, char) => {
                at += 1;
                taken += 1;
                continue;
            }
            Some(_) | None => {}
        }
        let Some((star, from)) = last_star else { return false };
        last_star = Some((star, from + 1));
        (at, taken) = (star + 1, from + 1);
    }
    parts[at..].iter().all(|part| *part == Part::Star)
}

fn is_one(part: &Part, char: char) -> bool {
    match part {
        Part::Star => false,
        Part::Any => true,
        Part::One(one) => *one == char,
        Part::Class { negated, ranges } => {
            ranges.iter().any(|(low, high)| (*low..=*high).contains(&char)) != *negated
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_go() {
        for (pattern, name, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", ".yaml", true),
            ("*.yaml", "a.yml", false),
            ("a*b*c", "abxbc", true),
            ("a*b*c", "abxb", false),
            ("*", "", true),
            ("?", "ü", true),
            ("??", "ü", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[!a]x", "!x", true),
            ("[a\\]]", "]", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("", "", true),
        ] {
            assert_eq!(matches(&parse(pattern).unwrap(), name), expected, "{pattern} {name}");
        }
        for pattern in ["[", "[a", "[]", "[]a]", "[-a]", "[a-]", "a\\", "[a\\"] {
            assert_eq!(parse(pattern), Err(BadPattern), "{pattern}");
        }
    }

    #[test]
    fn paths_are_found_below_folders_that_match() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["b/x.yaml", "a/y.yaml", "a/x.yaml", "a/deep/z.yaml", "c.yaml"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let root = folder.path().display().to_string();
        let found = |pattern: &str| -> Vec<String> {
            let found = glob(&format!("{root}/{pattern}")).unwrap();
            found.iter().map(|it| it.strip_prefix(&format!("{root}/")).unwrap().to_string()).collect()
        };
        assert_eq!(found("*/*.yaml"), ["a/x.yaml", "a/y.yaml", "b/x.yaml"]);
        assert_eq!(found("*"), ["a", "b", "c.yaml"]);
        assert_eq!(found("[ab]/x.yaml"), ["a/x.yaml", "b/x.yaml"]);
        assert_eq!(found("**/x.yaml"), ["a/x.yaml", "b/x.yaml"]);
        assert!(
            found("none/*.yaml").is_empty() && found("a/x.yaml/*").is_empty() && found("d.yaml").is_empty()
        );
        assert_eq!(glob("a[/b"), Err(BadPattern));
    }
}
