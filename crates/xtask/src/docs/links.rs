//! Follows the links of what was written: those between the pages of the built site, to the place in the page, and those
//! of the papers beside it. What lies elsewhere on the network is looked at by its form only: a test has to pass without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::Result;

/// A page: where it leads to, and the places in it that can be led to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    links: Vec<String>,
    places: BTreeSet<String>,
}

/// Returns the links of a site that lead nowhere, as `page: link`.
pub(super) fn of_site(site: &Path) -> Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    for file in files(site)? {
        let page = match file.extension().is_some_and(|it| it == "html") {
            true => read(&fs::read_to_string(&file)?),
            false => Page::default(),
        };
        pages.insert(file.strip_prefix(site)?.to_path_buf(), page);
    }
    // It is served wherever somebody asks for what is not there, so its links begin at the root.
    let linked = pages.iter().filter(|(path, _)| !path.ends_with("404.html"));
    let broken = linked.flat_map(|(path, page)| {
        let wrong = page.links.iter().filter(|link| !leads_somewhere(&pages, path, link));
        wrong.map(|link| format!("{}: {link}", path.display()))
    });
    Ok(broken.collect())
}

/// Returns the links of the papers in a folder (README and the like) to files that are not there.
pub(super) fn of_papers(folder: &Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for entry in fs::read_dir(folder)? {
        let paper = entry?.path();
        if paper.extension().is_none_or(|it| it != "md") {
            continue;
        }
        for link in between(&fs::read_to_string(&paper)?, "](", ")") {
            let file = link.split('#').next().unwrap_or_default();
            let fine = elsewhere(link).unwrap_or_else(|| file.is_empty() || folder.join(file).exists());
            if !fine {
                broken.push(format!("{}: {link}", paper.display()));
            }
        }
    }
    Ok(broken)
}

/// Returns the files in a folder and in those below it.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

fn read(html: &str) -> Page {
    let links = [" href=\"", " src=\""].iter().flat_map(|attribute| between(html, attribute, "\""));
    let places = between(html, " id=\"", "\"");
    Page {
        links: links.map(|link| link.replace("&amp;", "&")).collect(),
        places: places.map(str::to_string).collect(),
    }
}

/// Returns what stands between each `start` and the next `end`.
pub(super) fn between<'t>(text: &'t str, start: &'t str, end: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split_once(end)).map(|(inner, _)| inner)
}

fn leads_somewhere(pages: &BTreeMap<PathBuf, Page>, from: &Path, link: &str) -> bool {
    if let Some(well_formed) = elsewhere(link) {
        return well_formed;
    }
    let (path, place) = link.split_once('#').unwrap_or((link, ""));
    let path = path.split('?').next().unwrap_or_default();
    let page = match path.is_empty() {
        true => Some(from.to_path_buf()),
        false => resolved(from.parent().unwrap_or(Path::new("")), path),
    };
    // What is asked for a folder gives its index.
    let page = page.map(|page| if path.ends_with('/') { page.join("index.html") } else { page });
    let page = page.and_then(|path| pages.get(&path));
    page.is_some_and(|page| place.is_empty() || page.places.contains(place))
}

/// Whether an address elsewhere is well-formed; nothing where the link stays here.
fn elsewhere(link: &str) -> Option<bool> {
    let (scheme, rest) = link.split_once(':').filter(|(scheme, _)| !scheme.contains(['/', '#', '.']))?;
    let host = rest.strip_prefix("//").unwrap_or_default().split(['/', '#', '?']).next().unwrap_or_default();
    Some(
        scheme == "https"
            && host.contains('.')
            && !host.starts_with('.')
            && !link.contains(char::is_whitespace),
    )
}

/// Takes `..` out of a path; nothing where it leaves the site.
fn resolved(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => match path.pop() {
                true => {}
                false => return None,
            },
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{of_papers, of_site};

    #[test]
    fn a_link_is_followed_to_the_file_and_the_place_in_it() {
        let site = tempfile::tempdir().unwrap();
        fs::create_dir(site.path().join("how-to")).unwrap();
        fs::write(site.path().join("role.yaml"), "").unwrap();
        fs::write(site.path().join("index.html"), "<h2 id=\"two\"><a href=\"#two\"></a></h2>").unwrap();
        let links = [
            "../index.html#two",
            "../#two",
            "../role.yaml",
            "https://krew.sigs.k8s.io/docs/?a=b",
            "../index.html#three",
            "gone.html",
            "./",
            "../../outside.html",
            "/index.html",
            "#two",
            "http://krew.sigs.k8s.io",
            "https://localhost",
        ];
        let page: String = links.iter().map(|link| format!("<a class=\"x\" href=\"{link}\">")).collect();
        fs::write(site.path().join("how-to/canary.html"), page + "<img src=\"none.svg\">").unwrap();
        let broken = of_site(site.path()).unwrap();
        let expected = [&links[4..], &["none.svg"]].concat();
        assert_eq!(
            broken,
            expected.iter().map(|link| format!("how-to/canary.html: {link}")).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_papers_link_to_files_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let paper = folder.path().join("README.md");
        fs::write(folder.path().join("LICENSE"), "").unwrap();
        fs::write(&paper, "[a](LICENSE), [b](docs/gone.md#x) [c](https://krew.sigs.k8s.io/) [d](#here)")
            .unwrap();
        assert_eq!(of_papers(folder.path()).unwrap(), [format!("{}: docs/gone.md#x", paper.display())]);
    }
}
