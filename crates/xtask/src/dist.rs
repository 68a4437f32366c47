//! `cargo xtask dist`: the archives of a target, their sums, and the manifests by which krew installs them.

mod archive;
mod contents;
mod manifest;

use std::fs;
use std::path::{Path, PathBuf};

use cluster::workspace;

use crate::{Result, names, plugins, sums};

const USAGE: &str = "there are --target TRIPLE, --profile NAME, --to FOLDER and --url WHERE-THE-ARCHIVES-WILL-BE, \
                     and `manifests` with the last two";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// Only the manifests of all platforms, from archives that are there.
    manifests: bool,
    target: Option<String>,
    profile: Option<String>,
    folder: PathBuf,
    /// Where the archives will be downloaded from.
    url: Option<String>,
}

pub(crate) fn run(args: &[String]) -> Result {
    let request = parse(args)?;
    if request.manifests {
        return manifests(&request);
    }
    let target = match &request.target {
        Some(target) => target.clone(),
        None => host()?,
    };
    let platform = names::platform(&target)?;
    fs::create_dir_all(&request.folder)
        .map_err(|error| format!("cannot create {}: {error}", request.folder.display()))?;
    let programs =
        plugins::build(request.profile.as_deref().unwrap_or("release"), request.target.as_deref())?;
    let generated = tempfile::tempdir()?;
    contents::generate(generated.path())?;
    for plugin in names::PLUGINS {
        let path = request.folder.join(names::archive(plugin, VERSION, platform));
        archive::write(&path, &contents::of(plugin, platform.0, &programs, generated.path())?)?;
        println!("{}", path.display());
    }
    if let Some(url) = &request.url {
        let sums = sums::of(&request.folder)?;
        let there = |platform: &&names::Platform| {
            names::PLUGINS
                .iter()
                .all(|plugin| sums.contains_key(&names::archive(plugin, VERSION, **platform)))
        };
        let platforms: Vec<names::Platform> = names::PLATFORMS.iter().filter(there).copied().collect();
        manifest::write(&request.folder, url, &sums, &platforms)?;
    }
    write_sums(&request.folder)
}

/// Writes the manifests of a release, which are of all platforms or not at all.
fn manifests(request: &Request) -> Result {
    let url = request.url.as_deref().ok_or(
        "a manifest names where the archives will be downloaded from: say it with --url https://…/v1.2.3",
    )?;
    let sums = sums::of(&request.folder)?;
    sums::complete(&sums, VERSION)?;
    manifest::write(&request.folder, url, &sums, &names::PLATFORMS)?;
    write_sums(&request.folder)
}

fn write_sums(folder: &Path) -> Result {
    let path = folder.join(sums::FILE);
    fs::write(&path, sums::text(&sums::of(folder)?))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

fn parse(args: &[String]) -> Result<Request> {
    let manifests = args.first().is_some_and(|word| word == "manifests");
    let mut request = Request {
        manifests,
        target: None,
        profile: None,
        folder: workspace().join("target/dist"),
        url: None,
    };
    let mut args = args.iter().skip(usize::from(manifests));
    while let Some(flag) = args.next() {
        let mut value = || args.next().cloned().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--target" if !manifests => request.target = Some(value()?),
            "--profile" if !manifests => request.profile = Some(value()?),
            "--to" => request.folder = PathBuf::from(value()?),
            "--url" => request.url = Some(address(&value()?)?),
            other => return Err(format!("unknown argument {other}; {USAGE}").into()),
        }
    }
    Ok(request)
}

/// Reads where something is downloaded from. krew takes any text, and finds out on the machine of whoever installs.
fn address(url: &str) -> Result<String> {
    let host = url.strip_prefix("https://").filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if host.is_none() || url.contains(char::is_whitespace) {
        return Err(format!("{url:?} is no address to download from: it begins with https://").into());
    }
    Ok(url.trim_end_matches('/').to_string())
}

/// The target that cargo builds for when nothing is said.
pub(crate) fn host() -> Result<String> {
    let output = std::process::Command::new("rustc").arg("-vV").output()?;
    let version = String::from_utf8(output.stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not say what it builds for")?.to_string())
}

#[cfg(test)]
mod tests {
    use super::{parse, run};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn no_manifest_is_written_without_an_address() {
        let folder = tempfile::tempdir().unwrap();
        let ask = |rest: &str| run(&words(&format!("manifests --to {} {rest}", folder.path().display())));
        let error = ask("").unwrap_err().to_string();
        assert!(error.starts_with("a manifest names where the archives will be downloaded from"), "{error}");
        for address in ["http://a/b", "https://", "https:///v1", "v1"] {
            let error = ask(&format!("--url {address}")).unwrap_err().to_string();
            assert!(error.contains("is no address to download from"), "{error}");
        }
        assert_eq!(parse(&words("--url https://a/b/")).unwrap().url.as_deref(), Some("https://a/b"));
    }

    #[test]
    fn manifests_are_of_all_platforms_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubectl-rollback-v0-linux-amd64.tar.gz"), "").unwrap();
        let line = format!("manifests --url https://a/b --to {}", folder.path().display());
        let error = run(&words(&line)).unwrap_err().to_string();
        assert!(error.starts_with("the release lacks kubectl-dsupdate-v"), "{error}");
        assert!(!folder.path().join("rollback.yaml").exists());
    }

    #[test]
    fn what_there_is_not_is_refused_with_what_there_is() {
        for line in ["--form x", "manifests --target x", "manifest", "--target"] {
            assert!(parse(&words(line)).is_err(), "{line}");
        }
        let error = parse(&words("manifests --profile fast")).unwrap_err().to_string();
        assert!(error.starts_with("unknown argument --profile; there are --target TRIPLE"), "{error}");
    }
}
