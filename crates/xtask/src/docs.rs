//! `cargo xtask docs`: what people read about the plugins, as a site in `target/site`; `docs pictures`: its pictures.

mod chapters;
mod links;

#[cfg(test)]
pub(crate) use links::files;

use std::path::PathBuf;
use std::process::Command;

use cluster::workspace;

use crate::Result;
use crate::tools::installed_with;

/// Without the server and the watcher of files, which are most of its build.
const MDBOOK: (&str, &str, &[&str]) = ("mdbook", "0.5.4", &["--no-default-features", "--features", "search"]);

pub(crate) fn run(args: &[String]) -> Result {
    match args.split_first() {
        None => {
            println!("{}", site()?.join("index.html").display());
            Ok(())
        }
        Some((what, rest)) if what == "pictures" => pictures(rest),
        Some((unknown, _)) => Err(format!("unknown argument {unknown}; there is pictures [--check]").into()),
    }
}

#[cfg(unix)]
fn pictures(args: &[String]) -> Result {
    crate::pictures::run(args)
}

#[cfg(not(unix))]
fn pictures(_: &[String]) -> Result {
    Err("pictures are made of a cluster and a pseudo-terminal, which are there on Unix only".into())
}

/// Builds the book in `docs/`, and follows every link of it.
pub(crate) fn site() -> Result<PathBuf> {
    let (name, version, features) = MDBOOK;
    let mdbook = installed_with(name, version, features)?;
    let (book, site) = (workspace().join("docs"), workspace().join("target/site"));
    let lost = chapters::missing(&book)?;
    if !lost.is_empty() {
        return Err(format!("docs/SUMMARY.md leads to none of: {}", lost.join(", ")).into());
    }
    // Where the project lives is written down in one place, and that is not the book's.
    let status = Command::new(mdbook)
        .arg("build")
        .arg(&book)
        .env("MDBOOK_OUTPUT__HTML__GIT_REPOSITORY_URL", env!("CARGO_PKG_REPOSITORY"))
        .status()?;
    if !status.success() {
        return Err(format!("the book does not build ({status})").into());
    }
    let broken = [links::of_site(&site)?, links::of_papers(workspace())?].concat();
    if broken.is_empty() {
        return Ok(site);
    }
    Err(format!("links that lead nowhere:\n  {}", broken.join("\n  ")).into())
}
