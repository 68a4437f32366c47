//! `cargo xtask dist`: the archives of a target, what is in them, their sums, and the manifests by which krew installs them.

mod archive;
mod bom;
mod contents;
mod licences;
mod linked;
mod manifest;
mod notices;
mod paths;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use cluster::{Folders, workspace};
use tempfile::TempDir;

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
    fs::create_dir_all(&request.folder)
        .map_err(|error| format!("cannot create {}: {error}", request.folder.display()))?;
    let build = Build::of(&request, target)?;
    let mut told = HashSet::new();
    for plugin in names::PLUGINS {
        told.extend(build.pack(plugin, &request.folder)?);
    }
    build.known.all_told(&told)?;
    let mut sums = sums::of(&request.folder)?;
    if let Some(url) = &request.url {
        let there = |platform: &&names::Platform| {
            names::PLUGINS
                .iter()
                .all(|plugin| sums.contains_key(&names::archive(plugin, VERSION, **platform)))
        };
        let platforms: Vec<names::Platform> = names::PLATFORMS.iter().filter(there).copied().collect();
        write_manifests(&request.folder, url, &mut sums, &platforms)?;
    }
    write(&request.folder.join(sums::FILE), &sums::text(&sums))
}

/// What was built for a target, and what has to be known of it.
struct Build {
    target: String,
    platform: names::Platform,
    programs: Vec<PathBuf>,
    /// What is generated from the programs' declarations.
    generated: TempDir,
    folders: Folders,
    known: linked::Known,
    accepted: licences::Accepted,
    /// What is to be told of the standard library.
    library: String,
}

impl Build {
    fn of(request: &Request, target: String) -> Result<Self> {
        let platform = names::platform(&target)?;
        let accepted = licences::Accepted::read()?;
        let folders = Folders::of_this_machine()?;
        let library = notices::of_library(folders.sysroot())?;
        let profile = request.profile.as_deref().unwrap_or("release");
        let programs = plugins::build_auditable(profile, request.target.as_deref())?;
        let known = linked::Known::of(&target)?;
        let generated = tempfile::tempdir()?;
        contents::generate(generated.path())?;
        Ok(Self { target, platform, programs, generated, folders, known, accepted, library })
    }

    /// Writes the archive of a plugin, and what its program is made of, and returns what that is.
    fn pack(&self, plugin: &str, folder: &Path) -> Result<Vec<linked::Id>> {
        let name = names::program(plugin, self.platform.0);
        let program = contents::program(&self.programs, &name)?;
        let failed = |error: Box<dyn std::error::Error>| format!("{name}: {error}");
        paths::check(&program.content, &self.folders.all(), &self.target).map_err(failed)?;
        let parts = linked::parts(&program.content, &self.known).map_err(failed)?;
        let bom = bom::text(&program.content, &parts).map_err(failed)?;
        let notices = notices::text(&name, &self.target, &parts, &self.accepted, &self.library);
        let notices = notices.map_err(failed)?;
        let files = contents::of(plugin, self.platform.0, program, notices, self.generated.path())?;
        let path = folder.join(names::archive(plugin, VERSION, self.platform));
        archive::write(&path, &files)?;
        println!("{}", path.display());
        write(&folder.join(names::bom(plugin, VERSION, self.platform)), &bom)?;
        Ok(parts.into_iter().map(|part| part.id).collect())
    }
}

/// Writes the manifests of a release, which are of all platforms or not at all.
fn manifests(request: &Request) -> Result {
    let url = request.url.as_deref().ok_or(
        "a manifest names where the archives will be downloaded from: say it with --url https://…/v1.2.3",
    )?;
    let mut sums = sums::of(&request.folder)?;
    sums::complete(&sums, VERSION)?;
    write_manifests(&request.folder, url, &mut sums, &names::PLATFORMS)?;
    write(&request.folder.join(sums::FILE), &sums::text(&sums))
}

/// Writes a manifest a plugin, and adds their sums to those that they are made of.
fn write_manifests(
    folder: &Path,
    url: &str,
    sums: &mut BTreeMap<String, String>,
    platforms: &[names::Platform],
) -> Result {
    for (name, text) in manifest::all(url, sums, platforms)? {
        write(&folder.join(&name), &text)?;
        sums.insert(name, sums::sum(text.as_bytes()));
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
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
