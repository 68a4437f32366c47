//! `cargo xtask dist`: what krew installs, an archive and a manifest a plugin.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use cluster::workspace;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::{Result, plugins};

/// What goes into an archive beside the program. krew wants the license.
const PAPERS: [&str; 2] = ["LICENSE", "README.md"];

struct Request {
    target: Option<String>,
    profile: String,
    folder: PathBuf,
    /// Where the archives will be downloaded from.
    url: String,
}

pub(crate) fn run(args: &[String]) -> Result {
    let request = parse(args)?;
    let target = match &request.target {
        Some(target) => target.clone(),
        None => host()?,
    };
    fs::create_dir_all(&request.folder)?;
    for program in plugins::build(&request.profile, request.target.as_deref())? {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let archive = request.folder.join(format!("{name}-v{}-{target}.tar.gz", env!("CARGO_PKG_VERSION")));
        pack(&program, &name, &archive)?;
        println!("{}", archive.display());
        println!("{}", manifest(&request, name.trim_start_matches("kubectl-"))?.display());
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Request> {
    let mut request = Request {
        target: None,
        profile: "release".to_string(),
        folder: workspace().join("target/dist"),
        url: String::new(),
    };
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        let mut value = || args.next().cloned().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--target" => request.target = Some(value()?),
            "--profile" => request.profile = value()?,
            "--to" => request.folder = PathBuf::from(value()?),
            "--url" => request.url = value()?,
            other => {
                return Err(
                    format!("unknown argument {other}; there are --target, --profile, --to, --url").into()
                );
            }
        }
    }
    Ok(request)
}

/// The target that cargo builds for when nothing is said.
pub(crate) fn host() -> Result<String> {
    let output = std::process::Command::new("rustc").arg("-vV").output()?;
    let version = String::from_utf8(output.stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not say what it builds for")?.to_string())
}

/// Writes a flat archive of plain files: krew follows no links and takes the modes from it. The same contents give the
/// same bytes.
fn pack(program: &Path, name: &str, archive: &Path) -> Result {
    let mut tar = Builder::new(GzEncoder::new(File::create(archive)?, Compression::best()));
    append(&mut tar, program, name, 0o755)?;
    for paper in PAPERS {
        append(&mut tar, &workspace().join(paper), paper, 0o644)?;
    }
    tar.into_inner()?.finish()?;
    Ok(())
}

fn append(tar: &mut Builder<impl io::Write>, file: &Path, name: &str, mode: u32) -> Result {
    let content = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(content.len().try_into()?);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    Ok(tar.append_data(&mut header, name, content.as_slice())?)
}

/// Writes the manifest of a plugin, with the platforms whose archives lie in the folder.
fn manifest(request: &Request, plugin: &str) -> Result<PathBuf> {
    let source = workspace().join("krew-manifests").join(format!("{plugin}.yaml"));
    let text = fs::read_to_string(&source).map_err(|error| format!("{}: {error}", source.display()))?;
    let mut manifest: Value = serde_yaml::from_str(&text)?;
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    let mut platforms = Vec::new();
    for mut platform in manifest["spec"]["platforms"].as_array().cloned().unwrap_or_default() {
        let Some((file, sum)) = archive(request, plugin, &version, &platform)? else { continue };
        platform["uri"] = json!(format!("{}/{file}", request.url));
        platform["sha256"] = json!(sum);
        platforms.push(platform);
    }
    if platforms.is_empty() {
        return Err(format!("{} has no platform for what was built", source.display()).into());
    }
    manifest["spec"]["version"] = json!(version);
    manifest["spec"]["platforms"] = json!(platforms);
    let path = request.folder.join(format!("{plugin}.yaml"));
    fs::write(&path, serde_yaml::to_string(&manifest)?)?;
    Ok(path)
}

/// Returns the name and the sum of the archive that was built for a platform.
fn archive(
    request: &Request,
    plugin: &str,
    version: &str,
    platform: &Value,
) -> Result<Option<(String, String)>> {
    let labels = &platform["selector"]["matchLabels"];
    for target in targets(labels["os"].as_str(), labels["arch"].as_str()) {
        let file = format!("kubectl-{plugin}-{version}-{target}.tar.gz");
        let path = request.folder.join(&file);
        if path.is_file() {
            return Ok(Some((file, sum(&fs::read(path)?))));
        }
    }
    Ok(None)
}

/// Rust's names of a platform of krew, the better one first: a static program runs on every Linux.
fn targets(os: Option<&str>, arch: Option<&str>) -> &'static [&'static str] {
    match (os, arch) {
        (Some("linux"), Some("amd64")) => &["x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"],
        (Some("linux"), Some("arm64")) => &["aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"],
        (Some("darwin"), Some("amd64")) => &["x86_64-apple-darwin"],
        (Some("darwin"), Some("arm64")) => &["aarch64-apple-darwin"],
        _ => &[],
    }
}

fn sum(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn a_sum_is_written_as_krew_reads_it() {
        assert_eq!(sum(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
