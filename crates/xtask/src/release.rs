//! `cargo xtask release`: what is written, checked and packed when a version goes out.
//!
//! A workflow calls these one after the other, and so can anybody by hand: `check`, `dist` on each platform, `sums`, `dist manifests`,
//! `formula`, `image`, `notes`.

#[cfg(test)]
mod binstall;
mod changelog;
mod formula;
mod image;
mod kubectl;
mod layout;
#[cfg(test)]
mod workflows;

use std::fs;
use std::path::{Path, PathBuf};

use cluster::workspace;

use crate::{Result, names, sums};

const USAGE: &str = "there are check TAG, notes TAG, sums, formula and image, with --from FOLDER, --to PATH, --url WHERE-THE-ARCHIVES-WILL-BE";

/// The version of the workspace, and so of a release.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    words: Vec<String>,
    /// Where the archives of `dist` lie.
    from: PathBuf,
    to: Option<PathBuf>,
    /// Where they will be downloaded from.
    url: String,
}

pub(crate) fn run(args: &[String]) -> Result {
    let request = parse(args)?;
    let words: Vec<&str> = request.words.iter().map(String::as_str).collect();
    match words[..] {
        ["check", tag] => changelog::check(tag, VERSION, &read(&workspace().join("CHANGELOG.md"))?),
        ["notes", tag] => {
            let changelog = read(&workspace().join("CHANGELOG.md"))?;
            changelog::check(tag, VERSION, &changelog)?;
            say(&request, &changelog::notes(&changelog, VERSION, repository())?)
        }
        ["sums"] => {
            let sums = sums::of(&request.from)?;
            sums::complete(&sums, VERSION)?;
            let path = request.to.unwrap_or_else(|| request.from.join(sums::FILE));
            write(&path, &sums::text(&sums))
        }
        ["formula"] => formulas(&request),
        ["image"] => {
            let folder = request.to.clone().unwrap_or_else(|| request.from.join("image"));
            image::write(&request.from, &folder, VERSION, repository())?;
            println!("{}", folder.display());
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

fn parse(args: &[String]) -> Result<Request> {
    let mut request = Request {
        words: Vec::new(),
        from: workspace().join("target/dist"),
        to: None,
        url: format!("{}/releases/download/v{VERSION}", repository()),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().cloned().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--from" => request.from = value()?.into(),
            "--to" => request.to = Some(value()?.into()),
            "--url" => request.url = value()?,
            flag if flag.starts_with('-') => return Err(format!("unknown argument {flag}; {USAGE}").into()),
            word => request.words.push(word.to_string()),
        }
    }
    Ok(request)
}

/// Where the project lives.
fn repository() -> &'static str {
    env!("CARGO_PKG_REPOSITORY")
}

/// Writes a formula a plugin, by the archives' sums.
fn formulas(request: &Request) -> Result {
    let sums = sums::of(&request.from)?;
    let folder = request.to.clone().unwrap_or_else(|| request.from.clone());
    fs::create_dir_all(&folder)?;
    for plugin in names::PLUGINS {
        let about = short_description(plugin)?;
        let formula = formula::Formula {
            plugin,
            about: &about,
            version: VERSION,
            homepage: repository(),
            url: &request.url,
            sums: &sums,
        };
        write(&folder.join(format!("kubectl-{plugin}.rb")), &formula.text()?)?;
    }
    Ok(())
}

/// The one sentence about a plugin, which its manifest has.
fn short_description(plugin: &str) -> Result<String> {
    let path = workspace().join("krew-manifests").join(format!("{plugin}.yaml"));
    let manifest: serde_json::Value = serde_yaml::from_str(&read(&path)?)?;
    let about = manifest["spec"]["shortDescription"].as_str();
    Ok(about.ok_or_else(|| format!("{} has no shortDescription", path.display()))?.to_string())
}

fn say(request: &Request, text: &str) -> Result {
    match &request.to {
        Some(path) => write(path, text),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{parse, run, short_description};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn flags_stand_anywhere_and_archives_are_downloaded_from_the_release() {
        let request = parse(&words("--from a formula --to b")).unwrap();
        assert_eq!(request.words, ["formula"]);
        assert_eq!((request.from.to_str(), request.to.unwrap().to_str()), (Some("a"), Some("b")));
        assert!(request.url.ends_with(concat!("/releases/download/v", env!("CARGO_PKG_VERSION"))));
        assert!(parse(&words("formula --form a")).is_err());
        assert!(parse(&words("formula --from")).is_err());
    }

    #[test]
    fn what_there_is_not_is_refused_with_what_there_is() {
        for line in ["", "check", "publish"] {
            let error = run(&words(line)).unwrap_err().to_string();
            assert!(error.starts_with("there are check TAG, notes TAG, sums, formula and image"), "{error}");
        }
    }

    #[test]
    fn a_plugin_is_described_as_krew_describes_it() {
        assert_eq!(short_description("rollback").unwrap(), "Roll workloads back and see what changes");
    }
}
